"""Synthetic machines: repeatable, independent, plausible; and the bundled series they made."""

import itertools
from pathlib import Path

import numpy as np
import pytest

import simulations.data
from simulations.data.make import FILE_BYTES_MAX, NAMES, make
from simulations.machines import KINDS, SyntheticPlant
from simulations.source import BadRow, Row
from simulations.world import SEED_MAX, World

START_US = 1_800_000_000_000_000


def never(bad: BadRow) -> None:
    raise AssertionError(bad.text)


def plant(*counts: tuple[str, int], seed: int = 1, rows: int | None = 50) -> SyntheticPlant:
    return SyntheticPlant(
        world=World(seed=seed), counts=counts, start_us=START_US, period_s=0.5, rows_max=rows
    )


def rows_of(source: SyntheticPlant) -> list[Row]:
    return list(source.rows(never))


def test_one_seed_is_one_plant() -> None:
    """The same seed replays the same readings; another seed does not."""
    assert rows_of(plant(("pump", 3))) == rows_of(plant(("pump", 3)))
    assert rows_of(plant(("pump", 3))) != rows_of(plant(("pump", 3), seed=2))


def test_another_kind_changes_nothing() -> None:
    """Adding ovens leaves the pumps' readings as they were."""
    alone = rows_of(plant(("pump", 2)))
    beside = [
        row for row in rows_of(plant(("oven", 4), ("pump", 2))) if row.machine.startswith("pump")
    ]

    assert alone == beside


def test_every_machine_reads_every_channel_at_every_step() -> None:
    """Rows are complete, in time order, and named as `machines` says."""
    source = plant(("pump", 2), ("motor", 1))

    rows = rows_of(source)

    channels = {one.name: [channel.name for channel in one.channels] for one in source.machines}
    assert list(channels) == ["pump-1", "pump-2", "motor-1"]
    assert len(rows) == 3 * 50
    assert all(channels[row.machine] == list(row.values) for row in rows)
    assert [step * 500_000 for step in range(50) for _ in channels] == [r.after_us for r in rows]
    assert all(row.us == START_US + row.after_us for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_readings_stay_near_the_machine(kind: str) -> None:
    """Within an hour no channel leaves ten deviations of its model, and none stands still."""
    source = SyntheticPlant(
        world=World(seed=5), counts=((kind, 20),), start_us=0, period_s=60.0, rows_max=60
    )
    rows = rows_of(source)
    for signal in KINDS[kind]:
        values = np.array([row.values[signal.name] for row in rows])
        deviation = signal.spread + signal.noise + abs(signal.gain) + abs(signal.swing)
        reach = 10 * deviation + 2 * abs(signal.drift_per_hour)
        assert np.abs(values - signal.base).max() < reach
        assert values.std() > 0


def test_an_endless_plant_does_not_end() -> None:
    """Without `rows_max` there is always another step."""
    endless = plant(("oven", 1), rows=None).rows(never)

    assert len(list(itertools.islice(endless, 1_000))) == 1_000


@pytest.mark.parametrize(
    "counts",
    [(), (("pump", 0),), (("boat", 1),), (("pump", 1), ("pump", 1)), (("pump", 100_001),)],
)
def test_impossible_plants_cannot_exist(counts: tuple[tuple[str, int], ...]) -> None:
    """Counts and kinds are checked at birth."""
    with pytest.raises(ValueError, match=r"kind|count|number of machines"):
        plant(*counts)


@pytest.mark.parametrize("seed", [-1, SEED_MAX + 1])
def test_seed_is_checked_at_birth(seed: int) -> None:
    """A world has a seed in range."""
    with pytest.raises(ValueError, match="seed out of range"):
        World(seed=seed)


def test_names_have_streams_of_their_own() -> None:
    """Equal names give equal streams, other names other ones, for both kinds of generator."""
    world = World(seed=9)

    assert world.generator("a").random() == world.generator("a").random()
    assert world.generator("a").random() != world.generator("b").random()
    assert world.random("a").random() == world.random("a").random()
    assert world.random("a").random() != world.random("b").random()


@pytest.mark.parametrize("kind", NAMES)
def test_bundled_series_are_what_the_script_makes(kind: str) -> None:
    """The checked-in files are the script's output, byte for byte, and small."""
    path = Path(str(simulations.data.__file__)).with_name(f"{NAMES[kind]}.csv")

    assert make(kind).encode() == path.read_bytes()
    assert path.stat().st_size <= FILE_BYTES_MAX
