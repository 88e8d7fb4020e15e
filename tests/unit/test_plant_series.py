"""Reading recorded series: the header decides, bad rows are reported, nothing crashes."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulations.errors import SeriesError
from simulations.series import (
    LINE_BYTES_MAX,
    load_nab,
    load_skab,
    machine_name,
    open_series,
    parse_zone,
)
from simulations.source import BadRow, Row

WIDE = "datetime;Current;Volume Flow RateRMS;Oil [Cel];anomaly;changepoint\r\n"
START_US = 1_581_168_647_000_000  # 2020-02-08 13:30:47 UTC


def write(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path: Path, zone_text: str = "UTC") -> tuple[list[Row], list[BadRow]]:
    bad: list[BadRow] = []
    return list(open_series(path, zone_text=zone_text).rows(bad.append)), bad


def test_wide_format(tmp_path: Path) -> None:
    """Channels get slugs and units, labels are kept apart from readings, stamps become µs."""
    path = write(tmp_path, WIDE + "2020-02-08 13:30:47;2.17;122.0;40.5;0.0;1.0\r\n")
    series = open_series(path)

    rows, bad = read(path)

    assert series.format == "skab"
    assert [(channel.name, channel.unit) for channel in series.channels] == [
        ("current", "A"),
        ("volume-flow-rate-rms", "L/min"),
        ("oil", "Cel"),
    ]
    assert series.labels == ("anomaly", "changepoint")
    assert bad == []
    assert rows[0].us == START_US
    assert rows[0].values == {"current": 2.17, "volume-flow-rate-rms": 122.0, "oil": 40.5}
    assert rows[0].labels == {"anomaly": 0.0, "changepoint": 1.0}


def test_nab_format(tmp_path: Path) -> None:
    """`timestamp,value` is the other format; it names no unit, so there is none."""
    path = write(tmp_path, "timestamp,value\n2013-12-02 21:15:00,73.96732207\n")

    series = load_nab(path)

    assert series.format == "nab"
    assert [(channel.name, channel.unit) for channel in series.channels] == [("value", None)]


def test_each_loader_refuses_the_other_format(tmp_path: Path) -> None:
    """A caller that asked for one format never gets the other."""
    nab = write(tmp_path, "timestamp,value\n", "nab.csv")
    wide = write(tmp_path, WIDE, "wide.csv")

    with pytest.raises(SeriesError, match="skab format"):
        load_nab(wide)
    with pytest.raises(SeriesError, match="nab format"):
        load_skab(nab.parent)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        pytest.param("2020-02-08 13:30:48;1;2;3;0", "5 cells", id="too-few"),
        pytest.param("2020-02-08 13:30:48;1;2;3;0;0;9", "7 cells", id="too-many"),
        pytest.param("2020-02-08 13:30:48;1;x;3;0;0", "no number: 'x'", id="word"),
        pytest.param("2020-02-08 13:30:48;1;nan;3;0;0", "no number", id="nan"),
        pytest.param("2020-02-08 13:30:48;1;-inf;3;0;0", "no number", id="infinity"),
        pytest.param("2020-02-08 13:30:48;1;1e999;3;0;0", "no number", id="overflow"),
        pytest.param("2020-02-08 13:30:48;1;1_0;3;0;0", "no number", id="underscore"),
        pytest.param("2020-02-08 13:30:48;1;2,5;3;0;0", "no number", id="decimal-comma"),
        pytest.param("2020-02-30 13:30:48;1;2;3;0;0", "no such time", id="february-30"),
        pytest.param("08.02.2020 13:30;1;2;3;0;0", "no time stamp", id="other-order"),
        pytest.param("1969-12-31 23:59:59;1;2;3;0;0", "before 1970", id="before-1970"),
        pytest.param("2020-02-08 13:30:48;;;;0;0", "no reading", id="empty"),
        pytest.param('2020-02-08 13:30:48;"1;2;3;0;0', "broken quotes", id="open-quote"),
        pytest.param("x" * (LINE_BYTES_MAX + 5), "longer than", id="long-line"),
    ],
)
def test_a_bad_row_is_reported_and_left_out(tmp_path: Path, row: str, rule: str) -> None:
    """The report names file and line; the rows around it are read."""
    good = "2020-02-08 13:30:4{};1;2;3;0;0\n"
    path = write(tmp_path, WIDE + good.format(7) + row + "\n" + good.format(9))

    rows, bad = read(path)

    assert [one.us for one in rows] == [START_US, START_US + 2_000_000]
    assert [(str(path), 3)] == [(one.path, one.line) for one in bad]
    assert rule in bad[0].rule


def test_bytes_that_are_no_utf8_are_a_bad_row(tmp_path: Path) -> None:
    """Another encoding in a row costs that row only."""
    path = write(tmp_path, b"timestamp,value\n2020-01-01 00:00:00,\xff\n2020-01-01 00:00:01,1\n")

    rows, bad = read(path)

    assert (len(rows), bad[0].rule) == (1, "not UTF-8")


def test_an_empty_cell_is_no_reading_and_no_fault(tmp_path: Path) -> None:
    """The other channels of the row are read."""
    path = write(tmp_path, WIDE + "2020-02-08 13:30:47;;122.0;;;\n")

    rows, bad = read(path)

    assert (bad, rows[0].values, rows[0].labels) == ([], {"volume-flow-rate-rms": 122.0}, {})


def test_a_step_back_is_kept_and_due_at_once(tmp_path: Path) -> None:
    """The stamps stay as recorded; the replay never waits for a time that has passed."""
    text = "timestamp,value\n2020-01-01 01:00:00,1\n2020-01-01 00:05:00,2\n2020-01-01 01:00:05,3\n"

    rows, bad = read(write(tmp_path, text))

    assert [row.after_us for row in rows] == [0, 0, 5_000_000]
    assert rows[1].us == rows[0].us - 3_300_000_000
    assert bad == []


@pytest.mark.parametrize(
    ("zone_text", "stamp", "expected"),
    [
        pytest.param("UTC", "2020-02-08 13:30:47", START_US, id="default"),
        pytest.param("+08:00", "2020-02-08 21:30:47", START_US, id="offset"),
        pytest.param("-03:30", "2020-02-08 10:00:47", START_US, id="negative-offset"),
        pytest.param("+08:00", "2020-02-08T13:30:47Z", START_US, id="own-zone-wins"),
        pytest.param("UTC", "2020-02-08 13:30:47.25", START_US + 250_000, id="fraction"),
        pytest.param("UTC", "2020-02-08 15:30:47.000001+02:00", START_US + 1, id="microsecond"),
    ],
)
def test_zone_of_a_stamp(tmp_path: Path, zone_text: str, stamp: str, expected: int) -> None:
    """A stamp without a zone is read in the zone that was named, one with an offset in its own."""
    rows, _ = read(write(tmp_path, f"timestamp,value\n{stamp},1\n"), zone_text)

    assert [expected] == [row.us for row in rows]


@pytest.mark.parametrize("text", ["", "Mars/Olympus", "+25:00", "+08:60", "../etc", "a\0b"])
def test_no_such_zone(text: str) -> None:
    """An unknown zone is our error, whatever the text."""
    with pytest.raises(SeriesError, match="no such time zone"):
        parse_zone(text)


@given(st.integers(-1439, 1439))
def test_offsets_round_trip(minutes: int) -> None:
    """Every offset that can be written is that offset."""
    sign, rest = ("-", -minutes) if minutes < 0 else ("+", minutes)

    zone = parse_zone(f"{sign}{rest // 60:02}:{rest % 60:02}")

    assert timezone(timedelta(minutes=minutes)).utcoffset(None) == zone.utcoffset(
        datetime(2020, 1, 1, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        pytest.param("", "columns in the header", id="empty-file"),
        pytest.param("timestamp\n", "1 columns", id="one-column"),
        pytest.param("name;value\n", "not the time", id="no-time"),
        pytest.param("datetime;anomaly\n", "no column of readings", id="labels-only"),
        pytest.param("datetime;Flow Rate;flow-rate\n", "two columns have one name", id="twice"),
        pytest.param(f"datetime;a [{'x' * 33}]\n", "unit longer", id="long-unit"),
        pytest.param("datetime;\xff\n".encode("latin-1"), "not UTF-8", id="latin-1"),
    ],
)
def test_a_header_that_is_no_series(tmp_path: Path, header: str | bytes, rule: str) -> None:
    """The refusal names the file, line 1 and the rule."""
    path = write(tmp_path, header)

    with pytest.raises(SeriesError) as caught:
        open_series(path)

    assert (str(path), 1) == (caught.value.path, caught.value.line)
    assert rule in caught.value.rule


def test_a_missing_file_is_our_error(tmp_path: Path) -> None:
    """No foreign exception leaves the reader."""
    with pytest.raises(SeriesError, match="cannot be read"):
        open_series(tmp_path / "none.csv")


def test_headings_without_latin_letters_get_a_number(tmp_path: Path) -> None:
    """A Chinese heading is a channel like any other; its text is kept as the title."""
    series = open_series(write(tmp_path, "\ufefftime,温度 [Cel],压力\n"))

    assert [(channel.name, channel.title, channel.unit) for channel in series.channels] == [
        ("channel-1", "温度", "Cel"),
        ("channel-2", "压力", None),
    ]


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        ("valve1/0.csv", "valve1-0"),
        ("pump/pump.csv", "pump"),
        ("Pump_07 (new).csv", "pump-07-new"),
        ("泵.csv", "machine"),
    ],
)
def test_machine_name(relative: str, expected: str) -> None:
    """A machine is named by its file."""
    assert expected == machine_name(Path(relative))


@given(st.binary(max_size=300))
@example(b"timestamp,value\n0001-01-01 00:00:00+23:59,1\n")
@example(b"timestamp,value\n9999-12-31 23:59:59-23:59,1\n")
@example(b"timestamp,value\n2020-01-01 00:00:00," + b"9" * 5_000 + b"\n")
@example(b"timestamp,value\n\x00\r\r\n,,,\n")
def test_any_bytes_give_rows_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Whatever a file holds: rows, reported rows, or `SeriesError`."""
    path = write(tmp_path_factory.mktemp("any"), data)
    for tail in (data, b"timestamp,value\n" + data):
        path.write_bytes(tail)
        try:
            rows, bad = read(path)
        except SeriesError:
            continue
        assert len(rows) + len(bad) < tail.count(b"\n") + 1


@pytest.mark.slow
def test_skab_is_complete(shared_data: Path) -> None:
    """Every row of the real recording is read: the counts of its description."""
    bad: list[BadRow] = []
    series = load_skab(shared_data / "skab")
    rows = {one.machine: list(one.rows(bad.append)) for one in series}

    assert bad == []
    assert (len(rows), sum(map(len, rows.values()))) == (24, 35_110)
    assert len(rows["anomaly-free"]) == 9_405
    assert sum(row.labels.get("anomaly") == 1 for one in rows.values() for row in one) == 9_090
    assert sum(row.labels.get("changepoint") == 1 for one in rows.values() for row in one) == 89
    assert all(len(row.values) == 8 for one in rows.values() for row in one)
    assert all(one.channels == series[0].channels for one in series)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("machine", 22_695), ("ambient", 7_267)])
def test_nab_is_complete(shared_data: Path, name: str, count: int) -> None:
    """Every row of the real recordings is read, the doubled stamps of the machine included."""
    folder = shared_data / "nab" / "data" / "realKnownCause"
    bad: list[BadRow] = []

    rows = list(load_nab(folder / f"{name}_temperature_system_failure.csv").rows(bad.append))

    assert ([], count) == (bad, len(rows))
    assert (12 if name == "machine" else 0) == count - len({row.us for row in rows})
