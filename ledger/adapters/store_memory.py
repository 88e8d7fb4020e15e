"""A store in memory that can crash and fail on command: twin of `store_rocksdb`.

Theory of operation: a `MemoryDisk` is what a power cut leaves behind; a `MemoryStore` is one process
that has it open. `commit` first shows the batch to readers and then, one step later, puts it on the
disk, as the real store does. Between the two steps a test may hold it (`hold_syncs`), cut the power
(`crash`) or make the step fail (`fail_next_commit`), so each outcome that the contract allows can
be had when it is wanted.

Not for large data: a scan after a change sorts all keys.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import Final

from ledger.adapters.store import COMMITS_WAITING_MAX, Batch, Column, flatten, prefix_end
from ledger.errors import BusyError, StorageError

_BYTES_FREE: Final = 1 << 40

_Pairs = Sequence[tuple[bytes, bytes | None]]


class Fault(Enum):
    """How a commit fails; the caller cannot tell which it was."""

    LOST = auto()
    """`StorageError`, and the batch is not on the disk."""
    KEPT = auto()
    """`StorageError`, though the batch is on the disk."""


class MemoryDisk:
    """What survives a crash; open it by giving it to a `MemoryStore`.

    Attributes:
        bytes_free: What `Store.bytes_free` answers; set it at will.
    """

    def __init__(self) -> None:
        self.bytes_free = _BYTES_FREE
        self.durable: dict[bytes, bytes] = {}
        self.owner: MemoryStore | None = None


class MemoryStore:
    """`Store` over a `MemoryDisk`.

    Args:
        disk: Where to read and keep things; a new one if None.

    Raises:
        StorageError: Another store has this disk open.
    """

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = MemoryDisk() if disk is None else disk
        if self.disk.owner is not None:
            raise StorageError("this memory disk is held by another store: close that one first")
        self.disk.owner = self
        self._shown = dict(self.disk.durable)
        self._sorted: list[bytes] | None = None
        self._unsynced: _Pairs = ()
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._may_sync = asyncio.Event()
        self._may_sync.set()
        self._fault: Fault | None = None
        self._failed = False
        self._open = True
        self._crashed = False

    def get(self, column: Column, key: bytes) -> bytes | None:
        """Return the value under `key`, or None where absent."""
        self._check_open()
        return self._shown.get(column + key)

    def get_many(self, column: Column, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return one value per key, in the order of `keys`; None where absent."""
        self._check_open()
        return [self._shown.get(column + key) for key in keys]

    def scan(
        self, column: Column, prefix: bytes = b"", start: bytes = b"", limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs under `prefix` in key order, as they are now."""
        self._check_open()
        if limit is not None and limit < 0:
            raise ValueError(f"limit is negative: {limit}")
        if self._sorted is None:
            self._sorted = sorted(self._shown)
        first = bisect_left(self._sorted, column + max(prefix, start))
        end = max(first, bisect_left(self._sorted, prefix_end(column + prefix)))
        keys = self._sorted[first:end][:limit]
        return self._yield([(key[1:], self._shown[key]) for key in keys])

    async def commit(self, batch: Batch) -> None:
        """Write all of `batch`, or none of it."""
        pairs = flatten(batch)
        self._check_writable()
        if not pairs:
            return
        if self._waiting >= COMMITS_WAITING_MAX:
            raise BusyError("too many commits are waiting for the disk", retry_after_s=1)
        self._waiting += 1
        try:
            async with self._turn:
                await self._commit(pairs)
        finally:
            self._waiting -= 1

    def bytes_on_disk(self) -> int:
        """Return the bytes of all durable keys and values."""
        self._check_open()
        return sum(len(key) + len(value) for key, value in self.disk.durable.items())

    def bytes_free(self) -> int:
        """Return what the test says is free."""
        self._check_open()
        return self.disk.bytes_free

    def close(self) -> None:
        """Let a held commit finish, give up the disk."""
        if self._open:
            self._sync()
            self._leave()

    def fail_next_commit(self, fault: Fault) -> None:
        """Make the next commit that reaches the disk raise `StorageError`."""
        self._fault = fault

    def hold_syncs(self) -> None:
        """Stop commits where their batch is shown and not yet durable."""
        self._may_sync.clear()

    def release_syncs(self) -> None:
        """Undo `hold_syncs`."""
        self._may_sync.set()

    def crash(self, *, keep_unsynced: bool = False) -> None:
        """Cut the power: this object is dead, and the disk keeps what was durable.

        Args:
            keep_unsynced: The operating system happened to write the batch under way in time.
        """
        if not self._open:
            return
        if keep_unsynced:
            self._sync()
        self._crashed = True
        self._leave()

    async def _commit(self, pairs: _Pairs) -> None:
        self._check_writable()  # the commit before this one may have failed meanwhile
        self._unsynced = pairs
        _apply(self._shown, pairs)
        self._sorted = None
        try:
            await asyncio.sleep(0)  # a real disk always takes a moment
            await self._may_sync.wait()
        except asyncio.CancelledError:
            self._finish_sync()  # the real store's thread would go on, too
            raise
        self._finish_sync()

    def _finish_sync(self) -> None:
        if self._crashed:
            raise StorageError("the power was cut during this commit: open the disk again")
        fault, self._fault = self._fault, None
        if fault is Fault.LOST:
            self._unsynced = ()
        self._sync()
        if fault is not None:
            self._failed = True
            raise StorageError("the disk failed: whether the batch was kept is unknown; reopen")

    def _sync(self) -> None:
        _apply(self.disk.durable, self._unsynced)
        self._unsynced = ()

    def _leave(self) -> None:
        self._open = False
        self.disk.owner = None
        self._may_sync.set()

    def _yield(self, pairs: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        for pair in pairs:
            self._check_open()
            yield pair

    def _check_open(self) -> None:
        if not self._open:
            raise StorageError("this memory store is closed")

    def _check_writable(self) -> None:
        self._check_open()
        if self._failed:
            raise StorageError("an earlier commit failed: open the disk again before writing")


def _apply(target: dict[bytes, bytes], pairs: Iterable[tuple[bytes, bytes | None]]) -> None:
    for key, value in pairs:
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value
