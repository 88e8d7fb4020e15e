"""A clock that stands still until it is told otherwise: twin of `system.SystemClock`.

Wall and monotonic time are kept apart, so that a test can step the wall clock back (as an NTP
correction does) while time goes on.
"""

from typing import Final

START_MS: Final = 1_767_225_600_000
"""Where a new clock stands: 2026-01-01 00:00:00 UTC."""


class ManualClock:
    """Time as the test sets it.

    Args:
        now_ms: Wall time to begin with, in milliseconds since 1970-01-01 UTC.
        monotonic_ns: Monotonic time to begin with.
    """

    def __init__(self, now_ms: int = START_MS, monotonic_ns: int = 0) -> None:
        self._now_ms = now_ms
        self._monotonic_ns = monotonic_ns

    def now_ms(self) -> int:
        """Return the wall time, in milliseconds."""
        return self._now_ms

    def now_s(self) -> int:
        """Return the wall time, in whole seconds."""
        return self._now_ms // 1000

    def monotonic_ns(self) -> int:
        """Return the monotonic time."""
        return self._monotonic_ns

    def advance(self, ms: int) -> None:
        """Let `ms` milliseconds pass on both clocks."""
        assert ms >= 0, "time does not go back; to correct the wall clock, use step"
        self._now_ms += ms
        self._monotonic_ns += ms * 1_000_000

    def step(self, ms: int) -> None:
        """Correct the wall clock by `ms` (negative: back) while no time passes."""
        self._now_ms += ms
