"""One real offline proof: Go's checksum database, entry 43,930,254 of 58,253,265."""

from pathlib import Path

import pytest

from ledger.core import merkle
from ledger.core.checkpoint import Checkpoint, VerifierKey, decode_base64, open_checkpoint

KEY = VerifierKey.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
NAME = "go.sum-43930254"


@pytest.fixture(scope="module")
def proof(shared_data: Path) -> tuple[int, list[bytes], Checkpoint]:
    data = (shared_data / "vectors" / "tlog_proof" / f"{NAME}.tlog-proof").read_bytes()
    head, note = data.split(b"\n\n", 1)
    version, index, *path = head.decode().split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    checkpoint, verified = open_checkpoint(note, [KEY])
    assert [item.key for item in verified.signatures] == [KEY]
    return int(index.removeprefix("index ")), [decode_base64(line) for line in path], checkpoint


@pytest.fixture(scope="module")
def leaf(shared_data: Path) -> bytes:
    return merkle.leaf_hash((shared_data / "vectors" / "tlog_proof" / f"{NAME}.raw").read_bytes())


def test_the_entry_is_included(proof: tuple[int, list[bytes], Checkpoint], leaf: bytes) -> None:
    """Signature and 26 hashes lead from the entry to the signed root; origin is not the key's name."""
    index, path, head = proof

    assert (index, head.size, len(path)) == (43_930_254, 58_253_265, 26)
    assert head.origin == "go.sum database tree"
    assert merkle.verify_inclusion(index, head.size, leaf, head.root, path)


def test_nothing_else_is(proof: tuple[int, list[bytes], Checkpoint], leaf: bytes) -> None:
    """Another index, size, leaf, or a path with one hash fewer is refused."""
    index, path, head = proof

    assert not merkle.verify_inclusion(index + 1, head.size, leaf, head.root, path)
    assert not merkle.verify_inclusion(index, index + 1, leaf, head.root, path)
    assert not merkle.verify_inclusion(index, head.size, head.root, head.root, path)
    assert not merkle.verify_inclusion(index, head.size, leaf, head.root, path[1:])
