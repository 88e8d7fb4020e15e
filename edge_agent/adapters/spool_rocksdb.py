"""The spool's journal on RocksDB.

Theory of operation: rocksdict holds the interpreter lock for the whole of a write, synced or not, and
releases it in `flush_wal`. So `write` puts an unsynced batch into the write-ahead log at once, in the
event loop (tens of microseconds), and `sync` runs `flush_wal(True)` in one writer thread. What was
written survives a kill of the process; what was synced survives a power cut.

The write-ahead log is replayed up to the first torn record (the tail of a crash). RocksDB's own LOCK
file keeps a second agent out of the directory: two agents with one identity would equivocate. Write
buffers are small, because a gateway is: the spool's rows are short-lived.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from rocksdict import DBCompressionType, DBRecoveryMode, Options, Rdict, ReadOptions, WriteBatch

from edge_agent.adapters.spool import Change
from edge_agent.adapters.system import free_bytes
from edge_agent.errors import SpoolError

WRITE_BUFFER_BYTES: Final = 4 * 1024 * 1024
WRITE_BUFFERS_MAX: Final = 2
WAL_BYTES_MAX: Final = 32 * 1024 * 1024
OPEN_FILES_MAX: Final = 64


class RocksJournal:
    """A journal in one directory; use `RocksJournal.open`."""

    def __init__(self, folder: Path, writer: ThreadPoolExecutor, database: Rdict) -> None:
        """Take over an open database."""
        self._folder = folder
        self._writer = writer
        self._database: Rdict | None = database
        self._free_bytes = free_bytes(folder)

    @classmethod
    async def open(cls, folder: Path) -> "RocksJournal":
        """Open or make the database.

        Raises:
            SpoolError: It cannot be opened; says so where another process holds it.
        """
        writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        loop = asyncio.get_running_loop()
        try:
            database = await loop.run_in_executor(writer, _open, folder)
            return await loop.run_in_executor(writer, cls, folder, writer, database)
        except BaseException:
            writer.shutdown(wait=False)
            raise

    def get(self, key: bytes) -> bytes | None:
        """Return one value; a point read takes microseconds."""
        value: bytes | None = self._guard(lambda database: database.get(key))
        return value

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs of a range from a snapshot."""
        database = self._open_database()
        options = ReadOptions()
        options.set_iterate_upper_bound(end)
        iterator = database.iter(options)
        try:
            iterator.seek(start)
            while iterator.valid():
                key, value = iterator.key(), iterator.value()
                if key >= end:
                    break
                yield bytes(key), bytes(value)
                iterator.next()
        finally:
            del iterator  # a live iterator keeps the LOCK after close

    def write(self, change: Change) -> None:
        """Put one atomic batch into the write-ahead log, unsynced."""
        batch = WriteBatch(raw_mode=True)
        for start, end in change.ranges:
            batch.delete_range(start, end)
        for key, value in change.puts:
            batch.put(key, value)
        self._guard(lambda database: database.write(batch))

    async def sync(self) -> None:
        """Sync the write-ahead log in the writer thread."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self._sync)

    def _sync(self) -> None:
        self._guard(lambda database: database.flush_wal(True))
        self._free_bytes = free_bytes(self._folder)

    async def reopen(self) -> None:
        """Close and open the database in the writer thread."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self._reopen)

    def _reopen(self) -> None:
        self._close()
        self._database = _open(self._folder)

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()
            del database
            gc.collect()

    async def close(self) -> None:
        """Sync, close, and end the writer thread."""
        loop = asyncio.get_running_loop()
        try:
            if self._database is not None:
                await self.sync()
        finally:
            await loop.run_in_executor(self._writer, self._close)
            self._writer.shutdown(wait=False)

    def free_bytes(self) -> int:
        """Return the free room as it was at the last sync."""
        return self._free_bytes

    def _open_database(self) -> Rdict:
        if self._database is None:
            raise SpoolError(f"the spool in {self._folder} is closed")
        return self._database

    def _guard(self, action: Callable[[Rdict], bytes | None]) -> bytes | None:
        """Run one action and turn RocksDB's bare exceptions into ours."""
        database = self._open_database()
        try:
            return action(database)
        except Exception as error:  # rocksdict raises Exception itself
            raise SpoolError(f"the spool in {self._folder} failed: {error}") from error


def _open(folder: Path) -> Rdict:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(WRITE_BUFFERS_MAX)
    options.set_max_total_wal_size(WAL_BYTES_MAX)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_keep_log_file_num(2)
    options.set_compression_type(DBCompressionType.lz4())
    # The default stops at any damaged record and forgets synced ones behind it, without a word. This
    # one takes a torn tail, which is a crash, and refuses damage in the middle, which is none.
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    try:
        return Rdict(str(folder), options)
    except Exception as error:  # rocksdict raises Exception itself
        if "lock" in str(error).lower():
            detail = f"another process holds the spool in {folder}: one agent per data directory"
            raise SpoolError(detail) from error
        raise SpoolError(f"the spool in {folder} cannot be opened: {error}") from error
