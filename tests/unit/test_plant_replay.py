"""Series as a plant: merged by due time, moved, repeated; and slugs."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.errors import SeriesError
from simulations.replay import bundled, load
from simulations.source import SLUG_CHARS_MAX, BadRow, Channel, Machine, Row, slug

FAST = "timestamp,value\n2020-01-01 00:00:00,1\n2020-01-01 00:00:02,2\n2020-01-01 00:00:04,x\n"
LATE = "timestamp;value;anomaly\n2024-05-01 00:00:00;10;0\n2024-05-01 00:00:01;20;1\n"
NOW_US = 1_800_000_000_000_000


def never(bad: BadRow) -> None:
    raise AssertionError(bad.text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / "fast.csv").write_text(FAST)
    (tmp_path / "late.CSV").write_text(LATE)
    (tmp_path / "notes.csv").write_text("this is no series\n")
    (tmp_path / "readme.txt").write_text("nor this\n")
    return tmp_path


def test_a_folder_of_both_formats(folder: Path) -> None:
    """Each file goes by its own header; rows merge by due time; what cannot be read is reported."""
    bad: list[BadRow] = []
    plant = load(folder)

    rows = list(plant.rows(bad.append))

    assert [machine.name for machine in plant.machines] == ["late", "line-fast"]
    assert [(row.machine, row.after_us) for row in rows] == [
        ("late", 0),
        ("line-fast", 0),
        ("late", 1_000_000),
        ("line-fast", 2_000_000),
    ]
    assert [(Path(one.path).name, one.line) for one in bad] == [("notes.csv", 1), ("fast.csv", 4)]
    assert "UTC" in plant.note


def test_moved_series_all_start_at_one_time(folder: Path) -> None:
    """`start_us` replaces the recorded date and keeps the distances."""
    rows = list(load(folder, start_us=NOW_US).rows(lambda _: None))

    assert [row.after_us for row in rows] == [row.us - NOW_US for row in rows]


def test_repeating_goes_on_in_time(folder: Path) -> None:
    """No stamp comes twice, due times never fall, and a bad row is reported once."""
    bad: list[BadRow] = []
    rows = list(
        itertools.islice(load(folder, start_us=NOW_US, repeat=True).rows(bad.append), 4 * 3)
    )

    assert len({(row.machine, row.us) for row in rows}) == 12
    assert sorted(row.after_us for row in rows) == [row.after_us for row in rows]
    assert len(bad) == 2


def test_repeating_old_stamps_is_refused(folder: Path) -> None:
    """The same reading again would be a double, not a new reading."""
    with pytest.raises(ValueError, match="repeat needs start_us"):
        load(folder, repeat=True)


def test_repeating_nothing_ends(tmp_path: Path) -> None:
    """A series without a good row does not spin for ever."""
    (tmp_path / "a.csv").write_text("timestamp,value\n")

    assert list(load(tmp_path, start_us=0, repeat=True).rows(never)) == []


def test_files_of_one_name_are_two_machines(tmp_path: Path) -> None:
    """Names that become one slug are told apart, in the order of the files."""
    for name in ("a b.csv", "a-b.csv", "a_b.csv"):
        (tmp_path / name).write_text(LATE)

    assert [machine.name for machine in load(tmp_path).machines] == ["a-b", "a-b-2", "a-b-3"]


def test_a_folder_without_series(tmp_path: Path) -> None:
    """The refusal says so, and gives the first reason when there was a file."""
    with pytest.raises(SeriesError, match="no CSV series"):
        load(tmp_path)
    (tmp_path / "a.csv").write_text("x,y\n")
    with pytest.raises(SeriesError, match="not the time"):
        load(tmp_path)


def test_a_wrong_zone_is_not_a_wrong_file(folder: Path) -> None:
    """The zone is refused as such, not as a fault of each file."""
    with pytest.raises(SeriesError, match="no such time zone"):
        load(folder, zone_text="Mars")


def test_a_single_file_is_a_plant(folder: Path) -> None:
    """A path of a file works like a folder of one."""
    assert [machine.name for machine in load(folder / "late.CSV").machines] == ["late"]


def test_bundled_plant_is_clean() -> None:
    """What ships is readable to the last row and has a unit on every channel."""
    plant = bundled(start_us=NOW_US)
    rows: list[Row] = list(plant.rows(never))

    assert {"pump-07", "motor-03", "oven-12"} == {machine.name for machine in plant.machines}
    assert len(rows) == 3 * 285
    assert all(channel.unit for machine in plant.machines for channel in machine.channels)


@given(st.text())
def test_a_slug_is_always_a_name(text: str) -> None:
    """Any heading gives a valid channel, and a slug is its own slug."""
    name = slug(text, otherwise="channel-1")

    assert name == Channel(name=name, title=text).name
    assert name == slug(name, otherwise="x")
    assert len(name) <= SLUG_CHARS_MAX


@pytest.mark.parametrize("name", ["", "A", "a/b", "a+", "#", "-a", "a-", "a b", "a" * 65])
def test_names_are_checked_at_birth(name: str) -> None:
    """A machine or channel that could break a topic or an identifier cannot exist."""
    with pytest.raises(ValueError, match="no slug"):
        Machine(name=name, channels=())
    with pytest.raises(ValueError, match="no slug"):
        Channel(name=name, title="x")
