"""The archive of readings over the memory store: what is kept, in which order, and what is found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ledger.adapters.clock_manual import ManualClock
from ledger.adapters.engine_local import LocalEngine
from ledger.adapters.store import Column
from ledger.adapters.store_memory import MemoryStore
from ledger.core import identifier, reading
from ledger.core.operation import Anchor
from ledger.core.receipt import Receipt
from ledger.core.statement import parse as parse_statement
from resolver.adapters.archive import OPEN_ARCHIVES_MAX, Archives
from resolver.core.ports import Place
from resolver.errors import RequestError
from tests.lab_world import LAB, MS, World

WORLD = World()
I = identifier.canonical  # noqa: E741
GATEWAY = I("hdl:lab.1/gw")
PART = I("hdl:lab.1/part")
US = 1_700_000_000_000_000
FAR_US = 2**53 - 1


class Bench:
    """A ledger with one gateway, and the archive beside it."""

    def __init__(self, store: MemoryStore, engine: LocalEngine) -> None:
        self.store, self.engine = store, engine
        self.archives = Archives(store, engine)
        self.previous: bytes | None = None
        self.sequence = 0

    async def anchor(self, *readings: bytes) -> bytes:
        """Log the anchor of the next batch; returns its archive body."""
        key = bytes([self.sequence + 1]) * 32
        times = [reading.decode_reading(one).us for one in readings]
        op = Anchor(
            stream=GATEWAY,
            sequence=self.sequence,
            previous=self.previous,
            root=reading.batch_root(
                key, readings, reading.context(self.sequence, GATEWAY.key_text)
            ),
            count=len(readings),
            first_us=min(times),
            last_us=max(times),
        )
        statement = WORLD.anchor(op)
        [outcome] = await self.engine.submit([statement])
        assert isinstance(outcome, Receipt), outcome
        self.previous, self.sequence = parse_statement(statement).hash, self.sequence + 1
        return reading.encode_archive(key, readings)

    async def keep(self, *readings: bytes) -> None:
        """Anchor and archive a batch."""
        body = await self.anchor(*readings)
        await self.archives.put(GATEWAY, self.sequence - 1, body)

    def rows(self) -> int:
        """How many things the archive's column holds."""
        return sum(1 for _ in self.store.scan(Column.ARCHIVE, b""))

    def found(
        self, from_us: int = 0, to_us: int = FAR_US, after: Place | None = None
    ) -> list[tuple[int, int, int]]:
        """The readings of the part: sequence, leaf, microseconds."""
        return [
            (one.anchor.sequence, one.place.leaf, one.reading.us)
            for one in self.archives.find(PART, from_us=from_us, to_us=to_us, after=after)
        ]


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    store = MemoryStore()
    engine = LocalEngine(store, ManualClock(MS), WORLD.signer())
    engine.open()
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(engine.run())
        try:
            begin = [WORLD.genesis(), WORLD.delegate(LAB), WORLD.create(GATEWAY.text, PART.text)]
            assert all(isinstance(one, Receipt) for one in await engine.submit(begin))
            yield Bench(store, engine)
        finally:
            writer.cancel()
    store.close()


def one(us: int, text: str = PART.text, value: float = 1.5) -> bytes:
    return reading.encode_reading(f"{text}#temp", us, value)


async def test_a_body_and_one_row_per_identifier_are_kept_once() -> None:
    """However often it is sent, and however many spellings and readings an identifier has."""
    async with bench() as node:
        part, other = PART.text, "hdl:lab.1/other"
        body = await node.anchor(one(US, part), one(US + 1, "hdl:lab.1/PART"), one(US, other))
        assert node.archives.has(GATEWAY, 0) is False
        for _ in range(2):
            await node.archives.put(GATEWAY, 0, body)
            assert node.rows() == 3
        assert node.archives.has(GATEWAY, 0) is True
        assert node.found() == [(0, 0, US), (0, 1, US + 1)]


async def test_what_is_not_the_anchored_batch_leaves_nothing_behind() -> None:
    async with bench() as node:
        good = await node.anchor(one(US), one(US + 1))
        key, readings = reading.decode_archive(good)
        bad = {
            "an order": reading.encode_archive(key, readings[::-1]),
            "a reading more": reading.encode_archive(key, [*readings, one(US + 2)]),
            "a reading less": reading.encode_archive(key, readings[:1]),
            "a key": reading.encode_archive(b"\xee" * 32, readings),
            "a byte more": good + b"\x00",
            "nothing": b"",
        }
        for body in bad.values():
            with pytest.raises(RequestError) as refused:
                await node.archives.put(GATEWAY, 0, body)
            assert refused.value.status == 400
        assert node.rows() == 0


async def test_what_is_not_anchored_is_409_whoever_asks() -> None:
    async with bench() as node:
        body = await node.anchor(one(US))
        for stream, sequence in ((GATEWAY, 1), (PART, 0), (I("hdl:lab.1/none"), 0)):
            with pytest.raises(RequestError) as refused:
                await node.archives.put(stream, sequence, body)
            assert (refused.value.status, refused.value.title) == (409, "not-anchored")
            assert refused.value.retry_after_s is not None
            assert node.archives.has(stream, sequence) is False


async def test_batches_come_by_the_time_of_their_first_reading() -> None:
    """Whatever the order of anchors and archives; and within one by leaf."""
    async with bench() as node:
        late, early = await node.anchor(one(US + 50), one(US + 40)), await node.anchor(one(US + 10))
        await node.archives.put(GATEWAY, 1, early)
        await node.archives.put(GATEWAY, 0, late)
        assert node.found() == [(1, 0, US + 10), (0, 0, US + 50), (0, 1, US + 40)]


async def test_times_are_inclusive_at_both_ends() -> None:
    async with bench() as node:
        for start in (0, 10, 20):
            await node.keep(*(one(US + start + step) for step in range(5)))
        for from_us, to_us in ((US, US), (US + 4, US + 10), (US + 12, US + 21), (US + 5, US + 9)):
            wanted = [
                US + start + step
                for start in (0, 10, 20)
                for step in range(5)
                if from_us <= US + start + step <= to_us
            ]
            assert [us for _, _, us in node.found(from_us, to_us)] == wanted


async def test_a_page_goes_on_after_any_reading() -> None:
    """Also with batches that begin at the same microsecond, and more than are kept open."""
    async with bench() as node:
        for _ in range(OPEN_ARCHIVES_MAX + 2):
            await node.keep(one(US), one(US, "hdl:lab.1/other"), one(US + 5))
        everything = list(node.archives.find(PART, from_us=0, to_us=FAR_US, after=None))
        shown = [(each.anchor.sequence, each.place.leaf, each.reading.us) for each in everything]
        assert len(set(shown)) == 2 * (OPEN_ARCHIVES_MAX + 2)
        for number, each in enumerate(everything):
            assert node.found(after=each.place) == shown[number + 1 :]


async def test_a_name_that_is_no_identifier_is_kept_and_found_by_nobody() -> None:
    """A gateway may name anything; the batch is the anchored one all the same."""
    async with bench() as node:
        await node.keep(one(US, "no identifier"), one(US + 1))
        assert node.rows() == 2
        assert node.found() == [(0, 1, US + 1)]


async def test_disclosure_leads_to_the_root_of_the_anchor() -> None:
    async with bench() as node:
        readings = [one(US + step) for step in range(5)]
        await node.keep(*readings)
        for leaf, wanted in enumerate(readings):
            _, disclosed = node.archives.disclose(GATEWAY, 0, leaf)
            assert disclosed.reading == wanted
            ctx = reading.context(0, GATEWAY.key_text)
            assert disclosed.salt == reading.salt(b"\x01" * 32, leaf)
            assert (disclosed.salt, list(disclosed.path)) == reading.prove_leaf(
                b"\x01" * 32, readings, ctx, leaf
            )
        with pytest.raises(RequestError) as refused:
            node.archives.disclose(GATEWAY, 0, 5)
        assert refused.value.title == "no-such-leaf"
        await node.anchor(one(US + 9))
        with pytest.raises(RequestError) as refused:
            node.archives.disclose(GATEWAY, 1, 0)
        assert refused.value.title == "not-archived"
