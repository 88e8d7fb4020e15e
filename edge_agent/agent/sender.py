"""From sealed batches to the ledger, one at a time and in order; then their bodies to the node.

Theory of operation: `Sender` first makes the ledger agree with our books (`core.session`), then sends
the oldest unsent statement, the same bytes until their fate is known (`core.outbox`). A refusal that
needs a person stops signing and is tried again slowly; readings go on into the spool. A statement
that the ledger refuses for good is kept with its refusal, its batch is stated as rejected, and the
unsent ones after it, which were never sent, are signed again to follow the new one.

`Pusher` gives the node the archive bodies of what is on the ledger and trims the local archive.
"""

import asyncio
import logging
from typing import Final

from edge_agent.adapters.spool import Spool
from edge_agent.adapters.spool_rows import SealedRow, dead_letter
from edge_agent.adapters.system import Chance, Clock
from edge_agent.adapters.uplink import NeverStored, Node, NotYet, Stored
from edge_agent.agent.state import AgentState, SpoolGuard
from edge_agent.core import outbox
from edge_agent.core.batch import Position, Sealed, Signer, sign_again
from edge_agent.core.session import Remote, Verdict, compare
from edge_agent.errors import DeadReason
from ledger.core import operation, statement

RECEIPT_BYTES_MAX: Final = 4_096
KEY_REFUSALS: Final = frozenset({"key-revoked", "not-authorised"})
PUSH_FAULTS_MAX: Final = 3
_LOG: Final = logging.getLogger(__name__)


class Sender:
    """The task that sends statements."""

    def __init__(
        self,
        *,
        node: Node,
        spool: Spool,
        guard: SpoolGuard,
        signer: Signer,
        clock: Clock,
        chance: Chance,
        state: AgentState,
    ) -> None:
        """Send what is sealed in `spool` to `node`."""
        self._node = node
        self._spool = spool
        self._guard = guard
        self._signer = signer
        self._clock = clock
        self._chance = chance
        self._state = state
        self._attempt = 0
        self._faults = 0

    async def run(self) -> None:
        """Agree, then send, until cancelled."""
        await self._agree()
        while True:
            self._state.sealed.clear()
            books = self._spool.books
            if books.confirmed >= books.next_sequence:
                await self._state.sealed.wait()
                continue
            row = self._spool.sealed(books.confirmed)
            assert row is not None, "an unsent batch is always kept"
            await self._send(row)

    # ------------------------------------------------------------ agreeing

    async def _agree(self) -> None:
        """Return when the ledger agrees with our books."""
        attempt = 0
        while True:
            remote = await self._node.stream()
            if isinstance(remote, outbox.Unknown):
                attempt += 1
                if attempt == 1:
                    _LOG.warning("node not reached: %s", remote.detail)
                self._state.counters["node_unreached"] += 1
                wait_s = outbox.backoff_s(
                    attempt, self._chance.fraction(), retry_after_s=remote.retry_after_s
                )
                await self._sleep(wait_s)
            elif await self._judge(remote):
                return
            else:
                await self._sleep(outbox.STOPPED_RETRY_S * (0.5 + self._chance.fraction()))

    async def _judge(self, remote: Remote) -> bool:
        """Compare positions; tell whether signing may go on."""
        spool = self._spool
        found = compare(spool.local, remote, spool.hash_of)
        if found.verdict is Verdict.AGREED:
            if found.confirmed != spool.books.confirmed:
                await self._confirm(found.confirmed)
            self._state.go_on()
            return True
        if found.verdict is Verdict.ADOPT:
            position = Position(sequence=remote.next, previous=remote.last_hash, epoch=remote.epoch)
            await self._guard.keep(
                lambda: spool.adopt(position),
                kept=lambda: spool.books.next_sequence == remote.next,
            )
            self._state.go_on()
            return True
        if found.verdict is Verdict.STATE_LOST and spool.books.lost_epoch is None:
            await self._guard.keep(
                lambda: spool.lose_state(remote.epoch),
                kept=lambda: spool.books.lost_epoch is not None,
            )
        self._state.stop(found.verdict.value, found.detail)
        return False

    # ------------------------------------------------------------ sending

    async def _send(self, row: SealedRow) -> None:
        """Send one statement once and do what its answer calls for."""
        answer = await self._node.submit(row.statement)
        self._attempt += 1
        if isinstance(answer, outbox.Refused) and answer.name in outbox.FAULTS:
            self._faults += 1
        step = outbox.decide(
            answer, attempt=self._attempt, faults=self._faults, chance=self._chance.fraction()
        )
        match step:
            case outbox.Registered():
                await self._confirm(row.sequence + 1, step.receipt[:RECEIPT_BYTES_MAX])
                self._state.go_on()
            case outbox.SendAgain():
                self._state.counters["sent_again"] += 1
                if self._attempt == 1:
                    _LOG.warning("batch %d not confirmed: %s", row.sequence, step.detail)
                await self._sleep(step.wait_s)
            case outbox.AskLedger():
                await self._sleep(step.wait_s)
                await self._agree()
            case outbox.Stop():
                if step.name in KEY_REFUSALS and self._is_signed_by_another(row):
                    await self._replace(row, step.name, step.detail, as_gap=False)
                    return
                self._state.stop(step.name, step.detail)
                await self._sleep(step.wait_s)
            case outbox.SetAside():
                if row.count == 0:  # a gap statement cannot be stated as a gap again
                    self._state.stop(step.name, step.detail)
                    await self._sleep(outbox.STOPPED_RETRY_S)
                    return
                await self._replace(row, step.name, step.detail, as_gap=True)

    async def _confirm(self, through: int, receipt: bytes = b"") -> None:
        now_ns = self._clock.wall_ns()
        await self._guard.note(lambda: self._spool.confirm(through, now_ns=now_ns, receipt=receipt))
        self._attempt = 0
        self._faults = 0
        self._state.confirmed.set()
        self._state.progress.set()

    def _is_signed_by_another(self, row: SealedRow) -> bool:
        return statement.parse(row.statement).kid != self._signer.key.public.kid

    async def _replace(self, row: SealedRow, name: str, detail: str, *, as_gap: bool) -> None:
        """Sign the refused statement and the unsent ones after it again, while nobody seals."""
        async with self._state.signing:
            await self._replace_unsent(row, name, detail, as_gap=as_gap)

    async def _replace_unsent(
        self, row: SealedRow, name: str, detail: str, *, as_gap: bool
    ) -> None:
        _LOG.error("batch %d refused for good (%s): %s", row.sequence, name, detail)
        self._state.counters["batches_refused"] += 1
        now_ns = self._clock.wall_ns()
        anchor = operation.parse(statement.parse(row.statement).payload)
        assert isinstance(anchor, operation.Anchor), "a stream holds anchors only"
        previous = anchor.previous
        batches: list[Sealed] = []
        for sequence in range(row.sequence, self._spool.books.next_sequence):
            old = self._spool.sealed(sequence)
            assert old is not None, "an unsent batch is always kept"
            batch = sign_again(
                old.statement,
                signer=self._signer,
                previous=previous,
                as_gap=as_gap and sequence == row.sequence,
                iat_s=now_ns // 1_000_000_000,
            )
            previous = batch.hash
            batches.append(batch)
        letter = dead_letter(
            DeadReason.REFUSED,
            f"batch {row.sequence}: {name}: {detail}",
            channel=self._signer.stream.text,
            payload=row.statement,
            received_ns=now_ns,
        )
        await self._guard.keep(
            lambda: self._spool.replace_unsent(batches, dead=[letter]),
            kept=lambda: self._spool.books.previous == batches[-1].hash,
        )
        self._attempt = 0
        self._faults = 0

    async def _sleep(self, seconds: float) -> None:
        await self._clock.wait(asyncio.Event(), seconds)


class Pusher:
    """The task that gives the node its archive bodies."""

    def __init__(
        self,
        *,
        node: Node,
        spool: Spool,
        guard: SpoolGuard,
        clock: Clock,
        chance: Chance,
        state: AgentState,
    ) -> None:
        """Push the bodies of what is confirmed in `spool`."""
        self._node = node
        self._spool = spool
        self._guard = guard
        self._clock = clock
        self._chance = chance
        self._state = state
        self._attempt = 0
        self._faults = 0

    async def run(self) -> None:
        """Push until cancelled."""
        while True:
            self._state.confirmed.clear()
            books = self._spool.books
            if books.pushed >= books.confirmed:
                await self._state.confirmed.wait()
                continue
            await self._push(books.pushed)

    async def _push(self, sequence: int) -> None:
        row, body = self._spool.sealed(sequence), self._spool.body(sequence)
        if row is None or body is None or row.count == 0:
            await self._done(sequence)
            return
        answer = await self._node.store(sequence, body)
        self._attempt += 1
        match answer:
            case Stored():
                await self._done(sequence)
            case NotYet():
                self._state.counters["pushed_again"] += 1
                await self._wait(answer.retry_after_s)
            case NeverStored():
                self._faults += 1
                if self._faults < PUSH_FAULTS_MAX:
                    await self._wait(None)
                else:
                    await self._give_up(sequence, answer.detail)

    async def _give_up(self, sequence: int, detail: str) -> None:
        _LOG.error("archive body %d refused for good: %s", sequence, detail)
        self._state.counters["bodies_refused"] += 1
        letter = dead_letter(
            DeadReason.ARCHIVE_REFUSED,
            f"body {sequence}: {detail}",
            channel="archive",
            payload=b"",
            received_ns=self._clock.wall_ns(),
        )
        await self._guard.note(lambda: self._spool.push(sequence + 1, letter))
        self._settle()

    async def _done(self, sequence: int) -> None:
        await self._guard.note(lambda: self._spool.push(sequence + 1))
        self._settle()

    def _settle(self) -> None:
        self._attempt = 0
        self._faults = 0
        self._state.progress.set()

    async def _wait(self, retry_after_s: float | None) -> None:
        wait_s = outbox.backoff_s(
            self._attempt, self._chance.fraction(), retry_after_s=retry_after_s
        )
        await self._clock.wait(asyncio.Event(), wait_s)
