"""The agent's one door to time, chance, the boot and the disk's free space.

`Clock` is what the rest of the agent sees: it tells time and it waits, so that a test can make a day
pass in an instant (`ManualClock`). Wall time is never used for order; it stands in readings without
a time of their own and in the anchor's clock member.
"""

import asyncio
import os
import random
import secrets
import time
from pathlib import Path
from typing import Final, Protocol

BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
SYNCHRONISED_FILE: Final = Path("/run/systemd/timesync/synchronized")
SYNC_UNKNOWN, SYNC_YES = 0, 1


class Clock(Protocol):
    """Tells time, and waits for a moment or an event."""

    def wall_ns(self) -> int:
        """Return Unix nanoseconds; may jump when somebody sets the clock."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never go back while the machine is up."""
        ...

    async def wait(self, event: asyncio.Event, timeout_s: float | None = None) -> bool:
        """Wait until the event is set, at most `timeout_s`; tell whether it is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def wall_ns(self) -> int:
        """Return Unix nanoseconds."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return nanoseconds since the boot, time asleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    async def wait(self, event: asyncio.Event, timeout_s: float | None = None) -> bool:
        """Wait for the event in real time."""
        if event.is_set():
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True


class ManualClock:
    """Time that passes only when a test says so."""

    def __init__(self, wall_ns: int = 1_800_000_000_000_000_000) -> None:
        """Start at `wall_ns`, with the monotonic clock at zero."""
        self._wall_ns = wall_ns
        self._monotonic_ns = 0
        self._moved = asyncio.Condition()

    def wall_ns(self) -> int:
        """Return the wall time set so far."""
        return self._wall_ns

    def monotonic_ns(self) -> int:
        """Return the time passed so far."""
        return self._monotonic_ns

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back, as a person or NTP would."""
        self._wall_ns += round(seconds * 1e9)

    async def advance(self, seconds: float) -> None:
        """Let time pass and wake whoever waited for it."""
        self._wall_ns += round(seconds * 1e9)
        self._monotonic_ns += round(seconds * 1e9)
        async with self._moved:
            self._moved.notify_all()

    async def wait(self, event: asyncio.Event, timeout_s: float | None = None) -> bool:
        """Wait for the event or until `advance` has passed the deadline."""
        if timeout_s is None:
            return await event.wait()
        deadline_ns = self._monotonic_ns + round(timeout_s * 1e9)
        async with asyncio.TaskGroup() as group:
            tasks = {
                group.create_task(event.wait()),
                group.create_task(self._passed(deadline_ns)),
            }
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        return event.is_set()

    async def _passed(self, deadline_ns: int) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self._monotonic_ns >= deadline_ns)


class Chance:
    """Jitter and keys: the first may be predicted, the second never."""

    def __init__(self) -> None:
        """Seed the jitter from the operating system."""
        self._jitter = random.SystemRandom()

    def fraction(self) -> float:
        """Return a number in [0, 1) for a back-off."""
        return self._jitter.random()

    def secret(self, count: int) -> bytes:
        """Return `count` unpredictable bytes, for the key of a batch."""
        return secrets.token_bytes(count)


def boot_id() -> bytes:
    """Return 16 bytes that change at every boot; random ones where the system names none."""
    try:
        return bytes.fromhex(BOOT_ID_FILE.read_text(encoding="ascii").strip().replace("-", ""))
    except (OSError, ValueError):
        return secrets.token_bytes(16)


def clock_sync_state() -> int:
    """Return 1 where systemd says that the clock is synchronised, else 0 (unknown)."""
    return SYNC_YES if SYNCHRONISED_FILE.exists() else SYNC_UNKNOWN


def free_bytes(folder: Path) -> int:
    """Return how much of the folder's file system an ordinary user may still fill."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
