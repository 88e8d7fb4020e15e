"""Losses of the gateway agent: never silent, never stated twice."""

import pytest

from edge_agent.core.gap import EVENTS_MAX, Counters, GapReason, Losses
from ledger.core.encoding import INT_MAX


def test_losses_are_summed_by_reason() -> None:
    """Two losses of one reason are one number over both times."""
    losses = Losses().add({GapReason.QUEUE_FULL: 2}, now_us=10)
    losses = losses.add({GapReason.QUEUE_FULL: 3, GapReason.DECODE_ERROR: 1}, now_us=20)
    assert (losses.counts, losses.first_us, losses.last_us) == ({1: 5, 8: 1}, 10, 20)


def test_no_loss_is_no_change() -> None:
    """A count of zero is an event's mark, not a loss."""
    assert not Losses().add({GapReason.QUEUE_FULL: 0}, now_us=1)


def test_counts_never_pass_the_bound_of_the_format() -> None:
    """A lying device counter cannot make an anchor that the ledger refuses."""
    losses = Losses().add({GapReason.SOURCE_GAP: INT_MAX}, now_us=1)
    assert losses.add({GapReason.SOURCE_GAP: INT_MAX}, now_us=2).counts == {4: INT_MAX}


def test_an_anchor_with_readings_states_the_counts_only() -> None:
    """Events wait for a statement of their own."""
    losses = Losses().add({GapReason.QUEUE_FULL: 2}, now_us=10)
    losses = losses.add_event(GapReason.SESSION_LOST, now_us=11)
    rest = losses.without(losses.with_readings())
    assert (rest.counts, rest.events) == ({}, ((5, 11),))


def test_gap_statements_take_events_first_and_one_at_a_time() -> None:
    """Two events and a count are three statements."""
    losses = Losses().add({GapReason.QUEUE_FULL: 2}, now_us=10)
    losses = losses.add_event(GapReason.SESSION_LOST, now_us=11)
    losses = losses.add_event(GapReason.CLOCK_STEP, now_us=12)
    reasons = []
    while losses:
        part = losses.alone()
        reasons.append(part.main_reason)
        losses = losses.without(part)
    assert reasons == [5, 7, 1]


def test_losses_that_came_while_a_batch_was_made_stay() -> None:
    """Only what was stated is taken off."""
    before = Losses().add({GapReason.QUEUE_FULL: 2}, now_us=10)
    now = before.add({GapReason.QUEUE_FULL: 5}, now_us=20)
    rest = now.without(before.with_readings())
    assert (rest.counts, rest.last_us) == ({1: 5}, 20)


def test_the_main_reason_is_the_largest_then_the_lowest() -> None:
    """An empty batch names one reason; the others stand in its counts."""
    losses = Losses().add({GapReason.DECODE_ERROR: 3, GapReason.QOS0_DROP: 3}, now_us=1)
    assert losses.main_reason == GapReason.QOS0_DROP


def test_events_are_bounded() -> None:
    """A flapping broker cannot fill the books."""
    losses = Losses()
    for number in range(EVENTS_MAX + 5):
        losses = losses.add_event(GapReason.SESSION_LOST, now_us=number)
    assert len(losses.events) == EVENTS_MAX


@pytest.mark.parametrize(
    ("sequences", "expected"),
    [([5, 6, 7], 0), ([5, 8], 2), ([5, 5], 0), ([9, 0, 1], 0), ([0, 1, 5, 2, 3], 3)],
)
def test_a_senders_counter_tells_what_is_missing(sequences: list[int], expected: int) -> None:
    """The first value starts the count, and going back starts it again."""
    counters = Counters()
    assert expected == sum(counters.missing("a", number) for number in sequences)


def test_counters_are_bounded_and_kept_per_channel() -> None:
    """A channel that fell out of the bound starts again without a gap."""
    counters = Counters(channels_max=2)
    for channel in ("a", "b", "c"):
        counters.missing(channel, 1)
    assert [counters.missing("a", 10), counters.missing("c", 10)] == [0, 8]
