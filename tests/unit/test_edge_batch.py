"""Sealing: what an anchor says of a batch or a gap (docs/spec/readings.md, statements.md op 7)."""

from hashlib import sha256

import pytest

from edge_agent.core.batch import (
    SLICE_LEAVES,
    Leaves,
    Position,
    Sealed,
    SealPolicy,
    Signer,
    seal,
    seal_gap,
    sign_again,
)
from edge_agent.core.gap import GapReason, Losses
from ledger.core import identifier, keys, operation, reading, statement

KEY = keys.private_from_seed("Ed25519", b"\1" * 32)
OTHER_KEY = keys.private_from_seed("P-256", b"\2" * 32)
STREAM = identifier.parse("lab.1/gw-1")
SIGNER = Signer(stream=STREAM, prefix="hdl:lab.1", network="lab.example", key=KEY)
CLOCK = operation.Clock(wall_ms=1_800_000_000_000, monotonic_ms=5, boot_id=bytes(16), sync=1)
BATCH_KEY = b"\4" * 32
FIRST = Position(sequence=0, previous=None, epoch=0)


def readings(count: int) -> list[bytes]:
    return [reading.encode_reading("hdl:lab.1/p#t", 1000 + i, float(i)) for i in range(count)]


def sealed(count: int, *, position: Position = FIRST, losses: Losses | None = None) -> Sealed:
    made = readings(count)
    leaves = Leaves(batch_key=BATCH_KEY, readings=made, position=position, signer=SIGNER)
    for _ in leaves.slices():
        pass
    return seal(
        signer=SIGNER,
        position=position,
        batch_key=BATCH_KEY,
        readings=made,
        root=leaves.root(),
        span_us=(1000, 1000 + count - 1),
        losses=losses or Losses(),
        clock=CLOCK,
    )


def anchor_of(raw: bytes) -> operation.Anchor:
    """The anchor as the ledger reads it."""
    found = operation.parse(statement.parse(raw).payload)
    assert isinstance(found, operation.Anchor)
    return found


@pytest.mark.parametrize("count", [1, 2, 3, SLICE_LEAVES, SLICE_LEAVES + 1, 2 * SLICE_LEAVES + 7])
def test_slices_give_the_root_of_the_whole(count: int) -> None:
    """Hashing in slices is hashing; the ledger's own function is the judge."""
    batch = sealed(count)
    expected = reading.batch_root(BATCH_KEY, readings(count), reading.context(0, STREAM.key_text))
    assert (expected, count) == (anchor_of(batch.statement).root, anchor_of(batch.statement).count)


def test_an_anchor_is_signed_for_its_stream_and_network() -> None:
    """iss is the prefix, sub the stream, aud the network, and there is no expiry: it may wait."""
    found = statement.parse(sealed(2).statement)
    assert found.is_signed_by(KEY.public)
    assert (
        found.iss,
        found.sub,
        found.aud,
        found.exp,
    ) == ("hdl:lab.1", "hdl:lab.1/gw-1", "lab.example", None)


def test_an_anchor_names_its_body_and_its_predecessor() -> None:
    """Member 3 chains the statements, member 11 binds the archive body."""
    first = sealed(2)
    second = sealed(3, position=Position(sequence=1, previous=first.hash, epoch=0))
    anchor = anchor_of(second.statement)
    assert (sha256(first.statement).digest(), sha256(second.body).digest()) == (
        anchor.previous,
        anchor.archive_hash,
    )
    assert (BATCH_KEY, readings(3)) == reading.decode_archive(second.body)


def test_an_anchor_carries_losses() -> None:
    """Readings lost since the last batch stand in member 12, ascending by reason."""
    losses = Losses().add({GapReason.DECODE_ERROR: 2, GapReason.QUEUE_FULL: 1}, now_us=1)
    assert anchor_of(sealed(1, losses=losses).statement).lost == ((1, 1), (8, 2))


def test_a_gap_of_known_number() -> None:
    """Count 0, the root of nothing, a reason, the numbers, the span of the loss."""
    losses = (
        Losses().add({GapReason.QUEUE_FULL: 7}, now_us=10).add({GapReason.QUEUE_FULL: 1}, now_us=30)
    )
    batch = seal_gap(signer=SIGNER, position=FIRST, losses=losses, clock=CLOCK)
    anchor = anchor_of(batch.statement)
    assert (0, sha256(b"").digest(), 1, ((1, 8),), 10, 30, None) == (
        anchor.count,
        anchor.root,
        anchor.reason,
        anchor.lost,
        anchor.first_us,
        anchor.last_us,
        anchor.archive_hash,
    )


def test_a_gap_of_unknown_number_has_no_number() -> None:
    """A forgotten session is stated with its moment only, whatever else waits."""
    losses = Losses().add({GapReason.QUEUE_FULL: 7}, now_us=10)
    losses = losses.add_event(GapReason.SESSION_LOST, now_us=20)
    anchor = anchor_of(
        seal_gap(signer=SIGNER, position=FIRST, losses=losses, clock=CLOCK).statement
    )
    assert (anchor.reason, anchor.lost, anchor.first_us, anchor.last_us) == (5, (), 20, 20)


def test_the_epoch_stands_in_every_anchor_after_state_was_lost() -> None:
    """Epoch 0 is left out, any other is written."""
    later = Position(sequence=4, previous=b"\7" * 32, epoch=1)
    assert [
        anchor_of(sealed(1).statement).epoch,
        anchor_of(sealed(1, position=later).statement).epoch,
    ] == [0, 1]


def test_signing_again_as_a_gap_states_the_rejected_readings() -> None:
    """The batch that the ledger refused becomes count 0, reason batch-rejected, with its number."""
    losses = Losses().add({GapReason.QUEUE_FULL: 3}, now_us=1)
    old = sealed(5, losses=losses)
    again = sign_again(old.statement, signer=SIGNER, previous=None, as_gap=True, iat_s=9)
    anchor = anchor_of(again.statement)
    assert (anchor.count, anchor.reason, anchor.lost) == (0, 9, ((1, 3), (9, 5)))
    assert old.hash != again.hash


def test_signing_again_with_another_key_changes_nothing_else() -> None:
    """After a key was replaced the same batch is offered under the new key."""
    old = sealed(5)
    signer = Signer(stream=STREAM, prefix="hdl:lab.1", network="lab.example", key=OTHER_KEY)
    again = sign_again(old.statement, signer=signer, previous=None, as_gap=False, iat_s=9)
    assert anchor_of(old.statement) == anchor_of(again.statement)
    assert statement.parse(again.statement).is_signed_by(OTHER_KEY.public)


def test_when_a_batch_is_due() -> None:
    """By count, by bytes, or by the age of what waits; never without anything."""
    policy = SealPolicy(readings_max=10, period_s=2.0, bytes_max=100)
    assert [
        policy.is_full(readings=9, size_bytes=99),
        policy.is_full(readings=10, size_bytes=0),
        policy.is_full(readings=1, size_bytes=100),
    ] == [False, True, True]
    assert [policy.due_ns(since_ns=None), policy.due_ns(since_ns=5)] == [None, 2_000_000_005]


@pytest.mark.parametrize(
    "arguments", [{"readings_max": 0}, {"period_s": 0}, {"bytes_max": 0}, {"bytes_max": 2**24}]
)
def test_an_impossible_policy_cannot_exist(arguments: dict[str, int]) -> None:
    """A batch must be able to hold a reading and fit an archive body."""
    with pytest.raises(ValueError, match="batch needs"):
        SealPolicy(**arguments)
