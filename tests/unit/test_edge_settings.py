"""agent.toml: what is accepted, what is refused and how it is said; `agent check` and one message."""

import asyncio
import os
from pathlib import Path

import pytest

from edge_agent.agent import Finding, check, try_message
from edge_agent.agent.root import make_node_tls, make_tls
from edge_agent.core.extract import Pointer
from edge_agent.errors import SettingsError
from edge_agent.settings import AgentSettings, NodeSection, TlsSection, load_settings
from ledger.core import keys

KEY = keys.private_from_seed("Ed25519", b"\1" * 32)
MINIMAL = """
network = "lab.example"
data_dir = "data"
[stream]
identifier = "lab.1/gw-1"
[key]
file = "keys/agent.pem"
[node]
urls = ["http://127.0.0.1:8480"]
[[mapping]]
filter = "plant/{machine}/{prop}"
identifier = "lab.1/{machine}"
reading = { name = "{prop}", value = "/v" }
"""


def write(folder: Path, text: str = MINIMAL) -> Path:
    path = folder / "agent.toml"
    path.write_text(text)
    return path


def load(folder: Path, text: str = MINIMAL) -> AgentSettings:
    return load_settings(write(folder, text))


def test_a_minimal_file_is_enough(tmp_path: Path) -> None:
    """Everything else has a default, and paths start at the file's folder."""
    found = load(tmp_path)
    assert found.data_dir == tmp_path / "data"
    assert found.key.file == tmp_path / "keys" / "agent.pem"
    assert (found.broker.host, found.broker.port) == ("127.0.0.1", 1883)
    assert (found.batch.readings_max, found.batch.period_s) == (10_000, 60.0)
    assert found.stream_identifier.text == "hdl:lab.1/gw-1"
    assert found.stream_prefix == "hdl:lab.1"
    assert found.topic_filters() == ("plant/+/+",)


def test_absolute_paths_stay(tmp_path: Path) -> None:
    """Only relative paths are rooted."""
    text = MINIMAL.replace('"keys/agent.pem"', '"/etc/xinbiao/keys/agent.pem"')
    assert load(tmp_path, text).key.file == Path("/etc/xinbiao/keys/agent.pem")


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container sets one entry without another file."""
    monkeypatch.setenv("XINBIAO_AGENT_BROKER__HOST", "broker.example")
    monkeypatch.setenv("XINBIAO_AGENT_NETWORK", "other.example")
    found = load(tmp_path)
    assert (found.broker.host, found.network) == ("broker.example", "other.example")


def test_the_client_identifier_is_fixed_by_network_and_stream(tmp_path: Path) -> None:
    """The broker's session hangs on it: the same for ever, another for another gateway."""
    mine = load(tmp_path).client_id
    assert mine == load(tmp_path, MINIMAL.replace("lab.1/gw-1", "LAB.1/GW-1")).client_id
    assert mine != load(tmp_path, MINIMAL.replace("gw-1", "gw-2")).client_id
    assert len(mine) <= 23
    named = MINIMAL + '\n[broker]\nclient_id = "gw"\n'
    assert load(tmp_path, named).client_id == "gw"


def test_times_and_counters_of_a_mapping_hold_for_its_readings(tmp_path: Path) -> None:
    """A reading may override the time; a message has one counter."""
    text = MINIMAL.replace(
        'reading = { name = "{prop}", value = "/v" }',
        """time = "/ts"
time_unit = "us"
sequence = "/n"
[[mapping.readings]]
name = "a"
value = "/a"
[[mapping.readings]]
name = "b"
value = "/b"
time = "/tb"
time_unit = "s"
""",
    )
    (rule,) = load(tmp_path, text).mapping_rules()
    assert rule.sequence == Pointer("/n", ("n",))
    assert [(one.time.text, one.time_unit) for one in rule.readings if one.time] == [
        ("/ts", "us"),
        ("/tb", "s"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('network = "lab.example"', "", "network: Field required"),
        ('"lab.example"', '"lab example"', "network: String should match"),
        ('"lab.example"', '"lab+example"', "network: String should match"),
        ("[key]", "[keys]", "keys: Extra inputs"),
        ("[node]", "[node]\nport = 1", "node.port: Extra inputs"),
        ('["http://127.0.0.1:8480"]', "[]", "node.urls"),
        ('["http://127.0.0.1:8480"]', '["127.0.0.1:8480"]', "node.urls.0"),
        ("[stream]", "[batch]\nperiod_s = 0\n[stream]", "batch.period_s"),
        ("[stream]", "[broker]\nport = 70000\n[stream]", "broker.port"),
        ('value = "/v"', 'value = "/v", type = "double"', "mapping.0.reading.type"),
        ("[stream]", "[stream", "agent.toml"),
    ],
)
def test_a_bad_entry_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The error says which entry of the file, and nothing unknown is ignored."""
    with pytest.raises(SettingsError, match=message):
        load(tmp_path, MINIMAL.replace(old, new, 1))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Nothing is assumed without a file."""
    with pytest.raises(SettingsError, match="no such file"):
        load_settings(tmp_path / "agent.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"/v"', '"v"', "mapping 1: value: pointer 'v'"),
        ("{machine}/{prop}", "{machine}/{prop", "mapping 1: filter"),
        ('identifier = "lab.1/{machine}"', 'identifier = "lab.1/{x}"', "mapping 1: identifier"),
        ("[[mapping]]", '[[mapping]]\npayload = "senml"', r"mapping 1: payload.*planned"),
        ('value = "/v"', 'value = "/v", sequence = "/m" }\nreadings = [{name="x", value="/x", sequence="/n"}', "one counter"),
    ],
)  # fmt: skip
def test_a_bad_mapping_is_named_by_its_number(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """Mappings are checked by the core's own rules."""
    text = MINIMAL.replace(old, new)
    text = text.replace('sequence="/n"} }', 'sequence="/n"}]')
    with pytest.raises(SettingsError, match=message):
        load(tmp_path, text).mapping_rules()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL.replace("lab.1/gw-1", "no identifier"), "stream.identifier"),
        (MINIMAL.replace("[key]", 'prefix = "lab.1/x"\n[key]'), "cannot be a prefix"),
        (MINIMAL.replace("[key]", 'prefix = "!"\n[key]'), "stream.prefix"),
    ],
)
def test_a_bad_identity_is_named(tmp_path: Path, text: str, message: str) -> None:
    """Stream and prefix are identifiers, and the prefix can be one."""
    found = load(tmp_path, text)
    with pytest.raises(SettingsError, match=message):
        assert found.stream_identifier.text + found.stream_prefix


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """TLS files are read before anything connects."""
    assert make_tls(None) is None
    assert make_tls(TlsSection()) is not None
    assert make_node_tls(NodeSection(urls=["http://n"])) is None
    assert make_node_tls(NodeSection(urls=["http://n", "https://n"])) is not None
    with pytest.raises(SettingsError, match=r"node\.ca_file"):
        make_node_tls(NodeSection(urls=["https://n"], ca_file=tmp_path / "absent.pem"))
    with pytest.raises(SettingsError, match=r"broker\.tls"):
        make_tls(TlsSection(ca_file=tmp_path / "absent.pem"))


# ---------------------------------------------------------------- check, try


async def checked(
    folder: Path, text: str = MINIMAL, *, reach: bool = False, key: bool = True
) -> list[Finding]:
    """Load outside the event loop, as the command does, and check."""

    def prepare() -> AgentSettings:
        if key:
            key_file(folder)
        return load(folder, text)

    return await check(await asyncio.to_thread(prepare), reach=reach)


def key_file(folder: Path) -> None:
    (folder / "keys").mkdir()
    path = folder / "keys" / "agent.pem"
    path.write_text(KEY.to_pem(None))
    path.chmod(0o600)


async def test_good_settings_have_only_notes(tmp_path: Path) -> None:
    """What cannot be seen from here is said; nothing else is found, and nothing is made."""
    limits = "[spool]\nbytes_max = 1048576\narchive_bytes_max = 0\nfree_bytes_min = 0\n[node]"
    found = await checked(tmp_path, MINIMAL.replace("[node]", limits))
    assert {one.level for one in found} == {"note"}
    assert any("max_queued_messages" in one.detail for one in found)
    assert any("time of receipt" in one.detail for one in found)
    assert sorted(os.listdir(tmp_path)) == ["agent.toml", "keys"]


async def test_what_keeps_the_agent_from_running_is_an_error(tmp_path: Path) -> None:
    """A missing key and a bad identity are found together."""
    found = await checked(tmp_path, MINIMAL.replace("lab.1/gw-1", "no id"), key=False)
    assert {one.entry for one in found if one.level == "error"} == {"key", "stream"}


async def test_what_may_lose_readings_is_a_warning(tmp_path: Path) -> None:
    """Two mappings of one topic, a foreign prefix, a broker in the clear, a disk too small."""
    text = MINIMAL.replace("[key]", 'prefix = "lab.2"\n[key]')
    text = text.replace("[node]", '[broker]\nhost = "broker.example"\n[node]')
    text = text.replace("[node]", "[spool]\nbytes_max = 9000000000000000\n[node]")
    text += """
[[mapping]]
filter = "plant/{rest...}"
identifier = "lab.1/x"
reading = { name = "t", value = "" }
"""
    found = await checked(tmp_path, text)
    entries = {one.entry for one in found if one.level == "warning"}
    assert entries == {"stream.prefix", "broker.tls", "spool", "mapping 2"}


@pytest.mark.slow
async def test_peers_that_do_not_answer_are_warnings(tmp_path: Path) -> None:
    """Port 9 of the loopback interface is closed: both are named with their reason."""
    text = MINIMAL.replace(":8480", ":9").replace("[key]", "[broker]\nport = 9\n[key]")
    found = await checked(tmp_path, text, reach=True)
    entries = [one.entry for one in found if "not reached" in one.detail]
    assert entries == ["broker", "node"]


def test_one_message_is_tried(tmp_path: Path) -> None:
    """It shows mapping, identifier and reading, and leaves nothing behind."""
    found = try_message(load(tmp_path), "plant/pump/t", b'{"v":21}', received_us=5)
    assert (found.mapping, found.identifier, found.reason) == (1, "hdl:lab.1/pump", "")
    assert [(one.name, one.us, one.value) for one in found.readings] == [
        ("hdl:lab.1/pump#t", 5, 21.0)
    ]


@pytest.mark.parametrize(
    ("topic", "payload", "mapping", "reason"),
    [
        ("other", b"{}", None, "no-mapping"),
        ("plant/pump/t", b"{", 1, "bad-payload"),
        ("plant/pump/t", b"{}", 1, "missing"),
    ],
)
def test_a_message_that_gives_nothing_says_why(
    tmp_path: Path, topic: str, payload: bytes, mapping: int | None, reason: str
) -> None:
    """The reason is the one that its dead letter would have."""
    found = try_message(load(tmp_path), topic, payload, received_us=5)
    assert (found.mapping, found.reason, found.readings) == (mapping, reason, ())
    assert found.detail
