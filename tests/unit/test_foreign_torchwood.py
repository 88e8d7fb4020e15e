"""Map roots judged by torchwood's published vectors, keys and values of any length."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from ledger.core.prefix_map import FOREIGN, PrefixMap, verify_absent, verify_present

Pairs: TypeAlias = list[tuple[bytes, bytes]]


def _cases(text: str) -> Iterator[tuple[Pairs, str]]:
    pairs: Pairs = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["kv"]:
            key, value = ("" if word == "''" else word for word in words[1:])
            pairs.append((bytes.fromhex(key), bytes.fromhex(value)))
        elif words[:1] == ["hash"]:
            yield pairs, words[1]
            pairs = []


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> list[tuple[Pairs, str]]:
    file = shared_data / "vectors" / "torchwood_mpt" / "treehash.txt"
    return list(_cases(file.read_text()))


def test_roots_agree(cases: list[tuple[Pairs, str]]) -> None:
    """All 32 roots, put in as one batch, one by one, and built in order."""
    assert len(cases) == 32
    for pairs, root in cases:
        one_by_one = PrefixMap(shape=FOREIGN)
        for pair in reversed(pairs):
            one_by_one = one_by_one.update([pair])
        ordered = sorted(pairs, key=lambda pair: FOREIGN.position(pair[0]))

        assert root == PrefixMap(shape=FOREIGN).update(pairs).root.hex()
        assert root == one_by_one.root.hex()
        assert root == PrefixMap.build(ordered, shape=FOREIGN).root.hex()


def test_every_pair_is_proved_under_the_published_root(
    cases: list[tuple[Pairs, str]],
) -> None:
    """Our proofs of these pairs lead to their roots; keys beside them are proved absent."""
    for pairs, text in cases:
        root, made = bytes.fromhex(text), PrefixMap(shape=FOREIGN).update(pairs)
        there = dict(pairs)
        for key, value in pairs:
            assert verify_present(root, key, value, made.prove(key), shape=FOREIGN)
            beside = key[:-1] + b"\x01\x02"
            if beside not in there and len(beside) <= 1024:
                assert verify_absent(root, beside, made.prove(beside), shape=FOREIGN)


def test_the_set_covers_the_hard_cases(cases: list[tuple[Pairs, str]]) -> None:
    """The vectors reach the empty map, empty values, the longest keys and keys that begin others."""
    keys = {key for pairs, _ in cases for key, _ in pairs}

    assert any(not pairs for pairs, _ in cases)
    assert any(not value for pairs, _ in cases for _, value in pairs)
    assert max(map(len, keys)) == 1024
    assert any(
        a != b and b.startswith(a)
        for pairs, _ in cases
        for a, _ in pairs[:10]
        for b, _ in pairs[:10]
    )
