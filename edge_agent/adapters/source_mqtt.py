"""MQTT in, through aiomqtt: QoS 1, acknowledged only when told to.

Theory of operation (MQTT 3.1.1): a fixed client identifier and `clean_session=False` make the broker
keep what we have not acknowledged, over reconnects and restarts. paho's manual acknowledgement sends
a PUBACK only on `acknowledge`, in order of arrival (MQTT-4.6.0-2), and never one of an earlier
connection. QoS 2 is not asked for: paho would confirm it before it is safe.

aiomqtt reads one packet per turn of the event loop, drops what does not fit its queue and has no DUP
flag. So once connected we read the socket ourselves, many packets a turn, and the paho client below
is given our own `on_message`; the private names used here (`_client`, `_disconnected`) are asserted
by a test. Our queue is bounded by count and bytes: well filled, or paused, the socket is not read and
TCP slows the broker down. Should it overflow all the same (messages that came before we held the
socket), everything further of this connection is left unacknowledged; what is queued is handed out
and acknowledged, then we reconnect, and the broker sends the rest again. QoS 0 messages that do not
fit are lost and counted.

A retained message at a new subscription is no fresh reading: acknowledged, counted, not handed out.
A broker that has forgotten our session (no *session present*) is reported as a loss of unknown number.
"""

import asyncio
import logging
import ssl
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt

from edge_agent.adapters.source import Message
from edge_agent.adapters.system import Chance, Clock
from edge_agent.core.gap import GapReason
from edge_agent.core.outbox import backoff_s
from edge_agent.errors import SourceError

QUEUE_MESSAGES_MAX: Final = 8_192
PACKETS_PER_TURN_MAX: Final = 256  # about 10 ms of reading between two looks at the event loop
QUEUE_BYTES_MAX: Final = 16 * 1024 * 1024
SUBSCRIPTION_REFUSED: Final = 0x80  # from here on, MQTT 3.1.1 section 3.9.3
DRAIN_LOOK_S: Final = 1.0  # how often a draining connection looks whether it was lost
NO_TOPIC: Final = "(topic is no UTF-8)"
CONNECT_TIMEOUT_S: Final = 10.0
_LOG: Final = logging.getLogger(__name__)
_CLIENT_LOG: Final = logging.getLogger("edge_agent.mqtt")


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttBroker:
    """Where and as whom to connect.

    Attributes:
        host: Name or address.
        port: TCP port.
        client_id: Fixed for ever: the broker's session hangs on it.
        filters: MQTT topic filters.
        username: None for none.
        password: None for none.
        tls: Context, or None for plain TCP.
        keepalive_s: Seconds.
    """

    host: str
    port: int
    client_id: str
    filters: tuple[str, ...]
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    keepalive_s: int = 60


class MqttSource:
    """Messages of one broker."""

    def __init__(
        self,
        broker: MqttBroker,
        *,
        clock: Clock,
        chance: Chance,
        queue_max: int = QUEUE_MESSAGES_MAX,
        session_expected: bool = False,
    ) -> None:
        """Make a source that is not connected yet.

        Args:
            broker: Where to connect.
            clock: Times receipts and waits.
            chance: Jitter of reconnects.
            queue_max: Messages held on our side.
            session_expected: This client has had a session with this broker before.
        """
        self.connected = asyncio.Event()
        self.counters: Counter[str] = Counter()
        self._broker = broker
        self._clock = clock
        self._chance = chance
        self._queue_max = queue_max
        self._session_expected = session_expected
        self._client: aiomqtt.Client | None = None
        self._generation = 0
        self._queue: deque[Message] = deque()
        self._queue_bytes = 0
        self._open_tickets: deque[tuple[int, int, int, int]] = deque()
        self._next_ticket = 0
        self._received = 0
        self._wire: Any = None
        self._held = False  # the socket is not read, so that TCP slows the broker down
        self._arrived = asyncio.Event()
        self._leave = asyncio.Event()  # overflow, resume or close: this connection should end
        self._drained = asyncio.Event()
        self._overflowed = False
        self._paused = False
        self._closing = False
        self._losses: dict[GapReason, int] = {}

    async def run(self) -> None:
        """Connect, subscribe, listen, and connect again with full jitter, until closed."""
        attempt = 0
        while not self._closing:
            try:
                await self._connection()
                attempt = 0
                continue
            except aiomqtt.MqttError as error:
                if self.connected.is_set():
                    attempt = 0
                    _LOG.warning("broker lost: %s", error)
                elif attempt == 0:
                    _LOG.warning("broker not reached: %s", error)
            finally:
                self.connected.clear()
                self._client = None
                self._wire = None
                self._held = False
            attempt += 1
            self.counters["reconnects"] += 1
            await self._clock.wait(self._leave, backoff_s(attempt, self._chance.fraction()))

    async def _connection(self) -> None:
        """One connection, from CONNECT to its end."""
        client = self._make_client()
        self._generation += 1
        self._overflowed = False
        self._forget_repeatable()
        if self._closing:
            return
        self._leave.clear()
        self._client = client
        async with client:
            for topic_filter in self._broker.filters:
                granted = await client.subscribe(topic_filter, qos=1)
                if any(code >= SUBSCRIPTION_REFUSED for code in _codes(granted)):
                    raise SourceError(f"the broker refuses the subscription {topic_filter!r}")
            self._take_over_wire(client)
            self.connected.set()
            _LOG.info("broker connected: %s:%d", self._broker.host, self._broker.port)
            lost = client._disconnected  # noqa: SLF001 -- the only way to learn of a lost connection
            await self._until_end(lost)
        self.connected.clear()
        self._session_expected = True

    def _forget_repeatable(self) -> None:
        """Drop what a new connection brings again; QoS 0 messages come only once and stay."""
        self._open_tickets.clear()
        self._queue = deque(message for message in self._queue if not message.repeatable)
        self._queue_bytes = sum(len(message.payload) for message in self._queue)

    async def _until_end(self, lost: "asyncio.Future[None]") -> None:
        """Wait until the connection is lost or should be left, then until it is drained."""
        async with asyncio.TaskGroup() as group:
            leave = group.create_task(self._leave.wait())
            ends: set[asyncio.Future[Any]] = {leave, lost}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            leave.cancel()
        while not lost.done() and not self._closing and (self._open_tickets or self._paused):
            self._drained.clear()
            await self._clock.wait(self._drained, DRAIN_LOOK_S)
        if lost.done():
            error = lost.exception()
            raise aiomqtt.MqttError(str(error) if error else "the broker closed the connection")

    def _make_client(self) -> aiomqtt.Client:
        broker = self._broker
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            identifier=broker.client_id,
            username=broker.username,
            password=broker.password,
            clean_session=False,
            tls_context=broker.tls,
            keepalive=broker.keepalive_s,
            timeout=CONNECT_TIMEOUT_S,
            logger=_CLIENT_LOG,
        )
        generation = self._generation + 1
        paho: Any = client._client  # noqa: SLF001 -- manual acknowledgement is not in aiomqtt's own API
        paho.manual_ack_set(True)
        paho.disable_logger()  # two debug lines a packet cost 5 % even when nobody reads them
        on_connect = paho.on_connect
        assert on_connect is not None, "aiomqtt sets on_connect"

        def connected(inner: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
            if code == 0:
                self._note_session(present=bool(flags.session_present))
            on_connect(inner, data, flags, code, properties)

        paho.on_connect = connected
        paho.on_message = lambda _inner, _data, message: self._take(message, generation)
        return client

    # ------------------------------------------------------------ the wire

    def _take_over_wire(self, client: aiomqtt.Client) -> None:
        """Read the socket ourselves from here on: many packets per turn, and none while held."""
        self._wire = client._client.socket()  # noqa: SLF001 -- see _make_client
        self._hold_wire()
        self._release_wire()

    def _release_wire(self) -> None:
        if self._held and not self._paused and self._wire is not None and self._wire.fileno() >= 0:
            self._held = False
            loop = asyncio.get_running_loop()
            loop.add_reader(self._wire.fileno(), self._read_wire)
            loop.call_soon(self._read_wire)  # TLS may hold decrypted bytes that wake nobody

    def _hold_wire(self) -> None:
        if not self._held and self._wire is not None and self._wire.fileno() >= 0:
            self._held = True
            asyncio.get_running_loop().remove_reader(self._wire.fileno())

    def _read_wire(self) -> None:
        """Let paho read what has come, until nothing more is there or our queue is well filled."""
        client = self._client
        if client is None or self._held:
            return
        pending = getattr(self._wire, "pending", int)
        try:
            for _ in range(PACKETS_PER_TURN_MAX):
                before = self._received
                client._client.loop_read()  # noqa: SLF001 -- see _make_client
                if self._is_well_filled():
                    self._hold_wire()
                    break
                if self._received == before and not pending():
                    break
        except Exception as error:  # noqa: BLE001 -- paho raises whatever its parser meets
            if not client._disconnected.done():  # noqa: SLF001 -- as aiomqtt does itself
                client._disconnected.set_exception(error)  # noqa: SLF001

    def _is_well_filled(self) -> bool:
        return (
            len(self._queue) >= self._queue_max * 3 // 4
            or self._queue_bytes >= QUEUE_BYTES_MAX * 3 // 4
        )

    def _note_session(self, *, present: bool) -> None:
        if not present and self._session_expected:
            self.counters["session_lost"] += 1
            self._losses.setdefault(GapReason.SESSION_LOST, 0)
            _LOG.warning("the broker has forgotten our session")
        self._session_expected = True

    def _take(self, message: Any, generation: int) -> None:
        """Queue one message, or leave it with the broker."""
        if generation != self._generation:
            return
        self._received += 1
        payload = bytes(message.payload)
        if message.retain:
            self.counters["retained"] += 1
            if not self._overflowed:
                self._open(message, generation, last_handed_out=self._next_ticket)
                self._flush_unqueued()
            return
        full = (
            self._paused
            or len(self._queue) >= self._queue_max
            or self._queue_bytes + len(payload) > QUEUE_BYTES_MAX
        )
        if full or self._overflowed:
            self._overflow(message.qos)
            return
        self._next_ticket += 1
        self._open(message, generation, last_handed_out=self._next_ticket)
        self._queue.append(
            Message(
                self._next_ticket,
                _topic(message),
                payload,
                self._clock.wall_ns(),
                redelivered=bool(message.dup),
                repeatable=message.qos > 0,
                delivery=message.mid,
            )
        )
        self._queue_bytes += len(payload)
        if not self._arrived.is_set():
            self._arrived.set()

    def _open(self, message: Any, generation: int, *, last_handed_out: int) -> None:
        self._open_tickets.append((last_handed_out, message.mid, message.qos, generation))

    def _flush_unqueued(self) -> None:
        """Acknowledge a message that is not handed out, once nothing before it is open."""
        if len(self._open_tickets) == 1:
            ticket, mid, qos, _ = self._open_tickets.popleft()
            assert ticket == self._next_ticket, "an open ticket was skipped"
            self._send_ack(mid, qos)

    def _overflow(self, qos: int) -> None:
        if qos == 0:
            self.counters["qos0_dropped"] += 1
            dropped = self._losses.get(GapReason.QOS0_DROP, 0)
            self._losses[GapReason.QOS0_DROP] = dropped + 1
            return
        self.counters["left_with_broker"] += 1
        if not self._overflowed:
            self._overflowed = True
            self._leave.set()

    async def read(self, *, count_max: int, wait_s_max: float) -> Sequence[Message]:
        """Return what is queued."""
        if not self._queue and wait_s_max > 0:
            self._arrived.clear()
            await self._clock.wait(self._arrived, wait_s_max)
        taken = [self._queue.popleft() for _ in range(min(count_max, len(self._queue)))]
        self._queue_bytes -= sum(len(message.payload) for message in taken)
        if self._held and len(self._queue) <= self._queue_max // 4:
            self._release_wire()
        return taken

    def acknowledge(self, *, through: int) -> None:
        """Send PUBACKs in order of arrival, for this connection's messages only."""
        open_tickets = self._open_tickets
        while open_tickets and open_tickets[0][0] <= through:
            _, mid, qos, generation = open_tickets.popleft()
            if generation == self._generation:
                self._send_ack(mid, qos)
        if not open_tickets:
            self._drained.set()

    def _send_ack(self, mid: int, qos: int) -> None:
        if qos == 1 and self._client is not None:
            self._client._client.ack(mid, qos)  # noqa: SLF001 -- see _make_client

    def pause(self) -> None:
        """Leave everything further with the broker: the socket is not read."""
        self._paused = True
        self._hold_wire()

    def resume(self) -> None:
        """Read the socket again; what overflowed meanwhile comes after a reconnect."""
        self._paused = False
        self._release_wire()
        self._drained.set()

    def take_losses(self) -> Mapping[GapReason, int]:
        """Return what will not come again."""
        losses, self._losses = self._losses, {}
        return losses

    async def close(self) -> None:
        """Disconnect after the acknowledgements that were given."""
        self._closing = True
        self._leave.set()
        self._drained.set()


def _topic(message: Any) -> str:
    """Return the topic; one that is no UTF-8 matches no mapping and becomes a dead letter."""
    try:
        return str(message.topic)
    except UnicodeDecodeError:
        return NO_TOPIC


def _codes(granted: Any) -> list[int]:
    """Return the numbers of a SUBACK, which aiomqtt gives as numbers or as objects."""
    return [int(getattr(code, "value", code)) for code in granted]
