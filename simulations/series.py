"""Recorded sensor series from CSV files: the formats of SKAB and NAB, and anything shaped like them.

Theory of operation: the header decides everything, once. Its delimiter is the one of `;` `,` TAB that occurs most in
it; its first column is the time (`datetime`, `timestamp` or `time`); `anomaly` and `changepoint` are labels; every
other column is a channel, whose unit may stand in brackets after its title (`Flow [L/min]`). Exactly two columns
named `timestamp` and `value` is the NAB format, the rest is the wide one of SKAB. Rows are then read by that header.

Rules kept:
* A stamp without a zone is read in the zone the caller names, UTC unless said otherwise, and `zone_text` says which.
  An hour that a zone has twice is its first one. A stamp that carries its own offset keeps it.
* Stamps are not sorted and not made unique: a recording that steps back does so in the replay too (NAB has one).
* A bad row (wrong count of cells, no number, NaN, infinity, no such time) is reported with file and line and left
  out. An empty cell is no reading of that channel and no fault.
* Any bytes give rows, bad rows or `SeriesError`, and lines are bounded.

It does not guess units, zones, encodings (UTF-8 only) or a decimal comma.
"""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

from simulations.errors import SeriesError
from simulations.source import UNIT_CHARS_MAX, BadRow, Channel, ReportBad, Row, slug

LINE_BYTES_MAX: Final = 65_536
COLUMNS_MAX: Final = 1_024
DELIMITERS: Final = ";,\t"
TIME_TITLES: Final = frozenset({"datetime", "timestamp", "time"})
LABEL_TITLES: Final = frozenset({"anomaly", "changepoint"})
# What SKAB's own description says of its columns, in UCUM; the file itself names no unit.
SKAB_UNITS: Final = {
    "Accelerometer1RMS": "[g]",
    "Accelerometer2RMS": "[g]",
    "Current": "A",
    "Pressure": "bar",
    "Temperature": "Cel",
    "Thermocouple": "Cel",
    "Voltage": "V",
    "Volume Flow RateRMS": "L/min",
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)
_STAMP = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)?", re.ASCII
)
_FRACTION = re.compile(r"\.(\d{1,6})")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_TITLE_UNIT = re.compile(r"(.*\S)\s*\[([^\[\]]+|\[[^\[\]]+\])\]")

Format = Literal["skab", "nab"]


def parse_zone(text: str) -> tzinfo:
    """Return the zone of `UTC`, of an offset such as `+08:00`, or of a name such as `Asia/Shanghai`.

    Raises:
        SeriesError: There is no such zone on this machine.
    """
    if text.upper() in {"UTC", "Z"}:
        return UTC  # without the zone data base, which a small system may lack
    if (offset := _OFFSET.fullmatch(text)) is not None:
        minutes = int(offset[2]) * 60 + int(offset[3])
        if minutes < 24 * 60 and int(offset[3]) < 60:
            return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        rule = f"no such time zone: {text!r} (use UTC, +08:00 or a name such as Asia/Shanghai)"
        raise SeriesError("time zone", 0, rule) from error


class _BadCellError(ValueError):
    """A cell of a row breaks a rule; becomes a `BadRow` in this file."""


def _parse_stamp(text: str, zone: tzinfo) -> int:
    """Return µs since 1970 of a time stamp."""
    if _STAMP.fullmatch(text) is None:
        raise _BadCellError(f"no time stamp of the form 2026-03-01 08:00:00: {text[:40]!r}")
    # Python 3.11 and later agree on 3 and 6 digits; any other count is padded to 6.
    text = _FRACTION.sub(lambda found: "." + found[1].ljust(6, "0"), text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _BadCellError(f"no such time: {text!r}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        us = (moment - _EPOCH) // _US
    except OverflowError as error:
        raise _BadCellError(f"no such time in this zone: {text!r}") from error
    if us < 0:
        raise _BadCellError(f"time before 1970: {text!r}")
    return us


def _parse_number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None or not math.isfinite(number := float(text)):
        raise _BadCellError(f"no number: {text[:40]!r}")
    return number


def _split(raw: bytes, delimiter: str) -> list[str]:
    """Return the trimmed cells of one line; a quoted cell may hold the delimiter, never a line end."""
    if len(raw) > LINE_BYTES_MAX:
        raise _BadCellError(f"line longer than {LINE_BYTES_MAX} bytes")
    try:
        text = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _BadCellError("not UTF-8") from error
    try:
        cells = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise _BadCellError(f"broken quotes or control characters: {error}") from error
    return [cell.strip() for cell in cells]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines; an over-long one comes cut, one byte over the limit, and its rest is dropped."""
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(LINE_BYTES_MAX + 1):
            number += 1
            yield number, raw
            while not raw.endswith(b"\n") and len(raw) > LINE_BYTES_MAX:
                raw = file.readline(LINE_BYTES_MAX + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One CSV file whose header was understood. Rows are read when asked for.

    Attributes:
        path: The file.
        machine: The machine that its rows are readings of.
        format: Which of the two formats the header shows.
        channels: The columns that are readings, in order.
        labels: The columns that are labels, by their lower-case title.
        columns: For each column after the time, (is it a label?, channel name or label).
        zone_text: The zone of stamps that carry none, as the caller wrote it.
    """

    path: Path
    machine: str
    format: Format
    channels: tuple[Channel, ...]
    labels: tuple[str, ...]
    columns: tuple[tuple[bool, str], ...]
    delimiter: str
    zone: tzinfo
    zone_text: str

    def rows(self, report_bad: ReportBad) -> Iterator[Row]:
        """Yield the good rows in the order of the file; `after_us` counts from its first good row.

        A stamp that steps back is due at once, so that `after_us` never falls.

        Raises:
            SeriesError: The file can no longer be read.
        """
        first_us: int | None = None
        due_us = 0
        try:
            for line, raw in _lines(self.path):
                if line == 1 or not raw.strip():
                    continue
                try:
                    us, values, labels = self._parse(raw)
                except _BadCellError as error:
                    report_bad(BadRow(path=str(self.path), line=line, rule=str(error)))
                    continue
                if first_us is None:
                    first_us = us
                due_us = max(due_us, us - first_us)
                yield Row(
                    machine=self.machine, us=us, after_us=due_us, values=values, labels=labels
                )
        except OSError as error:
            raise SeriesError(str(self.path), 0, f"cannot be read: {error.strerror}") from error

    def _parse(self, raw: bytes) -> tuple[int, dict[str, float], dict[str, float]]:
        cells = _split(raw, self.delimiter)
        if len(cells) != len(self.columns) + 1:
            raise _BadCellError(f"{len(cells)} cells where the header has {len(self.columns) + 1}")
        us = _parse_stamp(cells[0], self.zone)
        values: dict[str, float] = {}
        labels: dict[str, float] = {}
        for (is_label, name), cell in zip(self.columns, cells[1:], strict=True):
            if cell:
                (labels if is_label else values)[name] = _parse_number(cell)
        if not values:
            raise _BadCellError("no reading in this row")
        return us, values, labels


def _column_channel(title: str, number: int) -> Channel:
    """Return the channel of the column with that title, the `number`-th after the time."""
    unit = SKAB_UNITS.get(title)
    if unit is None and (found := _TITLE_UNIT.fullmatch(title)) is not None:
        title, unit = found[1], found[2]
    if unit is not None and len(unit.encode()) > UNIT_CHARS_MAX:
        raise _BadCellError(f"unit longer than {UNIT_CHARS_MAX} bytes: {unit[:40]!r}")
    return Channel(name=slug(title, otherwise=f"channel-{number}"), title=title, unit=unit)


def _parse_header(raw: bytes) -> tuple[str, list[str]]:
    raw = raw.removeprefix(b"\xef\xbb\xbf")  # the mark that spreadsheets put before UTF-8
    delimiter = max(DELIMITERS, key=lambda mark: raw.count(mark.encode()))
    titles = _split(raw, delimiter)
    if not 2 <= len(titles) <= COLUMNS_MAX:
        raise _BadCellError(
            f"{len(titles)} columns in the header; a series has 2 to {COLUMNS_MAX},"
            " split by `;`, `,` or TAB"
        )
    if titles[0].lower() not in TIME_TITLES:
        raise _BadCellError(f"the first column is {titles[0][:40]!r}, not the time")
    return delimiter, titles


def _parse_titles(titles: list[str]) -> tuple[list[Channel], list[tuple[bool, str]]]:
    """Return the channels, and what each column after the time is."""
    channels: list[Channel] = []
    columns: list[tuple[bool, str]] = []
    for number, title in enumerate(titles[1:], start=1):
        if title.lower() in LABEL_TITLES:
            columns.append((True, title.lower()))
        else:
            channels.append(_column_channel(title, number))
            columns.append((False, channels[-1].name))
    if len(set(columns)) != len(columns):
        raise _BadCellError("two columns have one name")
    if not channels:
        raise _BadCellError("no column of readings")
    return channels, columns


def open_series(
    path: Path, *, machine: str | None = None, zone_text: str = "UTC", root: Path | None = None
) -> Series:
    """Read the header of a CSV file.

    Args:
        path: The file.
        machine: Its machine; made from the file name (below `root`, where given) when None.
        zone_text: Zone of stamps that carry none, see `parse_zone`.
        root: Folder below which the file's name counts.

    Raises:
        SeriesError: The file cannot be read or its header is no series.
    """
    zone = parse_zone(zone_text)
    try:
        raw = next((raw for _, raw in _lines(path)), b"")
    except OSError as error:
        raise SeriesError(str(path), 0, f"cannot be read: {error.strerror}") from error
    try:
        delimiter, titles = _parse_header(raw)
        channels, columns = _parse_titles(titles)
    except _BadCellError as error:
        raise SeriesError(str(path), 1, str(error)) from error
    is_nab = [title.lower() for title in titles] == ["timestamp", "value"]
    return Series(
        path=path,
        machine=machine or machine_name(path.relative_to(root) if root else Path(path.name)),
        format="nab" if is_nab else "skab",
        channels=tuple(channels),
        labels=tuple(name for is_label, name in columns if is_label),
        columns=tuple(columns),
        delimiter=delimiter,
        zone=zone,
        zone_text=zone_text,
    )


def machine_name(relative: Path) -> str:
    """Return the machine of a file by its name below the folder that was given."""
    parts = list(relative.with_suffix("").parts)
    if len(parts) > 1 and parts[-1] == parts[-2]:
        parts.pop()  # pump/pump.csv is the pump
    return slug("-".join(parts), otherwise="machine")


def load_skab(folder: Path, *, zone_text: str = "UTC") -> tuple[Series, ...]:
    """Open every CSV file below `folder`; all must have the wide format.

    Raises:
        SeriesError: A file is of another format, or there is none.
    """
    paths = sorted(folder.rglob("*.csv"))
    if not paths:
        raise SeriesError(str(folder), 0, "no CSV file in this folder")
    series = tuple(open_series(path, zone_text=zone_text, root=folder) for path in paths)
    for one in series:
        _expect(one, "skab")
    return series


def load_nab(path: Path, *, zone_text: str = "UTC") -> Series:
    """Open one file of the NAB format (`timestamp,value`).

    Raises:
        SeriesError: The file is of another format or cannot be read.
    """
    return _expect(open_series(path, zone_text=zone_text), "nab")


def _expect(series: Series, format_: Format) -> Series:
    if series.format != format_:
        raise SeriesError(str(series.path), 1, f"header of the {series.format} format")
    return series
