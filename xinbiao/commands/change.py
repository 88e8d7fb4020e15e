"""Register: register, update, retire — one identifier, or a table of them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ledger.core import identifier as identifiers
from ledger.core import operation as op
from ledger.core.identifier import Identifier, nfkc_lookalike
from ledger.core.receipt import Receipt
from ledger.core.record import PrefixObject, RecordObject
from xinbiao.client import Client
from xinbiao.commands.session import Session, session, table
from xinbiao.describe import clean
from xinbiao.errors import FAILED, UsageError
from xinbiao.journal import Journal
from xinbiao.plan import Plan, Template, value_columns
from xinbiao.register import (
    Line,
    carry_out,
    journal_path,
    plan_table,
    read_table,
    report,
    result_path,
    settle,
    write_report,
)
from xinbiao.settings import Context
from xinbiao.signing import OWNING, REGISTERING, Signer, signer_for
from xinbiao.values import parse_given, place, removed

REGISTER: Final = "Register"
RETIRE_REASONS: Final = ("unstated", "end-of-life", "registered-in-error", "replaced", "ordered")
_BAD_ROWS_SHOWN: Final = 20
_NOT_DONE: Final = frozenset(("bad", "refused", "not done"))
_TABLES: Final = frozenset((".csv", ".tsv", ".txt"))
_LATER: Final = frozenset((".xlsx", ".xls", ".ods", ".jsonl"))
Key = Annotated[str, typer.Option("--key", metavar="NAME", help="Key file that signs")]
Values = Annotated[
    list[str] | None,
    typer.Option("--value", metavar="[INDEX:]TYPE=DATA", help="A value; may be repeated"),
]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("register", rich_help_panel=REGISTER)(register)
    app.command("update", rich_help_panel=REGISTER)(update)
    app.command("retire", rich_help_panel=REGISTER)(retire)


def register(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="ID|FILE", help="An identifier, or a csv table")],
    values: Values = None,
    template: Annotated[
        str | None,
        typer.Option("--id", metavar="TEMPLATE", help="Of a table: 'lab.1/{part_no}'"),
    ] = None,
    in_name_of: Annotated[
        str,
        typer.Option("--as", metavar="PREFIX", help="Prefix that registers; else the context's"),
    ] = "",
    key: Key = "",
) -> None:
    """Register an identifier, or every row of a table; what is registered is public for ever."""
    here = session(ctx)
    file = Path(what)
    suffix = file.suffix.lower()
    if suffix in _LATER:
        raise UsageError(f"{what}: save it as CSV UTF-8; this version reads csv tables only")
    if suffix in _TABLES:
        if values:
            raise UsageError(here.say("--value belongs to one identifier; a table has columns"))
        asyncio.run(_register_table(here, here.context(), file, template, in_name_of, key))
        return
    if template is not None:
        raise UsageError(here.say("--id belongs to a table"))
    _register_one(here, identifiers.parse(what), values or [], in_name_of, key)


def update(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID")],
    values: Values = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="INDEX|TYPE", help="Remove a value; may be repeated"),
    ] = None,
    key: Key = "",
) -> None:
    """Put or remove values of a record."""
    here = session(ctx)
    context = here.context()
    ident = identifiers.parse(identifier)
    if not values and not remove:
        raise UsageError(here.say("nothing to change: give --value or --remove"))
    given = [parse_given(text) for text in values or []]

    async def work() -> Receipt | None:
        async with here.client(context) as client:
            record = await _record(client, ident)
            put = place(given, record.values)
            if not put and not remove:
                return None
            operation = op.Update(
                identifier=ident,
                version=record.versions.version,
                put=put,
                remove=removed(remove or (), record.values),
            )
            return await _submit(here, client, context, record.owner, operation, REGISTERING, key)

    _tell(here, asyncio.run(work()), ident, "updated  {ident} in log entry {entry}")


def retire(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option(help=", ".join(RETIRE_REASONS))] = RETIRE_REASONS[0],
    key: Key = "",
) -> None:
    """End a record for ever: it is read and proved as retired, and takes no more changes."""
    here = session(ctx)
    if reason not in RETIRE_REASONS:
        raise UsageError(f"--reason {reason}: choose one of {', '.join(RETIRE_REASONS)}")
    context = here.context()
    ident = identifiers.parse(identifier)
    if not here.dry_run:
        here.confirm(here.say("Retire {ident} for ever?", ident=ident.text))

    async def work() -> Receipt | None:
        async with here.client(context) as client:
            record = await _record(client, ident)
            operation = op.Retire(
                identifier=ident,
                version=record.versions.version,
                reason=RETIRE_REASONS.index(reason),
            )
            return await _submit(here, client, context, record.owner, operation, OWNING, key)

    _tell(here, asyncio.run(work()), ident, "retired  {ident} in log entry {entry}")


# ---- one identifier


def _register_one(
    here: Session, ident: Identifier, texts: Sequence[str], in_name_of: str, key: str
) -> None:
    context = here.context()
    prefix = _registering_prefix(context, in_name_of)
    values = place([parse_given(text) for text in texts], ())
    twin = nfkc_lookalike(ident)
    if twin is not None:
        here.note("note: people may take it for {twin}", twin=clean(twin))
    if not here.dry_run:
        here.note("Public for ever: {ident}", ident=ident.text)
        here.confirm(here.say("Register it?"))

    async def work() -> Receipt | None:
        operation = op.Create(items=(op.Item(identifier=ident, values=values),))
        async with here.client(context) as client:
            owner = await _nearest_prefix(client, ident)
            if owner != prefix:
                raise UsageError(
                    f"{ident.text} lies under {owner}, you register for {prefix}: "
                    f"check the identifier, or say --as {owner}"
                )
            return await _submit(here, client, context, owner, operation, REGISTERING, key)

    _tell(here, asyncio.run(work()), ident, "registered {ident} in log entry {entry}")


def _registering_prefix(context: Context, given: str) -> str:
    text = given or context.prefix
    if not text:
        raise UsageError("which prefix registers? --as PREFIX, or `prefix` in config.toml")
    return identifiers.parse(text).text


async def _nearest_prefix(client: Client, ident: Identifier) -> str:
    """Return the prefix that owns the nearest existing ancestor."""
    for parent in ident.parents:
        record = (await client.resolve(parent)).verdict.record
        if record is not None:
            return record.owner if isinstance(record, RecordObject) else record.id
    raise UsageError(f"no prefix of this network is above {ident.text}")


async def _record(client: Client, ident: Identifier) -> RecordObject:
    record = (await client.resolve(ident.text)).verdict.record
    if not isinstance(record, RecordObject):
        raise UsageError(f"{ident.text} is no record of this network: register it first")
    return record


async def _submit(
    here: Session,
    client: Client,
    context: Context,
    owner: str,
    operation: op.Operation,
    roles: Sequence[int],
    key: str,
) -> Receipt | None:
    """Sign in the name of a prefix and submit; a dry run signs and does not submit."""
    signer = await _signer(client, context, owner, roles, key)
    statement = signer.sign(operation)
    return None if here.dry_run else await client.submit(statement)


async def _signer(
    client: Client, context: Context, owner: str, roles: Sequence[int], key: str
) -> Signer:
    found = (await client.resolve(owner)).verdict.record
    if not isinstance(found, PrefixObject):
        raise UsageError(f"{owner} is no prefix of this network")
    return await asyncio.to_thread(signer_for, context, found, roles, named=key)


def _tell(here: Session, receipt: Receipt | None, ident: Identifier, done: str) -> None:
    if receipt is None:
        word = "would change {ident}" if here.dry_run else "{ident} is as you want it already"
        here.show({"identifier": ident.text}, [here.say(word, ident=ident.text)])
        return
    shown = {"identifier": ident.text, "entry": receipt.index, "size": receipt.size}
    here.show(shown, [here.say(done, ident=ident.text, entry=receipt.index)])


# ---- a table


async def _register_table(
    here: Session,
    context: Context,
    file: Path,
    template_text: str | None,
    in_name_of: str,
    key: str,
) -> None:
    prefix = _registering_prefix(context, in_name_of)
    sheet = await asyncio.to_thread(read_table, file)
    template = Template.choose(template_text, sheet.columns)
    async with here.client(context) as client:
        signer = await _signer(client, context, prefix, REGISTERING, key)
        path = journal_path(file)
        if here.dry_run:
            _show_plan(here, await plan_table(client, sheet, template, signer.iss))
            return
        journal = await asyncio.to_thread(
            Journal.open, path, network=context.network, prefix=signer.iss
        )
        with journal:
            if journal.pending:
                here.note("finishing an interrupted registration: {file}", file=path)
                await settle(client, journal)
            plan = await plan_table(client, sheet, template, signer.iss)
            _ask(here, plan, sheet.columns, template)
            with here.progress(here.say("rows")) as advance:
                await carry_out(client, signer, plan, journal, advance)
            lines = report(plan, journal)
            await asyncio.to_thread(write_report, result_path(file), lines)
            await asyncio.to_thread(journal.delete)
    _show_report(here, lines, result_path(file))


def _ask(here: Session, plan: Plan, columns: Sequence[str], template: Template) -> None:
    """Show the plan on standard error and ask, unless there is nothing to do."""
    names = [name for _, _, name in value_columns(columns, template)]
    here.note(
        "plan: {new} new, {changed} changed, {same} same, {bad} bad rows",
        new=len(plan.new),
        changed=len(plan.changed),
        same=len(plan.same),
        bad=len(plan.bad),
    )
    for one in plan.bad[:_BAD_ROWS_SHOWN]:
        here.note(
            "row {row}, column {column}: {rule}: {text}",
            row=one.row,
            column=one.column or "-",
            rule=one.rule,
            text=one.text,
        )
    if not plan.new and not plan.changed:
        return
    here.note("Public for ever: identifiers and {columns}", columns=", ".join(names) or "-")
    here.confirm(here.say("Go on?"))


def _show_plan(here: Session, plan: Plan) -> None:
    rows = [(one.row, one.column or "-", one.rule, one.text) for one in plan.bad]
    counts = {
        "new": len(plan.new),
        "changed": len(plan.changed),
        "same": len(plan.same),
        "bad": len(plan.bad),
    }
    head = [here.say(name) for name in ("row", "column", "rule", "text")]
    names = ("row", "column", "rule", "text")
    shown: dict[str, Any] = {
        **counts,
        "public": list(plan.columns),
        "bad_rows": [dict(zip(names, row, strict=True)) for row in rows],
    }
    lines = [
        here.say("plan: {new} new, {changed} changed, {same} same, {bad} bad rows", **counts),
        here.say(
            "Public for ever: identifiers and {columns}", columns=", ".join(plan.columns) or "-"
        ),
        *(table(head, rows) if rows else ()),
    ]
    here.show(shown, lines)


def _show_report(here: Session, lines: Sequence[Line], file: Path) -> None:
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.state] = counts.get(line.state, 0) + 1
    text = ", ".join(f"{count} {here.say(state)}" for state, count in sorted(counts.items()))
    here.show(
        {"states": counts, "result": str(file)},
        [text or here.say("no rows"), here.say("every row: {file}", file=file)],
    )
    if counts.keys() & _NOT_DONE:
        raise typer.Exit(FAILED)
