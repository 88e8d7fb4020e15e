"""The embedded engine: one writer, group commit, and the published head that readers look at.

Theory of operation. Statements wait in a bounded queue. The writer takes what waits, executes it as
one block (`ledger.core.block`, in a thread, so that reads go on), and stores log entries, tiles,
objects, replaced versions, index rows and the head in ONE batch. Only when the batch is durable is
the new head published: the checkpoint signed, the submitters answered. While one block is being
stored the next one gathers, so a slow disk makes larger blocks by itself. An empty block does not
exist.

Readers see one `Published` head at a time. The store already holds a block's objects a moment before
they are durable, so the bytes that the published head still needs are kept in `_shadow` meanwhile.

Start: the head is read, the map rebuilt from the objects and checked against the commit leaf, the
log's right edge loaded and its root checked against the one that was stored with the block. What does
not fit is a StorageError, never a silent repair: a node that signed another root for a size it has
signed before would be a forger.

The checkpoint is signed after the flush and signed again at every start: it is a pure function of
what is durable, so it needs no storage. The cosignature (with its time) is renewed every
max_age / 2 while nothing changes.

End: however `run` ends, whoever waits is told; nobody hangs on an engine that is gone.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger.adapters.cosigner import CheckpointSigner
from ledger.adapters.store import Batch, Column, Store
from ledger.adapters.system import Clock
from ledger.core import block, statement, tile
from ledger.core.block import Block, CommitLeaf, Head, decode_commit_leaf
from ledger.core.checkpoint import Checkpoint
from ledger.core.derived import (
    COMMIT_TIME,
    COMPANY_PREFIX,
    STATEMENT,
    anchor_row_key,
    index_rows,
    u64,
)
from ledger.core.member import Limits
from ledger.core.merkle import Frontier, NodeReader, leaf_hash, prove_consistency, prove_inclusion
from ledger.core.prefix_map import PrefixMap
from ledger.core.receipt import Receipt
from ledger.core.record import NETWORK_KEY, NetworkObject, decode_object, object_value
from ledger.core.statement import Statement
from ledger.errors import BusyError, EncodingError, Rejection, StorageError

WAITING_STATEMENTS_MAX: Final = 20_000
WAITING_BYTES_MAX: Final = 64 * 1024 * 1024
RETRY_AFTER_S: Final = 1
_COMMIT_LEAF: Final = b"commit-leaf"
_ROOT: Final = b"root"
_LOG_BYTES: Final = b"log-bytes"
_BUSY_S: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The head that readers see.

    Attributes:
        size: Log size; its last entry is the commit leaf.
        note: Signed checkpoint with cosignatures.
        commit_leaf: Bytes of the last entry.
        commit: The same, decoded.
        last_leaf_path: Inclusion path of the commit leaf.
        map: The map whose root is in the commit leaf.
        network: The network object.
    """

    size: int
    note: str
    commit_leaf: bytes
    commit: CommitLeaf
    last_leaf_path: tuple[bytes, ...]
    map: PrefixMap
    network: NetworkObject


@dataclass(slots=True)
class _Waiting:
    """One statement in the queue, and whoever waits for its outcome."""

    statement: Statement
    outcome: asyncio.Future[Receipt | Rejection] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class LocalEngine:
    """One process that orders, stores and signs.

    The composition root calls `open`, then runs `run` in its TaskGroup.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        signer: CheckpointSigner,
        *,
        renew_s: float | None = None,
    ) -> None:
        """Take the store (owned by the caller), the clock and what signs checkpoints.

        Args:
            store: Where everything lies.
            clock: Dates blocks and cosignatures.
            signer: Signs and cosigns checkpoints.
            renew_s: How long a cosignature stands while nothing changes; the network's max_age / 2
                unless told otherwise.
        """
        self._renew_s = renew_s
        self._store = store
        self._clock = clock
        self._signer = signer
        self._frontier = Frontier()
        self._map = PrefixMap()
        self._head = Head(size=0, commit_leaf=None)
        self._log_bytes = 0
        self._published: Published | None = None
        self._published_ns = 0  # of the clock's monotonic reading
        self._shadow: dict[bytes, bytes | None] = {}
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._under_way: dict[bytes, _Waiting] = {}
        self._wake = asyncio.Event()
        self._failed: StorageError | None = None

    # ---- the writer's side

    def open(self) -> None:
        """Load the head from the store; an empty store waits for a genesis to be submitted.

        Blocks on the disk: call it before the loop serves, or in a thread.

        Raises:
            StorageError: The stored head, map and log do not fit one another.
        """
        stored = self._store.get(Column.META, _COMMIT_LEAF)
        if stored is None:
            return
        try:
            leaf = decode_commit_leaf(stored)
        except EncodingError as error:
            raise StorageError(
                f"the stored commit leaf is none ({error}): restore a backup"
            ) from None
        size = leaf.index + 1
        if self._store.get(Column.ENTRY, u64(leaf.index)) != stored:
            raise StorageError("the last log entry is not the stored commit leaf: restore a backup")
        self._frontier = Frontier.load(size, self.node_reader())
        if self._frontier.root() != self._store.get(Column.META, _ROOT):
            raise StorageError("the stored tiles do not have the stored root: restore a backup")
        self._map = self._rebuilt_map()
        if self._map.root != leaf.map_root:
            raise StorageError(
                "the stored objects do not have the logged map root: restore a backup"
            )
        self._head = Head(size=size, commit_leaf=leaf)
        self._log_bytes = int.from_bytes(self._store.get(Column.META, _LOG_BYTES) or b"", "big")
        self._publish(stored)

    def _rebuilt_map(self) -> PrefixMap:
        try:
            return PrefixMap.build(
                (key, object_value(data)) for key, data in self._store.scan(Column.OBJECT)
            )
        except ValueError as error:
            raise StorageError(
                f"the stored objects make no map ({error}): restore a backup"
            ) from None

    async def submit(self, entries: Sequence[bytes]) -> list[Receipt | Rejection]:
        """Log statements (see `Engine.submit`)."""
        if self._failed is not None:
            raise self._failed
        size = sum(len(entry) for entry in entries)
        if (
            len(self._waiting) + len(entries) > WAITING_STATEMENTS_MAX
            or self._waiting_bytes + size > WAITING_BYTES_MAX
        ):
            raise BusyError("too many statements are waiting", RETRY_AFTER_S)
        answers = [self._enqueue(entry) for entry in entries]
        return [
            await asyncio.shield(answer.outcome) if isinstance(answer, _Waiting) else answer
            for answer in answers
        ]

    async def run(self) -> None:
        """Write blocks until cancelled; however it ends, everybody who waits is told."""
        ended = StorageError("this engine has ended: ask again when the node is back")
        try:
            while True:
                await self._wait_for_work()
                if self._waiting:
                    await self._write_block()
                # A block of which nothing was accepted publishes nothing: refused statements, however
                # many, may not keep the cosignature from its renewal.
                if self._published is not None and self._renewal_s() <= 0:
                    self._publish(self._published.commit_leaf)
        except StorageError as error:
            ended = error
            raise
        finally:
            self._failed = ended
            for waiting in self._under_way.values():
                if not waiting.outcome.done():
                    waiting.outcome.set_exception(ended)
                    waiting.outcome.exception()  # heard: its submitter may have gone away

    def _enqueue(self, entry: bytes) -> "_Waiting | Receipt | Rejection":
        try:
            parsed = statement.parse(statement.normalise(entry))
        except Rejection as rejection:
            return rejection
        known = self._under_way.get(parsed.hash)
        if known is not None:
            return known
        index = self.statement_index(parsed.hash)
        if index is not None:
            return Receipt(index=index, hash=parsed.hash, size=self.size)
        waiting = _Waiting(parsed)
        self._under_way[parsed.hash] = waiting
        self._waiting.append(waiting)
        self._waiting_bytes += len(parsed.raw)
        self._wake.set()
        return waiting

    async def _wait_for_work(self) -> None:
        """Wait for statements, or until the cosignature wants renewal."""
        self._wake.clear()
        if self._waiting:
            return
        try:
            async with asyncio.timeout(self._renewal_s()):
                await self._wake.wait()
        except TimeoutError:
            return

    def _renewal_s(self) -> float:
        """Return how many seconds from now the cosignature wants renewal."""
        renew_s = self._renew_s or self.limits.max_age_s / 2
        return renew_s - (self._clock.monotonic_ns() - self._published_ns) / 1e9

    async def _write_block(self) -> None:
        sizes = [len(waiting.statement.raw) for waiting in self._waiting]
        # The genesis is a block of its own: only then are the network's limits known.
        count = 1 if self._head.commit_leaf is None else block.fitting(sizes, self.limits)
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waiting_bytes -= sum(sizes[:count])
        ms = block.next_ms(self._head, self._clock.now_ms())
        result = await asyncio.to_thread(
            block.execute,
            [waiting.statement for waiting in taken],
            reader=self,
            head=self._head,
            map_=self._map,
            ms=ms,
        )
        if isinstance(result, Block):
            await self._store_block(result)
        self._answer(taken, result.outcomes)

    async def _store_block(self, result: Block) -> None:
        leaves = [leaf_hash(entry) for entry in result.entries]
        tiles = tile.tiles_after_append(self._head.size, leaves, self._tile)
        frontier = self._frontier.extend(leaves)
        log_bytes = self._log_bytes + sum(len(entry) for entry in result.entries)
        self._shadow = {key: self.object(key) for key in result.objects}
        await self._commit(
            {
                **_columns(result),
                Column.TILE: {_tile_key(*place): data for place, data in tiles.items()},
                Column.META: {
                    _COMMIT_LEAF: result.entries[-1],
                    _ROOT: frontier.root(),
                    _LOG_BYTES: u64(log_bytes),
                },
            }
        )
        self._frontier, self._log_bytes = frontier, log_bytes
        self._map = result.map
        self._head = Head(size=result.commit_leaf.index + 1, commit_leaf=result.commit_leaf)
        self._publish(result.entries[-1])
        self._shadow = {}

    async def _commit(self, batch: Batch) -> None:
        """Commit a block; archives that keep the store busy only make it wait."""
        while True:
            try:
                await self._store.commit(batch)
            except BusyError:
                await asyncio.sleep(_BUSY_S)
            else:
                return

    def _answer(self, taken: Sequence[_Waiting], outcomes: Sequence[int | Rejection]) -> None:
        for waiting, outcome in zip(taken, outcomes, strict=True):
            del self._under_way[waiting.statement.hash]
            if waiting.outcome.done():
                continue
            if isinstance(outcome, Rejection):
                waiting.outcome.set_result(outcome)
            else:
                receipt = Receipt(index=outcome, hash=waiting.statement.hash, size=self.size)
                waiting.outcome.set_result(receipt)

    def _publish(self, commit_leaf: bytes) -> None:
        assert self._head.commit_leaf is not None, "a head follows a genesis"
        network = self._network()
        self._published_ns = self._clock.monotonic_ns()
        checkpoint = Checkpoint(
            origin=network.name, size=self._head.size, root=self._frontier.root()
        )
        self._published = Published(
            size=self._head.size,
            note=self._signer.sign(checkpoint, time_s=self._clock.now_s()),
            commit_leaf=commit_leaf,
            commit=self._head.commit_leaf,
            last_leaf_path=tuple(self._frontier.last_leaf_path()),
            map=self._map,
            network=network,
        )

    def _network(self) -> NetworkObject:
        data = self._store.get(Column.OBJECT, NETWORK_KEY)
        network = None if data is None else decode_object(data)
        if not isinstance(network, NetworkObject):
            raise StorageError("the store has no network object: restore a backup")
        return network

    # ---- the readers' side

    @property
    def published(self) -> Published:
        """The newest durable head.

        Raises:
            StorageError: There is no genesis yet.
        """
        if self._published is None:
            raise StorageError("this ledger has no genesis yet: run `xinbiao init`")
        return self._published

    @property
    def size(self) -> int:
        """Published log size; 0 before genesis."""
        return 0 if self._published is None else self._published.size

    @property
    def log_bytes(self) -> int:
        """Bytes of all log entries."""
        return self._log_bytes

    @property
    def limits(self) -> Limits:
        """The network's limits; the defaults before genesis."""
        return Limits() if self._published is None else self._published.network.limits

    @property
    def failure(self) -> StorageError | None:
        """Why the engine ended, or None while it works."""
        return self._failed

    @property
    def waiting(self) -> int:
        """Statements that wait for a block."""
        return len(self._under_way)

    def object(self, key: bytes) -> bytes | None:
        """Return an object's bytes as of the published head (also `StateReader.object`)."""
        shadow = self._shadow  # bound once: a thread may ask while the writer sets a new one
        return shadow[key] if key in shadow else self._store.get(Column.OBJECT, key)

    def company_prefixes(self, start: str) -> Iterable[str]:
        """Yield delegated company prefixes that begin with `start` (`StateReader`)."""
        for key, _ in self._store.scan(Column.INDEX, COMPANY_PREFIX + start.encode()):
            yield key[len(COMPANY_PREFIX) :].decode()

    def older(self, key: bytes, version: int) -> bytes | None:
        """Return the bytes of a replaced version."""
        return self._store.get(Column.HISTORY, key + version.to_bytes(4, "big"))

    def entry(self, index: int) -> bytes:
        """Return a log entry.

        Raises:
            StorageError: There is none at this index.
        """
        found = self._store.get(Column.ENTRY, u64(index)) if index < self.size else None
        if found is None:
            raise StorageError(f"log entry {index} is not there")
        return found

    def entries(self, first: int, count: int) -> list[bytes]:
        """Return consecutive log entries, fewer at the end of the log."""
        last = min(first + count, self.size)
        found = self._store.get_many(Column.ENTRY, [u64(at) for at in range(first, last)])
        return [entry for entry in found if entry is not None]

    def tile(self, level: int, number: int) -> bytes | None:
        """Return a stored tile; its right edge may be ahead of the published size."""
        return self._tile(level, number)

    def node_reader(self) -> NodeReader:
        """Return a reader of log nodes."""
        return tile.node_reader(self._tile)

    def leaf_path(self, index: int, size: int) -> list[bytes]:
        """Return the inclusion path of an entry in the log of `size` entries."""
        return prove_inclusion(index, size, self.node_reader())

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the consistency path between two log sizes."""
        return prove_consistency(old, new, self.node_reader())

    def anchor_index(self, stream_key: bytes, sequence: int) -> int | None:
        """Return the log index of a stream's anchor, by the stream's map key."""
        found = self._store.get(Column.INDEX, anchor_row_key(stream_key, sequence))
        return None if found is None else int.from_bytes(found, "big")

    def statement_index(self, statement_hash: bytes) -> int | None:
        """Return the log index of a statement."""
        found = self._store.get(Column.INDEX, STATEMENT + statement_hash)
        return None if found is None else int.from_bytes(found, "big")

    def commit_leaf_at(self, ms: int) -> int | None:
        """Return the log index of the newest commit leaf with a time ≤ `ms`."""
        low, high = 0, self.published.commit.height
        if self._commit_at(0)[0] > ms:
            return None
        while low < high:
            middle = (low + high + 1) // 2
            if self._commit_at(middle)[0] <= ms:
                low = middle
            else:
                high = middle - 1
        return self._commit_at(low)[1]

    def next_commit_leaf(self, index: int) -> int | None:
        """Return the log index of the commit leaf after the one at `index`; None for the newest."""
        height = decode_commit_leaf(self.entry(index)).height + 1
        return None if height > self.published.commit.height else self._commit_at(height)[1]

    def _commit_at(self, height: int) -> tuple[int, int]:
        """Return time and log index of the commit leaf of a height."""
        row = self._store.get(Column.INDEX, COMMIT_TIME + u64(height))
        if row is None:
            raise StorageError(f"the index has no block {height}: rebuild it")
        return int.from_bytes(row[:8], "big"), int.from_bytes(row[8:], "big")

    def _tile(self, level: int, number: int) -> bytes | None:
        return self._store.get(Column.TILE, _tile_key(level, number))


def _columns(result: Block) -> dict[Column, dict[bytes, bytes]]:
    """Return what a block writes besides tiles and head."""
    first = result.commit_leaf.first_index
    return {
        Column.ENTRY: {u64(first + at): entry for at, entry in enumerate(result.entries)},
        Column.OBJECT: result.objects,
        Column.HISTORY: {
            key + version.to_bytes(4, "big"): data for (key, version), data in result.older.items()
        },
        Column.INDEX: index_rows(result),
    }


def _tile_key(level: int, number: int) -> bytes:
    return bytes((level,)) + u64(number)
