"""Start: init, doctor, status, and the demo."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ledger.core.block import decode_commit_leaf
from ledger.errors import EncodingError, LedgerError
from xinbiao.client import Answer, Client, read_trust
from xinbiao.commands.session import Session, session, table, until_signal
from xinbiao.describe import clean, verdict_json, verdict_lines
from xinbiao.errors import FAILED, STALE, AnswerError, XinbiaoError
from xinbiao.growth import Growth, growth
from xinbiao.settings import Context, new_folder
from xinbiao.system import now_s

START: Final = "Start"
_FIRST_COMMIT_LEAF: Final = 1  # leaf 0 is the genesis


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("demo", rich_help_panel=START)(demo)
    app.command("init", rich_help_panel=START)(init)
    app.command("doctor", rich_help_panel=START)(doctor)
    app.command("status", rich_help_panel=START)(status)


def demo(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="End after the tour")] = False,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your own CSV series (SKAB or NAB format)")
    ] = None,
) -> None:
    """Node, broker, gateway agent and plant in one command, and a proof of it all."""
    from xinbiao.demo import Demo, run_demo

    here = session(ctx)
    told = Demo(
        directory=new_folder(here.directory),
        once=once,
        data=data,
        language=here.say.language,
        say=lambda line: print(line, flush=True),
    )
    until_signal(lambda stop: run_demo(told, stop=stop))


def init(
    ctx: typer.Context,
    network: Annotated[str, typer.Option(help="Name of the network")] = "lab",
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the node on this machine")
    ] = 8480,
) -> None:
    """Make a network of one member and a lab prefix; asks nothing."""
    from xinbiao import setup

    here = session(ctx)
    folder = new_folder(here.directory)
    if here.dry_run:
        setup.check_free(folder)
        would = {"folder": str(folder), "network": network, "prefix": setup.LAB_PREFIX}
        here.show(would, [here.say("would make network {network} in {folder}", **would)])
        return
    made = setup.init(folder, network=network, port=port)
    shown = {
        "folder": str(made.folder),
        "network": made.network,
        "prefix": made.prefix,
        "trust": str(made.trust),
        "url": made.url,
        "recovery_key": made.recovery_pem,
    }
    here.show(shown, _init_lines(here, made.recovery_pem, shown))


def _init_lines(here: Session, recovery_pem: str, shown: Mapping[str, object]) -> Iterator[str]:
    yield here.say("made     network {network} of one member, in {folder}", **shown)
    yield here.say("prefix   {prefix} (lab prefix, not national)", **shown)
    yield here.say("trust    {trust}: give it to whoever should check your proofs", **shown)
    yield here.say(
        "Recovery key of {prefix}. Print it, put it in a safe; it is kept nowhere else:", **shown
    )
    yield from recovery_pem.strip().splitlines()
    yield here.say("Next: xinbiao node run")


def doctor(ctx: typer.Context) -> None:
    """Look for what may be wrong, and say what to do."""
    from xinbiao import doctor as check

    here = session(ctx)
    findings = list(check.check_host())
    if (here.folder / "node.toml").is_file():
        findings += check.check_node(here.folder / "node.toml")
    try:
        context = here.context()
    except XinbiaoError as error:
        findings.append(check.Finding(level="error", what="config.toml", detail=str(error)))
    else:
        findings += check.check_trust(context, now_s())
        if not any(one.level == "error" for one in findings):
            findings += asyncio.run(_reach(here, context))
    show_findings(here, [(one.level, one.what, one.detail) for one in findings])


async def _reach(here: Session, context: Context) -> list[Any]:
    from xinbiao import doctor as check

    prefix = context.prefix or "hdl:"
    try:
        async with here.client(context) as client:
            answer = await client.resolve(prefix)
    except (XinbiaoError, LedgerError) as error:
        return [check.Finding(level="error", what="node", detail=str(error))]
    found = check.Finding(level="ok", what="node", detail=f"{context.url} proves {prefix}")
    return [found, check.check_dates(answer.verdict.dated, now_s())]


def show_findings(here: Session, findings: list[tuple[str, str, str]]) -> None:
    """Show findings; an error among them is exit code 1."""
    marks = {"ok": "✔", "warning": "!", "error": "✘", "note": "·"}
    rows = [(marks[level], here.say(what), detail) for level, what, detail in findings]
    shown = [{"level": level, "what": what, "detail": detail} for level, what, detail in findings]
    here.show({"findings": shown}, table(["", here.say("what"), here.say("found")], rows))
    if any(level == "error" for level, _, _ in findings):
        raise typer.Exit(FAILED)


def status(ctx: typer.Context) -> None:
    """Where the node stands, how fast it grows, and when quota and disk are full."""
    here = session(ctx)
    context = here.context()

    async def ask() -> tuple[dict[str, Any], dict[str, Any], Answer, int]:
        async with here.client(context) as client:
            prefix = context.prefix or "hdl:"
            node = await client.status()
            usage = await client.usage(prefix)
            return node, usage, await client.resolve(prefix), await _first_block_ms(client)

    node, usage, answer, first_ms = asyncio.run(ask())
    now = now_s()
    last_s = answer.verdict.commit_ms / 1000
    history_s = max(now, last_s) - first_ms / 1000
    grown = _grown(node, usage, history_s)
    trust = read_trust(context.trust)
    shown = {
        "node": node,
        "usage": usage,
        "growth": {name: _growth_json(one) for name, one in grown.items()},
        "history_s": round(history_s),
        "proof": verdict_json(answer.verdict, trust, now),
    }
    lines = [f"{here.say(name):<12} {text}" for name, text in _status_rows(node)]
    lines += _growth_lines(here, usage, grown, history_s)
    lines += verdict_lines(answer.verdict, trust, now, here.say)
    here.show(shown, lines)
    if answer.verdict.stale:
        raise typer.Exit(STALE)


async def _first_block_ms(client: Client) -> int:
    """Return the time of the first block, Unix milliseconds, as the node says."""
    from base64 import b64decode

    text = (await client.entry(_FIRST_COMMIT_LEAF)).get("statement")
    try:
        return decode_commit_leaf(b64decode(str(text))).ms
    except (EncodingError, ValueError):
        raise AnswerError("the node's log entry 1 is no commit leaf") from None


def _grown(
    node: Mapping[str, Any], usage: Mapping[str, Any], history_s: float
) -> dict[str, Growth]:
    """Return the growth of log, disk and quota."""

    def number(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise AnswerError("the node's status lacks a number")
        return value

    used, quota = usage.get("used", {}), usage.get("quota", {})
    grown: dict[str, Growth] = {}
    for name in ("objects", "log_bytes"):
        spent = number(used.get(name))
        grown[name] = growth(used=spent, left=number(quota.get(name)) - spent, history_s=history_s)
    disk, free = number(node.get("bytes_on_disk")), number(node.get("bytes_free"))
    grown["disk"] = growth(used=disk, left=free, history_s=history_s)
    if "log_bytes" in node:
        log = number(node["log_bytes"])
        grown["log"] = growth(used=log, left=free, history_s=history_s)
    return grown


def _growth_json(one: Growth) -> dict[str, Any]:
    return {"per_day": one.per_day, "left": one.left, "days": one.days}


def _status_rows(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    members = node.get("members")
    count = len(members) if isinstance(members, list) else "?"
    yield "network", clean(f"{node.get('network')}, member {node.get('member')}")
    yield "log", clean(f"{node.get('size')} entries, block {node.get('height')}")
    yield "newest block", clean(str(node.get("time")))
    yield "quorum", f"{node.get('quorum')} of {count}"
    yield "waiting", clean(str(node.get("waiting")))


def _growth_lines(
    here: Session, usage: Mapping[str, Any], grown: Mapping[str, Growth], history_s: float
) -> Iterator[str]:
    if grown["disk"].per_day is None:
        yield here.say(
            "growth       too little history ({minutes} min): ask again in an hour",
            minutes=int(history_s // 60),
        )
    for name, title in (("log", "log"), ("disk", "disk")):
        one = grown.get(name)
        if one is not None and one.per_day is not None:
            yield here.say(
                "{title:<12} {per_day:,.0f} bytes per day, {left:,} free: full in {days}",
                title=here.say(title),
                per_day=one.per_day,
                left=one.left,
                days=_days(here, one),
            )
    for name, title in (("objects", "objects"), ("log_bytes", "log bytes")):
        one = grown[name]
        yield here.say(
            "{title:<12} {left:,} left of the quota of {prefix}: full in {days}",
            title=here.say(title),
            left=one.left,
            prefix=clean(str(usage.get("prefix"))),
            days=_days(here, one),
        )


def _days(here: Session, one: Growth) -> str:
    if one.per_day is None:
        return here.say("an unknown time")
    if one.days is None:
        return here.say("no foreseeable time")
    return here.say("{days:,.0f} days", days=one.days)
