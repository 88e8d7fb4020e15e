"""What has to exist before a plant's readings mean something: identifiers to register, mappings for the gateway agent.

Theory of operation: one identifier per machine (`lab.1/pump-07`), its channels are properties of it. Topics are
`plant/{machine}/{channel}`. A mapping names one unit, so there is one rule per channel name and unit; where the same
channel name has two units in one plant, the rules name the machine. The text is the `[[mapping]]` tables of the
agent's configuration; the agent's own reader is the judge of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from simulations.message import TIME_UNIT, topic
from simulations.source import Channel, PlantSource


def identifiers(source: PlantSource, *, prefix: str) -> tuple[tuple[str, str], ...]:
    """Return (identifier, its channels in words) for every machine of `source`, below `prefix`.

    Args:
        source: The plant.
        prefix: As people write it, `lab.1`.
    """
    return tuple(
        (
            f"{prefix}/{machine.name}",
            ", ".join(f"{one.title} [{one.unit or 'no unit'}]" for one in machine.channels),
        )
        for machine in source.machines
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRule:
    """One `[[mapping]]` table of the agent's configuration."""

    filter: str
    identifier: str
    name: str
    unit: str | None

    def toml(self) -> str:
        """Return the table as TOML text."""
        unit = f"unit = {_quoted(self.unit)}, " if self.unit is not None else ""
        return (
            "[[mapping]]\n"
            f"filter = {_quoted(self.filter)}\n"
            'payload = "json"\n'
            f"identifier = {_quoted(self.identifier)}\n"
            f"reading = {{ name = {_quoted(self.name)}, {unit}"
            f'value = "/v", type = "float", time = "/ts", time_unit = "{TIME_UNIT}",'
            ' sequence = "/n" }\n'
        )


def _quoted(text: str) -> str:
    """Return `text` as a TOML basic string; units are the only text here that is not ours."""
    escaped = "".join(
        f"\\u{ord(char):04x}" if char < " " or char in '"\\\x7f' else char for char in text
    )
    return f'"{escaped}"'


def mapping_rules(source: PlantSource, *, prefix: str) -> tuple[MappingRule, ...]:
    """Return the rules that map every topic of `source` to an identifier below `prefix`."""
    units: dict[str, set[str | None]] = {}
    for _, channel in _channels(source):
        units.setdefault(channel.name, set()).add(channel.unit)
    rules: dict[str, MappingRule] = {}
    for machine, channel in _channels(source):
        level = "{machine}" if len(units[channel.name]) == 1 else machine
        rule = MappingRule(
            filter=topic(level, channel.name),
            identifier=f"{prefix}/{level}",
            name=channel.name,
            unit=channel.unit,
        )
        rules[rule.filter] = rule
    return tuple(rules.values())


def mapping_toml(source: PlantSource, *, prefix: str) -> str:
    """Return the `[[mapping]]` tables for every topic of `source`."""
    return "\n".join(rule.toml() for rule in mapping_rules(source, prefix=prefix))


def _channels(source: PlantSource) -> Iterator[tuple[str, Channel]]:
    for machine in source.machines:
        for channel in machine.channels:
            yield machine.name, channel
