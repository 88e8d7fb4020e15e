"""The plant whose node and gateway agent are killed: its folder, its two processes, and when they die.

Made by `xinbiao init` and `xinbiao register`, run by `xinbiao node run` and `xinbiao agent run`, as on a
plant; nobody sits at a terminal, so the passphrase of the encrypted keys comes from the credential file.
A process that ends by itself, at a start or later, is a failure of its own: `kill` finds it.
"""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx2

from edge_agent.adapters.status_file import Status, read_status
from edge_agent.agent.root import SPOOL_FOLDER
from edge_agent.errors import StatusError
from edge_agent.settings import load_settings
from resolver.settings import load_node_settings
from tests.conftest import CHECKOUT, free_port

PREFIX = "hdl:lab.1"
STREAM = f"{PREFIX}/gw-1"
MACHINES, CHANNELS = 4, 5
START_S_MAX = 30.0
STOP_S_MAX = 30.0
SETTLE_S_MAX = 120.0
QUIET_S = 5.0
WRITE_S_MAX = 2.0
AFTER_WRITE_S_MAX = 0.003  # a sync of the disk takes about as long
START_S = 1.5  # about as long as a start takes
LOG_TAIL = 4_000


class Plant:
    """A folder with a network, and the two processes that are killed.

    Attributes:
        net: The folder that `xinbiao init` made.
        url: The node's base URL.
        kills: How often each was killed.
        moments: How often at which moment.
        repeats: Messages that the broker sent again and the agent dropped; at least so many.
    """

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.folder = folder
        self.net = folder / "net"
        self.kills: Counter[str] = Counter()
        self.moments: Counter[str] = Counter()
        self.repeats = 0
        self._http = free_port()
        self.url = f"http://127.0.0.1:{self._http}"
        self._broker_port = broker_port
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._database: dict[str, Path] = {}

    # ------------------------------------------------------------ making it

    def prepare(self) -> None:
        """Make the network, register what publishes, set the agent up, start both."""
        self._command("init", "--port", str(self._http))
        names = [*(f"lab.1/m{number}" for number in range(MACHINES)), "lab.1/gw-1"]
        table = self.folder / "plant.csv"
        table.write_text("identifier\n" + "\n".join(names) + "\n")
        settings = self.net / "agent.toml"
        text = settings.read_text().replace("port = 1883", f"port = {self._broker_port}")
        batch = "[batch]\nreadings_max = 500\nperiod_s = 1\n\n[[mapping]]"
        settings.write_text(text.replace("[[mapping]]", batch, 1))
        self._database = {
            "node": load_node_settings(self.net / "node.toml").ledger.data,
            "agent": load_settings(settings).data_dir / SPOOL_FOLDER,
        }
        self.start("node")
        self.wait_for_node()
        self._command("register", str(table), "--yes")
        self.start("agent")
        self._wait_for_agent()

    @property
    def data(self) -> Path:
        """The node's data directory."""
        return self._database["node"]

    def _words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "xinbiao", "--dir", str(self.net), *words]

    def _command(self, *words: str) -> None:
        done = subprocess.run(
            self._words(*words), cwd=CHECKOUT, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()

    def start(self, what: str) -> None:
        """Start `node` or `agent`; does not wait until it works."""
        with (self.folder / f"{what}.log").open("ab") as log:
            self._running[what] = subprocess.Popen(
                self._words(what, "run"),
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_for_node(self) -> None:
        """Wait until the node answers."""
        until = time.monotonic() + START_S_MAX
        while time.monotonic() < until:
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.05)
        raise AssertionError(self._said("node"))

    def _wait_for_agent(self) -> None:
        """Wait until the agent has subscribed: what is published from now on is kept for it."""
        until = time.monotonic() + START_S_MAX
        while time.monotonic() < until:
            if self.status().source_connected:
                return
            time.sleep(0.05)
        raise AssertionError(self._said("agent"))

    def _said(self, what: str) -> str:
        text = (self.folder / f"{what}.log").read_text(errors="replace")
        return f"{what} said last:\n{text[-LOG_TAIL:]}"

    # ------------------------------------------------------------ killing it

    def strike(self, what: str, dice: random.Random) -> None:
        """Kill one, at once or as it writes, and start it again; now and then kill the start too."""
        if dice.random() < 0.5 and self._wait_for_write(what):
            time.sleep(dice.uniform(0, AFTER_WRITE_S_MAX))
            self.moments["as it writes"] += 1
        else:
            self.moments["at any moment"] += 1
        self._kill_and_start(what)
        if dice.random() < 0.25:
            time.sleep(dice.uniform(0, START_S))
            self.moments["as it starts"] += 1
            self._kill_and_start(what)

    def _kill_and_start(self, what: str) -> None:
        self.kill(what)
        self.start(what)

    def kill(self, what: str) -> None:
        """End one with SIGKILL."""
        process = self._running.pop(what)
        ended = process.poll()
        assert ended is None, f"{what} ended by itself with {ended}; {self._said(what)}"
        if what == "agent":
            self._note_repeats(process.pid)
        process.kill()
        process.wait()
        self.kills[what] += 1

    def _wait_for_write(self, what: str) -> bool:
        """Return just after the write-ahead log has grown; False where nothing is written."""
        until = time.monotonic() + WRITE_S_MAX
        before = self._written(what)
        while time.monotonic() < until:
            if self._written(what) != before:
                return True
        return False

    def _written(self, what: str) -> int:
        """The bytes of the newest write-ahead log, as the operating system sees them."""
        total = 0
        for path in self._database[what].glob("*.log"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue  # RocksDB deletes the old ones
        return total

    def _note_repeats(self, pid: int) -> None:
        status = self.status()
        if status.pid == pid:
            self.repeats += status.counters.get("repeated", 0)

    # ------------------------------------------------------------ ending it

    def status(self) -> Status:
        """Return what the agent wrote last."""
        try:
            return read_status(self.net / "agent")
        except StatusError:
            return Status()

    def settle(self) -> Status:
        """Wait until the agent has passed everything on, and stays so."""
        until = time.monotonic() + SETTLE_S_MAX
        quiet_since, before = time.monotonic(), -1
        while time.monotonic() < until:
            status = self.status()
            moving = (
                status.readings_waiting
                or status.backlog
                or status.pushed != status.confirmed
                or status.readings_accepted != before
            )
            if moving:
                quiet_since, before = time.monotonic(), status.readings_accepted
            elif time.monotonic() - quiet_since > QUIET_S:
                self._note_repeats(status.pid)
                return status
            time.sleep(0.2)
        raise AssertionError(f"the agent did not settle: {self.status()}; {self._said('agent')}")

    def end(self) -> dict[str, int]:
        """End what runs, politely; returns the exit codes."""
        running, self._running = self._running, {}
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        codes = {}
        for what, process in running.items():
            try:
                codes[what] = process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[what] = process.wait()
        return codes
