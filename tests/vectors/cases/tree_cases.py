"""merkle.json and map.json: roots and proofs of the log and of the map."""

from typing import Any

from tests.vectors.cases.shape import Case, bad, good
from tests.vectors.second import identifiers, trees
from tests.vectors.second.trees import h


def _hex(nodes: list[bytes]) -> list[str]:
    return [node.hex() for node in nodes]


def merkle_file() -> dict[str, Any]:
    """Return merkle.json."""
    leaves = [trees.leaf_hash(f"entry {n}".encode()) for n in range(70)]
    cases: list[Case] = []
    for size in (0, 1, 2, 3, 4, 5, 7, 8, 9, 64, 70):
        root = trees.root(leaves[:size]).hex()
        cases.append(good(f"root of {size}", "RFC 9162", root, kind="root", size=size))
    for index, size in ((0, 1), (0, 2), (1, 2), (2, 3), (0, 5), (4, 5), (6, 7), (41, 70), (69, 70)):
        proof = trees.path(leaves[:size], index)
        inputs: dict[str, Any] = {
            "kind": "inclusion", "index": index, "size": size, "leaf": leaves[index].hex(),
            "root": trees.root(leaves[:size]).hex(), "path": _hex(proof),
        }  # fmt: skip
        name = f"leaf {index} of {size}"
        cases.append(good(name, "sibling of the leaf first", **inputs))
        if size == 5:
            long = [*inputs["path"], inputs["root"]]
            cases.append(bad(f"{name}, long path", "a hash too many", **inputs | {"path": long}))
            short = inputs["path"][:-1]
            cases.append(
                bad(f"{name}, short path", "a hash is missing", **inputs | {"path": short})
            )
            cases.append(bad(f"{name}, beyond", "index below size", **inputs | {"index": 5}))
            cases.append(bad(f"{name}, size 0", "nothing is included", **inputs | {"size": 0}))
            other = leaves[9].hex()
            cases.append(bad(f"{name}, other leaf", "the root differs", **inputs | {"leaf": other}))
    for old, new in ((0, 0), (0, 5), (1, 2), (2, 3), (3, 7), (4, 8), (6, 8), (8, 8), (41, 70)):
        proof = trees.consistency(leaves[:new], old)
        given: dict[str, Any] = {
            "kind": "consistency", "old": old, "new": new, "path": _hex(proof),
            "old_root": trees.root(leaves[:old]).hex(), "new_root": trees.root(leaves[:new]).hex(),
        }  # fmt: skip
        cases.append(good(f"{old} to {new}", "RFC 9162; empty from 0 and between equals", **given))
        other = leaves[0].hex()
        if old and old != new:
            wrong = given | {"old_root": h(b"other").hex()}
            cases.append(bad(f"{old} to {new}, other old root", "a fork", **wrong))
            cases.append(
                bad(f"{old} to {new}, no path", "hashes are missing", **given | {"path": []})
            )
        more = [*given["path"], other]
        cases.append(bad(f"{old} to {new}, long path", "a hash too many", **given | {"path": more}))
    swapped = {
        "kind": "consistency", "old": 5, "new": 3, "path": [],
        "old_root": trees.root(leaves[:5]).hex(), "new_root": trees.root(leaves[:3]).hex(),
    }  # fmt: skip
    cases.append(bad("5 to 3", "a log never shrinks", **swapped))
    return {
        "about": "docs/spec/log.md, log. Leaf n of every tree is the leaf hash of the ASCII text "
        "'entry n'. Paths begin beside the leaf.",
        "cases": cases,
    }


def _sample(count: int) -> dict[bytes, bytes]:
    """Return a map of `count` identifiers in a few groups, value n = H("value n")."""
    return {
        identifiers.map_key(f"hdl:lab.{n % 7}/item-{n}"): h(f"value {n}".encode())
        for n in range(count)
    }


def map_file() -> dict[str, Any]:
    """Return map.json."""
    cases: list[Case] = []
    for count in (0, 1, 2, 3, 10, 100, 300):
        root = trees.map_root(_sample(count)).hex()
        cases.append(
            good(f"map of {count}", "depends on the pairs only", root, kind="root", count=count)
        )
    for count, number in ((1, 0), (2, 1), (10, 3), (300, 0), (300, 41), (300, 299)):
        cases += _present(count, number)
    for count, text in ((0, "hdl:lab.1/no"), (1, "hdl:lab.0/no"), (10, "hdl:lab.3/no"),
                        (300, "hdl:lab.1/no"), (300, "gs1:")):  # fmt: skip
        cases += _absent(count, text)
    return {
        "about": "docs/spec/log.md, map. Pair n: key of identifier 'hdl:lab.(n mod 7)/item-n' (tag "
        "xinbiao:id), value H('value n'). `kind` present and absent: a proof under `root`.",
        "cases": cases,
    }


def _steps(proof: bytes) -> list[tuple[int, bytes]]:
    """Return the steps of a present proof."""
    steps = []
    while proof:
        at, shift, used = 0, 0, 0
        while True:
            byte = proof[used]
            at |= (byte & 127) << shift
            shift, used = shift + 7, used + 1
            if byte < 128:
                break
        steps.append((at, proof[used : used + 32]))
        proof = proof[used + 32 :]
    return steps


def _present(count: int, number: int) -> list[Case]:
    pairs = _sample(count)
    key = identifiers.map_key(f"hdl:lab.{number % 7}/item-{number}")
    proof, root = trees.prove(pairs, key), trees.map_root(pairs)
    inputs = {
        "kind": "present", "root": root.hex(), "key": key.hex(), "value": pairs[key].hex(),
        "proof": proof.hex(),
    }  # fmt: skip
    name = f"item {number} of {count}"
    cases = [good(name, "the fold comes to the root", **inputs)]

    def wrong(what: str, reason: str, **change: str) -> None:
        cases.append(bad(f"{name}, {what}", reason, **inputs | change))

    wrong("other value", "the leaf differs", value=h(b"other").hex())
    wrong("other root", "the root differs", root=h(b"other").hex())
    wrong("trailing byte", "a step is cut off", proof=proof.hex() + "00")
    wrong("as absence of itself", "a present key is not absent", kind="absent")
    if count < 300:
        return cases
    steps = _steps(proof)
    joined = b"".join(trees.varint(at) + node for at, node in steps)
    assert joined == proof
    assert len(steps) > 2
    loose = (
        bytes([steps[0][0] & 127 | 128, steps[0][0] >> 7 | 128, 0])
        + proof[len(trees.varint(steps[0][0])) :]
    )
    wrong("long varint", "varints are shortest", proof=loose.hex())
    again = b"".join(trees.varint(at) + node for at, node in (steps[1], steps[0], *steps[2:]))
    wrong("steps swapped", "bits strictly decrease", proof=again.hex())
    twice = trees.varint(steps[0][0]) + steps[0][1] + proof
    wrong("step twice", "bits strictly decrease", proof=twice.hex())
    wrong(
        "step missing", "the root differs", proof=proof[: -33 if steps[-1][0] < 128 else -34].hex()
    )
    high = trees.varint(512) + bytes(32) + proof
    wrong("bit 512", "a key has 512 bits", proof=high.hex())
    wrong("cut", "a step is cut off", proof=proof[:-1].hex())
    wrong("empty", "hashes are missing", proof="")
    return cases


def _absent(count: int, text: str) -> list[Case]:
    pairs = _sample(count)
    key = identifiers.map_key(text)
    assert key not in pairs
    proof, root = trees.prove(pairs, key), trees.map_root(pairs)
    inputs = {"kind": "absent", "root": root.hex(), "key": key.hex(), "proof": proof.hex()}
    name = f"{text} in {count}"
    cases = [good(name, "another leaf is where it would be", **inputs)]

    def wrong(what: str, reason: str, **change: str) -> None:
        cases.append(bad(f"{name}, {what}", reason, **inputs | change))

    wrong("other root", "the root differs", root=h(b"other").hex())
    if not count:
        wrong("with a leaf", "an empty map has no leaf", proof="40" + "11" * 64 + "20" + "22" * 32)
        return cases
    wrong("empty", "empty only for an empty map", proof="")
    wrong("trailing byte", "a step is cut off", proof=proof.hex() + "00")
    wrong("cut", "a step or the leaf is cut off", proof=proof[:-1].hex())
    reached = proof[1:65]
    wrong("the key that is there", "it is present", key=reached.hex())
    wrong("long varint", "varints are shortest", proof="c000" + proof.hex()[2:])
    short = bytes([63]) + proof[1:64] + proof[65:]
    wrong("key of 63 bytes", "keys have 64 bytes", proof=short.hex())
    if count > 10:
        away = next(k for k in pairs if k != reached and trees.bit(k, 0) != trees.bit(reached, 0))
        tail = trees.prove(pairs, away)
        value = pairs[away]
        other = b"\x40" + away + b"\x20" + value + tail
        if any(trees.bit(key, at) != trees.bit(away, at) for at, _ in _steps(tail)):
            wrong("a leaf elsewhere", "it differs in a bit named", proof=other.hex())
    return cases
