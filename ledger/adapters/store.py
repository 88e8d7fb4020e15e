"""The storage contract of the ledger: what a `Store` promises and what it may not do.

Theory of operation: one ordered map from bytes to bytes, divided into columns (docs/spec, storage),
changed only by batches that are whole or absent. A write is acknowledged to its submitter only after
`commit` returned, so `commit` returns only when the batch would survive a power cut.

* One `Store` object owns its directory; there is no second writer.
* Commits take effect in the order in which they were called.
* Readers are synchronous: they are called in the event loop, on the way of every answer.
* A reader may see a batch a moment before its `commit` returns. Who must show only what is durable
  (the node does) keeps the published height itself and moves it after `commit`.
* Opening, closing and measuring touch the file system: call them before the loop runs, or in a
  thread.

Implementations: `store_rocksdb` (real) and `store_memory` (tests, simulations; crashes on command).
`tests/contract/test_store.py` runs the same checks against each of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, Protocol

COMMITS_WAITING_MAX: Final = 64
"""How many commits may be under way or wait for their turn; one more is a `BusyError`."""


class Column(bytes, Enum):
    """The first byte of a stored key.

    A member is that byte, so `Column.META + b"size"` is the stored key. Numbers are on disk: never
    give one a second meaning. 00 is the store's own (its layout mark).
    """

    ENTRY = b"\x01"
    """u64be log index → entry."""
    TILE = b"\x02"
    """Tile level and number → its hashes; the right edge is overwritten in place."""
    OBJECT = b"\x03"
    """Map key (64 bytes) → object bytes as of the newest block."""
    HISTORY = b"\x04"
    """Map key ‖ u32be version → the object's bytes at that older version."""
    PAGE = b"\x05"
    """u32be page number → one whole subtree of the map."""
    INDEX = b"\x06"
    """Statement hash → log index, and other look-ups that are convenience and never validity."""
    META = b"\x07"
    """Name → height, sizes, roots, the published checkpoint."""
    ARCHIVE = b"\x08"
    """Stream ‖ u64be sequence → archived batch; values reach 16 MiB."""


Batch = Mapping[Column, Mapping[bytes, bytes | None]]
"""What to change: per column, key → new value, or None to delete the key (absent ones too)."""


def flatten(batch: Batch) -> list[tuple[bytes, bytes | None]]:
    """Return the batch as pairs of stored key and value, checking their types.

    Raises:
        TypeError: A key or value is not `bytes` (`bytearray` would be aliased, `str` guessed at).
    """
    pairs: list[tuple[bytes, bytes | None]] = []
    for column, changes in batch.items():
        for key, value in changes.items():
            if type(key) is not bytes or not (value is None or type(value) is bytes):
                kinds = f"{type(key).__name__}: {type(value).__name__}"
                raise TypeError(f"{column.name} takes bytes: bytes or None, not {kinds}")
            pairs.append((column + key, value))
    return pairs


def prefix_end(prefix: bytes) -> bytes:
    """Return the smallest key above all that begin with `prefix`; the column byte is never FF."""
    stem = prefix.rstrip(b"\xff")
    assert stem, "a stored key begins with a column byte below FF"
    return stem[:-1] + bytes([stem[-1] + 1])


class Store(Protocol):
    """Ordered bytes-to-bytes columns with atomic, durable batches.

    Every method raises `StorageError` after `close`.
    """

    def get(self, column: Column, key: bytes) -> bytes | None:
        """Return the value under `key`, or None where absent.

        Raises:
            StorageError: The store is closed, or what it read is damaged.
        """
        ...

    def get_many(self, column: Column, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return one value per key, in the order of `keys`; None where absent.

        Raises:
            StorageError: As `get`.
        """
        ...

    def scan(
        self, column: Column, prefix: bytes = b"", start: bytes = b"", limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs whose key begins with `prefix`, in key order.

        The snapshot is taken by this call, not by the first `next`: later commits do not show.
        An iterator that is dropped half-way holds disk space until it is collected or the store is
        closed; closing the store ends it with `StorageError`.

        Args:
            column: Where to look.
            prefix: Beginning of the whole key.
            start: Keys below this are left out (a whole key too, not what follows the prefix).
            limit: How many pairs at most; None is no limit.

        Raises:
            StorageError: As `get`, also while iterating.
            ValueError: `limit` is negative.
        """
        ...

    async def commit(self, batch: Batch) -> None:
        """Write all of `batch`, or none of it; when this returns, it survives a power cut.

        `batch` is read before the first suspension: the caller may change it afterwards.
        A cancelled call may have been written, whole or not at all, before any later one.

        Raises:
            StorageError: Whether the batch was kept is unknown. The store refuses every later
                commit until it is opened again: reload, then decide.
            BusyError: `COMMITS_WAITING_MAX` commits are waiting; this one was not begun.
            TypeError: Something is not `bytes`; nothing was written.
        """
        ...

    def bytes_on_disk(self) -> int:
        """Return what the store takes on its disk, in bytes."""
        ...

    def bytes_free(self) -> int:
        """Return what an unprivileged writer may still take on that disk, in bytes."""
        ...

    def close(self) -> None:
        """Wait for begun commits, end open scans, give up the directory; twice is once."""
        ...
