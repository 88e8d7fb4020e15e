"""Kill node and gateway agent with SIGKILL, again and again, during a stream; then count.

Everything is what a plant runs: `xinbiao init`, `xinbiao node run`, `xinbiao agent run`, Mosquitto. A
publisher sends numbered readings at a steady rate, QoS 1; the value of reading k is k. At random moments
(one seed) node or agent is killed and started again at once, with nobody at a terminal: keys are
encrypted, the passphrase comes from the credential file. At the end everything that the broker
acknowledged to the publisher must be at the node exactly once, and the anchors in the log must be one
unbroken chain.

As a program: `python -m tests.faults.kill_stream --kills 50` prints the counts; the exit code is 1 on any
loss or double. `tests/faults/test_kill_stream.py` runs it.
"""

import argparse
import asyncio
import base64
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from edge_agent.adapters.status_file import Status, read_status
from edge_agent.errors import StatusError
from ledger.core import operation, statement
from ledger.core.operation import Anchor
from simulations.load import LoadReport, numbered, run_load
from tests.conftest import CHECKOUT, Mosquitto, free_port
from xinbiao.client import Client

MACHINES, CHANNELS = 4, 5
NODE_START_S = AGENT_START_S = 30.0
SETTLE_S_MAX = 120.0
STREAM = "hdl:lab.1/gw-1"
PAGE = 1_000


@dataclass
class Outcome:
    """What one run found."""

    acknowledged: int
    kills: dict[str, int]
    at_node: Counter[int]
    anchors: list[tuple[Anchor, bytes]]
    proved: int
    seconds: float
    status: Status
    faults: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Fill in what is wrong."""
        expected = set(range(self.acknowledged))
        missing = expected - self.at_node.keys()
        doubled = {value: n for value, n in self.at_node.items() if n > 1}
        if missing:
            self.faults.append(f"{len(missing)} acknowledged readings are lost: {min(missing)} …")
        if doubled:
            self.faults.append(f"{len(doubled)} readings are doubled: {min(doubled)} …")
        previous: bytes | None = None
        for number, (anchor, digest) in enumerate(self.anchors):
            if (anchor.sequence, anchor.previous) != (number, previous):
                self.faults.append(f"anchor {number} does not follow the one before")
            previous = digest
        total = sum(anchor.count for anchor, _ in self.anchors)
        if total != self.at_node.total():
            self.faults.append(f"{total} readings are anchored, {self.at_node.total()} are served")

    def lines(self) -> Iterator[str]:
        """Yield the counts for people."""
        killed = ", ".join(f"{what} {count} times" for what, count in self.kills.items())
        yield f"killed            {killed} in {self.seconds:.0f} s"
        yield f"acknowledged      {self.acknowledged:,} readings by the broker"
        yield f"at the node       {len(self.at_node):,} once, {self.at_node.total():,} in all"
        yield f"anchors           {len(self.anchors)} in one chain"
        yield f"proved            {self.proved} random readings"
        yield f"repeats dropped   {self.status.counters.get('duplicates', 0):,} since the last start"
        yield from (f"FAULT             {fault}" for fault in self.faults)


class Plant:
    """A folder with a network, and the two processes that are killed."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.folder = folder
        self.net = folder / "net"
        self.http = free_port()
        self.broker_port = broker_port
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "xinbiao", "--dir", str(self.net), *words]

    def run(self, *words: str) -> None:
        """Run a command to its end."""
        subprocess.run(
            self._command(*words), cwd=CHECKOUT, check=True, capture_output=True, timeout=60
        )

    def start(self, what: str) -> None:
        """Start `node` or `agent`; the node answers when this returns."""
        with (self.folder / f"{what}.log").open("ab") as log:
            self.running[what] = subprocess.Popen(
                self._command(what, "run"),
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self, what: str) -> None:
        """End one with SIGKILL."""
        process = self.running.pop(what)
        process.kill()
        process.wait()

    def end(self) -> None:
        """End both, politely."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            process.wait(30)

    def prepare(self) -> None:
        """Make the network, register what publishes, and set the agent up."""
        self.run("init", "--port", str(self.http))
        names = [*(f"lab.1/m{number}" for number in range(MACHINES)), "lab.1/gw-1"]
        table = self.folder / "plant.csv"
        table.write_text("identifier\n" + "\n".join(names) + "\n")
        self.start("node")
        self.wait_for_node()
        self.run("register", str(table), "--yes")
        settings = self.net / "agent.toml"
        text = settings.read_text().replace("port = 1883", f"port = {self.broker_port}")
        settings.write_text(
            text.replace(
                "[[mapping]]", "[batch]\nreadings_max = 500\nperiod_s = 1\n\n[[mapping]]", 1
            )
        )
        self.start("agent")
        self.wait_for_agent()

    def wait_for_node(self) -> None:
        """Wait until the node is ready."""
        until = time.monotonic() + NODE_START_S
        while time.monotonic() < until:
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx2.HTTPError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "node.log").read_text())

    def wait_for_agent(self) -> None:
        """Wait until the agent is connected to the broker: what comes now is kept for it."""
        until = time.monotonic() + AGENT_START_S
        while time.monotonic() < until:
            if self.status().source_connected:
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "agent.log").read_text())

    def status(self) -> Status:
        """Return what the agent last wrote."""
        try:
            return read_status(self.net / "agent")
        except StatusError:
            return Status()

    def settle(self) -> Status:
        """Wait until the agent has passed on everything, and stays so."""
        until = time.monotonic() + SETTLE_S_MAX
        quiet_since, before = time.monotonic(), -1
        while time.monotonic() < until:
            status = self.status()
            moving = (
                status.readings_waiting
                or status.backlog
                or status.pushed != status.confirmed
                or status.readings_accepted != before
            )
            if moving:
                quiet_since, before = time.monotonic(), status.readings_accepted
            elif time.monotonic() - quiet_since > 5:
                return status
            time.sleep(0.2)
        raise AssertionError(f"the agent did not settle: {self.status()}")


def run(folder: Path, *, kills: int, rate: int, seconds: float, seed: int) -> Outcome:
    """Run the whole thing in an empty folder."""
    binary = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert binary is not None, "mosquitto is not installed (Debian package: mosquitto)"
    (folder / "mosquitto").mkdir()
    broker = Mosquitto(binary, folder / "mosquitto", free_port())
    broker.start()
    plant = Plant(folder, broker.port)
    try:
        plant.prepare()
        started = time.monotonic()
        report, counts = asyncio.run(_storm(plant, kills, rate, seconds, seed))
        assert report.lost is None, report.lost
        plant.wait_for_node()
        status = plant.settle()
        outcome = Outcome(
            acknowledged=report.acknowledged,
            kills=counts,
            at_node=asyncio.run(_readings(plant)),
            anchors=list(_anchors(plant)),
            proved=asyncio.run(_prove_some(plant, seed)),
            seconds=time.monotonic() - started,
            status=status,
        )
    finally:
        plant.end()
        broker.stop()
    outcome.judge()
    return outcome


async def _storm(
    plant: Plant, kills: int, rate: int, seconds: float, seed: int
) -> tuple[LoadReport, dict[str, int]]:
    """Publish and kill at the same time."""
    messages = numbered(
        machines=MACHINES,
        channels=CHANNELS,
        count=int(rate * seconds),
        start_us=time.time_ns() // 1000,
    )
    async with asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(
            run_load(messages, host="127.0.0.1", port=plant.broker_port, per_second=rate)
        )
        killing = tasks.create_task(_kill(plant, kills, seconds, random.Random(seed)))
    return publishing.result(), killing.result()


async def _kill(plant: Plant, kills: int, seconds: float, dice: random.Random) -> dict[str, int]:
    counts = {"node": 0, "agent": 0}
    mean = seconds / (kills + 1)
    for _ in range(kills):
        await asyncio.sleep(dice.uniform(0.4, 1.6) * mean)
        what = dice.choice(("node", "agent"))
        await asyncio.to_thread(plant.kill, what)
        await asyncio.to_thread(plant.start, what)
        counts[what] += 1
    return counts


async def _readings(plant: Plant) -> Counter[int]:
    """Return every value that the node serves, and how often."""
    found: Counter[int] = Counter()
    async with Client(plant.url, None) as client:
        for machine in range(MACHINES):
            cursor = None
            while True:
                page = await client.readings(f"lab.1/m{machine}", limit=PAGE, cursor=cursor)
                found.update(int(one["value"]) for one in page["readings"])
                cursor = page["cursor"]
                if cursor is None:
                    break
    return found


def _anchors(plant: Plant) -> Iterator[tuple[Anchor, bytes]]:
    """Yield the anchors of the log and the hash of each statement, in log order."""
    size = int(httpx2.get(f"{plant.url}/checkpoint").text.splitlines()[1])
    for index in range(size):
        entry: dict[str, Any] = httpx2.get(f"{plant.url}/entries/1.{index}").json()
        raw = base64.b64decode(entry["statement"])
        if raw[:1] != b"\xd2":
            continue
        parsed = statement.parse(raw)
        logged = operation.parse(parsed.payload)
        if isinstance(logged, Anchor):
            yield logged, parsed.hash


async def _prove_some(plant: Plant, seed: int) -> int:
    """Prove one random reading of each machine, verified by the client."""
    dice = random.Random(seed)
    trust = plant.net / "trust" / "lab.policy"
    async with Client(plant.url, trust) as client:
        for machine in range(MACHINES):
            page = await client.readings(f"lab.1/m{machine}", limit=PAGE)
            one = dice.choice(page["readings"])
            answer = await client.prove_reading(
                f"lab.1/m{machine}",
                stream=one["stream"],
                sequence=one["sequence"],
                leaf=one["leaf"],
            )
            proved = answer.verdict.reading
            assert proved is not None
            assert proved.value == one["value"]
    return MACHINES


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rate", type=int, default=1_000, help="readings per second")
    parser.add_argument("--seconds", type=float, default=125)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(
            Path(folder),
            kills=given.kills,
            rate=given.rate,
            seconds=given.seconds,
            seed=given.seed,
        )
    print(*outcome.lines(), sep="\n")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
