"""Merkle proofs judged by transparency-dev's published vectors, positive and negative."""

import base64
import binascii
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ledger.core import merkle

REFUSED_BY_RULE = {
    "consistency/additional/sizes-are-equal-one-and-proof-is-empty.json",
    "subtreeconsistency/additional/sizes-are-equal-one-and-proof-is-empty.json",
    "subtreeconsistency/additional/"
    "subtree-is-empty-sizes-are-equal-zero-subtree-root-valid-tree-root-random-proof-is-empty.json",
    "subtreeconsistency/additional/"
    "subtree-is-empty-sizes-are-equal-one-subtree-root-valid-tree-root-random-proof-is-empty.json",
}
"""Valid upstream, refused here: their "roots" are 12 bytes of text, and a hash is 32 bytes."""


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> dict[str, dict[str, Any]]:
    folder = shared_data / "vectors" / "merkle_testdata"
    files = sorted(folder.rglob("*.json"))
    return {str(file.relative_to(folder)): json.loads(file.read_text()) for file in files}


def _bytes(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return (text or "").encode()


def _verdict(name: str, case: dict[str, Any]) -> bool:
    path = [_bytes(item) for item in case["proof"] or []]
    kind = name.split("/", maxsplit=1)[0]
    if kind == "inclusion":
        return merkle.verify_inclusion(
            case["leafIdx"], case["treeSize"], _bytes(case["leafHash"]), _bytes(case["root"]), path
        )
    if kind == "subtreeinclusion":
        return merkle.verify_subtree_inclusion(
            case["leafIdx"],
            case["start"],
            case["end"],
            _bytes(case["leafHash"]),
            _bytes(case["root"]),
            path,
        )
    roots = _bytes(case["root1"]), _bytes(case["root2"])
    if kind == "consistency":
        return merkle.verify_consistency(case["size1"], case["size2"], *roots, path)
    assert kind == "subtreeconsistency"
    return merkle.verify_subtree(case["start"], case["end"], case["size"], *roots, path)


def test_all_vectors_are_there(vectors: dict[str, dict[str, Any]]) -> None:
    """The published set is complete: an empty folder would prove nothing."""
    kinds = Counter(name.split("/")[0] for name in vectors)

    assert kinds == {
        "inclusion": 98,
        "consistency": 98,
        "subtreeinclusion": 204,
        "subtreeconsistency": 118,
    }


def test_verdicts_agree(vectors: dict[str, dict[str, Any]]) -> None:
    """514 of 518 verdicts are upstream's; the other four are named."""
    differing = {name for name, case in vectors.items() if _verdict(name, case) is case["wantErr"]}

    assert differing == REFUSED_BY_RULE


def test_the_four_exceptions_are_refused_for_their_length(
    vectors: dict[str, dict[str, Any]],
) -> None:
    """Upstream accepts the four, we refuse them, and none of them carries two 32-byte roots."""
    for name in REFUSED_BY_RULE:
        case = vectors[name]
        assert case["wantErr"] is False
        assert not _verdict(name, case)
        assert {len(_bytes(case["root1"])), len(_bytes(case["root2"]))} != {32}
