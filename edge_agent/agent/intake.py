"""From the source into the spool: decode, map, drop repeats, store, and only then acknowledge.

Theory of operation: one round takes what has arrived. Few messages wait a moment for more, so that a
sync is shared; while a sync runs, the source goes on filling its own queue, so a slow disk makes
bigger rounds by itself. A message is handled once: it becomes readings, a dead letter, or a counted
repeat. The source is acknowledged when the round is durable, never before.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from edge_agent.adapters.source import Message, Source
from edge_agent.adapters.spool import Spool
from edge_agent.adapters.spool_rows import DeadLetter, Group, Intake, dead_letter
from edge_agent.adapters.system import Clock
from edge_agent.agent.state import AgentState, SpoolGuard
from edge_agent.core.dedupe import Window, message_key
from edge_agent.core.gap import Counters, GapReason
from edge_agent.core.mapping import Extract, Mapping, Target, extract
from edge_agent.errors import UnreadableError

ROUND_MESSAGES_MAX: Final = 1_000
ROUND_BYTES_MAX: Final = 4 * 1024 * 1024
FEW_MESSAGES: Final = 20  # a broker's usual window: more will not come before we acknowledge
LINGER_S: Final = 0.002
IDLE_WAIT_S: Final = 1.0
SAMPLES_PER_CHANNEL_MAX: Final = 10
SAMPLED_CHANNELS_MAX: Final = 1_000
FUTURE_US: Final = 300 * 1_000_000  # a sender's clock this far ahead is counted, not refused


class IntakeTask:
    """The task that reads the source."""

    def __init__(
        self,
        *,
        source: Source,
        mapping: Mapping,
        spool: Spool,
        guard: SpoolGuard,
        clock: Clock,
        state: AgentState,
        readings_max: int,
    ) -> None:
        """Fill the window of repeats from the spool; groups hold at most `readings_max` readings."""
        self._source = source
        self._mapping = mapping
        self._spool = spool
        self._guard = guard
        self._clock = clock
        self._counters = state.counters
        self._fresh = state.fresh
        self._group_max = min(readings_max, ROUND_MESSAGES_MAX)
        self._window = Window(spool.limits.window_keys)
        self._window.fill(spool.keys())
        self._senders = Counters()
        self._samples: Counter[str] = Counter()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            messages = await self._source.read(count_max=ROUND_MESSAGES_MAX, wait_s_max=IDLE_WAIT_S)
            if 0 < len(messages) < FEW_MESSAGES:
                await asyncio.sleep(LINGER_S)
                more = await self._source.read(
                    count_max=ROUND_MESSAGES_MAX - len(messages), wait_s_max=0
                )
                messages = [*messages, *more]
            await self.take(messages)

    async def take(self, messages: Sequence[Message]) -> None:
        """Store a round and acknowledge it."""
        round_ = _Round(dict(self._source.take_losses()))
        for message in messages:
            if round_.is_full(self._group_max):
                await self._store(round_)
                round_ = _Round({})
            self._handle(message, round_)
        if messages or round_.lost:
            await self._store(round_)

    def _handle(self, message: Message, round_: "_Round") -> None:
        round_.through = message.ticket
        target, problem = self._target(message)
        stamped = target is not None and target.stamped
        key = message_key(
            message.channel, message.payload, stamped=stamped, delivery=message.delivery
        )
        if (stamped or message.redelivered) and key in self._window:
            self._counters["repeated"] += 1
            return
        self._window.add(key)
        round_.keys.append(key)
        if target is not None:
            try:
                found = extract(target, message.payload, received_us=message.received_ns // 1000)
            except UnreadableError as error:
                problem = error
            else:
                self._add(message, found, round_)
                return
        assert problem is not None, "no target and no reason"
        self._bury(message, problem, round_)

    def _target(self, message: Message) -> tuple[Target | None, UnreadableError | None]:
        try:
            return self._mapping.target(message.channel), None
        except UnreadableError as error:
            return None, error

    def _add(self, message: Message, found: Extract, round_: "_Round") -> None:
        if found.sequence is not None:
            missing = self._senders.missing(message.channel, found.sequence)
            if missing:
                round_.lose(GapReason.SOURCE_GAP, missing * len(found.readings))
                self._counters["source_gaps"] += 1
        if found.last_us > message.received_ns // 1000 + FUTURE_US:
            self._counters["future_time"] += 1
        round_.add(found, message.received_ns)

    def _bury(self, message: Message, problem: UnreadableError, round_: "_Round") -> None:
        """Keep a message that gives no reading, with the reason; of an unknown channel only samples."""
        self._counters[f"dead_{problem.reason.value}"] += 1
        if problem.reason.is_reading:
            round_.lose(GapReason.DECODE_ERROR, 1)
        else:
            self._samples[message.channel] += 1
            if self._samples[message.channel] > SAMPLES_PER_CHANNEL_MAX:
                return
            if len(self._samples) > SAMPLED_CHANNELS_MAX:
                self._samples.clear()
        round_.dead.append(
            dead_letter(
                problem.reason,
                problem.detail,
                channel=message.channel,
                payload=message.payload,
                received_ns=message.received_ns,
            )
        )

    async def _store(self, round_: "_Round") -> None:
        group = round_.group()
        if group is not None and self._spool.is_full(group):
            self._counters["rounds_shed"] += 1
            round_.lose(GapReason.QUEUE_FULL, len(group.readings))
            group = None
        intake = Intake(
            now_ns=self._clock.wall_ns(),
            group=group,
            keys=round_.keys,
            dead=round_.dead,
            lost=round_.lost,
        )
        if group is not None or round_.keys or round_.dead or round_.lost:
            row = self._spool.books.next_key_row
            await self._guard.keep(
                lambda: self._spool.append(intake),
                kept=lambda: self._spool.books.next_key_row > row,
            )
            self._fresh.set()
        self._source.acknowledge(through=round_.through)


class _Round:
    """What the messages of one store step gave so far."""

    def __init__(self, lost: dict[GapReason, int]) -> None:
        self.lost = lost
        self.keys: list[bytes] = []
        self.dead: list[DeadLetter] = []
        self.through = 0
        self.size_bytes = 0
        self._readings: list[bytes] = []
        self._first_us = 2**63
        self._last_us = 0
        self._received_ns = 0

    def is_full(self, readings_max: int) -> bool:
        return len(self._readings) >= readings_max or self.size_bytes >= ROUND_BYTES_MAX

    def add(self, found: Extract, received_ns: int) -> None:
        if not self._readings:
            self._received_ns = received_ns
        self._readings += found.readings
        self.size_bytes += sum(map(len, found.readings))
        self._first_us = min(self._first_us, found.first_us)
        self._last_us = max(self._last_us, found.last_us)

    def lose(self, reason: GapReason, number: int) -> None:
        self.lost[reason] = self.lost.get(reason, 0) + number

    def group(self) -> Group | None:
        if not self._readings:
            return None
        return Group(
            readings=self._readings,
            first_us=self._first_us,
            last_us=self._last_us,
            received_ns=self._received_ns,
        )
