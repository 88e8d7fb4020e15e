"""What every engine promises (ledger/adapters/engine.py), checked over a store in memory and RocksDB."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.adapters import engine_local
from ledger.adapters.clock_manual import ManualClock
from ledger.adapters.engine_local import LocalEngine
from ledger.adapters.store import Column, Store
from ledger.adapters.store_memory import MemoryDisk, MemoryStore
from ledger.adapters.store_rocksdb import RocksdbStore
from ledger.core import identifier, merkle
from ledger.core.block import decode_commit_leaf
from ledger.core.member import Limits
from ledger.core.merkle import leaf_hash, tree_root
from ledger.core.operation import Update
from ledger.core.prefix_map import PrefixMap
from ledger.core.receipt import Receipt
from ledger.core.record import RecordObject, decode_object, id_key, object_value
from ledger.core.value import Value
from ledger.errors import BusyError, Rejection, RejectionCode, StorageError
from tests.lab_world import LAB, MS, World

I = identifier.canonical  # noqa: E741
WORLD = World()
PUMP = "hdl:lab.1/pump-07"
OpenStore = Callable[[], Store]


@pytest.fixture(params=["memory", "rocksdb"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the same disk again and again."""
    disk = MemoryDisk()
    opened: list[Store] = []

    def open_() -> Store:
        store: Store = (
            MemoryStore(disk)
            if request.param == "memory"
            else RocksdbStore(
                tmp_path / "db", block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20
            )
        )
        opened.append(store)
        return store

    yield open_
    for store in opened:
        store.close()


@asynccontextmanager
async def running(open_store: OpenStore) -> AsyncIterator[LocalEngine]:
    """An engine at work over a store, which is closed at the end."""
    store = await asyncio.to_thread(open_store)
    engine = LocalEngine(store, ManualClock(MS), WORLD.signer())
    await asyncio.to_thread(engine.open)
    try:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(engine.run())
            try:
                yield engine
            finally:
                writer.cancel()
    finally:
        await asyncio.to_thread(store.close)


async def begun(engine: LocalEngine) -> None:
    """Log the genesis and the lab prefix."""
    assert all(
        isinstance(one, Receipt)
        for one in await engine.submit([WORLD.genesis(), WORLD.delegate(LAB)])
    )


def creates(count: int) -> list[bytes]:
    return [WORLD.create(f"hdl:lab.1/part-{number:04}") for number in range(count)]


def update(version: int) -> bytes:
    """The change of pump-07 from one version to the next."""
    value = Value(index=1, type="URL", data=f"https://mfg.example/v{version}")
    return WORLD.say(Update(identifier=I(PUMP), version=version, put=(value,)))


async def test_a_receipt_names_where_the_statement_is_and_from_which_size_it_shows(
    open_store: OpenStore,
) -> None:
    async with running(open_store) as engine:
        await begun(engine)
        statements = creates(5)
        receipts = await engine.submit(statements)
        for statement, receipt in zip(statements, receipts, strict=True):
            assert isinstance(receipt, Receipt)
            assert engine.entry(receipt.index) == statement
            assert receipt.index < receipt.size <= engine.size
            assert engine.statement_index(receipt.hash) == receipt.index


async def test_the_order_of_one_call_is_the_order_of_the_log(open_store: OpenStore) -> None:
    async with running(open_store) as engine:
        await begun(engine)
        receipts = await engine.submit([WORLD.create(PUMP), *(update(v) for v in range(1, 6))])
        indices = [one.index for one in receipts if isinstance(one, Receipt)]
        assert indices == list(range(indices[0], indices[0] + 6))


async def test_the_log_is_what_its_tiles_and_commit_leaves_say(open_store: OpenStore) -> None:
    async with running(open_store) as engine:
        await begun(engine)
        for group in (creates(3), [WORLD.create(PUMP)], [update(1), update(2)]):
            await engine.submit(group)
        entries = engine.entries(0, engine.size)
        root = tree_root([leaf_hash(entry) for entry in entries])
        assert f"\n{engine.size}\n" in engine.published.note
        assert merkle.verify_inclusion(
            engine.size - 1,
            engine.size,
            leaf_hash(engine.published.commit_leaf),
            root,
            engine.published.last_leaf_path,
        )
        leaf = decode_commit_leaf(entries[-1])
        assert leaf == engine.published.commit
        assert leaf.previous is not None
        assert decode_commit_leaf(entries[leaf.previous]).height == leaf.height - 1


async def test_resubmission_gives_the_first_receipt_again(open_store: OpenStore) -> None:
    """After it, twice in one call, beside others, and after a restart."""
    [create] = creates(1)
    async with running(open_store) as engine:
        await begun(engine)
        first, twin = await engine.submit([create, create])
        assert isinstance(first, Receipt)
        assert first == twin
        size = engine.size
        again, other = await engine.submit([create, WORLD.create(PUMP)])
        assert isinstance(again, Receipt)
        assert isinstance(other, Receipt)
        assert (again.index, again.hash) == (first.index, first.hash)
        assert engine.size == size + 2  # the other one and its commit leaf
    async with running(open_store) as engine:
        [after] = await engine.submit([create])
        assert isinstance(after, Receipt)
        assert (after.index, after.hash) == (first.index, first.hash)


async def test_receipts_in_the_unprotected_map_change_nothing(open_store: OpenStore) -> None:
    [create] = creates(1)
    position = (
        2 + 2 + create[3] if create[2] == 0x58 else 2 + 3 + int.from_bytes(create[3:5], "big")
    )
    assert create[position] == 0xA0
    carrying = create[:position] + b"\xa1\x19\x01\x8a\x81\x43abc" + create[position + 1 :]
    async with running(open_store) as engine:
        await begun(engine)
        first, again = await engine.submit([carrying, create])
        assert isinstance(first, Receipt)
        assert first == again
        assert engine.entry(first.index) == create


async def test_a_refused_statement_leaves_nothing(open_store: OpenStore) -> None:
    """No entry, no block of its own; it is judged anew when it comes again."""
    early = update(1)
    async with running(open_store) as engine:
        await begun(engine)
        note = engine.published.note
        [refused] = await engine.submit([early])
        assert isinstance(refused, Rejection)
        assert refused.code is RejectionCode.VERSION_CONFLICT
        [broken] = await engine.submit([b"\xd2\x84nonsense"])
        assert isinstance(broken, Rejection)
        assert engine.published.note == note
        created, taken = await engine.submit([WORLD.create(PUMP), early])
        assert isinstance(created, Receipt)
        assert isinstance(taken, Receipt)


async def test_a_statement_is_whole_or_absent(open_store: OpenStore) -> None:
    """One taken identifier among three refuses all three, and the rejection names it."""
    names = [f"hdl:lab.1/part-{number}" for number in range(3)]
    async with running(open_store) as engine:
        await begun(engine)
        await engine.submit([WORLD.create(names[1])])
        [refused] = await engine.submit([WORLD.create(*names)])
        assert isinstance(refused, Rejection)
        assert refused.code is RejectionCode.EXISTS
        assert [position for position, _ in refused.items] == [1]
        assert engine.object(id_key(I(names[0]))) is None
        assert engine.object(id_key(I(names[2]))) is None


async def test_concurrent_submitters_share_blocks_and_each_learns_its_own(
    open_store: OpenStore,
) -> None:
    statements = creates(60)
    async with running(open_store) as engine:
        await begun(engine)
        answers = await asyncio.gather(*(engine.submit([one]) for one in statements))
        indices = []
        for statement, [answer] in zip(statements, answers, strict=True):
            assert isinstance(answer, Receipt)
            assert engine.entry(answer.index) == statement
            indices.append(answer.index)
        assert len(set(indices)) == len(statements)
        assert engine.published.commit.height < 1 + len(statements) / 2


async def test_nothing_of_a_call_is_taken_beyond_the_bounds(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = creates(6)
    async with running(open_store) as engine:
        await begun(engine)
        size = engine.size
        monkeypatch.setattr(engine_local, "WAITING_STATEMENTS_MAX", 5)
        with pytest.raises(BusyError) as refused:
            await engine.submit(statements)
        assert refused.value.retry_after_s > 0
        assert engine.waiting == 0
        monkeypatch.setattr(engine_local, "WAITING_BYTES_MAX", 3 * len(statements[0]))
        with pytest.raises(BusyError):
            await engine.submit(statements[:5])
        answers = await engine.submit(statements[:2])
        assert all(isinstance(one, Receipt) for one in answers)
        assert engine.size == size + 2 + 1


async def test_a_restart_continues_the_same_ledger(open_store: OpenStore) -> None:
    async with running(open_store) as engine:
        await begun(engine)
        await engine.submit([WORLD.create(PUMP), update(1)])
        before, old = engine.published, engine.object(id_key(I(PUMP)))
    async with running(open_store) as engine:
        assert engine.published.note == before.note  # the same clock signs the same note
        assert engine.published.map.root == before.map.root
        assert engine.object(id_key(I(PUMP))) == old
        await engine.submit([update(2), *creates(3)])
        assert engine.consistency(before.size, engine.size)
    store = await asyncio.to_thread(open_store)
    pairs = [(key, object_value(data)) for key, data in store.scan(Column.OBJECT)]
    assert PrefixMap.build(pairs).root == engine.published.commit.map_root
    found = decode_object(store.get(Column.OBJECT, id_key(I(PUMP))) or b"")
    assert isinstance(found, RecordObject)
    assert found.versions.version == 3


async def test_without_a_genesis_there_is_no_head_and_nothing_else_is_taken(
    open_store: OpenStore,
) -> None:
    async with running(open_store) as engine:
        assert engine.size == 0
        with pytest.raises(StorageError, match="no genesis"):
            _ = engine.published
        [refused] = await engine.submit([WORLD.create(PUMP)])
        assert isinstance(refused, Rejection)
        assert engine.size == 0


async def test_commit_leaves_are_found_by_time(open_store: OpenStore) -> None:
    """The newest one at or before a time; none before the genesis."""
    clock = ManualClock(MS)
    store = await asyncio.to_thread(open_store)
    engine = LocalEngine(store, clock, WORLD.signer())
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(engine.run())
        await begun(engine)
        assert engine.commit_leaf_at(MS - 1) is None
        clock.advance(1000)
        leaves = []
        for one in creates(4):
            clock.advance(1000)
            await engine.submit([one])
            leaves.append(engine.size - 1)
        for number, index in enumerate(leaves):
            ms = MS + 2000 + 1000 * number
            assert engine.commit_leaf_at(ms) == index
            assert engine.commit_leaf_at(ms + 999) == index
            follower = leaves[number + 1] if number + 1 < len(leaves) else None
            assert engine.next_commit_leaf(index) == follower
        writer.cancel()


async def test_blocks_are_cut_at_the_limits_of_the_network(open_store: OpenStore) -> None:
    store = await asyncio.to_thread(open_store)
    engine = LocalEngine(store, ManualClock(MS), WORLD.signer())
    world = replace(WORLD, limits=Limits(statements_per_block=4))
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(engine.run())
        await engine.submit([world.genesis(), world.delegate(LAB)])
        height = engine.published.commit.height
        answers = await engine.submit(creates(10))
        assert all(isinstance(one, Receipt) for one in answers)
        assert engine.published.commit.height == height + 3  # blocks of 4, 4 and 2
        writer.cancel()
