"""A day of one gateway, 1,440 minutes of an injected clock: what it costs the log, and what it proves.

200 identifiers give one reading a minute each (288,000 readings), half of them on the half
minute. The agent is the whole one (`serve` with source, spool and clock in memory) at its default
seal policy; the ledger is the real engine and archive over RocksDB, called in the process instead of
over HTTP. Agent and engine see the same clock, and nothing sleeps for the time that passes.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge_agent.adapters.source_memory import MemorySource
from edge_agent.adapters.spool import Spool, SpoolLimits
from edge_agent.adapters.spool_memory import MemoryJournal
from edge_agent.adapters.system import Chance, ManualClock
from edge_agent.adapters.uplink import ArchiveAnswer, NeverStored, NotYet, Stored
from edge_agent.agent import Parts, serve
from edge_agent.core.batch import SealPolicy, Signer
from edge_agent.core.extract import Pointer
from edge_agent.core.mapping import Mapping, MappingRule, ReadingRule
from edge_agent.core.outbox import Accepted, Answer, Refused
from edge_agent.core.session import Remote
from ledger.adapters.engine_local import LocalEngine
from ledger.adapters.store import Column, Store
from ledger.adapters.store_rocksdb import RocksdbStore
from ledger.core import identifier, operation, proof, reading, statement, tile
from ledger.core.bundle_build import reading_bundle
from ledger.core.derived import u64
from ledger.core.merkle import leaf_hash, tree_root
from ledger.core.operation import Anchor
from ledger.core.policy import TrustFile
from ledger.core.receipt import Receipt
from ledger.core.record import StreamObject, decode_object, stream_key
from ledger.errors import Rejection
from resolver.adapters.archive import Archives
from resolver.adapters.view import LedgerView
from resolver.errors import RequestError
from tests.lab_world import LAB, MS, NETWORK, World

IDENTIFIERS = 200
MINUTES = 24 * 60
BURSTS = 2  # per minute
BURST_S = 60 // BURSTS
SETTLE_TURNS = 20
GROWTH_BYTES_MAX = 2_000_000
WORLD = World()
STREAM = identifier.canonical("hdl:lab.1/gw-1")
MACHINES = [f"m{number:03}" for number in range(IDENTIFIERS)]
RULE = MappingRule(
    filter="plant/{machine}/{prop}",
    identifier="lab.1/{machine}",
    readings=(
        ReadingRule(
            name="{prop}",
            value=Pointer.parse("/v", part="v"),
            time=Pointer.parse("/ts", part="ts"),
            unit="Cel",
        ),
    ),
)


class LedgerTime:
    """The agent's clock as the ledger reads it."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000

    def now_s(self) -> int:
        return self._clock.wall_ns() // 1_000_000_000

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()


class EngineNode:
    """The agent's way to an engine and an archive in the same process."""

    def __init__(self, engine: LocalEngine, archives: Archives) -> None:
        self.engine = engine
        self._archives = archives
        self.submitted = 0

    async def submit(self, raw: bytes) -> Answer:
        self.submitted += 1
        (answer,) = await self.engine.submit([raw])
        if isinstance(answer, Rejection):
            return Refused(name=answer.code.title, detail=answer.detail)
        return Accepted(receipt=answer.hash)

    async def stream(self) -> Remote:
        data = self.engine.object(stream_key(STREAM))
        if data is None:
            return Remote(next=0, last_hash=None, epoch=0)
        found = decode_object(data)
        assert isinstance(found, StreamObject)
        return Remote(next=found.next, last_hash=found.last_anchor, epoch=found.epoch)

    async def store(self, sequence: int, body: bytes) -> ArchiveAnswer:
        try:
            await self._archives.put(STREAM, sequence, body)
        except RequestError as error:
            detail = str(error)
            return NotYet(detail=detail) if error.status == 409 else NeverStored(detail=detail)
        return Stored()

    async def close(self) -> None:
        """The engine belongs to the test."""


class Day:
    """The ledger, the gateway, and the time that both live in."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock(wall_ns=MS * 1_000_000)
        self.engine = LocalEngine(store, LedgerTime(self.clock), WORLD.signer())
        self.archives = Archives(store, self.engine)
        self.node = EngineNode(self.engine, self.archives)
        self.source = MemorySource(self.clock)

    def parts(self) -> Parts:
        return Parts(
            source=self.source,
            mapping=Mapping([RULE]),
            spool=Spool(MemoryJournal(), SpoolLimits()),
            node=self.node,
            signer=Signer(stream=STREAM, prefix=LAB, network=NETWORK, key=WORLD.agent),
            policy=SealPolicy(),
            clock=self.clock,
            chance=Chance(),
            drain_s=0.0,
        )

    def publish(self, minute: int, burst: int) -> None:
        """Let half of the machines say what they measure now."""
        at_ms = self.clock.wall_ns() // 1_000_000
        for number in range(burst, IDENTIFIERS, BURSTS):
            value = 20 + number / 8 + (minute * 7 + number) % 97 / 100
            payload = b'{"v":%.2f,"ts":%d}' % (value, at_ms)
            self.source.publish(f"plant/{MACHINES[number]}/temperature", payload)

    def log_and_tile_bytes(self) -> int:
        """Return the bytes stored as log entries and as tiles, their keys left out."""
        return sum(
            len(value)
            for column in (Column.ENTRY, Column.TILE)
            for _, value in self.store.scan(column)
        )


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Day]:
    """An engine at work over a new database, with gateway and machines registered."""
    store = await asyncio.to_thread(RocksdbStore, folder)
    day = Day(store)
    try:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(day.engine.run())
            records = WORLD.create(STREAM.text, *(f"{LAB}/{machine}" for machine in MACHINES))
            begin = [WORLD.genesis(), WORLD.delegate(LAB), records]
            assert all(isinstance(one, Receipt) for one in await day.engine.submit(begin))
            yield day
            writer.cancel()
    finally:
        await asyncio.to_thread(store.close)


async def until(condition: Callable[[], bool]) -> None:
    """Let agent and engine work until a condition holds; no time passes."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  two systems work, and no event tells both
            await asyncio.sleep(0.0005)
    for _ in range(SETTLE_TURNS):  # the sealer sees what arrived before time goes on
        await asyncio.sleep(0)


async def live(day: Day) -> None:
    """Let the agent live through the day, killed without farewell at its end."""
    parts = day.parts()
    books = parts.spool.books

    async def minutes() -> None:
        for minute in range(MINUTES):
            for burst in range(BURSTS):
                day.publish(minute, burst)
                done = (minute * BURSTS + burst + 1) * IDENTIFIERS // BURSTS
                await until(lambda: parts.spool.books.readings_accepted == done)  # noqa: B023
                await day.clock.advance(BURST_S)
            await until(lambda: parts.spool.books.pushed > minute)  # noqa: B023

    async with asyncio.TaskGroup() as tasks:
        agent = tasks.create_task(serve(parts, stop=asyncio.Event()))
        await minutes()
        agent.cancel()
    assert books.readings == 0


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_a_day_of_200_identifiers_adds_at_most_2_mb_to_log_and_tiles(
    tmp_path: Path,
) -> None:
    """An anchor a minute, every reading anchored once, a whole chain, and a proof of any of them."""
    async with running(tmp_path / "db") as day:
        before = day.log_and_tile_bytes()
        await live(day)
        grown = day.log_and_tile_bytes() - before
        print(f"{grown} bytes of log and tiles, {day.node.submitted} anchors in a day")
        assert day.log_and_tile_bytes() == day.engine.log_bytes + tile.bytes_at(day.engine.size)
        assert grown <= GROWTH_BYTES_MAX
        assert day.node.submitted == MINUTES
        anchors = await asyncio.to_thread(check_chain, day)
        await asyncio.to_thread(check_readings, day, anchors)
        for sequence, leaf in ((0, 0), (719, 100), (MINUTES - 1, IDENTIFIERS - 1)):
            await asyncio.to_thread(check_disclosure, day, sequence, leaf)


def check_chain(day: Day) -> list[Anchor]:
    """Every anchor signed, in sequence, naming the one before; the log has the signed root."""
    anchors: list[Anchor] = []
    previous = None
    for sequence in range(MINUTES):
        index = day.engine.anchor_index(stream_key(STREAM), sequence)
        assert index is not None
        signed = statement.parse(day.engine.entry(index))
        anchor = operation.parse(signed.payload)
        assert isinstance(anchor, Anchor)
        assert signed.is_signed_by(WORLD.agent.public)
        assert (anchor.sequence, anchor.previous, anchor.lost) == (sequence, previous, ())
        previous = signed.hash
        anchors.append(anchor)
    assert day.engine.anchor_index(stream_key(STREAM), MINUTES) is None
    data = day.engine.object(stream_key(STREAM))
    assert data is not None
    stream = decode_object(data)
    assert isinstance(stream, StreamObject)
    assert (stream.next, stream.last_anchor) == (MINUTES, previous)
    entries = day.engine.entries(0, day.engine.size)
    assert day.engine.published.note.splitlines()[2] == root_line(entries)
    return anchors


def root_line(entries: list[bytes]) -> str:
    """Return the checkpoint's third line for a log of these entries."""
    from base64 import b64encode

    return b64encode(tree_root([leaf_hash(entry) for entry in entries])).decode()


def check_readings(day: Day, anchors: list[Anchor]) -> None:
    """The archived bodies have the anchored roots, and hold each reading of the day once."""
    seen: Counter[tuple[str, int]] = Counter()
    for anchor in anchors:
        index = day.engine.anchor_index(stream_key(STREAM), anchor.sequence)
        assert index is not None
        body = day.store.get(Column.ARCHIVE, u64(index))
        assert body is not None
        batch_key, encoded = reading.decode_archive(body)
        context = reading.context(anchor.sequence, STREAM.key_text)
        assert anchor.root == tree_root(reading.leaf_hashes(batch_key, encoded, context))
        assert anchor.count == len(encoded) == IDENTIFIERS
        decoded = [reading.decode_reading(one) for one in encoded]
        seen.update((one.identifier, one.us) for one in decoded)
    expected = {
        (f"{LAB}/{machine}", (MS + (minute * BURSTS + number % BURSTS) * BURST_S * 1000) * 1000)
        for minute in range(MINUTES)
        for number, machine in enumerate(MACHINES)
    }
    assert seen.keys() == expected
    assert seen.total() == len(expected) == IDENTIFIERS * MINUTES


def check_disclosure(day: Day, sequence: int, leaf: int) -> None:
    """A stranger with the trust file accepts one reading, as being of its identifier."""
    index, disclosure = day.archives.disclose(STREAM, sequence, leaf)
    said = reading.decode_reading(disclosure.reading)
    about = identifier.canonical(said.identifier)
    bundle = reading_bundle(
        LedgerView(day.engine, day.engine.published),
        about,
        stream=STREAM,
        anchor_index=index,
        disclosure=disclosure,
    )
    verdict = proof.verify(
        bundle.encode(),
        about.text,
        network=NETWORK,
        trust=TrustFile.parse(WORLD.trust_text()),
        now=day.clock.wall_ns() // 1_000_000_000,
        max_age=None,
        question="reading",
    )
    assert (verdict.kind, verdict.current, verdict.attributed) == ("reading", True, True)
    assert verdict.reading == said
    assert verdict.stream == STREAM.text
