"""Synthetic machines: pumps, motors and ovens that drift, vibrate and share a load, from one seed.

Theory of operation: each channel of a kind is a row of numbers (`Signal`). A reading is

    base + offset + swing · sin(2πt / period + phase) + drift · t + gain · load + noise

where `load` is one slow random process per machine that couples its channels (more flow, more current, more
vibration), `noise` is an AR(1) process per channel, and offset, phase and drift differ from machine to machine.
Values are rounded to the resolution of the sensor. All machines of one kind are one numpy array, so a step costs the
same few microseconds for one pump or for a thousand.

This is plausible to look at and repeatable to test with; it is no physics and trains no model.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulations.source import Channel, Machine, ReportBad, Row
from simulations.world import World

LOAD_PERSISTENCE: Final = 0.98  # of the shared load, per step
MACHINES_MAX: Final = 100_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """How one channel of a kind behaves; amounts are in the channel's unit."""

    name: str
    title: str
    unit: str
    base: float
    spread: float  # standard deviation of the machines' own offsets
    noise: float  # standard deviation of the sensor's noise
    persistence: float  # of the noise, per step: 0 is white
    gain: float  # per unit of load
    drift_per_hour: float
    decimals: int
    swing: float = 0.0
    period_s: float = 3_600.0


_PUMP = (
    Signal(name="flow", title="Flow", unit="L/min", base=32.0, spread=0.6, noise=0.08,
           persistence=0.6, gain=2.4, drift_per_hour=-0.15, decimals=2),
    Signal(name="pressure", title="Pressure", unit="bar", base=2.85, spread=0.05, noise=0.012,
           persistence=0.3, gain=0.11, drift_per_hour=-0.01, decimals=3),
    Signal(name="vibration", title="Vibration", unit="mm/s", base=1.35, spread=0.1, noise=0.035,
           persistence=0.2, gain=0.12, drift_per_hour=0.06, decimals=3),
    Signal(name="water-temperature", title="Water temperature", unit="Cel", base=21.4, spread=0.3,
           noise=0.03, persistence=0.9, gain=0.15, drift_per_hour=0.4, decimals=1),
)  # fmt: skip
_MOTOR = (
    Signal(name="current", title="Current", unit="A", base=6.2, spread=0.15, noise=0.03,
           persistence=0.3, gain=0.45, drift_per_hour=0.02, decimals=3),
    Signal(name="speed", title="Speed", unit="/min", base=1_468.0, spread=2.0, noise=0.5,
           persistence=0.5, gain=-3.5, drift_per_hour=-0.2, decimals=0),
    Signal(name="bearing-temperature", title="Bearing temperature", unit="Cel", base=58.3,
           spread=1.2, noise=0.04, persistence=0.95, gain=0.8, drift_per_hour=1.1, decimals=1),
)  # fmt: skip
_OVEN = (
    Signal(name="chamber-temperature", title="Chamber temperature", unit="Cel", base=182.0,
           spread=0.8, noise=0.15, persistence=0.85, gain=-0.9, drift_per_hour=0.3, decimals=1,
           swing=2.6, period_s=240.0),
    Signal(name="power", title="Power", unit="kW", base=11.4, spread=0.2, noise=0.12,
           persistence=0.4, gain=0.7, drift_per_hour=0.05, decimals=2, swing=-3.1, period_s=240.0),
    Signal(name="humidity", title="Humidity", unit="%", base=12.5, spread=0.7, noise=0.05,
           persistence=0.97, gain=0.2, drift_per_hour=-0.1, decimals=1),
)  # fmt: skip
KINDS: Final = {"pump": _PUMP, "motor": _MOTOR, "oven": _OVEN}


class Fleet:
    """All machines of one kind; every `step` advances them together by `period_s`."""

    def __init__(self, *, kind: str, count: int, period_s: float, rng: np.random.Generator) -> None:
        signals = KINDS[kind]
        self._rng = rng
        self._period_s = period_s
        self._steps = 0
        self._noise_std = _column(signals, "noise")
        self._persistence = _column(signals, "persistence")
        self._gain = _column(signals, "gain")
        self._swing = _column(signals, "swing")
        self._omega = 2 * math.pi / _column(signals, "period_s")
        self._decimals = [signal.decimals for signal in signals]
        shape = (count, len(signals))
        spread = _column(signals, "spread")
        self._level = _column(signals, "base") + spread * rng.standard_normal(shape)
        self._drift_per_s = (
            _column(signals, "drift_per_hour") / 3_600 * rng.uniform(0.5, 1.5, (count, 1))
        )
        self._phase = rng.uniform(0, 2 * math.pi, (count, 1))
        self._load = rng.standard_normal((count, 1))
        self._noise = self._noise_std * rng.standard_normal(shape)

    def step(self) -> Floats:
        """Return one reading per machine and channel, shape (machines, channels)."""
        time_s = self._steps * self._period_s
        self._steps += 1
        self._load = _ar1(self._load, LOAD_PERSISTENCE, self._rng.standard_normal(self._load.shape))
        self._noise = _ar1(
            self._noise,
            self._persistence,
            self._noise_std * self._rng.standard_normal(self._noise.shape),
        )
        values = (
            self._level
            + self._swing * np.sin(self._omega * time_s + self._phase)
            + self._drift_per_s * time_s
            + self._gain * self._load
            + self._noise
        )
        for column, decimals in enumerate(self._decimals):
            values[:, column] = np.round(values[:, column], decimals)
        return np.asarray(values, dtype=np.float64)


def _column(signals: tuple[Signal, ...], name: str) -> Floats:
    return np.array([getattr(signal, name) for signal in signals], dtype=np.float64)


def _ar1(state: Floats, persistence: float | Floats, shock: Floats) -> Floats:
    """Return the next state of AR(1) processes whose standard deviation is that of `shock`."""
    innovation = np.sqrt(1 - np.square(persistence))
    return np.asarray(persistence * state + innovation * shock, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticPlant:
    """A `PlantSource` of synthetic machines named `pump-1`, `pump-2` …, all read every `period_s`.

    Attributes:
        world: The seed.
        counts: How many machines of each kind of `KINDS`.
        start_us: Time of the first readings.
        period_s: Time between two readings of a channel.
        rows_max: Rows per machine; None never ends.
    """

    world: World
    counts: tuple[tuple[str, int], ...]
    start_us: int
    period_s: float = 1.0
    rows_max: int | None = None

    def __post_init__(self) -> None:
        for kind, count in self.counts:
            if kind not in KINDS:
                raise ValueError(
                    f"no such kind of machine: {kind!r} (there are {', '.join(KINDS)})"
                )
            if count < 1:
                raise ValueError(f"count of {kind} out of range: {count}")
        if len({kind for kind, _ in self.counts}) != len(self.counts):
            raise ValueError("a kind is named twice")
        if not 0 < sum(count for _, count in self.counts) <= MACHINES_MAX:
            raise ValueError("number of machines out of range")
        if self.period_s < 1e-6:
            raise ValueError(f"period_s out of range: {self.period_s}")
        if self.start_us < 0:
            raise ValueError(f"start_us before 1970: {self.start_us}")

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All machines, kind by kind."""
        return tuple(
            Machine(name=f"{kind}-{number}", channels=kind_channels(kind))
            for kind, count in self.counts
            for number in range(1, count + 1)
        )

    @property
    def note(self) -> str:
        """What is simulated."""
        return f"synthetic machines (seed {self.world.seed}), stamps in UTC"

    def rows(self, report_bad: ReportBad) -> Iterator[Row]:
        """Yield one row per machine and step; never a bad one."""
        period_us = round(self.period_s * 1_000_000)
        fleets = []
        for kind, count in self.counts:
            rng = self.world.generator(f"machines/{kind}")
            fleet = Fleet(kind=kind, count=count, period_s=self.period_s, rng=rng)
            names = [f"{kind}-{number}" for number in range(1, count + 1)]
            fleets.append((fleet, names, [signal.name for signal in KINDS[kind]]))
        steps = itertools.count() if self.rows_max is None else range(self.rows_max)
        for step in steps:
            after_us = step * period_us
            us = self.start_us + after_us
            for fleet, names, channels in fleets:
                for name, readings in zip(names, fleet.step().tolist(), strict=True):
                    values = dict(zip(channels, readings, strict=True))
                    yield Row(machine=name, us=us, after_us=after_us, values=values, labels={})


def kind_channels(kind: str) -> tuple[Channel, ...]:
    """Return the channels of a kind of machine."""
    return tuple(
        Channel(name=signal.name, title=signal.title, unit=signal.unit) for signal in KINDS[kind]
    )
