"""Clocks and randomness (ledger/adapters/system.py, clock_manual.py)."""

from ledger.adapters.clock_manual import START_MS, ManualClock
from ledger.adapters.system import Clock, SystemClock, random_bytes


def test_the_units_of_a_clock_agree() -> None:
    """Seconds are milliseconds cut off, and the monotonic clock does not go back."""
    clock: Clock = SystemClock()
    before_s, now_ms, after_s = clock.now_s(), clock.now_ms(), clock.now_s()

    assert before_s <= now_ms // 1000 <= after_s
    assert clock.monotonic_ns() <= clock.monotonic_ns()


def test_a_manual_clock_moves_only_when_told() -> None:
    """Passing time moves both clocks; a correction moves wall time alone, also backwards."""
    clock = ManualClock()
    assert (clock.now_ms(), clock.now_s(), clock.monotonic_ns()) == (START_MS, START_MS // 1000, 0)
    clock.advance(1_999)
    assert (clock.now_s(), clock.monotonic_ns()) == (START_MS // 1000 + 1, 1_999_000_000)
    clock.step(-5_000)
    assert (clock.now_ms(), clock.monotonic_ns()) == (START_MS - 3_001, 1_999_000_000)


def test_random_bytes_have_the_length_asked_and_do_not_repeat() -> None:
    """Two keys drawn one after the other differ."""
    assert random_bytes(0) == b""
    assert len(random_bytes(32)) == 32
    assert random_bytes(32) != random_bytes(32)
