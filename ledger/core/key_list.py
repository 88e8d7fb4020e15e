"""Keys as they stand in a prefix's list: roles, first and last index, revocation.

Theory of operation (docs/spec/statements.md): a key is valid at log index i iff it was listed before
i, no `until` ≤ i and no revocation before i. Windows are log indices, never clocks. Keys never leave
the list, so that the current object proves old signatures; `suspect_from` changes verdicts, never
state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.core import keys
from ledger.core.shape import (
    Shape,
    array,
    ascending,
    cose_key,
    fixed_bytes,
    in_range,
    malformed,
    unsigned,
)

OWNER, REGISTRAR, AGENT, DEVICE, INSPECTOR, REGULATOR, RECOVERY = range(1, 8)
KEYS_MAX: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key as submitted; `roles` ascending, `until` a log index or None."""

    key: keys.PublicKey
    roles: tuple[int, ...]
    until: int | None = None

    def to_value(self) -> dict[int, Any]:
        """Return the CBOR map."""
        value: dict[int, Any] = {1: self.key.cose, 2: list(self.roles)}
        if self.until is not None:
            value[4] = self.until
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Revoke a key: kid, reason 0–4, and the log index from which it is suspect."""

    kid: bytes
    reason: int
    suspect_from: int | None = None

    def to_value(self) -> list[Any]:
        """Return the CBOR array."""
        value: list[Any] = [self.kid, self.reason]
        if self.suspect_from is not None:
            value.append(self.suspect_from)
        return value


def roles(value: Any, where: str) -> tuple[int, ...]:
    """Accept 1–7 roles, ascending."""
    numbers = [
        in_range(OWNER, RECOVERY)(item, f"{where}[{number}]")
        for number, item in enumerate(array(value, where, 1, 7))
    ]
    ascending(numbers, where, "roles")
    return tuple(numbers)


def new_keys(most: int) -> Callable[[Any, str], tuple[NewKey, ...]]:
    """Accept 1 to `most` new keys, ascending by kid."""

    def check(value: Any, where: str) -> tuple[NewKey, ...]:
        listed = []
        for number, item in enumerate(array(value, where, 1, most)):
            shape = Shape(item, f"{where}[{number}]")
            listed.append(
                NewKey(
                    key=shape.need(1, cose_key),
                    roles=shape.need(2, roles),
                    until=shape.maybe(4, unsigned),
                )
            )
            shape.end()
        ascending([item.key.kid for item in listed], where, "keys, by kid")
        return tuple(listed)

    return check


def owner_remains(listed: Sequence[NewKey], where: str) -> None:
    """Refuse a first key list without an owner key that has no end."""
    if not any(OWNER in item.roles and item.until is None for item in listed):
        raise malformed(f"{where}: no key with role 1 (owner) and without `until`")


def revocations(value: Any, where: str) -> tuple[Revocation, ...]:
    """Accept revocations, ascending by kid."""
    listed = []
    for number, item in enumerate(array(value, where, 1, KEYS_MAX)):
        place = f"{where}[{number}]"
        parts = array(item, place, 2, 3)
        listed.append(
            Revocation(
                kid=fixed_bytes(keys.KID_BYTES)(parts[0], f"{place}[0]"),
                reason=in_range(0, 4)(parts[1], f"{place}[1]"),
                suspect_from=unsigned(parts[2], f"{place}[2]") if len(parts) == 3 else None,
            )
        )
    ascending([item.kid for item in listed], where, "revocations, by kid")
    return tuple(listed)
