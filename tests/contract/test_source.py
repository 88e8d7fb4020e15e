"""What every source promises: at least once, in order, acknowledged only when told to.

The same checks run against the memory twin and against aiomqtt with a real Mosquitto behind a proxy
that cuts connections. What only MQTT can do wrong is checked below them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiomqtt
import pytest

from edge_agent.adapters.source import Message, Source
from edge_agent.adapters.source_memory import MemorySource
from edge_agent.adapters.source_mqtt import MqttBroker, MqttSource
from edge_agent.adapters.system import Chance, SystemClock
from edge_agent.core.gap import GapReason
from edge_agent.errors import SourceError
from tests.conftest import Mosquitto

pytestmark = [pytest.mark.integration, pytest.mark.slow]
QUEUE_MAX = 12  # less than the window of 20 that Mosquitto keeps open
WAIT_S = 5.0
QUIET_S = 0.3


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in the source's own task."""
    async with asyncio.timeout(3 * WAIT_S):
        while not condition():  # noqa: ASYNC110 -- the source has no event for it
            await asyncio.sleep(0.01)


class Proxy:
    """A loopback TCP proxy whose connections can be cut."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()

    async def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other_writer = await asyncio.open_connection(
                "127.0.0.1", self._target_port
            )
        except OSError:
            writer.close()
            return
        self._writers |= {writer, other_writer}
        await asyncio.gather(self._copy(reader, other_writer), self._copy(other_reader, writer))
        self._writers -= {writer, other_writer}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            return
        finally:
            writer.close()


class Peer(Protocol):
    """A source under test and the hands that a test has on its peer."""

    source: Source

    async def publish(self, payload: bytes, *, qos: int = 1, retain: bool = False) -> None: ...

    async def reconnect(self) -> None: ...

    async def forget_session(self) -> None: ...

    async def restart(self) -> None: ...

    @property
    def held(self) -> int: ...


class MemoryPeer:
    source: Source

    def __init__(self) -> None:
        self.memory = MemorySource(SystemClock(), queue_max=QUEUE_MAX)
        self.source = self.memory

    async def publish(self, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        self.memory.publish("t/a", payload)

    async def reconnect(self) -> None:
        self.memory.reconnect()

    async def forget_session(self) -> None:
        self.memory.reconnect(session_kept=False)

    async def restart(self) -> None:
        await self.memory.close()
        self.memory.reconnect()

    @property
    def held(self) -> int:
        return self.memory.held


class MqttPeer:
    source: Source

    def __init__(self, proxy: Proxy, mosquitto: Mosquitto, tasks: asyncio.TaskGroup) -> None:
        self._proxy = proxy
        self._mosquitto = mosquitto
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None
        self.mqtt = self.make(session_expected=False)
        self.source = self.mqtt

    def make(self, *, session_expected: bool) -> MqttSource:
        broker = MqttBroker(
            host="127.0.0.1", port=self._proxy.port, client_id="contract", filters=("t/#",)
        )
        self.mqtt = MqttSource(
            broker,
            clock=SystemClock(),
            chance=Chance(),
            queue_max=QUEUE_MAX,
            session_expected=session_expected,
        )
        self.source = self.mqtt
        return self.mqtt

    async def start(self) -> None:
        self._task = self._tasks.create_task(self.mqtt.run())
        async with asyncio.timeout(WAIT_S):
            await self.mqtt.connected.wait()

    async def stop(self) -> None:
        assert self._task is not None
        await self.mqtt.close()
        async with asyncio.timeout(WAIT_S):
            await self._task

    async def publish(self, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        async with aiomqtt.Client("127.0.0.1", self._mosquitto.port) as client:
            await client.publish("t/a", payload, qos=qos, retain=retain)

    async def reconnect(self) -> None:
        before = self.mqtt.counters["reconnects"]
        await self._proxy.cut()
        await until(lambda: self.mqtt.counters["reconnects"] > before)
        await until(self.mqtt.connected.is_set)

    async def forget_session(self) -> None:
        await self.stop()
        async with aiomqtt.Client(
            "127.0.0.1", self._mosquitto.port, identifier="contract", clean_session=True
        ):
            pass
        self.make(session_expected=True)
        await self.start()

    async def restart(self) -> None:
        await self.stop()
        self.make(session_expected=True)
        await self.start()

    @property
    def held(self) -> int:
        return len(self.mqtt._queue)


@asynccontextmanager
async def memory_peer() -> AsyncIterator[Peer]:
    peer = MemoryPeer()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(peer.memory.run())
        await peer.memory.connected.wait()
        yield peer
        await peer.memory.close()


@asynccontextmanager
async def mqtt_peer(mosquitto: Mosquitto) -> AsyncIterator[MqttPeer]:
    proxy = Proxy(mosquitto.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with asyncio.TaskGroup() as tasks:
        peer = MqttPeer(proxy, mosquitto, tasks)
        await peer.start()
        yield peer
        await peer.stop()
    server.close()
    await proxy.cut()


@pytest.fixture(params=["memory", "mqtt"])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    """Each implementation, connected."""
    if request.param == "memory":
        async with memory_peer() as memory:
            yield memory
    else:
        async with mqtt_peer(request.getfixturevalue("mosquitto")) as mqtt:
            yield mqtt


@pytest.fixture
async def broker_peer(mosquitto: Mosquitto) -> AsyncIterator[MqttPeer]:
    """The MQTT implementation alone."""
    async with mqtt_peer(mosquitto) as mqtt:
        yield mqtt


async def read(source: Source, count: int, *, wait_s: float = WAIT_S) -> list[Message]:
    """Read until there are `count` messages, or nothing more comes."""
    found: list[Message] = []
    while len(found) < count:
        more = await source.read(count_max=count - len(found), wait_s_max=wait_s)
        if not more:
            break
        found += more
    return found


def payloads(messages: list[Message]) -> list[bytes]:
    return [message.payload for message in messages]


async def test_messages_arrive_in_order_with_growing_tickets(peer: Peer) -> None:
    """Order of arrival is kept, and tickets grow by one."""
    for number in range(5):
        await peer.publish(b"%d" % number)
    found = await read(peer.source, 5)
    assert payloads(found) == [b"0", b"1", b"2", b"3", b"4"]
    assert [one.ticket - found[0].ticket for one in found] == [0, 1, 2, 3, 4]
    assert {one.channel for one in found} == {"t/a"}


async def test_unacknowledged_comes_back_and_acknowledged_does_not(peer: Peer) -> None:
    """After a lost connection the peer sends what we have not said to be safe, in order."""
    for number in range(5):
        await peer.publish(b"%d" % number)
    found = await read(peer.source, 5)
    peer.source.acknowledge(through=found[1].ticket)
    await asyncio.sleep(QUIET_S)
    await peer.reconnect()
    again = await read(peer.source, 3)
    assert payloads(again) == [b"2", b"3", b"4"]
    assert [one.redelivered for one in again] == [True, True, True]
    assert [one.delivery for one in again] == [one.delivery for one in found[2:]]
    assert await peer.source.read(count_max=1, wait_s_max=QUIET_S) == []


async def test_acknowledgements_of_an_earlier_connection_count_for_nothing(peer: Peer) -> None:
    """A ticket of the old connection does not confirm the message of the new one."""
    await peer.publish(b"a")
    (old,) = await read(peer.source, 1)
    await peer.reconnect()
    (again,) = await read(peer.source, 1)
    peer.source.acknowledge(through=old.ticket)
    await asyncio.sleep(QUIET_S)
    await peer.reconnect()
    (third,) = await read(peer.source, 1)
    assert [again.payload, third.payload] == [b"a", b"a"]
    assert old.ticket < again.ticket < third.ticket


async def test_the_last_acknowledgement_leaves_before_we_do(peer: Peer) -> None:
    """An orderly end right after an acknowledgement repeats nothing."""
    await peer.publish(b"a")
    (found,) = await read(peer.source, 1)
    peer.source.acknowledge(through=found.ticket)
    if isinstance(peer, MqttPeer):
        await peer.restart()
        assert await peer.source.read(count_max=1, wait_s_max=QUIET_S) == []
    else:
        assert isinstance(peer, MemoryPeer)
        assert peer.memory.stored == 0


async def test_paused_with_ten_times_the_bound_waiting_memory_is_flat(peer: Peer) -> None:
    """While paused, no more than the bound is held; after `resume` everything arrives in order."""
    peer.source.pause()
    for number in range(10 * QUEUE_MAX):
        await peer.publish(b"%d" % number)
    assert peer.held <= QUEUE_MAX
    peer.source.resume()
    seen: list[bytes] = []
    while len(seen) < 10 * QUEUE_MAX:
        messages = await read(peer.source, 7)
        assert messages, f"nothing more after {len(seen)}"
        assert peer.held <= QUEUE_MAX
        seen += [one.payload for one in messages if one.payload not in seen]
        peer.source.acknowledge(through=messages[-1].ticket)
    assert seen == [b"%d" % number for number in range(10 * QUEUE_MAX)]


async def test_a_lost_session_is_reported_once(peer: Peer) -> None:
    """The peer has forgotten us: a loss of unknown number."""
    assert dict(peer.source.take_losses()) == {}
    await peer.forget_session()
    assert dict(peer.source.take_losses()) == {GapReason.SESSION_LOST: 0}
    assert dict(peer.source.take_losses()) == {}


async def test_cancelling_a_read_loses_nothing(peer: Peer) -> None:
    """A message that comes while a read is cancelled is returned by the next one."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await peer.source.read(count_max=1, wait_s_max=WAIT_S)
    await peer.publish(b"a")
    assert payloads(await read(peer.source, 1)) == [b"a"]


async def test_a_read_without_messages_ends_in_time(peer: Peer) -> None:
    """Waiting is bounded."""
    assert await peer.source.read(count_max=1, wait_s_max=0.01) == []
    assert await peer.source.read(count_max=1, wait_s_max=0) == []


# ---------------------------------------------------------------- MQTT alone


async def test_the_private_names_that_the_source_needs_exist() -> None:
    """A new aiomqtt without them fails here, not in a plant."""
    client: Any = aiomqtt.Client("127.0.0.1")
    for name in ("manual_ack_set", "ack", "loop_read", "socket", "on_connect", "on_message"):
        assert hasattr(client._client, name), name
    assert isinstance(client._disconnected, asyncio.Future)


async def test_a_retained_message_is_no_fresh_reading(mosquitto: Mosquitto) -> None:
    """It is counted and acknowledged, and the live message after it arrives."""
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.publish("t/a", b"old", qos=1, retain=True)
    async with mqtt_peer(mosquitto) as peer:
        await peer.publish(b"live")
        (found,) = await read(peer.source, 1)
        peer.source.acknowledge(through=found.ticket)
        assert (found.payload, peer.mqtt.counters["retained"]) == (b"live", 1)
        assert not peer.mqtt._open_tickets


async def test_messages_stored_while_we_were_away_arrive(broker_peer: MqttPeer) -> None:
    """The session is kept by the broker over a restart of the agent."""
    await broker_peer.stop()
    await broker_peer.publish(b"meanwhile")
    broker_peer.make(session_expected=True)
    await broker_peer.start()
    (found,) = await read(broker_peer.source, 1)
    assert (found.payload, found.redelivered) == (b"meanwhile", False)
    assert dict(broker_peer.source.take_losses()) == {}


async def test_qos_0_that_finds_no_room_is_counted_as_lost(broker_peer: MqttPeer) -> None:
    """Nobody will send it again, so its loss is known here or nowhere."""
    message = _Delivery(b"x", qos=0)
    for _ in range(QUEUE_MAX + 3):
        broker_peer.mqtt._take(message, broker_peer.mqtt._generation)
    assert dict(broker_peer.source.take_losses()) == {GapReason.QOS0_DROP: 3}
    found = await read(broker_peer.source, QUEUE_MAX)
    assert {one.repeatable for one in found} == {False}


async def test_overflow_leaves_the_rest_with_the_broker(broker_peer: MqttPeer) -> None:
    """A burst that does not fit is drained, acknowledged, and the rest comes over a new connection."""
    connects = broker_peer.mqtt._generation
    broker_peer.mqtt._wire = None  # the socket cannot be held: only the bound of the queue is left
    async with aiomqtt.Client("127.0.0.1", broker_peer._mosquitto.port) as client:
        for number in range(3 * QUEUE_MAX):
            await client.publish("t/a", b"%d" % number, qos=1)
    seen: list[bytes] = []
    while len(seen) < 3 * QUEUE_MAX:
        messages = await read(broker_peer.source, QUEUE_MAX)
        assert messages, f"nothing more after {len(seen)}"
        seen += [one.payload for one in messages if one.payload not in seen]
        broker_peer.source.acknowledge(through=messages[-1].ticket)
    assert seen == [b"%d" % number for number in range(3 * QUEUE_MAX)]
    assert broker_peer.mqtt._generation > connects


async def test_a_broker_that_restarts_is_found_again(broker_peer: MqttPeer) -> None:
    """Reconnecting needs no person."""
    broker_peer._mosquitto.stop()
    broker_peer._mosquitto.start()
    await until(lambda: broker_peer.mqtt.counters["reconnects"] > 0)
    await until(broker_peer.mqtt.connected.is_set)
    await broker_peer.publish(b"after")
    assert payloads(await read(broker_peer.source, 1)) == [b"after"]


class _Delivery:
    """What paho hands to `on_message`."""

    def __init__(self, payload: bytes, *, qos: int, topic: bytes = b"t/a") -> None:
        self.payload = payload
        self.qos = qos
        self.retain = False
        self.dup = False
        self.mid = 1
        self._topic = topic

    @property
    def topic(self) -> str:
        return self._topic.decode()


async def test_a_topic_that_is_no_text_is_still_handed_out(broker_peer: MqttPeer) -> None:
    """It becomes a dead letter later; it must not stop the stream behind it."""
    broker_peer.mqtt._take(_Delivery(b"x", qos=0, topic=b"\xff"), broker_peer.mqtt._generation)
    (found,) = await read(broker_peer.source, 1)
    assert found.channel == "(topic is no UTF-8)"


# ---------------------------------------------------------------- a peer that is no broker

CONNACK = b"\x20\x02\x00\x00"


@asynccontextmanager
async def hostile(
    answer: Callable[[bytes], bytes | None], *, end_after: bytes | None = None
) -> AsyncIterator[tuple[MqttSource, list[int]]]:
    """A server that answers each chunk with whatever a test says; None ends the connection."""
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while data := await reader.read(65_536):
            reply = answer(data)
            if reply is None:
                break
            writer.write(reply)
            if end_after is not None and reply.endswith(end_after):
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    broker = MqttBroker(host="127.0.0.1", port=port, client_id="c", filters=("t/#",))
    yield MqttSource(broker, clock=SystemClock(), chance=Chance()), connections
    server.close()


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 64, b"\x30\x05\x00\x01", b"\x30\xff\xff\xff\xff\xff", b"\x36\x05\x00\x01ab1"],
    ids=["reserved", "cut-off", "length", "qos-3"],
)
async def test_any_bytes_from_the_peer_end_in_a_reconnect(garbage: bytes) -> None:
    """A peer that speaks no MQTT is left and tried again; nothing is raised."""

    def answer(data: bytes) -> bytes | None:
        if data[0] == 0x10:
            return CONNACK
        if data[0] == 0x82:
            return bytes((0x90, 3, data[2], data[3], 1)) + garbage
        return None

    async with hostile(answer, end_after=garbage) as (source, connections):
        task = asyncio.create_task(source.run())
        await until(lambda: len(connections) >= 2 or task.done())
        assert not task.done()
        await source.close()
        task.cancel()
        await asyncio.wait({task})


async def test_a_refused_subscription_is_a_fault_of_the_configuration() -> None:
    """Trying again cannot help, so it is raised."""

    def answer(data: bytes) -> bytes | None:
        if data[0] == 0x10:
            return CONNACK
        if data[0] == 0x82:
            return bytes((0x90, 3, data[2], data[3], 0x80))
        return None

    async with hostile(answer) as (source, _):
        with pytest.raises(SourceError, match="refuses the subscription 't/#'"):
            async with asyncio.timeout(WAIT_S):
                await source.run()
