"""A source without a wire: a peer and its stored session in one object, for tests and simulations.

It behaves as a broker with a persistent session does: what is not acknowledged comes again, marked as
repeated, after `reconnect`; acknowledgements of an earlier connection count for nothing.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from edge_agent.adapters.source import Message
from edge_agent.adapters.system import Clock
from edge_agent.core.gap import GapReason


class MemorySource:
    """Delivers what `publish` was given."""

    def __init__(self, clock: Clock, *, queue_max: int = 1_000) -> None:
        """Deliver at most `queue_max` messages that are not yet acknowledged."""
        self.connected = asyncio.Event()
        self.counters: Counter[str] = Counter()
        self.acknowledged: list[tuple[str, bytes]] = []
        self._clock = clock
        self._queue_max = queue_max
        self._stored: deque[tuple[int, str, bytes]] = deque()  # with the peer: not acknowledged
        self._sent = 0  # how many of them went out on this connection
        self._sent_before: set[int] = set()
        self._ready: deque[Message] = deque()
        self._tickets: deque[tuple[int, int]] = deque()
        self._next_ticket = 0
        self._next_delivery = 0
        self._arrived = asyncio.Event()
        self._closed = asyncio.Event()
        self._paused = False
        self._losses: dict[GapReason, int] = {}

    @property
    def stored(self) -> int:
        """How many messages the peer still holds for us."""
        return len(self._stored)

    @property
    def held(self) -> int:
        """How many messages are held on our side."""
        return len(self._ready)

    def publish(self, channel: str, payload: bytes) -> None:
        """Let the peer have one more message for us."""
        self._next_delivery += 1
        self._stored.append((self._next_delivery, channel, payload))
        self._deliver()

    def reconnect(self, *, session_kept: bool = True) -> None:
        """Lose the connection and make it again."""
        self._sent = 0
        self._ready.clear()
        self._tickets.clear()
        self.counters["reconnects"] += 1
        if not session_kept:
            self._stored.clear()
            self.counters["session_lost"] += 1
            self._losses.setdefault(GapReason.SESSION_LOST, 0)
        self._deliver()

    async def run(self) -> None:
        """Be connected until closed."""
        self.connected.set()
        self._deliver()
        await self._closed.wait()
        self.connected.clear()

    async def read(self, *, count_max: int, wait_s_max: float) -> Sequence[Message]:
        """Return what was delivered."""
        if not self._ready:
            self._arrived.clear()
            await self._clock.wait(self._arrived, wait_s_max)
        return [self._ready.popleft() for _ in range(min(count_max, len(self._ready)))]

    def acknowledge(self, *, through: int) -> None:
        """Let the peer forget what is safe."""
        while self._tickets and self._tickets[0][0] <= through:
            _, delivery = self._tickets.popleft()
            first, channel, payload = self._stored.popleft()
            assert first == delivery, "acknowledged out of order"
            self._sent_before.discard(first)
            self._sent -= 1
            self.acknowledged.append((channel, payload))
        self._deliver()

    def pause(self) -> None:
        """Let the peer wait."""
        self._paused = True

    def resume(self) -> None:
        """Let the peer send again."""
        self._paused = False
        self._deliver()

    def take_losses(self) -> Mapping[GapReason, int]:
        """Return what will not come again."""
        losses, self._losses = self._losses, {}
        return losses

    async def close(self) -> None:
        """Leave; the peer keeps what is not acknowledged."""
        self._closed.set()

    def _deliver(self) -> None:
        if not self.connected.is_set() or self._paused:
            return
        while self._sent < len(self._stored) and self._sent < self._queue_max:
            delivery, channel, payload = self._stored[self._sent]
            self._next_ticket += 1
            self._tickets.append((self._next_ticket, delivery))
            self._ready.append(
                Message(
                    self._next_ticket,
                    channel,
                    payload,
                    self._clock.wall_ns(),
                    redelivered=delivery in self._sent_before,
                    delivery=delivery,
                )
            )
            self._sent_before.add(delivery)
            self._sent += 1
            self._arrived.set()
