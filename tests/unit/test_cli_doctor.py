"""What init makes and the doctor finds; and commands that need no node."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge_agent.settings import load_settings
from ledger.core.policy import TrustFile
from xinbiao import cli
from xinbiao.doctor import check_dates, check_host, check_node, check_trust
from xinbiao.errors import InputError, UsageError
from xinbiao.settings import load_context
from xinbiao.setup import GATEWAY, LAB_PREFIX, init

pytestmark = pytest.mark.slow
NOW = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a fresh network's folder."""
    init(tmp_path / "net", port=1)
    return tmp_path / "net"


def levels(folder: Path) -> dict[str, str]:
    """Return what the doctor says of the node, by name."""
    return {one.what: one.level for one in check_node(folder / "node.toml")}


def test_what_init_makes_fits_together(folder: Path) -> None:
    """Settings, keys and trust file of one network, which every reader accepts."""
    context = load_context(folder, None)
    trust = TrustFile.parse(context.trust.read_bytes())
    agent = load_settings(folder / "agent.toml")

    assert (trust.network, context.network, agent.network) == ("lab", "lab", "lab")
    assert (context.prefix, agent.stream_identifier.text) == (LAB_PREFIX, GATEWAY)
    assert trust.network_object is not None
    assert set(levels(folder).values()) == {"ok"}
    assert [one.level for one in check_trust(context, NOW)] == ["ok"]
    for file in (folder / "keys").iterdir():
        assert file.stat().st_mode & 0o077 == 0 or file.name.endswith(".pub.pem")


def test_the_recovery_key_is_not_on_the_disk(tmp_path: Path) -> None:
    """It is returned once; what is kept is the public half."""
    made = init(tmp_path / "net")
    secret = made.recovery_pem.splitlines()[1].encode()

    assert "PRIVATE" in made.recovery_pem
    files = [one for one in made.folder.rglob("*") if one.is_file()]
    assert not any(secret in file.read_bytes() for file in files)
    assert (made.folder / "keys" / "recovery.pub.pem").is_file()


def test_init_never_overwrites_and_leaves_nothing_half_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What exists stays as it is; a failure leaves no folder behind."""
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with pytest.raises(InputError, match="nothing is overwritten"):
        init(folder)
    assert before == {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    with pytest.raises(UsageError):
        init(folder.parent / "other", network="no name")

    def fail(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xinbiao.setup.config_toml", fail)
    with pytest.raises(InputError, match="No space"):
        init(folder.parent / "third")
    assert [one.name for one in folder.parent.iterdir()] == ["net"]


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / name
        file.write_text(file.read_text().replace(old, new))

    return change


def _other_keys(folder: Path) -> None:
    init(folder.parent / "other")
    other = folder.parent / "other" / "trust" / "lab.policy"
    (folder / "trust" / "lab.policy").write_bytes(other.read_bytes())


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        pytest.param(_remove("node.toml"), "node.toml", id="no-settings"),
        pytest.param(_replace("node.toml", "port", "prot"), "node.toml", id="misspelt"),
        pytest.param(_remove("credential"), "keys", id="no-credential"),
        pytest.param(_remove("keys/log.pem"), "keys", id="no-key"),
        pytest.param(lambda one: (one / "credential").chmod(0o644), "keys", id="open-credential"),
        pytest.param(_other_keys, "node's keys", id="trust-of-others"),
        pytest.param(_replace("trust/lab.policy", "quorum m1", ""), "trust file", id="no-quorum"),
        pytest.param(
            _replace("node.toml", "[http]", f"disk_free_bytes_min = {2**60}\n[http]"),
            "disk",
            id="disk-full",
        ),
    ],
)
def test_what_is_wrong_is_found_by_name(
    folder: Path, spoil: Callable[[Path], None], what: str
) -> None:
    """And nothing else is blamed for it."""
    spoil(folder)
    assert {name for name, level in levels(folder).items() if level == "error"} == {what}


@pytest.mark.parametrize(
    ("line", "level"),
    [("2025-12-31", "error"), ("2026-01-20", "warning"), ("2027-01-01", "ok")],
)
def test_a_trust_file_is_renewed_before_it_expires(folder: Path, line: str, level: str) -> None:
    """A month before, the doctor says so."""
    policy = folder / "trust" / "lab.policy"
    policy.write_text(f"# xinbiao expires {line}\n" + policy.read_text())
    assert [one.level for one in check_trust(load_context(folder, None), NOW)] == [level]


def test_a_clock_that_is_behind_is_noticed() -> None:
    """A proof from the future means that this clock is wrong."""
    assert check_dates(NOW + 3_600, NOW).level == "error"
    assert check_dates(NOW - 3_600, NOW).level == "ok"
    assert [one.level for one in check_host()] == ["ok"]


# ---------------------------------------------------------------- commands without a node


def run(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """Return exit code and JSON of a command."""
    code = cli.run_command(["--dir", str(folder), "--json", *words])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else None


def test_commands_that_need_no_node(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """init, doctor, agent check and status answer offline, in JSON too."""
    assert run(folder.parent / "new", capsys, "-n", "init")[1]["network"] == "lab"
    assert not (folder.parent / "new").exists()
    code, made = run(folder.parent / "new", capsys, "init", "--network", "plant")
    assert (code, made["network"]) == (0, "plant")
    assert "PRIVATE KEY" in made["recovery_key"]
    code, found = run(folder, capsys, "doctor")
    assert code == 1  # there is no node at port 1
    assert [one["what"] for one in found["findings"] if one["level"] == "error"] == ["node"]
    assert run(folder.parent / "none", capsys, "doctor")[0] == 1
    code, found = run(folder, capsys, "agent", "check", "--offline")
    assert code == 0
    assert found["findings"]
    assert run(folder, capsys, "agent", "status")[0] == 1
    assert run(folder, capsys, "resolve", LAB_PREFIX)[0] == 5


def test_a_message_is_tried_against_the_mapping(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it becomes, or why it would be a dead letter."""
    payload = tmp_path / "payload.json"
    payload.write_text('{"v": 21.5, "ts": 1767225600000000, "n": 1}')
    words = ("agent", "check", "--payload", str(payload), "--topic")

    code, found = run(folder, capsys, *words, "plant/pump-07/temperature")
    assert code == 0
    assert found["identifier"] == "hdl:lab.1/pump-07"
    assert found["readings"][0]["value"] == 21.5
    assert run(folder, capsys, *words, "elsewhere")[0] == 1
    assert run(folder, capsys, "agent", "check", "--topic", "x")[0] == 2
