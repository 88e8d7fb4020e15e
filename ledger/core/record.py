"""Objects: all state of the ledger, one map leaf each.

Theory of operation (docs/spec/objects.md): whatever the state machine may look at is an object of
one of six kinds, and its bytes are covered by the map root in every commit leaf. So a peer that
hands over state cannot slip in anything that a quorum has not signed.

    map key   = H("xinbiao:group" ‖ 00 ‖ group) ‖ H(tag ‖ 00 ‖ key text)          64 bytes
    map value = H("xinbiao:object" ‖ 00 ‖ object bytes)                            32 bytes

The key is a function of the identifier's text alone: absence needs no other knowledge, a transfer
never moves a key, and all leaves of one group lie side by side. `prev` is the plain SHA-256 of the
previous version's bytes, so any old version is proved from the newest checkpoint by that chain.

`decode_object` is as strict as the operations' parser, because verifiers feed it bytes from outside.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, TypeAlias

from ledger.core import encoding
from ledger.core.identifier import Identifier
from ledger.core.key_list import KEYS_MAX, OWNER, RECOVERY, NewKey, new_keys, roles
from ledger.core.keys import PublicKey
from ledger.core.member import MEMBERS_MAX, Limits, Member, limits_from_value, member_from_value
from ledger.core.shape import (
    Shape,
    array,
    ascending,
    canonical_identifier,
    cose_key,
    fixed_bytes,
    in_range,
    malformed,
    network_name,
    short_text,
    unsigned,
)
from ledger.core.value import (
    Quota,
    Value,
    quota_from_value,
    referral_from_value,
    referral_to_value,
    values_from_value,
)
from ledger.errors import EncodingError, Rejection

ACTIVE, RETIRED, FROZEN, WITHHELD = range(4)
OBJECT_BYTES_MAX: Final = 65_535
_GROUPS_CACHED_MAX: Final = 4096
EQUIVOCATIONS_MAX: Final = 16
NETWORK_KEY: Final = sha256(b"xinbiao:network").digest() + bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key as stored in a prefix's list.

    Attributes:
        key: The public key.
        roles: Ascending.
        since: Log index of the statement that listed it.
        until: Log index from which it no longer counts, or None.
        revoked: Log index of its revocation, or None.
        suspect_from: Log index from which its signatures are doubtful, or None.
    """

    key: PublicKey
    roles: tuple[int, ...]
    since: int
    until: int | None = None
    revoked: int | None = None
    suspect_from: int | None = None

    @classmethod
    def listed(cls, new: NewKey, index: int) -> "ListedKey":
        """Return a submitted key as listed by the statement at `index`."""
        return cls(key=new.key, roles=new.roles, since=index, until=new.until)

    @property
    def is_live_owner(self) -> bool:
        """Whether it has role 1, no end and no revocation."""
        return OWNER in self.roles and self.until is None and self.revoked is None

    @property
    def is_recovery(self) -> bool:
        """Whether it has role 7, which only a recovery may touch."""
        return RECOVERY in self.roles

    def window_holds(self, index: int) -> bool:
        """Tell whether it was listed before `index` and has not ended at it."""
        return self.since < index and (self.until is None or self.until > index)

    def is_revoked(self, index: int) -> bool:
        """Tell whether it was revoked before `index`."""
        return self.revoked is not None and self.revoked < index

    def to_value(self) -> dict[int, Any]:
        """Return the CBOR map."""
        value: dict[int, Any] = {1: self.key.cose, 2: list(self.roles), 3: self.since}
        optional = ((4, self.until), (5, self.revoked), (6, self.suspect_from))
        return value | {member: index for member, index in optional if index is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What every versioned object carries: version, indices, block times, link to its predecessor."""

    version: int
    created: int
    last: int
    created_ms: int
    last_ms: int
    prev: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordObject:
    """Kind 1: what an identifier resolves to.

    Attributes:
        id: The identifier in the spelling of its creation.
        owner: The prefix whose keys may change it.
        status: Active, retired, frozen or withheld.
        values: Ascending by index.
        aliases: Ascending by bytes.
        versions: Version, indices, times, prev.
        pending: Member 12 as it came (a transfer offer), or None.
        own_keys: Keys of a self-certifying DID, as they came.
        sponsor: Prefix that pays for a self-certifying DID.
    """

    id: str
    owner: str
    versions: Versions
    status: int = ACTIVE
    values: tuple[Value, ...] = ()
    aliases: tuple[str, ...] = ()
    pending: Any = None
    own_keys: tuple[ListedKey, ...] = ()
    sponsor: str | None = None

    def encode(self) -> bytes:
        """Return the object's bytes."""
        v = self.versions
        value: dict[int, Any] = {
            0: 1,
            1: self.id,
            2: self.owner,
            3: v.version,
            4: self.status,
            5: [item.to_value() for item in self.values],
            6: list(self.aliases),
            7: v.created,
            8: v.last,
            9: v.created_ms,
            10: v.last_ms,
            11: v.prev,
        }
        if self.pending is not None:
            value[12] = self.pending
        if self.own_keys:
            value[13] = [key.to_value() for key in self.own_keys]
        if self.sponsor is not None:
            value[14] = self.sponsor
        return encoding.encode(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixObject:
    """Kind 2: who owns a prefix, with which keys and what quota.

    Attributes:
        id: The prefix.
        owner_name: For people.
        keys: In order of listing; never shrinks.
        quota: What it may use.
        versions: Version, indices, times, prev.
        parent: iss of its delegation; None only for scheme roots.
        status: Active, retired or frozen.
        values: Ascending by index (services, contacts).
        pending: Member 12 as it came, or None.
        referral: Network (and URL) that answers for it, or None.
    """

    id: str
    owner_name: str
    keys: tuple[ListedKey, ...]
    quota: Quota
    versions: Versions
    parent: str | None
    status: int = ACTIVE
    values: tuple[Value, ...] = ()
    pending: Any = None
    referral: tuple[str, str | None] | None = None

    def find_key(self, kid: bytes) -> ListedKey | None:
        """Return the listed key with that kid."""
        return next((item for item in self.keys if item.key.kid == kid), None)

    def encode(self) -> bytes:
        """Return the object's bytes."""
        v = self.versions
        value: dict[int, Any] = {
            0: 2,
            1: self.id,
            2: self.owner_name,
            3: v.version,
            4: self.status,
            5: [key.to_value() for key in self.keys],
            6: [item.to_value() for item in self.values],
            7: v.created,
            8: v.last,
            9: v.created_ms,
            10: v.last_ms,
            11: v.prev,
        }
        if self.pending is not None:
            value[12] = self.pending
        value[13] = self.quota.to_value()
        if self.referral is not None:
            value[14] = referral_to_value(self.referral)
        if self.parent is not None:
            value[15] = self.parent
        return encoding.encode(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasObject:
    """Kind 3: another identifier for a record; `target` None means removed."""

    id: str
    target: str | None
    version: int
    created: int
    last: int
    prev: bytes | None

    def encode(self) -> bytes:
        """Return the object's bytes."""
        return encoding.encode(
            {
                0: 3,
                1: self.id,
                2: self.target,
                3: self.version,
                7: self.created,
                8: self.last,
                11: self.prev,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamObject:
    """Kind 4: where a gateway's chain of batches stands.

    Attributes:
        id: The gateway's identifier.
        next: Sequence of the next batch.
        last_anchor: Hash of the last anchor statement.
        created: Index of the first anchor.
        last: Index of the last change.
        epoch: Raised after a loss of state.
        equivocations: Marked [epoch, sequence] pairs.
    """

    id: str
    next: int
    last_anchor: bytes
    created: int
    last: int
    epoch: int = 0
    equivocations: tuple[tuple[int, int], ...] = ()

    def encode(self) -> bytes:
        """Return the object's bytes."""
        return encoding.encode(
            {
                0: 4,
                1: self.id,
                3: self.next,
                4: self.last_anchor,
                7: self.created,
                8: self.last,
                12: self.epoch,
                13: [list(pair) for pair in self.equivocations],
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkObject:
    """Kind 5: the consortium's members, quorum and limits."""

    name: str
    version: int
    members: tuple[Member, ...]
    quorum: int
    limits: Limits
    created: int
    last: int
    prev: bytes | None
    rules: tuple[int, int] | None = None

    def encode(self) -> bytes:
        """Return the object's bytes."""
        value: dict[int, Any] = {
            0: 5,
            1: self.name,
            3: self.version,
            4: [member.to_value() for member in self.members],
            5: self.quorum,
            6: self.limits.to_value(),
            7: self.created,
            8: self.last,
            11: self.prev,
        }
        if self.rules is not None:
            value[12] = list(self.rules)
        return encoding.encode(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageObject:
    """Kind 6: what a prefix has used of its quota; it has no versions."""

    id: str
    objects: int
    log_bytes: int

    def encode(self) -> bytes:
        """Return the object's bytes."""
        return encoding.encode({0: 6, 1: self.id, 2: self.objects, 3: self.log_bytes})


Object: TypeAlias = (
    RecordObject | PrefixObject | AliasObject | StreamObject | NetworkObject | UsageObject
)


def id_key(identifier: Identifier) -> bytes:
    """Return the map key of a record, prefix or alias."""
    return _group(identifier) + sha256(b"xinbiao:id\0" + identifier.key_text.encode()).digest()


def stream_key(identifier: Identifier) -> bytes:
    """Return the map key of a gateway's stream."""
    return _group(identifier) + sha256(b"xinbiao:stream\0" + identifier.key_text.encode()).digest()


def usage_key(identifier: Identifier) -> bytes:
    """Return the map key of a prefix's usage."""
    return _group(identifier) + sha256(b"xinbiao:usage\0" + identifier.key_text.encode()).digest()


@lru_cache(maxsize=_GROUPS_CACHED_MAX)
def group_hash(group: str) -> bytes:
    """Return the first half of the map keys of one group."""
    return sha256(b"xinbiao:group\0" + group.encode()).digest()


def object_value(data: bytes) -> bytes:
    """Return the map value of an object's bytes."""
    return sha256(b"xinbiao:object\0" + data).digest()


def decode_object(data: bytes) -> Object:
    """Read an object's bytes.

    Raises:
        EncodingError: They are not the one encoding of an object.
    """
    if len(data) > OBJECT_BYTES_MAX:
        raise EncodingError(0, f"an object of more than {OBJECT_BYTES_MAX} bytes")
    value = encoding.decode(data)
    kind = value.get(0) if isinstance(value, dict) else None
    reader = _READERS.get(kind) if isinstance(kind, int) and kind is not True else None
    if reader is None:
        raise EncodingError(0, "not a map with a known kind of object at 0")
    try:
        shape = Shape(value, f"object of kind {kind}")
        shape.need(0, unsigned)
        result: Object = reader(shape)
        shape.end()
    except Rejection as error:
        raise EncodingError(0, error.detail) from None
    return result


def _group(identifier: Identifier) -> bytes:
    return group_hash(identifier.group)


def _text_id(value: Any, where: str) -> str:
    return canonical_identifier(value, where).text


def _or_null(value: Any, where: str) -> bytes | None:
    return None if value is None else fixed_bytes(32)(value, where)


def _versions(shape: Shape) -> Versions:
    return Versions(
        version=shape.need(3, in_range(1, encoding.INT_MAX)),
        created=shape.need(7, unsigned),
        last=shape.need(8, unsigned),
        created_ms=shape.need(9, unsigned),
        last_ms=shape.need(10, unsigned),
        prev=shape.need(11, _or_null),
    )


def _stored_values(value: Any, where: str) -> tuple[Value, ...]:
    return values_from_value(value, where, stored=True)


def _aliases(value: Any, where: str) -> tuple[str, ...]:
    listed = [canonical_identifier(item, where) for item in array(value, where)]
    ascending([item.text.encode() for item in listed], where, "aliases, by bytes")
    if len({item.key_text for item in listed}) != len(listed):
        raise malformed(f"{where}: two aliases have one key text")
    return tuple(item.text for item in listed)


def _listed_keys(most: int) -> Any:
    def check(value: Any, where: str) -> tuple[ListedKey, ...]:
        listed = tuple(
            _listed_key(item, f"{where}[{number}]")
            for number, item in enumerate(array(value, where, 1, most))
        )
        if len({item.key.kid for item in listed}) != len(listed):
            raise malformed(f"{where}: a key is listed twice")
        return listed

    return check


def _listed_key(value: Any, where: str) -> ListedKey:
    shape = Shape(value, where)
    key = ListedKey(
        key=shape.need(1, cose_key),
        roles=shape.need(2, roles),
        since=shape.need(3, unsigned),
        until=shape.maybe(4, unsigned),
        revoked=shape.maybe(5, unsigned),
        suspect_from=shape.maybe(6, unsigned),
    )
    shape.end()
    return key


def _pending(kinds_max: int) -> Any:
    """Check a pending transfer (1) or recovery (2), which is kept as it came for later versions."""

    def check(value: Any, where: str) -> Any:
        shape = Shape(value, where)
        kind, _ = shape.need(0, in_range(1, kinds_max)), shape.need(1, fixed_bytes(32))
        if kind == 1:
            shape.need(2, _text_id)
            shape.maybe(3, unsigned)
        else:
            shape.need(2, new_keys(KEYS_MAX))
            shape.need(3, unsigned)
        shape.need(4, unsigned)
        shape.end()
        return value

    return check


def _record(shape: Shape) -> RecordObject:
    return RecordObject(
        id=shape.need(1, _text_id),
        owner=shape.need(2, _text_id),
        versions=_versions(shape),
        status=shape.need(4, in_range(ACTIVE, WITHHELD)),
        values=shape.need(5, _stored_values),
        aliases=shape.need(6, _aliases),
        pending=shape.maybe(12, _pending(1)),
        own_keys=shape.maybe(13, _listed_keys(16)) or (),
        sponsor=shape.maybe(14, _text_id),
    )


def _prefix(shape: Shape) -> PrefixObject:
    return PrefixObject(
        id=shape.need(1, _text_id),
        owner_name=shape.need(2, short_text),
        keys=shape.need(5, _listed_keys(KEYS_MAX)),
        quota=shape.need(13, quota_from_value),
        versions=_versions(shape),
        parent=shape.maybe(15, _text_id),
        status=shape.need(4, in_range(ACTIVE, WITHHELD)),
        values=shape.need(6, _stored_values),
        pending=shape.maybe(12, _pending(2)),
        referral=shape.maybe(14, referral_from_value),
    )


def _alias(shape: Shape) -> AliasObject:
    return AliasObject(
        id=shape.need(1, _text_id),
        target=shape.need(2, lambda v, w: None if v is None else _text_id(v, w)),
        version=shape.need(3, in_range(1, encoding.INT_MAX)),
        created=shape.need(7, unsigned),
        last=shape.need(8, unsigned),
        prev=shape.need(11, _or_null),
    )


def _stream(shape: Shape) -> StreamObject:
    return StreamObject(
        id=shape.need(1, _text_id),
        next=shape.need(3, unsigned),
        last_anchor=shape.need(4, fixed_bytes(32)),
        created=shape.need(7, unsigned),
        last=shape.need(8, unsigned),
        epoch=shape.need(12, unsigned),
        equivocations=shape.need(13, _pairs),
    )


def _pairs(value: Any, where: str) -> tuple[tuple[int, int], ...]:
    pairs = []
    for item in array(value, where, 0, EQUIVOCATIONS_MAX):
        epoch, sequence = array(item, where, 2, 2)
        pairs.append((unsigned(epoch, where), unsigned(sequence, where)))
    return tuple(pairs)


def _network(shape: Shape) -> NetworkObject:
    return NetworkObject(
        name=shape.need(1, network_name),
        version=shape.need(3, in_range(1, encoding.INT_MAX)),
        members=shape.need(4, _members),
        quorum=shape.need(5, in_range(1, MEMBERS_MAX)),
        limits=shape.need(6, limits_from_value),
        created=shape.need(7, unsigned),
        last=shape.need(8, unsigned),
        prev=shape.need(11, _or_null),
        rules=shape.maybe(12, _rules),
    )


def _members(value: Any, where: str) -> tuple[Member, ...]:
    members = tuple(
        member_from_value(item, f"{where}[{number}]")
        for number, item in enumerate(array(value, where, 1, MEMBERS_MAX))
    )
    ascending([member.name for member in members], where, "members, by name")
    return members


def _rules(value: Any, where: str) -> tuple[int, int]:
    version, height = array(value, where, 2, 2)
    return unsigned(version, where), unsigned(height, where)


def _usage(shape: Shape) -> UsageObject:
    return UsageObject(
        id=shape.need(1, _text_id),
        objects=shape.need(2, unsigned),
        log_bytes=shape.need(3, unsigned),
    )


_READERS: Final[dict[int, Any]] = {
    1: _record,
    2: _prefix,
    3: _alias,
    4: _stream,
    5: _network,
    6: _usage,
}
