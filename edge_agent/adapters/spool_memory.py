"""The spool's journal in memory, for tests and simulations; it crashes on command.

`crash` forgets what was written and not synced, as a power cut does; `kill` keeps it, as the end of
the process does. `fail_next` makes the next write or sync raise, before or after it took effect.
"""

from collections.abc import Iterator
from typing import Literal

from edge_agent.adapters.spool import Change
from edge_agent.errors import SpoolError

Fault = Literal["write-before", "write-after", "sync", "reopen"]


class MemoryJournal:
    """Rows in a dict, once as written and once as synced."""

    def __init__(self, *, free_bytes: int = 2**40) -> None:
        """Begin without rows on a disk with so much room."""
        self.free = free_bytes
        self.syncs = 0
        self._rows: dict[bytes, bytes] = {}
        self._synced: dict[bytes, bytes] = {}
        self._faults: list[Fault] = []
        self._broken = False

    def fail_next(self, fault: Fault) -> None:
        """Let the next such step fail."""
        self._faults.append(fault)

    def crash(self) -> None:
        """Cut the power: what was not synced is gone."""
        self._rows = dict(self._synced)
        self._broken = False

    def kill(self) -> None:
        """End the process: what was written stays."""
        self._broken = False

    def get(self, key: bytes) -> bytes | None:
        """Return one value."""
        return self._rows.get(key)

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs of a range as they are now."""
        yield from sorted((key, row) for key, row in self._rows.items() if start <= key < end)

    def write(self, change: Change) -> None:
        """Apply a change."""
        self._fail("write-before")
        if self._broken:
            raise SpoolError("the journal failed before: reopen it")
        for start, end in change.ranges:
            for key in [key for key in self._rows if start <= key < end]:
                del self._rows[key]
        self._rows.update(change.puts)
        self._fail("write-after")

    async def sync(self) -> None:
        """Make what is written safe."""
        self._fail("sync")
        self.syncs += 1
        self._synced = dict(self._rows)

    async def reopen(self) -> None:
        """Be usable again."""
        self._fail("reopen")
        self._broken = False

    async def close(self) -> None:
        """Sync and stop."""
        self._synced = dict(self._rows)

    def free_bytes(self) -> int:
        """Return the room that a test gave."""
        return self.free

    def _fail(self, fault: Fault) -> None:
        if fault in self._faults:
            self._faults.remove(fault)
            self._broken = True
            raise SpoolError(f"the journal failed on purpose: {fault}")
