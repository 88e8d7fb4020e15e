"""The memory store crashes and fails as it is told, and only so (ledger/adapters/store_memory.py)."""

import asyncio

import pytest

from ledger.adapters.store import Column
from ledger.adapters.store_memory import Fault, MemoryDisk, MemoryStore
from ledger.errors import StorageError

A = {Column.META: {b"a": b"1"}}
B = {Column.META: {b"b": b"2"}}


def keys(store: MemoryStore) -> list[bytes]:
    return [key for key, _ in store.scan(Column.META)]


async def test_a_crash_keeps_what_commit_returned_for() -> None:
    """An acknowledged batch survives the power cut."""
    store = MemoryStore()
    await store.commit(A)
    store.crash()

    assert keys(MemoryStore(store.disk)) == [b"a"]


@pytest.mark.parametrize(
    ("keep_unsynced", "expected"),
    [
        pytest.param(False, [b"a"], id="lost"),
        pytest.param(True, [b"a", b"b"], id="written-in-time"),
    ],
)
async def test_a_crash_during_a_commit(*, keep_unsynced: bool, expected: list[bytes]) -> None:
    """The batch under way is lost or kept as asked; its caller is told that it is unknown."""
    store = MemoryStore()
    await store.commit(A)
    store.hold_syncs()

    async def cut_the_power() -> None:
        assert keys(store) == [b"a", b"b"]
        store.crash(keep_unsynced=keep_unsynced)

    outcome, cut = await asyncio.gather(store.commit(B), cut_the_power(), return_exceptions=True)
    assert cut is None
    assert isinstance(outcome, StorageError)
    assert "power was cut" in str(outcome)
    assert keys(MemoryStore(store.disk)) == expected


async def test_a_crash_reaches_commits_that_wait_their_turn() -> None:
    """A queued batch is not written by a dead process."""
    store = MemoryStore()
    store.hold_syncs()

    async def cut_the_power() -> None:
        store.crash(keep_unsynced=True)

    outcomes = await asyncio.gather(
        store.commit(A), store.commit(B), cut_the_power(), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [StorageError, StorageError, type(None)]
    assert keys(MemoryStore(store.disk)) == [b"a"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [pytest.param(Fault.LOST, [], id="lost"), pytest.param(Fault.KEPT, [b"a"], id="kept")],
)
async def test_a_failed_commit(fault: Fault, expected: list[bytes]) -> None:
    """Both outcomes of an unknown commit can be had, and both poison the store."""
    store = MemoryStore()
    store.fail_next_commit(fault)
    with pytest.raises(StorageError, match="unknown"):
        await store.commit(A)
    with pytest.raises(StorageError, match="earlier commit failed"):
        await store.commit(B)
    store.close()

    assert keys(MemoryStore(store.disk)) == expected


async def test_a_fault_is_used_up() -> None:
    """After reopening, the disk works."""
    store = MemoryStore()
    store.fail_next_commit(Fault.LOST)
    with pytest.raises(StorageError):
        await store.commit(A)
    store.close()
    store = MemoryStore(store.disk)
    await store.commit(B)

    assert keys(store) == [b"b"]


async def test_closing_lets_a_held_commit_finish() -> None:
    """An orderly close is no crash: what was begun is kept and acknowledged."""
    store = MemoryStore()
    store.hold_syncs()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(store.commit(A))
        await asyncio.sleep(0)
        store.close()

    assert keys(MemoryStore(store.disk)) == [b"a"]


async def test_a_cancelled_commit_is_kept() -> None:
    """The real store's thread goes on when its caller is cancelled, so the twin does, too."""
    store = MemoryStore()
    store.hold_syncs()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(store.commit(A))
        await asyncio.sleep(0)
        task.cancel()
    store.crash()

    assert keys(MemoryStore(store.disk)) == [b"a"]


async def test_released_syncs_go_on() -> None:
    """Holding delays commits and loses none."""
    store = MemoryStore()
    store.hold_syncs()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(store.commit(A))
        tasks.create_task(store.commit(B))
        await asyncio.sleep(0)
        store.release_syncs()
    store.crash()

    assert keys(MemoryStore(store.disk)) == [b"a", b"b"]


def test_free_space_is_what_the_test_says() -> None:
    """A full disk can be shown without filling one."""
    disk = MemoryDisk()
    disk.bytes_free = 7

    assert MemoryStore(disk).bytes_free() == 7
