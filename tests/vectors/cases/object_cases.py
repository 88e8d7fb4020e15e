"""objects.json, commit.json and chain.json: what statements leave behind."""

from typing import Any

from tests.vectors.cases.shape import Case, bad, good, show
from tests.vectors.second import cbor, identifiers, trees
from tests.vectors.second.chain import KEYS, MEMBERS, NETWORK, NETWORK_KEY, object_value
from tests.vectors.second.story import LAB, PUMP, Story
from tests.vectors.second.trees import h

_TAGS = {1: "id", 2: "id", 3: "id", 4: "stream", 6: "usage"}


def objects_file(story: Story) -> dict[str, Any]:
    """Return objects.json."""
    cases: list[Case] = []
    for key, obj in sorted(story.chain.objects.items()):
        name = f"kind {obj[0]}: {obj[1]}"
        cases.append(_object(name, "newest version in the story of chain.json", obj, key))
        for number, raw in enumerate(story.chain.older.get(key, []), 1):
            old = cbor.decode(raw)
            cases.append(_object(f"{name}, version {number}", "an older version", old, key))
    cases += [_object(name, reason, obj, key) for name, reason, obj, key in _later(story)]
    for name, reason, changed in _refused(story):
        cases.append(bad(name, reason, hex=cbor.encode(changed).hex()))
    cases.append(bad("over 65,535 bytes", "an object has at most 65,535", hex=_huge(story).hex()))
    return {
        "about": "docs/spec/objects.md. `map_key` and `map_value` are the leaf of the map, "
        "`plain_hash` is what the next version's prev must be.",
        "cases": cases,
    }


def _object(name: str, reason: str, obj: dict[int, Any], key: bytes) -> Case:
    raw = cbor.encode(obj)
    expect = {
        "kind": obj[0], "identifier": obj[1], "map_key": key.hex(),
        "map_value": object_value(raw).hex(), "plain_hash": h(raw).hex(), "object": show(obj),
    }  # fmt: skip
    if obj[0] != 5:
        assert key == identifiers.map_key(obj[1], _TAGS[obj[0]])
    return good(name, reason, expect, hex=raw.hex())


def _later(story: Story) -> list[tuple[str, str, dict[int, Any], bytes]]:
    """Return objects that later operations make; a reader takes them today."""
    record = story.chain.objects[identifiers.map_key(PUMP)]
    prefix = story.chain.objects[identifiers.map_key(LAB)]
    alias = {0: 3, 1: "hdl:lab.1/old", 2: PUMP, 3: 1, 7: 30, 8: 30, 11: None}
    stream = story.chain.objects[identifiers.map_key("hdl:lab.1/gw-1", "stream")]
    offer = {0: 1, 1: h(b"offer"), 2: "hdl:lab.2", 3: 99, 4: 31}
    return [
        ("record with aliases", "listed by op 4", record | {6: ["hdl:lab.1/a", "hdl:lab.1/b"]},
         identifiers.map_key(PUMP)),
        ("frozen record", "status 2", record | {4: 2}, identifiers.map_key(PUMP)),
        ("withheld record", "status 3, no values", record | {4: 3, 5: []}, identifiers.map_key(PUMP)),
        ("offered record", "pending transfer", record | {12: offer}, identifiers.map_key(PUMP)),
        ("offered prefix", "pending transfer", prefix | {12: offer}, identifiers.map_key(LAB)),
        ("alias", "made by op 10", alias, identifiers.map_key("hdl:lab.1/old")),
        ("removed alias", "its target is null", alias | {2: None, 3: 2, 11: h(cbor.encode(alias))},
         identifiers.map_key("hdl:lab.1/old")),
        ("equivocating stream", "marked by op 9", stream | {13: [[0, 1], [1, 7]]},
         identifiers.map_key("hdl:lab.1/gw-1", "stream")),
    ]  # fmt: skip


def _refused(story: Story) -> list[tuple[str, str, Any]]:
    record = story.chain.objects[identifiers.map_key(PUMP)]
    prefix = story.chain.objects[identifiers.map_key(LAB)]
    usage = story.chain.objects[identifiers.map_key(LAB, "usage")]

    def without(member: int) -> dict[int, Any]:
        return {label: item for label, item in record.items() if label != member}

    return [
        ("kind 7", "kinds are 1-6", record | {0: 7}),
        ("kind 0", "kinds are 1-6", record | {0: 0}),
        ("kind true", "a number", record | {0: True}),
        ("an array", "a map", [1, 2]),
        ("unknown member", "no member beyond the shape", record | {16: 0}),
        ("without values", "a required member", without(5)),
        ("without prev", "null at version 1, never absent", without(11)),
        ("identifier of another form", "canonical only", record | {1: "lab.1/pump-07"}),
        ("version 0", "versions begin at 1", record | {3: 0}),
        ("status 4", "0-3", record | {4: 4}),
        ("value without time", "7 is required when stored",
         record | {5: [{k: v for k, v in item.items() if k != 7} for item in record[5]]}),
        ("values out of order", "ascending by index", record | {5: record[5][::-1]}),
        ("prev of 31 bytes", "a hash has 32", record | {11: bytes(31)}),
        ("record with keys of a prefix", "5 holds values", record | {5: prefix[5]}),
        ("prefix without keys", "one at least", prefix | {5: []}),
        ("key without from", "3 is required when stored", prefix | {5: [{1: KEYS["owner"].cose, 2: [1]}]}),
        ("prefix without quota", "a required member", {k: v for k, v in prefix.items() if k != 13}),
        ("usage with version", "usage has no versions", usage | {4: 1}),
    ]  # fmt: skip


def _huge(story: Story) -> bytes:
    record = story.chain.objects[identifiers.map_key(PUMP)]
    value = record[5][0]
    return cbor.encode(record | {5: [value | {4: "x" * 66_000}]})


def commit_file(story: Story) -> dict[str, Any]:
    """Return commit.json."""
    cases: list[Case] = []
    for block in story.chain.blocks:
        raw = block["raw"]
        expect = {"leaf": show(block["leaf"]), "leaf_hash": trees.leaf_hash(raw).hex()}
        cases.append(good(f"height {block['leaf'][1]}", "of the story", expect, hex=raw.hex()))
    leaf = story.chain.blocks[2]["leaf"]
    for name, reason, changed in (
        ("no statements", "no accepted statement, no leaf", leaf | {3: 0}),
        ("map root of 31 bytes", "a hash has 32", leaf | {4: bytes(31)}),
        ("unknown member", "1-8", leaf | {9: 0}),
        ("without network", "1-8", {k: v for k, v in leaf.items() if k != 8}),
        ("previous absent", "null, never absent", {k: v for k, v in leaf.items() if k != 6}),
        ("height as text", "a number", leaf | {1: "2"}),
    ):
        cases.append(bad(name, reason, hex=cbor.encode(changed).hex()))
    raw = cbor.encode(leaf)
    cases.append(bad("trailing byte", "nothing follows", hex=raw.hex() + "00"))
    cases.append(bad("array", "a map", hex=cbor.encode(list(leaf.values())).hex()))
    cases.append(bad("nothing", "no bytes", hex=""))
    return {"about": "docs/spec/log.md, commit leaf: entry bytes.", "cases": cases}


def chain_file(story: Story) -> dict[str, Any]:
    """Return chain.json: the whole log, block by block."""
    cases: list[Case] = []
    for block in story.chain.blocks:
        leaf = block["leaf"]
        first, count = leaf[2], leaf[3]
        size = first + count + 1
        leaves = story.chain.leaves()[:size]
        expect = {
            "commit_leaf": block["raw"].hex(),
            "map_root": leaf[4].hex(),
            "size": size,
            "log_root": trees.root(leaves).hex(),
            "checkpoint": block["text"],
            "objects": [[key.hex(), raw.hex()] for key, raw in block["changed"]],
            "last_leaf_path": [node.hex() for node in trees.path(leaves, size - 1)],
        }
        statements = [entry.hex() for entry in story.chain.entries[first : first + count]]
        cases.append(
            good(f"block {leaf[1]}", "applied in order on the block before", expect,
                 ms=leaf[5], statements=statements)
        )  # fmt: skip
    return {
        "about": f"A network of {len(MEMBERS)} members from its genesis on: for each block its "
        "time, the statements in order, and what they must come to: every object changed (map key, "
        "bytes), the map root, the commit leaf, the log root and the checkpoint text.",
        "network": NETWORK,
        "network_key": NETWORK_KEY.hex(),
        "cases": cases,
    }
