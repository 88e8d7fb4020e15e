"""What the agent's tasks share: events, counters, and whether this stream may sign.

One object instead of globals; every field has one writer, named here.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from edge_agent.adapters.spool import Spool
from edge_agent.adapters.system import Clock
from edge_agent.errors import SpoolError

REOPEN_WAIT_S: Final = 1.0
_LOG: Final = logging.getLogger(__name__)


class AgentState:
    """Events and counters of one running agent.

    Attributes:
        agreed: Set while the ledger agrees with our books and nothing forbids signing (sender).
        fresh: Readings or losses came into the spool (intake).
        sealed: A batch was sealed (sealer).
        confirmed: The ledger confirmed batches (sender).
        signing: Held while statements are signed and stored: they chain (sealer, sender).
        progress: Any of sealing, confirming, pushing went on (all three).
        counters: What happened, by name.
        alarm: What a person should do; empty without (sender, guard).
        stopped: Name of the refusal that stopped the stream; empty while it runs (sender).
    """

    def __init__(self) -> None:
        """Begin without an agreement."""
        self.agreed = asyncio.Event()
        self.fresh = asyncio.Event()
        self.sealed = asyncio.Event()
        self.confirmed = asyncio.Event()
        self.progress = asyncio.Event()
        self.signing = asyncio.Lock()
        self.counters: Counter[str] = Counter()
        self.alarm = ""
        self.stopped = ""

    def stop(self, name: str, detail: str) -> None:
        """Forbid signing and raise the alarm."""
        if self.stopped != name:
            _LOG.error("stream stopped: %s: %s", name, detail)
        self.agreed.clear()
        self.stopped = name
        self.alarm = f"{name}: {detail}"

    def go_on(self) -> None:
        """Allow signing."""
        if self.stopped:
            _LOG.info("stream goes on")
        self.stopped = ""
        self.alarm = ""
        self.agreed.set()


class SpoolGuard:
    """Repeats a change of the spool until it is known to be kept; a full disk blocks, it kills nothing."""

    def __init__(
        self,
        spool: Spool,
        *,
        clock: Clock,
        state: AgentState,
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        """Guard `spool`; `pause` and `resume` hold the source while it is broken."""
        self._spool = spool
        self._clock = clock
        self._state = state
        self._pause = pause
        self._resume = resume
        self._reopening = asyncio.Lock()
        self._opened = 0  # how often the spool was opened again

    async def keep(
        self, change: Callable[[], Awaitable[None]], *, kept: Callable[[], bool]
    ) -> None:
        """Make a change, again after each failure, until `kept` says that it is in the books."""
        while True:
            opened = self._opened
            try:
                await change()
                return
            except SpoolError as error:
                await self._recover(error, opened)
            if kept():
                return

    async def note(self, change: Callable[[], None]) -> None:
        """Make a change that may be forgotten: without a sync, and again after a failure."""

        async def action() -> None:
            change()

        await self.keep(action, kept=lambda: False)

    async def _recover(self, error: SpoolError, opened: int) -> None:
        async with self._reopening:
            if self._opened != opened:
                return  # somebody else has opened it since
            _LOG.error("spool failed, taking nothing in: %s", error)
            alarm, self._state.alarm = self._state.alarm, f"spool: {error}"
            self._state.counters["spool_failures"] += 1
            self._pause()
            while True:
                await self._clock.wait(asyncio.Event(), REOPEN_WAIT_S)
                try:
                    await self._spool.reopen()
                    break
                except SpoolError as again:
                    self._state.alarm = f"spool: {again}"
            self._opened += 1
            self._state.alarm = alarm
            self._resume()
            _LOG.info("spool is back")
