"""The log's Merkle tree: roots, proofs and their verification (RFC 9162 §2.1, SHA-256).

Theory of operation: a tree over n > 1 leaves splits at k, the largest power of two strictly below
n; leaves and nodes are hashed under different tags, and an odd leaf is promoted, never doubled.
Every proof this module knows is one thing: hashes that lift a subtree [start, end) to the root of
all `size` leaves. Its *shape* is arithmetic on those three numbers alone (`_ascent`), so the prover
and the verifier share it: one asks a reader for the hashes, the other checks hashes it was given.

* inclusion of leaf i: the subtree [i, i + 1); consistency from size m: the subtree [0, m); any
  other valid subtree (Merkle Tree Certificates: start is a multiple of the smallest power of two
  not below end − start) works the same way.
* A proof lists hashes from the subtree upwards, the child of the root last.

Rules where deployed verifiers differ (docs/spec, log): every hash is 32 bytes, or the answer is
no; surplus and missing hashes are refused; sizes stop at 2^63 − 1; consistency from size 0 needs an
empty proof and the empty root; equal sizes need an empty proof and equal roots.

Proofs take a reader and ask for all they need in one call; storage never appears here (tile.py
offers a reader over stored tiles). Verifiers answer yes or no and never raise on outside values.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self, TypeAlias

HASH_BYTES: Final = 32
SIZE_MAX: Final = 2**63 - 1
EMPTY_ROOT: Final = sha256(b"").digest()

Node: TypeAlias = tuple[int, int]
"""(level, index): the perfect subtree over the 2^level leaves from index · 2^level."""

NodeReader: TypeAlias = Callable[[Sequence[Node]], Sequence[bytes]]
"""Returns one hash per node, in the order asked; every node lies wholly inside the tree."""


def leaf_hash(data: bytes) -> bytes:
    """Hash the bytes of an entry."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children."""
    return sha256(b"\x01" + left + right).digest()


# ---------------------------------------------------------------- the geometry of a proof


@dataclass(frozen=True, slots=True)
class _Step:
    """One level of the way up: the sibling's leaves [start, end) and where it stands.

    `inside` marks a left sibling whose leaves belong to the subtree too: it then enters both the
    hash of the subtree and the hash of the whole.
    """

    start: int
    end: int
    on_left: bool
    inside: bool


def _split(size: int) -> int:
    """Return the number of leaves in the left child of a tree of `size` > 1 leaves."""
    return 1 << ((size - 1).bit_length() - 1)


def _ascent(start: int, end: int, size: int) -> tuple[tuple[int, int] | None, list[_Step]]:
    """Return the way from the subtree [start, end) up to the root of `size` leaves.

    The first result is None when the way starts from the subtree itself. A subtree whose right edge
    does not end where the tree's own nodes end is no node of the tree; then the way starts from the
    leaves of its last whole node, which the proof must bring.
    """
    steps: list[_Step] = []
    low, high, is_cut = 0, size, False
    while (low, high) != (start, end):
        middle = low + _split(high - low)
        if end <= middle:
            steps.append(_Step(middle, high, on_left=False, inside=False))
            high = middle
        elif start >= middle:
            steps.append(_Step(low, middle, on_left=True, inside=False))
            low = middle
        else:  # the subtree spans both children: it holds the left one whole
            steps.append(_Step(low, middle, on_left=True, inside=True))
            low = start = middle
            is_cut = True
    steps.reverse()
    return ((low, high) if is_cut else None), steps


def _is_subtree(start: int, end: int, size: int) -> bool:
    """Tell whether [start, end) is a valid, non-empty subtree of a tree of `size` leaves."""
    if not 0 <= start < end <= size <= SIZE_MAX:
        return False
    return start % (1 << (end - start - 1).bit_length()) == 0


# ---------------------------------------------------------------- verification


def verify_subtree(
    start: int, end: int, size: int, subtree: bytes, root: bytes, path: Sequence[bytes]
) -> bool:
    """Tell whether `path` lifts the root of the leaves [start, end) to the root of `size` leaves.

    An empty subtree (start = end) is shown by an empty path and the empty root, nothing else.
    """
    if any(len(item) != HASH_BYTES for item in (subtree, root, *path)):
        return False
    if start == end:
        return 0 <= end <= size <= SIZE_MAX and not path and subtree == EMPTY_ROOT
    if not _is_subtree(start, end, size):
        return False
    base, steps = _ascent(start, end, size)
    if len(path) != len(steps) + (base is not None):
        return False
    siblings = iter(path)
    whole = part = subtree if base is None else next(siblings)
    for step, sibling in zip(steps, siblings, strict=True):
        if not step.on_left:
            whole = node_hash(whole, sibling)
            continue
        whole = node_hash(sibling, whole)
        if step.inside:
            part = node_hash(sibling, part)
    return part == subtree and whole == root


def verify_inclusion(
    index: int, size: int, leaf: bytes, root: bytes, path: Sequence[bytes]
) -> bool:
    """Tell whether `leaf` (a leaf hash) is number `index` of the `size` leaves under `root`."""
    return verify_subtree(index, index + 1, size, leaf, root, path)


def verify_subtree_inclusion(
    index: int, start: int, end: int, leaf: bytes, subtree: bytes, path: Sequence[bytes]
) -> bool:
    """Tell whether `leaf` is leaf `index` of the log under the root of its subtree [start, end)."""
    if not _is_subtree(start, end, end):
        return False
    return verify_inclusion(index - start, end - start, leaf, subtree, path)


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Tell whether the tree of `new_size` leaves starts with the tree of `old_size` leaves."""
    if old_size == new_size == 0 and new_root != EMPTY_ROOT:
        return False
    return verify_subtree(0, old_size, new_size, old_root, new_root, path)


# ---------------------------------------------------------------- proofs over a reader


def _perfect_nodes(start: int, end: int) -> list[Node]:
    """Cut [start, end), whose start is as aligned as a node's, into its perfect nodes, largest first."""
    nodes: list[Node] = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def _join(hashes: Sequence[bytes]) -> bytes:
    """Return the root over perfect nodes of falling size."""
    root = hashes[-1]
    for peak in reversed(hashes[:-1]):
        root = node_hash(peak, root)
    return root


def _read_ranges(ranges: Sequence[tuple[int, int]], read: NodeReader) -> list[bytes]:
    """Return the root of each range of leaves, asking `read` once for all of them."""
    cuts = [_perfect_nodes(start, end) for start, end in ranges]
    hashes = iter(read([node for cut in cuts for node in cut]))
    return [_join([next(hashes) for _ in cut]) for cut in cuts]


def prove_subtree(start: int, end: int, size: int, read: NodeReader) -> list[bytes]:
    """Return the hashes that lift the subtree [start, end) to the root of `size` leaves.

    Raises:
        ValueError: [start, end) is no subtree of such a tree.
    """
    if start == end and 0 <= end <= size <= SIZE_MAX:
        return []
    if not _is_subtree(start, end, size):
        raise ValueError(f"[{start}, {end}) is no subtree of {size} leaves")
    base, steps = _ascent(start, end, size)
    ranges = [(step.start, step.end) for step in steps]
    return _read_ranges([base, *ranges] if base else ranges, read)


def prove_inclusion(index: int, size: int, read: NodeReader) -> list[bytes]:
    """Return the path from leaf `index` to the root of `size` leaves, its sibling first.

    Raises:
        ValueError: The tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    return prove_subtree(index, index + 1, size, read)


def prove_consistency(old: int, new: int, read: NodeReader) -> list[bytes]:
    """Return the hashes that show the tree of `old` leaves to be the start of that of `new`.

    Raises:
        ValueError: `old` is above `new`, or a size is out of range.
    """
    return prove_subtree(0, old, new, read)


def root(size: int, read: NodeReader) -> bytes:
    """Return the root over the first `size` leaves."""
    return _read_ranges([(0, size)], read)[0] if size else EMPTY_ROOT


# ---------------------------------------------------------------- the growing edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """The right edge of a log: enough to append and to prove the newest leaf, without a store.

    Attributes:
        size: Number of leaves.
        peaks: Roots of the perfect subtrees of the log, largest first, one per set bit of `size`.
        before_last: The same for the log without its last leaf: all left siblings of that leaf.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()
    before_last: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX or len(self.peaks) != self.size.bit_count():
            raise ValueError(f"{len(self.peaks)} peaks cannot be the edge of {self.size} leaves")
        if len(self.before_last) != max(self.size - 1, 0).bit_count():
            raise ValueError(f"{len(self.before_last)} hashes cannot be the path of the last leaf")

    @classmethod
    def load(cls, size: int, read: NodeReader) -> Self:
        """Return the edge of a stored log of `size` leaves."""
        now, before = _perfect_nodes(0, size), _perfect_nodes(0, max(size - 1, 0))
        hashes = tuple(read([*now, *before]))
        return cls(size=size, peaks=hashes[: len(now)], before_last=hashes[len(now) :])

    def append(self, leaf: bytes) -> Self:
        """Return the edge after one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> Self:
        """Return the edge after more leaf hashes, in order."""
        size, peaks, before = self.size, list(self.peaks), self.before_last
        for leaf in leaves:
            before = tuple(peaks)
            merged, bits = leaf, size
            while bits & 1:  # each full pair of equal peaks becomes one
                merged = node_hash(peaks.pop(), merged)
                bits >>= 1
            peaks.append(merged)
            size += 1
        return type(self)(size=size, peaks=tuple(peaks), before_last=before)

    def root(self) -> bytes:
        """Return the root of the log."""
        return _join(self.peaks) if self.peaks else EMPTY_ROOT

    def last_leaf_path(self) -> list[bytes]:
        """Return the inclusion path of leaf size − 1 in the tree of `size` leaves."""
        return list(reversed(self.before_last))


# ---------------------------------------------------------------- small trees in memory


def tree_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes held in memory; no leaves give the empty root."""
    row = list(leaf_hashes)
    while len(row) > 1:
        row = _next_row(row)
    return row[0] if row else EMPTY_ROOT


def tree_path(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the inclusion path of leaf `index` among leaf hashes held in memory.

    Raises:
        IndexError: There is no such leaf.
    """
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(f"{len(leaf_hashes)} leaves have no leaf {index}")
    row, path = list(leaf_hashes), []
    while len(row) > 1:
        sibling = index ^ 1
        if sibling < len(row):  # else the last of an odd row: it moves up unpaired
            path.append(row[sibling])
        row, index = _next_row(row), index >> 1
    return path


def _next_row(row: list[bytes]) -> list[bytes]:
    """Pair neighbours; an odd last one moves up. This gives the RFC's tree, level by level."""
    pairs = zip(row[0::2], row[1::2], strict=False)
    parents = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    if len(row) & 1:
        parents.append(row[-1])
    return parents
