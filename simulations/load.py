"""MQTT load for benchmarks and kill tests: prebuilt QoS 1 packets on a plain asyncio connection.

Theory of operation: a general client spends more on one message than everything behind it (see `plant`), so a load
made with one measures the client. Here a message is two byte strings around its packet identifier; each arrival of
PUBACKs refills the window with one write. What the broker acknowledged is known per message, by its position in the
input: exactly what a kill test has to find again. Nothing is sent twice: after a lost connection the caller decides.

MQTT 3.1.1, section numbers below are of that standard. Only what a publisher needs: CONNECT, PUBLISH QoS 1, PUBACK,
DISCONNECT. No pings, no TLS, no reconnect, no subscription.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from simulations.errors import PlantError
from simulations.message import RowEncoder, topic
from simulations.source import PlantSource, ReportBad

WINDOW: Final = 1_000
PACKET_IDS: Final = 65_535
REMAINING_BYTES_MAX: Final = 268_435_455  # §2.2.3
CONNACK_S_MAX: Final = 10.0
PACE_S: Final = 0.005  # a paced load is topped up this often

PULL: Final = 4_096  # messages taken from the input at once, beyond the window
READ_BYTES: Final = 65_536
KEEP_ALIVE_S: Final = (
    3_600  # rumqttd refuses 0; nothing is pinged, so a load must not pause that long
)


@dataclass(frozen=True, slots=True)
class Prebuilt:
    """A PUBLISH packet without its two bytes of packet identifier."""

    head: bytes
    tail: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What was sent and what came back.

    Attributes:
        sent: Messages written to the connection: the first `sent` of the input.
        acknowledged: PUBACKs received for them.
        unacknowledged: Positions in the input that were sent and have no PUBACK; the broker may have them or not.
        seconds: From the first message to the last PUBACK or the end of the connection.
        lost: Why the connection ended early, None when it did not.
    """

    sent: int
    acknowledged: int
    unacknowledged: tuple[int, ...]
    seconds: float
    lost: str | None


def prebuild(name: str, payload: bytes) -> Prebuilt:
    """Return the QoS 1 PUBLISH of `payload` to topic `name` (§3.3)."""
    text = name.encode()
    if not 0 < len(text) < 65_536:
        raise ValueError(f"topic of {len(text)} bytes")
    remaining = 2 + len(text) + 2 + len(payload)
    head = b"\x32" + _varint(remaining) + len(text).to_bytes(2, "big") + text
    return Prebuilt(head, payload)


def numbered(
    *, machines: int, channels: int, count: int, start_us: int, period_us: int = 1_000
) -> Iterator[Prebuilt]:
    """Yield `count` readings in the plant's own topics and payloads.

    Message k goes to topic k modulo machines x channels with the time `start_us + k * period_us`. Its value is k
    itself, so that a receiver can name what is missing or doubled; `n` counts per topic.
    """
    topics = [
        topic(f"m{machine}", f"c{channel}")
        for machine in range(machines)
        for channel in range(channels)
    ]
    for k in range(count):
        payload = {"v": float(k), "ts": start_us + k * period_us, "n": k // len(topics)}
        yield prebuild(topics[k % len(topics)], orjson.dumps(payload))


def plant_messages(
    source: PlantSource, report_bad: ReportBad, *, first_sequence: int = 0
) -> Iterator[Prebuilt]:
    """Yield every reading of a plant, for sending it without its pace.

    Raises:
        SeriesError: A file of the source can no longer be read.
    """
    encoder = RowEncoder(first_sequence=first_sequence)
    for row in source.rows(report_bad):
        for name, payload in encoder.encode(row):
            yield prebuild(name, payload)


async def run_load(
    messages: Iterable[Prebuilt],
    *,
    host: str,
    port: int,
    window: int = WINDOW,
    per_second: float | None = None,
    stop: asyncio.Event | None = None,
    on_acknowledged: Callable[[int], None] | None = None,
    client_id: str = "xinbiao-load",
) -> LoadReport:
    """Send `messages` in order and wait for their PUBACKs.

    Args:
        messages: Pulled in a thread, a few thousand ahead; a list costs least, a generator may read files.
        host: The broker's host.
        port: The broker's port.
        window: Messages without PUBACK at any time.
        per_second: Pace; None is as fast as the broker takes.
        stop: No further message is sent once this is set; PUBACKs on their way are still waited for.
        on_acknowledged: Called with the position of each acknowledged message.
        client_id: MQTT client identifier; two loads at one broker need two.

    Raises:
        PlantError: No broker there, it refuses the connection, or it answers with something that is no MQTT.
    """
    if not 0 < window <= PACKET_IDS or (per_second is not None and per_second <= 0):
        raise ValueError(f"window or pace out of range: {window}, {per_second}")
    try:
        async with asyncio.timeout(CONNACK_S_MAX):
            reader, writer = await _connect(host, port, client_id)
    except TimeoutError as error:
        raise PlantError(f"no CONNACK from {host}:{port} in {CONNACK_S_MAX} s") from error
    load = _Load(iter(messages), window, per_second, on_acknowledged)
    poll_s = PACE_S if per_second is not None or stop is not None else None
    try:
        while not load.is_complete():
            if load.is_short:
                load.supply(await asyncio.to_thread(load.pull))
            if not (packets := load.fill()) and load.is_complete():
                break
            writer.write(packets)
            await writer.drain()
            try:
                async with asyncio.timeout(poll_s):
                    data = await reader.read(READ_BYTES)
            except TimeoutError:
                data = b""
            else:
                if not data:
                    raise ConnectionError("closed by the broker")
            load.take(data)
            if stop is not None and stop.is_set():
                load.send_no_more()
        writer.write(b"\xe0\x00")  # DISCONNECT
        await writer.drain()
    except ConnectionError as error:
        return load.report(lost=str(error))
    finally:
        writer.close()
    return load.report(lost=None)


async def _connect(
    host: str, port: int, client_id: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a clean session (§3.1, §3.2).

    Raises:
        PlantError: Nobody answers there, or refuses, or speaks no MQTT.
    """
    name = client_id.encode()
    keep_alive = KEEP_ALIVE_S.to_bytes(2, "big")
    body = b"\x00\x04MQTT\x04\x02" + keep_alive + len(name).to_bytes(2, "big") + name
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise PlantError(f"cannot connect to an MQTT broker at {host}:{port}: {error}") from error
    try:
        writer.write(b"\x10" + _varint(len(body)) + body)
        answer = await reader.readexactly(4)
    except (OSError, EOFError) as error:
        writer.close()
        raise PlantError(f"{host}:{port} is no MQTT broker: {error}") from error
    except asyncio.CancelledError:
        writer.close()  # also the time limit of the caller
        raise
    if answer != b"\x20\x02\x00\x00":
        writer.close()
        raise PlantError(
            f"{host}:{port} refuses the connection or is no MQTT broker: {answer.hex()}"
        )
    return reader, writer


class _Load:
    """The window: which messages are out, which came back. Holds no connection."""

    def __init__(
        self,
        messages: Iterator[Prebuilt],
        window: int,
        per_second: float | None,
        on_acknowledged: Callable[[int], None] | None,
    ) -> None:
        self._messages = messages
        self._ready: deque[Prebuilt] = deque()
        self._window = window
        self._per_second = per_second
        self._on_acknowledged = on_acknowledged
        self._clock = asyncio.get_running_loop().time
        self._started_s = self._last_s = self._clock()
        self._received = b""  # less than one packet
        self._pending: dict[int, int] = {}  # packet identifier to position, in the order sent
        self._sent = self._acknowledged = 0
        self._exhausted = False

    def is_complete(self) -> bool:
        """Whether all that will be sent is acknowledged."""
        return self._exhausted and not self._ready and not self._pending

    @property
    def is_short(self) -> bool:
        """Whether the next `fill` may want more messages than are ready."""
        return not self._exhausted and len(self._ready) < self._window

    def pull(self) -> list[Prebuilt]:
        """Take messages from the input; the only part that runs in a thread."""
        return list(itertools.islice(self._messages, self._window + PULL))

    def supply(self, messages: list[Prebuilt]) -> None:
        """Make pulled messages ready; none means that the input has ended."""
        self._ready.extend(messages)
        self._exhausted = not messages

    def report(self, *, lost: str | None) -> LoadReport:
        """Return the counters as they are."""
        return LoadReport(
            sent=self._sent,
            acknowledged=self._acknowledged,
            unacknowledged=tuple(self._pending.values()),
            seconds=self._last_s - self._started_s,
            lost=lost,
        )

    def send_no_more(self) -> None:
        """Leave the rest of the messages unsent."""
        self._exhausted = True
        self._ready.clear()

    def fill(self) -> bytes:
        """Return the packets that the window and the pace allow now."""
        room = self._window - len(self._pending)
        if self._per_second is not None:
            due = int((self._clock() - self._started_s) * self._per_second) + 1
            room = min(room, due - self._sent)
        parts: list[bytes] = []
        while room > 0 and self._ready:
            packet_id = self._sent % PACKET_IDS + 1
            if packet_id in self._pending:
                break  # out since 65,535 messages: no second use before its PUBACK (§2.3.1)
            message = self._ready.popleft()
            self._pending[packet_id] = self._sent
            self._sent += 1
            room -= 1
            parts += (message.head, packet_id.to_bytes(2, "big"), message.tail)
        return b"".join(parts)

    def take(self, data: bytes) -> None:
        """Count the PUBACKs in `data`, which may end inside a packet.

        Raises:
            PlantError: The broker sent something that it may not send to a publisher.
        """
        data = self._received + data
        whole = len(data) - len(data) % 4
        self._received = data[whole:]
        for at in range(0, whole, 4):
            position = self._pending.pop(data[at + 2] << 8 | data[at + 3], None)
            if data[at] != 0x40 or data[at + 1] != 2 or position is None:
                raise PlantError(f"no PUBACK that we wait for: {data[at : at + 4].hex()}")
            self._acknowledged += 1
            if self._on_acknowledged is not None:
                self._on_acknowledged(position)
        if whole:
            self._last_s = self._clock()


def _varint(number: int) -> bytes:
    """Return the remaining length of a packet (§2.2.3)."""
    if number > REMAINING_BYTES_MAX:
        raise ValueError(f"packet of {number} bytes")
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | 0x80 if number else low)
        if not number:
            return bytes(out)
