"""`xinbiao demo`: node, MQTT broker, gateway agent and plant in one command, and the proof of it all.

Theory of operation. Nothing here is special to the demo but the order: the network is what `init`
makes, the node is `node run`, the agent is `agent run` with an `agent.toml` that is written beside it,
the plant is `simulate plant`, and every answer goes through the client that verifies by default. A
second run in the same directory goes on where the first one ended.

The tour: register the plant, stream its readings over MQTT, wait until every one of them is anchored
and archived, prove one record and one reading, then alter a copy of the reading's proof and show that
it is refused. What is printed is what README shows. Without `--once` the plant goes on streaming.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from edge_agent.adapters.status_file import Status, read_status
from edge_agent.agent.root import run as run_agent
from edge_agent.errors import StatusError
from edge_agent.settings import load_settings
from ledger.adapters.keystore import Keystore, read_passphrase
from ledger.adapters.system import random_bytes
from ledger.core import identifier, reading
from ledger.core.bundle import Bundle, Disclosure
from ledger.core.identifier import Identifier
from ledger.core.keys import PrivateKey
from ledger.core.operation import Create, Item
from ledger.core.policy import TrustFile
from ledger.core.proof import verify
from ledger.core.statement import sign
from ledger.core.value import Value
from ledger.errors import ProofError
from resolver.node import run_node
from resolver.settings import NodeSettings, load_node_settings
from simulations import replay
from simulations.broker import EmbeddedBroker
from simulations.inventory import identifiers, mapping_toml
from simulations.load import plant_messages, run_load
from simulations.plant import run_plant
from simulations.source import BadRow, PlantSource
from xinbiao import setup
from xinbiao.client import Answer, Client, read_trust
from xinbiao.errors import UsageError, XinbiaoError
from xinbiao.system import now_s

NETWORK: Final = "demo"
PREFIX: Final = "lab.1"
GATEWAY: Final = "gw-1"
BATCH_READINGS_MAX: Final = 1_000
BATCH_READINGS_MAX_OF_DATA: Final = 10_000
BATCH_PERIOD_S: Final = 5
STREAM_SPEED: Final = 1.0
ANCHORED_S_MAX: Final = 900
_POLL_S: Final = 0.2
_UNITS_SHOWN: Final = {"Cel": "°C", "[g]": "g"}  # UCUM → what people write
_ITEMS_PER_STATEMENT: Final = 200
_PROVED_READINGS_OF_DATA: Final = 3

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "registered": "registered  {prefix}/{name:<30} (lab prefix, not national)",
        "anchored": "anchored    {readings:,} readings in {batches:,} batches",
        "record": "✔ proved    this is its record now               {counted} of {members} member, {age} s ago",
        "reading": "✔ proved    {value} at {time} was signed by gateway {gateway}",
        "altered": "✘ altered   reading {leaf} does not match its batch",
        "page": "page  {url}    trust file  {trust}",
        "not": "Not proved: that the sensor is right, or that the code sits on that pump.",
        "not_of_data": "Not proved: that the sensor is right, or that the code sits on that machine.",
        "next": "Next: your broker · your spreadsheet · four companies",
        "running": "The plant goes on streaming; end with Ctrl-C.",
        "skipped": "left out    {text}",
    },
    "zh": {
        "registered": "已注册  {prefix}/{name:<30} （实验前缀，不是国家前缀）",
        "anchored": "已锚定  {batches:,} 批共 {readings:,} 条读数",
        "record": "✔ 已证明  这是它现在的记录               {counted}/{members} 个成员，{age} 秒前",
        "reading": "✔ 已证明  {time} 的 {value} 由网关 {gateway} 签名",
        "altered": "✘ 被改动  第 {leaf} 条读数与所在批次不符",
        "page": "页面  {url}    信任文件  {trust}",
        "not": "未证明：传感器准确，或标识码确实贴在那台泵上。",
        "not_of_data": "未证明：传感器准确，或标识码确实贴在那台机器上。",
        "next": "下一步：您的 MQTT 服务 · 您的表格 · 四家企业",
        "running": "模拟工厂继续发送读数；按 Ctrl-C 结束。",
        "skipped": "已略过    {text}",
    },
}

T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What the demo is told.

    Attributes:
        directory: Where network, keys and data lie; made when it is not there.
        once: End after the tour.
        data: Folder or file of recorded series (SKAB or NAB format); None streams the bundled one.
        language: `en` or `zh`.
        say: Takes a line for people.
    """

    directory: Path
    once: bool
    data: Path | None
    language: str
    say: Say

    def tell(self, word: str, **parts: Any) -> None:
        """Say one line of the table."""
        self.say(WORDS[self.language][word].format(**parts))


async def run_demo(demo: Demo, *, stop: asyncio.Event) -> None:
    """Run the demo until the tour ends (`once`) or `stop` is set.

    Raises:
        XinbiaoError, LedgerError, EdgeError, SimulationError: What failed, in words.
    """
    settings = await asyncio.to_thread(_prepare, demo)
    url = f"http://{settings.http.host}:{settings.http.port}"
    trust_file = demo.directory / "trust" / f"{NETWORK}.policy"
    trust = await asyncio.to_thread(read_trust, trust_file)
    source = await asyncio.to_thread(_source, demo)
    async with (
        _running(lambda end, ready: run_node(settings, stop=end, ready=ready)),
        EmbeddedBroker() as broker,
        Client(url, trust) as client,
    ):
        await _register(client, demo, source)
        agent_file = demo.directory / "agent.toml"
        text = _agent_toml(demo, source, url, broker.port)
        await asyncio.to_thread(agent_file.write_text, text, "utf-8")
        agent = await asyncio.to_thread(load_settings, agent_file)
        async with _running(lambda end, ready: run_agent(agent, stop=end, ready=ready)):
            await _stream(demo, source, broker.port, agent.data_dir)
            await _show(demo, client, trust, source)
            demo.tell("page", url=url, trust=_short(trust_file))
            demo.tell("not" if demo.data is None else "not_of_data")
            demo.tell("next")
            if not demo.once:
                demo.tell("running")
                await _go_on(broker.port, stop)


# ---- what has to be there


def _prepare(demo: Demo) -> NodeSettings:
    """Return the settings of the demo's node, making its network in an empty directory."""
    file = demo.directory / "node.toml"
    if not file.exists():
        setup.init(demo.directory, network=NETWORK)
    settings = load_node_settings(file)
    if settings.ledger.network != NETWORK:
        raise UsageError(
            f"{demo.directory} belongs to network {settings.ledger.network}: "
            "give the demo a directory of its own with --dir"
        )
    http = settings.http
    return settings.model_copy(
        update={"http": http.model_copy(update={"port": _free_port(http.host, http.port)})}
    )


def _free_port(host: str, wanted: int) -> int:
    """Return `wanted`, or any free port when somebody listens on it."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return int(probe.getsockname()[1])
    raise UsageError(f"no free TCP port on {host}")


def _source(demo: Demo) -> PlantSource:
    """Return the plant: recorded stamps for data of one's own, else a series that ends about now."""
    if demo.data is not None:
        return replay.load(demo.data)
    lasts_us = max(row.after_us for row in replay.bundled().rows(lambda _: None))
    return replay.bundled(start_us=now_s() * 1_000_000 - lasts_us)


async def _register(client: Client, demo: Demo, source: PlantSource) -> None:
    """Register the gateway and every machine that is not registered yet."""
    named = [(f"{PREFIX}/{GATEWAY}", "gateway agent"), *identifiers(source, prefix=PREFIX)]
    wanted = {identifier.parse(text): title for text, title in named}
    answers = await client.look_up([ident.text for ident in wanted])
    known = {answer["identifier"] for answer in answers if answer["status"] == 200}
    fresh = sorted(
        (ident for ident in wanted if ident.text not in known), key=lambda one: one.text.encode()
    )
    key = await asyncio.to_thread(_owner_key, demo)
    for start in range(0, len(fresh), _ITEMS_PER_STATEMENT):
        part = fresh[start : start + _ITEMS_PER_STATEMENT]
        await client.submit(_creation(part, wanted, key))
    demo.tell("registered", prefix=PREFIX, name=_shown_machine(source))


def _owner_key(demo: Demo) -> PrivateKey:
    passphrase = read_passphrase(demo.directory / "credential")
    return Keystore(demo.directory / "keys", passphrase).load("owner")


def _creation(part: list[Identifier], titles: Mapping[Identifier, str], key: PrivateKey) -> bytes:
    items = tuple(
        Item(identifier=ident, values=(Value(index=1, type="DESCRIPTION", data=titles[ident]),))
        for ident in part
    )
    prefix = identifier.parse(PREFIX).text
    payload = Create(items=items).encode()
    return sign(payload, key=key, iss=prefix, sub=prefix, aud=NETWORK, iat=now_s())


def _agent_toml(demo: Demo, source: PlantSource, url: str, broker_port: int) -> str:
    count = BATCH_READINGS_MAX if demo.data is None else BATCH_READINGS_MAX_OF_DATA
    return (
        "# Written by `xinbiao demo`, anew at each start.\n"
        f'network = "{NETWORK}"\ndata_dir = "agent"\n\n'
        f'[stream]\nidentifier = "{PREFIX}/{GATEWAY}"\nprefix = "{PREFIX}"\n\n'
        '[key]\nfile = "keys/agent.pem"\ncredential = "credential"\n\n'
        f'[node]\nurls = ["{url}"]\n\n'
        f"[broker]\nport = {broker_port}\n\n"
        f"[batch]\nreadings_max = {count}\nperiod_s = {BATCH_PERIOD_S}\n\n"
        f"{mapping_toml(source, prefix=PREFIX)}"
    )


@contextlib.asynccontextmanager
async def _running(start: Callable[[asyncio.Event, asyncio.Event], Any]) -> AsyncIterator[None]:
    """Run a service beside the body: ready before it begins, ended in order after it."""
    end, ready = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        service = tasks.create_task(start(end, ready))
        up = tasks.create_task(ready.wait())
        await asyncio.wait((service, up), return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        try:
            if not service.done():
                yield
        finally:
            end.set()


# ---- the tour


async def _stream(demo: Demo, source: PlantSource, port: int, data_dir: Path) -> None:
    """Publish the whole series and wait until the ledger has every reading of it."""
    before = (await asyncio.to_thread(_agent_status, data_dir)).readings_accepted
    bad: list[BadRow] = []
    report = await run_load(plant_messages(source, bad.append), host="127.0.0.1", port=port)
    if report.lost is not None:
        raise XinbiaoError(f"the broker ended the stream: {report.lost}")
    for row in bad[:10]:
        demo.tell("skipped", text=row.text)
    status = await _all_anchored(data_dir, before + report.acknowledged)
    demo.tell("anchored", readings=status.readings_anchored, batches=status.confirmed)


async def _all_anchored(data_dir: Path, count: int) -> Status:
    """Wait until `count` readings are anchored and every batch is archived at the node."""
    try:
        async with asyncio.timeout(ANCHORED_S_MAX):
            while True:
                status = await asyncio.to_thread(_agent_status, data_dir)
                settled = status.readings_anchored + status.counters.get("repeated", 0)
                if settled >= count and status.pushed == status.confirmed:
                    return status
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise XinbiaoError(f"not all readings were anchored within {ANCHORED_S_MAX} s") from None


def _agent_status(data_dir: Path) -> Status:
    try:
        return read_status(data_dir)
    except StatusError:
        return Status()  # before its first write


async def _show(demo: Demo, client: Client, trust: TrustFile, source: PlantSource) -> None:
    answer = await client.resolve(f"{PREFIX}/{_shown_machine(source)}")
    counted, _ = answer.verdict.quorum
    members = len(trust.witnesses)
    age = max(now_s() - answer.verdict.dated, 0)
    demo.tell("record", counted=len(counted), members=members, age=age)
    proved = await _prove_readings(demo, client, source)
    _alter(demo, trust, proved)


async def _prove_readings(demo: Demo, client: Client, source: PlantSource) -> Answer:
    """Prove one reading, or three random ones of data that was given."""
    names = [machine.name for machine in source.machines]
    picks = [_shown_machine(source)]
    if demo.data is not None:
        picks = [_any_of(names) for _ in range(_PROVED_READINGS_OF_DATA)]
    answer: Answer | None = None
    for name in picks:
        page = await client.readings(f"{PREFIX}/{name}", limit=1000)
        shown = _any_of(page["readings"])
        if demo.data is None:
            shown = next((one for one in page["readings"] if one["unit"] == "Cel"), shown)
        answer = await client.prove_reading(
            f"{PREFIX}/{name}",
            stream=shown["stream"],
            sequence=shown["sequence"],
            leaf=shown["leaf"],
        )
        _tell_reading(demo, answer)
    assert answer is not None, "one reading at least is proved"
    return answer


def _shown_machine(source: PlantSource) -> str:
    """Return the machine that the tour looks at: a pump where there is one."""
    names = [machine.name for machine in source.machines]
    return next((name for name in names if name.startswith("pump")), names[0])


def _any_of(choices: Sequence[T]) -> T:
    return choices[int.from_bytes(random_bytes(8), "big") % len(choices)]


def _tell_reading(demo: Demo, answer: Answer) -> None:
    one = answer.verdict.reading
    assert one is not None, "the verdict of a reading has it"
    moment = datetime.fromtimestamp(one.us // 1_000_000, UTC)
    unit = _UNITS_SHOWN.get(one.unit or "", one.unit or "")
    shown = f"{one.value:.1f}" if isinstance(one.value, float) else str(one.value)
    time = f"{moment:%H:%M:%S}" if demo.data is None else f"{moment:%Y-%m-%d %H:%M:%S}"
    demo.tell("reading", value=f"{shown} {unit}".rstrip(), time=time, gateway=GATEWAY)


def _alter(demo: Demo, trust: TrustFile, proved: Answer) -> None:
    """Change the value in a copy of a proof, and show what `verify` says.

    Raises:
        XinbiaoError: The altered copy was accepted, which must never happen.
    """
    bundle = Bundle.decode(proved.bundle)
    one = proved.verdict.reading
    assert one is not None, "the verdict of a reading has it"
    assert bundle.disclosure is not None, "a reading's bundle discloses it"
    changed = reading.encode_reading(one.name, one.us, 99.9, one.unit, one.quality)
    disclosure: Disclosure = replace(bundle.disclosure, reading=changed)
    copy = replace(bundle, disclosure=disclosure).encode()
    try:
        verify(
            copy,
            bundle.identifier,
            network=NETWORK,
            trust=trust,
            now=now_s(),
            max_age=None,
            question="reading",
        )
    except ProofError:
        demo.tell("altered", leaf=disclosure.leaf)
        return
    raise XinbiaoError("an altered reading was accepted: please report this")


async def _go_on(port: int, stop: asyncio.Event) -> None:
    """Stream the bundled plant in real time until `stop` is set."""
    endless = await asyncio.to_thread(replay.bundled, start_us=now_s() * 1_000_000, repeat=True)
    await run_plant(
        endless,
        host="127.0.0.1",
        port=port,
        speed=STREAM_SPEED,
        stop=stop,
        first_sequence=now_s(),  # above every number of the tour
    )


def _short(path: Path) -> str:
    """Return a path as people would type it from here."""
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)
