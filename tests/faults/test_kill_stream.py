"""SIGKILL of node and agent during a stream: no acknowledged reading is lost, none is doubled."""

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.kill_stream import run

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.mark.timeout(420)
def test_fifty_kills(tmp_path: Path) -> None:
    """Fifty kills at random moments, then every number the broker acknowledged is there once."""
    if shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        assert not os.environ.get("CI"), "mosquitto has to be here"
        pytest.skip("mosquitto is not installed (Debian package: mosquitto)")
    outcome = run(tmp_path, kills=50, rate=1_000, seconds=125, seed=7)
    print(*outcome.lines(), sep="\n")
    assert outcome.faults == []
    assert outcome.acknowledged == 125_000
    assert sum(outcome.kills.values()) == 50
