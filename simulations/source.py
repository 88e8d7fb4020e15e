"""What a plant publishes: machines with channels, and rows of readings in order of time.

Theory of operation: a `PlantSource` is all that `plant` and `load` know of where readings come from. It names its
machines and channels (so that identifiers and mappings can be made before the first reading) and yields rows.
Time inside a source is the row's own time `us` plus `after_us`, the moment of the replay at which the row is due:
recordings made months apart start together, gaps inside a recording stay.

Names of machines and channels are slugs (`a-z`, `0-9`, `-`), because they become MQTT topic levels, parts of
identifiers and names of properties; the text they came from is kept as `title`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

SLUG_CHARS_MAX: Final = 64
UNIT_CHARS_MAX: Final = 32  # limit of a reading's unit (UCUM) in the product's formats

_WORD_EDGE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def slug(text: str, *, otherwise: str) -> str:
    """Return `text` as a slug, or `otherwise` when nothing of it is left (a heading in Chinese, say)."""
    spaced = _WORD_EDGE.sub("-", text)
    cut = _NOT_SLUG.sub("-", spaced.lower()).strip("-")[:SLUG_CHARS_MAX].rstrip("-")
    return cut or otherwise


def _check_slug(what: str, text: str) -> None:
    if len(text) > SLUG_CHARS_MAX or _SLUG.fullmatch(text) is None:
        raise ValueError(f"{what} is no slug: {text!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One measured quantity of a machine.

    Attributes:
        name: Slug; the last level of the topic and the property of the reading.
        title: What the file or the model calls it.
        unit: UCUM code, None where nothing says it (a unit is never guessed).
    """

    name: str
    title: str
    unit: str | None = None

    def __post_init__(self) -> None:
        _check_slug("channel name", self.name)
        if self.unit is not None and not 0 < len(self.unit.encode()) <= UNIT_CHARS_MAX:
            raise ValueError(f"unit out of range: {self.unit!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine and what it measures."""

    name: str
    channels: tuple[Channel, ...]

    def __post_init__(self) -> None:
        _check_slug("machine name", self.name)
        if len({channel.name for channel in self.channels}) != len(self.channels):
            raise ValueError(f"machine {self.name} has two channels of one name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one machine measured at one moment.

    Attributes:
        machine: Name of the machine.
        us: Time of the measurement, µs since 1970-01-01T00:00:00Z.
        after_us: When the row is due, in µs after the start of the replay.
        values: Readings by channel name; a channel without a reading at that moment is left out.
        labels: Columns that are judgements of the data (anomaly, changepoint), never published.
    """

    machine: str
    us: int
    after_us: int
    values: Mapping[str, float]
    labels: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that was left out, and why."""

    path: str
    line: int
    rule: str

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{self.path}:{self.line}: {self.rule}"


ReportBad = Callable[[BadRow], None]


class PlantSource(Protocol):
    """Where a plant's readings come from."""

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All machines, each with all channels that may occur; the names are unique."""
        ...

    @property
    def note(self) -> str:
        """One line for people: what this is, and which time zone its stamps were read in."""
        ...

    def rows(self, report_bad: ReportBad) -> Iterator[Row]:
        """Yield rows with `after_us` never falling; each call starts anew.

        The iterator may read files, so async code pulls it in a thread. It may be endless.
        A row that cannot be read goes to `report_bad` and is left out.
        """
        ...
