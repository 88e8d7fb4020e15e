"""Kill node and gateway agent with SIGKILL, again and again, during a stream; then count.

Everything is what a plant runs (`kill_plant`): Mosquitto, `xinbiao node run`, `xinbiao agent run`. A
publisher sends numbered readings at a steady rate, QoS 1; the value of reading k is k. At moments chosen by
one seed (any moment, just after a write to the log of either database, amid a start) node or agent is killed
and started again at once. Meanwhile somebody reads the node's checkpoints. At the end a stranger audits what
is there (`kill_audit`): everything that the broker acknowledged to the publisher is at the node exactly once,
on the disk and in its answers; the anchors are one unbroken chain; no checkpoint ever shown was taken back.

As a program: `python -m tests.faults.kill_stream --kills 50` prints the counts; the exit code is 1 on any
fault. `tests/faults/test_kill_stream.py` runs it.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from ledger.core.keys import PublicKey, public_from_pem
from ledger.core.policy import TrustFile
from simulations.load import LoadReport, numbered, run_load
from tests.conftest import Mosquitto, free_port
from tests.faults.kill_audit import (
    Log,
    judge_anchors,
    judge_archive,
    judge_counts,
    judge_log,
    read_log,
)
from tests.faults.kill_plant import CHANNELS, MACHINES, STREAM, Plant
from xinbiao.client import Client

PAGE = 1_000
LOOK_S = 0.1
INFLIGHT_MAX = 1_000  # messages that the broker sends again after a kill of the agent


@dataclass(kw_only=True)
class Outcome:
    """What one run found.

    Attributes:
        acknowledged: Readings that the broker acknowledged to the publisher: 0 to so many.
        kills: How often each process was killed.
        moments: How often at which moment.
        repeats: Messages that came again and were dropped, at least.
        served: How often the node serves each value.
        log: The node's log.
        checkpoints: How many different ones were seen during the kills.
        proved: Random readings that were disclosed and verified.
        seconds: Duration.
        faults: What is wrong; empty is what is wanted.
    """

    acknowledged: int
    kills: Counter[str]
    moments: Counter[str]
    repeats: int
    served: Counter[int]
    log: Log
    checkpoints: int
    proved: int
    seconds: float
    faults: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield the counts for people."""
        killed = ", ".join(f"{what} {count} times" for what, count in sorted(self.kills.items()))
        moments = ", ".join(f"{count} {what}" for what, count in sorted(self.moments.items()))
        yield f"killed            {killed} in {self.seconds:.0f} s"
        yield f"                  {moments}"
        yield f"acknowledged      {self.acknowledged:,} readings by the broker"
        yield f"at the node       {len(self.served):,} different, {self.served.total():,} in all"
        yield f"repeats dropped   {self.repeats:,} or more"
        yield f"statements        {self.log.statements} in {len(self.log.entries)} log entries"
        yield f"anchors           {len(self.log.anchors)} in one chain"
        yield f"checkpoints       {self.checkpoints} seen during the kills, each a head of the log"
        yield f"proved            {self.proved} random readings"
        yield from (f"FAULT             {fault}" for fault in self.faults)


def find_mosquitto() -> str | None:
    """Return where the broker is installed."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def run(folder: Path, *, kills: int, rate: int, seconds: float, seed: int) -> Outcome:
    """Run the whole thing in an empty folder.

    Args:
        folder: Gets the network, the broker's files, and what the processes say.
        kills: How many.
        rate: Readings per second.
        seconds: How long the stream is; the kills are spread over it.
        seed: Chooses whom, when, and which readings are disclosed.
    """
    binary = find_mosquitto()
    assert binary is not None, "mosquitto is not installed (Debian package: mosquitto)"
    (folder / "mosquitto").mkdir()
    options = (f"max_inflight_messages {INFLIGHT_MAX}",)
    broker = Mosquitto(binary, folder / "mosquitto", free_port(), options)
    broker.start()
    plant = Plant(folder, broker.port)
    try:
        plant.prepare()
        return _run(plant, broker.port, kills=kills, rate=rate, seconds=seconds, seed=seed)
    finally:
        plant.end()
        broker.stop()


def _run(
    plant: Plant, broker_port: int, *, kills: int, rate: int, seconds: float, seed: int
) -> Outcome:
    started = time.monotonic()
    dice = random.Random(seed)
    start_us = time.time_ns() // 1000
    messages = numbered(
        machines=MACHINES,
        channels=CHANNELS,
        count=int(rate * seconds),
        start_us=start_us,
        period_us=1_000_000 // rate,
    )
    storm = _Storm(plant, kills, seconds / (kills + 1), dice)
    load = run_load(messages, host="127.0.0.1", port=broker_port, per_second=rate)
    report = asyncio.run(storm.run(load))
    assert report.lost is None, report.lost
    plant.wait_for_node()
    status = plant.settle()
    trust = TrustFile.parse((plant.net / "trust" / "lab.policy").read_bytes())
    log = read_log(plant.url, trust)
    judge_log(log, storm.notes, trust)
    judge_anchors(log, STREAM, _agent_key(plant))
    served, faults = asyncio.run(_served(plant, start_us, 1_000_000 // rate))
    faults = log.faults + faults + judge_counts(served, report.acknowledged, "in the answers")
    proved = asyncio.run(_prove_some(plant, dice))
    if status.confirmed != len(log.anchors):
        faults.append(f"the agent counts {status.confirmed} anchors, the log {len(log.anchors)}")
    faults += [f"{what} ended with {code}" for what, code in plant.end().items() if code != 0]
    kept, damaged = judge_archive(plant.data, log.anchors)
    faults += damaged + judge_counts(kept, report.acknowledged, "on the disk")
    return Outcome(
        acknowledged=report.acknowledged,
        kills=plant.kills,
        moments=plant.moments,
        repeats=plant.repeats,
        served=served,
        log=log,
        checkpoints=len(storm.notes),
        proved=proved,
        seconds=time.monotonic() - started,
        faults=faults,
    )


def _agent_key(plant: Plant) -> PublicKey:
    return public_from_pem((plant.net / "keys" / "agent.pub.pem").read_bytes())


class _Storm:
    """Publishing, killing, and looking at checkpoints, at the same time."""

    def __init__(self, plant: Plant, kills: int, mean_s: float, dice: random.Random) -> None:
        self.notes: set[bytes] = set()
        self._plant = plant
        self._kills = kills
        self._mean_s = mean_s
        self._dice = dice

    async def run(self, load: Any) -> LoadReport:
        """Return what was published when everything is over."""
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look())
            publishing = tasks.create_task(load)
            await self._kill()
            report: LoadReport = await publishing
            looking.cancel()
        return report

    async def _kill(self) -> None:
        started = time.monotonic()
        while (done := self._plant.kills.total()) < self._kills:
            due = started + (done + self._dice.uniform(0.6, 1.4)) * self._mean_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            what = self._dice.choice(("node", "agent"))
            await asyncio.to_thread(self._plant.strike, what, self._dice)

    async def _look(self) -> None:
        """Read the checkpoint over and over; while the node is down there is none."""
        async with httpx2.AsyncClient(base_url=self._plant.url, timeout=2) as client:
            while True:
                try:
                    answer = await client.get("/checkpoint")
                    if answer.status_code == 200:
                        self.notes.add(answer.content)
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(LOOK_S)


async def _served(plant: Plant, start_us: int, period_us: int) -> tuple[Counter[int], list[str]]:
    """Return every value that the node serves and how often, and what is wrong with its time."""
    found: Counter[int] = Counter()
    faults = []
    async with Client(plant.url, None) as client:
        for machine in range(MACHINES):
            cursor = None
            while True:
                page = await client.readings(f"lab.1/m{machine}", limit=PAGE, cursor=cursor)
                for one in page["readings"]:
                    number = int(one["value"])
                    found[number] += 1
                    if one["us"] != start_us + number * period_us:
                        faults.append(f"reading {number} is served with another time")
                cursor = page["cursor"]
                if cursor is None:
                    break
    return found, faults


async def _prove_some(plant: Plant, dice: random.Random) -> int:
    """Disclose one random reading of each machine; the client verifies it."""
    async with Client(plant.url, plant.net / "trust" / "lab.policy") as client:
        for machine in range(MACHINES):
            name = f"lab.1/m{machine}"
            page = await client.readings(name, limit=PAGE)
            one = dice.choice(page["readings"])
            answer = await client.prove_reading(
                name, stream=one["stream"], sequence=one["sequence"], leaf=one["leaf"]
            )
            proved = answer.verdict.proved
            assert proved is not None, "a reading was asked"
            assert proved.attributed, "the gateway may speak for its plant"
            assert (proved.reading.value, proved.reading.us) == (one["value"], one["us"])
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
