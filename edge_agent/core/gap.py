"""Losses: what was lost, why, and how many, until a signed statement has said so.

Theory of operation (docs/spec/readings.md): a gap is stated, never silent. Losses of known number
are summed by reason and ride in member 12 of the next anchor; where no reading follows within a
batch period they get an anchor of their own (count 0, member 14). An event of unknown number (the
broker forgot our session, the clock was set) always gets its own, without a number.

`Losses` is a frozen value that the spool stores with every change, so a crash forgets none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from ledger.core.encoding import INT_MAX

EVENTS_MAX: Final = 64  # pending statements of events; further ones of a reason join the last


class GapReason(IntEnum):
    """Reasons of the CDDL's gap-reason."""

    HEARTBEAT = 0
    QUEUE_FULL = 1
    RATE_LIMITED = 2
    QOS0_DROP = 3
    SOURCE_GAP = 4
    SESSION_LOST = 5
    STATE_LOST = 6
    CLOCK_STEP = 7
    DECODE_ERROR = 8
    BATCH_REJECTED = 9
    MAINTENANCE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Losses that no anchor has stated yet.

    Attributes:
        counts: Readings lost, by reason.
        first_us: When the first of them was lost, Unix microseconds; 0 without losses.
        last_us: When the last was.
        events: Gaps of unknown number, oldest first: (reason, when).
    """

    counts: Mapping[int, int] = field(default_factory=dict)
    first_us: int = 0
    last_us: int = 0
    events: tuple[tuple[int, int], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.counts or self.events)

    def add(self, counts: Mapping[GapReason, int], *, now_us: int) -> "Losses":
        """Return these losses and `counts` more."""
        more = {int(reason): number for reason, number in counts.items() if number > 0}
        if not more:
            return self
        total = dict(self.counts)
        for reason, number in more.items():
            total[reason] = min(total.get(reason, 0) + number, INT_MAX)
        return Losses(
            counts=total,
            first_us=min(self.first_us, now_us) if self.counts else now_us,
            last_us=max(self.last_us, now_us),
            events=self.events,
        )

    def add_event(self, reason: GapReason, *, now_us: int) -> "Losses":
        """Return these losses and one gap of unknown number."""
        if len(self.events) >= EVENTS_MAX:
            return self
        return Losses(
            counts=self.counts,
            first_us=self.first_us,
            last_us=self.last_us,
            events=(*self.events, (int(reason), now_us)),
        )

    def with_readings(self) -> "Losses":
        """Return the part that an anchor with readings states: the counts."""
        return Losses(counts=self.counts, first_us=self.first_us, last_us=self.last_us)

    def alone(self) -> "Losses":
        """Return the part that one gap statement states: the oldest event, else the counts."""
        return Losses(events=self.events[:1]) if self.events else self.with_readings()

    def without(self, stated: "Losses") -> "Losses":
        """Return what remains when `stated`, a part of these losses, has been said."""
        counts = {
            reason: number - stated.counts.get(reason, 0)
            for reason, number in self.counts.items()
            if number > stated.counts.get(reason, 0)
        }
        return Losses(
            counts=counts,
            first_us=max(self.first_us, stated.last_us) if counts else 0,
            last_us=self.last_us if counts else 0,
            events=self.events[len(stated.events) :],
        )

    @property
    def since_us(self) -> int:
        """When the oldest unstated loss happened."""
        times = [self.events[0][1]] if self.events else []
        if self.counts:
            times.append(self.first_us)
        return min(times, default=0)

    @property
    def main_reason(self) -> int:
        """The reason that an empty batch gives: that with most readings, the lower number first."""
        if self.events:
            return self.events[0][0]
        return min(self.counts, key=lambda reason: (-self.counts[reason], reason))


class Counters:
    """Senders' own counters per channel: how many messages never arrived.

    A counter that goes back has been started again by its sender; that is no gap. The first value
    seen of a channel is where counting starts.
    """

    def __init__(self, channels_max: int = 10_000) -> None:
        """Remember the last counter of at most `channels_max` channels."""
        self._channels_max = channels_max
        self._last: dict[str, int] = {}

    def missing(self, channel: str, sequence: int) -> int:
        """Take note of a counter and return how many before it are missing."""
        last = self._last.pop(channel, None)
        if len(self._last) >= self._channels_max:
            del self._last[next(iter(self._last))]
        self._last[channel] = sequence
        if last is None or sequence <= last:
            return 0
        return sequence - last - 1
