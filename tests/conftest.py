"""What every test may ask for, and two rules that hold for all of them.

* Rule: a blocking call that one of our packages makes inside the event loop fails the test that made it. Calls into
  RocksDB are C code and stay invisible to the guard, which is what we want: a point read is meant to happen in the loop.
* Rule: hypothesis runs in a named profile, `dev` unless `--hypothesis-profile=ci` says otherwise.
* `shared_data` is the folder of published vectors and real data, which is not part of this repository.
* `mosquitto` and `mosquitto_port` are a real broker on a free port of the loopback interface, alive for one test.

What may be absent on a developer's machine (the data folder, the broker) skips with its reason; where the
environment says that it must be there ($XINBIAO_REQUIRE_SHARED, $CI), absence is a failure and never a skip.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import httpcore2  # noqa: F401  httpx2 imports it at first use, which would be inside a loop
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = ("ledger", "resolver", "edge_agent", "simulations", "xinbiao")
BROKER_START_S = 10.0
BROKER_STOP_S = 5.0

# a function-scoped fixture under @given is shared by its examples; ours (paths, ports) are read-only
_HEALTH = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=_HEALTH)
settings.register_profile(
    "ci", max_examples=300, deadline=None, derandomize=True, suppress_health_check=_HEALTH
)
settings.load_profile("dev")


def _absent(reason: str, *, required: bool) -> NoReturn:
    """End the test: a failure where the environment promised the part, else a skip with the reason."""
    if required:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


# ---------------------------------------------------------------- the guard of the event loop


def _unloaded(package: str) -> ModuleType:
    """The package as a bare module object: the guard wants its path, and nothing should be imported for it."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"package {package} is missing from the checkout"
    return importlib.util.module_from_spec(spec)


_OUR_PACKAGES = [_unloaded(name) for name in PACKAGES]


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Make a blocking call of our packages inside the event loop raise `BlockingError`."""
    with blockbuster_ctx(scanned_modules=_OUR_PACKAGES) as guard:
        yield guard


# ---------------------------------------------------------------- published vectors and real data


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder `shared/data` beside the checkout, or the one that $XINBIAO_SHARED_DATA names."""
    named = os.environ.get("XINBIAO_SHARED_DATA")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        _absent(
            "published vectors are not in this clone (../shared/data is absent)",
            required=bool(os.environ.get("XINBIAO_REQUIRE_SHARED")),
        )
    return folder


# ---------------------------------------------------------------- a real broker


@dataclass(slots=True)
class Mosquitto:
    """One Mosquitto process on a loopback port; sessions survive `stop` and `start` with the same object."""

    binary: str
    folder: Path
    port: int
    options: tuple[str, ...] = ()  # further lines of its configuration
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the broker and return when it accepts connections."""
        config = self.folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {self.folder}/",
            "max_queued_messages 0",  # no limit: a slow test must not lose what it counts
            "log_dest stderr",
            *self.options,
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it gives up root and cannot write to the test's folder
        config.write_text("\n".join(lines) + "\n")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([self.binary, "-c", str(config)], stderr=log)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + BROKER_START_S
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        log = (self.folder / "mosquitto.log").read_text(errors="replace")
        self.stop()
        pytest.fail(f"mosquitto did not start on port {self.port}:\n{log}", pytrace=False)

    def stop(self) -> None:
        """End the process (politely, then by force) and wait for it; nothing happens if it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(BROKER_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A running Mosquitto that the test may stop and start again."""
    binary = shutil.which(
        "mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    )
    if binary is None:
        _absent(
            "mosquitto is not installed (Debian package: mosquitto)",
            required=bool(os.environ.get("CI")),
        )
    broker = Mosquitto(binary, tmp_path_factory.mktemp("mosquitto"), free_port())
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def mosquitto_port(mosquitto: Mosquitto) -> int:
    """The port of a running Mosquitto on 127.0.0.1."""
    return mosquitto.port
