"""The engine on a disk that stops, fails, loses power or comes back damaged (ledger/adapters/engine_local.py)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.clock_manual import ManualClock
from ledger.adapters.engine_local import LocalEngine
from ledger.adapters.store import COMMITS_WAITING_MAX, Column
from ledger.adapters.store_memory import Fault, MemoryDisk, MemoryStore
from ledger.core import identifier
from ledger.core.bundle_build import current_bundle, history_bundle
from ledger.core.merkle import leaf_hash, tree_root
from ledger.core.operation import Update
from ledger.core.policy import TrustFile
from ledger.core.proof import verify
from ledger.core.receipt import Receipt
from ledger.core.record import NETWORK_KEY, RecordObject, decode_object, id_key
from ledger.core.value import Value
from ledger.errors import Rejection, StorageError
from resolver.adapters.view import LedgerView
from tests.lab_world import LAB, MS, NETWORK, World

WORLD = World()
PUMP = identifier.canonical("hdl:lab.1/pump-07")
STEP_S = 5.0


def update(version: int) -> bytes:
    """The change of pump-07 from one version to the next."""
    value = Value(index=1, type="URL", data=f"https://mfg.example/v{version}")
    return WORLD.say(Update(identifier=PUMP, version=version, put=(value,)))


BEGIN = [WORLD.genesis(), WORLD.delegate(LAB), WORLD.create(PUMP.text)]


@asynccontextmanager
async def running(
    store: MemoryStore, clock: ManualClock | None = None
) -> AsyncIterator[LocalEngine]:
    """An engine at work; its own storage failure is expected by whoever caused it."""
    engine = LocalEngine(store, clock or ManualClock(MS), WORLD.signer())
    engine.open()
    with contextlib.suppress(StorageError):
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(_run(engine))
            try:
                yield engine
            finally:
                writer.cancel()


async def _run(engine: LocalEngine) -> None:
    with contextlib.suppress(StorageError):
        await engine.run()


async def begun_disk() -> MemoryDisk:
    """A disk with the lab's beginning."""
    disk = MemoryDisk()
    store = MemoryStore(disk)
    async with running(store) as engine:
        assert [one for one in await engine.submit(BEGIN) if not isinstance(one, Receipt)] == []
    store.close()
    return disk


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until something holds that nobody announces."""
    async with asyncio.timeout(STEP_S):
        while not holds():  # noqa: ASYNC110  the engine has no event for what only a test sees
            await asyncio.sleep(0)


async def shown(store: MemoryStore, count: int) -> None:
    """Wait until a batch with log entry number `count` is shown to readers (and not yet durable)."""
    await until(lambda: store.get(Column.ENTRY, count.to_bytes(8, "big")) is not None)


def version(engine: LocalEngine) -> int:
    """The version of pump-07 that readers see."""
    found = decode_object(engine.object(id_key(PUMP)) or b"")
    assert isinstance(found, RecordObject)
    return found.versions.version


def check_proofs(engine: LocalEngine, versions: int) -> None:
    """Bundles of the published head verify, for the record and its whole history."""
    view = LedgerView(engine, engine.published)
    trust = TrustFile.parse(WORLD.trust_text())
    now = verify(
        current_bundle(view, PUMP).encode(),
        PUMP.text,
        network=NETWORK,
        trust=trust,
        now=MS // 1000 + 5,
        max_age=None,
    )
    assert isinstance(now.record, RecordObject)
    assert now.record.versions.version == versions
    told = verify(
        history_bundle(view, PUMP).encode(),
        PUMP.text,
        network=NETWORK,
        trust=trust,
        now=MS // 1000 + 5,
        max_age=None,
        question="history",
    )
    assert len(told.versions) == versions


# ---- a slow disk


async def test_nothing_shows_before_it_is_durable() -> None:
    """While the disk works, size, objects, entries, proofs and receipts are those of the old head."""
    store = MemoryStore(await begun_disk())
    async with running(store) as engine, asyncio.TaskGroup() as tasks:
        before = engine.published
        store.hold_syncs()
        submitting = tasks.create_task(engine.submit([update(1), update(2)]))
        await shown(store, before.size)
        assert engine.published is before
        assert not submitting.done()
        assert version(engine) == 1
        with pytest.raises(StorageError):
            engine.entry(before.size)
        assert engine.entries(0, 100) == engine.entries(0, before.size)
        check_proofs(engine, 1)
        store.release_syncs()
        first, second = await submitting
        assert isinstance(first, Receipt)
        assert isinstance(second, Receipt)
        assert engine.size == first.size == before.size + 3
        assert version(engine) == 3
        check_proofs(engine, 3)


async def test_what_gathers_while_the_disk_works_becomes_one_block() -> None:
    store = MemoryStore(await begun_disk())
    async with running(store) as engine, asyncio.TaskGroup() as tasks:
        height, size = engine.published.commit.height, engine.size
        store.hold_syncs()
        waiting = [tasks.create_task(engine.submit([update(1)]))]
        await shown(store, size)
        waiting += [tasks.create_task(engine.submit([update(v)])) for v in range(2, 30)]
        await until(lambda: engine.waiting == 29)
        store.release_syncs()
        for one in waiting:
            assert isinstance((await one)[0], Receipt)
        assert engine.published.commit.height == height + 2


async def test_resubmission_while_the_first_is_under_way_waits_for_the_same_receipt() -> None:
    store = MemoryStore(await begun_disk())
    async with running(store) as engine, asyncio.TaskGroup() as tasks:
        size = engine.size
        store.hold_syncs()
        first = tasks.create_task(engine.submit([update(1)]))
        await shown(store, size)  # its index row shows as well, and must not be answered from
        again = tasks.create_task(engine.submit([update(1)]))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not again.done()
        store.release_syncs()
        assert await first == await again
        assert engine.size == size + 2


async def test_a_submitter_that_goes_away_does_not_take_its_statement_back() -> None:
    store = MemoryStore(await begun_disk())
    async with running(store) as engine, asyncio.TaskGroup() as tasks:
        size = engine.size
        store.hold_syncs()
        gone = tasks.create_task(engine.submit([update(1)]))
        await shown(store, size)
        gone.cancel()
        store.release_syncs()
        [receipt] = await engine.submit([update(1)])
        assert isinstance(receipt, Receipt)
        assert receipt.index == size


async def test_archives_that_fill_the_store_do_not_end_the_engine() -> None:
    store = MemoryStore(await begun_disk())
    async with running(store) as engine, asyncio.TaskGroup() as tasks:
        store.hold_syncs()
        for number in range(COMMITS_WAITING_MAX):
            archive = {Column.ARCHIVE: {number.to_bytes(8, "big"): b"body"}}
            tasks.create_task(store.commit(archive))
        await asyncio.sleep(0)
        submitting = tasks.create_task(engine.submit([update(1)]))
        await until(lambda: engine.waiting == 1)
        await asyncio.sleep(0.03)  # the block meets a store that takes no more
        assert engine.failure is None
        store.release_syncs()
        assert isinstance((await submitting)[0], Receipt)


# ---- a disk that fails


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_failed_commit_is_told_to_everybody_and_decided_by_the_restart(
    fault: Fault,
) -> None:
    disk = await begun_disk()
    store = MemoryStore(disk)
    async with running(store) as engine:
        before = engine.published
        store.hold_syncs()
        async with asyncio.TaskGroup() as tasks:
            in_block = tasks.create_task(_failure(engine, [update(1)]))
            await shown(store, before.size)
            queued = tasks.create_task(_failure(engine, [update(2), update(3)]))
            await asyncio.sleep(0)
            store.fail_next_commit(fault)
            store.release_syncs()
        assert await in_block
        assert await queued
        assert await _failure(engine, [update(4)])  # and nothing more is taken
        assert engine.failure is not None
        assert engine.published is before
        assert version(engine) == 1  # readers go on at the old head
    store.close()
    store = MemoryStore(disk)
    async with running(store) as engine:
        kept = fault is Fault.KEPT
        assert version(engine) == (2 if kept else 1)
        [receipt] = await engine.submit([update(1)])
        assert isinstance(receipt, Receipt)
        assert receipt.index == before.size
        assert engine.size == before.size + 2
        assert_consistent(engine)


async def _failure(engine: LocalEngine, statements: list[bytes]) -> bool:
    try:
        await engine.submit(statements)
    except StorageError:
        return True
    return False


async def test_whoever_waits_is_told_when_the_engine_is_stopped() -> None:
    store = MemoryStore(await begun_disk())
    async with running(store) as engine, asyncio.TaskGroup() as tasks:
        size = engine.size
        store.hold_syncs()
        told = [tasks.create_task(_failure(engine, [update(1)]))]
        await shown(store, size)
        told.append(tasks.create_task(_failure(engine, [update(2)])))
        await asyncio.sleep(0)
        writers = [
            task
            for task in asyncio.all_tasks()
            if "_run" in getattr(task.get_coro(), "__qualname__", "")
        ]
        for writer in writers:
            writer.cancel()
        assert all([await one for one in told])


# ---- power cuts


@pytest.mark.parametrize("kept", [False, True])
async def test_a_power_cut_leaves_the_whole_block_or_none_of_it(kept: bool) -> None:
    disk = await begun_disk()
    store = MemoryStore(disk)
    async with running(store) as engine, asyncio.TaskGroup() as tasks:
        size = engine.size
        store.hold_syncs()
        failed = tasks.create_task(_failure(engine, [update(1), update(2)]))
        await shown(store, size)
        store.crash(keep_unsynced=kept)
        assert await failed
    async with running(MemoryStore(disk)) as engine:
        assert engine.size == size + (3 if kept else 0)
        assert version(engine) == (3 if kept else 1)
        assert_consistent(engine)
        check_proofs(engine, version(engine))


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4),
            st.sampled_from(["go on", "restart", "crash", "crash kept", "lost", "kept"]),
        ),
        max_size=8,
    )
)
def test_whatever_happens_every_acknowledged_statement_is_there_once(
    steps: list[tuple[int, str]],
) -> None:
    """Submit, and after each submission go on, restart, cut the power or let the commit fail."""
    asyncio.run(_live_through(steps))


async def _live_through(steps: Iterable[tuple[int, str]]) -> None:
    disk = await begun_disk()
    statements = [update(v) for v in range(1, 40)]
    acknowledged: dict[bytes, int] = {}
    store, at = MemoryStore(disk), 0
    for count, event in steps:
        async with running(store) as engine, asyncio.TaskGroup() as tasks:
            size = engine.size
            at = version(engine) - 1
            group = statements[max(at - 1, 0) : at + count]  # the last one again, and new ones
            if event in ("crash", "crash kept"):
                store.hold_syncs()
            elif event in ("lost", "kept"):
                store.fail_next_commit(Fault.LOST if event == "lost" else Fault.KEPT)
            submitting = tasks.create_task(_answers(engine, group))
            if event in ("crash", "crash kept"):
                await shown(store, size)
                store.crash(keep_unsynced=event == "crash kept")
            for statement, answer in zip(group, await submitting, strict=False):
                assert isinstance(answer, Receipt)
                assert acknowledged.setdefault(statement, answer.index) == answer.index
        if event != "go on":
            store.close()
            store = MemoryStore(disk)
    store.close()
    async with running(MemoryStore(disk)) as engine:
        entries = engine.entries(0, engine.size)
        for statement, index in acknowledged.items():
            assert entries[index] == statement
        assert len(entries) == len(set(entries))
        assert_consistent(engine)
        check_proofs(engine, version(engine))


async def _answers(engine: LocalEngine, group: list[bytes]) -> list[Receipt | Rejection]:
    try:
        return await engine.submit(group)
    except StorageError:
        return []


def assert_consistent(engine: LocalEngine) -> None:
    """The signed root is that of the entries, the map root that of the objects."""
    root = tree_root([leaf_hash(entry) for entry in engine.entries(0, engine.size)])
    fresh = LocalEngine(engine._store, ManualClock(MS), WORLD.signer())
    fresh.open()
    assert fresh.published.map.root == engine.published.commit.map_root
    assert fresh._frontier.root() == root


# ---- a disk that comes back damaged


def _object_changed(disk: MemoryDisk) -> None:
    key = Column.OBJECT + id_key(PUMP)
    disk.durable[key] = disk.durable[key][:-1] + b"\x00"


def _object_lost(disk: MemoryDisk) -> None:
    del disk.durable[Column.OBJECT + id_key(PUMP)]


def _object_under_a_short_key(disk: MemoryDisk) -> None:
    disk.durable[Column.OBJECT + b"short"] = b"x"


def _network_is_no_network(disk: MemoryDisk) -> None:
    disk.durable[Column.OBJECT + NETWORK_KEY] = disk.durable[Column.OBJECT + id_key(PUMP)]


def _commit_leaf_is_none(disk: MemoryDisk) -> None:
    disk.durable[Column.META + b"commit-leaf"] = b"\xff"


def _last_entry_lost(disk: MemoryDisk) -> None:
    del disk.durable[max(key for key in disk.durable if key[:1] == Column.ENTRY)]


def _tile_changed(disk: MemoryDisk) -> None:
    key = next(key for key in disk.durable if key[:1] == Column.TILE)
    disk.durable[key] = bytes((disk.durable[key][0] ^ 1,)) + disk.durable[key][1:]


def _tile_cut(disk: MemoryDisk) -> None:
    key = next(key for key in disk.durable if key[:1] == Column.TILE)
    disk.durable[key] = disk.durable[key][:-32]


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (_object_changed, "map root"),
        (_object_lost, "map root"),
        (_object_under_a_short_key, "no map"),
        (_network_is_no_network, "map root"),
        (_commit_leaf_is_none, "commit leaf"),
        (_last_entry_lost, "last log entry"),
        (_tile_changed, "root"),
        (_tile_cut, "tile 0/0"),
    ],
)
async def test_damage_is_named_at_the_start_and_never_served(
    damage: Callable[[MemoryDisk], None], names: str
) -> None:
    disk = await begun_disk()
    damage(disk)
    engine = LocalEngine(MemoryStore(disk), ManualClock(MS), WORLD.signer())
    with pytest.raises(StorageError, match=names):
        engine.open()
    assert engine.size == 0


# ---- nothing happens


async def test_refused_statements_do_not_keep_the_cosignature_from_its_renewal() -> None:
    """Whoever submits rubbish all the time, without any key, cannot make every proof go stale."""
    clock = ManualClock(MS)
    engine = LocalEngine(MemoryStore(await begun_disk()), clock, WORLD.signer(), renew_s=60)
    engine.open()
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(engine.run())
        first = engine.published
        for number in range(4):
            clock.advance(20_000)
            [outcome] = await engine.submit([WORLD.create(f"hdl:lab.9/{number}", iss="hdl:lab.9")])
            assert isinstance(outcome, Rejection)
        await until(lambda: engine.published.note != first.note)
        writer.cancel()
    assert engine.size == first.size


async def test_the_cosignature_is_renewed_while_nothing_changes() -> None:
    clock = ManualClock(MS)
    store = MemoryStore(await begun_disk())
    engine = LocalEngine(store, clock, WORLD.signer(), renew_s=0.001)
    engine.open()
    trust = TrustFile.parse(WORLD.trust_text())
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(engine.run())
        first = engine.published
        clock.advance(3_600_000)
        await until(lambda: engine.published.note != first.note)
        view = LedgerView(engine, engine.published)
        writer.cancel()
    assert engine.size == first.size
    found = verify(
        current_bundle(view, PUMP).encode(),
        PUMP.text,
        network=NETWORK,
        trust=trust,
        now=clock.now_s() + 1,
        max_age=60,
    )
    assert found.current
