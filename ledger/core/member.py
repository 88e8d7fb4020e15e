"""The consortium: its members, its quorum, its limits (docs/spec/log.md).

A quorum is safe when any two share an honest member: with n members, f = ⌊(n−1)/3⌋ of them faulty,
q = ⌊(n+f)/2⌋ + 1. Limits are agreed by the consortium within the bounds below, which keep every
statement loggable (entry bundles have 2-byte lengths) and every network usable.
"""

from dataclasses import dataclass
from typing import Any, Final

from ledger.core import encoding, keys
from ledger.core.shape import (
    Shape,
    cose_key,
    fixed_bytes,
    in_range,
    malformed,
    short_text,
    text,
    unsigned,
)

MEMBERS_MAX: Final = 64
MEMBER_NAME_BYTES_MAX: Final = 64
_LIMIT_DEFAULTS: Final = (
    65_535, 2_000, 256, 256, 64, 1_209_600_000, 100_000, 86_400, 10_000, 4_000_000, 600, 3_600,
)  # fmt: skip
_LIMITS_BOUNDED: Final = (0, 1, 2, 3, 4, 8, 9)  # positions whose default is also the maximum
_LIMIT_MIN_8K: Final = (0, 9)
_LIMIT_MIN_BYTES: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of the consortium.

    Attributes:
        name: `[a-z0-9-]{1,64}`.
        log_key: Ed25519, signs checkpoints (C2SP type 0x01), 32 bytes.
        cosigner_key: Ed25519, cosigns with a time (0x04), 32 bytes.
        approval_key: Signs approvals.
        optional: Members 5–10 of the CDDL as they came (ML-DSA key, receipt key, validator key,
            power, URL, peer address).
    """

    name: str
    log_key: bytes
    cosigner_key: bytes
    approval_key: keys.PublicKey
    optional: tuple[tuple[int, Any], ...] = ()

    def to_value(self) -> dict[int, Any]:
        """Return the CBOR map."""
        return {
            1: self.name,
            2: self.log_key,
            3: self.cosigner_key,
            4: self.approval_key.cose,
            **dict(self.optional),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The consortium's limits 1–12 (docs/spec/log.md); the defaults are the specification's."""

    statement_bytes: int = _LIMIT_DEFAULTS[0]
    items_per_create: int = _LIMIT_DEFAULTS[1]
    values_per_object: int = _LIMIT_DEFAULTS[2]
    keys_per_prefix: int = _LIMIT_DEFAULTS[3]
    aliases_per_record: int = _LIMIT_DEFAULTS[4]
    recovery_delay_ms: int = _LIMIT_DEFAULTS[5]
    offer_heights: int = _LIMIT_DEFAULTS[6]
    exp_horizon_s: int = _LIMIT_DEFAULTS[7]
    statements_per_block: int = _LIMIT_DEFAULTS[8]
    bytes_per_block: int = _LIMIT_DEFAULTS[9]
    max_age_s: int = _LIMIT_DEFAULTS[10]
    ttl_s: int = _LIMIT_DEFAULTS[11]

    def to_value(self) -> dict[int, Any]:
        """Return the CBOR map."""
        return {number: getattr(self, name) for number, name in enumerate(self.__slots__, 1)}


def limits_from_value(value: Any, where: str) -> Limits:
    """Read limits 1–12, within their minima and maxima.

    Raises:
        Rejection: `malformed`.
    """
    shape = Shape(value, where)
    numbers = [shape.need(number, unsigned) for number in range(1, 13)]
    shape.end()
    for position, number in enumerate(numbers):
        least = _LIMIT_MIN_BYTES if position in _LIMIT_MIN_8K else 1
        most = _LIMIT_DEFAULTS[position] if position in _LIMITS_BOUNDED else encoding.INT_MAX
        if not least <= number <= most:
            raise malformed(f"{where}.{position + 1}: {number} is not within {least}–{most}")
    return Limits(**dict(zip(Limits.__slots__, numbers, strict=True)))


def member_from_value(value: Any, where: str) -> Member:
    """Read one member of the consortium.

    Raises:
        Rejection: `malformed`.
    """
    shape = Shape(value, where)
    name = shape.need(1, text(MEMBER_NAME_BYTES_MAX))
    if not all(character in "abcdefghijklmnopqrstuvwxyz0123456789-" for character in name):
        raise malformed(f"{where}.1: a member's name is [a-z0-9-]")
    log_key, cosigner_key = (shape.need(number, _ed25519_raw) for number in (2, 3))
    if log_key == cosigner_key:
        raise malformed(f"{where}: the log key and the cosigner key are one key")
    approval_key = shape.need(4, cose_key)
    checks = {
        5: fixed_bytes(1312),
        6: lambda item, place: cose_key(item, place).cose,
        7: fixed_bytes(32),
        8: in_range(1, 1000),
        9: short_text,
        10: short_text,
    }
    optional = tuple(
        (number, item)
        for number, check in checks.items()
        if (item := shape.maybe(number, check)) is not None
    )
    shape.end()
    return Member(
        name=name,
        log_key=log_key,
        cosigner_key=cosigner_key,
        approval_key=approval_key,
        optional=optional,
    )


def minimum_quorum(members: int) -> int:
    """Return q for n members: f = ⌊(n−1)/3⌋, q = ⌊(n+f)/2⌋ + 1 (docs/spec/log.md)."""
    return (members + (members - 1) // 3) // 2 + 1


def _ed25519_raw(value: Any, where: str) -> bytes:
    if not isinstance(value, bytes) or not keys.is_ed25519_listable(value):
        raise malformed(f"{where}: not an Ed25519 key of large order")
    return value
