"""scripts/venv decides what a newcomer's machine lacks. Here a stand-in plays that machine's Python.

The stand-in is a shell script that answers the few calls that scripts/venv makes and writes down what was installed, so the
decisions are tested in milliseconds; tests/bare/run tries the real thing on a bare Debian.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = ("dirname", "id", "cat", "find", "head", "touch", "rm", "mv", "mkdir", "cp", "sh")
PYTHON = """#!/bin/sh
case "$*" in
    *version_info*) exit {old} ;;
    *ensurepip*) exit {bare} ;;
    -V) echo "Python 3.9.2" ;;
    "-m venv"*) for place; do :; done; mkdir -p "$place/bin"; cp "$0" "$place/bin/python" ;;
    "-m pip --version") ;;
    "-m pip install"*) for what; do :; done; echo "$what" >>{log} ;;
    *) exit 3 ;;
esac
"""


class Newcomer:
    """A project folder with scripts/venv in it, on a machine that has a few tools and a stand-in Python."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.tools = folder / "bin"
        self.log = folder / "installed"
        for package in ("ledger", "resolver", "edge_agent", "simulations", "xinbiao", "scripts"):
            (self.project / package).mkdir(parents=True)
        (self.project / "pyproject.toml").touch()
        (self.project / "ledger" / "errors.py").touch()
        shutil.copy(CHECKOUT / "scripts" / "venv", self.project / "scripts")
        self.tools.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None, tool
            (self.tools / tool).symlink_to(found)
        self.age_everything()

    def age_everything(self) -> None:
        """Make every file of the project an hour old, as it is long after a clone."""
        for path in (self.project, *self.project.rglob("*")):
            if ".venv" not in path.parts:
                os.utime(path, (path.stat().st_mtime - 3600,) * 2)

    def has_python(self, *, old: bool = False, bare: bool = False) -> None:
        script = self.tools / "python3"
        script.write_text(PYTHON.format(old=int(old), bare=int(bare), log=self.log))
        script.chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.project / "scripts" / "venv", *arguments],
            env={"PATH": str(self.tools)},
            check=False,
            capture_output=True,
            text=True,
        )

    @property
    def installed(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path)


def test_without_python_it_names_what_is_needed(newcomer: Newcomer) -> None:
    done = newcomer.run()
    assert done.returncode == 1
    assert "Python 3.11 or newer" in done.stderr


def test_an_old_python_is_refused_with_its_version(newcomer: Newcomer) -> None:
    newcomer.has_python(old=True)
    done = newcomer.run()
    assert done.returncode == 1
    assert "3.11" in done.stderr
    assert "Python 3.9.2" in done.stderr


def test_without_the_venv_module_and_without_apt_it_names_the_package(newcomer: Newcomer) -> None:
    newcomer.has_python(bare=True)
    done = newcomer.run()
    assert done.returncode == 1
    assert "python3-venv" in done.stderr
    assert not (newcomer.project / ".venv").exists()


def test_it_prints_the_environment_and_installs_once(newcomer: Newcomer) -> None:
    newcomer.has_python()
    for _ in range(3):
        done = newcomer.run()
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()) == newcomer.project / ".venv"
    assert newcomer.installed == ["."]


def test_a_changed_source_is_installed_again(newcomer: Newcomer) -> None:
    newcomer.has_python()
    newcomer.run()
    (newcomer.project / "ledger" / "errors.py").touch()
    os.utime(newcomer.project / "ledger" / "errors.py", (4_000_000_000,) * 2)
    newcomer.run()
    assert newcomer.installed == [".", "."]


def test_a_developers_installation_serves_the_demo_and_ignores_changed_sources(
    newcomer: Newcomer,
) -> None:
    newcomer.has_python()
    newcomer.run("dev")
    os.utime(newcomer.project / "ledger" / "errors.py", (4_000_000_000,) * 2)
    newcomer.run()
    newcomer.run("dev")
    assert newcomer.installed == [".[dev]"]


def test_an_installation_for_users_is_replaced_when_a_developer_comes(newcomer: Newcomer) -> None:
    newcomer.has_python()
    newcomer.run()
    newcomer.run("dev")
    assert newcomer.installed == [".", ".[dev]"]
