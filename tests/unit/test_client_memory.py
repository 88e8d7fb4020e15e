"""What the client saw last: it only moves forward, and a damaged memory is never an empty one."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinbiao.errors import InputError
from xinbiao.last_seen import LastSeen, replace_file

ROOT = b"\x01" * 32


def test_it_is_kept_for_the_next_process(tmp_path: Path) -> None:
    """Each network has its own."""
    file = tmp_path / "seen.json"
    LastSeen(file).put("lab", 7, ROOT)
    LastSeen(file).put("other/net", 9, ROOT)

    assert LastSeen(file).get("lab") == (7, ROOT)
    assert LastSeen(file).get("other/net") == (9, ROOT)
    assert LastSeen(file).get("third") is None


def test_it_never_goes_back(tmp_path: Path) -> None:
    """Another process that saw less cannot make us forget."""
    file = tmp_path / "seen.json"
    slow = LastSeen(file)
    slow.put("lab", 3, ROOT)
    LastSeen(file).put("lab", 9, b"\x02" * 32)
    slow.put("lab", 5, ROOT)

    assert slow.get("lab") == (9, b"\x02" * 32)


def test_without_a_file_it_lasts_as_long_as_the_client() -> None:
    """Nothing is written."""
    memory = LastSeen()
    memory.put("lab", 3, ROOT)
    assert memory.get("lab") == (3, ROOT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"lab": 7}',
        '{"lab": [7]}',
        '{"lab": [-1, "00"]}',
        '{"lab": [7, "zz"]}',
        json.dumps({"lab": [7, "g" * 64]}),
        json.dumps({"lab": [2**53, "0" * 64]}),
    ],
)
def test_a_damaged_memory_is_an_error(tmp_path: Path, text: str) -> None:
    """Forgetting is what a thief would want."""
    file = tmp_path / "seen.json"
    file.write_text(text)

    with pytest.raises(InputError, match="damaged"):
        LastSeen(file).get("lab")


def test_a_memory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(InputError, match="nowhere"):
        LastSeen(tmp_path / "nowhere" / "seen.json").put("lab", 3, ROOT)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """And leaves nothing beside it."""
    file = tmp_path / "report.csv"
    replace_file(file, b"one")
    replace_file(file, b"two")

    assert file.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [file]


@given(st.binary(max_size=60))
def test_any_bytes_are_a_memory_or_our_error(tmp_path: Path, data: bytes) -> None:
    """Nothing else ever comes out."""
    file = tmp_path / "seen.json"
    file.write_bytes(data)
    try:
        LastSeen(file).get("lab")
    except InputError:
        return
    assert isinstance(json.loads(data), dict)
