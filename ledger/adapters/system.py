"""The one door to time and chance: everything else takes a `Clock` and asks here for random bytes.

Wall time may jump, in both directions, and is never used to order or to measure; `monotonic_ns` is
for that. The twin for tests and simulations is `clock_manual.ManualClock`.
"""

import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """What time it is, and how much of it has passed."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01 UTC, as the operating system believes."""
        ...

    def now_s(self) -> int:
        """Return whole seconds since 1970-01-01 UTC, never rounded up."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds since an unknown start; never goes back."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def now_s(self) -> int:
        """Return whole seconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000_000

    def monotonic_ns(self) -> int:
        """Return nanoseconds since an unknown start."""
        return time.monotonic_ns()


def random_bytes(count: int) -> bytes:
    """Return `count` bytes fit for keys and salts."""
    return secrets.token_bytes(count)
