"""Identifiers and mappings of a plant, and the messages they are for."""

import itertools
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ledger.core.identifier import parse
from simulations.inventory import identifiers, mapping_rules, mapping_toml
from simulations.message import RowEncoder, topic
from simulations.replay import bundled
from simulations.source import Channel, Machine, ReportBad, Row


@dataclass(frozen=True)
class Still:
    """A plant that stands still: machines without readings."""

    machines: tuple[Machine, ...]
    note: str = "still"

    def rows(self, report_bad: ReportBad) -> Iterator[Row]:
        return iter(())


def machine(name: str, **units: str | None) -> Machine:
    channels = tuple(Channel(name=key, title=key, unit=unit) for key, unit in units.items())
    return Machine(name=name, channels=channels)


def matches(filter_: str, name: str) -> bool:
    levels = zip(filter_.split("/"), name.split("/"), strict=True)
    return all(one.startswith("{") or one == other for one, other in levels)


TWO_UNITS = Still(
    (machine("a", heat="Cel", flow="L/min"), machine("b", heat="[degF]"), machine("c", heat=None))
)


@pytest.mark.parametrize("source", [bundled(), TWO_UNITS], ids=["bundled", "two-units"])
def test_every_topic_has_exactly_one_rule_with_its_unit(source: Still) -> None:
    """No reading is unmatched, none is ambiguous, and each gets the unit of its channel."""
    rules = mapping_rules(source, prefix="lab.1")
    for one in source.machines:
        for channel in one.channels:
            (rule,) = (r for r in rules if matches(r.filter, topic(one.name, channel.name)))
            assert rule.name in {channel.name, "{channel}"}
            assert dict(rule.units).get(channel.name) == channel.unit
            assert f"lab.1/{one.name}" == rule.identifier.replace("{machine}", one.name)


def test_mapping_text_is_toml() -> None:
    """The tables read back as the rules, pointers to value, time and sequence included."""
    tables = tomllib.loads(mapping_toml(TWO_UNITS, prefix="lab.1"))["mapping"]

    assert [rule.filter for rule in mapping_rules(TWO_UNITS, prefix="lab.1")] == [
        table["filter"] for table in tables
    ]
    assert tables[0] == {
        "filter": "plant/a/heat",
        "payload": "json",
        "identifier": "lab.1/a",
        "reading": {
            "name": "heat",
            "value": "/v",
            "type": "float",
            "time": "/ts",
            "time_unit": "us",
            "sequence": "/n",
            "units": {"heat": "Cel"},
        },
    }
    assert [t["reading"]["units"] for t in tables if t["identifier"] == "lab.1/c"] == [{}]


def test_one_rule_maps_a_plant_whose_units_agree() -> None:
    """The usual plant needs one rule, and one subscription at the broker."""
    assert [rule.filter for rule in mapping_rules(bundled(), prefix="lab.1")] == [
        "plant/{machine}/{channel}"
    ]


@pytest.mark.parametrize("unit", ['"', "\\", "\t", "°C", "\x7f", "{a}"])
def test_units_survive_the_text(unit: str) -> None:
    """A unit comes from a file, so any character of it is quoted."""
    (table,) = tomllib.loads(mapping_toml(Still((machine("a", x=unit),)), prefix="lab.1"))[
        "mapping"
    ]

    assert unit == table["reading"]["units"]["x"]


def test_identifiers_name_the_machines() -> None:
    """One identifier per machine, with its channels in words."""
    assert identifiers(TWO_UNITS, prefix="lab.1")[1:] == (
        ("lab.1/b", "heat [[degF]]"),
        ("lab.1/c", "heat [no unit]"),
    )


def test_sequence_counts_per_topic() -> None:
    """`n` has no holes in any topic and begins where it is told to; values stay floats."""
    encoder = RowEncoder(first_sequence=40)
    seen: dict[str, list[int]] = {}
    for row in itertools.islice(bundled().rows(lambda _: None), 100):
        for name, payload in encoder.encode(row):
            message = json.loads(payload)
            seen.setdefault(name, []).append(message["n"])
            assert row.us == message["ts"]
            assert row.values[name.rsplit("/", 1)[1]] == message["v"]
            assert isinstance(message["v"], float)

    assert len(seen) == 10
    assert all(numbers == list(range(40, 40 + len(numbers))) for numbers in seen.values())


@pytest.mark.parametrize("source", [bundled(), TWO_UNITS], ids=["bundled", "two-units"])
def test_identifiers_can_be_registered(source: Still) -> None:
    """Every identifier is one that the ledger reads, under the prefix that was asked for."""
    for text, _ in identifiers(source, prefix="lab.1"):
        assert parse(text).text == f"hdl:{text}"
        assert "hdl:lab.1" in parse(text).parents
