"""A stream of readings at full speed: MQTT QoS 1 through Mosquitto, anchored and archived (`make bench`).

Node and agent are the processes that a plant runs. The raw limit is the same messages through the same
broker to a bare aiomqtt subscriber that only counts them.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from simulations.load import Prebuilt, numbered, run_load
from tests.bench.children import peak_rss_mib
from tests.bench.figures import Figure
from tests.conftest import Mosquitto
from tests.faults.kill_plant import CHANNELS, MACHINES, Plant

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

READINGS = 100_000
ANCHORED_S_MAX = 120.0


def messages(start_us: int) -> Iterator[Prebuilt]:
    """Yield numbered readings in the plant's topics."""
    return numbered(machines=MACHINES, channels=CHANNELS, count=READINGS, start_us=start_us)


def test_stream(mosquitto: Mosquitto, tmp_path: Path, figures: list[Figure]) -> None:
    """(c) From the first message to the last reading anchored; (e) what the agent took for it."""
    raw_s = asyncio.run(_counted_s(mosquitto.port))
    plant = Plant(tmp_path, mosquitto.port)
    plant.prepare()
    try:
        began = time.perf_counter()
        report = asyncio.run(
            run_load(messages(time.time_ns() // 1000), host="127.0.0.1", port=mosquitto.port)
        )
        assert report.acknowledged == READINGS
        status = plant.status()
        until = time.monotonic() + ANCHORED_S_MAX
        while status.readings_anchored < READINGS and time.monotonic() < until:
            time.sleep(0.05)
            status = plant.status()
        seconds = time.perf_counter() - began
        assert status.readings_anchored == READINGS
        rss = peak_rss_mib(status.pid)
    finally:
        plant.end()
    figures.append(
        Figure(
            name=f"c  MQTT QoS 1 → anchored, {READINGS:,} readings",
            value=READINGS / seconds,
            unit="/s",
            raw=READINGS / raw_s,
            limit="bare aiomqtt subscriber, same broker",
            target="≥ 8,000 /s",
        )
    )
    figures.append(Figure(name="e  agent, peak RSS", value=rss, unit="MiB", target="< 100 MB"))


async def _counted_s(port: int) -> float:
    """Return how long a bare subscriber takes to receive the same messages."""
    async with aiomqtt.Client("127.0.0.1", port, identifier="raw") as client:
        await client.subscribe("plant/#", qos=1)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            load = run_load(messages(0), host="127.0.0.1", port=port, client_id="raw-load")
            tasks.create_task(load)
            count = 0
            async for _ in client.messages:
                count += 1
                if count == READINGS:
                    break
        return time.perf_counter() - began
