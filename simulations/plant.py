"""Publish a plant over real MQTT, QoS 1, at a chosen speed, and count what the broker took.

Theory of operation: one producer pulls rows from the source (in a thread, it may read files), waits until each is
due and puts one message per reading into a bounded queue. `window` workers share one connection; each hands a message
to the client and waits for its PUBACK, so at most `window` messages are unacknowledged. Messages reach the
client in the order of the queue: workers take and publish without waiting in between.

When the connection is lost, messages without PUBACK are sent again first, in their order, so the broker may get one
twice, with the same time and sequence number; what was acknowledged is never sent again. A broker that cannot be
reached at the start is an error at once; one that goes away may stay away for `AWAY_S_MAX`.

Messages are those of `simulations.message`. This is the plant of the demo and of people who try things; a load that
must not cost more than what it measures takes `simulations.load`.

Bounds: the queue, the window, the kept bad rows. No clock but the event loop's, used for pacing only.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import aiomqtt

from simulations.errors import PlantError, SeriesError
from simulations.message import RowEncoder
from simulations.source import BadRow, PlantSource, Row

WINDOW: Final = 100  # messages without PUBACK; more is slower in aiomqtt
PUBACK_S_MAX: Final = 10.0
AWAY_S_MAX: Final = 60.0
RETRY_S_FIRST: Final = 0.25
RETRY_S_MAX: Final = 5.0
ROWS_PER_PULL: Final = 256
PROGRESS_S: Final = 1.0
BAD_ROWS_KEPT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantReport:
    """What a plant did, at the end or up to now.

    Attributes:
        rows: Good rows that were due.
        readings: Readings in these rows.
        published: Messages handed to the broker at least once.
        acknowledged: Messages the broker acknowledged (PUBACK).
        seconds: Since the start, until the last acknowledgement when the plant has ended.
        bad_rows: Rows that were left out.
        bad_rows_kept: The first of them.
        reconnects: How often the connection had to be made again.
        note: What the source is and how its time stamps were read.
    """

    rows: int
    readings: int
    published: int
    acknowledged: int
    seconds: float
    bad_rows: int
    bad_rows_kept: tuple[BadRow, ...]
    reconnects: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    topic: str
    payload: bytes


async def run_plant(
    source: PlantSource,
    *,
    host: str,
    port: int,
    speed: float,
    stop: asyncio.Event,
    on_progress: Callable[[PlantReport], None] | None = None,
    window: int = WINDOW,
    first_sequence: int = 0,
) -> PlantReport:
    """Publish `source` until it ends or `stop` is set, then wait for the acknowledgements on their way.

    Args:
        source: What to publish.
        host: The broker's host.
        port: The broker's port.
        speed: 1.0 is real time, 10.0 ten times faster, 0 as fast as the broker takes.
        stop: Ends the plant; what is in flight is still waited for, for at most `PUBACK_S_MAX`.
        on_progress: Called about once a second and at the end.
        window: How many messages may be without acknowledgement.
        first_sequence: `n` of the first message of each topic.

    Raises:
        PlantError: No broker at that address, or it stayed away longer than `AWAY_S_MAX`.
        SeriesError: A file of the source can no longer be read.
    """
    if speed < 0 or not 0 < window < 65_536:
        raise ValueError(f"speed or window out of range: {speed}, {window}")
    run = _Run(source, speed=speed, stop=stop, window=window, first_sequence=first_sequence)
    async with asyncio.TaskGroup() as group:
        producer = group.create_task(run.produce())
        ticker = group.create_task(run.tick(on_progress)) if on_progress is not None else None
        await run.deliver(host, port)
        producer.cancel()
        if ticker is not None:
            ticker.cancel()
    if run.failure is not None:
        raise run.failure
    report = run.report()
    if on_progress is not None:
        on_progress(report)
    return report


class _Run:
    """The state of one run: counters, the queue, and the messages that wait for a PUBACK."""

    def __init__(
        self,
        source: PlantSource,
        *,
        speed: float,
        stop: asyncio.Event,
        window: int,
        first_sequence: int,
    ) -> None:
        self._source = source
        self._speed = speed
        self._stop = stop
        self._window = window
        self._encoder = RowEncoder(first_sequence=first_sequence)
        self._queue: asyncio.Queue[_Message | None] = asyncio.Queue(maxsize=window)
        self._unacknowledged: dict[int, _Message] = {}  # by order of publication
        self._again: deque[_Message] = deque()
        self._order = itertools.count()
        self._clock = asyncio.get_running_loop().time
        self._started_s = self._clock()
        self._ended_s: float | None = None
        self._rows = self._readings = self._published = self._acknowledged = 0
        self._connections = 0
        self._bad: list[BadRow] = []
        self._bad_count = 0
        self.failure: PlantError | SeriesError | None = None

    def report(self) -> PlantReport:
        """Return the counters as they are."""
        until_s = self._clock() if self._ended_s is None else self._ended_s
        return PlantReport(
            rows=self._rows,
            readings=self._readings,
            published=self._published,
            acknowledged=self._acknowledged,
            seconds=until_s - self._started_s,
            bad_rows=self._bad_count,
            bad_rows_kept=tuple(self._bad),
            reconnects=max(self._connections - 1, 0),
            note=self._source.note,
        )

    async def tick(self, on_progress: Callable[[PlantReport], None]) -> None:
        """Report once in `PROGRESS_S` until cancelled."""
        while True:
            await asyncio.sleep(PROGRESS_S)
            on_progress(self.report())

    # ------------------------------------------------------------ rows to messages

    async def produce(self) -> None:
        """Queue the messages of every row when it is due, then the end mark."""
        try:
            await self._produce_rows()
        except SeriesError as error:
            self.failure = error
        await self._queue.put(None)

    async def _produce_rows(self) -> None:
        rows = self._source.rows(self._keep_bad)
        while chunk := await asyncio.to_thread(_pull, rows):
            for row in chunk:
                if not await self._until_due(row):
                    return
                for message in self._messages(row):
                    await self._queue.put(message)

    async def _until_due(self, row: Row) -> bool:
        """Wait for the moment of `row`; False when the plant was stopped first."""
        if self._speed > 0:
            due_s = self._started_s + row.after_us / 1e6 / self._speed
            if (wait_s := due_s - self._clock()) > 0:
                try:
                    async with asyncio.timeout(wait_s):
                        await self._stop.wait()
                except TimeoutError:
                    return True
        return not self._stop.is_set()

    def _messages(self, row: Row) -> Iterator[_Message]:
        self._rows += 1
        self._readings += len(row.values)
        for name, payload in self._encoder.encode(row):
            yield _Message(topic=name, payload=payload)

    def _keep_bad(self, bad: BadRow) -> None:
        self._bad_count += 1
        if len(self._bad) < BAD_ROWS_KEPT:
            self._bad.append(bad)

    # ------------------------------------------------------------ messages to the broker

    async def deliver(self, host: str, port: int) -> None:
        """Publish the queue to its end over as many connections as it takes; failures land in `failure`."""
        retry_s = RETRY_S_FIRST
        away_since_s = self._clock()
        while True:
            connections, acknowledged = self._connections, self._acknowledged
            lost = await self._deliver_once(host, port)
            if lost is None or self._stop.is_set():
                break
            if self._connections == 0:
                self.failure = PlantError(
                    f"cannot connect to an MQTT broker at {host}:{port}: {lost}"
                )
                break
            if self._connections > connections:
                away_since_s = self._clock()
            if self._acknowledged > acknowledged:
                retry_s = RETRY_S_FIRST
            if self._clock() - away_since_s > AWAY_S_MAX:
                self.failure = PlantError(f"the broker at {host}:{port} stayed away: {lost}")
                break
            try:
                # Not asyncio.timeout: in Python 3.11.2 (Debian 12) it takes the cancellation that the
                # ended task group above has counted for its own, and lets it out.
                await asyncio.wait_for(self._stop.wait(), retry_s)
            except TimeoutError:
                retry_s = min(2 * retry_s, RETRY_S_MAX)
        self._ended_s = self._clock()

    async def _deliver_once(self, host: str, port: int) -> aiomqtt.MqttError | None:
        """Publish over one connection; return None at the end of the queue, else why it was lost."""
        self._again = deque([*self._unacknowledged.values(), *self._again])
        self._unacknowledged.clear()
        client = aiomqtt.Client(
            host, port, timeout=PUBACK_S_MAX, max_inflight_messages=self._window
        )
        client.pending_calls_threshold = self._window + 1  # ours are pending on purpose
        lost: aiomqtt.MqttError | None = None
        try:
            async with client:
                self._connections += 1
                async with asyncio.TaskGroup() as workers:
                    for _ in range(self._window):
                        workers.create_task(self._work(client))
        except* aiomqtt.MqttError as group:
            lost = _first(group)
        return lost

    async def _work(self, client: aiomqtt.Client) -> None:
        """Publish messages one after the other until the end mark, and pass the mark on."""
        while True:
            if self._again:
                message, is_new = self._again.popleft(), False
            elif (taken := await self._queue.get()) is None:
                self._queue.put_nowait(None)
                return
            else:
                message, is_new = taken, True
            order = next(self._order)
            self._unacknowledged[order] = message
            self._published += is_new
            await client.publish(message.topic, message.payload, qos=1)
            del self._unacknowledged[order]
            self._acknowledged += 1


def _pull(rows: Iterator[Row]) -> list[Row]:
    return list(itertools.islice(rows, ROWS_PER_PULL))


def _first(group: BaseExceptionGroup[aiomqtt.MqttError]) -> aiomqtt.MqttError:
    found = group.exceptions[0]
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
