"""C2SP tiles: paths, bundles, and what an append writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import merkle, tile
from ledger.core.tile import ENTRIES, TilePath
from ledger.errors import NoteError, StorageError

LEAVES = [merkle.leaf_hash(n.to_bytes(4)) for n in range(70_000)]


def _grow(steps: list[int]) -> dict[tuple[int, int], bytes]:
    stored: dict[tuple[int, int], bytes] = {}
    size = 0

    def get(level: int, number: int) -> bytes | None:
        return stored.get((level, number))

    for count in steps:
        stored |= tile.tiles_after_append(size, LEAVES[size : size + count], get)
        size += count
    return stored


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (TilePath(level=0, number=0), "tile/0/000"),
        (TilePath(level=0, number=1_234_067), "tile/0/x001/x234/067"),
        (TilePath(level=2, number=0, width=1), "tile/2/000.p/1"),
        (TilePath(level=63, number=999, width=255), "tile/63/999.p/255"),
        (TilePath(level=ENTRIES, number=1000), "tile/entries/x001/000"),
        (TilePath(level=ENTRIES, number=273, width=112), "tile/entries/273.p/112"),
        (TilePath(level=0, number=2**55 - 1), "tile/0/x036/x028/x797/x018/x963/967"),
    ],
)
def test_paths(path: TilePath, text: str) -> None:
    """A path and its coordinates are one thing in two spellings."""
    assert text == tile.format_path(path)
    assert path == tile.parse_path(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/tile/0/000",
        "tile/0/000/",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x0001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000\n",
        "tile/Entries/000",
        "tile/0/x036/x028/x797/x018/x963/968",
        "tile/0/" + "x999/" * 40 + "999",
        "tile/0/٠٠٠",
    ],
)
def test_paths_that_are_none(text: str) -> None:
    """Second spellings and numbers out of range are refused."""
    with pytest.raises(NoteError, match="path"):
        tile.parse_path(text)


@given(st.text(max_size=80) | st.from_regex(r"\Atile/[0-9]{1,2}/(x0[0-9]{2}/)?[0-9]{3}"))
def test_parse_path_is_total(text: str) -> None:
    """Any text is a path in its only spelling, or our error."""
    try:
        path = tile.parse_path(text)
    except NoteError:
        return
    assert text == tile.format_path(path)


@pytest.mark.parametrize(
    "values", [{"level": -2}, {"level": 64}, {"number": -1}, {"width": 0}, {"width": 257}]
)
def test_coordinates_are_checked_at_birth(values: dict[str, int]) -> None:
    """A tile that no log can have cannot be named."""
    with pytest.raises(ValueError, match="out of range"):
        TilePath(**{"level": 0, "number": 0} | values)


def test_widths_of_the_specification_example() -> None:
    """A log of 70,000 entries: the widths its specification gives; of 256, one full tile."""

    def width(level: int, number: int, size: int) -> int:
        return tile.width_at(TilePath(level=level, number=number), size)

    assert [width(0, 272, 70_000), width(0, 273, 70_000), width(0, 274, 70_000)] == [256, 112, 0]
    assert [width(1, 0, 70_000), width(1, 1, 70_000), width(2, 0, 70_000)] == [256, 17, 1]
    assert [width(ENTRIES, 273, 70_000), width(3, 0, 70_000)] == [112, 0]
    assert [width(0, 0, 256), width(1, 0, 256)] == [256, 1]


def test_bundle_bytes() -> None:
    """Two length bytes before each entry."""
    data = bytes.fromhex("00036f6e65000374776f00057468726565")

    assert data == tile.encode_bundle([b"one", b"two", b"three"])
    assert tile.decode_bundle(data) == [b"one", b"two", b"three"]


def test_bundle_limits() -> None:
    """Length is two bytes, a bundle is 256 entries, and neither is silently cut."""
    longest = [bytes(65_535)] * 2 + [b""] * 254

    assert longest == tile.decode_bundle(tile.encode_bundle(longest))
    with pytest.raises(ValueError, match="over 65535"):
        tile.encode_bundle([bytes(65_536)])
    with pytest.raises(ValueError, match="not 257"):
        tile.encode_bundle([b""] * 257)
    with pytest.raises(NoteError, match="more than 256"):
        tile.decode_bundle(bytes(2 * 257))
    with pytest.raises(NoteError, match="no entry"):
        tile.decode_bundle(b"")


@pytest.mark.parametrize("keep", [1, 2, 3, 4, 6])
def test_cut_bundles(keep: int) -> None:
    """A bundle that ends inside a length or an entry is refused."""
    with pytest.raises(NoteError, match="cut short"):
        tile.decode_bundle(tile.encode_bundle([b"one", b"two"])[:keep])


def test_tile_bytes() -> None:
    """A tile is its hashes, one after the other."""
    assert LEAVES[:256] == tile.decode_tile(tile.encode_tile(LEAVES[:256]))
    for data in (b"", bytes(31), bytes(257 * 32)):
        with pytest.raises(NoteError, match="a tile is"):
            tile.decode_tile(data)
    with pytest.raises(ValueError, match="a tile holds"):
        tile.encode_tile([b"short"])


@given(st.lists(st.integers(0, 600), max_size=5))
def test_growth_does_not_depend_on_its_steps(steps: list[int]) -> None:
    """Tiles are a function of the leaves: one append or many write the same bytes."""
    assert _grow([sum(steps)]) == _grow(steps)


def test_a_larger_log_has_three_levels() -> None:
    """70,000 leaves: every tile has the width of the specification, and the root is the tree's."""
    stored = _grow([1, 255, 300, 65_000, 4_444])
    reader = tile.node_reader(lambda level, number: stored.get((level, number)))
    widths = {
        key: tile.width_at(TilePath(level=key[0], number=key[1]), 70_000) * 32 for key in stored
    }

    assert widths == {key: len(data) for key, data in stored.items()}
    assert len(stored) == 274 + 2 + 1
    assert merkle.tree_root(LEAVES) == merkle.root(70_000, reader)
    path = merkle.prove_inclusion(12_345, 70_000, reader)
    assert path == merkle.tree_path(LEAVES, 12_345)


def test_an_append_reads_only_the_right_edge() -> None:
    """One tile per level is asked for, none that is full."""
    stored = _grow([70_000])
    asked: list[tuple[int, int]] = []

    def get(level: int, number: int) -> bytes:
        asked.append((level, number))
        return stored[level, number]

    writes = tile.tiles_after_append(70_000, LEAVES[:200], get)

    assert asked == [(0, 273), (1, 1)]
    assert sorted(writes) == [(0, 273), (0, 274), (1, 1)]


def test_a_published_size_is_a_prefix_of_what_is_stored() -> None:
    """The partial tile of an older size is the first hashes of today's."""
    older, newer = _grow([300]), _grow([300, 100])

    assert newer[0, 1].startswith(older[0, 1])


@pytest.mark.parametrize("tampered", [None, bytes(32 * 43)])
def test_a_damaged_store_is_named(tampered: bytes | None) -> None:
    """A missing or short right edge stops the append and says which tile it is."""
    with pytest.raises(StorageError, match="tile 0/1 is"):
        tile.tiles_after_append(300, LEAVES[300:301], lambda *_: tampered)
    with pytest.raises(StorageError, match="tile 0/1 is"):
        tile.node_reader(lambda *_: tampered)([(0, 299)])
