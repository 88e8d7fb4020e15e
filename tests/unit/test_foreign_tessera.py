"""A whole small log of Tessera's: every checkpoint, tile and bundle, verified and rebuilt."""

from pathlib import Path

import pytest

from ledger.core import merkle, tile
from ledger.core.checkpoint import (
    Checkpoint,
    Note,
    VerifierKey,
    open_checkpoint,
    parse_note,
    verify_note,
)
from ledger.core.tile import ENTRIES, TilePath
from ledger.errors import NoteError

KEY = VerifierKey.parse(
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
)
ENTRIES_IN_ORDER = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eit",
    "nain",
    "ten",
    "ileven",
    "twelf",
    "threeten",
    "fourten",
    "fivten",
]


@pytest.fixture(scope="module")
def log(shared_data: Path) -> Path:
    return shared_data / "vectors" / "tessera" / "log"


def _open(log: Path, size: int) -> Checkpoint:
    head, verified = open_checkpoint((log / f"checkpoint.{size}").read_bytes(), [KEY])
    assert len(verified.signatures) == 1
    assert verified.ignored == ()
    return head


@pytest.mark.parametrize("size", range(16))
def test_checkpoints_verify_and_are_rebuilt(log: Path, size: int) -> None:
    """Signature, text and root of each size; the root comes from the tiles of that size."""
    head = _open(log, size)

    def get(level: int, number: int) -> bytes:
        path = TilePath(level=level, number=number, width=size)
        return (log / tile.format_path(path)).read_bytes()

    assert ("example.com/log/testdata", size) == (head.origin, head.size)
    assert merkle.root(size, tile.node_reader(get)) == head.root


@pytest.mark.parametrize("size", range(1, 16))
def test_tiles_are_those_we_would_write(log: Path, size: int) -> None:
    """Bundles decode to the entries, encode to the same bytes, and hash to the tile."""
    bundle = (log / tile.format_path(TilePath(level=ENTRIES, number=0, width=size))).read_bytes()
    stored = (log / tile.format_path(TilePath(level=0, number=0, width=size))).read_bytes()
    entries = tile.decode_bundle(bundle)
    leaves = [merkle.leaf_hash(entry) for entry in entries]

    assert [word.encode() for word in ENTRIES_IN_ORDER[:size]] == entries
    assert bundle == tile.encode_bundle(entries)
    assert tile.tiles_after_append(0, leaves, lambda *_: None) == {(0, 0): stored}
    assert leaves == tile.decode_tile(stored)


def test_every_size_is_consistent_with_the_last(log: Path) -> None:
    """The log only grew."""
    last = _open(log, 15)
    full = (log / "tile/0/000.p/15").read_bytes()
    for size in range(16):
        old = _open(log, size)
        path = merkle.prove_consistency(size, 15, tile.node_reader(lambda *_: full))
        assert merkle.verify_consistency(size, 15, old.root, last.root, path)


def test_a_changed_checkpoint_is_refused(log: Path) -> None:
    """The same signature under another size is no signature."""
    note = parse_note((log / "checkpoint").read_bytes())
    changed = Note(text=note.text.replace("\n15\n", "\n14\n"), lines=note.lines)

    with pytest.raises(NoteError, match="does not verify"):
        verify_note(changed, [KEY])
