"""Typed values of records and prefixes, quotas and referrals: shapes shared by operations and objects.

Theory of operation (docs/spec/objects.md): Handle types, GS1 link types and DID members are all
*types of values*, and every interface is a projection of one record. A value is public for ever
unless it is a commitment, so access above 0 requires one, and HS_SECKEY is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ledger.core.shape import (
    Shape,
    any_bytes,
    any_text,
    array,
    ascending,
    canonical_identifier,
    fixed_bytes,
    in_range,
    malformed,
    network_name,
    short_text,
    unsigned,
)

TEXT, BYTES, COMMITMENT = range(3)  # formats
VALUE_INDEX_MAX: Final = 2**31 - 1
TTL_S_MAX: Final = 172_800
_DATA_CHECKS: Final[tuple[Callable[[Any, str], Any], ...]] = (any_text, any_bytes, fixed_bytes(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A typed value of a record or prefix.

    Attributes:
        index: Handle value index, 1–2³¹−1.
        type: `URL`, `EMAIL`, a GS1 link type, a DID member, …
        format: 0 text, 1 bytes, 2 commitment.
        data: str, bytes, or 32 bytes.
        ttl_s: Seconds a resolver may keep it.
        access: 0 public, 1 granted, 2 owner; above 0 only as a commitment.
        changed_ms: Block time of the last put; None as submitted.
        title: Text for people, or None.
        language: BCP 47 tag, or None.
        writers: Prefixes that may change the data of this value.
    """

    index: int
    type: str
    data: str | bytes
    format: int = TEXT
    ttl_s: int = 86_400
    access: int = 0
    changed_ms: int | None = None
    title: str | None = None
    language: str | None = None
    writers: tuple[str, ...] = ()

    def to_value(self) -> dict[int, Any]:
        """Return the CBOR map, keys ascending."""
        value: dict[int, Any] = {
            1: self.index,
            2: self.type,
            3: self.format,
            4: self.data,
            5: self.ttl_s,
            6: self.access,
        }
        if self.changed_ms is not None:
            value[7] = self.changed_ms
        if self.title is not None:
            value[8] = self.title
        if self.language is not None:
            value[9] = self.language
        if self.writers:
            value[11] = list(self.writers)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a prefix may use: objects ever created, bytes of logged statements."""

    objects: int
    log_bytes: int

    def to_value(self) -> dict[int, Any]:
        """Return the CBOR map."""
        return {1: self.objects, 2: self.log_bytes}


def value_from_value(value: Any, where: str, *, stored: bool) -> Value:
    """Read one typed value, as submitted or as stored (with its block time).

    Raises:
        Rejection: `malformed`.
    """
    shape = Shape(value, where)
    index = shape.need(1, in_range(1, VALUE_INDEX_MAX))
    kind = shape.need(2, short_text)
    if kind == "HS_SECKEY":
        raise malformed(f"{where}.2: HS_SECKEY holds a secret and is never stored; keep it off")
    form = shape.need(3, in_range(TEXT, COMMITMENT))
    data = shape.need(4, _DATA_CHECKS[form])
    ttl_s = shape.need(5, in_range(0, TTL_S_MAX))
    access = shape.need(6, in_range(0, 2))
    if access and form != COMMITMENT:
        raise malformed(f"{where}.6: access {access} requires format 2 (a commitment)")
    changed_ms = shape.need(7, unsigned) if stored else None
    title = shape.maybe(8, any_text)
    language = shape.maybe(9, short_text)
    writers = shape.maybe(11, _writers)
    shape.end()
    return Value(
        index=index,
        type=kind,
        format=form,
        data=data,
        ttl_s=ttl_s,
        access=access,
        changed_ms=changed_ms,
        title=title,
        language=language,
        writers=writers or (),
    )


def values_from_value(value: Any, where: str, *, stored: bool = False) -> tuple[Value, ...]:
    """Read values, ascending by index, none twice.

    Raises:
        Rejection: `malformed`.
    """
    values = [
        value_from_value(item, f"{where}[{number}]", stored=stored)
        for number, item in enumerate(array(value, where))
    ]
    ascending([item.index for item in values], where, "values, by index")
    return tuple(values)


def _writers(value: Any, where: str) -> tuple[str, ...]:
    writers = [
        canonical_identifier(item, f"{where}[{number}]")
        for number, item in enumerate(array(value, where, 1))
    ]
    for number, writer in enumerate(writers):
        if not writer.can_be_prefix:
            raise malformed(f"{where}[{number}]: a writer is a prefix")
    ascending([writer.text.encode() for writer in writers], where, "writers, by bytes")
    return tuple(writer.text for writer in writers)


def referral_from_value(value: Any, where: str) -> tuple[str, str | None]:
    """Read a referral: the other network's name and perhaps a URL.

    Raises:
        Rejection: `malformed`.
    """
    shape = Shape(value, where)
    network, url = shape.need(1, network_name), shape.maybe(2, short_text)
    shape.end()
    return network, url


def referral_to_value(referral: tuple[str, str | None]) -> dict[int, Any]:
    """Return the CBOR map of a referral."""
    network, url = referral
    return {1: network} if url is None else {1: network, 2: url}


def quota_from_value(value: Any, where: str) -> Quota:
    """Read a quota.

    Raises:
        Rejection: `malformed`.
    """
    shape = Shape(value, where)
    result = Quota(objects=shape.need(1, unsigned), log_bytes=shape.need(2, unsigned))
    shape.end()
    return result
