"""The agent's status as a small JSON file: no port is opened for it.

Written beside the data, atomically (a reader sees the old or the new one, never half), readable by
whoever may read the data directory. `xinbiao agent status` reads it with `read_status`.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.errors import StatusError

STATUS_FILE: Final = "status.json"
STATUS_BYTES_MAX: Final = 64 * 1024


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """What the agent knows of itself.

    Attributes:
        version: Of this form.
        pid: Process.
        written_ms: When, Unix milliseconds; an old one means that the agent does not run.
        started_ms: When the agent started.
        state: `starting`, `running`, `stopped: REASON`, `ended`.
        alarm: What a person should do, empty without.
        stream: Our stream.
        network: Its network.
        source_connected: The broker is connected.
        node: URL that is asked next.
        readings_accepted: Durable readings since the data directory was made.
        readings_waiting: Of them, not yet in a sealed batch.
        readings_anchored: Of them, in batches that the ledger confirmed.
        readings_shed: Refused for want of room.
        oldest_waiting_ms: Receipt of the oldest reading that is not sealed, or None.
        next_sequence: Sequence of the next batch.
        confirmed: Batches on the ledger.
        pushed: Batches whose body the node has.
        backlog: Sealed batches that are not on the ledger.
        last_anchor_ms: When the last one was confirmed, or None.
        spool_bytes: What waits here, readings, bodies, dead letters.
        spool_bytes_max: Its bound.
        archive_bytes: Local archive of pushed bodies.
        disk_free_bytes: Room on the file system.
        dead_letters: Kept with their reasons.
        dead_letters_dropped: Only counted, because there was no room.
        lost: Readings lost, by reason.
        counters: What happened, by name, since the start.
    """

    version: int = 1
    pid: int = 0
    written_ms: int = 0
    started_ms: int = 0
    state: str = "starting"
    alarm: str = ""
    stream: str = ""
    network: str = ""
    source_connected: bool = False
    node: str = ""
    readings_accepted: int = 0
    readings_waiting: int = 0
    readings_anchored: int = 0
    readings_shed: int = 0
    oldest_waiting_ms: int | None = None
    next_sequence: int = 0
    confirmed: int = 0
    pushed: int = 0
    backlog: int = 0
    last_anchor_ms: int | None = None
    spool_bytes: int = 0
    spool_bytes_max: int = 0
    archive_bytes: int = 0
    disk_free_bytes: int = 0
    dead_letters: int = 0
    dead_letters_dropped: int = 0
    lost: dict[str, int] = {}
    counters: dict[str, int] = {}


def write_status(folder: Path, status: Status) -> None:
    """Replace the status file; call it outside the event loop."""
    target = folder / STATUS_FILE
    fresh = folder / f".{STATUS_FILE}.new"
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(status)) + b"\n")
    os.replace(fresh, target)


def read_status(folder: Path) -> Status:
    """Read the status that an agent wrote.

    Raises:
        StatusError: There is none, or it is not one.
    """
    path = folder / STATUS_FILE
    try:
        with path.open("rb") as file:
            data = file.read(STATUS_BYTES_MAX)
    except OSError as error:
        raise StatusError(f"no status in {folder}: {error.strerror}. Has the agent run?") from None
    try:
        return msgspec.json.decode(data, type=Status)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StatusError(f"{path} is no status: {error}") from None
