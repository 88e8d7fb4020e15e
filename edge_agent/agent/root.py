"""The composition root: builds the parts from settings, runs them in one TaskGroup, ends in order.

    source ─► IntakeTask ─► spool ─► Sealer ─► Sender ─► ledger
                                        └─────► Pusher ─► node's archive        Reporter ─► status file

An orderly end (`stop` set): stop reading, send the acknowledgements that were given, leave the
broker, seal what waits and send it for at most `drain_s`, write the last status, close the spool.
A disorderly one (kill -9, power cut) needs nothing: the next start finds the spool as it was last
synced, the broker sends again what was not acknowledged, repeats are dropped, and the ledger is asked
before anything is signed.
"""

import asyncio
import signal
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.adapters.key_file import load_key, read_private
from edge_agent.adapters.source import Source
from edge_agent.adapters.source_mqtt import MqttBroker, MqttSource
from edge_agent.adapters.spool import Spool, SpoolLimits
from edge_agent.adapters.spool_rocksdb import RocksJournal
from edge_agent.adapters.system import Chance, Clock, SystemClock, boot_id, clock_sync_state
from edge_agent.adapters.uplink import HttpNode, Node, needs_tls
from edge_agent.agent.intake import IntakeTask
from edge_agent.agent.report import Reporter
from edge_agent.agent.sealer import Sealer
from edge_agent.agent.sender import Pusher, Sender
from edge_agent.agent.state import AgentState, SpoolGuard
from edge_agent.core.batch import SealPolicy, Signer
from edge_agent.core.mapping import Mapping
from edge_agent.errors import EdgeError, SettingsError
from edge_agent.settings import AgentSettings, BrokerSection, NodeSection, TlsSection

SPOOL_FOLDER: Final = "spool"
CLOSE_S: Final = 5.0  # longest wait for the broker to take our leave


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an agent is made of; tests and simulations hand in twins.

    Attributes:
        source: Readings in.
        mapping: What they mean.
        spool: Over an open journal.
        node: The way to the ledger.
        signer: Our identity and key.
        policy: When a batch is sealed.
        clock: Time.
        chance: Jitter and batch keys.
        data_dir: Where the status goes; None writes none.
        node_url: Shown in the status.
        peer: Name of the source's session, remembered once it exists; empty for none.
        drain_s: Longest orderly end.
        boot_id: Stands in the anchors.
        sync_state: Likewise.
    """

    source: Source
    mapping: Mapping
    spool: Spool
    node: Node
    signer: Signer
    policy: SealPolicy
    clock: Clock
    chance: Chance
    data_dir: Path | None = None
    node_url: str = ""
    peer: str = ""
    drain_s: float = 5.0
    boot_id: bytes = bytes(16)
    sync_state: int = 0


async def run(
    settings: AgentSettings,
    *,
    stop: asyncio.Event,
    ready: asyncio.Event | None = None,
    clock: Clock | None = None,
) -> None:
    """Run a gateway agent until `stop` is set.

    Args:
        settings: Everything it is told.
        stop: Ends it in order.
        ready: Set once the broker is connected and subscribed.
        clock: Time; the machine's by default.

    Raises:
        EdgeError: The settings, the key, the spool or the source cannot be used.
    """
    parts = await open_parts(settings, clock or SystemClock())
    await serve(parts, stop=stop, ready=ready)


async def run_until_signal(settings: AgentSettings) -> None:
    """Run a gateway agent until SIGTERM or SIGINT.

    Raises:
        EdgeError: As `run`.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await run(settings, stop=stop)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def open_parts(settings: AgentSettings, clock: Clock) -> Parts:
    """Build the parts of a real agent.

    Raises:
        EdgeError: The settings, the key or the spool cannot be used.
    """
    mapping = Mapping(settings.mapping_rules())
    loop = asyncio.get_running_loop()
    files = await loop.run_in_executor(None, _read_files, settings)
    signer = files.signer
    journal = await RocksJournal.open(settings.data_dir / SPOOL_FOLDER)
    limits = SpoolLimits(
        bytes_max=settings.spool.bytes_max,
        free_bytes_min=settings.spool.free_bytes_min,
        dead_bytes_max=settings.spool.dead_bytes_max,
        archive_bytes_max=settings.spool.archive_bytes_max,
    )
    try:
        spool = Spool(journal, limits)
    except EdgeError:
        await journal.close()
        raise
    broker = settings.broker
    peer = f"{settings.client_id}@{broker.host}:{broker.port}"
    chance = Chance()
    source = MqttSource(
        MqttBroker(
            host=broker.host,
            port=broker.port,
            client_id=settings.client_id,
            filters=settings.topic_filters(),
            username=broker.username,
            password=files.password,
            tls=files.tls,
            keepalive_s=broker.keepalive_s,
        ),
        clock=clock,
        chance=chance,
        queue_max=broker.queue_max,
        session_expected=spool.books.peer == peer,
    )
    node = HttpNode(
        settings.node.urls,
        stream=signer.stream.text,
        timeout_s=settings.node.timeout_s,
        tls=files.node_tls,
    )
    return Parts(
        source=source,
        mapping=mapping,
        spool=spool,
        node=node,
        signer=signer,
        policy=settings.seal_policy,
        clock=clock,
        chance=chance,
        data_dir=settings.data_dir,
        node_url=node.url,
        peer=peer,
        drain_s=settings.drain_s,
        boot_id=files.boot_id,
        sync_state=files.sync_state,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    signer: Signer
    password: str | None
    tls: ssl.SSLContext | None
    node_tls: ssl.SSLContext | None
    boot_id: bytes
    sync_state: int


def _read_files(settings: AgentSettings) -> _Files:
    """Read everything that the settings name, outside the event loop."""
    signer = Signer(
        stream=settings.stream_identifier,
        prefix=settings.stream_prefix,
        network=settings.network,
        key=load_key(settings.key.file, settings.key.credential),
    )
    return _Files(
        signer=signer,
        password=read_password(settings.broker),
        tls=make_tls(settings.broker.tls),
        node_tls=make_node_tls(settings.node),
        boot_id=boot_id(),
        sync_state=clock_sync_state(),
    )


def read_password(broker: BrokerSection) -> str | None:
    """Return the broker's password.

    Raises:
        EdgeError: The file is missing, too open, or no text.
    """
    if broker.password_file is None:
        return None
    try:
        return read_private(broker.password_file, "password file").decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise SettingsError(f"password file {broker.password_file} is no UTF-8 text") from None


def make_node_tls(section: NodeSection) -> ssl.SSLContext | None:
    """Return the TLS context for the nodes, None where no URL is https.

    Raises:
        SettingsError: The authorities cannot be read.
    """
    if not needs_tls(section.urls):
        return None
    try:
        return ssl.create_default_context(cafile=section.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"node.ca_file: {error}") from None


def make_tls(section: TlsSection | None) -> ssl.SSLContext | None:
    """Return the TLS context for the broker.

    Raises:
        SettingsError: A certificate or key file cannot be used.
    """
    if section is None:
        return None
    try:
        context = ssl.create_default_context(cafile=section.ca_file)
        context.check_hostname = section.check_hostname
        if section.cert_file is not None:
            context.load_cert_chain(section.cert_file, section.key_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"broker.tls: {error}") from None
    return context


async def serve(parts: Parts, *, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Run an agent of these parts until `stop` is set, then end it and close the parts.

    Raises:
        EdgeError: A part cannot go on.
    """
    try:
        await _serve(parts, stop, ready or asyncio.Event())
    except BaseExceptionGroup as group:
        ours = group.subgroup(EdgeError)
        if ours is None:
            raise
        raise _first(ours) from None
    finally:
        await parts.node.close()
        await parts.spool.close()


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


async def _serve(parts: Parts, stop: asyncio.Event, ready: asyncio.Event) -> None:
    state = AgentState()
    guard = SpoolGuard(
        parts.spool,
        clock=parts.clock,
        state=state,
        pause=parts.source.pause,
        resume=parts.source.resume,
    )
    intake = IntakeTask(
        source=parts.source,
        mapping=parts.mapping,
        spool=parts.spool,
        guard=guard,
        clock=parts.clock,
        state=state,
        readings_max=parts.policy.readings_max,
    )
    sealer = Sealer(
        spool=parts.spool,
        guard=guard,
        signer=parts.signer,
        policy=parts.policy,
        clock=parts.clock,
        chance=parts.chance,
        boot_id=parts.boot_id,
        sync_state=parts.sync_state,
        state=state,
    )
    sender = Sender(
        node=parts.node,
        spool=parts.spool,
        guard=guard,
        signer=parts.signer,
        clock=parts.clock,
        chance=parts.chance,
        state=state,
    )
    pusher = Pusher(
        node=parts.node,
        spool=parts.spool,
        guard=guard,
        clock=parts.clock,
        chance=parts.chance,
        state=state,
    )
    reporter = _reporter(parts, state)
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(parts.source.run()), group.create_task(intake.run())]
        sending = [
            group.create_task(task())
            for task in (sealer.run, sender.run, pusher.run, *([reporter.run] if reporter else []))
        ]
        greeting = group.create_task(_greet(parts, guard, ready))
        await stop.wait()
        await _leave(parts, reading)
        greeting.cancel()
        sealer.hurry()
        await _drain(parts, state)
        for task in sending:
            task.cancel()
    if reporter is not None:
        await reporter.write("ended")


def _reporter(parts: Parts, state: AgentState) -> Reporter | None:
    if parts.data_dir is None:
        return None
    return Reporter(
        folder=parts.data_dir,
        source=parts.source,
        spool=parts.spool,
        signer=parts.signer,
        clock=parts.clock,
        state=state,
        node_url=parts.node_url,
    )


async def _greet(parts: Parts, guard: SpoolGuard, ready: asyncio.Event) -> None:
    """Once the source is connected, remember its session and say that we are ready."""
    await parts.source.connected.wait()
    if parts.peer and parts.spool.books.peer != parts.peer:
        await guard.keep(
            lambda: parts.spool.note_peer(parts.peer),
            kept=lambda: parts.spool.books.peer == parts.peer,
        )
    ready.set()


async def _leave(parts: Parts, reading: list[asyncio.Task[None]]) -> None:
    """Stop reading; what was acknowledged is told to the peer before we leave it."""
    source_task, intake_task = reading
    intake_task.cancel()
    await asyncio.wait({intake_task})
    await parts.source.close()
    await asyncio.wait({source_task}, timeout=CLOSE_S)
    source_task.cancel()


async def _drain(parts: Parts, state: AgentState) -> None:
    """Let sealing, sending and pushing finish, for at most `drain_s`."""
    end_ns = parts.clock.monotonic_ns() + round(parts.drain_s * 1e9)
    while state.agreed.is_set() and not _is_drained(parts.spool):
        rest_s = (end_ns - parts.clock.monotonic_ns()) / 1e9
        if rest_s <= 0:
            return
        state.progress.clear()
        await parts.clock.wait(state.progress, rest_s)


def _is_drained(spool: Spool) -> bool:
    books = spool.books
    waits = books.readings or spool.losses
    return not waits and books.confirmed == books.pushed == books.next_sequence
