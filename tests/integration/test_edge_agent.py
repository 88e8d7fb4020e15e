"""The gateway agent on real parts: Mosquitto, RocksDB on disk, HTTP over a socket, SIGKILL.

The node is the memory node behind a real socket: it judges every anchor and body with `ledger.core`.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import pytest

from edge_agent.adapters.status_file import Status, read_status
from edge_agent.adapters.uplink_memory import MemoryNode
from edge_agent.agent import run
from edge_agent.errors import SpoolError, StatusError
from edge_agent.settings import load_settings
from ledger.core import keys
from ledger.core.reading import decode_reading
from simulations.load import prebuild, run_load
from tests.conftest import Mosquitto
from tests.integration.edge_http_node import HttpMemoryNode

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(120)]

CHECKOUT = Path(__file__).resolve().parents[2]
KEY = keys.private_from_seed("Ed25519", b"\1" * 32)
WAIT_S = 60.0
KILLS = 8
RSS_KIB_MAX = 100 * 1024
CONFIG = """
network = "lab.example"
data_dir = "data"
drain_s = 10
[stream]
identifier = "lab.1/gw-1"
[key]
file = "agent.pem"
[node]
urls = ["{url}"]
[broker]
port = {port}
[batch]
period_s = {period_s}
readings_max = {readings_max}
[[mapping]]
filter = "plant/{{machine}}/{{prop}}"
identifier = "lab.1/{{machine}}"
time = "/ts"
reading = {{ name = "{{prop}}", value = "/v", type = "int" }}
"""
AGENT = """
import asyncio, sys
from pathlib import Path
from edge_agent.agent import run_until_signal
from edge_agent.settings import load_settings

asyncio.run(run_until_signal(load_settings(Path(sys.argv[1]))))
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@dataclass
class Lab:
    """One gateway's surroundings."""

    folder: Path
    mosquitto: Mosquitto
    server: HttpMemoryNode

    @property
    def node(self) -> MemoryNode:
        return self.server.node

    def configure(self, *, period_s: float = 0.2, readings_max: int = 100) -> Path:
        path = self.folder / "agent.toml"
        path.write_text(
            CONFIG.format(
                url=self.server.url,
                port=self.mosquitto.port,
                period_s=period_s,
                readings_max=readings_max,
            )
        )
        return path

    def values(self) -> list[int]:
        """Every anchored value whose body has arrived."""
        return [int(str(decode_reading(one).value)) for one in self.node.readings]

    async def publish(self, first: int, last: int, *, pause_s: float = 0.0) -> None:
        """Publish numbered values at QoS 1; each is acknowledged by the broker."""
        async with aiomqtt.Client("127.0.0.1", self.mosquitto.port) as client:
            for number in range(first, last):
                payload = json.dumps({"v": number, "ts": 1_800_000_000_000 + number})
                await client.publish(f"plant/pump-{number % 5}/t", payload, qos=1)
                if pause_s:
                    await asyncio.sleep(pause_s)

    async def connected(self) -> None:
        """Wait until the agent has subscribed: what is published before has no session yet."""
        async with asyncio.timeout(WAIT_S):
            while not (await self.status()).source_connected:  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.02)

    async def status(self) -> Status:
        def read() -> Status:
            try:
                return read_status(self.folder / "data")
            except StatusError:
                return Status()

        return await asyncio.to_thread(read)


@pytest.fixture
async def lab(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Lab]:
    """A broker, a node, a key."""
    key = tmp_path / "agent.pem"
    key.write_text(KEY.to_pem(None))
    key.chmod(0o600)
    node = MemoryNode(
        network="lab.example", prefix="hdl:lab.1", stream="hdl:lab.1/gw-1", keys=[KEY.public]
    )
    async with HttpMemoryNode(node) as server:
        yield Lab(tmp_path, mosquitto, server)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in other processes."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 -- other processes set no event
            await asyncio.sleep(0.02)


class Process:
    """The agent in a process of its own."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "Process":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            AGENT,
            str(self._config),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )

    async def end(self, number: signal.Signals) -> bytes:
        """Send a signal and return what the process printed."""
        assert self._process is not None
        assert self._process.returncode is None, "the agent ended by itself"
        self._process.send_signal(number)
        out, _ = await self._process.communicate()
        code = await self._process.wait()
        assert code == (0 if number == signal.SIGTERM else -number)
        return out


async def test_from_broker_to_ledger_in_one_process(lab: Lab) -> None:
    """Everything published is anchored and archived once, and the end is orderly."""
    config = await asyncio.to_thread(lab.configure, period_s=60.0, readings_max=50)
    settings = await asyncio.to_thread(load_settings, config)
    stop, ready = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(settings, stop=stop, ready=ready))
        await ready.wait()
        await lab.publish(0, 175)
        await until(lambda: len(lab.node.bodies) >= 3)
        while (await lab.status()).readings_accepted < 175:  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.02)
        stop.set()
    assert sorted(lab.values()) == list(range(175))
    status = await lab.status()
    assert (status.state, status.readings_anchored, status.backlog) == ("ended", 175, 0)
    assert (status.spool_bytes, status.lost) == (0, {})


async def test_a_second_agent_in_the_same_directory_is_refused(lab: Lab) -> None:
    """The lock of the spool holds; the first agent goes on."""
    config = await asyncio.to_thread(lab.configure)
    settings = await asyncio.to_thread(load_settings, config)
    stop, ready = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(settings, stop=stop, ready=ready))
        await ready.wait()
        with pytest.raises(SpoolError, match="another process holds"):
            await run(settings, stop=asyncio.Event())
        await lab.publish(0, 5)
        await until(lambda: len(lab.values()) == 5)
        stop.set()


async def test_kill_9_again_and_again_loses_and_doubles_nothing(lab: Lab) -> None:
    """A stream runs on while the agent is killed; every number arrives exactly once."""
    config = await asyncio.to_thread(lab.configure)
    async with Process(config) as agent:
        total = 3_000
        async with asyncio.TaskGroup() as group:
            await lab.connected()
            publisher = group.create_task(lab.publish(0, total, pause_s=0.002))
            for number in range(KILLS):
                await asyncio.sleep(0.4 + 0.13 * number)
                await agent.end(signal.SIGKILL)
                await agent.start()
            await publisher
            await until(lambda: len(set(lab.values())) == total)
        await agent.end(signal.SIGTERM)
        assert sorted(lab.values()) == list(range(total))
        assert sum(entry.anchor.count for entry in lab.node.logged) == total
        assert [entry.anchor.lost for entry in lab.node.logged if entry.anchor.lost] == []


async def test_a_node_that_is_away_is_waited_for(lab: Lab) -> None:
    """Connections are cut and refused; afterwards every batch is there once, in order."""
    config = await asyncio.to_thread(lab.configure)
    async with Process(config) as agent:
        await lab.connected()
        await lab.publish(0, 100)
        await until(lambda: len(lab.values()) == 100)
        port, node = lab.server.port, lab.node
        await lab.server.__aexit__()
        await lab.publish(100, 400)
        await asyncio.sleep(1.0)
        async with HttpMemoryNode(node, port=port) as again:
            again.cut_next = 1
            lab.server = again
            await until(lambda: len(lab.values()) == 400)
            await agent.end(signal.SIGTERM)
        assert sorted(lab.values()) == list(range(400))


async def test_a_broker_that_restarts_loses_nothing(lab: Lab) -> None:
    """The broker keeps our session on disk; what was not acknowledged comes again."""
    config = await asyncio.to_thread(lab.configure)
    async with Process(config) as agent:
        await lab.connected()
        await lab.publish(0, 200)
        await until(lambda: len(lab.values()) == 200)
        await asyncio.to_thread(lab.mosquitto.stop)
        await asyncio.to_thread(lab.mosquitto.start)
        await lab.publish(200, 300)
        await until(lambda: len(lab.values()) == 300)
        await agent.end(signal.SIGTERM)
        assert sorted(lab.values()) == list(range(300))
        assert (await lab.status()).counters["source_reconnects"] >= 1


async def test_hostile_payloads_do_not_stop_the_stream(lab: Lab) -> None:
    """Each is kept or counted with its reason, and the good readings between them arrive."""
    config = await asyncio.to_thread(lab.configure)
    async with Process(config) as agent:
        hostile = [b"", b"\x00" * 1000, b"[" * 50_000, b'{"v":1e999,"ts":1}', b'{"v":"1","ts":1}']
        async with aiomqtt.Client("127.0.0.1", lab.mosquitto.port) as client:
            await client.publish("plant/pump/t", b'{"v":-1,"ts":1}', qos=1, retain=True)
            await lab.connected()
            for number, payload in enumerate(hostile):
                await client.publish("plant/pump/t", payload, qos=1)
                await lab.publish(number, number + 1)
        await until(lambda: len(lab.values()) == len(hostile))
        await agent.end(signal.SIGTERM)
        status = await lab.status()
        dead = Counter(
            {name: number for name, number in status.counters.items() if name.startswith("dead_")}
        )
        assert dead == {"dead_bad-payload": 4, "dead_bad-type": 1}
        assert status.counters["source_retained"] == 1
        assert (status.dead_letters, status.lost) == (5, {"decode-error": 5})
        assert sum(dict(entry.anchor.lost).get(8, 0) for entry in lab.node.logged) == 5
        assert sorted(lab.values()) == list(range(len(hostile)))


async def test_memory_stays_within_its_bound_under_load(lab: Lab) -> None:
    """Twenty thousand readings as fast as one publisher sends; the process stays below 100 MB."""
    config = await asyncio.to_thread(lab.configure, period_s=1.0, readings_max=10_000)
    async with Process(config) as agent:
        await lab.connected()
        total = 20_000
        messages = [
            prebuild("plant/pump/t", json.dumps({"v": n, "ts": 1_800_000_000_000 + n}).encode())
            for n in range(total)
        ]
        began = time.monotonic()
        report = await run_load(messages, host="127.0.0.1", port=lab.mosquitto.port)
        assert report.acknowledged == total
        await until(lambda: sum(entry.anchor.count for entry in lab.node.logged) == total)
        print(f"{total / (time.monotonic() - began):,.0f} readings/s")
        out = await agent.end(signal.SIGTERM)
        assert int(out.split()[-1]) < RSS_KIB_MAX
        assert sorted(lab.values()) == list(range(total))
