"""A proof is judged with the network unplugged, against the caller's own question.

`xinbiao verify` runs in a network namespace without interfaces, as somebody would on a laptop in a hall.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, free_port

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(120)]
START_S_MAX = 30.0


def xinbiao(folder: Path, *words: str, unplugged: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command; unplugged, it has a network namespace of its own that nothing is in."""
    command = [sys.executable, "-m", "xinbiao", "--lang", "en", "--dir", str(folder), *words]
    if unplugged:
        command = ["unshare", "--net", *command]
    return subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network whose node has ended, and `p.json`: the absence of lab.1/NO-SUCH."""
    if shutil.which("unshare") is None:
        pytest.skip("a network namespace needs unshare (Debian package util-linux)")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a network namespace (root with CAP_SYS_ADMIN may)")
    folder = tmp_path_factory.mktemp("offline") / "net"
    assert xinbiao(folder, "init", "--port", str(free_port())).returncode == 0
    node = subprocess.Popen(
        [sys.executable, "-m", "xinbiao", "--dir", str(folder), "node", "run"],
        cwd=CHECKOUT,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + START_S_MAX
        file = str(folder / "p.json")
        while True:
            asked = xinbiao(folder, "resolve", "lab.1/NO-SUCH", "--proof", "-o", file)
            if asked.returncode != 5:
                break
            assert time.monotonic() < until, asked.stderr
        assert asked.returncode == 3, asked.stderr
    finally:
        node.terminate()
        assert node.wait(30) == 0
    return folder


def verify(folder: Path, identifier: str, trust: Path) -> subprocess.CompletedProcess[str]:
    """Verify the proof with the network unplugged."""
    words = ("verify", str(folder / "p.json"), "--identifier", identifier, "--trust", str(trust))
    return xinbiao(folder, *words, unplugged=True)


def test_absence_is_proved(proof: Path) -> None:
    """Exit code 0, and in words what was proved."""
    done = verify(proof, "lab.1/NO-SUCH", proof / "trust" / "lab.policy")
    assert done.returncode == 0, done.stderr
    assert "proved absent: hdl:lab.1/NO-SUCH" in done.stdout


def test_unplugged_is_unplugged(proof: Path) -> None:
    """The namespace reaches nothing, not even this machine: a question to the node is exit code 5."""
    assert xinbiao(proof, "resolve", "lab.1/NO-SUCH", unplugged=True).returncode == 5
    reach = "import socket; socket.create_connection(('127.0.0.1', 9), 5)"
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", reach],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Network is unreachable" in done.stderr


def test_another_identifier_fails_by_name(proof: Path) -> None:
    """A proof answers the question that it was made for."""
    done = verify(proof, "lab.1/OTHER", proof / "trust" / "lab.policy")
    assert done.returncode == 1
    assert "identifier: the bundle is about hdl:lab.1/NO-SUCH, not about hdl:lab.1/OTHER" in (
        done.stderr
    )


def test_another_network_fails_by_name(proof: Path, tmp_path: Path) -> None:
    """Whom to believe is the caller's choice, and another network's word is none."""
    other = tmp_path / "other"
    assert xinbiao(other, "init", "--network", "other").returncode == 0
    done = verify(proof, "lab.1/NO-SUCH", other / "trust" / "other.policy")
    assert done.returncode == 1
    assert "'lab', not of other" in done.stderr


def test_a_network_of_the_same_name_is_not_believed(proof: Path, tmp_path: Path) -> None:
    """A name is free to take; the keys of the trust file decide, and they signed nothing here.

    Offline it cannot be told from a network that changed its members, so a trust file with the network
    object asks whether it is out of date (exit code 4); one without it just does not believe (1).
    """
    twin = tmp_path / "twin"
    assert xinbiao(twin, "init").returncode == 0
    full = twin / "trust" / "lab.policy"
    lines = full.read_text().splitlines(keepends=True)
    bare = tmp_path / "bare.policy"
    bare.write_text("".join(one for one in lines if not one.startswith("# xinbiao network ")))
    for trust, code, words in (
        (full, 4, "trust file out of date?"),
        (bare, 1, "no listed log key"),
    ):
        done = verify(proof, "lab.1/NO-SUCH", trust)
        assert done.returncode == code, done.stderr
        assert done.stderr.startswith("xinbiao: checkpoint: no listed log key signed")
        assert words in done.stderr
        assert "proved" not in done.stdout


def test_an_old_proof_is_stale_and_not_forged(proof: Path, tmp_path: Path) -> None:
    """True then, not proved now: exit code 4, and no word of forgery."""
    trust = (proof / "trust" / "lab.policy").read_text().replace("max-age 600", "max-age 1")
    strict = tmp_path / "strict.policy"
    strict.write_text(trust)
    time.sleep(2)
    done = verify(proof, "lab.1/NO-SUCH", strict)
    assert done.returncode == 4, done.stdout
    assert "not proved current" in done.stdout
    assert "forged" not in done.stdout + done.stderr
