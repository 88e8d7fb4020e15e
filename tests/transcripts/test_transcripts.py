"""The command line as text: every transcript here is played against a real node and must come out so.

The lines of a command are its standard output, then its standard error; `[n]` is its exit code.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE_START_S = 30.0
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Step:
    """One command and what it prints."""

    line: int
    command: str
    expected: list[str]


def steps(file: Path) -> Iterator[Step]:
    """Yield the steps of a transcript."""
    command, line, expected = "", 0, list[str]()
    for number, text in enumerate(file.read_text("utf-8").splitlines(), 1):
        if text.startswith("$ "):
            if command:
                yield Step(line, command, expected)
            command, line, expected = text[2:], number, []
        elif command and text:
            expected.append(text)
    yield Step(line, command, expected)


def matches(pattern: str, text: str) -> bool:
    """Tell whether a line is as written; `…` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), text) is not None


class Stage:
    """A directory with a network, and perhaps its node running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        root = str(HERE.parents[1])
        self.environment = {**os.environ, "PYTHONPATH": root, "LANG": "C.UTF-8", "LC_ALL": ""}
        self.environment["XINBIAO_DIR"] = str(folder / "net")

    def xinbiao(self, words: str) -> list[str]:
        """Run a command and return its lines and exit code."""
        arguments = words.replace("PORT", str(self.port)).split()
        arguments = [
            str(self.folder / "net" / one) if one.startswith("keys/") else one for one in arguments
        ]
        done = subprocess.run(
            [sys.executable, "-m", "xinbiao", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        output = done.stdout + done.stderr
        lines = [line for line in output.replace(str(self.port), "PORT").splitlines() if line]
        return [*lines, f"[{done.returncode}]"]

    def start(self) -> None:
        self.node = subprocess.Popen(
            [sys.executable, "-m", "xinbiao", "node", "run"],
            cwd=self.folder,
            env=self.environment,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + NODE_START_S
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the node did not start")

    def stop(self) -> None:
        if self.node is not None:
            self.node.send_signal(signal.SIGTERM)
            assert self.node.wait(30) == 0
            self.node = None


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Return a stage; its node is ended whatever happens."""
    stage = Stage(tmp_path)
    yield stage
    if stage.node is not None:
        stage.node.kill()
        stage.node.wait()


@pytest.mark.parametrize("file", sorted(HERE.glob("*.txt")), ids=lambda file: file.stem)
def test_transcript(file: Path, stage: Stage) -> None:
    """Every line comes out as written, in order, with the exit code."""
    for step in steps(file):
        program, _, words = step.command.partition(" ")
        if program == "node":
            stage.start() if words == "start" else stage.stop()
            continue
        said = stage.xinbiao(words)
        where = f"{file.name}:{step.line}: $ {step.command}"
        assert len(step.expected) == len(said), (where, said)
        for pattern, text in zip(step.expected, said, strict=True):
            assert matches(pattern, text), (where, pattern, text)
