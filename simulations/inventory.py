"""What has to exist before a plant's readings mean something: identifiers to register, mappings for the gateway agent.

Theory of operation: one identifier per machine (`lab.1/pump-07`), its channels are properties of it. Topics are
`plant/{machine}/{channel}`. One rule with a table of units maps the whole plant. Only where a channel name has two
units in one plant there is a rule per channel instead, and for the channels in question one per machine, so that no
topic matches two rules. The text is the `[[mapping]]` tables of the
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
    """One `[[mapping]]` table of the agent's configuration; `units` is by property."""

    filter: str
    identifier: str
    name: str
    units: tuple[tuple[str, str], ...]

    def toml(self) -> str:
        """Return the table as TOML text."""
        units = ", ".join(f"{name} = {_quoted(unit)}" for name, unit in self.units)
        return (
            "[[mapping]]\n"
            f"filter = {_quoted(self.filter)}\n"
            'payload = "json"\n'
            f"identifier = {_quoted(self.identifier)}\n"
            f'reading = {{ name = {_quoted(self.name)}, value = "/v", type = "float", time = "/ts",'
            f' time_unit = "{TIME_UNIT}", sequence = "/n", units = {{ {units} }} }}\n'
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
    if all(len(found) == 1 for found in units.values()):
        table = tuple((name, unit) for name, found in units.items() for unit in found if unit)
        return (_rule(prefix, "{machine}", "{channel}", table),)
    rules: dict[str, MappingRule] = {}
    for machine, channel in _channels(source):
        level = "{machine}" if len(units[channel.name]) == 1 else machine
        table = ((channel.name, channel.unit),) if channel.unit else ()
        rule = _rule(prefix, level, channel.name, table)
        rules[rule.filter] = rule
    return tuple(rules.values())


def _rule(
    prefix: str, machine: str, channel: str, units: tuple[tuple[str, str], ...]
) -> MappingRule:
    return MappingRule(
        filter=topic(machine, channel), identifier=f"{prefix}/{machine}", name=channel, units=units
    )


def mapping_toml(source: PlantSource, *, prefix: str) -> str:
    """Return the `[[mapping]]` tables for every topic of `source`."""
    return "\n".join(rule.toml() for rule in mapping_rules(source, prefix=prefix))


def _channels(source: PlantSource) -> Iterator[tuple[str, Channel]]:
    for machine in source.machines:
        for channel in machine.channels:
            yield machine.name, channel
