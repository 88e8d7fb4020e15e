"""The plant, the load generator and the embedded broker on real sockets, against two real brokers."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import aiomqtt
import pytest

from simulations.broker import EmbeddedBroker
from simulations.errors import BrokerError, PlantError
from simulations.load import numbered, plant_messages, prebuild, run_load
from simulations.machines import SyntheticPlant
from simulations.plant import PlantReport, run_plant
from simulations.replay import Replay, bundled, load
from simulations.world import World

pytestmark = pytest.mark.integration

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]


class Restartable(Protocol):
    """What these tests ask of the `mosquitto` fixture."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


@pytest.fixture
def small() -> Replay:
    """The bundled plant, opened outside the event loop."""
    return bundled()


@pytest.fixture
def small_readings(small: Replay) -> dict[tuple[str, int], float]:
    """Every reading of the bundled plant by topic and time."""
    return {
        (f"plant/{row.machine}/{channel}", row.us): value
        for row in small.rows(lambda _: None)
        for channel, value in row.values.items()
    }


@pytest.fixture
def nab(shared_data: Path) -> Replay:
    """The real recordings of NAB."""
    return load(shared_data / "nab")


@pytest.fixture(params=["mosquitto", "embedded"])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """The port of a real broker, of each kind in turn."""
    if request.param == "mosquitto":
        yield request.getfixturevalue("mosquitto_port")
        return
    async with EmbeddedBroker() as broker:
        yield broker.port


@asynccontextmanager
async def subscriber(port: int) -> AsyncIterator[Callable[[int], Awaitable[list[aiomqtt.Message]]]]:
    """A QoS 1 subscriber of the whole plant; what it yields waits for a number of messages.

    A mark published last, through the broker, shows that nothing more comes.
    """
    async with aiomqtt.Client(HOST, port) as client:
        await client.subscribe("plant/#", qos=1)

        async def take(count: int) -> list[aiomqtt.Message]:
            got: list[aiomqtt.Message] = []
            async for message in client.messages:
                if message.topic.value == "plant/mark":
                    break
                got.append(message)
                if len(got) == count:
                    await client.publish("plant/mark", b"", qos=1)
            return got

        yield take


@pytest.mark.slow
async def test_every_reading_of_a_replay_arrives_once(
    port: int, small: Replay, small_readings: dict[tuple[str, int], float]
) -> None:
    """What the source holds, the broker acknowledges and a QoS 1 subscriber gets, in order per topic."""
    progress: list[PlantReport] = []
    sent = dict(small_readings)
    async with subscriber(port) as take:
        report = await run_plant(
            small,
            host=HOST,
            port=port,
            speed=0,
            stop=asyncio.Event(),
            on_progress=progress.append,
        )
        messages = await take(len(sent))

    assert {report.readings, report.published, report.acknowledged} == {len(sent)}
    assert (report.rows, report.bad_rows, report.reconnects) == (855, 0, 0)
    assert progress[-1] == report
    assert len(messages) == len(sent)
    next_of: Counter[str] = Counter()
    for message in messages:
        payload = json.loads(message.payload)
        assert payload["v"] == sent.pop((message.topic.value, payload["ts"]))
        assert payload["n"] == next_of[message.topic.value]
        next_of[message.topic.value] += 1
    assert sent == {}


@pytest.mark.slow
async def test_every_message_of_a_load_arrives_once(port: int) -> None:
    """The prebuilt packets are what a broker accepts and hands on."""
    done: list[int] = []
    async with subscriber(port) as take:
        report = await run_load(
            numbered(machines=3, channels=3, count=5_000, start_us=0),
            host=HOST,
            port=port,
            on_acknowledged=done.append,
        )
        messages = await take(5_000)

    assert (report.sent, report.acknowledged, report.unacknowledged) == (5_000, 5_000, ())
    assert report.lost is None
    assert sorted(done) == list(range(5_000))
    values = [json.loads(m.payload)["v"] for m in messages]
    assert sorted(values) == list(range(5_000))


@pytest.mark.slow
async def test_a_load_of_a_plant_is_the_plant(port: int, small: Replay) -> None:
    """The fast path sends the same messages as the plant does."""
    async with subscriber(port) as take:
        report = await run_load(
            plant_messages(small, lambda _: None, first_sequence=7), host=HOST, port=port
        )
        fast = await take(report.sent)
    async with subscriber(port) as take:
        await run_plant(
            small, host=HOST, port=port, speed=0, stop=asyncio.Event(), first_sequence=7
        )
        slow = await take(report.sent)

    assert Counter((m.topic.value, m.payload) for m in fast) == Counter(
        (m.topic.value, m.payload) for m in slow
    )


@pytest.mark.slow
async def test_real_recording_through_a_broker(port: int, nab: Replay) -> None:
    """All 29,962 readings of NAB arrive, the 12 doubled stamps included."""
    async with subscriber(port) as take:
        report = await run_load(plant_messages(nab, lambda _: None), host=HOST, port=port)
        messages = await take(29_962)

    assert report.acknowledged == 29_962
    assert len({(m.topic.value, m.payload) for m in messages}) == 29_962


@pytest.mark.slow
async def test_a_broker_that_restarts_loses_nothing_acknowledged(
    mosquitto: Restartable, mosquitto_port: int
) -> None:
    """After a lost connection the rest is sent again: every reading is acknowledged once, none is missing."""
    stop_broker = asyncio.Event()

    def watch(report: PlantReport) -> None:
        if report.acknowledged:
            stop_broker.set()

    source = SyntheticPlant(
        world=World(seed=3), counts=(("pump", 20),), start_us=0, period_s=0.1, rows_max=30
    )

    async def restart() -> None:
        await stop_broker.wait()
        await asyncio.to_thread(mosquitto.stop)
        await asyncio.to_thread(mosquitto.start)

    async with asyncio.TaskGroup() as group:
        group.create_task(restart())
        run = group.create_task(
            run_plant(
                source,
                host=HOST,
                port=mosquitto_port,
                speed=1.0,
                stop=asyncio.Event(),
                on_progress=watch,
            )
        )
    report = run.result()

    assert report.reconnects >= 1
    assert {report.readings, report.published, report.acknowledged} == {20 * 30 * 4}


async def test_stop_ends_an_endless_plant(port: int) -> None:
    """A stopped plant has every message it published acknowledged."""
    stop = asyncio.Event()
    source = SyntheticPlant(world=World(seed=3), counts=(("pump", 2),), start_us=0, period_s=0.01)
    async with subscriber(port) as take, asyncio.TaskGroup() as group:
        run = group.create_task(run_plant(source, host=HOST, port=port, speed=1.0, stop=stop))
        await take(50)
        stop.set()
    report = run.result()

    assert report.published == report.acknowledged >= 50


async def test_stop_ends_a_load(port: int) -> None:
    """A stopped load waits for what is out and says how far it came."""
    stop = asyncio.Event()
    report = await run_load(
        numbered(machines=1, channels=1, count=1_000_000, start_us=0),
        host=HOST,
        port=port,
        window=50,
        stop=stop,
        on_acknowledged=lambda position: stop.set() if position == 200 else None,
    )

    assert report.lost is None
    assert 200 < report.sent == report.acknowledged < 1_000_000


async def test_a_lost_connection_leaves_an_account(
    mosquitto: Restartable, mosquitto_port: int
) -> None:
    """When the broker goes, the load says which messages have no PUBACK."""
    gone = asyncio.Event()

    async def stop_broker() -> None:
        await gone.wait()
        await asyncio.to_thread(mosquitto.stop)

    done: set[int] = set()

    def note(position: int) -> None:
        done.add(position)
        gone.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(stop_broker())
        run = group.create_task(
            run_load(
                numbered(machines=1, channels=1, count=10_000_000, start_us=0),
                host=HOST,
                port=mosquitto_port,
                on_acknowledged=note,
            )
        )
    report = run.result()

    assert report.lost is not None
    assert set(range(report.sent)) == done | set(report.unacknowledged)
    assert report.acknowledged == len(done)


async def test_no_broker_is_our_error(small: Replay) -> None:
    """Plant and load say that nobody is there."""
    with socket.socket() as reserved:
        reserved.bind((HOST, 0))  # bound, not listening: connections are refused
        port = reserved.getsockname()[1]
        with pytest.raises(PlantError, match="cannot connect to an MQTT broker"):
            await run_plant(small, host=HOST, port=port, speed=0, stop=asyncio.Event())
        with pytest.raises(PlantError, match="cannot connect to an MQTT broker"):
            await run_load([prebuild("a", b"")], host=HOST, port=port)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00\x05"],
    ids=["eof", "http", "refused"],
)
async def test_something_that_is_no_broker_is_our_error(answer: bytes) -> None:
    """Whatever answers on that port, the load ends with its own error."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        with pytest.raises(PlantError, match="no MQTT broker"):
            await run_load([prebuild("a", b"")], host=HOST, port=server.sockets[0].getsockname()[1])


@pytest.mark.slow
async def test_the_embedded_broker_frees_its_port() -> None:
    """After `stop` the process is gone and the port can be used again, by a broker too."""
    first = EmbeddedBroker()
    await first.start()
    pid, port = first.pid, first.port
    assert pid is not None
    await first.stop()
    await first.stop()

    assert first.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    async with EmbeddedBroker(port=port) as second:
        assert second.port == port


async def test_a_port_in_use_is_our_error() -> None:
    """The refusal names the port, and no process stays behind."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        broker = EmbeddedBroker(port=port)
        with pytest.raises(BrokerError, match=f"{HOST}:{port}"):
            await broker.start()

    assert broker.pid is None


_PARENT = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from simulations.broker import EmbeddedBroker

async def main():
    broker = EmbeddedBroker()
    await broker.start()
    print(broker.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_the_embedded_broker_dies_with_its_parent() -> None:
    """A parent that is killed leaves no broker behind."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(ROOT), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    ended = asyncio.Event()
    handle = os.pidfd_open(child)  # it is there; readable once the process has ended
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
        async with asyncio.timeout(5):
            await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
