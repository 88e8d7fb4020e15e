"""The state machine: may this statement enter the log, and what does it change?

Theory of operation (docs/spec/statements.md, table of operations and order of checks). `apply` is a
pure function of the state before, the statement, its index and the block's time: the same on every
node and every Python. It either answers a Rejection, whose code is the position of the first failed
check, or changes the `Working` state of the block in progress. The checks, in order:

    1 malformed  2 limit-exceeded  3 wrong-network  4 expired  5 unknown-prefix  6 not-authorised
    7 key-revoked  8 bad-signature  9 not-authorised (over the object)  10 exists  11 retired
    12 frozen  13 version-conflict  14 out-of-sequence  15 quota-exceeded

then `malformed` and `limit-exceeded` once more, for what only the resulting object shows. This
module holds the common part; what each operation does lies in `rules`, which also has `apply`.

Nothing is signed with a clock: key windows are log indices. Validity never depends on a table of
seen hashes: every operation names the version it changes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol, TypeVar

from ledger.core import identifier, operation
from ledger.core.identifier import Identifier
from ledger.core.key_list import AGENT, DEVICE, OWNER, RECOVERY, REGISTRAR
from ledger.core.keys import PublicKey
from ledger.core.member import Limits
from ledger.core.operation import (
    STATE_LOST,
    Anchor,
    Create,
    Delegate,
    Genesis,
    Operation,
    PrefixUpdate,
    Update,
)
from ledger.core.record import (
    NETWORK_KEY,
    OBJECT_BYTES_MAX,
    AliasObject,
    ListedKey,
    NetworkObject,
    Object,
    PrefixObject,
    RecordObject,
    UsageObject,
    decode_object,
    id_key,
    usage_key,
)
from ledger.core.statement import ANCHOR_BYTES_MAX, Statement
from ledger.errors import IdentifierError, Rejection, RejectionCode

T = TypeVar("T")
SCHEME_ROOTS: Final = ("did:", "ecode:", "gs1:", "hdl:", "oid:")
_PARENT_KEYS_CACHED_MAX: Final = 4096
_HISTORIC: Final = (RecordObject, PrefixObject, AliasObject, NetworkObject)


class StateReader(Protocol):
    """The state before the block, as the state machine asks for it."""

    def object(self, key: bytes) -> bytes | None:
        """Return an object's bytes by its map key (64 bytes)."""
        ...

    def company_prefixes(self, start: str) -> Iterable[str]:
        """Yield the delegated `gs1:gcp…` texts that begin with `start`."""
        ...


@dataclass(slots=True)
class Working:
    """The state as the statements of one block see it, and what they changed.

    Attributes:
        reader: The state before the block.
        ms: The block's time, Unix milliseconds.
        changed: Map key → object after the block's statements so far.
        older: (map key, version) → bytes of versions that were replaced.
        company_prefixes: `gs1:gcp…` texts delegated in this block.

    A statement writes to a stage of its own, which `keep` merges and `drop` forgets: nothing of a
    refused statement remains.
    """

    reader: StateReader
    ms: int
    changed: dict[bytes, Object] = field(default_factory=dict)
    older: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    company_prefixes: list[str] = field(default_factory=list)
    _read: dict[bytes, Object | None] = field(default_factory=dict)
    _staged: dict[bytes, Object] = field(default_factory=dict)
    _staged_company_prefixes: list[str] = field(default_factory=list)

    def get(self, key: bytes) -> Object | None:
        """Return the object at a map key, or None."""
        if key in self._staged:
            return self._staged[key]
        if key in self.changed:
            return self.changed[key]
        if key not in self._read:
            data = self.reader.object(key)
            self._read[key] = None if data is None else decode_object(data)
        return self._read[key]

    def find(self, key: bytes, kind: type[T]) -> T | None:
        """Return the object at a map key if it is of `kind`; another kind counts as missing."""
        found = self.get(key)
        return found if isinstance(found, kind) else None

    def put(self, key: bytes, changed: Object) -> None:
        """Stage an object; at most once per statement and key."""
        assert key not in self._staged, "a statement changes an object once"
        self._staged[key] = changed

    def put_company_prefix(self, text: str) -> None:
        """Stage the delegation of a company prefix."""
        self._staged_company_prefixes.append(text)

    def keep(self) -> None:
        """Merge what the statement staged; versioned predecessors go to `older`."""
        for key, changed in self._staged.items():
            before = self.changed[key] if key in self.changed else self._read.get(key)
            if isinstance(before, _HISTORIC):
                self.older[key, version_of(before)] = before.encode()
            self.changed[key] = changed
        self.company_prefixes += self._staged_company_prefixes
        self.drop()

    def drop(self) -> None:
        """Forget what the statement staged."""
        self._staged = {}
        self._staged_company_prefixes = []

    def all_company_prefixes(self, start: str) -> set[str]:
        """Return the delegated company prefixes whose text begins with `start`."""
        here = {text for text in self.company_prefixes if text.startswith(start)}
        return here | set(self.reader.company_prefixes(start))


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement and its operation on their way through the checks.

    Attributes:
        statement: The envelope.
        operation: The parsed payload.
        index: The log index it would get.
        issuer: The prefix object of iss (None for a genesis).
        limits: The network's limits.
    """

    statement: Statement
    operation: Operation
    index: int
    issuer: PrefixObject | None
    limits: Limits

    @property
    def iss(self) -> str:
        """The issuing prefix's text."""
        return self.statement.iss


def refuse(code: RejectionCode, detail: str) -> Rejection:
    """Return a rejection."""
    return Rejection(code, detail)


def version_of(found: Object | None) -> int:
    """Return an object's version: 0 when missing, and for kinds without versions."""
    if isinstance(found, RecordObject | PrefixObject):
        return found.versions.version
    if isinstance(found, AliasObject | NetworkObject):
        return found.version
    return 0


def previous_hash(found: Object | None) -> bytes | None:
    """Return `prev` for an object's successor: the plain hash of its bytes."""
    return None if found is None else sha256(found.encode()).digest()


def nearest_ancestor(working: Working, ident: Identifier) -> RecordObject | PrefixObject | None:
    """Return the nearest existing object among an identifier's parents."""
    for parent in ident.parents:
        found = working.get(_key_of(parent))
        if isinstance(found, RecordObject | PrefixObject):
            return found
    return None


@lru_cache(maxsize=_PARENT_KEYS_CACHED_MAX)
def _key_of(text: str) -> bytes:
    """Return the map key of a canonical text; the same few parents are asked for all the time."""
    return id_key(identifier.canonical(text))


def owner_of(found: RecordObject | PrefixObject) -> str:
    """Return the prefix whose keys an object obeys: a prefix obeys its own."""
    return found.owner if isinstance(found, RecordObject) else found.id


def find_prefix(working: Working, text: str) -> PrefixObject | None:
    """Return the prefix object of a text, or None when there is none or the text is no identifier."""
    try:
        return working.find(id_key(identifier.canonical(text)), PrefixObject)
    except IdentifierError:
        return None


def admit(working: Working, statement: Statement, index: int) -> Signed:
    """Make checks 1–8: everything before the object itself is looked at.

    Raises:
        Rejection: With the first failed check.
    """
    parsed = operation.parse(statement.payload)
    _check_subject(statement, parsed)
    if isinstance(parsed, Genesis):
        return _admit_genesis(working, statement, parsed, index)
    network = working.find(NETWORK_KEY, NetworkObject)
    if network is None:
        raise refuse(RejectionCode.MALFORMED, "the first statement of a log is a genesis")
    limits = network.limits
    _check_limits(statement, parsed, limits, working.ms)
    if statement.aud != network.name:
        raise refuse(
            RejectionCode.WRONG_NETWORK, f"aud is {statement.aud!r}, this is {network.name!r}"
        )
    _check_expiry(statement, working.ms)
    issuer = find_prefix(working, statement.iss)
    if issuer is None:
        raise refuse(RejectionCode.UNKNOWN_PREFIX, f"iss {statement.iss!r} is no prefix here")
    _check_ancestors(working, parsed)
    key = _check_key(issuer, statement, parsed, index)
    _check_signature(statement, key)
    return Signed(statement, parsed, index, issuer, limits)


def check_size(changed: Object, limits: Limits) -> None:
    """Refuse an object over a limit (judged last).

    Raises:
        Rejection: `limit-exceeded`.
    """
    counts: tuple[tuple[str, int, int], ...] = ()
    if isinstance(changed, RecordObject):
        counts = (
            ("values", len(changed.values), limits.values_per_object),
            ("aliases", len(changed.aliases), limits.aliases_per_record),
        )
    elif isinstance(changed, PrefixObject):
        counts = (
            ("values", len(changed.values), limits.values_per_object),
            ("keys", len(changed.keys), limits.keys_per_prefix),
        )
    for what, count, most in counts:
        if count > most:
            raise refuse(RejectionCode.LIMIT_EXCEEDED, f"{count} {what}, at most {most}")
    size = len(changed.encode())
    if size > OBJECT_BYTES_MAX:
        raise refuse(RejectionCode.LIMIT_EXCEEDED, f"an object of {size} bytes")


def charge(working: Working, prefix: PrefixObject, objects: int, log_bytes: int) -> None:
    """Book a charge against a prefix's quota (check 15), all numbers as before the statement.

    Raises:
        Rejection: `quota-exceeded`.
    """
    ident = identifier.canonical(prefix.id)
    usage = working.find(usage_key(ident), UsageObject)
    assert usage is not None, "every prefix has a usage object"
    used = UsageObject(
        id=usage.id, objects=usage.objects + objects, log_bytes=usage.log_bytes + log_bytes
    )
    if used.objects > prefix.quota.objects or used.log_bytes > prefix.quota.log_bytes:
        raise refuse(
            RejectionCode.QUOTA_EXCEEDED,
            f"{prefix.id} would have used {used.objects} of {prefix.quota.objects} objects and "
            f"{used.log_bytes} of {prefix.quota.log_bytes} bytes: ask its parent for more",
        )
    working.put(usage_key(ident), used)


def _check_subject(statement: Statement, parsed: Operation) -> None:
    expected = statement.iss if isinstance(parsed, Create) else parsed.subject
    if statement.sub != expected:
        raise refuse(
            RejectionCode.MALFORMED,
            f"sub is {statement.sub!r}, the operation is about {expected!r}",
        )
    if isinstance(parsed, PrefixUpdate) and parsed.quota is None and statement.iss != expected:
        raise refuse(RejectionCode.MALFORMED, "members 3, 4, 5, 7 are signed by the prefix itself")
    if isinstance(parsed, Anchor) and len(statement.raw) > ANCHOR_BYTES_MAX:
        raise refuse(RejectionCode.MALFORMED, f"an anchor of more than {ANCHOR_BYTES_MAX} bytes")


def _check_limits(statement: Statement, parsed: Operation, limits: Limits, ms: int) -> None:
    size = len(statement.raw)
    if size > limits.statement_bytes:
        raise refuse(
            RejectionCode.LIMIT_EXCEEDED, f"{size} bytes, at most {limits.statement_bytes}"
        )
    for what, count, most in _counts(parsed, limits):
        if count > most:
            raise refuse(RejectionCode.LIMIT_EXCEEDED, f"{count} {what}, at most {most}")
    if statement.exp is not None and statement.exp > ms // 1000 + limits.exp_horizon_s:
        raise refuse(
            RejectionCode.LIMIT_EXCEEDED, f"exp lies more than {limits.exp_horizon_s} s ahead"
        )


def _counts(parsed: Operation, limits: Limits) -> Iterator[tuple[str, int, int]]:
    """Yield what a statement alone shows to be too many: what, how many, and the limit."""
    if isinstance(parsed, Genesis):
        yield "keys", len(parsed.root_keys), limits.keys_per_prefix
    elif isinstance(parsed, Delegate):
        yield "keys", len(parsed.keys), limits.keys_per_prefix
        yield "values", len(parsed.values), limits.values_per_object
    elif isinstance(parsed, PrefixUpdate):
        yield "keys", len(parsed.add_keys), limits.keys_per_prefix
        yield "values", len(parsed.values or ()), limits.values_per_object
    elif isinstance(parsed, Create):
        yield "items", len(parsed.items), limits.items_per_create
        for number, item in enumerate(parsed.items):
            yield f"values in item {number}", len(item.values), limits.values_per_object
    elif isinstance(parsed, Update):
        yield "values", len(parsed.put), limits.values_per_object
        yield "aliases", len(parsed.add_aliases), limits.aliases_per_record


def _check_expiry(statement: Statement, ms: int) -> None:
    if statement.exp is not None and statement.exp * 1000 < ms:
        raise refuse(RejectionCode.EXPIRED, "exp has passed: sign it again")


def _check_ancestors(working: Working, parsed: Operation) -> None:
    items: tuple[Identifier, ...] = ()
    if isinstance(parsed, Delegate):
        items = (parsed.prefix,)
    elif isinstance(parsed, Create):
        items = tuple(item.identifier for item in parsed.items)
    for ident in items:
        if nearest_ancestor(working, ident) is None:
            raise refuse(RejectionCode.UNKNOWN_PREFIX, f"no prefix exists above {ident.text}")


def roles_needed(parsed: Operation) -> frozenset[int]:
    """Return the roles that may sign an operation (docs/spec/statements.md, table)."""
    if isinstance(parsed, Anchor) and parsed.reason != STATE_LOST:
        return frozenset((AGENT, DEVICE))
    if isinstance(parsed, Create | Update | Anchor):
        return frozenset((OWNER, REGISTRAR))
    return frozenset((OWNER,))


def _check_key(
    issuer: PrefixObject, statement: Statement, parsed: Operation, index: int
) -> ListedKey:
    listed = issuer.find_key(statement.kid)
    if listed is None:
        raise refuse(
            RejectionCode.NOT_AUTHORISED,
            f"key {statement.kid.hex()} is not in the list of {issuer.id}",
        )
    needed = roles_needed(parsed)
    if not needed.intersection(listed.roles):
        wanted = " or ".join(str(role) for role in sorted(needed))
        raise refuse(
            RejectionCode.NOT_AUTHORISED, f"the key has roles {listed.roles}; needed is {wanted}"
        )
    if not listed.window_holds(index):
        raise refuse(RejectionCode.NOT_AUTHORISED, "the key is not valid at this log index")
    if listed.is_revoked(index):
        raise refuse(RejectionCode.KEY_REVOKED, f"the key was revoked at index {listed.revoked}")
    return listed


def _check_signature(statement: Statement, listed: ListedKey) -> None:
    if not statement.is_signed_by(listed.key):
        raise refuse(RejectionCode.BAD_SIGNATURE, "the signature is not this key's")


def _admit_genesis(working: Working, statement: Statement, genesis: Genesis, index: int) -> Signed:
    if index != 0 or working.get(NETWORK_KEY) is not None:
        raise refuse(RejectionCode.MALFORMED, "a genesis is only ever the first entry")
    if statement.iss != genesis.network:
        raise refuse(RejectionCode.MALFORMED, "iss, sub and aud of a genesis are the network")
    _check_limits(statement, genesis, genesis.limits, working.ms)
    if statement.aud != genesis.network:
        raise refuse(RejectionCode.WRONG_NETWORK, "iss, sub and aud of a genesis are the network")
    _check_expiry(statement, working.ms)
    key: PublicKey | None = next(
        (
            new.key
            for new in genesis.root_keys
            if new.key.kid == statement.kid and set(new.roles) != {RECOVERY}
        ),
        None,
    )
    if key is None:
        raise refuse(RejectionCode.NOT_AUTHORISED, "a genesis is signed by one of its root keys")
    if not statement.is_signed_by(key):
        raise refuse(RejectionCode.BAD_SIGNATURE, "the signature is not this key's")
    return Signed(statement, genesis, index, None, genesis.limits)
