"""readings.json: encodings, contexts, salts, leaves, roots, disclosures and archives."""

from typing import Any

from tests.vectors.cases.shape import Case, bad, good, show
from tests.vectors.second import cbor, trees
from tests.vectors.second.batches import Batch, context, salt
from tests.vectors.second.story import GATEWAY, Story
from tests.vectors.second.trees import h

_NAME = "hdl:lab.1/pump-07#temperature"
_US = 1_767_225_600_000_000
_GOOD: list[tuple[str, str, list[Any]]] = [
    ("half float", "21.0 is f94d40", [_NAME, _US, 21.0]),
    ("integer", "21 stays an integer and differs from 21.0", [_NAME, _US, 21]),
    ("unit", "a unit of UCUM", [_NAME, _US, 21.5, "Cel"]),
    ("unit and quality", "uncertain", [_NAME, _US, 21.5, "Cel", 1]),
    ("null unit before quality", "null stands only here", [_NAME, _US, None, None, 2]),
    ("minus zero", "kept as it is", [_NAME, _US, -0.0]),
    ("double", "0.1 needs 64 bits", [_NAME, _US, 0.1]),
    ("least integer", "-2^63", [_NAME, _US, -(2**63)]),
    ("largest integer", "2^63-1", [_NAME, _US, 2**63 - 1]),
    ("truth", "a boolean", [_NAME, _US, True]),
    ("text", "a text value", [_NAME, _US, "运行"]),
    ("bytes", "a byte string", [_NAME, _US, b"\x00\xff"]),
    ("epoch", "the least time", [_NAME, 0, 1]),
    ("last time", "2^53-1", [_NAME, 2**53 - 1, 1]),
    ("two marks", "split at the last #", ["hdl:lab.1/a#b#temperature", _US, 1]),
    ("name of 640 bytes", "the bound", ["hdl:lab.1/a#" + "p" * 628, _US, 1]),
    ("unit of 32 bytes", "the bound", [_NAME, _US, 1, "u" * 32]),
]
_BAD: list[tuple[str, str, Any]] = [
    ("two items", "three to five", [_NAME, _US]),
    ("six items", "three to five", [_NAME, _US, 1, "Cel", 1, 0]),
    ("map", "an array", {0: _NAME, 1: _US, 2: 1}),
    ("no mark", "identifier#property", ["hdl:lab.1/pump-07", _US, 1]),
    ("no property", "identifier#property", ["hdl:lab.1/pump-07#", _US, 1]),
    ("no identifier", "identifier#property", ["#temperature", _US, 1]),
    ("name of 641 bytes", "1-640 bytes", ["hdl:lab.1/a#" + "p" * 629, _US, 1]),
    ("name as bytes", "text", [b"hdl:lab.1/a#b", _US, 1]),
    ("negative time", "0...2^53-1", [_NAME, -1, 1]),
    ("late time", "0...2^53-1", [_NAME, 2**53, 1]),
    ("time as float", "an integer", [_NAME, 1.5, 1]),
    ("time true", "an integer", [_NAME, True, 1]),
    ("array value", "a scalar", [_NAME, _US, [1]]),
    ("map value", "a scalar", [_NAME, _US, {}]),
    ("null unit alone", "null stands only before a quality", [_NAME, _US, 1, None]),
    ("empty unit", "1-32 bytes", [_NAME, _US, 1, ""]),
    ("unit of 33 bytes", "1-32 bytes", [_NAME, _US, 1, "u" * 33]),
    ("unit as number", "text", [_NAME, _US, 1, 1]),
    ("good quality", "left out, never written", [_NAME, _US, 1, "Cel", 0]),
    ("quality 3", "1 or 2", [_NAME, _US, 1, "Cel", 3]),
    ("quality true", "a number", [_NAME, _US, 1, "Cel", True]),
]


def file(story: Story) -> dict[str, Any]:
    """Return readings.json."""
    cases: list[Case] = []
    for name, reason, items in _GOOD:
        raw = cbor.encode(items)
        cases.append(good(name, reason, show(items), kind="reading", hex=raw.hex()))
    for name, reason, items in _BAD:
        cases.append(bad(name, reason, kind="reading", hex=cbor.encode(items).hex()))
    cases += _raw() + _contexts() + _batches(story) + _archives(story)
    return {
        "about": "docs/spec/readings.md. `kind` reading: one reading's bytes. context: ctx of a "
        "sequence and the stream's key text. batch: root, leaves and salts of readings under a "
        "key. disclosure: one leaf with its path; a refused one does not come to the root. "
        "archive: an archive body.",
        "cases": cases,
    }


def _raw() -> list[Case]:
    start = cbor.encode([_NAME, _US, 0])[:-1]
    rows = (
        ("nothing", "no bytes", b""),
        ("NaN", "no value", start + b"\xf9\x7e\x00"),
        ("infinity", "no value", start + b"\xf9\x7c\x00"),
        ("21.0 as double", "the shortest float", start + bytes.fromhex("fb4035000000000000")),
        ("2^63", "beyond 64 bits", start + bytes.fromhex("1b8000000000000000")),
        ("long integer", "shortest heads", start + b"\x18\x01"),
        ("undefined", "no value", start + b"\xf7"),
        ("tagged time", "no tag", start + b"\xc1\x01"),
        ("trailing byte", "nothing follows", start + b"\x01\x00"),
        ("indefinite array", "definite lengths", b"\x9f" + start[1:] + b"\x01\xff"),
        ("device signature", "D2 is refused until its payload is fixed", b"\xd2\x84" + bytes(70)),
        ("4097 bytes", "at most 4096", cbor.encode([_NAME, _US, bytes(4097)])[:4097]),
        ("whole 5000 bytes", "at most 4096", cbor.encode([_NAME, _US, bytes(4955)])),
    )
    return [bad(name, reason, kind="reading", hex=raw.hex()) for name, reason, raw in rows]


def _contexts() -> list[Case]:
    rows = (
        ("first batch", "sequence 0", 0, GATEWAY),
        ("next batch", "another sequence, another ctx", 1, GATEWAY),
        ("other stream", "another stream, another ctx", 0, "hdl:lab.2/gw-1"),
        ("spelling", "the key text is folded", 0, "hdl:lab.1/GW-1"),
        ("large sequence", "u64be", 2**53 - 1, GATEWAY),
    )
    return [
        good(name, reason, context(n, s).hex(), kind="context", sequence=n, stream=s)
        for name, reason, n, s in rows
    ]


def _batches(story: Story) -> list[Case]:
    cases: list[Case] = []
    for count in (0, 1, 2, 3, 5, 8, 300):
        readings = [cbor.encode([_NAME, _US + n, n]) for n in range(count)]
        batch = (
            story.batch if count == 5 else Batch(bytes([count % 256]) * 32, readings, 0, GATEWAY)
        )
        shown = batch.readings if count < 300 else []
        expect = {
            "root": trees.root(batch.leaves).hex(),
            "salts": [salt(batch.key, n).hex() for n in range(min(count, 8))],
            "leaves": [leaf.hex() for leaf in batch.leaves[:8]],
            "archive_hash": h(batch.archive).hex(),
        }
        inputs: dict[str, Any] = {
            "kind": "batch", "key": batch.key.hex(), "sequence": 0, "stream": GATEWAY,
            "readings": [reading.hex() for reading in shown],
        }  # fmt: skip
        if count == 300:
            inputs["pattern"] = {"name": _NAME, "us": _US, "count": 300}
        reason = "reading n is [name, us + n, n]" if count == 300 else "root of the leaves in order"
        cases.append(good(f"batch of {count}", reason, expect, **inputs))
    cases += _disclosures(story.batch)
    return cases


def _disclosures(batch: Batch) -> list[Case]:
    root = trees.root(batch.leaves)

    def inputs(number: int, **change: Any) -> dict[str, Any]:
        shown = batch.disclosure(number)
        parts = {
            "kind": "disclosure", "sequence": batch.sequence, "stream": batch.stream,
            "count": len(batch.readings), "root": root.hex(), "reading": shown[1].hex(),
            "salt": shown[2].hex(), "leaf": number, "path": [node.hex() for node in shown[4]],
        }  # fmt: skip
        return parts | change

    cases = [
        good(f"leaf {leaf} of 5", "its path comes to the root", **inputs(leaf))
        for leaf in range(len(batch.readings))
    ]
    other = salt(batch.key, 3).hex()
    path = inputs(2)["path"]
    return [
        *cases,
        bad("other reading", "the leaf is another", **inputs(2, reading=batch.readings[0].hex())),
        bad("other salt", "the leaf is another", **inputs(2, salt=other)),
        bad("other sequence", "ctx is another", **inputs(2, sequence=1)),
        bad("another stream", "a stolen root proves nothing", **inputs(2, stream="hdl:thief.1/gw")),
        bad("other leaf number", "the path goes elsewhere", **inputs(2, leaf=3)),
        bad("leaf beyond count", "leaf index is below count", **inputs(2, leaf=5)),
        bad("short path", "a hash is missing", **inputs(2, path=path[:-1])),
        bad("long path", "a hash too many", **inputs(2, path=[*path, path[0]])),
    ]


def _archives(story: Story) -> list[Case]:
    batch = story.batch
    reading = batch.readings[0]
    empty = cbor.encode([batch.key, []])
    expect = {"key": batch.key.hex(), "readings": [item.hex() for item in batch.readings]}
    none = {"key": batch.key.hex(), "readings": []}
    rows = (
        ("key of 31 bytes", "K has 32 bytes", cbor.encode([bytes(31), [reading]])),
        ("reading as array", "readings are byte strings", cbor.encode([batch.key, [[1]]])),
        ("malformed reading", "each reading is well formed", cbor.encode([batch.key, [b"\x80"]])),
        ("three items", "K and readings", cbor.encode([batch.key, [], []])),
        ("trailing byte", "nothing follows", empty + b"\0"),
        ("map", "an array", cbor.encode({0: batch.key, 1: []})),
        ("nothing", "no bytes", b""),
    )
    return [
        good("archive", "K and the readings in leaf order", expect, kind="archive",
             hex=batch.archive.hex()),
        good("empty archive", "no readings", none, kind="archive", hex=empty.hex()),
        *(bad(f"archive: {name}", reason, kind="archive", hex=raw.hex())
          for name, reason, raw in rows),
    ]  # fmt: skip
