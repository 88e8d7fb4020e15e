"""The task that writes the status file: what the agent knows of itself, once a second at most."""

import asyncio
import os
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.adapters.source import Source
from edge_agent.adapters.spool import Spool
from edge_agent.adapters.status_file import Status, write_status
from edge_agent.adapters.system import Clock, free_bytes
from edge_agent.agent.state import AgentState
from edge_agent.core.batch import Signer
from edge_agent.core.gap import GapReason

WRITE_EVERY_S: Final = 1.0


class Reporter:
    """Collects the status and writes it."""

    def __init__(
        self,
        *,
        folder: Path,
        source: Source,
        spool: Spool,
        signer: Signer,
        clock: Clock,
        state: AgentState,
        node_url: str,
    ) -> None:
        """Write into `folder`."""
        self._folder = folder
        self._source = source
        self._spool = spool
        self._signer = signer
        self._clock = clock
        self._state = state
        self._node_url = node_url
        self._started_ms = clock.wall_ns() // 1_000_000

    async def run(self) -> None:
        """Write until cancelled."""
        never = asyncio.Event()
        while True:
            await self.write()
            await self._clock.wait(never, WRITE_EVERY_S)

    async def write(self, state: str | None = None) -> None:
        """Write once."""
        status = self.status(state)
        await asyncio.get_running_loop().run_in_executor(None, self._write, status)

    def _write(self, status: Status) -> None:
        free = free_bytes(self._folder)
        write_status(self._folder, msgspec.structs.replace(status, disk_free_bytes=free))

    def status(self, state: str | None = None) -> Status:
        """Return the status of this moment."""
        books, shared = self._spool.books, self._state
        if state is None:
            running = "running" if shared.agreed.is_set() else "starting"
            state = f"stopped: {shared.stopped}" if shared.stopped else running
        return Status(
            pid=os.getpid(),
            written_ms=self._clock.wall_ns() // 1_000_000,
            started_ms=self._started_ms,
            state=state,
            alarm=shared.alarm,
            stream=self._signer.stream.text,
            network=self._signer.network,
            source_connected=self._source.connected.is_set(),
            node=self._node_url,
            readings_accepted=books.readings_accepted,
            readings_waiting=books.readings,
            readings_anchored=books.readings_anchored,
            readings_shed=books.readings_shed,
            oldest_waiting_ms=None if books.oldest_ns is None else books.oldest_ns // 1_000_000,
            next_sequence=books.next_sequence,
            confirmed=books.confirmed,
            pushed=books.pushed,
            backlog=books.next_sequence - books.confirmed,
            last_anchor_ms=books.confirmed_ns // 1_000_000 if books.confirmed else None,
            spool_bytes=self._spool.used_bytes,
            spool_bytes_max=self._spool.limits.bytes_max,
            archive_bytes=books.body_bytes - books.unpushed_bytes,
            dead_letters=books.next_dead - books.first_dead,
            dead_letters_dropped=books.dead_dropped,
            lost={
                GapReason(reason).name.lower().replace("_", "-"): number
                for reason, number in sorted(books.lost_total.items())
            },
            counters=dict(sorted((dict(shared.counters) | self._source_counters()).items())),
        )

    def _source_counters(self) -> dict[str, int]:
        return {f"source_{name}": number for name, number in self._source.counters.items()}
