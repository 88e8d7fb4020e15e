"""The journal of one registration: every signed statement, on the disk before it is sent.

Theory of operation: beside the table lies `TABLE.journal`, one JSON line per event: a head (network and
prefix), a statement with the rows it is for, an outcome. Statements are synced before the first attempt
to send them; so after kill -9 at any moment the same bytes are sent again, which a node answers with the
first receipt. A line that was being written when the power went is cut off and ignored. The journal is
deleted when the report is written.

Outcomes are not synced: losing one only means asking again.
"""

import json
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self, TypeAlias

from xinbiao.errors import InputError

Made: TypeAlias = tuple[Sequence[tuple[int, str]], bytes]
"""Row and identifier of each item, and the signed statement."""

VERSION: Final = 1
JOURNAL_BYTES_MAX: Final = 4 * 1024 * 1024 * 1024
REGISTER, UPDATE = "register", "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A signed statement and what it is for.

    Attributes:
        number: Its place in the journal.
        kind: `register` or `update`.
        rows: Row numbers, in the order of its items.
        identifiers: Their identifiers.
        statement: The bytes.
    """

    number: int
    kind: str
    rows: tuple[int, ...]
    identifiers: tuple[str, ...]
    statement: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one row.

    Attributes:
        identifier: Its identifier.
        state: `registered`, `updated` or `refused`.
        entry: Log index of the statement, None when it was refused.
        reason: Why it was refused, empty otherwise.
    """

    identifier: str
    state: str
    entry: int | None
    reason: str = ""


class Journal:
    """The journal of one table; its methods block on the disk. Use it as a context manager."""

    def __init__(self, path: Path, file: BufferedRandom) -> None:
        self.path = path
        self._file = file
        self._pending: dict[int, Pending] = {}
        self._next = 0
        self._writing = Lock()  # one thread keeps while another settles
        self.outcomes: dict[str, Outcome] = {}
        """What is known so far, by identifier."""

    @classmethod
    def open(cls, path: Path, *, network: str, prefix: str) -> Self:
        """Open the journal of an interrupted registration, or begin one.

        Raises:
            InputError: It belongs to another network or prefix, is damaged, or cannot be written.
        """
        head = {"version": VERSION, "network": network, "prefix": prefix}
        try:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from None
        journal = cls(path, file)
        try:
            journal._load(head)
        except BaseException:
            file.close()
            raise
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def pending(self) -> tuple[Pending, ...]:
        """Statements without an outcome, in the order they were signed."""
        return tuple(self._pending.values())

    def keep(self, kind: str, made: Sequence[Made]) -> list[Pending]:
        """Keep signed statements; on return they are synced, and may be sent.

        Raises:
            InputError: The disk refuses; nothing may be sent.
        """
        kept = [
            Pending(
                number=number,
                kind=kind,
                rows=tuple(row for row, _ in items),
                identifiers=tuple(text for _, text in items),
                statement=raw,
            )
            for number, (items, raw) in enumerate(made, self._next)
        ]
        self._next += len(kept)
        self._pending |= {one.number: one for one in kept}
        lines = [
            {
                "sent": one.number,
                "kind": kind,
                "rows": one.rows,
                "identifiers": one.identifiers,
                "statement": b64encode(one.statement).decode(),
            }
            for one in kept
        ]
        self._append(lines, sync=True)
        return kept

    def settle(self, number: int, outcomes: Sequence[Outcome]) -> None:
        """Note what became of a statement."""
        self._pending.pop(number)
        self.outcomes |= {one.identifier: one for one in outcomes}
        done = [[one.identifier, one.state, one.entry, one.reason] for one in outcomes]
        self._append([{"done": number, "outcomes": done}], sync=False)

    def delete(self) -> None:
        """Forget the journal: its report is written."""
        self.path.unlink(missing_ok=True)

    def _append(self, lines: Sequence[Mapping[str, Any]], *, sync: bool) -> None:
        text = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        try:
            with self._writing:
                self._file.write(text)
                self._file.flush()
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}: make room and run it again") from None

    def _load(self, head: Mapping[str, Any]) -> None:
        lines = self._file.read().split(b"\n")
        torn = lines.pop()
        if torn:  # the power went while it was written: what it says was not sent
            self._file.truncate(self._file.tell() - len(torn))
        self._file.seek(0, os.SEEK_END)
        if not lines:
            self._append([head], sync=True)
            _sync_folder(self.path.parent)
            return
        events = [self._event(line) for line in lines]
        if events[0] != head:
            raise InputError(
                f"{self.path} is of another registration ({events[0]}): finish that one, or delete it"
            )
        for event in events[1:]:
            self._replay(event)

    def _event(self, line: bytes) -> dict[str, Any]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self._damaged()
        return value

    def _replay(self, event: dict[str, Any]) -> None:
        match event:
            case {
                "sent": int(number),
                "kind": str(kind),
                "rows": list(rows),
                "identifiers": list(identifiers),
                "statement": str(text),
            }:
                try:
                    raw = b64decode(text, validate=True)
                except Base64Error:
                    raise self._damaged() from None
                self._pending[number] = Pending(
                    number=number,
                    kind=kind,
                    rows=tuple(rows),
                    identifiers=tuple(identifiers),
                    statement=raw,
                )
                self._next = number + 1
            case {"done": int(number), "outcomes": list(done)} if number in self._pending:
                del self._pending[number]
                for one in done:
                    self._note(one)
            case _:
                raise self._damaged()

    def _note(self, one: object) -> None:
        match one:
            case [str(text), str(state), (int() | None) as entry, str(reason)]:
                self.outcomes[text] = Outcome(
                    identifier=text, state=state, entry=entry, reason=reason
                )
            case _:
                raise self._damaged()

    def _damaged(self) -> InputError:
        return InputError(
            f"{self.path} is damaged: keep a copy, delete it and run again; "
            "what is registered already will be found so"
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
