"""Register a table: plan, sign, keep, send, report; resumable at any moment.

Theory of operation: `settle` finishes what an interrupted run left in the journal (the same bytes again);
`plan_table` asks the node what exists and makes the plan. `carry_out` signs new rows in statements of many items
and changed rows one by one, keeps them in the journal, sends them in bodies of many statements, and notes
every outcome; the next round is signed while one is under way. A registration of many is all or nothing and its refusal names the bad items: these rows
are refused, the others signed again without them.

After an interruption the table is compared again, so whatever was logged is `same` by then; the journal
still knows that this table registered it, and the report says so. Nothing is ever registered twice: the
ledger refuses an identifier that exists.
"""

import asyncio
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from ledger.core.receipt import Receipt
from ledger.errors import Rejection
from xinbiao.client import Client
from xinbiao.errors import InputError
from xinbiao.journal import REGISTER, UPDATE, Journal, Made, Outcome, Pending
from xinbiao.last_seen import replace_file
from xinbiao.plan import (
    Change,
    Plan,
    Template,
    Wanted,
    create_operation,
    make_plan,
    statements_of,
    wanted_rows,
)
from xinbiao.sheet import TABLE_BYTES_MAX, Sheet, read_sheet, shown
from xinbiao.signing import Signer

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Takes rows done and rows in all."""

STATEMENTS_PER_ROUND: Final = 8  # signed, synced and sent together: about 4,000 rows
CHANGES_PER_ROUND: Final = 512
_FORMULA: Final = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the report."""

    row: int
    identifier: str
    state: str
    entry: int | None = None
    column: str = ""
    reason: str = ""
    text: str = ""


def read_table(path: Path) -> Sheet:
    """Read a table from a file.

    Raises:
        InputError: It cannot be read.
        TableError: It is no table.
    """
    try:
        with path.open("rb") as file:
            data = file.read(TABLE_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    return read_sheet(data)


def journal_path(table: Path) -> Path:
    """Return where the journal of a table lies."""
    return table.with_name(table.name + ".journal")


def result_path(table: Path) -> Path:
    """Return where the report of a table goes."""
    return table.with_name(table.name.removesuffix(".csv") + ".result.csv")


async def plan_table(client: Client, sheet: Sheet, template: Template, prefix: str) -> Plan:
    """Ask the node what exists, and plan.

    Raises:
        TableError: A column cannot become a value.
        XinbiaoError: The node gives no answer.
    """
    asked = await asyncio.to_thread(wanted_rows, sheet, template, prefix)
    rows, _ = asked
    answers = await client.look_up([row.identifier.text for row in rows])
    known: dict[str, dict[str, Any]] = {}
    for row, answer in zip(rows, answers, strict=True):
        status = answer.get("status")
        if status == 200:
            known[row.identifier.key_text] = answer
        elif status != 404:
            raise InputError(
                f"row {row.row}: the node cannot read {shown(row.identifier.text)}: "
                f"{shown(str(answer.get('detail')))}"
            )
    return await asyncio.to_thread(make_plan, sheet, template, prefix, known, asked)


async def settle(client: Client, journal: Journal) -> None:
    """Send what an interrupted run signed and did not hear of, the same bytes again.

    Raises:
        XinbiaoError: The node gives no answer; run again.
    """
    for part in _batches(journal.pending, STATEMENTS_PER_ROUND):
        await _send(client, journal, part)


async def carry_out(
    client: Client, signer: Signer, plan: Plan, journal: Journal, progress: Progress
) -> None:
    """Do what a plan says; the outcomes are in the journal.

    Raises:
        XinbiaoError: The node gives no answer; run again, nothing is lost.
    """
    total = len(plan.new) + len(plan.changed)
    done = len(journal.outcomes)

    def tell() -> None:
        progress(min(total, len(journal.outcomes) - done), total)

    tell()
    rows = {one.identifier.text: one for one in plan.new}
    groups = list(statements_of(plan.new))
    while groups:  # again without the rows that the ledger refuses by name
        rounds = [
            partial(_sign_groups, signer, part) for part in _batches(groups, STATEMENTS_PER_ROUND)
        ]
        again = await _carry_out(client, journal, REGISTER, rounds, tell)
        groups = [tuple(rows[text] for text in texts) for texts in again]
    rounds = [
        partial(_sign_changes, signer, part) for part in _batches(plan.changed, CHANGES_PER_ROUND)
    ]
    await _carry_out(client, journal, UPDATE, rounds, tell)


async def _carry_out(
    client: Client,
    journal: Journal,
    kind: str,
    rounds: Sequence[Callable[[], list[Made]]],
    tell: Callable[[], None],
) -> list[tuple[str, ...]]:
    """Sign, keep and send round after round; one is signed and synced while the one before is sent.

    Returns:
        The identifiers of each statement that deserves another attempt.
    """

    async def send(kept: Sequence[Pending]) -> None:
        again.extend(await _send(client, journal, kept))
        tell()

    def keep(sign: Callable[[], list[Made]]) -> list[Pending]:
        return journal.keep(kind, sign())

    again: list[tuple[str, ...]] = []
    kept: Sequence[Pending] = ()
    for sign in rounds:
        sent, kept_next = await asyncio.gather(
            send(kept), asyncio.to_thread(keep, sign), return_exceptions=True
        )
        for failed in (sent, kept_next):  # both have ended, so nothing is written any more
            if isinstance(failed, BaseException):
                raise failed
        assert not isinstance(kept_next, BaseException), "raised above"
        kept = kept_next
    await send(kept)
    return again


def _sign_groups(signer: Signer, groups: Sequence[Sequence[Wanted]]) -> list[Made]:
    return [
        (
            [(one.row, one.identifier.text) for one in group],
            signer.sign(create_operation(group)),
        )
        for group in groups
    ]


def _sign_changes(signer: Signer, changes: Sequence[Change]) -> list[Made]:
    return [
        ([(one.wanted.row, one.wanted.identifier.text)], signer.sign(one.operation()))
        for one in changes
    ]


async def _send(
    client: Client, journal: Journal, pending: Sequence[Pending]
) -> list[tuple[str, ...]]:
    """Send statements and note what became of them; none at all is no request.

    Returns:
        For each registration of many that was refused because of some of its items: the others.
    """
    answers = await client.submit_many([one.statement for one in pending])
    again: list[tuple[str, ...]] = []

    def note() -> None:
        for one, answer in zip(pending, answers, strict=True):
            outcomes, good = judge(one, answer)
            journal.settle(one.number, outcomes)
            if good:
                again.append(good)

    await asyncio.to_thread(note)
    return again


def judge(one: Pending, answer: Receipt | Rejection) -> tuple[list[Outcome], tuple[str, ...]]:
    """Return what became of a statement's rows, and which of them deserve another attempt."""
    if isinstance(answer, Receipt):
        state = "registered" if one.kind == REGISTER else "updated"
        return [
            Outcome(identifier=text, state=state, entry=answer.index) for text in one.identifiers
        ], ()
    reasons = {
        number: reason for number, reason in answer.items if 0 <= number < len(one.identifiers)
    }
    if not reasons:
        reasons = dict.fromkeys(range(len(one.identifiers)), str(answer))
    refused = [
        Outcome(identifier=one.identifiers[number], state="refused", entry=None, reason=reason)
        for number, reason in sorted(reasons.items())
    ]
    good = tuple(text for number, text in enumerate(one.identifiers) if number not in reasons)
    return refused, good


def report(plan: Plan, journal: Journal) -> list[Line]:
    """Return what became of every row of the table, in its order."""
    lines = [
        Line(
            row=one.row,
            identifier="",
            state="bad",
            column=one.column,
            reason=one.rule,
            text=one.text,
        )
        for one in plan.bad
    ]
    rows: list[tuple[Wanted, str]] = [(one, "not done") for one in plan.new]
    rows += [(one.wanted, "not done") for one in plan.changed]
    rows += [(one, "same") for one in plan.same]
    for row, otherwise in rows:
        text = row.identifier.text
        known = journal.outcomes.get(text)
        if known is None or (otherwise == "same" and known.state == "refused"):
            lines.append(Line(row=row.row, identifier=text, state=otherwise))
        else:
            lines.append(
                Line(
                    row=row.row,
                    identifier=text,
                    state=known.state,
                    entry=known.entry,
                    reason=known.reason,
                )
            )
    return sorted(lines, key=lambda line: line.row)


def write_report(path: Path, lines: Sequence[Line]) -> None:
    """Write the report as a whole, with a byte order mark so that spreadsheets read it right.

    Raises:
        InputError: It cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("row", "identifier", "state", "entry", "column", "reason", "text"))
    for line in lines:
        entry = "" if line.entry is None else line.entry
        cells = (line.identifier, line.state, entry, line.column, line.reason, line.text)
        writer.writerow((line.row, *map(_inert, cells)))
    replace_file(path, text.getvalue().encode("utf-8-sig"))


def _inert(cell: str | int) -> str | int:
    """Return a cell that a spreadsheet does not take for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
