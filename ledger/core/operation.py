"""Operations: what a statement's payload says, as values that cannot be malformed.

Theory of operation (docs/spec/statements.md and xinbiao.cddl): `parse` turns payload bytes into one
of the frozen dataclasses below, checking everything that needs no state: shape, ranges, order of
arrays, duplicates, identifiers in canonical form. Whatever fails is `malformed`. `encode` gives the
bytes back; `parse(x.encode()) == x` for every operation.

Implemented: 0 genesis, 1 delegate, 2 prefix.update (no recovery steps), 3 create, 4 update,
6 retire, 7 anchor. Operations 5, 8, 9, 10, recovery steps, approvals and self-certifying DIDs are
specified but not accepted yet: they parse to `malformed`, which says so.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ledger.core import encoding
from ledger.core.identifier import Identifier
from ledger.core.key_list import (
    KEYS_MAX,
    NewKey,
    Revocation,
    new_keys,
    owner_remains,
    revocations,
)
from ledger.core.member import (
    MEMBERS_MAX,
    Limits,
    Member,
    limits_from_value,
    member_from_value,
    minimum_quorum,
)
from ledger.core.merkle import EMPTY_ROOT
from ledger.core.shape import (
    Shape,
    array,
    ascending,
    canonical_identifier,
    fixed_bytes,
    in_range,
    malformed,
    network_name,
    short_text,
    text,
    unsigned,
)
from ledger.core.value import (
    VALUE_INDEX_MAX,
    Quota,
    Value,
    quota_from_value,
    referral_from_value,
    referral_to_value,
    values_from_value,
)
from ledger.errors import EncodingError

STATE_LOST: Final = 6  # the gap reason that begins a new epoch
ITEMS_MAX: Final = 2_000
ROOT_KEYS_MAX: Final = 16
ALIASES_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """Operation 0: the network, its members and its root keys."""

    network: str
    members: tuple[Member, ...]
    quorum: int
    root_keys: tuple[NewKey, ...]
    limits: Limits = field(default_factory=Limits)
    previous: tuple[str, str] | None = None

    @property
    def subject(self) -> str:
        """What claim `sub` must be."""
        return self.network

    def encode(self) -> bytes:
        """Return the payload bytes."""
        value: dict[int, Any] = {
            0: 0,
            1: self.network,
            2: [member.to_value() for member in self.members],
            3: self.quorum,
            4: [key.to_value() for key in self.root_keys],
            5: self.limits.to_value(),
        }
        if self.previous is not None:
            value[6] = {1: self.previous[0], 2: self.previous[1]}
        return encoding.encode(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """Operation 1: a prefix, its owner's keys and its quota."""

    prefix: Identifier
    owner_name: str
    keys: tuple[NewKey, ...]
    quota: Quota
    values: tuple[Value, ...] = ()

    @property
    def subject(self) -> str:
        """What claim `sub` must be."""
        return self.prefix.text

    def encode(self) -> bytes:
        """Return the payload bytes."""
        return encoding.encode(
            {
                0: 1,
                1: self.prefix.text,
                2: 0,
                3: self.owner_name,
                4: [key.to_value() for key in self.keys],
                5: [value.to_value() for value in self.values],
                6: self.quota.to_value(),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixUpdate:
    """Operation 2: keys, values or referral by the owner, or the quota by the parent's owner.

    `values` None leaves the values; `refers` tells whether `referral` is put (None removes it).
    """

    prefix: Identifier
    version: int
    add_keys: tuple[NewKey, ...] = ()
    revoke: tuple[Revocation, ...] = ()
    values: tuple[Value, ...] | None = None
    quota: Quota | None = None
    refers: bool = False
    referral: tuple[str, str | None] | None = None

    @property
    def subject(self) -> str:
        """What claim `sub` must be."""
        return self.prefix.text

    def encode(self) -> bytes:
        """Return the payload bytes."""
        value: dict[int, Any] = {0: 2, 1: self.prefix.text, 2: self.version}
        if self.add_keys:
            value[3] = [key.to_value() for key in self.add_keys]
        if self.revoke:
            value[4] = [revocation.to_value() for revocation in self.revoke]
        if self.values is not None:
            value[5] = [item.to_value() for item in self.values]
        if self.quota is not None:
            value[6] = self.quota.to_value()
        if self.refers:
            value[7] = None if self.referral is None else referral_to_value(self.referral)
        return encoding.encode(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One record to create."""

    identifier: Identifier
    values: tuple[Value, ...] = ()

    def to_value(self) -> dict[int, Any]:
        """Return the CBOR map."""
        return {0: self.identifier.text, 1: [value.to_value() for value in self.values]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Operation 3: records, all or none; items ascending by bytes of the identifier."""

    items: tuple[Item, ...]

    def encode(self) -> bytes:
        """Return the payload bytes."""
        return encoding.encode({0: 3, 1: [item.to_value() for item in self.items]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Operation 4: put and remove values, list and unlist aliases."""

    identifier: Identifier
    version: int
    put: tuple[Value, ...] = ()
    remove: tuple[int, ...] = ()
    add_aliases: tuple[Identifier, ...] = ()
    remove_aliases: tuple[Identifier, ...] = ()

    @property
    def subject(self) -> str:
        """What claim `sub` must be."""
        return self.identifier.text

    def encode(self) -> bytes:
        """Return the payload bytes."""
        value: dict[int, Any] = {
            0: 4,
            1: self.identifier.text,
            2: self.version,
            3: [item.to_value() for item in self.put],
            4: list(self.remove),
        }
        if self.add_aliases:
            value[5] = [alias.text for alias in self.add_aliases]
        if self.remove_aliases:
            value[6] = [alias.text for alias in self.remove_aliases]
        return encoding.encode(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Operation 6: the record or prefix takes no more changes; its leaf stays."""

    identifier: Identifier
    version: int
    reason: int = 0

    @property
    def subject(self) -> str:
        """What claim `sub` must be."""
        return self.identifier.text

    def encode(self) -> bytes:
        """Return the payload bytes."""
        return encoding.encode({0: 6, 1: self.identifier.text, 2: self.version, 3: self.reason})


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What the gateway knew of time when it sealed a batch.

    Attributes:
        wall_ms: Its wall clock, Unix milliseconds.
        monotonic_ms: Its monotonic clock.
        boot_id: 16 bytes that change at every boot.
        sync: 0 unknown, 1 synchronised, 2 not.
        error_ms_max: Bound of the error, or None.
    """

    wall_ms: int
    monotonic_ms: int
    boot_id: bytes
    sync: int = 0
    error_ms_max: int | None = None

    def to_value(self) -> dict[int, Any]:
        """Return the CBOR map."""
        value: dict[int, Any] = {
            1: self.wall_ms,
            2: self.monotonic_ms,
            3: self.boot_id,
            4: self.sync,
        }
        if self.error_ms_max is not None:
            value[5] = self.error_ms_max
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Operation 7: the Merkle root of one batch of readings.

    Attributes:
        stream: The gateway's identifier.
        sequence: 0, 1, 2 … over all epochs.
        previous: Hash of the stream's previous anchor statement, None for the first.
        root: Root of the batch, H("") when it is empty.
        count: Number of readings.
        first_us: Earliest time in the batch, Unix microseconds.
        last_us: Latest.
        schema: Which mapping made the readings.
        locator: Where the archive lies, or None.
        clock: What the gateway knew of time.
        archive_hash: SHA-256 of the archive body.
        lost: Readings lost since the previous batch, by gap reason, ascending.
        epoch: 0 until state was lost.
        reason: Why the batch is empty; present exactly then.
    """

    stream: Identifier
    sequence: int
    previous: bytes | None
    root: bytes
    count: int
    first_us: int
    last_us: int
    schema: str = ""
    locator: str | None = None
    clock: Clock | None = None
    archive_hash: bytes | None = None
    lost: tuple[tuple[int, int], ...] = ()
    epoch: int = 0
    reason: int | None = None

    @property
    def subject(self) -> str:
        """What claim `sub` must be."""
        return self.stream.text

    def encode(self) -> bytes:
        """Return the payload bytes."""
        value: dict[int, Any] = {
            0: 7,
            1: self.stream.text,
            2: self.sequence,
            3: self.previous,
            4: self.root,
            5: self.count,
            6: self.first_us,
            7: self.last_us,
            8: self.schema,
            9: self.locator,
            10: None if self.clock is None else self.clock.to_value(),
            11: self.archive_hash,
            12: dict(self.lost) or None,
            13: self.epoch or None,
            14: self.reason,
        }
        return encoding.encode(
            {key: item for key, item in value.items() if key < 10 or item is not None}
        )


Operation: TypeAlias = Genesis | Delegate | PrefixUpdate | Create | Update | Retire | Anchor


def parse(payload: bytes) -> Operation:
    """Read a statement's payload.

    Raises:
        Rejection: `malformed`, with the field and the rule.
    """
    try:
        value = encoding.decode(payload)
    except EncodingError as error:
        raise malformed(f"payload: {error}") from None
    if not isinstance(value, dict) or 0 not in value:
        raise malformed("payload: not a map with the operation's number at 0")
    number = value[0]
    known = isinstance(number, int) and not isinstance(number, bool)
    parser = _PARSERS.get(number) if known else None
    if parser is None:
        what = number if known else "with another number"
        raise malformed(f"operation {what}: not accepted by this version")
    shape = Shape(value, f"operation {number}")
    shape.need(0, lambda item, _: item)
    operation = parser(shape)
    shape.end()
    return operation


def _refused(shape: Shape, number: int, what: str) -> None:
    if shape.has(number):
        raise malformed(f"{shape.where}.{number}: {what} are not accepted by this version")


def _genesis(shape: Shape) -> Genesis:
    network = shape.need(1, network_name)
    place = f"{shape.where}.2"
    members = tuple(
        member_from_value(item, f"{place}[{number}]")
        for number, item in enumerate(shape.need(2, lambda v, w: array(v, w, 1, MEMBERS_MAX)))
    )
    ascending([member.name for member in members], place, "members, by name")
    used = [key for member in members for key in (member.log_key, member.cosigner_key)]
    if len(set(used)) != len(used):
        raise malformed(f"{place}: two members share a log or cosigner key")
    quorum = shape.need(3, in_range(1, MEMBERS_MAX))
    least = minimum_quorum(len(members))
    if not least <= quorum <= len(members):
        raise malformed(f"{shape.where}.3: a quorum of {len(members)} is {least}–{len(members)}")
    root_keys = shape.need(4, new_keys(ROOT_KEYS_MAX))
    owner_remains(root_keys, f"{shape.where}.4")
    return Genesis(
        network=network,
        members=members,
        quorum=quorum,
        root_keys=root_keys,
        limits=shape.need(5, limits_from_value),
        previous=shape.maybe(6, _previous_network),
    )


def _previous_network(value: Any, where: str) -> tuple[str, str]:
    shape = Shape(value, where)
    result = shape.need(1, network_name), shape.need(2, text(16_384))
    shape.end()
    return result


def _delegate(shape: Shape) -> Delegate:
    prefix = shape.need(1, canonical_identifier)
    if not prefix.can_be_prefix:
        raise malformed(f"{shape.where}.1: {prefix.text} cannot be a prefix")
    shape.need(2, in_range(0, 0))
    _refused(shape, 7, "approvals")
    owner_name, listed = shape.need(3, short_text), shape.need(4, new_keys(KEYS_MAX))
    owner_remains(listed, f"{shape.where}.4")
    return Delegate(
        prefix=prefix,
        owner_name=owner_name,
        keys=listed,
        values=shape.need(5, values_from_value),
        quota=shape.need(6, quota_from_value),
    )


def _prefix_update(shape: Shape) -> PrefixUpdate:
    _refused(shape, 8, "recovery steps")
    prefix = shape.need(1, canonical_identifier)
    version = shape.need(2, in_range(1, encoding.INT_MAX))
    members = {number for number in (3, 4, 5, 6, 7) if shape.has(number)}
    if not members or (6 in members and members != {6}):
        raise malformed(f"{shape.where}: members 3, 4, 5, 7 in any choice, or 6 alone")
    refers = shape.has(7)
    return PrefixUpdate(
        prefix=prefix,
        version=version,
        add_keys=shape.maybe(3, new_keys(KEYS_MAX)) or (),
        revoke=shape.maybe(4, revocations) or (),
        values=shape.maybe(5, values_from_value),
        quota=shape.maybe(6, quota_from_value),
        refers=refers,
        referral=shape.maybe(7, lambda v, w: None if v is None else referral_from_value(v, w)),
    )


def _create(shape: Shape) -> Create:
    _refused(shape, 2, "approvals")
    place = f"{shape.where}.1"
    items = [
        _item(item, f"{place}[{number}]")
        for number, item in enumerate(shape.need(1, lambda v, w: array(v, w, 1, ITEMS_MAX)))
    ]
    ascending([item.identifier.text.encode() for item in items], place, "identifiers, by bytes")
    if len({item.identifier.key_text for item in items}) != len(items):
        raise malformed(f"{place}: two items have one key text (they differ in case only)")
    return Create(items=tuple(items))


def _item(value: Any, where: str) -> Item:
    shape = Shape(value, where)
    _refused(shape, 2, "self-certifying DIDs")
    ident = shape.need(0, canonical_identifier)
    if ident.must_be_prefix:
        raise malformed(f"{where}.0: {ident.text} can only be a prefix: delegate it")
    if ident.self_certifying:
        raise malformed(f"{where}.0: self-certifying DIDs are not accepted by this version")
    item = Item(identifier=ident, values=shape.need(1, values_from_value))
    shape.end()
    return item


def _update(shape: Shape) -> Update:
    ident = shape.need(1, canonical_identifier)
    version = shape.need(2, in_range(1, encoding.INT_MAX))
    put = shape.need(3, values_from_value)
    remove = shape.need(4, _indices)
    if {value.index for value in put} & set(remove):
        raise malformed(f"{shape.where}: one index in both 3 and 4")
    add, drop = shape.maybe(5, _aliases) or (), shape.maybe(6, _aliases) or ()
    if {alias.key_text for alias in add} & {alias.key_text for alias in drop}:
        raise malformed(f"{shape.where}: one alias in both 5 and 6")
    return Update(
        identifier=ident,
        version=version,
        put=put,
        remove=remove,
        add_aliases=add,
        remove_aliases=drop,
    )


def _indices(value: Any, where: str) -> tuple[int, ...]:
    numbers = [
        in_range(1, VALUE_INDEX_MAX)(item, f"{where}[{number}]")
        for number, item in enumerate(array(value, where))
    ]
    ascending(numbers, where, "value indices")
    return tuple(numbers)


def _aliases(value: Any, where: str) -> tuple[Identifier, ...]:
    aliases = [
        canonical_identifier(item, f"{where}[{number}]")
        for number, item in enumerate(array(value, where, 1, ALIASES_MAX))
    ]
    ascending([alias.text.encode() for alias in aliases], where, "aliases, by bytes")
    if len({alias.key_text for alias in aliases}) != len(aliases):
        raise malformed(f"{where}: two aliases have one key text")
    return tuple(aliases)


def _retire(shape: Shape) -> Retire:
    return Retire(
        identifier=shape.need(1, canonical_identifier),
        version=shape.need(2, in_range(1, encoding.INT_MAX)),
        reason=shape.need(3, in_range(0, 4)),
    )


def _hash_or_null(value: Any, where: str) -> bytes | None:
    return None if value is None else fixed_bytes(32)(value, where)


def _anchor(shape: Shape) -> Anchor:
    anchor = Anchor(
        stream=shape.need(1, canonical_identifier),
        sequence=shape.need(2, unsigned),
        previous=shape.need(3, _hash_or_null),
        root=shape.need(4, fixed_bytes(32)),
        count=shape.need(5, unsigned),
        first_us=shape.need(6, unsigned),
        last_us=shape.need(7, unsigned),
        schema=shape.need(8, short_text),
        locator=shape.need(9, lambda v, w: None if v is None else short_text(v, w)),
        clock=shape.maybe(10, _clock),
        archive_hash=shape.maybe(11, fixed_bytes(32)),
        lost=shape.maybe(12, _lost) or (),
        epoch=shape.maybe(13, in_range(1, encoding.INT_MAX)) or 0,
        reason=shape.maybe(14, in_range(0, 10)),
    )
    if anchor.first_us > anchor.last_us:
        raise malformed(f"{shape.where}: 6 (first) is after 7 (last)")
    empty = anchor.count == 0
    if empty != (anchor.root == EMPTY_ROOT) or empty != (anchor.reason is not None):
        raise malformed(f'{shape.where}: count 0, root H("") and member 14 go together')
    return anchor


def _clock(value: Any, where: str) -> Clock:
    shape = Shape(value, where)
    clock = Clock(
        wall_ms=shape.need(1, unsigned),
        monotonic_ms=shape.need(2, unsigned),
        boot_id=shape.need(3, fixed_bytes(16)),
        sync=shape.need(4, in_range(0, 2)),
        error_ms_max=shape.maybe(5, unsigned),
    )
    shape.end()
    return clock


def _lost(value: Any, where: str) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, dict) or not value:
        raise malformed(f"{where}: not a map with an entry")
    return tuple(
        (in_range(0, 10)(reason, where), unsigned(count, f"{where}.{reason}"))
        for reason, count in value.items()
    )


_PARSERS: Final[dict[int, Callable[[Shape], Operation]]] = {
    0: _genesis,
    1: _delegate,
    2: _prefix_update,
    3: _create,
    4: _update,
    6: _retire,
    7: _anchor,
}
