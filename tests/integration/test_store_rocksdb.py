"""What only the real store can show: locks, damage on disk, killed writers, a slow disk."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rocksdict import Options, Rdict

from ledger.adapters.store import Column
from ledger.adapters.store_rocksdb import RocksdbStore
from ledger.errors import StorageError

pytestmark = pytest.mark.integration

BATCHES = 10

WRITER = """
import asyncio, sys
from pathlib import Path
from ledger.adapters.store import Column
from ledger.adapters.store_rocksdb import RocksdbStore

async def main(store, first):
    for number in range(first, 1_000_000):
        key = number.to_bytes(8, "big")
        value = key * 500
        await store.commit({Column.ENTRY: {key: value}, Column.OBJECT: {key: value}})
        print(number, flush=True)

store = RocksdbStore(Path(sys.argv[1]), write_buffer_bytes=1 << 20)
asyncio.run(main(store, int(sys.argv[2])))
"""

HOLDER = """
import sys
from pathlib import Path
from ledger.adapters.store_rocksdb import RocksdbStore

store = RocksdbStore(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def open_store(directory: Path, *, salvage: bool = False) -> RocksdbStore:
    return RocksdbStore(
        directory, block_cache_bytes=1 << 20, write_buffer_bytes=4 << 20, salvage=salvage
    )


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python on a script from the checkout's root; what still runs is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_another_process_holding_the_directory_is_named(
    child: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """The refusal says which directory, and that it is another process's."""
    holder = child(HOLDER, str(tmp_path))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"

    with pytest.raises(StorageError, match="another process holds it") as refusal:
        open_store(tmp_path)
    assert str(tmp_path) in str(refusal.value)

    holder.communicate("")
    open_store(tmp_path).close()


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_killed_writer_loses_nothing_it_acknowledged(
    child: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """After each SIGKILL all printed batches are there, and every batch is whole."""
    first = 0
    for acknowledgements in (1, 50, 333, 700):
        writer = child(WRITER, str(tmp_path), str(first))
        assert writer.stdout is not None
        printed = [writer.stdout.readline() for _ in range(acknowledgements)]
        writer.send_signal(signal.SIGKILL)
        printed += writer.stdout.readlines()  # also what it acknowledged before the signal came
        assert printed == [f"{number}\n" for number in range(first, first + len(printed))]
        acknowledged = first + len(printed)

        store = open_store(tmp_path)
        entries = list(store.scan(Column.ENTRY))
        objects = list(store.scan(Column.OBJECT))
        store.close()
        assert entries == objects
        assert [int.from_bytes(key, "big") for key, _ in entries] == list(range(len(entries)))
        assert all(value == key * 500 for key, value in entries)
        assert acknowledged <= len(entries) <= acknowledged + 1
        first = len(entries)


def damaged(directory: Path, damage: Callable[[bytes], bytes]) -> Path:
    """Make a store of ten synced batches as a killed process leaves it, then change its log."""

    async def fill(store: RocksdbStore) -> None:
        for number in range(BATCHES):
            await store.commit(
                {Column.ENTRY: {b"%d-%d" % (number, n): b"v" * 9000 for n in (1, 2)}}
            )

    live = directory / "live"
    store = open_store(live)
    asyncio.run(fill(store))
    copy = directory / "copy"
    copy.mkdir()
    for file in live.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    store.close()
    (log,) = copy.glob("*.log")
    log.write_bytes(damage(log.read_bytes()))
    return copy


def batches_in(store: RocksdbStore) -> list[bytes]:
    """Return the numbers of the batches present, each checked to be whole."""
    keys = [key for key, _ in store.scan(Column.ENTRY)]
    numbers = sorted({key.split(b"-")[0] for key in keys})
    assert keys == [b"%s-%d" % (number, n) for number in numbers for n in (1, 2)]
    return numbers


@pytest.mark.parametrize("cut_bytes", [1, 100, 9_000, 17_000])
def test_a_batch_cut_off_at_the_end_is_dropped_whole(tmp_path: Path, cut_bytes: int) -> None:
    """What a writer killed in mid-write leaves opens, without the unfinished batch."""
    store = open_store(damaged(tmp_path, lambda log: log[:-cut_bytes]))

    assert batches_in(store) == [b"%d" % number for number in range(BATCHES - 1)]
    store.close()


def test_an_untouched_log_is_replayed_whole(tmp_path: Path) -> None:
    """Without damage nothing is dropped: the other tests here measure damage, not replay."""
    store = open_store(damaged(tmp_path, lambda log: log))

    assert len(batches_in(store)) == BATCHES
    store.close()


def _flip_middle(log: bytes) -> bytes:
    middle = len(log) // 2
    return log[:middle] + bytes([log[middle] ^ 1]) + log[middle + 1 :]


def _zero_a_page(log: bytes) -> bytes:
    page = len(log) // 2 // 4096 * 4096
    return log[:page] + bytes(4096) + log[page + 4096 :]


@pytest.mark.parametrize("damage", [_flip_middle, _zero_a_page])
def test_damage_before_synced_batches_is_refused_and_can_be_salvaged(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """Synced batches behind a damage are never lost silently; a person may decide to lose them."""
    directory = damaged(tmp_path, damage)
    with pytest.raises(StorageError, match="is damaged") as refusal:
        open_store(directory)
    assert str(directory) in str(refusal.value)

    store = open_store(directory, salvage=True)
    kept = batches_in(store)
    assert kept == [b"%d" % number for number in range(len(kept))]
    assert 0 < len(kept) < BATCHES
    store.close()


def test_a_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A RocksDB that is not ours is not written to."""
    foreign = Rdict(str(tmp_path), Options(raw_mode=True))
    foreign[b"theirs"] = b"1"
    foreign.close()

    with pytest.raises(StorageError, match="no layout mark"):
        open_store(tmp_path)
    foreign = Rdict(str(tmp_path), Options(raw_mode=True))
    assert list(foreign.keys()) == [b"theirs"]
    foreign.close()


def test_a_store_of_another_layout_is_refused(tmp_path: Path) -> None:
    """A directory written by another version is not guessed at."""
    newer = Rdict(str(tmp_path), Options(raw_mode=True))
    newer[b"\x00layout"] = b"xinbiao ledger store 2"
    newer.close()

    with pytest.raises(StorageError, match="store 2"):
        open_store(tmp_path)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    """A path that is no directory is our error."""
    (tmp_path / "ledger").write_text("")

    with pytest.raises(StorageError, match="File exists"):
        open_store(tmp_path / "ledger")


def test_the_directory_is_private(tmp_path: Path) -> None:
    """A new directory is readable by its owner only."""
    open_store(tmp_path / "deep" / "ledger").close()

    assert (tmp_path / "deep" / "ledger").stat().st_mode & 0o777 == 0o700


class SlowDisk:
    """A database whose sync returns only when the test says so, or fails if it says so."""

    def __init__(self, database: Rdict) -> None:
        self._database = database
        self.syncing = threading.Event()
        self.finish = threading.Event()
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def flush_wal(self, sync: bool = True) -> None:
        self.syncing.set()
        assert self.finish.wait(10)
        if self.error is not None:
            raise self.error
        self._database.flush_wal(sync)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[RocksdbStore, SlowDisk]]:
    store = open_store(tmp_path)
    disk = SlowDisk(store._db)
    store._db = disk  # type: ignore[assignment]
    yield store, disk
    disk.finish.set()
    store.close()


async def test_the_event_loop_goes_on_while_the_disk_syncs(
    slow: tuple[RocksdbStore, SlowDisk],
) -> None:
    """During a sync the loop runs and reads are served; commit returns after it, not before."""
    store, disk = slow
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(store.commit({Column.META: {b"a": b"1"}}))
        await asyncio.to_thread(disk.syncing.wait, 10)
        assert store.get(Column.META, b"b") is None
        assert not task.done()
        disk.finish.set()

    assert task.done()


async def test_a_cancelled_commit_reaches_the_disk_all_the_same(
    slow: tuple[RocksdbStore, SlowDisk],
) -> None:
    """Begun or waiting its turn, a batch is written, though nobody waits for it any more."""
    store, disk = slow
    async with asyncio.TaskGroup() as tasks:
        begun = tasks.create_task(store.commit({Column.META: {b"a": b"1"}}))
        waiting = tasks.create_task(store.commit({Column.META: {b"b": b"2"}}))
        await asyncio.to_thread(disk.syncing.wait, 10)
        begun.cancel()
        waiting.cancel()
    assert begun.cancelled()
    assert waiting.cancelled()
    disk.finish.set()
    await store.commit({Column.META: {b"c": b"3"}})

    assert [key for key, _ in store.scan(Column.META)] == [b"a", b"b", b"c"]


async def test_a_failed_sync_is_final(slow: tuple[RocksdbStore, SlowDisk]) -> None:
    """A sync that failed once is not tried again, even if the disk would now say yes."""
    store, disk = slow
    disk.error = OSError("I/O error")
    disk.finish.set()
    with pytest.raises(StorageError, match="I/O error"):
        await store.commit({Column.META: {b"a": b"1"}})
    disk.error = None

    with pytest.raises(StorageError, match="earlier commit failed"):
        await store.commit({Column.META: {b"b": b"2"}})
