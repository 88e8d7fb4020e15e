"""The product agrees with every vector of tests/vectors, which a second implementation made.

Bundles have a file of their own (test_vectors_bundle.py).
"""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.core import (
    block,
    encoding,
    identifier,
    keys,
    merkle,
    operation,
    prefix_map,
    reading,
    record,
    statement,
)
from ledger.core.checkpoint import (
    Checkpoint,
    NoteSigner,
    SignatureKind,
    VerifierKey,
    open_checkpoint,
)
from ledger.core.policy import TrustFile
from ledger.errors import KeyFormatError, LedgerError, Rejection

VECTORS = Path(__file__).parents[1] / "vectors"


def cases(name: str) -> list[Any]:
    """Return a file's cases as pytest parameters."""
    document = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return [
        pytest.param(case, id=case["name"].encode("ascii", "replace").decode())
        for case in document["cases"]
    ]


def show(value: Any) -> Any:
    """Return a CBOR value as the vectors show it."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, list):
        return [show(item) for item in value]
    if isinstance(value, dict):
        return {"map": [[show(key), show(item)] for key, item in sorted(value.items())]}
    return value


def hexes(texts: list[str]) -> list[bytes]:
    """Return byte strings of hex texts."""
    return [bytes.fromhex(text) for text in texts]


def judge(case: dict[str, Any], produce: Any, expected: Any) -> None:
    """Assert that `produce` gives `expected`, or is refused with an error of ours."""
    if case["valid"]:
        assert expected == produce(), case["reason"]
    else:
        with pytest.raises(LedgerError):
            produce()


@pytest.mark.parametrize("case", cases("cbor"))
def test_cbor(case: dict[str, Any]) -> None:
    """The scanner accepts and refuses the same bytes, and the writer gives them back."""
    decode = {
        "payload": encoding.decode,
        "header": encoding.decode_header,
        "reading": encoding.decode_reading_value,
    }[case["profile"]]
    data = bytes.fromhex(case["hex"])
    judge(case, lambda: show(decode(data)), case["expect"])
    if case["valid"]:
        assert data == encoding.encode(decode(data))


@pytest.mark.parametrize("case", cases("identifiers"))
def test_identifiers(case: dict[str, Any]) -> None:
    """Canonical form, key text, group, parents and map keys are the same."""
    read = identifier.canonical if case["form"] == "canonical" else identifier.parse

    def produce() -> dict[str, Any]:
        ident = read(case["text"])
        return {
            "canonical": ident.text,
            "scheme": ident.scheme,
            "key_text": ident.key_text,
            "group": ident.group,
            "parents": list(ident.parents),
            "can_be_prefix": ident.can_be_prefix,
            "must_be_prefix": ident.must_be_prefix,
            "self_certifying": ident.self_certifying,
            "map_key": record.id_key(ident).hex(),
            "stream_key": record.stream_key(ident).hex(),
            "usage_key": record.usage_key(ident).hex(),
        }

    judge(case, produce, case["expect"])


@pytest.mark.parametrize("case", cases("keys"))
def test_keys(case: dict[str, Any]) -> None:
    """The same keys may be listed, under the same kid."""

    def produce() -> dict[str, str]:
        key = keys.public_from_cose(bytes.fromhex(case["cose"]))
        return {"curve": key.curve, "kid": key.kid.hex()}

    judge(case, produce, case["expect"])
    if "seed" in case:
        private = keys.private_from_seed(keys.ED25519, bytes.fromhex(case["seed"]))
        assert case["cose"] == private.public.cose.hex()


@pytest.mark.parametrize("case", cases("signatures"))
def test_signatures(case: dict[str, Any]) -> None:
    """The same signatures are valid, at the edges of both algorithms."""
    signature, message = bytes.fromhex(case["signature"]), bytes.fromhex(case["message"])
    try:
        key = keys.public_from_cose(bytes.fromhex(case["cose"]))
    except KeyFormatError:  # such a key is never listed, so nothing it signs is valid
        assert not case["valid"]
        return
    assert case["valid"] == key.verify(signature, message, case["alg"])


@pytest.mark.parametrize("case", cases("statements"))
def test_statements(case: dict[str, Any]) -> None:
    """The same entries are statements signed by the key, and the same submissions come to them."""
    data = bytes.fromhex(case["hex"])

    def produce() -> str:
        parsed = statement.parse(data)
        operation.parse(parsed.payload)
        key = keys.public_from_cose(bytes.fromhex(case["key"]))
        if not parsed.is_signed_by(key):
            raise LedgerError("the signature is not the key's")
        return parsed.hash.hex()

    judge(case, produce, sha256(data).hexdigest())
    if "submission" in case:
        assert data == statement.normalise(bytes.fromhex(case["submission"]))


@pytest.mark.parametrize("case", cases("operations"))
def test_operations(case: dict[str, Any]) -> None:
    """The same payloads are operations, and encode to the same bytes again."""
    data = bytes.fromhex(case["hex"])
    judge(case, lambda: operation.parse(data).encode(), data)
    if case["valid"]:
        assert case["expect"] == show(encoding.decode(data))


@pytest.mark.parametrize("case", cases("objects"))
def test_objects(case: dict[str, Any]) -> None:
    """The same bytes are objects, and encode to the same bytes again."""
    data = bytes.fromhex(case["hex"])
    judge(case, lambda: record.decode_object(data).encode(), data)
    if case["valid"]:
        assert case["expect"]["map_value"] == record.object_value(data).hex()
        assert case["expect"]["object"] == show(encoding.decode(data))


@pytest.mark.parametrize("case", cases("commit"))
def test_commit_leaves(case: dict[str, Any]) -> None:
    """The same bytes are commit leaves."""
    data = bytes.fromhex(case["hex"])
    judge(case, lambda: block.decode_commit_leaf(data).encode(), data)
    if case["valid"]:
        assert case["expect"]["leaf_hash"] == merkle.leaf_hash(data).hex()


@pytest.mark.parametrize("case", cases("readings"))
def test_readings(case: dict[str, Any]) -> None:
    """Readings, contexts, batches, disclosures and archives are the same."""
    _READINGS[case["kind"]](case)


def _reading(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["hex"])

    def produce() -> bytes:
        one = reading.decode_reading(data)
        return reading.encode_reading(one.name, one.us, one.value, one.unit, one.quality)

    judge(case, produce, data)
    if case["valid"]:
        assert case["expect"] == show(encoding.decode_reading_value(data))


def _context(case: dict[str, Any]) -> None:
    stream = identifier.canonical(case["stream"]).key_text
    assert case["expect"] == reading.context(case["sequence"], stream).hex()


def _batch(case: dict[str, Any]) -> None:
    key, ctx = bytes.fromhex(case["key"]), reading.context(case["sequence"], case["stream"])
    readings = hexes(case["readings"])
    if "pattern" in case:
        name, us, count = (case["pattern"][part] for part in ("name", "us", "count"))
        readings = [reading.encode_reading(name, us + n, n) for n in range(count)]
    expected = case["expect"]
    assert expected["root"] == reading.batch_root(key, readings, ctx).hex()
    leaves = [leaf.hex() for leaf in reading.leaf_hashes(key, readings, ctx)]
    salts = [reading.salt(key, number).hex() for number in range(len(readings))]
    assert expected["salts"] == salts[: len(expected["salts"])]
    if "leaves" in expected:
        assert expected["leaves"] == leaves[: len(expected["leaves"])]
    if "archive_hash" in expected:
        body = reading.encode_archive(key, readings)
        assert expected["archive_hash"] == sha256(body).hexdigest()


def _disclosure(case: dict[str, Any]) -> None:
    ctx = reading.context(case["sequence"], case["stream"])
    leaf = reading.leaf_hash(bytes.fromhex(case["salt"]), ctx, bytes.fromhex(case["reading"]))
    root, path = bytes.fromhex(case["root"]), hexes(case["path"])
    assert case["valid"] == (
        len(case["salt"]) == 32
        and merkle.verify_inclusion(case["leaf"], case["count"], leaf, root, path)
    )


def _archive(case: dict[str, Any]) -> None:
    def produce() -> dict[str, Any]:
        key, readings = reading.decode_archive(bytes.fromhex(case["hex"]))
        return {"key": key.hex(), "readings": [one.hex() for one in readings]}

    expected = case["expect"] and {name: case["expect"][name] for name in ("key", "readings")}
    judge(case, produce, expected)


_READINGS = {
    "reading": _reading,
    "context": _context,
    "batch": _batch,
    "disclosure": _disclosure,
    "archive": _archive,
}


@pytest.mark.parametrize("case", cases("merkle"))
def test_merkle(case: dict[str, Any]) -> None:
    """Roots and proofs of the log are the same."""
    if case["kind"] == "root":
        leaves = [merkle.leaf_hash(f"entry {n}".encode()) for n in range(case["size"])]
        assert case["expect"] == merkle.tree_root(leaves).hex()
        assert case["expect"] == merkle.Frontier().extend(leaves).root().hex()
    elif case["kind"] == "inclusion":
        assert case["valid"] == merkle.verify_inclusion(
            case["index"],
            case["size"],
            bytes.fromhex(case["leaf"]),
            bytes.fromhex(case["root"]),
            hexes(case["path"]),
        )
    else:
        assert case["valid"] == merkle.verify_consistency(
            case["old"],
            case["new"],
            bytes.fromhex(case["old_root"]),
            bytes.fromhex(case["new_root"]),
            hexes(case["path"]),
        )


@pytest.mark.parametrize("case", cases("map"))
def test_map(case: dict[str, Any]) -> None:
    """Proofs of presence and absence are the same."""
    if case["kind"] == "root":
        pairs = [
            (
                record.id_key(identifier.canonical(f"hdl:lab.{n % 7}/item-{n}")),
                sha256(f"value {n}".encode()).digest(),
            )
            for n in range(case["count"])
        ]
        assert case["expect"] == prefix_map.PrefixMap().update(pairs).root.hex()
        return
    root, key, proof = (bytes.fromhex(case[name]) for name in ("root", "key", "proof"))
    if case["kind"] == "present":
        value = bytes.fromhex(case["value"])
        assert case["valid"] == prefix_map.verify_present(root, key, value, proof)
    elif "value" in case:
        # A value beside a claim of absence is an error already in the bundle (object bytes null).
        assert not case["valid"]
    else:
        assert case["valid"] == prefix_map.verify_absent(root, key, proof)


@pytest.mark.parametrize("case", cases("checkpoint"))
def test_checkpoints(case: dict[str, Any]) -> None:
    """The same notes are accepted, and signing gives the same lines."""
    if "note" in case:

        def produce() -> dict[str, Any]:
            trusted = [VerifierKey.parse(text) for text in case["keys"]]
            checkpoint, verified = open_checkpoint(case["note"].encode(), trusted)
            return {
                "origin": checkpoint.origin,
                "size": checkpoint.size,
                "root": checkpoint.root.hex(),
                "signed": len(verified.signatures),
                "ignored": len(verified.ignored),
            }

        expected = case["expect"]
        if expected is not None:
            counts = (("signed", expected["signed_by"]), ("ignored", expected["ignored"]))
            names = ("origin", "size", "root")
            expected = {name: expected[name] for name in names} | {
                name: items if isinstance(items, int) else len(items) for name, items in counts
            }
        judge(case, produce, expected)
        return
    key = keys.private_from_seed(keys.ED25519, bytes.fromhex(case["seed"]))
    signer = NoteSigner.of(name=case["key_name"], kind=SignatureKind(case["kind"]), key=key)
    checkpoint = Checkpoint.parse(case["text"])
    if case["time_s"] is None:
        line = signer.sign(checkpoint)
    else:
        line = signer.cosign(checkpoint, time_s=case["time_s"])
    assert case["expect"]["vkey"] == signer.verifier.format()
    assert case["expect"]["line"].rstrip("\n") == line.format().rstrip("\n")


@pytest.mark.parametrize("case", cases("trust"))
def test_trust_files(case: dict[str, Any]) -> None:
    """The same trust files are accepted, and the same quorums met."""

    def produce() -> Any:
        trust = TrustFile.parse(case["text"])
        if "dated" in case:
            return {"latest": trust.latest_quorum_time(case["dated"])}
        return {"network": trust.network}

    names = ("latest",) if "dated" in case else ("network",)
    expected = case["expect"] and {name: case["expect"][name] for name in names}
    judge(case, produce, expected)


@dataclass
class Story:
    """The state that chain.json builds, block by block."""

    objects: dict[bytes, bytes] = field(default_factory=dict)
    company: list[str] = field(default_factory=list)
    head: block.Head = field(default_factory=lambda: block.Head(size=0, commit_leaf=None))
    map_: prefix_map.PrefixMap = field(default_factory=prefix_map.PrefixMap)
    frontier: merkle.Frontier = field(default_factory=merkle.Frontier)

    def object(self, key: bytes) -> bytes | None:
        return self.objects.get(key)

    def company_prefixes(self, start: str) -> list[str]:
        return [text for text in self.company if text.startswith(start)]

    def execute(self, entries: list[bytes], ms: int) -> block.Block | block.Refused:
        parsed = [statement.parse(entry) for entry in entries]
        return block.execute(parsed, reader=self, head=self.head, map_=self.map_, ms=ms)

    def add(self, result: block.Block) -> None:
        self.objects |= result.objects
        self.company += result.company_prefixes
        self.map_ = result.map
        self.frontier = self.frontier.extend(map(merkle.leaf_hash, result.entries))
        leaf = result.commit_leaf
        self.head = block.Head(size=leaf.index + 1, commit_leaf=leaf)


def test_chain() -> None:
    """Executing the story block by block gives the same roots, leaves and checkpoints."""
    story = Story()
    for case in json.loads((VECTORS / "chain.json").read_text("utf-8"))["cases"]:
        result = story.execute(hexes(case["statements"]), case["ms"])
        assert isinstance(result, block.Block), case["name"]
        assert all(isinstance(outcome, int) for outcome in result.outcomes)
        story.add(result)
        expected, root = case["expect"], story.frontier.root()
        assert expected["map_root"] == story.map_.root.hex()
        assert expected["log_root"] == root.hex()
        checkpoint = Checkpoint(origin="vectors.example", size=story.head.size, root=root)
        assert expected["checkpoint"] == checkpoint.text()


@pytest.fixture(scope="module")
def told() -> Story:
    """The state at the end of chain.json; tests execute on it and add nothing."""
    story = Story()
    for case in json.loads((VECTORS / "chain.json").read_text("utf-8"))["cases"]:
        result = story.execute(hexes(case["statements"]), case["ms"])
        assert isinstance(result, block.Block)
        story.add(result)
    return story


@pytest.mark.parametrize("case", cases("rejections"))
def test_rejections(case: dict[str, Any], told: Story) -> None:
    """The first failed check is the same for every statement."""
    try:
        [outcome] = told.execute([bytes.fromhex(case["hex"])], case["ms"]).outcomes
    except Rejection as rejection:  # the envelope itself
        outcome = rejection
    if case["valid"]:
        assert isinstance(outcome, int), case["reason"]
    else:
        assert isinstance(outcome, Rejection), case["reason"]
        named = {"code": int(outcome.code), "name": outcome.code.title}
        assert case["expect"] == named, (case["reason"], outcome.detail)
