"""SIGKILL of node and agent during a stream: no acknowledged reading is lost, none is doubled."""

import os
from pathlib import Path

import pytest

from tests.faults.kill_stream import Outcome, find_mosquitto, run

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def storm(folder: Path, *, kills: int, rate: int, seconds: float, seed: int) -> Outcome:
    """Run, or skip where there is no broker; what every run must find is asserted here."""
    if find_mosquitto() is None:
        assert not os.environ.get("CI"), "mosquitto has to be here"
        pytest.skip("mosquitto is not installed (Debian package: mosquitto)")
    outcome = run(folder, kills=kills, rate=rate, seconds=seconds, seed=seed)
    print(*outcome.lines(), sep="\n")
    assert outcome.faults == []
    assert outcome.acknowledged == int(rate * seconds)
    assert outcome.served.total() == outcome.acknowledged
    assert outcome.kills.total() >= kills
    return outcome


@pytest.mark.timeout(120)
def test_a_few_kills(tmp_path: Path) -> None:
    """Six kills: every number that the broker acknowledged is at the node once, in one chain."""
    storm(tmp_path, kills=6, rate=500, seconds=15, seed=12)


@pytest.mark.timeout(540)
def test_fifty_kills(tmp_path: Path) -> None:
    """Fifty kills of both, at every kind of moment, with the node's checkpoints watched."""
    outcome = storm(tmp_path, kills=50, rate=1_000, seconds=125, seed=7)
    assert set(outcome.moments) == {"at any moment", "as it writes", "as it starts"}
    assert min(outcome.kills.values()) >= 10, "both processes were killed"
    assert outcome.checkpoints > 10
