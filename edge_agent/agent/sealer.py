"""From the spool into signed batches, by count and time.

Theory of operation: nothing is signed before the ledger has agreed with our books after the start,
and nothing while the stream is stopped; readings go on waiting in the spool. A batch is made of whole
groups from the oldest on. Its leaves are hashed slice by slice, so that the event loop keeps reading
the wire. Waiting is measured by the monotonic clock; a step of the wall clock is itself stated.
"""

import asyncio
from typing import Final

from edge_agent.adapters.spool import Spool
from edge_agent.adapters.spool_rows import Intake
from edge_agent.adapters.system import Chance, Clock
from edge_agent.agent.state import AgentState, SpoolGuard
from edge_agent.core.batch import Leaves, Sealed, SealPolicy, Signer, seal, seal_gap
from edge_agent.core.gap import GapReason, Losses
from ledger.core import operation
from ledger.core.reading import BATCH_KEY_BYTES

CLOCK_STEP_NS: Final = 2_000_000_000  # a jump beyond this is a step; less is slewing
LOOK_S: Final = 60.0  # how often the clocks are compared while nothing happens


class Sealer:
    """The task that signs batches."""

    def __init__(
        self,
        *,
        spool: Spool,
        guard: SpoolGuard,
        signer: Signer,
        policy: SealPolicy,
        clock: Clock,
        chance: Chance,
        boot_id: bytes,
        sync_state: int,
        state: AgentState,
    ) -> None:
        """Sign with `signer` when `policy` says so; `boot_id` and `sync_state` stand in the anchors."""
        self._spool = spool
        self._guard = guard
        self._signer = signer
        self._policy = policy
        self._clock = clock
        self._chance = chance
        self._boot_id = boot_id
        self._sync_state = sync_state
        self._state = state
        self._since_ns: int | None = None
        self._hurry = False
        self._offset_ns = clock.wall_ns() - clock.monotonic_ns()

    def hurry(self) -> None:
        """Seal whatever waits from now on, without waiting for count or time."""
        self._hurry = True
        self._state.fresh.set()

    async def run(self) -> None:
        """Seal until cancelled."""
        while True:
            await self._state.agreed.wait()
            await self._until_due()
            async with self._state.signing:
                if self._state.agreed.is_set():
                    await self.seal_next()

    async def _until_due(self) -> None:
        while True:
            self._state.fresh.clear()
            await self._watch_clock()
            books, losses = self._spool.books, self._spool.losses
            if not books.readings and not losses:
                self._since_ns = None
                await self._clock.wait(self._state.fresh, LOOK_S)
                continue
            now_ns = self._clock.monotonic_ns()
            if self._since_ns is None:
                self._since_ns = now_ns
            due_ns = self._policy.due_ns(since_ns=self._since_ns)
            assert due_ns is not None, "something waits"
            full = self._policy.is_full(readings=books.readings, size_bytes=books.group_bytes)
            if self._hurry or full or due_ns <= now_ns:
                return
            await self._clock.wait(self._state.fresh, min((due_ns - now_ns) / 1e9, LOOK_S))

    async def _watch_clock(self) -> None:
        """State a step of the wall clock as a gap of unknown number."""
        offset_ns = self._clock.wall_ns() - self._clock.monotonic_ns()
        if abs(offset_ns - self._offset_ns) > CLOCK_STEP_NS:
            self._state.counters["clock_steps"] += 1
            intake = Intake(now_ns=self._clock.wall_ns(), lost={GapReason.CLOCK_STEP: 0})
            row = self._spool.books.next_key_row
            await self._guard.keep(
                lambda: self._spool.append(intake),
                kept=lambda: self._spool.books.next_key_row > row,
            )
        self._offset_ns = offset_ns

    async def seal_next(self) -> None:
        """Seal one batch of what waits, or state one gap."""
        losses = self._spool.losses
        self._since_ns = None
        if losses.events:
            await self._seal_gap(losses.alone())
            return
        waiting = self._spool.waiting(
            readings_max=self._policy.readings_max, bytes_max=self._policy.bytes_max
        )
        if waiting is None:
            if losses:
                await self._seal_gap(losses.alone())
            return
        batch_key = self._chance.secret(BATCH_KEY_BYTES)
        position = self._spool.position
        leaves = Leaves(
            batch_key=batch_key, readings=waiting.readings, position=position, signer=self._signer
        )
        for _ in leaves.slices():
            await asyncio.sleep(0)
        stated = self._spool.losses.with_readings()
        sealed = seal(
            signer=self._signer,
            position=position,
            batch_key=batch_key,
            readings=waiting.readings,
            root=leaves.root(),
            span_us=waiting.span_us,
            losses=stated,
            clock=self._clock_now(),
        )
        await self._guard.keep(
            lambda: self._spool.seal(
                sealed, waiting=waiting, stated=stated, now_ns=self._clock.wall_ns()
            ),
            kept=lambda: self._spool.books.next_sequence > sealed.sequence,
        )
        self._announce(sealed)

    async def _seal_gap(self, stated: Losses) -> None:
        sealed = seal_gap(
            signer=self._signer,
            position=self._spool.position,
            losses=stated,
            clock=self._clock_now(),
        )
        await self._guard.keep(
            lambda: self._spool.seal(
                sealed, waiting=None, stated=stated, now_ns=self._clock.wall_ns()
            ),
            kept=lambda: self._spool.books.next_sequence > sealed.sequence,
        )
        self._announce(sealed)

    def _announce(self, sealed: Sealed) -> None:
        self._state.counters["batches_sealed" if sealed.count else "gaps_stated"] += 1
        self._state.sealed.set()
        self._state.progress.set()

    def _clock_now(self) -> operation.Clock:
        return operation.Clock(
            wall_ms=self._clock.wall_ns() // 1_000_000,
            monotonic_ms=self._clock.monotonic_ns() // 1_000_000,
            boot_id=self._boot_id,
            sync=self._sync_state,
        )
