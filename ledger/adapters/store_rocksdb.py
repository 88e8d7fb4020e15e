"""The ledger's store on RocksDB.

Theory of operation: one database, one key space; a column is the first byte of the key. Column
families were measured beside it (3·10⁵ keys of 32 bytes): a point read costs 2.7–3.3 µs there and
3.5–3.7 µs here, a difference that no answer shows. One key space gives one memory table, so that
memory does not grow with the number of columns, and no handle that would keep the LOCK. Its price,
append-only columns compacted together with the rest, is paid only for small values: from
`BLOB_BYTES_MIN` upwards a value lies in a blob file, which compaction does not copy.

Rules kept:

* **Never a sync inside a write.** rocksdict keeps the GIL during `write`, however long the disk
  takes, and gives it up in `flush_wal`. So a batch is written unsynced and then flushed, both in the
  one writer thread: batches are whole, in order, and the event loop goes on.
* **Damage is never skipped silently.** RocksDB's default recovery (point in time) ends its replay at
  the first damaged record and opens without a word: one flipped bit in the middle of a log of ten
  synced batches lost five of them. `tolerate_corrupted_tail_records` drops only a batch that is cut
  off at the end of the log, which is what a killed writer leaves, and refuses the rest. `salvage`
  opens such a directory anyway, by a person's decision.
* **A failed commit is final.** After a failed write or sync the kernel may have dropped the dirty
  pages, so a second try proves nothing: the store refuses commits until it is opened again.
* **Close means closed.** A living iterator would keep the LOCK, so open scans are ended first.

Not here: reading beside a running node (secondary instances), backup, deletion of ranges.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NoReturn
from weakref import WeakSet

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
)

from ledger.adapters.directory import make_durable
from ledger.adapters.store import COMMITS_WAITING_MAX, Batch, Column, flatten, prefix_end
from ledger.errors import BusyError, StorageError

BLOCK_CACHE_BYTES: Final = 256 << 20
WRITE_BUFFER_BYTES: Final = 64 << 20
WRITE_BUFFERS_MAX: Final = 3
BLOB_BYTES_MIN: Final = 64 << 10
BLOB_FILE_BYTES: Final = 256 << 20
OPEN_FILES_MAX: Final = 512
BACKGROUND_JOBS_MAX: Final = 2
LOG_FILES_MAX: Final = 4
LOG_FILE_BYTES_MAX: Final = 4 << 20
BLOOM_BITS_PER_KEY: Final = 10

_LAYOUT_KEY: Final = b"\x00layout"
_LAYOUT: Final = b"xinbiao ledger store 1"
_BLOCK_BYTES: Final = 512  # the unit of st_blocks, whatever the file system's own


class RocksdbStore:
    """`Store` in a directory of its own; opening one takes the directory's lock.

    Opening and closing block: do both outside of the event loop.

    Args:
        directory: Where the database is; made (0700) if absent.
        block_cache_bytes: Memory for blocks read from disk.
        write_buffer_bytes: Size of one memory table; `WRITE_BUFFERS_MAX` may exist at a time.
        salvage: Open a directory whose write-ahead log is damaged, and lose what follows the damage.

    Raises:
        StorageError: Another process (or store) holds the directory, it belongs to something else,
            is damaged, or the operating system refuses.
    """

    def __init__(
        self,
        directory: Path,
        *,
        block_cache_bytes: int = BLOCK_CACHE_BYTES,
        write_buffer_bytes: int = WRITE_BUFFER_BYTES,
        salvage: bool = False,
    ) -> None:
        self._directory = directory
        options = _options(block_cache_bytes, write_buffer_bytes, salvage=salvage)
        try:
            make_durable(directory)  # RocksDB syncs what is inside it only
            self._db = Rdict(str(directory), options)
        except Exception as error:
            raise _not_opened(directory, error) from error
        try:
            _check_layout(self._db, directory)
        except BaseException:
            self._db.close()
            raise
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._scans: WeakSet[_Scan] = WeakSet()
        self._waiting = 0
        self._failure: str | None = None
        self._open = True

    def get(self, column: Column, key: bytes) -> bytes | None:
        """Return the value under `key`, or None where absent."""
        stored = column + key
        try:
            return self._db.get(stored)
        except Exception as error:
            raise self._not_read(error) from error

    def get_many(self, column: Column, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return one value per key, in the order of `keys`; None where absent."""
        stored: list[Any] = [column + key for key in keys]
        try:
            values: Any = self._db.get(stored)
        except Exception as error:
            raise self._not_read(error) from error
        return values

    def scan(
        self, column: Column, prefix: bytes = b"", start: bytes = b"", limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs under `prefix` in key order, from a snapshot taken now."""
        if limit is not None and limit < 0:
            raise ValueError(f"limit is negative: {limit}")
        bounds = ReadOptions()
        bounds.set_iterate_upper_bound(prefix_end(column + prefix))
        first = column + max(prefix, start)
        try:
            items = self._db.items(from_key=first, read_opt=bounds)
        except Exception as error:
            raise self._not_read(error) from error
        scan = _Scan(items, bounds, limit, self._directory)
        self._scans.add(scan)
        return scan

    async def commit(self, batch: Batch) -> None:
        """Write all of `batch`, or none of it; durable on return."""
        pairs = flatten(batch)
        self._check_writable()
        if not pairs:
            return
        if self._waiting >= COMMITS_WAITING_MAX:
            raise BusyError("too many commits are waiting for the disk", retry_after_s=1)
        write = WriteBatch(raw_mode=True)
        for key, value in pairs:
            if value is None:
                write.delete(key)
            else:
                write.put(key, value)
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._writer, self._write, write)
        future.add_done_callback(self._commit_ended)
        await asyncio.shield(future)  # a cancelled caller does not stop what the disk has begun

    def bytes_on_disk(self) -> int:
        """Return what the directory's files take on the disk, in bytes."""
        self._check_open()
        total = 0
        with os.scandir(self._directory) as entries:
            for entry in entries:
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                except FileNotFoundError:
                    continue  # compaction removed it while we were looking
        return total

    def bytes_free(self) -> int:
        """Return what an unprivileged writer may still take on this file system, in bytes."""
        self._check_open()
        file_system = os.statvfs(self._directory)
        return file_system.f_bavail * file_system.f_frsize

    def close(self) -> None:
        """Wait for begun commits, end open scans, give up the directory's lock.

        Raises:
            StorageError: RocksDB could not put everything in order. What was committed is safe.
        """
        if not self._open:
            return
        self._open = False
        self._writer.shutdown(wait=True)
        for scan in tuple(self._scans):
            scan.close()
        try:
            self._db.close()
        except Exception as error:
            if self._failure is None:  # else the owner knows already
                raise StorageError(f"{self._directory}: closing failed: {error}") from error

    def _write(self, write: WriteBatch) -> None:
        """Write and sync one batch; runs in the writer thread, one at a time."""
        if self._failure is not None:
            self._refuse_writing()
        try:
            self._db.write(write)
            self._db.flush_wal(True)
        except Exception as error:
            self._failure = str(error)
            raise StorageError(
                f"{self._directory}: a commit failed, and whether it was kept is unknown: open the"
                f" store again and reload before writing: {error}"
            ) from error

    def _commit_ended(self, _: "asyncio.Future[None]") -> None:
        self._waiting -= 1

    def _check_open(self) -> None:
        if not self._open:
            raise StorageError(f"{self._directory}: this store is closed")

    def _check_writable(self) -> None:
        self._check_open()
        if self._failure is not None:
            self._refuse_writing()

    def _refuse_writing(self) -> NoReturn:
        raise StorageError(
            f"{self._directory}: an earlier commit failed ({self._failure}): open the store again"
            " and reload before writing"
        )

    def _not_read(self, error: Exception) -> StorageError:
        why = f"reading failed: {error}" if self._open else "this store is closed"
        return StorageError(f"{self._directory}: {why}")


class _Scan:
    """One bounded walk over the database; lets go of RocksDB's iterator as soon as it can.

    It keeps `bounds` as long as the iterator lives: RocksDB goes on reading the upper bound from the
    options' memory, and rocksdict does not hold them (without this a scan runs past its prefix).
    """

    def __init__(
        self, items: Iterator[Any], bounds: ReadOptions, limit: int | None, directory: Path
    ) -> None:
        self._bounds = bounds
        self._items: Iterator[Any] | None = items
        self._left = limit
        self._directory = directory
        self._closed = False

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        if self._closed:
            raise StorageError(f"{self._directory}: the store was closed during this scan")
        if self._items is None or self._left == 0:
            self._items = None
            raise StopIteration
        try:
            key, value = next(self._items)
        except StopIteration:
            self._items = None
            raise
        except Exception as error:
            self._items = None
            raise StorageError(f"{self._directory}: scanning failed: {error}") from error
        if self._left is not None:
            self._left -= 1
        return key[1:], value

    def close(self) -> None:
        """Release the iterator; who goes on reading gets a `StorageError`, not a short answer."""
        self._closed = self._items is not None
        self._items = None


def _options(block_cache_bytes: int, write_buffer_bytes: int, *, salvage: bool) -> Options:
    tables = BlockBasedOptions()
    tables.set_block_cache(Cache(block_cache_bytes))
    tables.set_bloom_filter(BLOOM_BITS_PER_KEY, False)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(tables)
    options.set_write_buffer_size(write_buffer_bytes)
    options.set_max_write_buffer_number(WRITE_BUFFERS_MAX)
    options.set_max_background_jobs(BACKGROUND_JOBS_MAX)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_keep_log_file_num(LOG_FILES_MAX)
    options.set_max_log_file_size(LOG_FILE_BYTES_MAX)
    options.set_compression_type(DBCompressionType.none())  # hashes and signatures do not shrink
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_enable_blob_files(True)
    options.set_min_blob_size(BLOB_BYTES_MIN)
    options.set_blob_file_size(BLOB_FILE_BYTES)
    options.set_enable_blob_gc(True)
    options.set_wal_recovery_mode(
        DBRecoveryMode.point_in_time()
        if salvage
        else DBRecoveryMode.tolerate_corrupted_tail_records()
    )
    return options


def _not_opened(directory: Path, error: Exception) -> StorageError:
    """Turn RocksDB's only exception type into words for an operator."""
    text = str(error)
    if "hold by current process" in text:
        advice = "this process has it open already: close that store first"
    elif "While lock file" in text:
        advice = "another process holds it: stop that one, or choose another directory"
    elif text.startswith("Corruption"):
        advice = (
            f"it is damaged ({text}). Nothing was changed. Restore it from a backup or from another"
            " member; opening with salvage drops everything after the damage"
        )
    else:
        advice = f"cannot open it: {text}"
    return StorageError(f"{directory}: {advice}")


def _check_layout(db: Rdict, directory: Path) -> None:
    """Mark a new database as ours; refuse one that is not, or of another layout.

    Raises:
        StorageError: The mark is another one, or missing from a database that has data.
    """
    try:
        layout = db.get(_LAYOUT_KEY)
        if layout == _LAYOUT:
            return
        if layout is None and next(db.keys(), None) is None:
            db.put(_LAYOUT_KEY, _LAYOUT)
            db.flush_wal(True)
            return
    except Exception as error:
        raise StorageError(f"{directory}: cannot read or write its layout: {error}") from error
    found = "no layout mark" if layout is None else f"layout {layout!r}"
    raise StorageError(f"{directory}: not a store of this version ({found}): choose another one")
