"""The log as C2SP tiles: their paths, their bytes, what an append writes, and a reader over them.

Theory of operation (C2SP tlog-tiles): hash j of tile N at level L is the root over the 256^L leaves
from (256 N + j) · 256^L. So a level-0 tile holds leaf hashes, a full tile has 256 of them and its
own root is one hash of the tile above. Entries travel in bundles of 256, each entry behind its
length in two bytes. A log of some size has at most one partial tile per level, at the right edge.

The right edge is *one stored tile per level, overwritten in place*: what a smaller published size
would have served as `.p/W` is its first W hashes, since tiles only ever grow at the end. Partial
tiles are never hashed upwards.

Nothing is stored here: `tiles_after_append` returns the tiles to write, `node_reader` turns a
getter of stored tiles into the reader that merkle.py's proofs ask for.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ledger.core.merkle import HASH_BYTES, SIZE_MAX, Node, NodeReader, tree_root
from ledger.errors import NoteError, StorageError

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
LEVEL_MAX: Final = 63
ENTRY_BYTES_MAX: Final = 65_535
ENTRIES: Final = -1
"""The level that stands for entry bundles in a `TilePath`."""

TileGetter: TypeAlias = Callable[[int, int], bytes | None]
"""Returns the stored tile (level, number), None where there is none."""

_LENGTH_BYTES: Final = 2
_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<groups>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)
_PATH_CHARS_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePath:
    """Coordinates of a served tile or entry bundle.

    Attributes:
        level: 0–63, or `ENTRIES`.
        number: Which tile of that level.
        width: Hashes or entries in it; `TILE_WIDTH` when full.
    """

    level: int
    number: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not ENTRIES <= self.level <= LEVEL_MAX:
            raise ValueError(f"tile level out of range: {self.level}")
        if not 0 <= self.number <= SIZE_MAX >> TILE_HEIGHT:
            raise ValueError(f"tile number out of range: {self.number}")
        if not 1 <= self.width <= TILE_WIDTH:
            raise ValueError(f"tile width out of range: {self.width}")


def format_path(tile: TilePath) -> str:
    """Return the URL path below the log's prefix, e.g. `tile/0/x001/x234/067.p/5`."""
    number, groups = tile.number, [f"{tile.number % 1000:03}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03}")
    level = "entries" if tile.level == ENTRIES else str(tile.level)
    partial = "" if tile.width == TILE_WIDTH else f".p/{tile.width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def parse_path(text: str) -> TilePath:
    """Read a tile path as `format_path` writes it; every tile has one path only.

    Raises:
        NoteError: The text is no such path.
    """
    match = _PATH.fullmatch(text) if len(text) <= _PATH_CHARS_MAX else None
    if match is None:
        raise NoteError(f"not a tile path: {text[:_PATH_CHARS_MAX]!r}")
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    number = int(match["groups"].replace("x", "").replace("/", ""))
    width = int(match["width"] or TILE_WIDTH)
    try:
        tile = TilePath(level=level, number=number, width=width)
    except ValueError as error:
        raise NoteError(f"not a tile path: {error}") from None
    if format_path(tile) != text:
        raise NoteError(f"not the canonical path {format_path(tile)!r}: {text!r}")
    return tile


def hashes_at(level: int, size: int) -> int:
    """Return how many hashes a log of `size` leaves has at a tile level."""
    return size >> (TILE_HEIGHT * level)


def bytes_at(size: int) -> int:
    """Return the bytes of all hash tiles of a log of `size` leaves."""
    total, level = 0, 0
    while hashes := hashes_at(level, size):
        total += hashes * HASH_BYTES
        level += 1
    return total


def width_at(tile: TilePath, size: int) -> int:
    """Return how many hashes or entries of that tile exist at `size`: 0 to `TILE_WIDTH`."""
    count = hashes_at(max(tile.level, 0), size) - tile.number * TILE_WIDTH
    return min(max(count, 0), TILE_WIDTH)


# ---------------------------------------------------------------- entry bundles


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return 1–256 entries as an entry bundle.

    Raises:
        ValueError: An entry is over `ENTRY_BYTES_MAX`, or there are too many or none.
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise ValueError(f"a bundle holds 1 to {TILE_WIDTH} entries, not {len(entries)}")
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise ValueError(f"an entry of {len(entry)} bytes is over {ENTRY_BYTES_MAX}")
        parts += (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        NoteError: Cut short, empty, or of more than 256 entries.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + _LENGTH_BYTES
        end = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or end > len(data):
            raise NoteError(f"entry bundle: entry {len(entries)} is cut short")
        if len(entries) == TILE_WIDTH:
            raise NoteError(f"entry bundle: more than {TILE_WIDTH} entries")
        entries.append(data[start:end])
        at = end
    if not entries:
        raise NoteError("entry bundle: no entry")
    return entries


# ---------------------------------------------------------------- hash tiles


def encode_tile(hashes: Sequence[bytes]) -> bytes:
    """Return 1–256 hashes as a tile."""
    if not 1 <= len(hashes) <= TILE_WIDTH or any(len(item) != HASH_BYTES for item in hashes):
        raise ValueError(f"a tile holds 1 to {TILE_WIDTH} hashes of {HASH_BYTES} bytes")
    return b"".join(hashes)


def decode_tile(data: bytes) -> list[bytes]:
    """Return the hashes of a tile.

    Raises:
        NoteError: Not 1–256 whole hashes.
    """
    width, rest = divmod(len(data), HASH_BYTES)
    if rest or not 1 <= width <= TILE_WIDTH:
        raise NoteError(f"a tile is 1 to {TILE_WIDTH} hashes, not {len(data)} bytes")
    return _cut(data)


def tiles_after_append(
    size: int, leaf_hashes: Sequence[bytes], get: TileGetter
) -> dict[tuple[int, int], bytes]:
    """Return every tile to write when `leaf_hashes` follow the first `size` leaves.

    Args:
        size: Leaves already stored.
        leaf_hashes: The new ones, in order.
        get: Asked for the right-edge tiles of `size` only, at most one per level.

    Raises:
        StorageError: A right-edge tile is missing or shorter than `size` needs.
    """
    writes: dict[tuple[int, int], bytes] = {}
    level, fresh = 0, list(leaf_hashes)
    while fresh:
        number, width = divmod(hashes_at(level, size), TILE_WIDTH)
        edge = _stored(get, level, number, width) if width else b""
        data = edge + b"".join(fresh)
        fresh = []
        for start in range(0, len(data), TILE_WIDTH * HASH_BYTES):
            tile = data[start : start + TILE_WIDTH * HASH_BYTES]
            writes[level, number] = tile
            number += 1
            if len(tile) == TILE_WIDTH * HASH_BYTES:
                fresh.append(tree_root(_cut(tile)))
        level += 1
    return writes


def node_reader(get: TileGetter) -> NodeReader:
    """Return a reader of tree nodes over stored tiles; each call fetches a tile at most once.

    The reader raises `StorageError` where a tile that it needs is missing or too short.
    """

    def read(nodes: Sequence[Node]) -> list[bytes]:
        wanted: dict[tuple[int, int], int] = {}
        places = [_place(node) for node in nodes]
        for level, number, _, end in places:
            wanted[level, number] = max(end, wanted.get((level, number), 0))
        tiles = {
            (level, number): _stored(get, level, number, width)
            for (level, number), width in wanted.items()
        }
        return [
            tree_root(_cut(tiles[level, number][start * HASH_BYTES : end * HASH_BYTES]))
            for level, number, start, end in places
        ]

    return read


def _place(node: Node) -> tuple[int, int, int, int]:
    """Return the tile (level, number) a node lives in and its hashes [start, end) there."""
    height, index = node
    level, above = divmod(height, TILE_HEIGHT)
    number, start = divmod(index << above, TILE_WIDTH)
    return level, number, start, start + (1 << above)


def _stored(get: TileGetter, level: int, number: int, width: int) -> bytes:
    """Return the first `width` hashes of a stored tile."""
    tile = get(level, number)
    if tile is None or len(tile) < width * HASH_BYTES:
        found = "missing" if tile is None else f"{len(tile)} bytes"
        raise StorageError(f"tile {level}/{number} is {found}; {width} hashes are needed: run fsck")
    return tile[: width * HASH_BYTES]


def _cut(data: bytes) -> list[bytes]:
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
