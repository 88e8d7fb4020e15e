"""A stranger follows the log that our engine wrote: real statements, real blocks, checkpoints as published.

test_judges.py shows single formats to the judges. Here one of them reads a whole log, block after block, as a monitor of
the network would: signatures and cosignatures of each published head, every tile and every entry bundle behind its
root, growth from head to head. Then one byte on the way is another, and it must notice.
"""

import asyncio
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.adapters.clock_manual import ManualClock
from ledger.adapters.engine_local import LocalEngine
from ledger.adapters.store_memory import MemoryStore
from ledger.core import tile
from ledger.core.checkpoint import Checkpoint, parse_note
from ledger.core.receipt import Receipt
from tests.judges.test_judges import ask, expected, flipped
from tests.lab_world import World

BLOCKS = ((1, 1), (2, 3), (5, 40), (45, 230))
"""Per block: number of its first record, and how many records it creates, one statement each."""

pytestmark = [pytest.mark.slow, pytest.mark.integration]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A published head, and the hashes that lead to it from the one before."""

    note: str
    size: int
    root: bytes
    growth: list[bytes]


async def heads_of(engine: LocalEngine, world: World, clock: ManualClock) -> list[Head]:
    """Submit block after block and keep every head that was published."""
    submissions = [[world.genesis()], [world.delegate()]]
    submissions += [
        [world.create(f"hdl:lab.1/pump-{number}") for number in range(first, first + count)]
        for first, count in BLOCKS
    ]
    heads: list[Head] = []
    for entries in submissions:
        clock.advance(1000)
        before = engine.size
        for outcome in await engine.submit(entries):
            assert isinstance(outcome, Receipt), outcome
        published = engine.published
        checkpoint = Checkpoint.parse(parse_note(published.note.encode()).text)
        heads.append(
            Head(
                note=published.note,
                size=published.size,
                root=checkpoint.root,
                growth=engine.consistency(before, published.size) if before else [],
            )
        )
    return heads


async def written_log() -> tuple[LocalEngine, list[Head], int]:
    """A log of some blocks, its heads, and the time at its end."""
    world, clock = World(), ManualClock()
    engine = LocalEngine(MemoryStore(), clock, world.signer())
    engine.open()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(engine.run())
        heads = await heads_of(engine, world, clock)
        running.cancel()
    return engine, heads, clock.now_s()


def served(engine: LocalEngine, size: int) -> dict[str, bytes]:
    """What C2SP tlog-tiles has a log of that size serve."""
    found: dict[str, bytes] = {}
    for level in (tile.ENTRIES, 0, 1):
        count = tile.hashes_at(max(level, 0), size)
        for number in range(-(-count // tile.TILE_WIDTH)):
            width = tile.width_at(tile.TilePath(level=level, number=number), size)
            if level == tile.ENTRIES:
                data = tile.encode_bundle(engine.entries(number * tile.TILE_WIDTH, width))
            else:
                stored = engine.tile(level, number)
                assert stored is not None
                data = stored[: width * 32]
            found[tile.format_path(tile.TilePath(level=level, number=number, width=width))] = data
    return found


def material(
    heads: list[Head], tiles: dict[str, bytes], now_s: int, *, name: str
) -> dict[str, Any]:
    """The log as the judge reads it."""
    signer = World().signer()
    return {
        "log": {
            "origin": World().network,
            "size": heads[-1].size,
            "log_key": signer.log.verifier.format(),
            "witness_keys": [signer.cosigner.verifier.format()],
            "quorum": 1,
            "now": now_s,
            "max_age_s": 600,
            "tiles": {path: data.hex() for path, data in tiles.items()},
        },
        "notes": [{"name": f"{name}: head {head.size}", "text": head.note} for head in heads],
        "entries": [],
        "inclusion": [],
        "consistency": [
            {
                "name": f"{name}: growth to {new.size}",
                "old_size": old.size,
                "new_size": new.size,
                "old_root": old.root.hex(),
                "new_root": new.root.hex(),
                "path": [one.hex() for one in new.growth],
            }
            for old, new in itertools.pairwise(heads)
        ],
    }


async def test_aics_tlog_follows_the_log_that_our_engine_wrote(tmp_path: Path) -> None:
    engine, heads, now_s = await written_log()
    assert [head.size for head in heads] == [2, 4, 6, 10, 51, 282]
    tiles: dict[str, bytes] = {}
    for head in heads:
        tiles |= served(engine, head.size)
    case = material(heads, tiles, now_s, name="sound")
    verdicts = await asyncio.to_thread(ask, "aics-tlog", "judge_tlog.py", case, tmp_path)
    assert verdicts == expected(case["notes"], case["consistency"])


async def test_aics_tlog_notices_one_changed_byte_anywhere(tmp_path: Path) -> None:
    engine, heads, now_s = await written_log()
    last = heads[-1]
    tiles = served(engine, last.size)
    assert len(tiles) == 5, "two entry bundles, two tiles, and the one above"
    for number, path in enumerate(sorted(tiles)):
        changed = tiles | {path: flipped(tiles[path], 2 + number)}
        case = material([last], changed, now_s, name=f"changed {path}")
        verdicts = await asyncio.to_thread(ask, "aics-tlog", "judge_tlog.py", case, tmp_path)
        assert verdicts == expected(case["notes"]), path
