"""The audit of the killed plant (tests/faults/kill_audit.py) finds what it is there to find."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ledger.adapters.store import Column
from ledger.adapters.store_rocksdb import RocksdbStore
from ledger.core import identifier, reading, statement
from ledger.core.checkpoint import Checkpoint
from ledger.core.derived import u64
from ledger.core.merkle import leaf_hash, tree_root
from ledger.core.operation import Anchor
from ledger.core.policy import TrustFile
from tests.faults.kill_audit import Log, judge_anchors, judge_archive, judge_counts, judge_log
from tests.lab_world import IAT, NETWORK, World

WORLD = World()
TRUST = TrustFile.parse(WORLD.trust_text())
STREAM = identifier.canonical("hdl:lab.1/gw-1")
BATCH_KEY = b"\x07" * 32
READINGS = [reading.encode_reading("hdl:lab.1/m0#c0", 1, float(number)) for number in range(3)]


def checkpoint(entries: Sequence[bytes]) -> Checkpoint:
    """The head of a log of these entries."""
    root = tree_root([leaf_hash(entry) for entry in entries])
    return Checkpoint(origin=NETWORK, size=len(entries), root=root)


def note(head: Checkpoint) -> bytes:
    """A checkpoint as the node shows it."""
    return WORLD.signer().sign(head, time_s=IAT).encode()


def batch(sequence: int, previous: bytes | None) -> Anchor:
    """The anchor of the same three readings."""
    context = reading.context(sequence, STREAM.key_text)
    return Anchor(
        stream=STREAM,
        sequence=sequence,
        previous=previous,
        root=reading.batch_root(BATCH_KEY, READINGS, context),
        count=len(READINGS),
        first_us=1,
        last_us=1,
    )


FIRST = WORLD.anchor(batch(0, None))
SECOND = WORLD.anchor(batch(1, statement.parse(FIRST).hash))
ENTRIES = [WORLD.genesis(), WORLD.delegate(), FIRST, SECOND]


def judged(entries: Sequence[bytes], *seen: Checkpoint) -> Log:
    """The log of these entries after the checkpoints seen were held against it."""
    log = Log(checkpoint=checkpoint(entries), entries=list(entries))
    judge_log(log, [note(head) for head in seen], TRUST)
    judge_anchors(log, STREAM.text, WORLD.agent.public)
    return log


def test_a_sound_log_has_no_faults() -> None:
    log = judged(ENTRIES, checkpoint(ENTRIES[:2]), checkpoint(ENTRIES))
    assert log.faults == []
    assert (log.statements, list(log.anchors)) == (4, [2, 3])


def test_a_checkpoint_that_was_taken_back_is_found() -> None:
    longer = replace(checkpoint(ENTRIES), size=len(ENTRIES) + 1)
    assert "was seen and is gone" in judged(ENTRIES, longer).faults[0]


def test_another_root_for_an_earlier_size_is_found() -> None:
    other = checkpoint([WORLD.genesis(), WORLD.delegate("hdl:lab.2")])
    assert judged(ENTRIES, other).faults == ["the root of size 2 is not the one that was signed"]


def test_two_roots_for_one_size_are_found() -> None:
    other = checkpoint([WORLD.genesis(), WORLD.delegate("hdl:lab.2")])
    faults = judged(ENTRIES, checkpoint(ENTRIES[:2]), other).faults
    assert any("two roots were signed for size 2" in fault for fault in faults)


def test_a_statement_accepted_twice_is_found() -> None:
    faults = judged([*ENTRIES, SECOND]).faults
    assert "1 statements were accepted twice" in faults
    assert "anchor 2 does not follow the one before" in faults


def test_a_missing_anchor_is_found() -> None:
    assert "anchor 0 does not follow the one before" in judged([*ENTRIES[:2], SECOND]).faults


def test_an_anchor_by_another_key_is_found() -> None:
    foreign = WORLD.anchor(batch(0, None), signer=WORLD.owner)
    assert judged([*ENTRIES[:2], foreign]).faults == ["anchor 0 is not signed by the gateway"]


def test_a_stated_loss_is_found() -> None:
    lossy = WORLD.anchor(replace(batch(0, None), lost=((4, 2),)))
    assert "states a loss" in judged([*ENTRIES[:2], lossy]).faults[0]


def test_lost_doubled_and_invented_values_are_found() -> None:
    found = Counter([0, 1, 1, 3, 9])
    faults = judge_counts(found, 5, "here")
    assert [fault.split(",")[0] for fault in faults] == [
        "2 readings are lost here",
        "1 readings are doubled here",
        "1 readings are invented here",
    ]
    assert judge_counts(Counter(range(5)), 5, "here") == []


def test_bodies_are_held_against_their_anchors(tmp_path: Path) -> None:
    """The right body counts its values; a body of other readings and a missing one are found."""
    store = RocksdbStore(tmp_path)
    right = reading.encode_archive(BATCH_KEY, READINGS)
    other = reading.encode_archive(BATCH_KEY, READINGS[:2])
    asyncio.run(store.commit({Column.ARCHIVE: {u64(2): right, u64(3): other}}))
    store.close()
    anchors = {2: batch(0, None), 3: batch(1, None), 5: batch(2, None)}
    found, faults = judge_archive(tmp_path, anchors)
    assert found == Counter({0: 2, 1: 2, 2: 1})
    assert faults == ["the body of batch 1 is not what was anchored", "batch 2 is not archived"]
