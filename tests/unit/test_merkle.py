"""The log's Merkle tree (RFC 9162 §2.1): worked example and the edges where verifiers differ."""

import pytest

from ledger.core import merkle
from ledger.core.merkle import EMPTY_ROOT, Frontier, verify_consistency, verify_inclusion

L0, L1, L2 = (merkle.leaf_hash(entry) for entry in (b"one", b"two", b"three"))
N01 = bytes.fromhex("4f55f619d9215235778b2b9f17d6f4915b16171214d152381293669764de722e")
R3 = bytes.fromhex("5aac771c899ac292e74bf1afe2e6e302f8b55883b2d1bf197b46a6bea6dabca9")


def test_worked_example_roots() -> None:
    """The three-leaf example of the specification."""
    assert L0.hex() == "d0d7360ab79f58ab1e1e3fe64ad77e2ea0bc07e36b5f46ed2223edd9298df9e9"
    assert L1.hex() == "ab1ab7f07c7c8fe0eff4ba6faa53c7e4412e91a599153e8aa4e01beece5b7825"
    assert L2.hex() == "671f146c5e471e8a1a83a3c214ce4ba907b8f3a5888d14cc8cd3ce75bb12ef94"
    assert merkle.node_hash(L0, L1) == N01
    assert [merkle.tree_root([L0, L1, L2][:size]) for size in range(4)] == [EMPTY_ROOT, L0, N01, R3]


@pytest.mark.parametrize(
    ("index", "leaf", "path"), [(0, L0, [L1, L2]), (1, L1, [L0, L2]), (2, L2, [N01])]
)
def test_worked_example_inclusion(index: int, leaf: bytes, path: list[bytes]) -> None:
    """Paths list the leaf's sibling first."""
    assert merkle.tree_path([L0, L1, L2], index) == path
    assert verify_inclusion(index, 3, leaf, R3, path)


@pytest.mark.parametrize(("old", "root", "path"), [(1, L0, [L1, L2]), (2, N01, [L2]), (3, R3, [])])
def test_worked_example_consistency(old: int, root: bytes, path: list[bytes]) -> None:
    """Consistency of every size with size 3."""
    assert verify_consistency(old, 3, root, R3, path)


@pytest.mark.parametrize(
    ("old", "new", "old_root", "new_root", "path", "expected"),
    [
        pytest.param(0, 0, EMPTY_ROOT, EMPTY_ROOT, [], True, id="empty-to-empty"),
        pytest.param(0, 0, EMPTY_ROOT, L0, [], False, id="empty-to-a-root-that-is-not"),
        pytest.param(0, 3, EMPTY_ROOT, R3, [], True, id="from-empty"),
        pytest.param(0, 3, L0, R3, [], False, id="from-empty-with-another-root"),
        pytest.param(0, 3, EMPTY_ROOT, R3, [L0], False, id="from-empty-with-a-proof"),
        pytest.param(3, 3, R3, R3, [], True, id="equal"),
        pytest.param(3, 3, R3, R3, [L0], False, id="equal-with-a-proof"),
        pytest.param(3, 3, R3, N01, [], False, id="equal-sizes-other-root"),
        pytest.param(3, 2, R3, N01, [], False, id="shrinking"),
        pytest.param(2, 3, N01, R3, [], False, id="hash-missing"),
        pytest.param(2, 3, N01, R3, [L2, L2], False, id="hash-too-many"),
        pytest.param(2, 3, N01, R3, [L2[:31]], False, id="short-hash"),
        pytest.param(-1, 3, N01, R3, [L2], False, id="negative"),
        pytest.param(2**63, 2**63, R3, R3, [], False, id="size-over-the-limit"),
        pytest.param(2**63 - 1, 2**63 - 1, R3, R3, [], True, id="size-at-the-limit"),
    ],
)
def test_consistency_edges(
    old: int, new: int, old_root: bytes, new_root: bytes, path: list[bytes], expected: bool
) -> None:
    """Each edge where deployed verifiers disagree has one answer."""
    assert expected == verify_consistency(old, new, old_root, new_root, path)


@pytest.mark.parametrize(
    ("index", "size", "root", "path", "expected"),
    [
        pytest.param(0, 1, L0, [], True, id="only-leaf"),
        pytest.param(0, 0, EMPTY_ROOT, [], False, id="empty-tree"),
        pytest.param(1, 1, L0, [], False, id="index-is-size"),
        pytest.param(-1, 1, L0, [], False, id="negative-index"),
        pytest.param(0, 2, N01, [L1, L1], False, id="surplus"),
        pytest.param(0, 3, R3, [L1, L2 + b"\0"], False, id="33-byte-hash"),
        pytest.param(0, 2**63, R3, [L1] * 63, False, id="size-over-the-limit"),
    ],
)
def test_inclusion_edges(
    index: int, size: int, root: bytes, path: list[bytes], expected: bool
) -> None:
    """Impossible places and ill-shaped paths are refused, not raised."""
    assert expected == verify_inclusion(index, size, L0, root, path)


@pytest.mark.parametrize("bounds", [(1, 3, 4), (2, 5, 8), (3, 5, 8), (0, 9, 8), (5, 4, 8)])
def test_no_proof_for_what_is_no_subtree(bounds: tuple[int, int, int]) -> None:
    """An interval that is not aligned is our caller's bug when proving, a plain no when verifying."""
    with pytest.raises(ValueError, match="no subtree"):
        merkle.prove_subtree(*bounds, lambda nodes: [L0] * len(nodes))
    assert not merkle.verify_subtree(*bounds, L0, R3, [L1, L2])


def test_the_empty_log_needs_no_proof() -> None:
    """Everything starts with nothing, shown by no hash and without reading any."""
    unread = iter(())  # a reader that is asked would fail on it

    assert merkle.prove_consistency(0, 3, lambda _: [next(unread)]) == []
    assert merkle.root(0, lambda _: [next(unread)]) == EMPTY_ROOT


def test_no_proof_for_a_leaf_that_is_not_there() -> None:
    """Asking for a proof beyond the log is a bug, named as one."""
    with pytest.raises(ValueError, match="has no leaf 3"):
        merkle.prove_inclusion(3, 3, lambda nodes: [L0] * len(nodes))
    with pytest.raises(IndexError, match="have no leaf 3"):
        merkle.tree_path([L0, L1, L2], 3)


def test_frontier_is_checked_at_birth() -> None:
    """An edge with the wrong number of hashes cannot exist."""
    with pytest.raises(ValueError, match="edge of 3 leaves"):
        Frontier(size=3, peaks=(N01,), before_last=(N01,))
    with pytest.raises(ValueError, match="path of the last leaf"):
        Frontier(size=3, peaks=(N01, L2), before_last=())


def test_an_empty_frontier_is_the_empty_log() -> None:
    """The first block starts from here."""
    assert Frontier().root() == EMPTY_ROOT
    assert Frontier().last_leaf_path() == []
