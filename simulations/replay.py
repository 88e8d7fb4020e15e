"""Recorded series as a plant: many files merged, replayed from one start, optionally moved in time and repeated.

Theory of operation: every series starts at the start of the replay, whatever its recording date, and keeps its own
gaps; rows of all series are merged by the moment they are due. The published stamp is the recorded one, unless
`start_us` moves each series so that its first row gets that time (what a demo wants: readings of today). Repeating is
only possible when moved: the same stamps a second time would be the same readings, not new ones.

`load` and `bundled` read headers, so async code calls them in a thread.

`bundled` is the small synthetic series in `simulations/data`, our own (see `data/make.py`).
"""

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulations.errors import SeriesError
from simulations.series import Series, open_series
from simulations.source import BadRow, Machine, ReportBad, Row

SERIES_MAX: Final = 256  # each keeps one file open
REPEAT_GAP_US: Final = 1_000_000  # between the last row of one pass and the first of the next

_BUNDLED = Path(__file__).with_name("data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A `PlantSource` over recorded series.

    Attributes:
        series: One per machine; the machines' names are unique.
        start_us: Time that the first row of each series gets; None keeps the recorded stamps.
        repeat: Begin again at the end, later in time. Needs `start_us`.
        unread: Files of the folder that are no series, with the reason.
    """

    series: tuple[Series, ...]
    start_us: int | None = None
    repeat: bool = False
    unread: tuple[BadRow, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < len(self.series) <= SERIES_MAX:
            raise ValueError(f"number of series out of range: {len(self.series)}")
        if len({one.machine for one in self.series}) != len(self.series):
            raise ValueError("two series have one machine name")
        if self.repeat and self.start_us is None:
            raise ValueError("repeat needs start_us: old stamps again are no new readings")
        if self.start_us is not None and self.start_us < 0:
            raise ValueError(f"start_us before 1970: {self.start_us}")

    @property
    def machines(self) -> tuple[Machine, ...]:
        """One machine per series."""
        return tuple(Machine(name=one.machine, channels=one.channels) for one in self.series)

    @property
    def note(self) -> str:
        """What is replayed, and how its stamps were read."""
        zones = sorted({one.zone_text for one in self.series})
        moved = "" if self.start_us is None else ", moved to start now"
        return (
            f"{len(self.series)} recorded series; stamps without a zone read as {', '.join(zones)}"
            f"{moved}"
        )

    def rows(self, report_bad: ReportBad) -> Iterator[Row]:
        """Yield merged rows; bad rows are reported in the first pass only.

        Raises:
            SeriesError: A file can no longer be read.
        """
        for bad in self.unread:
            report_bad(bad)
        offset_us = 0
        for repetition in itertools.count():
            report = report_bad if repetition == 0 else _keep_quiet
            end_us = None
            for row in heapq.merge(
                *(self._moved(one, report, offset_us) for one in self.series), key=_due
            ):
                end_us = row.after_us
                yield row
            if not self.repeat or end_us is None:
                return
            offset_us = end_us + REPEAT_GAP_US

    def _moved(self, series: Series, report: ReportBad, offset_us: int) -> Iterator[Row]:
        """Yield the rows of one series, later by `offset_us` and with the stamp they get."""
        shift_us: int | None = None
        for row in series.rows(report):
            if self.start_us is None:
                yield row
                continue
            if shift_us is None:
                shift_us = self.start_us + offset_us - row.us
            yield Row(
                machine=row.machine,
                us=max(row.us + shift_us, 0),
                after_us=row.after_us + offset_us,
                values=row.values,
                labels=row.labels,
            )


def _due(row: Row) -> int:
    return row.after_us


def _keep_quiet(bad: BadRow) -> None:
    """Take a bad row that was reported in the first pass."""


def load(
    path: Path, *, zone_text: str = "UTC", start_us: int | None = None, repeat: bool = False
) -> Replay:
    """Make a replay of one CSV file, or of every CSV file below a folder, each by its own header.

    A file of a folder that is no series is reported with the bad rows and left out.

    Raises:
        SeriesError: There is no series at all, or there are too many, or no such zone.
    """
    if not path.is_dir():
        only = open_series(path, zone_text=zone_text)
        return Replay(series=(only,), start_us=start_us, repeat=repeat)
    series: list[Series] = []
    unread: list[BadRow] = []
    taken: set[str] = set()
    for file in sorted(found for found in path.rglob("*") if found.suffix.lower() == ".csv"):
        try:
            one = open_series(file, zone_text=zone_text, root=path)
        except SeriesError as error:
            if error.path != str(file):
                raise  # the zone, not the file
            unread.append(BadRow(path=error.path, line=error.line, rule=error.rule))
            continue
        name = _free_name(one.machine, taken)
        if name != one.machine:
            one = open_series(file, machine=name, zone_text=zone_text, root=path)
        taken.add(name)
        series.append(one)
    if not series:
        reason = f"; {unread[0].text}" if unread else ""
        raise SeriesError(str(path), 0, f"no CSV series in this folder{reason}")
    if len(series) > SERIES_MAX:
        raise SeriesError(str(path), 0, f"{len(series)} series, at most {SERIES_MAX} at once")
    return Replay(series=tuple(series), start_us=start_us, repeat=repeat, unread=tuple(unread))


def _free_name(name: str, taken: set[str]) -> str:
    """Return `name`, or the first of `name-2`, `name-3` … that no other file has."""
    if name not in taken:
        return name
    return next(new for n in itertools.count(2) if (new := f"{name[:56]}-{n}") not in taken)


def bundled(*, start_us: int | None = None, repeat: bool = False) -> Replay:
    """Return the small plant that ships with the package: a pump, a motor and an oven."""
    return load(_BUNDLED, start_us=start_us, repeat=repeat)
