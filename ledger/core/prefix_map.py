"""The authenticated map: a path-compressed binary trie whose root commits to every key and value.

Theory of operation (docs/spec/log.md, map; the format is torchwood's `mpt`): keys are read as bit
strings, bit 0 first. A branch stands at bit B, the first bit in which the keys below it differ; it
holds two subtrees and nothing else, so no node has one child and the tree depends on the set of
pairs only. Leaves and branches are hashed under different tags, the branch with its B.

A `PrefixMap` is immutable: `update` copies the paths it changes and shares the rest, so an older
map stays provable for as long as somebody holds it. A batch is applied in one merging pass over the
sorted keys: a branch that many updates share is hashed once. The tree lives in memory; storing
pairs and rebuilding at start (`build`, linear) is the caller's.

Inside, a key is one integer, its *position*, and a bit is named by its *shift* from the low end:
the first bit in which two keys differ is the length of their XOR, and the tree is ordered like the
integers. `Shape` says which keys and values a map holds. The ledger's are 64 and 32 bytes, always;
`FOREIGN` is the format's full range, for vectors of other makers. With it a key is read as if
followed by one byte 00 and then FF for ever, so that no key is the beginning of another.

Proofs. Present: the steps `varint B ‖ sibling` from the leaf up. Absent: the pair that a search
for the key ends at, then its steps; nothing for the empty map. Verifiers accept one form only:
shortest varints, strictly falling B, no trailing byte. They answer yes or no and never raise.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Final, Self, TypeAlias

from ledger.core.merkle import EMPTY_ROOT, HASH_BYTES

KEY_BYTES: Final = 64
VALUE_BYTES: Final = 32
_FOREIGN_BYTES_MAX: Final = 1024
_VARINT_BYTES_MAX: Final = 2  # 16,383: every length and bit index of either shape


@cache  # at most 8,200 different numbers
def _varint(number: int) -> bytes:
    """Return unsigned LEB128 in its shortest form."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Which keys and values a map holds.

    Attributes:
        key_bytes_max: Longest key.
        value_bytes_max: Longest value.
        is_exact: Every key and value has just that length.
    """

    key_bytes_max: int
    value_bytes_max: int
    is_exact: bool

    @property
    def bits(self) -> int:
        """The length of a position: the padding of a variable key takes one byte more."""
        return 8 * (self.key_bytes_max if self.is_exact else self.key_bytes_max + 1)

    def holds_key(self, key: bytes) -> bool:
        """Tell whether a key is of this shape."""
        excess = len(key) - self.key_bytes_max
        return excess == 0 or (excess < 0 and not self.is_exact)

    def holds(self, key: bytes, value: bytes) -> bool:
        """Tell whether a pair is of this shape."""
        excess = len(value) - self.value_bytes_max
        return self.holds_key(key) and (excess == 0 or (excess < 0 and not self.is_exact))

    def position(self, key: bytes) -> int:
        """Return a key as the integer that orders it."""
        if not self.is_exact:
            key = (key + b"\x00").ljust(self.key_bytes_max + 1, b"\xff")
        return int.from_bytes(key)

    def key(self, position: int) -> bytes:
        """Return the key at a position."""
        key = position.to_bytes(self.bits // 8)
        return key if self.is_exact else key.rstrip(b"\xff")[:-1]


LEDGER: Final = Shape(key_bytes_max=KEY_BYTES, value_bytes_max=VALUE_BYTES, is_exact=True)
FOREIGN: Final = Shape(
    key_bytes_max=_FOREIGN_BYTES_MAX, value_bytes_max=_FOREIGN_BYTES_MAX, is_exact=False
)


def _leaf_hash(key: bytes, value: bytes) -> bytes:
    head = b"\x00" + _varint(len(key)) + key
    return sha256(head + _varint(len(value)) + value).digest()


@cache
def _branch_heads(bits: int) -> tuple[bytes, ...]:
    """Return what is hashed before the children of a branch, by its shift."""
    return tuple(b"\x01" + _varint(bits - 1 - shift) for shift in range(bits))


# ---------------------------------------------------------------- the tree


class _Leaf:
    """One pair; never changed after birth. A leaf ends every comparison of shifts: it is below all."""

    __slots__ = ("digest", "position", "value")
    shift: Final = -1
    count: Final = 1

    def __init__(self, position: int, key: bytes, value: bytes) -> None:
        self.position = position
        self.value = value
        self.digest = _leaf_hash(key, value)


class _Branch:
    """Two subtrees that part at `shift`; never changed after birth.

    `position` is that of any leaf below: its bits above `shift` are those of all of them.
    """

    __slots__ = ("count", "digest", "left", "position", "right", "shift")

    def __init__(self, shift: int, head: bytes, left: "_Node", right: "_Node") -> None:
        self.shift = shift
        self.left = left
        self.right = right
        self.position: int = left.position
        self.count: int = left.count + right.count
        self.digest: bytes = sha256(head + left.digest + right.digest).digest()


_Node: TypeAlias = _Leaf | _Branch


class _Batch:
    """One batch of leaves, in ascending order of position, on its way into a tree."""

    __slots__ = ("heads", "leaves", "positions")

    def __init__(self, leaves: list[_Leaf], bits: int) -> None:
        self.leaves = leaves
        self.positions = [leaf.position for leaf in leaves]
        self.heads = _branch_heads(bits)

    def branch(self, shift: int, left: _Node, right: _Node) -> _Branch:
        return _Branch(shift, self.heads[shift], left, right)

    def build(self, leaves: Sequence[_Leaf]) -> _Node:
        """Return the tree of `leaves` alone, each node made once.

        The right edge of the tree so far is kept as a stack of left halves, each waiting for all
        that will stand to its right; a leaf that parts from its forerunner at a higher bit than
        they do closes them.
        """
        waiting: list[tuple[int, _Node]] = []
        node: _Node = leaves[0]
        before = leaves[0].position
        for leaf in leaves[1:]:
            shift = (before ^ leaf.position).bit_length() - 1
            while waiting and waiting[-1][0] < shift:
                node = self.branch(waiting[-1][0], waiting.pop()[1], node)
            waiting.append((shift, node))
            node, before = leaf, leaf.position
        while waiting:
            node = self.branch(waiting[-1][0], waiting.pop()[1], node)
        return node

    def merge(self, node: _Node, low: int, high: int) -> _Node:
        """Return `node` with the leaves [low, high) of the batch put into it; low < high.

        Recursion follows branches that at least two leaves share, so it is at most as deep as the
        shape has bits.
        """
        if high - low == 1:
            return self.put(node, self.leaves[low])
        if isinstance(node, _Leaf):
            return self.build(self._with(node, low, high))
        # in a sorted run, the first or the last parts from an outside position at the highest bit
        first, last = self.positions[low], self.positions[high - 1]
        parting = max(first ^ node.position, last ^ node.position).bit_length() - 1
        shift = max(parting, node.shift)
        middle = bisect_left(self.positions, (node.position >> shift | 1) << shift, low, high)
        if shift == node.shift:
            left, right = node.left, node.right
            if low < middle:
                left = self.merge(left, low, middle)
            if middle < high:
                right = self.merge(right, middle, high)
            return self.branch(shift, left, right)
        if node.position >> shift & 1:
            below = self.merge(node, middle, high) if middle < high else node
            return self.branch(shift, self.build(self.leaves[low:middle]), below)
        below = self.merge(node, low, middle) if low < middle else node
        return self.branch(shift, below, self.build(self.leaves[middle:high]))

    def put(self, node: _Node, leaf: _Leaf) -> _Node:
        """Return `node` with one leaf put into it."""
        position = leaf.position
        way: list[_Branch] = []
        while isinstance(node, _Branch):
            way.append(node)
            node = node.right if position >> node.shift & 1 else node.left
        parting = (position ^ node.position).bit_length() - 1
        new: _Node = leaf
        if parting >= 0:
            while way and way[-1].shift < parting:
                node = way.pop()
            pair = (node, leaf) if position >> parting & 1 else (leaf, node)
            new = self.branch(parting, *pair)
        for above in reversed(way):
            if position >> above.shift & 1:
                new = self.branch(above.shift, above.left, new)
            else:
                new = self.branch(above.shift, new, above.right)
        return new

    def _with(self, old: _Leaf, low: int, high: int) -> list[_Leaf]:
        """Return the leaves [low, high) and `old`, unless one of them takes its place."""
        leaves = self.leaves[low:high]
        at = bisect_left(self.positions, old.position, low, high) - low
        if at == len(leaves) or leaves[at].position != old.position:
            leaves.insert(at, old)
        return leaves


# ---------------------------------------------------------------- the map


class PrefixMap:
    """An immutable map from keys to values with a root that commits to all of them."""

    __slots__ = ("_shape", "_tree")

    def __init__(self, *, shape: Shape = LEDGER) -> None:
        self._shape = shape
        self._tree: _Node | None = None

    @classmethod
    def build(cls, pairs: Iterable[tuple[bytes, bytes]], *, shape: Shape = LEDGER) -> Self:
        """Return the map of `pairs`, which come in ascending order of key; linear.

        Raises:
            ValueError: A key is not above the one before it, or a pair is not of the shape.
        """
        leaves = [_leaf_of(shape, key, value) for key, value in pairs]
        batch = _Batch(leaves, shape.bits)
        ordered = zip(batch.positions, batch.positions[1:], strict=False)
        if any(before >= after for before, after in ordered):
            raise ValueError("the pairs are not in ascending order of their keys")
        return cls._of(shape, batch.build(leaves) if leaves else None)

    @classmethod
    def _of(cls, shape: Shape, tree: _Node | None) -> Self:
        made = cls(shape=shape)
        made._tree = tree
        return made

    @property
    def root(self) -> bytes:
        """The hash that commits to every pair; that of nothing when the map is empty."""
        return EMPTY_ROOT if self._tree is None else self._tree.digest

    def __len__(self) -> int:
        return 0 if self._tree is None else self._tree.count

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all pairs in ascending order of key."""
        stack = [] if self._tree is None else [self._tree]
        while stack:
            node = stack.pop()
            if isinstance(node, _Leaf):
                yield self._shape.key(node.position), node.value
            else:
                stack += (node.right, node.left)

    def update(self, pairs: Iterable[tuple[bytes, bytes]]) -> Self:
        """Return the map with `pairs` put into it, in any order; of a key given twice the last counts.

        Raises:
            ValueError: A pair is not of the shape.
        """
        fresh = {key: _leaf_of(self._shape, key, value) for key, value in pairs}
        if not fresh:
            return self
        batch = _Batch(sorted(fresh.values(), key=_position_of), self._shape.bits)
        if self._tree is None:
            return self._of(self._shape, batch.build(batch.leaves))
        return self._of(self._shape, batch.merge(self._tree, 0, len(batch.leaves)))

    def get(self, key: bytes) -> bytes | None:
        """Return the value at `key`, None where there is none.

        Raises:
            ValueError: The key is not of the shape.
        """
        leaf, _ = self._search(key)
        found = leaf is not None and leaf.position == self._shape.position(key)
        return leaf.value if leaf is not None and found else None

    def prove(self, key: bytes) -> bytes:
        """Return the proof that `get(key)` is what it is: the present or the absent form.

        Raises:
            ValueError: The key is not of the shape.
        """
        leaf, way = self._search(key)
        if leaf is None:
            return b""
        position, parts = self._shape.position(key), list[bytes]()
        if leaf.position != position:
            parts += _prefixed(self._shape.key(leaf.position)), _prefixed(leaf.value)
        for branch in reversed(way):
            sibling = branch.left if position >> branch.shift & 1 else branch.right
            parts += _varint(self._shape.bits - 1 - branch.shift), sibling.digest
        return b"".join(parts)

    def _search(self, key: bytes) -> tuple[_Leaf | None, list[_Branch]]:
        """Return the leaf that the bits of `key` lead to, and the branches on the way down."""
        if not self._shape.holds_key(key):
            raise ValueError(f"a key of {len(key)} bytes is not of the map's shape")
        position, way, node = self._shape.position(key), list[_Branch](), self._tree
        while isinstance(node, _Branch):
            way.append(node)
            node = node.right if position >> node.shift & 1 else node.left
        return node, way


def _position_of(leaf: _Leaf) -> int:
    return leaf.position


def _leaf_of(shape: Shape, key: bytes, value: bytes) -> _Leaf:
    if not shape.holds(key, value):
        raise ValueError(f"a pair of {len(key)} and {len(value)} bytes is not of the map's shape")
    return _Leaf(shape.position(key), key, value)


def _prefixed(data: bytes) -> bytes:
    return _varint(len(data)) + data


# ---------------------------------------------------------------- verification


def verify_present(
    root: bytes, key: bytes, value: bytes, proof: bytes, *, shape: Shape = LEDGER
) -> bool:
    """Tell whether `proof` shows that the map under `root` has `value` at `key`."""
    if not shape.holds(key, value):
        return False
    steps = _read_steps(proof, 0, shape.bits)
    if steps is None:
        return False
    return _fold(shape, shape.position(key), _leaf_hash(key, value), steps) == root


def verify_absent(root: bytes, key: bytes, proof: bytes, *, shape: Shape = LEDGER) -> bool:
    """Tell whether `proof` shows that the map under `root` has nothing at `key`."""
    if not shape.holds_key(key):
        return False
    if not proof:
        return root == EMPTY_ROOT
    other_key, at = _read_prefixed(proof, 0)
    other_value, at = _read_prefixed(proof, at)
    if other_key is None or other_value is None or not shape.holds(other_key, other_value):
        return False
    steps = _read_steps(proof, at, shape.bits)
    if other_key == key or steps is None:
        return False
    position, differing = shape.position(other_key), shape.position(key)
    differing ^= position
    if any(differing >> (shape.bits - 1 - bit) & 1 for bit, _ in steps):
        return False  # a search for the key would have left this way
    return _fold(shape, position, _leaf_hash(other_key, other_value), steps) == root


def _fold(shape: Shape, position: int, digest: bytes, steps: Sequence[tuple[int, bytes]]) -> bytes:
    """Return the root that `steps` lift a leaf at `position` to."""
    heads, top = _branch_heads(shape.bits), shape.bits - 1
    for bit, sibling in steps:
        shift = top - bit
        if position >> shift & 1:
            digest = sha256(heads[shift] + sibling + digest).digest()
        else:
            digest = sha256(heads[shift] + digest + sibling).digest()
    return digest


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends; −1 when it is cut off, too long or not the shortest."""
    number = 0
    for offset, byte in enumerate(data[at : at + _VARINT_BYTES_MAX]):
        number |= (byte & 0x7F) << (7 * offset)
        if byte < 0x80:
            return (-1 if offset and not byte else number), at + offset + 1
    return -1, at


def _read_prefixed(data: bytes, at: int) -> tuple[bytes | None, int]:
    """Return a byte string behind its length and where it ends, None when it is cut off."""
    length, at = _read_varint(data, at)
    end = at + length
    if length < 0 or end > len(data):
        return None, at
    return data[at:end], end


def _read_steps(data: bytes, at: int, bits: int) -> list[tuple[int, bytes]] | None:
    """Return the steps from `at` to the end, None unless each is whole and B falls from below `bits`."""
    steps: list[tuple[int, bytes]] = []
    bound = bits
    while at < len(data):
        bit, at = _read_varint(data, at)
        end = at + HASH_BYTES
        if not 0 <= bit < bound or end > len(data):
            return None
        steps.append((bit, data[at:end]))
        bound, at = bit, end
    return steps
