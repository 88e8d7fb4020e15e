"""`agent check`: what is wrong with the settings, what cannot be known, and what one message becomes.

Nothing is changed and nothing is signed. A finding of level `error` keeps the agent from running,
`warning` may lose readings, `note` says what cannot be verified from here.
"""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final, Literal

from edge_agent.adapters.key_file import load_key
from edge_agent.adapters.system import free_bytes
from edge_agent.adapters.uplink import HttpNode
from edge_agent.agent.root import make_node_tls, make_tls, read_password
from edge_agent.core import outbox
from edge_agent.core.mapping import Mapping, extract, overlap
from edge_agent.errors import EdgeError, SettingsError, UnreadableError
from edge_agent.settings import AgentSettings
from ledger.core.reading import Reading, decode_reading

REACH_S: Final = 5.0
READING_BYTES: Final = 150  # a usual reading in the spool
_BROKER_NOTES: Final = (
    "the broker's max_queued_messages cannot be seen from here: Mosquitto drops silently beyond "
    "1000 by default; set it to 0 or above what an outage may hold",
    "the broker's persistence cannot be seen from here: without it, a restart of the broker loses "
    "what we have not acknowledged",
    "set max_inflight_messages to 1000 or more for speed, and bound the broker's message size",
)

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `agent check`.

    Attributes:
        level: `error`, `warning` or `note`.
        entry: Which entry of agent.toml.
        detail: What is wrong and what to do.
    """

    level: Level
    entry: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one message would become.

    Attributes:
        mapping: Number of the mapping used, from 1; None where none matches.
        identifier: Canonical identifier, empty without.
        readings: What it gives, empty for a dead letter.
        reason: Why it gives none, empty where it does.
        detail: In words.
    """

    mapping: int | None
    identifier: str
    readings: tuple[Reading, ...]
    reason: str
    detail: str


async def check(settings: AgentSettings, *, reach: bool = True) -> list[Finding]:
    """Look at settings.

    Args:
        settings: As loaded.
        reach: Also connect to broker and node.
    """
    loop = asyncio.get_running_loop()
    findings = await loop.run_in_executor(None, lambda: list(_local(settings)))
    if reach and not any(one.level == "error" for one in findings):
        findings += await _reach_broker(settings)
        findings += await _reach_node(settings)
    return findings


def try_message(settings: AgentSettings, topic: str, payload: bytes, *, received_us: int) -> Trial:
    """Map one message and show what it becomes.

    Raises:
        SettingsError: The mappings themselves cannot be used.
    """
    mapping = Mapping(settings.mapping_rules())
    number, identifier = None, ""
    try:
        target = mapping.target(topic)
        number, identifier = target.number + 1, target.identifier
        found = extract(target, payload, received_us=received_us)
    except UnreadableError as error:
        return Trial(
            mapping=number,
            identifier=identifier,
            readings=(),
            reason=error.reason.value,
            detail=error.detail,
        )
    readings = tuple(decode_reading(one) for one in found.readings)
    return Trial(mapping=number, identifier=identifier, readings=readings, reason="", detail="")


def _local(settings: AgentSettings) -> Iterator[Finding]:
    """What can be seen without a network."""
    try:
        identifier, prefix = settings.stream_identifier, settings.stream_prefix
        if prefix not in identifier.parents:
            detail = f"{prefix} is no parent of {identifier.text}: right only after a transfer"
            yield Finding(level="warning", entry="stream.prefix", detail=detail)
    except SettingsError as error:
        yield Finding(level="error", entry="stream", detail=str(error))
    try:
        load_key(settings.key.file, settings.key.credential)
    except EdgeError as error:
        yield Finding(level="error", entry="key", detail=str(error))
    try:
        read_password(settings.broker)
        make_tls(settings.broker.tls)
    except EdgeError as error:
        yield Finding(level="error", entry="broker", detail=str(error))
    try:
        make_node_tls(settings.node)
    except SettingsError as error:
        yield Finding(level="error", entry="node", detail=str(error))
    if settings.broker.tls is None and settings.broker.host not in (
        "127.0.0.1",
        "::1",
        "localhost",
    ):
        yield Finding(
            level="warning", entry="broker.tls", detail="the broker is reached in the clear"
        )
    yield from _mappings(settings)
    yield from _room(settings)
    for note in _BROKER_NOTES:
        yield Finding(level="note", entry="broker", detail=note)


def _mappings(settings: AgentSettings) -> Iterator[Finding]:
    try:
        rules = settings.mapping_rules()
    except SettingsError as error:
        yield Finding(level="error", entry="mapping", detail=str(error))
        return
    for (first, one), (second, other) in combinations(enumerate(rules, 1), 2):
        if overlap(one.filter, other.filter):
            detail = (
                f"{one.filter!r} and {other.filter!r} can match one topic; mapping {first} wins"
            )
            yield Finding(level="warning", entry=f"mapping {second}", detail=detail)
    for number, rule in enumerate(rules, 1):
        stamped = rule.sequence is not None or all(one.time is not None for one in rule.readings)
        if not stamped:
            detail = (
                "neither time nor sequence in the payload: the time of receipt is taken, and a "
                "repeat is known only where the broker marks it"
            )
            yield Finding(level="note", entry=f"mapping {number}", detail=detail)


def _room(settings: AgentSettings) -> Iterator[Finding]:
    folder = settings.data_dir
    nearest = next((one for one in (folder, *folder.parents) if one.is_dir()), Path("/"))
    if not os.access(nearest, os.W_OK):
        yield Finding(level="error", entry="data_dir", detail=f"{nearest} cannot be written")
        return
    free = free_bytes(nearest)
    wanted = settings.spool.bytes_max + settings.spool.archive_bytes_max
    if free - settings.spool.free_bytes_min < wanted:
        detail = f"the spool may grow to {wanted:,} bytes, the disk has {free:,} free"
        yield Finding(level="warning", entry="spool", detail=detail)
    readings = settings.spool.bytes_max // READING_BYTES
    detail = (
        f"an outage of the node may last {readings / 100 / 3600:,.0f} h at 100 readings/s of "
        f"{READING_BYTES} bytes; then new readings are shed and the gap is stated"
    )
    yield Finding(level="note", entry="spool", detail=detail)


async def _reach_broker(settings: AgentSettings) -> list[Finding]:
    host, port = settings.broker.host, settings.broker.port
    try:
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        detail = f"{host}:{port} is not reached: {str(error) or 'no answer'}"
        return [Finding(level="warning", entry="broker", detail=detail)]
    return []


async def _reach_node(settings: AgentSettings) -> list[Finding]:
    findings = []
    stream = settings.stream_identifier.text
    loop = asyncio.get_running_loop()
    tls = await loop.run_in_executor(None, make_node_tls, settings.node)
    for url in settings.node.urls:
        node = HttpNode([url], stream=stream, timeout_s=REACH_S, tls=tls)
        try:
            found = await node.stream()
        finally:
            await node.close()
        if isinstance(found, outbox.Unknown):
            detail = f"{url} is not reached: {found.detail}"
            findings.append(Finding(level="warning", entry="node", detail=detail))
        else:
            detail = f"{url} holds {found.next} anchors of {stream}, epoch {found.epoch}"
            findings.append(Finding(level="note", entry="node", detail=detail))
    return findings
