"""The command line against a real node: exit codes, JSON, tables, keys and prefixes, in this process."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.node_process import NodeThread
from xinbiao import cli
from xinbiao.commands import start
from xinbiao.setup import init
from xinbiao.system import now_s

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(120)]


@dataclass
class Shell:
    """Runs commands in a network's folder, and gives back what they print."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error."""
        code = cli.run_command(cli._shared_first([*words, "--dir", str(self.folder)]))
        said = self.capture.readouterr()
        return code, said.out, said.err

    def good(self, *words: str) -> str:
        """Return the output of a command that ends with 0."""
        code, out, err = self.run(*words)
        assert code == 0, (words, code, out, err)
        return out

    def json(self, *words: str, code: int = 0) -> Any:
        """Return what a command prints with --json."""
        ended, out, err = self.run(*words, "--json")
        assert ended == code, (words, ended, out, err)
        return json.loads(out)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """Return a shell beside a running node of a fresh network."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = tmp_path / "net"
    init(folder, port=port)
    with NodeThread(folder / "node.toml", port):
        yield Shell(folder, capsys)


def test_every_command_answers_in_json(shell: Shell) -> None:
    """One value on standard output, whatever the command."""
    assert shell.json("register", "lab.1/p-1", "--value", "URL=https://a", "-y")["entry"] == 4
    assert shell.json("resolve", "lab.1/p-1")["verdict"] == "present"
    assert shell.json("resolve", "lab.1/none", code=3)["verdict"] == "absent"
    assert "proof" in shell.json("resolve", "lab.1/p-1", "--proof")
    assert len(shell.json("history", "lab.1/p-1")["versions"]) == 1
    assert shell.json("readings", "lab.1/p-1")["readings"] == []
    assert shell.json("update", "lab.1/p-1", "--value", "name=x")["entry"] == 6
    status = shell.json("status")
    assert status["growth"]["disk"]["per_day"] is None  # a minute of history says nothing
    assert status["node"]["network"] == "lab"
    assert {one["level"] for one in shell.json("doctor")["findings"]} == {"ok"}
    assert {one["level"] for one in shell.json("node", "check")["findings"]} == {"ok"}
    assert len(shell.json("key", "list")["keys"]) == 8
    assert shell.json("prefix", "show")["identifier"] == "hdl:lab.1"
    assert shell.json("retire", "lab.1/p-1", "-y")["entry"] == 8


def test_a_proof_kept_is_verified_without_the_node(shell: Shell, tmp_path: Path) -> None:
    """CBOR or JSON by the file's name; for the question asked and no other."""
    shell.good("register", "lab.1/p-1", "-y")
    for name in ("p.cbor", "p.json"):
        file = str(tmp_path / name)
        shell.good("resolve", "lab.1/p-1", "-o", file)
        ask = ("verify", file, "--identifier", "lab.1/p-1")
        assert "proved" in shell.good(*ask, "--expect", "present")
        assert shell.run(*ask, "--question", "reading")[0] == 1
        assert shell.run("verify", file, "--identifier", "lab.1/p-2")[0] == 1
        assert shell.run("verify", file)[0] == 2
        assert shell.run(*ask, "--at", "4")[0] == 2
        assert shell.run(*ask, "--question", "listing")[0] == 2
        assert "hdl:lab.1/p-1" in shell.good("explain", file)
    shell.good("history", "lab.1/p-1", "--at", "6", "-o", str(tmp_path / "h.cbor"))
    ask = ("verify", str(tmp_path / "h.cbor"), "--identifier", "lab.1/p-1")
    shell.good(*ask, "--question", "history", "--at", "6")
    assert shell.run(*ask)[0] == 1


def test_a_proof_grows_old_and_a_trust_file_too(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are exit code 4 and never called forged."""
    shell.good("register", "lab.1/p-1", "-y")
    file = str(tmp_path / "p.cbor")
    shell.good("resolve", "lab.1/p-1", "-o", file)
    ask = ("verify", file, "--identifier", "lab.1/p-1")

    policy = shell.folder / "trust" / "lab.policy"
    fresh = policy.read_text()
    policy.write_text("# xinbiao expires 2020-01-01\n" + fresh)
    code, _, err = shell.run(*ask)
    assert (code, "forged" in err) == (4, False)
    policy.write_text(fresh)

    from xinbiao.commands import ask as commands

    monkeypatch.setattr(commands, "now_s", lambda: 4_000_000_000)
    code, out, _ = shell.run(*ask)
    assert code == 4
    assert "not proved current" in out


@pytest.mark.parametrize("change", ["bit", "cut", "empty"])
def test_a_changed_proof_is_refused_by_name(shell: Shell, tmp_path: Path, change: str) -> None:
    """The part at fault is in the message."""
    shell.good("register", "lab.1/p-1", "-y")
    file = tmp_path / "p.cbor"
    shell.good("resolve", "lab.1/p-1", "-o", str(file))
    data = bytearray(file.read_bytes())
    data[-40] ^= 1
    changed = {"bit": bytes(data), "cut": file.read_bytes()[:-1], "empty": b""}[change]
    file.write_bytes(changed)

    code, out, err = shell.run("verify", str(file), "--identifier", "lab.1/p-1")
    assert (code, out) == (1, "")
    assert err.startswith("xinbiao: ")


def test_a_table_is_registered_changed_and_left_alone(shell: Shell, tmp_path: Path) -> None:
    """Bad rows block nothing; the second run finds the same; the third changes one row."""
    table = tmp_path / "parts.csv"
    table.write_text("part_no,URL,name\nA-1,https://a,Bolt\nA 2,https://b,x\nA-3,https://c,Nut\n")
    run = ("register", str(table), "--id", "lab.1/{part_no}")

    assert shell.json(*run, "-n")["new"] == 2
    assert shell.run("resolve", "lab.1/A-1")[0] == 3  # a dry run changes nothing
    assert not (tmp_path / "parts.csv.journal").exists()
    assert shell.run(*run)[0] == 2  # nobody can be asked
    assert shell.json(*run, "-y", code=1)["states"] == {"registered": 2, "bad": 1}
    assert shell.json("resolve", "lab.1/a-3")["record"]["values"][1]["data"] == "Nut"
    assert shell.json(*run, "-y", code=1)["states"] == {"same": 2, "bad": 1}
    table.write_text("part_no,URL,name\nA-1,https://new,Bolt\n")
    assert shell.json(*run, "-y")["states"] == {"updated": 1}
    record = shell.json("resolve", "lab.1/A-1")["record"]
    assert (record["version"], record["values"][0]["data"]) == (2, "https://new")
    assert (
        shell.json("resolve", "lab.1/A-3")["record"]["status"] == "active"
    )  # missing, not retired
    assert not (tmp_path / "parts.csv.journal").exists()
    assert (tmp_path / "parts.result.csv").read_bytes().startswith(b"\xef\xbb\xbfrow,")


@pytest.mark.parametrize(
    "words",
    [
        ("register", "parts.xlsx"),
        ("register", "lab.1/x", "--id", "lab.1/{x}"),
        ("register", "lab.1/x", "--value", "nonsense"),
        ("register", "lab.2/x", "-y"),
        ("register", "not an identifier"),
        ("resolve", "not an identifier"),
        ("update", "lab.1/x"),
        ("update", "lab.1/none", "--value", "a=b"),
        ("retire", "lab.1/x", "--reason", "tired"),
        ("readings", "lab.1/x", "--prove", "1.2"),
        ("history", "lab.1/x", "--at", "yesterday"),
        ("key", "new", "k", "--role", "king"),
        ("key", "rotate", "log"),
        ("key", "revoke", "nobody", "-y"),
        ("prefix", "show", "lab.9"),
        ("prefix", "delegate", "lab.1/x", "--owner-name", "x", "--owner-key", "k"),
        ("resolve", "lab.1/x", "-c", "other"),
        ("resolve",),
        ("nonsense",),
        ("--lang", "fr", "status"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error(shell: Shell, words: tuple[str, ...]) -> None:
    """Exit code 2, and nothing is changed."""
    code, out, err = shell.run(*words)
    assert (code, out) == (2, "")
    assert err
    assert shell.json("status")["node"]["size"] == 4


def test_keys_are_made_listed_rotated_and_revoked(shell: Shell, tmp_path: Path) -> None:
    """The list in the ledger says who may sign, not the file's name."""
    assert shell.run("key", "new", "line-2", "--role", "agent", "--key", "agent")[0] == 2
    shell.good("key", "new", "line-2", "--role", "registrar", "--curve", "P-256")  # no file yet
    shell.good("register", "lab.1/p-1", "-y", "--key", "line-2")
    shell.good("key", "rotate", "line-2")
    assert shell.run("register", "lab.1/p-2", "-y", "--key", "line-2")[0] == 2
    shell.good("register", "lab.1/p-2", "-y", "--key", "line-2-2")
    shell.good("key", "revoke", "line-2-2", "-y", "--reason", "role-ended")
    assert shell.run("register", "lab.1/p-3", "-y", "--key", "line-2-2")[0] == 2
    shell.good("key", "rotate", "owner")  # the last owner key, replaced in one statement
    shell.good("retire", "lab.1/p-1", "-y")
    states = {one["file"]: one["state"] for one in shell.json("key", "list")["keys"]}
    assert (states["owner"], states["owner-2"], states["line-2"]) == ("revoked", "live", "revoked")


def test_a_prefix_is_given_away(shell: Shell) -> None:
    """Its new owner registers under it, the old one no longer does."""
    shell.good("key", "new", "sub")
    public = str(shell.folder / "keys" / "sub.pub.pem")
    words = ("prefix", "delegate", "lab.1.5", "--owner-name", "Sub", "--owner-key", public)
    shell.good(*words, "-n")
    assert shell.run("prefix", "show", "lab.1.5")[0] == 2
    shell.good(*words, "-y", "--objects", "10")
    assert shell.json("prefix", "show", "lab.1.5")["quota"]["objects"] == 10
    assert shell.run("register", "lab.1.5/x", "-y")[0] == 2
    shell.good("register", "lab.1.5/x", "-y", "--as", "lab.1.5")
    assert shell.json("resolve", "lab.1.5/x")["record"]["owner"] == "hdl:lab.1.5"


def test_what_looks_like_something_else_is_said(shell: Shell) -> None:
    """Full-width letters are another identifier that people would not tell apart."""
    _, _, err = shell.run("register", "lab.1/Ａ１", "-y")
    assert "hdl:lab.1/A1" in err


def test_a_node_of_another_network_is_not_believed(shell: Shell, tmp_path: Path) -> None:
    """Its trust file is not the context's."""
    init(tmp_path / "other", network="other", port=1)
    config = shell.folder / "config.toml"
    policy = (tmp_path / "other" / "trust" / "other.policy").read_bytes()
    (shell.folder / "trust" / "lab.policy").write_bytes(policy)
    assert shell.run("resolve", "lab.1")[0] == 2
    config.write_text(config.read_text().replace('network = "lab"', 'network = "other"'))
    assert shell.run("resolve", "lab.1")[0] == 1
    assert shell.run("doctor")[0] == 1


def test_status_tells_how_fast_it_grows_and_when_it_is_full(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day later by this clock: bytes per day, days until quota and disk are full."""
    shell.good("register", "lab.1/p-1", "-y")
    before = shell.json("status")
    day_later = now_s() + 86_400
    monkeypatch.setattr(start, "now_s", lambda: day_later)

    after = shell.json("status")["growth"]
    used = before["usage"]["used"]
    assert after["objects"]["per_day"] == pytest.approx(used["objects"], rel=0.01)
    assert after["log_bytes"]["per_day"] == pytest.approx(used["log_bytes"], rel=0.01)
    assert after["objects"]["days"] == pytest.approx(after["objects"]["left"], rel=0.01)
    assert after["disk"]["days"] > 0
    text = shell.good("status")
    assert "bytes per day" in text
    assert text.count(" days\n") == 4  # log, disk, and both halves of the quota
