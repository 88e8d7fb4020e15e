"""What stands in the spool's rows: the agent's books, groups, sealed batches, dead letters.

The forms are local and may change with `BOOKS_VERSION`: nothing here is signed. What *is* signed or
hashed (readings, statements, archive bodies) lies inside as the bytes that were hashed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from edge_agent.core.batch import Sealed
from edge_agent.core.gap import GapReason, Losses
from edge_agent.errors import DeadReason, SpoolError

BOOKS_VERSION: Final = 1
DEAD_PAYLOAD_BYTES_MAX: Final = 16 * 1024
DEAD_TEXT_MAX: Final = 512
READING_HEAD_BYTES: Final = 5  # msgpack's longest head of a byte string
ROW_BYTES: Final = 64  # what a row costs beside its value


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Readings that are made durable together."""

    readings: Sequence[bytes]
    first_us: int
    last_us: int
    received_ns: int


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that gave no reading, or a batch that was refused for good.

    Attributes:
        reason: A `DeadReason`.
        detail: Why, in words.
        channel: Where it came in.
        payload: Its first bytes.
        received_ns: When.
    """

    reason: str
    detail: str
    channel: str
    payload: bytes
    received_ns: int


class GroupRow(msgspec.Struct, frozen=True, array_like=True):
    """Readings that were made durable together."""

    received_ns: int
    first_us: int
    last_us: int
    readings: list[bytes]


class SealedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed batch without its body."""

    sequence: int
    statement: bytes
    hash: bytes
    count: int
    first_us: int
    last_us: int
    body_bytes: int
    sealed_ns: int
    receipt: bytes = b""


class Books(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Every position and counter that must agree with the rows.

    Groups first_group ≤ n < next_group wait to be sealed. Batches below `confirmed` are on the
    ledger, those below `pushed` have their body at the node; bodies from `first_body` on and
    statements from `first_row` on are still here.
    """

    version: int = BOOKS_VERSION
    first_group: int = 0
    next_group: int = 0
    readings: int = 0
    group_bytes: int = 0
    oldest_ns: int | None = None
    first_key_row: int = 0
    next_key_row: int = 0
    keys: int = 0
    next_dead: int = 0
    first_dead: int = 0
    dead_bytes: int = 0
    dead_dropped: int = 0
    next_sequence: int = 0
    previous: bytes | None = None
    epoch: int = 0
    confirmed: int = 0
    confirmed_ns: int = 0
    pushed: int = 0
    first_body: int = 0
    body_bytes: int = 0
    unpushed_bytes: int = 0
    first_row: int = 0
    readings_accepted: int = 0
    readings_anchored: int = 0
    readings_shed: int = 0
    losses: dict[int, int] = {}
    losses_first_us: int = 0
    losses_last_us: int = 0
    events: tuple[tuple[int, int], ...] = ()
    lost_total: dict[int, int] = {}
    lost_epoch: int | None = None
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What one round of the source brings into the spool.

    Attributes:
        group: Its readings, None without any.
        keys: Keys of its messages, old and new alike, in order.
        dead: Its dead letters.
        lost: What else it says was lost, by reason; 0 is an unknown number.
        now_ns: Wall clock.
    """

    now_ns: int
    group: Group | None = None
    keys: Sequence[bytes] = ()
    dead: Sequence[DeadLetter] = ()
    lost: Mapping[GapReason, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The oldest readings that wait, in order of arrival.

    Attributes:
        readings: Their bytes.
        through: Number of the last group they fill.
        span_us: Earliest and latest time.
        size_bytes: What their groups take in the accounting.
        rest_oldest_ns: Receipt of the oldest group after them, None without one.
    """

    readings: Sequence[bytes] = field(default_factory=list)
    through: int
    span_us: tuple[int, int]
    size_bytes: int
    rest_oldest_ns: int | None


_BOOKS: Final = msgspec.msgpack.Decoder(Books)
_GROUP: Final = msgspec.msgpack.Decoder(GroupRow)
_SEALED: Final = msgspec.msgpack.Decoder(SealedRow)
_DEAD: Final = msgspec.msgpack.Decoder(DeadLetter)


def row_key(prefix: bytes, number: int) -> bytes:
    """Return the key of a numbered row."""
    return prefix + number.to_bytes(8, "big")


def encode_row(row: msgspec.Struct) -> bytes:
    """Return the value of a row."""
    return msgspec.msgpack.encode(row)


def decode_books(value: bytes) -> Books:
    """Read the books.

    Raises:
        SpoolError: They are of another version, or damaged.
    """
    try:
        books = _BOOKS.decode(value)
    except (msgspec.MsgspecError, ValueError) as error:
        raise SpoolError(f"the spool's books cannot be read: {error}") from None
    if books.version != BOOKS_VERSION:
        raise SpoolError(f"the spool is of version {books.version}, not {BOOKS_VERSION}")
    return books


def decode_group(value: bytes) -> GroupRow:
    """Read a group.

    Raises:
        SpoolError: The row is damaged.
    """
    try:
        return _GROUP.decode(value)
    except (msgspec.MsgspecError, ValueError) as error:
        raise SpoolError(f"a group of readings cannot be read: {error}") from None


def decode_sealed(value: bytes) -> SealedRow:
    """Read a sealed batch.

    Raises:
        SpoolError: The row is damaged.
    """
    try:
        return _SEALED.decode(value)
    except (msgspec.MsgspecError, ValueError) as error:
        raise SpoolError(f"a sealed batch cannot be read: {error}") from None


def decode_dead(value: bytes) -> DeadLetter:
    """Read a dead letter.

    Raises:
        SpoolError: The row is damaged.
    """
    try:
        return _DEAD.decode(value)
    except (msgspec.MsgspecError, ValueError) as error:
        raise SpoolError(f"a dead letter cannot be read: {error}") from None


def dead_letter(
    reason: DeadReason, detail: str, *, channel: str, payload: bytes, received_ns: int
) -> DeadLetter:
    """Return a dead letter of bounded size; texts lose what msgpack cannot hold."""
    return DeadLetter(
        reason=str(reason),
        detail=_plain(detail),
        channel=_plain(channel),
        payload=payload[:DEAD_PAYLOAD_BYTES_MAX],
        received_ns=received_ns,
    )


def _plain(text: str) -> str:
    return text[:DEAD_TEXT_MAX].encode(errors="replace").decode()


def group_cost(group: Group) -> int:
    """Return a bound of what a group will count for, without encoding it."""
    return sum(map(len, group.readings)) + READING_HEAD_BYTES * len(group.readings) + 2 * ROW_BYTES


def body_cost(size: int) -> int:
    """Return what an archive body counts for in the accounting."""
    return size + ROW_BYTES


def sealed_rows(sealed: Sealed, now_ns: int) -> list[tuple[bytes, bytes]]:
    """Return the rows of a newly sealed batch."""
    row = SealedRow(
        sequence=sealed.sequence,
        statement=sealed.statement,
        hash=sealed.hash,
        count=sealed.count,
        first_us=sealed.first_us,
        last_us=sealed.last_us,
        body_bytes=len(sealed.body),
        sealed_ns=now_ns,
    )
    rows = [(row_key(b"s", sealed.sequence), encode_row(row))]
    if sealed.body:
        rows.append((row_key(b"b", sealed.sequence), sealed.body))
    return rows


def losses_in_books(losses: Losses, books: Books) -> dict[str, object]:
    """Return the changes of the books that put `losses` in the place of the old ones."""
    changes: dict[str, object] = {
        "losses": dict(losses.counts),
        "losses_first_us": losses.first_us,
        "losses_last_us": losses.last_us,
        "events": losses.events,
    }
    total = dict(books.lost_total)
    for reason, number in losses.counts.items():
        grown = number - books.losses.get(reason, 0)
        if grown > 0:
            total[reason] = total.get(reason, 0) + grown
    return changes | {"lost_total": total}
