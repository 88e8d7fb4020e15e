"""Blocks: execute waiting statements in order and close with a commit leaf.

Theory of operation (docs/spec/log.md): a block is one group commit. Its accepted statements become
log entries in the order given; the refused ones leave nothing. The last entry is the commit leaf,
which binds the map root, the time and the network object to the log, so that one checkpoint proves
both. An empty block does not exist.

    commit leaf = {1 height, 2 first index, 3 statements, 4 map root, 5 block ms,
                   6 previous commit leaf index or null, 7 state version, 8 H(network object bytes)}

Pure: the caller hands in the state before the block, the map and the time, and stores the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ledger.core import encoding, rules
from ledger.core.member import Limits
from ledger.core.operation import Operation
from ledger.core.prefix_map import PrefixMap
from ledger.core.record import NETWORK_KEY, NetworkObject, object_value
from ledger.core.shape import Shape, fixed_bytes, in_range, unsigned
from ledger.core.state import StateReader, Working
from ledger.core.statement import Statement
from ledger.errors import EncodingError, Rejection, RejectionCode

STATE_VERSION: Final = 1
COMMIT_LEAF_BYTES_MAX: Final = 256
_AFTER_GENESIS: Final = Rejection(
    RejectionCode.MALFORMED, "the genesis stands alone in its block: submit this again"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitLeaf:
    """The last entry of a block."""

    height: int
    first_index: int
    statements: int
    map_root: bytes
    ms: int
    previous: int | None
    state_version: int
    network_hash: bytes

    @property
    def index(self) -> int:
        """Its own log index."""
        return self.first_index + self.statements

    def encode(self) -> bytes:
        """Return the entry's bytes."""
        return encoding.encode(
            {
                1: self.height,
                2: self.first_index,
                3: self.statements,
                4: self.map_root,
                5: self.ms,
                6: self.previous,
                7: self.state_version,
                8: self.network_hash,
            }
        )


def decode_commit_leaf(data: bytes) -> CommitLeaf:
    """Read a commit leaf.

    Raises:
        EncodingError: The bytes are not the one encoding of a commit leaf.
    """
    if len(data) > COMMIT_LEAF_BYTES_MAX:
        raise EncodingError(0, f"a commit leaf of more than {COMMIT_LEAF_BYTES_MAX} bytes")
    try:
        shape = Shape(encoding.decode(data), "commit leaf")
        leaf = CommitLeaf(
            height=shape.need(1, unsigned),
            first_index=shape.need(2, unsigned),
            statements=shape.need(3, in_range(1, encoding.INT_MAX)),
            map_root=shape.need(4, fixed_bytes(32)),
            ms=shape.need(5, unsigned),
            previous=shape.need(6, lambda v, w: None if v is None else unsigned(v, w)),
            state_version=shape.need(7, unsigned),
            network_hash=shape.need(8, fixed_bytes(32)),
        )
        shape.end()
    except Rejection as error:
        raise EncodingError(0, error.detail) from None
    return leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the log stands before a block: size, and its newest commit leaf (None before genesis)."""

    size: int
    commit_leaf: CommitLeaf | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What a block adds; nothing is stored yet.

    Attributes:
        outcomes: Per statement given, its log index or its Rejection.
        accepted: The accepted statements with their operations, in log order.
        entries: New log entries from `commit_leaf.first_index` on, the commit leaf last.
        commit_leaf: The last entry, decoded.
        objects: Map key → new object bytes.
        older: (map key, version) → bytes of replaced versions.
        company_prefixes: `gs1:gcp…` texts delegated in it.
        map: The map after the block.
    """

    outcomes: tuple[int | Rejection, ...]
    accepted: tuple[tuple[Statement, Operation], ...]
    entries: tuple[bytes, ...]
    commit_leaf: CommitLeaf
    objects: dict[bytes, bytes]
    older: dict[tuple[bytes, int], bytes]
    company_prefixes: tuple[str, ...]
    map: PrefixMap


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A block of which nothing was accepted: it does not exist.

    Attributes:
        outcomes: Per statement given, its Rejection.
    """

    outcomes: tuple[Rejection, ...]


def execute(
    statements: Sequence[Statement], *, reader: StateReader, head: Head, map_: PrefixMap, ms: int
) -> Block | Refused:
    """Execute statements in order and close the block.

    Args:
        statements: Parsed envelopes; at most the limits' count and bytes (the caller cuts).
        reader: The state before the block.
        head: The log before the block.
        map_: The map before the block.
        ms: The block's time, Unix milliseconds, above that of the block before.
    """
    assert head.commit_leaf is None or ms > head.commit_leaf.ms, "block times ascend"
    working = Working(reader=reader, ms=ms)
    outcomes: list[int | Rejection] = []
    accepted: list[tuple[Statement, Operation]] = []
    for statement in statements:
        index = head.size + len(accepted)
        if head.commit_leaf is None and accepted:
            outcomes.append(_AFTER_GENESIS)
            continue
        try:
            accepted.append((statement, rules.apply(working, statement, index)))
        except Rejection as rejection:
            outcomes.append(rejection)
        else:
            outcomes.append(index)
    if not accepted:
        return Refused(outcomes=tuple(one for one in outcomes if isinstance(one, Rejection)))
    objects = {key: changed.encode() for key, changed in working.changed.items()}
    new_map = map_.update([(key, object_value(data)) for key, data in objects.items()])
    network = working.find(NETWORK_KEY, NetworkObject)
    assert network is not None, "a block follows or holds the genesis"
    leaf = CommitLeaf(
        height=0 if head.commit_leaf is None else head.commit_leaf.height + 1,
        first_index=head.size,
        statements=len(accepted),
        map_root=new_map.root,
        ms=ms,
        previous=None if head.commit_leaf is None else head.commit_leaf.index,
        state_version=STATE_VERSION,
        network_hash=sha256(network.encode()).digest(),
    )
    return Block(
        outcomes=tuple(outcomes),
        accepted=tuple(accepted),
        entries=(*(statement.raw for statement, _ in accepted), leaf.encode()),
        commit_leaf=leaf,
        objects=objects,
        older=working.older,
        company_prefixes=tuple(working.company_prefixes),
        map=new_map,
    )


def next_ms(head: Head, clock_ms: int) -> int:
    """Return the time of the next block of an embedded engine: max(previous + 1, clock)."""
    return clock_ms if head.commit_leaf is None else max(head.commit_leaf.ms + 1, clock_ms)


def fitting(sizes: Sequence[int], limits: Limits) -> int:
    """Return how many of the waiting statements, given their sizes in bytes, fit into one block."""
    total = 0
    for number, size in enumerate(sizes):
        total += size
        if number and (total > limits.bytes_per_block or number >= limits.statements_per_block):
            return number
    return len(sizes)
