"""Ask: resolve, history, readings, verify, explain."""

import asyncio
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ledger.core import identifier as identifiers
from ledger.core.bundle import Bundle
from ledger.core.policy import TrustFile
from ledger.core.proof import verify as judge
from ledger.core.question import Moment, Question
from ledger.core.verdict import Verdict
from xinbiao.client import Answer, read_trust
from xinbiao.commands.session import Session, read_input, session, table, write_output
from xinbiao.describe import record_lines, verdict_json, verdict_lines, versioned_json
from xinbiao.errors import ABSENT, FAILED, STALE, UsageError
from xinbiao.explain import explain as explained
from xinbiao.explain import read_bundle
from xinbiao.moment import parse_moment
from xinbiao.system import now_s

ASK: Final = "Ask"
_QUESTIONS: Final[dict[str, Question]] = {
    "current": "current",
    "history": "history",
    "reading": "reading",
}
_ABSENT: Final = frozenset(("absent", "not-here"))
_THERE: Final = frozenset(("present", "history"))
Identifier = Annotated[str, typer.Argument(metavar="ID", help="An identifier, as you have it")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the proof to FILE")
]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("resolve", rich_help_panel=ASK)(resolve)
    app.command("history", rich_help_panel=ASK)(history)
    app.command("readings", rich_help_panel=ASK)(readings)
    app.command("verify", rich_help_panel=ASK)(verify)
    app.command("explain", rich_help_panel=ASK)(explain)


def resolve(
    ctx: typer.Context,
    identifier: Identifier,
    proof: Annotated[
        bool, typer.Option("--proof", help="Show what was proved; with -o keep the proof")
    ] = False,
    output: Output = None,
) -> None:
    """What an identifier is now, proved; exit code 3 when it is proved absent."""
    here = session(ctx)
    context = here.context()

    async def ask() -> Answer:
        async with here.client(context) as client:
            return await client.resolve(identifier, portable=output is not None)

    answer = asyncio.run(ask())
    _keep(here, answer, output)
    verdict, trust = answer.verdict, read_trust(context.trust)
    shown = verdict_json(verdict, trust, now_s())
    if proof and output is None:
        shown["proof"] = _twin(answer)
    lines = list(_record_lines(verdict, here))
    lines += verdict_lines(verdict, trust, now_s(), here.say)
    if proof:
        lines += _proof_lines(verdict, here)
    here.show(shown, lines)
    _end(verdict)


def history(
    ctx: typer.Context,
    identifier: Identifier,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="SIZE|TIME", help="The version of a log size or a time"),
    ] = None,
    output: Output = None,
) -> None:
    """Every version of a record, or the one of a moment, proved."""
    here = session(ctx)
    context = here.context()
    moment = None if at is None else parse_moment(at)

    async def ask() -> Answer:
        async with here.client(context) as client:
            return await client.history(identifier, at=moment, portable=output is not None)

    answer = asyncio.run(ask())
    _keep(here, answer, output)
    verdict, trust = answer.verdict, read_trust(context.trust)
    versions = [versioned_json(one) for one in verdict.versions]
    head = [here.say(name) for name in ("version", "log index", "time", "status", "values")]
    rows = [
        (
            one["version"],
            one["changed"]["index"],
            one["changed"].get("time", "-"),
            one.get("status", "-"),
            ", ".join(
                f"{value['type']}={value.get('data', '…')}" for value in one.get("values", ())
            ),
        )
        for one in versions
    ]
    lines = list(table(head, rows)) if rows else []
    lines += verdict_lines(verdict, trust, now_s(), here.say)
    here.show(verdict_json(verdict, trust, now_s()), lines)
    _end(verdict)


def readings(
    ctx: typer.Context,
    identifier: Identifier,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="RFC 3339, or Unix microseconds")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until then")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended")] = None,
    stream: Annotated[
        str | None, typer.Option(metavar="ID", help="Gateway of the reading to prove")
    ] = None,
    prove: Annotated[
        str | None, typer.Option(metavar="SEQUENCE.LEAF", help="Prove one reading")
    ] = None,
    output: Output = None,
) -> None:
    """Readings of an identifier; --stream and --prove prove any one of them."""
    here = session(ctx)
    if prove is not None:
        if stream is None:
            raise UsageError(here.say("--prove needs --stream, the gateway that anchored it"))
        _prove_reading(here, identifier, stream, prove, output)
        return
    if output is not None:
        raise UsageError(here.say("-o keeps a proof: name one reading with --stream and --prove"))
    context = here.context()

    async def ask() -> dict[str, Any]:
        async with here.client(context) as client:
            return await client.readings(
                identifier, start=start, end=end, limit=limit, cursor=cursor
            )

    page = asyncio.run(ask())
    names = ("time", "property", "value", "unit", "quality", "stream")
    rows = [
        (*(_cell(one.get(name)) for name in names), f"{one.get('sequence')}.{one.get('leaf')}")
        for one in page.get("readings", [])
    ]
    lines = list(table([*(here.say(name) for name in names), here.say("prove")], rows))
    if page.get("cursor"):
        lines.append(here.say("more: --cursor {cursor}", cursor=page["cursor"]))
    lines.append(here.say("not proved: prove one with --stream STREAM --prove SEQUENCE.LEAF"))
    here.show(page, lines)


def verify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A proof bundle, CBOR or JSON")],
    identifier: Annotated[
        str | None,
        typer.Option("--identifier", metavar="ID", help="The identifier you asked about"),
    ] = None,
    trust: Annotated[
        Path | None, typer.Option("--trust", metavar="FILE", help="Whom to believe")
    ] = None,
    question: Annotated[
        str, typer.Option("--question", help="current, history or reading")
    ] = "current",
    at: Annotated[
        str | None, typer.Option("--at", metavar="SIZE|TIME", help="Moment of a history")
    ] = None,
    expect: Annotated[
        str | None, typer.Option("--expect", help="present: anything else is exit code 1")
    ] = None,
) -> None:
    """Judge a proof without a network: the question is yours, never the file's."""
    here = session(ctx)
    if identifier is None:
        raise UsageError(here.say("a proof answers a question: name it with --identifier ID"))
    if question not in _QUESTIONS:
        raise UsageError(f"--question {question}: choose {', '.join(_QUESTIONS)}")
    if expect not in (None, "present"):
        raise UsageError(f"--expect {expect}: choose present")
    moment: Moment | None = None if at is None else parse_moment(at)
    if moment is not None and question != "history":
        raise UsageError(here.say("--at belongs to --question history"))
    believed = read_trust(here.trust(trust))
    verdict = _judge(read_input(file), identifier, believed, _QUESTIONS[question], moment)
    lines = list(_record_lines(verdict, here))
    lines += verdict_lines(verdict, believed, now_s(), here.say)
    here.show(verdict_json(verdict, believed, now_s()), lines)
    if verdict.stale:
        raise typer.Exit(STALE)
    if expect == "present" and not _is_there(verdict):
        raise typer.Exit(FAILED)


def explain(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A proof, a statement, or an .xbs")],
) -> None:
    """Say in plain text what is in a file."""
    here = session(ctx)
    lines = list(explained(read_input(file), here.say))
    here.show({"file": str(file), "lines": lines}, lines)


def _is_there(verdict: Verdict) -> bool:
    """Tell whether it is there, and a reading without any doubt whose it is."""
    if verdict.kind == "reading":
        return verdict.attributed and not (verdict.suspect or verdict.equivocated)
    return verdict.kind in _THERE


def _judge(
    data: bytes, identifier: str, trust: TrustFile, question: Question, at: Moment | None
) -> Verdict:
    return judge(
        read_bundle(data),
        identifiers.parse(identifier).text,
        network=trust.network,
        trust=trust,
        now=now_s(),
        max_age=None,
        question=question,
        at=at,
    )


def _prove_reading(
    here: Session, identifier: str, stream: str, prove: str, output: Path | None
) -> None:
    sequence, dot, leaf = prove.partition(".")
    if not (dot and sequence.isdecimal() and leaf.isdecimal()):
        raise UsageError(f"--prove {prove}: SEQUENCE.LEAF, two numbers")
    context = here.context()

    async def ask() -> Answer:
        async with here.client(context) as client:
            return await client.prove_reading(
                identifier,
                stream=stream,
                sequence=int(sequence),
                leaf=int(leaf),
                portable=output is not None,
            )

    answer = asyncio.run(ask())
    _keep(here, answer, output)
    trust = read_trust(context.trust)
    lines = verdict_lines(answer.verdict, trust, now_s(), here.say)
    here.show(verdict_json(answer.verdict, trust, now_s()), lines)
    _end(answer.verdict)


def _record_lines(verdict: Verdict, here: Session) -> list[str]:
    if verdict.record is None:
        return []
    lines = list(record_lines(versioned_json(verdict.record), here.say))
    if verdict.alias_of is not None:
        lines.append("  " + here.say("alias of {target}", target=verdict.alias_of))
    return lines


def _proof_lines(verdict: Verdict, here: Session) -> list[str]:
    return [
        "  " + here.say("log size {size}, root {root}", size=verdict.size, root=verdict.root.hex()),
        "  " + here.say("cosigned by {names}", names=", ".join(verdict.head.counted)),
    ]


def _keep(here: Session, answer: Answer, output: Path | None) -> None:
    """Write the proof: CBOR unless the file's name says JSON."""
    if output is None:
        return
    as_json = output.suffix == ".json"
    data = _twin_text(answer).encode() if as_json else answer.bundle
    write_output(output, data)
    here.note("proof written to {file}", file=output)


def _twin_text(answer: Answer) -> str:
    return Bundle.decode(answer.bundle).encode_json()


def _twin(answer: Answer) -> Any:
    import orjson

    return orjson.loads(_twin_text(answer))


def _end(verdict: Verdict) -> None:
    if verdict.stale:
        raise typer.Exit(STALE)
    if verdict.kind in _ABSENT:
        raise typer.Exit(ABSENT)


def _cell(value: object) -> str:
    return "-" if value is None else str(value)
