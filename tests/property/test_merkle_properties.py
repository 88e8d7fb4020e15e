"""Every proof the tree can make is accepted, and nothing close to it is."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ledger.core import merkle
from ledger.core.merkle import Frontier, Node, node_hash
from ledger.core.tile import node_reader, tiles_after_append

LEAVES = [merkle.leaf_hash(bytes((n >> 8, n & 0xFF))) for n in range(700)]
SIZES = st.integers(1, 300)


def _root(leaves: Sequence[bytes]) -> bytes:
    """The definition of RFC 9162 §2.1.1, word for word, as the oracle."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(_root(leaves[:k]), _root(leaves[k:]))


def _read(nodes: Sequence[Node]) -> list[bytes]:
    return [_root(LEAVES[index << level : (index + 1) << level]) for level, index in nodes]


@given(st.integers(0, 300))
def test_three_ways_to_the_root(size: int) -> None:
    """Rows in memory, nodes from a reader and the growing edge give the RFC's root."""
    expected = _root(LEAVES[:size])

    assert expected == merkle.tree_root(LEAVES[:size])
    assert expected == merkle.root(size, _read)
    assert expected == Frontier().extend(LEAVES[:size]).root()


@given(SIZES, st.data())
def test_inclusion_proves(size: int, data: st.DataObject) -> None:
    """Both provers give the path that the verifier accepts, for this leaf and no other index."""
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1))
    root, path = _root(LEAVES[:size]), merkle.prove_inclusion(index, size, _read)

    assert path == merkle.tree_path(LEAVES[:size], index)
    assert merkle.verify_inclusion(index, size, LEAVES[index], root, path)
    assert (other == index) == merkle.verify_inclusion(other, size, LEAVES[index], root, path)


@given(SIZES, st.data())
def test_consistency_proves(new: int, data: st.DataObject) -> None:
    """A prefix of the log is shown to be one; another root is not."""
    old = data.draw(st.integers(0, new))
    path = merkle.prove_consistency(old, new, _read)
    roots = _root(LEAVES[:old]), _root(LEAVES[:new])

    assert merkle.verify_consistency(old, new, *roots, path)
    assert not merkle.verify_consistency(old, new, LEAVES[699], roots[1], path)
    assert not merkle.verify_consistency(old, new, roots[0], LEAVES[699], path) or old == 0


@given(SIZES, st.data())
def test_subtrees_prove(size: int, data: st.DataObject) -> None:
    """Any aligned interval is lifted to the root."""
    width = data.draw(st.integers(1, size))
    unit = 1 << (width - 1).bit_length()
    start = unit * data.draw(st.integers(0, (size - width) // unit))
    path = merkle.prove_subtree(start, start + width, size, _read)
    end, part, whole = start + width, _root(LEAVES[start : start + width]), _root(LEAVES[:size])

    assert merkle.verify_subtree(start, end, size, part, whole, path)
    assert (width == size) == merkle.verify_subtree(start, end, size, whole, part, path)


@given(SIZES, st.data())
def test_a_changed_proof_is_refused(size: int, data: st.DataObject) -> None:
    """One flipped bit, one hash dropped, one added or two swapped: never accepted."""
    old = data.draw(st.integers(1, size))
    path = merkle.prove_consistency(old, size, _read)
    roots = _root(LEAVES[:old]), _root(LEAVES[:size])
    changed = [[*path, LEAVES[0]], [LEAVES[0], *path]]
    for at in range(len(path)):
        bit = data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(path[at]) ^ 1 << bit).to_bytes(32)
        changed += [path[:at] + path[at + 1 :], [*path[:at], flipped, *path[at + 1 :]]]
        if at:
            changed.append([*path[: at - 1], path[at], path[at - 1], *path[at + 1 :]])

    assert not any(merkle.verify_consistency(old, size, *roots, item) for item in changed)


@given(st.lists(st.integers(1, 90), max_size=6))
def test_frontier_proves_its_last_leaf(steps: list[int]) -> None:
    """However a log grew, its edge proves the newest leaf, and equals the edge loaded from tiles."""
    edge, tiles = Frontier(), dict[tuple[int, int], bytes]()

    def get(level: int, number: int) -> bytes | None:
        return tiles.get((level, number))

    for count in steps:
        fresh = LEAVES[edge.size : edge.size + count]
        tiles |= tiles_after_append(edge.size, fresh, get)
        edge = edge.extend(fresh)
        path = edge.last_leaf_path()

        assert edge == Frontier.load(edge.size, node_reader(get))
        assert merkle.verify_inclusion(edge.size - 1, edge.size, fresh[-1], edge.root(), path)
        assert len(path) == (edge.size - 1).bit_count()


@given(
    st.integers(-(2**70), 2**70),
    st.integers(-(2**70), 2**70),
    st.integers(-(2**70), 2**70),
    st.lists(st.binary(max_size=40), max_size=70),
)
def test_verifiers_answer_whatever_they_are_given(
    start: int, end: int, size: int, path: list[bytes]
) -> None:
    """Numbers of any size and hashes of any length get an answer, and it is no."""
    assert not merkle.verify_subtree(start, end, size, LEAVES[0], LEAVES[1], path)
