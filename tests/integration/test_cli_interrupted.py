"""A registration that is killed: run again, everything is registered once, and the report knows it."""

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node_process import CHECKOUT, NodeProcess
from xinbiao.client import Client
from xinbiao.setup import init

ROWS = 12_000
WAIT_S = 60.0
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """Return a running node of a fresh network in `net`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    init(tmp_path / "net", port=port)
    with NodeProcess(tmp_path / "net" / "node.toml", port) as running:
        yield running


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the registration of `parts.csv`."""
    words = ("register", "parts.csv", "--id", "lab.1/{part_no}", "--yes")
    return subprocess.Popen(
        [sys.executable, "-m", "xinbiao", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "XINBIAO_DIR": str(folder / "net")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait_for(journal: Path, events: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until so many events are in the journal, or the registration has ended."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until and process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") >= events:
            return
        time.sleep(0.002)
    assert process.poll() is not None, "the registration hangs"


async def test_killed_at_any_moment_it_registers_everything_once(
    tmp_path: Path, node: NodeProcess
) -> None:
    """Signed and not sent, sent and not heard, half done: the same bytes go again, nothing twice."""
    table, journal = tmp_path / "parts.csv", tmp_path / "parts.csv.journal"
    lines = [f"P-{at:05},https://plant.example/{at},Bolt" for at in range(ROWS)]
    table.write_text("\n".join(["part_no,URL,name", *lines]) + "\n")
    killed = 0
    for events in (2, 10, 19, 24):
        process = start(tmp_path)
        wait_for(journal, events, process)
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()

    process = start(tmp_path)
    _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, said
    assert killed >= 2
    assert not journal.exists()
    with (tmp_path / "parts.result.csv").open(encoding="utf-8-sig", newline="") as file:
        report = list(csv.DictReader(file))
    assert [int(row["row"]) for row in report] == list(range(2, ROWS + 2))
    assert {row["state"] for row in report} <= {"registered", "same"}
    told = sum(row["state"] == "registered" for row in report)
    assert told >= ROWS // 3  # what the last run and its journal know of

    async with Client(node.url, tmp_path / "net" / "trust" / "lab.policy") as client:
        found = await client.look_up([f"lab.1/P-{at:05}" for at in range(ROWS)])
        usage = await client.usage("hdl:lab.1")
    assert {one["record"]["version"] for one in found} == {1}
    assert usage["used"]["objects"] == ROWS  # each was paid for once


async def test_while_the_node_is_down_nothing_is_lost(tmp_path: Path, node: NodeProcess) -> None:
    """The registration waits for the node, which comes back with everything that it acknowledged."""
    table, journal = tmp_path / "parts.csv", tmp_path / "parts.csv.journal"
    table.write_text("part_no,URL\n" + "".join(f"Q-{at:05},x\n" for at in range(ROWS)))
    process = start(tmp_path)
    wait_for(journal, 12, process)
    node.kill()
    node.start()
    _, said = process.communicate(timeout=2 * WAIT_S)

    assert process.returncode == 0, said
    async with Client(node.url, tmp_path / "net" / "trust" / "lab.policy") as client:
        usage = await client.usage("hdl:lab.1")
    assert usage["used"]["objects"] == ROWS
