"""A spool whose write-ahead log is damaged in the middle is refused, never opened with less."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.adapters.spool import Change
from edge_agent.adapters.spool_rocksdb import RocksJournal
from edge_agent.errors import SpoolError

pytestmark = pytest.mark.integration


async def _killed(folder: Path) -> Path:
    """Write synced rows and return the folder as a killed process leaves it."""
    journal = await RocksJournal.open(folder)
    for number in range(10):
        journal.write(Change(puts=((b"k%d" % number, bytes(1000)),)))
        await journal.sync()
    copy = await asyncio.to_thread(shutil.copytree, folder, folder.parent / "killed")
    await journal.close()
    return copy


def _change_log(folder: Path, change: Callable[[bytes], bytes]) -> None:
    [log] = folder.glob("*.log")
    log.write_bytes(change(log.read_bytes()))


def _flip_middle(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes((data[middle] ^ 1,)) + data[middle + 1 :]


async def test_damage_in_the_middle_is_refused(tmp_path: Path) -> None:
    """One flipped bit between synced rows is an error with the folder's name, not a shorter spool."""
    folder = await _killed(tmp_path / "spool")
    await asyncio.to_thread(_change_log, folder, _flip_middle)
    with pytest.raises(SpoolError, match="killed"):
        await RocksJournal.open(folder)


async def test_torn_tail_is_a_crash(tmp_path: Path) -> None:
    """A cut last record is what a power cut leaves: the rows before it are all there."""
    folder = await _killed(tmp_path / "spool")
    await asyncio.to_thread(_change_log, folder, lambda data: data[:-100])
    journal = await RocksJournal.open(folder)
    assert [b"k%d" % number for number in range(9)] == [key for key, _ in journal.scan(b"k", b"l")]
    await journal.close()
