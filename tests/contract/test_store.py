"""What every `Store` promises (ledger/adapters/store.py), checked against each implementation."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.store import COMMITS_WAITING_MAX, Batch, Column, Store
from ledger.adapters.store_memory import Fault, MemoryDisk, MemoryStore
from ledger.adapters.store_rocksdb import RocksdbStore
from ledger.errors import BusyError, StorageError


class Bench(Protocol):
    """A disk that can be opened more than once and made to fail."""

    def open(self) -> Store: ...

    def failing(self, store: Store) -> AbstractContextManager[None]: ...


class MemoryBench:
    def __init__(self) -> None:
        self.disk = MemoryDisk()

    def open(self) -> Store:
        return MemoryStore(self.disk)

    @contextmanager
    def failing(self, store: Store) -> Iterator[None]:
        assert isinstance(store, MemoryStore)
        store.fail_next_commit(Fault.LOST)
        yield


class RocksdbBench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def open(self) -> Store:
        return RocksdbStore(self.directory, block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20)

    @contextmanager
    def failing(self, store: Store) -> Iterator[None]:
        """Let the kernel refuse to make any file longer, as a full disk does."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(params=["memory", pytest.param("rocksdb", marks=pytest.mark.integration)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "memory":
        return MemoryBench()
    return RocksdbBench(tmp_path / "ledger")


@pytest.fixture
def store(bench: Bench) -> Iterator[Store]:
    opened = bench.open()
    yield opened
    opened.close()


async def reopened(store: Store, bench: Bench) -> Store:
    await asyncio.to_thread(store.close)
    return await asyncio.to_thread(bench.open)


def everything(store: Store, column: Column = Column.META) -> list[tuple[bytes, bytes]]:
    return list(store.scan(column))


async def test_absent_keys_read_as_none(store: Store) -> None:
    """A new store has nothing, and says so without an error."""
    assert store.get(Column.META, b"size") is None
    assert list(store.get_many(Column.META, [b"a", b"b"])) == [None, None]
    assert list(store.get_many(Column.META, [])) == []
    assert everything(store) == []


async def test_what_is_committed_is_read(store: Store) -> None:
    """Values come back whole, in the order asked, empty keys and values included."""
    await store.commit({Column.META: {b"a": b"1", b"b": b"", b"": b"empty key"}})

    assert store.get(Column.META, b"b") == b""
    assert list(store.get_many(Column.META, [b"b", b"x", b"a", b""])) == [
        b"",
        None,
        b"1",
        b"empty key",
    ]


@pytest.mark.slow
async def test_a_value_of_archive_size_is_read_back(store: Store) -> None:
    """The largest archive (16 MiB) is one value like any other."""
    archive = bytes(range(256)) * (1 << 16)
    await store.commit({Column.ARCHIVE: {b"stream": archive}})

    assert store.get(Column.ARCHIVE, b"stream") == archive


async def test_columns_do_not_mix(store: Store) -> None:
    """The same key in two columns is two keys, and a scan stays in its column."""
    batch: Batch = {column: {b"k": column.name.encode(), b"\xff": b"last"} for column in Column}
    await store.commit(batch)

    for column in Column:
        assert everything(store, column) == [(b"k", column.name.encode()), (b"\xff", b"last")]


async def test_a_batch_puts_and_deletes(store: Store) -> None:
    """None deletes, also what is not there; the rest of the batch is applied."""
    await store.commit({Column.META: {b"a": b"1", b"b": b"2"}})
    await store.commit({Column.META: {b"a": None, b"b": b"3", b"never": None}})

    assert everything(store) == [(b"b", b"3")]


async def test_an_empty_batch_changes_nothing(store: Store) -> None:
    """Nothing to write is no error."""
    await store.commit({})
    await store.commit({Column.META: {}})

    assert everything(store) == []


KEYS = [b"a", b"a\x00", b"ab", b"ab\xff", b"ab\xff\xff", b"ac", b"b", b"\xff", b"\xff\xff"]


@pytest.mark.parametrize(
    ("prefix", "start", "limit", "expected"),
    [
        pytest.param(b"", b"", None, KEYS, id="all-in-byte-order"),
        pytest.param(b"ab", b"", None, [b"ab", b"ab\xff", b"ab\xff\xff"], id="prefix"),
        pytest.param(b"ab\xff", b"", None, [b"ab\xff", b"ab\xff\xff"], id="prefix-ends-in-ff"),
        pytest.param(b"\xff", b"", None, [b"\xff", b"\xff\xff"], id="prefix-is-all-ff"),
        pytest.param(b"", b"ab\xff", 2, [b"ab\xff", b"ab\xff\xff"], id="start-is-inclusive"),
        pytest.param(b"ab", b"aa", None, [b"ab", b"ab\xff", b"ab\xff\xff"], id="start-below"),
        pytest.param(b"a", b"b", None, [], id="start-beyond-prefix"),
        pytest.param(b"a", b"", 2, [b"a", b"a\x00"], id="limit"),
        pytest.param(b"", b"", 0, [], id="limit-zero"),
        pytest.param(b"zz", b"", None, [], id="nothing-there"),
    ],
)
async def test_scan_edges(
    store: Store, prefix: bytes, start: bytes, limit: int | None, expected: list[bytes]
) -> None:
    """A scan gives exactly the keys under its prefix, from its start, up to its limit."""
    await store.commit({Column.OBJECT: {key: b"v" + key for key in reversed(KEYS)}})

    found = list(store.scan(Column.OBJECT, prefix, start, limit))
    assert [(key, b"v" + key) for key in expected] == found


def test_a_negative_limit_is_refused(store: Store) -> None:
    """A limit below zero is a caller's mistake, not "no limit"."""
    with pytest.raises(ValueError, match="limit is negative"):
        store.scan(Column.META, limit=-1)


async def test_a_scan_is_a_snapshot_of_its_call(store: Store) -> None:
    """Commits after the call do not show, whether or not the first pair was taken."""
    await store.commit({Column.META: {b"a": b"1", b"c": b"1"}})
    fresh = store.scan(Column.META)
    begun = store.scan(Column.META)
    first = next(begun)
    await store.commit({Column.META: {b"a": b"2", b"b": b"2", b"c": None}})

    assert list(fresh) == [(b"a", b"1"), (b"c", b"1")]
    assert [first, *begun] == [(b"a", b"1"), (b"c", b"1")]
    assert everything(store) == [(b"a", b"2"), (b"b", b"2")]


async def test_reopening_keeps_what_was_committed(bench: Bench) -> None:
    """Closing and opening again changes nothing."""
    store = await asyncio.to_thread(bench.open)
    await store.commit({Column.META: {b"a": b"1"}, Column.ENTRY: {b"b": b"2"}})
    store = await reopened(store, bench)

    assert everything(store) == [(b"a", b"1")]
    assert store.get(Column.ENTRY, b"b") == b"2"
    await asyncio.to_thread(store.close)


def test_a_store_has_one_owner(bench: Bench, store: Store) -> None:
    """A second opening is refused while the first is open."""
    with pytest.raises(StorageError, match="close that"):
        bench.open()


async def test_a_closed_store_refuses_everything(bench: Bench) -> None:
    """After close every call is our error, and closing again is none."""
    store = await asyncio.to_thread(bench.open)
    await asyncio.to_thread(store.close)
    await asyncio.to_thread(store.close)

    with pytest.raises(StorageError, match="closed"):
        store.get(Column.META, b"a")
    with pytest.raises(StorageError, match="closed"):
        store.get_many(Column.META, [b"a"])
    with pytest.raises(StorageError, match="closed"):
        store.scan(Column.META)
    with pytest.raises(StorageError, match="closed"):
        await store.commit({Column.META: {b"a": b"1"}})
    with pytest.raises(StorageError, match="closed"):
        store.bytes_on_disk()
    with pytest.raises(StorageError, match="closed"):
        store.bytes_free()


async def test_an_open_scan_does_not_hold_the_directory(bench: Bench) -> None:
    """Closing ends a scan with an error, not with a short answer, and the disk is free again."""
    store = await asyncio.to_thread(bench.open)
    await store.commit({Column.META: {b"a": b"1", b"b": b"2"}})
    scan = store.scan(Column.META)
    next(scan)
    store = await reopened(store, bench)

    with pytest.raises(StorageError, match="closed"):
        next(scan)
    assert store.get(Column.META, b"b") == b"2"
    await asyncio.to_thread(store.close)


async def test_a_failed_commit_poisons_until_reopened(bench: Bench) -> None:
    """After a failure no commit is accepted, reads go on, and reopening shows a whole state."""
    store = await asyncio.to_thread(bench.open)
    await store.commit({Column.META: {b"a": b"1"}})
    with bench.failing(store), pytest.raises(StorageError, match="whether"):
        await store.commit({Column.META: {b"b": b"2"}, Column.ENTRY: {b"b": b"2"}})
    with pytest.raises(StorageError, match="earlier commit failed"):
        await store.commit({Column.META: {b"c": b"3"}})
    assert store.get(Column.META, b"a") == b"1"

    store = await reopened(store, bench)
    assert store.get(Column.META, b"a") == b"1"
    assert store.get(Column.META, b"c") is None
    assert store.get(Column.META, b"b") == store.get(Column.ENTRY, b"b")
    await store.commit({Column.META: {b"c": b"3"}})
    assert store.get(Column.META, b"c") == b"3"
    await asyncio.to_thread(store.close)


async def test_a_commit_behind_a_failed_one_is_refused(bench: Bench) -> None:
    """A batch that waited while the one before it failed is not written over the gap."""
    store = await asyncio.to_thread(bench.open)
    with bench.failing(store):
        outcomes = await asyncio.gather(
            store.commit({Column.META: {b"a": b"1"}}),
            store.commit({Column.META: {b"b": b"2"}}),
            return_exceptions=True,
        )
    assert [type(outcome) for outcome in outcomes] == [StorageError, StorageError]

    store = await reopened(store, bench)
    assert store.get(Column.META, b"b") is None
    await asyncio.to_thread(store.close)


async def test_commits_take_effect_in_call_order(store: Store) -> None:
    """Of many concurrent commits to one key, the last call wins."""
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(store.commit({Column.META: {b"n": b"%d" % number}}))

    assert store.get(Column.META, b"n") == b"19"


async def test_waiting_commits_are_bounded(store: Store) -> None:
    """One commit too many is refused at once and not written; when the queue ends, there is room."""
    outcomes = await asyncio.gather(
        *(store.commit({Column.META: {b"%03d" % n: b""}}) for n in range(COMMITS_WAITING_MAX + 1)),
        return_exceptions=True,
    )

    assert outcomes[:-1] == [None] * COMMITS_WAITING_MAX
    assert isinstance(outcomes[-1], BusyError)
    assert len(everything(store)) == COMMITS_WAITING_MAX
    await store.commit({Column.META: {b"later": b""}})
    assert store.get(Column.META, b"later") == b""


async def test_the_batch_is_read_before_the_call_suspends(store: Store) -> None:
    """What the caller does to its dict afterwards does not reach the disk."""
    changes: dict[bytes, bytes | None] = {b"a": b"1"}
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(store.commit({Column.META: changes}))
        await asyncio.sleep(0)
        changes[b"a"] = b"2"

    assert store.get(Column.META, b"a") == b"1"


async def test_a_cancelled_commit_is_whole_or_absent_and_stops_nobody(store: Store) -> None:
    """Cancelling the caller neither tears the batch nor poisons the store."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(
            store.commit({Column.META: {b"a": b"1"}, Column.ENTRY: {b"a": b"1"}})
        )
        await asyncio.sleep(0)
        task.cancel()
    await store.commit({Column.META: {b"b": b"2"}})

    assert store.get(Column.META, b"a") == store.get(Column.ENTRY, b"a")
    assert store.get(Column.META, b"b") == b"2"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({b"k": bytearray(b"v")}, id="bytearray"),
        pytest.param({b"k": "v"}, id="text"),
        pytest.param({"k": b"v"}, id="text-key"),
        pytest.param({b"k": 1}, id="number"),
    ],
)
async def test_only_bytes_are_stored(store: Store, changes: dict[bytes, bytes | None]) -> None:
    """A wrong type is the caller's error: nothing of the batch is written, nothing is poisoned."""
    with pytest.raises(TypeError, match="META takes bytes"):
        await store.commit({Column.ENTRY: {b"good": b"1"}, Column.META: changes})

    assert store.get(Column.ENTRY, b"good") is None
    await store.commit({Column.ENTRY: {b"good": b"1"}})


async def test_sizes_are_plausible(store: Store) -> None:
    """A store that holds 100 kB takes some of the disk, and there is room left."""
    await store.commit({Column.META: {b"a": b"v" * 100_000}})

    assert await asyncio.to_thread(store.bytes_on_disk) >= 100_000
    assert await asyncio.to_thread(store.bytes_free) > 0


_key = st.binary(max_size=4) | st.text("\x00a\x7f\xff", max_size=4).map(
    lambda t: t.encode("latin-1")
)
_batches = st.lists(
    st.dictionaries(_key, st.none() | st.binary(max_size=4), max_size=8), max_size=6
)
_examples = count()


@pytest.mark.slow
@given(batches=_batches, prefix=_key, start=_key, limit=st.none() | st.integers(0, 5))
def test_a_store_is_a_sorted_dict(
    store: Store,
    batches: list[dict[bytes, bytes | None]],
    prefix: bytes,
    start: bytes,
    limit: int | None,
) -> None:
    """After any batches, scans and reads agree with a dict that went through the same."""
    room = next(_examples).to_bytes(4, "big")  # one store serves all examples
    model: dict[bytes, bytes | None] = {}
    for batch in batches:
        asyncio.run(store.commit({Column.OBJECT: {room + key: batch[key] for key in batch}}))
        model |= batch
    alive = {key: value for key, value in model.items() if value is not None}

    expected = sorted((k, v) for k, v in alive.items() if k.startswith(prefix) and k >= start)
    scan = store.scan(Column.OBJECT, room + prefix, room + start, limit)
    assert expected[:limit] == [(key[4:], value) for key, value in scan]
    keys = [room + key for key in model]
    assert list(model.values()) == list(store.get_many(Column.OBJECT, keys))
