"""What every journal promises, and what the spool makes of it: atomic, durable, in agreement.

The same checks run against the memory twin and RocksDB on disk. Faults and power cuts, which RocksDB
cannot do on command, are checked on the twin.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.adapters.spool import Change, Journal, Spool, SpoolLimits
from edge_agent.adapters.spool_memory import Fault, MemoryJournal
from edge_agent.adapters.spool_rocksdb import RocksJournal
from edge_agent.adapters.spool_rows import Books, Group, Intake, dead_letter, encode_row
from edge_agent.core.batch import Position, Sealed
from edge_agent.core.gap import GapReason, Losses
from edge_agent.errors import DeadReason, SpoolError

CHECKOUT = Path(__file__).resolve().parents[2]
NOW_NS = 1_800_000_000_000_000_000


@pytest.fixture(params=["memory", pytest.param("rocksdb", marks=pytest.mark.integration)])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    """Each implementation, empty."""
    if request.param == "memory":
        yield MemoryJournal()
    else:
        rocks = await RocksJournal.open(tmp_path / "spool")
        yield rocks
        await rocks.close()


def group(*names: str, received_ns: int = NOW_NS) -> Group:
    readings = [name.encode() for name in names]
    return Group(readings=readings, first_us=10, last_us=20, received_ns=received_ns)


def intake(*names: str, **more: Any) -> Intake:
    return Intake(now_ns=NOW_NS, group=group(*names) if names else None, **more)


def batch(sequence: int, count: int, body: bytes = b"body") -> Sealed:
    return Sealed(
        sequence=sequence,
        statement=b"statement-%d" % sequence,
        hash=bytes([sequence]) * 32,
        body=body,
        count=count,
        first_us=10,
        last_us=20,
    )


async def sealed_spool(journal: Journal, batches: int, **limits: int) -> Spool:
    """A spool with so many sealed batches of one reading."""
    spool = Spool(journal, SpoolLimits(**limits))
    for sequence in range(batches):
        await spool.append(intake(f"r{sequence}"))
        waiting = spool.waiting(readings_max=10, bytes_max=10_000)
        await spool.seal(batch(sequence, 1), waiting=waiting, stated=Losses(), now_ns=NOW_NS)
    return spool


# ---------------------------------------------------------------- the journal


async def test_a_change_deletes_ranges_then_puts(journal: Journal) -> None:
    """A range is half open, and a put of the same change survives the deletion."""
    journal.write(Change([(b"a1", b"1"), (b"a2", b"2"), (b"b1", b"3")]))
    journal.write(Change([(b"a1", b"new")], [(b"a1", b"b1")]))
    assert [journal.get(key) for key in (b"a1", b"a2", b"b1")] == [b"new", None, b"3"]


async def test_scan_is_in_key_order_and_half_open(journal: Journal) -> None:
    """From start on, up to but without the end."""
    journal.write(Change([(b"c", b"3"), (b"a", b"1"), (b"b", b"2"), (b"d", b"4")]))
    assert list(journal.scan(b"b", b"d")) == [(b"b", b"2"), (b"c", b"3")]
    assert list(journal.scan(b"e", b"f")) == []


async def test_what_was_synced_is_there_after_reopening(journal: Journal) -> None:
    """Sync makes it durable; reopening shows it."""
    journal.write(Change([(b"a", b"1")]))
    await journal.sync()
    await journal.reopen()
    assert journal.get(b"a") == b"1"
    assert journal.free_bytes() > 0


@pytest.mark.integration
async def test_a_second_agent_is_kept_out(tmp_path: Path) -> None:
    """Two agents with one identity would equivocate."""
    first = await RocksJournal.open(tmp_path)
    with pytest.raises(SpoolError, match="another process holds the spool"):
        await RocksJournal.open(tmp_path)
    await first.close()
    second = await RocksJournal.open(tmp_path)
    await second.close()
    with pytest.raises(SpoolError, match="is closed"):
        second.get(b"a")


@pytest.mark.integration
async def test_a_folder_that_cannot_be_used_is_our_error(tmp_path: Path) -> None:
    """RocksDB's bare exceptions do not leak."""
    (tmp_path / "CURRENT").write_text("no manifest of ours\n")
    with pytest.raises(SpoolError, match="cannot be opened"):
        await RocksJournal.open(tmp_path)


# ---------------------------------------------------------------- reading in


async def test_readings_wait_in_order_of_arrival(journal: Journal) -> None:
    """Whole groups, from the oldest on, up to the bound."""
    spool = Spool(journal, SpoolLimits())
    await spool.append(intake("a", "b"))
    await spool.append(intake("c"))
    await spool.append(Intake(now_ns=NOW_NS, group=group("d", "e", received_ns=NOW_NS + 5)))
    found = spool.waiting(readings_max=4, bytes_max=10_000)
    assert found is not None
    assert (found.readings, found.through, found.rest_oldest_ns) == (
        [b"a", b"b", b"c"],
        1,
        NOW_NS + 5,
    )
    assert (spool.books.readings, spool.books.readings_accepted) == (5, 5)


async def test_a_group_beyond_the_bound_still_comes_alone(journal: Journal) -> None:
    """A bound below one group cannot stop the stream."""
    spool = Spool(journal, SpoolLimits())
    await spool.append(intake("a", "b", "c"))
    found = spool.waiting(readings_max=1, bytes_max=1)
    assert found is not None
    assert found.readings == [b"a", b"b", b"c"]


async def test_nothing_waits_in_an_empty_spool(journal: Journal) -> None:
    """None, not an empty batch."""
    assert Spool(journal, SpoolLimits()).waiting(readings_max=1, bytes_max=1) is None


async def test_a_new_start_finds_everything(journal: Journal) -> None:
    """Books, keys, dead letters and losses are those of before."""
    spool = Spool(journal, SpoolLimits())
    letter = dead_letter(
        DeadReason.BAD_PAYLOAD, "no JSON", channel="t", payload=b"\xff", received_ns=1
    )
    keys = [bytes([number]) * 16 for number in range(3)]
    await spool.append(intake("a", keys=keys, dead=[letter], lost={GapReason.DECODE_ERROR: 1}))
    await journal.reopen()
    again = Spool(journal, SpoolLimits())
    assert again.books == spool.books
    assert list(again.keys()) == keys
    assert list(again.dead_letters()) == [letter]
    assert again.losses.counts == {8: 1}


async def test_old_keys_fall_out_of_the_window(journal: Journal) -> None:
    """The window on disk is bounded like the one in memory, and keeps the newest."""
    spool = Spool(journal, SpoolLimits(window_keys=4))
    keys = [bytes([number]) * 16 for number in range(9)]
    for position in range(0, 9, 3):
        await spool.append(intake(keys=keys[position : position + 3]))
    assert list(spool.keys()) == keys[6:]


async def test_a_full_share_of_dead_letters_is_only_counted(journal: Journal) -> None:
    """Dead letters never block and never grow beyond their share."""
    spool = Spool(journal, SpoolLimits(dead_bytes_max=400))
    letters = [
        dead_letter(DeadReason.BAD_TYPE, "x", channel="t", payload=b"y" * 90, received_ns=number)
        for number in range(10)
    ]
    await spool.append(intake(dead=letters))
    books = spool.books
    assert 0 < books.next_dead < 10
    assert books.next_dead + books.dead_dropped == 10
    assert books.dead_bytes <= 400
    assert list(spool.dead_letters()) == letters[: books.next_dead]


async def test_a_full_spool_says_so(journal: Journal) -> None:
    """What waits counts against the bound, and so does the room of the file system."""
    spool = Spool(journal, SpoolLimits(bytes_max=500, free_bytes_min=0))
    assert not spool.is_full(group("x" * 150))
    await spool.append(intake("x" * 150))
    assert spool.is_full(group("x" * 150))
    crowded = Spool(journal, SpoolLimits(free_bytes_min=2**62))
    assert crowded.is_full(group("x"))


async def test_what_is_let_in_never_passes_the_bound(journal: Journal) -> None:
    """The estimate before encoding is never below the accounting after it."""
    spool = Spool(journal, SpoolLimits(bytes_max=5_000, free_bytes_min=0))
    sizes = [1, 31, 32, 255, 256, 700]
    while not spool.is_full(fresh := group(*("x" * size for size in sizes))):
        await spool.append(Intake(now_ns=NOW_NS, group=fresh))
    assert 0 < spool.used_bytes <= 5_000


async def test_events_of_unknown_number_are_kept(journal: Journal) -> None:
    """A reason with number 0 is an event, not a count."""
    spool = Spool(journal, SpoolLimits())
    await spool.append(intake(lost={GapReason.SESSION_LOST: 0, GapReason.QUEUE_FULL: 4}))
    assert (spool.losses.counts, spool.losses.events) == ({1: 4}, ((5, NOW_NS // 1000),))
    assert (spool.books.lost_total, spool.books.readings_shed) == ({1: 4}, 4)


# ---------------------------------------------------------------- sealing and sending


async def test_sealing_moves_readings_into_a_batch(journal: Journal) -> None:
    """Groups go, statement and body come, the position moves, in one step."""
    spool = Spool(journal, SpoolLimits())
    await spool.append(intake("a", "b", lost={GapReason.QUEUE_FULL: 2}))
    await spool.append(intake("c"))
    waiting = spool.waiting(readings_max=2, bytes_max=10_000)
    stated = spool.losses.with_readings()
    await spool.seal(batch(0, 2), waiting=waiting, stated=stated, now_ns=NOW_NS)
    row = spool.sealed(0)
    assert row is not None
    assert (row.statement, row.count, spool.body(0)) == (b"statement-0", 2, b"body")
    assert spool.position == Position(sequence=1, previous=b"\0" * 32, epoch=0)
    assert (spool.books.readings, bool(spool.losses)) == (1, False)
    rest = spool.waiting(readings_max=10, bytes_max=10_000)
    assert rest is not None
    assert rest.readings == [b"c"]


async def test_groups_that_came_while_a_batch_was_made_stay(journal: Journal) -> None:
    """Only what was read for the batch is taken."""
    spool = Spool(journal, SpoolLimits())
    await spool.append(intake("a"))
    waiting = spool.waiting(readings_max=10, bytes_max=10_000)
    await spool.append(intake("b"))
    await spool.seal(batch(0, 1), waiting=waiting, stated=Losses(), now_ns=NOW_NS)
    assert (spool.books.readings, spool.books.oldest_ns) == (1, NOW_NS)


async def test_accounting_returns_to_nothing(journal: Journal) -> None:
    """When all is anchored and pushed and the archive holds nothing, nothing is used."""
    spool = await sealed_spool(journal, 5, archive_bytes_max=0)
    assert spool.books.group_bytes == 0
    assert spool.used_bytes > 0
    spool.confirm(5, now_ns=NOW_NS)
    spool.push(5)
    assert (spool.used_bytes, spool.books.body_bytes, spool.books.readings_anchored) == (0, 0, 5)
    assert [spool.body(sequence) for sequence in range(5)] == [None] * 5


async def test_the_local_archive_keeps_the_newest_bodies(journal: Journal) -> None:
    """Pushed bodies are trimmed oldest first; what the node does not have is never deleted."""
    cost = len(b"body") + 64
    spool = await sealed_spool(journal, 6, archive_bytes_max=2 * cost)
    spool.confirm(6, now_ns=NOW_NS)
    spool.push(4)
    kept = [sequence for sequence in range(6) if spool.body(sequence) is not None]
    assert kept == [2, 3, 4, 5]
    assert spool.books.unpushed_bytes == 2 * cost


async def test_a_receipt_is_kept_with_its_statement(journal: Journal) -> None:
    """The first receipt stays beside what it confirms."""
    spool = await sealed_spool(journal, 2)
    spool.confirm(1, now_ns=NOW_NS, receipt=b"receipt")
    rows = [spool.sealed(sequence) for sequence in (0, 1)]
    assert [row.receipt for row in rows if row is not None] == [b"receipt", b""]


async def test_a_ledger_that_lost_some_gets_them_again(journal: Journal) -> None:
    """Confirmed less than before: statements and bodies are to be sent again."""
    spool = await sealed_spool(journal, 4)
    spool.confirm(4, now_ns=NOW_NS)
    spool.push(4)
    spool.confirm(2, now_ns=NOW_NS)
    assert (spool.books.confirmed, spool.books.pushed) == (2, 2)
    assert spool.books.unpushed_bytes == 2 * (len(b"body") + 64)


async def test_batches_that_never_entered_are_replaced(journal: Journal) -> None:
    """New statements stand in the same places, the old one lies with the dead letters."""
    spool = await sealed_spool(journal, 3)
    spool.confirm(1, now_ns=NOW_NS)
    letter = dead_letter(
        DeadReason.REFUSED, "malformed", channel="s", payload=b"statement-1", received_ns=1
    )
    fresh = [
        Sealed(
            sequence=sequence,
            statement=b"again-%d" % sequence,
            hash=bytes([sequence + 100]) * 32,
            body=b"",
            count=0 if sequence == 1 else 1,
            first_us=1,
            last_us=2,
        )
        for sequence in (1, 2)
    ]
    await spool.replace_unsent(fresh, dead=[letter])
    rows = [spool.sealed(sequence) for sequence in range(3)]
    assert [row.statement for row in rows if row] == [b"statement-0", b"again-1", b"again-2"]
    assert spool.position.previous == bytes([102]) * 32
    assert spool.hash_of(1) == bytes([101]) * 32
    assert list(spool.dead_letters()) == [letter]
    assert spool.body(1) == b"body"


async def test_adopting_takes_over_the_ledgers_position(journal: Journal) -> None:
    """After the owner raised the epoch the stream goes on from there, with nothing to push."""
    spool = Spool(journal, SpoolLimits())
    await spool.lose_state(0)
    assert spool.local.lost_epoch == 0
    await spool.adopt(Position(sequence=7, previous=b"h" * 32, epoch=1))
    assert spool.position == Position(sequence=7, previous=b"h" * 32, epoch=1)
    assert (spool.books.confirmed, spool.books.pushed, spool.hash_of(6)) == (7, 7, b"h" * 32)


async def test_the_peers_name_is_remembered(journal: Journal) -> None:
    """Whether a session was ours before a restart is known after it."""
    spool = Spool(journal, SpoolLimits())
    await spool.note_peer("client@broker:1883")
    await spool.reopen()
    assert spool.books.peer == "client@broker:1883"


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        pytest.param("write-before", False, id="refused-before"),
        pytest.param("write-after", True, id="failed-after"),
        pytest.param("sync", True, id="not-synced-but-there"),
    ],
)
async def test_after_a_failure_the_books_say_what_was_kept(fault: Fault, kept: bool) -> None:
    """The row number tells a round that was kept from one that must be stored again."""
    journal = MemoryJournal()
    spool = Spool(journal, SpoolLimits())
    row = spool.books.next_key_row
    journal.fail_next(fault)
    with pytest.raises(SpoolError):
        await spool.append(intake("a"))
    await spool.reopen()
    assert (spool.books.next_key_row > row) is kept
    assert spool.books.readings == (1 if kept else 0)


async def test_a_power_cut_takes_only_what_was_not_synced() -> None:
    """What `append` and `seal` returned for is there; what `confirm` noted may be forgotten."""
    journal = MemoryJournal()
    spool = await sealed_spool(journal, 2)
    spool.confirm(2, now_ns=NOW_NS)
    journal.crash()
    again = Spool(journal, SpoolLimits())
    assert (again.books.next_sequence, again.books.confirmed) == (2, 0)
    assert again.body(1) == b"body"


async def test_books_of_another_version_are_refused() -> None:
    """A downgrade does not guess what the rows mean."""
    journal = MemoryJournal()
    journal.write(Change([(b"m", encode_row(Books(version=99)))]))
    with pytest.raises(SpoolError, match="version 99"):
        Spool(journal, SpoolLimits())
    journal.write(Change([(b"m", b"\xc1")]))
    with pytest.raises(SpoolError, match="cannot be read"):
        Spool(journal, SpoolLimits())


WRITER = """
import asyncio, sys
from pathlib import Path
from edge_agent.adapters.spool import Spool, SpoolLimits
from edge_agent.adapters.spool_rocksdb import RocksJournal
from edge_agent.adapters.spool_rows import Group, Intake

async def main():
    spool = Spool(await RocksJournal.open(Path(sys.argv[1])), SpoolLimits())
    number = spool.books.readings
    while True:
        group = Group(readings=[b"%d" % number], first_us=1, last_us=1, received_ns=1)
        await spool.append(Intake(now_ns=1, group=group, keys=[b"%016d" % number]))
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


def write_until_killed(folder: Path) -> int:
    """Let a process write and announce, kill it, and return the last number that it announced."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    lines += [line for line in process.stdout if line.endswith(b"\n")]
    process.stdout.close()
    process.wait()
    return int(lines[-1])


@pytest.mark.integration
@pytest.mark.slow
async def test_a_killed_process_loses_nothing_that_it_announced(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing: every reading that was announced is there, in order."""
    announced = [write_until_killed(tmp_path) for _ in range(3)]
    journal = await RocksJournal.open(tmp_path)
    spool = Spool(journal, SpoolLimits())
    found = spool.waiting(readings_max=10**9, bytes_max=10**9)
    assert found is not None
    assert found.readings == [b"%d" % number for number in range(spool.books.readings)]
    assert len(found.readings) > announced[-1]
    assert len(list(spool.keys())) == len(found.readings)
    await journal.close()
