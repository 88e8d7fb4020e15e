"""Run: a node, a gateway agent, a simulated plant."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from xinbiao.commands.session import Session, read_input, session, table, until_signal
from xinbiao.commands.start import show_findings
from xinbiao.errors import UsageError
from xinbiao.system import now_s

if TYPE_CHECKING:
    from simulations.source import PlantSource

RUN: Final = "Run"
TRY: Final = "Try"
_SEED: Final = 7  # the same machines at every start
_SILENT_S: Final = 30  # a status file that is older was written by an agent that is gone


def add(app: typer.Typer) -> None:
    """Add the commands."""
    node = typer.Typer(no_args_is_help=True, help="One member's node")
    node.command("run")(node_run)
    node.command("check")(node_check)
    app.add_typer(node, name="node", rich_help_panel=RUN)
    agent = typer.Typer(no_args_is_help=True, help="The gateway agent")
    agent.command("check")(agent_check)
    agent.command("run")(agent_run)
    agent.command("status")(agent_status)
    app.add_typer(agent, name="agent", rich_help_panel=RUN)


def add_trials(app: typer.Typer) -> None:
    """Add what is there to try with."""
    simulate = typer.Typer(no_args_is_help=True, help="Things to try with")
    simulate.command("plant")(simulate_plant)
    app.add_typer(simulate, name="simulate", rich_help_panel=TRY)


def node_run(ctx: typer.Context) -> None:
    """Run the node of node.toml until Ctrl-C or SIGTERM."""
    from resolver.node import run_node
    from resolver.settings import load_node_settings

    here = session(ctx)
    settings = load_node_settings(here.folder / "node.toml")

    async def work(stop: asyncio.Event) -> None:
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            node = tasks.create_task(run_node(settings, stop=stop, ready=ready))
            up = tasks.create_task(ready.wait())
            await asyncio.wait((node, up), return_when=asyncio.FIRST_COMPLETED)
            if ready.is_set():
                url = f"http://{settings.http.host}:{settings.http.port}"
                here.note(
                    "node of {network} answers at {url}", network=settings.ledger.network, url=url
                )
            up.cancel()

    until_signal(work)


def node_check(ctx: typer.Context) -> None:
    """Look at node.toml, keys, disk and port without starting anything."""
    from xinbiao.doctor import check_node

    here = session(ctx)
    findings = check_node(here.folder / "node.toml")
    show_findings(here, [(one.level, one.what, one.detail) for one in findings])


def agent_check(
    ctx: typer.Context,
    topic: Annotated[
        str | None, typer.Option(metavar="TOPIC", help="Show what a message of this topic becomes")
    ] = None,
    payload: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The message's payload")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not connect to broker and node")
    ] = False,
) -> None:
    """Look at agent.toml, or at what one message would become."""
    from edge_agent.agent.check import check
    from edge_agent.settings import load_settings

    here = session(ctx)
    settings = load_settings(here.folder / "agent.toml")
    if topic is not None or payload is not None:
        if topic is None or payload is None:
            raise UsageError(here.say("--topic and --payload go together"))
        _try_message(here, topic, read_input(payload))
        return
    findings = asyncio.run(check(settings, reach=not offline))
    show_findings(here, [(one.level, one.entry, one.detail) for one in findings])


def _try_message(here: Session, topic: str, data: bytes) -> None:
    from edge_agent.agent.check import try_message
    from edge_agent.settings import load_settings

    settings = load_settings(here.folder / "agent.toml")
    trial = try_message(settings, topic, data, received_us=now_s() * 1_000_000)
    if trial.reason:
        lines = [
            here.say("dead letter: {reason}: {detail}", reason=trial.reason, detail=trial.detail)
        ]
    else:
        names = ("time", "property", "value", "unit")
        rows = [
            (_utc_us(one.us), one.property, one.value, one.unit or "-") for one in trial.readings
        ]
        lines = [
            here.say("mapping {number}: {ident}", number=trial.mapping, ident=trial.identifier),
            *table([here.say(name) for name in names], rows),
        ]
    shown = {
        "mapping": trial.mapping,
        "identifier": trial.identifier,
        "readings": [
            {"us": one.us, "property": one.property, "value": one.value, "unit": one.unit}
            for one in trial.readings
        ],
        "reason": trial.reason,
        "detail": trial.detail,
    }
    here.show(shown, lines)
    if trial.reason:
        raise typer.Exit(1)


def agent_run(ctx: typer.Context) -> None:
    """Run the gateway agent of agent.toml until Ctrl-C or SIGTERM."""
    from edge_agent.agent.root import run_until_signal
    from edge_agent.settings import load_settings

    here = session(ctx)
    settings = load_settings(here.folder / "agent.toml")
    here.note("gateway agent {stream} starts", stream=settings.stream_identifier.text)
    asyncio.run(run_until_signal(settings))


def agent_status(ctx: typer.Context) -> None:
    """Where the gateway agent stands, as it last wrote."""
    from edge_agent.adapters.status_file import read_status
    from edge_agent.settings import load_settings

    here = session(ctx)
    status = read_status(load_settings(here.folder / "agent.toml").data_dir)
    age_s = now_s() - status.written_ms // 1000
    silent = age_s > _SILENT_S and status.state == "running"
    rows = [
        (
            "state",
            here.say("silent for {age} s: it does not run", age=age_s) if silent else status.state,
        ),
        ("alarm", status.alarm or "-"),
        ("stream", status.stream),
        ("broker", here.say("connected") if status.source_connected else here.say("not connected")),
        ("readings", f"{status.readings_accepted:,}"),
        ("anchored", f"{status.readings_anchored:,}"),
        ("waiting", f"{status.readings_waiting:,}"),
        ("backlog", f"{status.backlog}"),
        ("archived", f"{status.pushed} / {status.confirmed}"),
        ("spool bytes", f"{status.spool_bytes:,} / {status.spool_bytes_max:,}"),
        ("dead letters", f"{status.dead_letters}"),
        ("lost", ", ".join(f"{name} {count}" for name, count in status.lost.items()) or "-"),
    ]
    lines = table([here.say("what"), here.say("value")], [(here.say(a), b) for a, b in rows])
    here.show(msgspec.to_builtins(status) | {"silent": silent}, lines)
    if silent or status.alarm:
        raise typer.Exit(1)


def simulate_plant(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="The broker's host")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The broker's port")] = 1883,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="CSV series (SKAB or NAB format)")
    ] = None,
    synthetic: Annotated[
        int, typer.Option(min=0, max=1000, help="So many synthetic machines instead")
    ] = 0,
    speed: Annotated[
        float, typer.Option(min=0, help="1 is real time, 0 as fast as the broker takes")
    ] = 1.0,
    zone: Annotated[str, typer.Option(help="Time zone of stamps that have none")] = "UTC",
) -> None:
    """Publish a plant's readings over MQTT, QoS 1."""
    from simulations import replay
    from simulations.plant import PlantReport, run_plant

    here = session(ctx)
    source: PlantSource
    if synthetic and data is not None:
        raise UsageError(here.say("--data and --synthetic exclude each other"))
    if synthetic:
        source = _synthetic(synthetic)
    elif data is not None:
        source = replay.load(data, zone_text=zone)
    else:
        source = replay.bundled(start_us=now_s() * 1_000_000, repeat=True)
    here.note("{note}", note=source.note)
    reports: list[PlantReport] = []

    async def work(stop: asyncio.Event) -> None:
        def tell(report: PlantReport) -> None:
            here.note(
                "{acknowledged:,} of {published:,} acknowledged",
                acknowledged=report.acknowledged,
                published=report.published,
            )

        report = await run_plant(
            source, host=host, port=port, speed=speed, stop=stop, on_progress=tell
        )
        reports.append(report)

    until_signal(work)
    for report in reports:
        shown = {
            name: getattr(report, name)
            for name in ("rows", "readings", "published", "acknowledged", "seconds", "bad_rows")
        }
        here.show(shown, [f"{here.say(name):<14} {value}" for name, value in shown.items()])


def _synthetic(count: int) -> "PlantSource":
    """Return so many synthetic machines, of all kinds in turn."""
    from simulations.machines import KINDS, SyntheticPlant
    from simulations.world import World

    kinds = list(KINDS)
    shares = [count // len(kinds) + (at < count % len(kinds)) for at in range(len(kinds))]
    counts = tuple((kind, share) for kind, share in zip(kinds, shares, strict=True) if share)
    return SyntheticPlant(world=World(seed=_SEED), counts=counts, start_us=now_s() * 1_000_000)


def _utc_us(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1_000_000, UTC):%Y-%m-%d %H:%M:%S.%f}"
