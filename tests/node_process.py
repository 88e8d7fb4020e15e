"""A real node for tests: its folder, the node inside this process, or as a process of its own.

`make_folder` lays out `node.toml`, keys and credential of the network of `lab_world`. `NodeThread`
runs that node in a thread of this process, so that its code is measured and guarded as the test's
own; `NodeProcess` starts it as a child that the test may kill. Both serve HTTP on a real socket with
RocksDB on disk.

Run as a program (`python -m tests.node_process FOLDER`) it is that child: it prints `ready`, and ends
in order on SIGTERM.
"""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.adapters.keystore import Keystore, create_passphrase, read_passphrase
from ledger.adapters.system import Clock
from resolver.node import run_node
from resolver.settings import load_node_settings
from tests.lab_world import LAB, MEMBER, NETWORK, World

CHECKOUT = Path(__file__).resolve().parent.parent
COSE = {"content-type": "application/cose", "prefer": "wait=10"}
MANY = {"content-type": "application/vnd.xinbiao.statements"}
START_S = STOP_S = 20.0


def make_folder(folder: Path, port: int) -> Path:
    """Lay out a node of the lab network; returns its `node.toml`."""
    create_passphrase(folder / "credential", b"\x05" * 32)
    keystore = Keystore(folder / "keys", read_passphrase(folder / "credential"))
    keystore.create("log", "Ed25519", b"\x01" * 32)  # the seeds of World.log and World.cosigner
    keystore.create("cosigner", "Ed25519", b"\x02" * 32)
    file = folder / "node.toml"
    file.write_text(
        f'[ledger]\nnetwork = "{NETWORK}"\nmember = "{MEMBER}"\ndisk_free_bytes_min = 0\n'
        f"[http]\nport = {port}\n"
    )
    return file


def many(statements: Iterable[bytes]) -> bytes:
    """Return the body that carries many statements."""
    return b"".join(len(one).to_bytes(2, "big") + one for one in statements)


def begin(world: World) -> bytes:
    """Return the body that makes an empty node a ledger with a lab prefix."""
    return many([world.genesis(), world.delegate(LAB)])


class NodeThread:
    """A node in a thread of its own; `with` starts it, waits until it answers, and ends it."""

    def __init__(self, file: Path, port: int, clock: Clock | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._settings = load_node_settings(file)
        self._clock = clock
        self._thread = threading.Thread(target=self._main, name="node")
        self._up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(START_S), "the node did not start"
        if self.failure is not None:
            raise self.failure
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_S)
        assert not self._thread.is_alive(), "the node did not stop"

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  handed to the test's thread
            self.failure = error
        finally:
            self._up.set()

    async def _serve(self) -> None:
        self._loop, self._stop, ready = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            running = run_node(self._settings, stop=self._stop, ready=ready, clock=self._clock)
            tasks.create_task(running)
            await ready.wait()
            self._up.set()


class NodeProcess:
    """A node as a child process; `with` starts it, waits until it answers, and ends it."""

    def __init__(self, file: Path, port: int) -> None:
        self.file = file
        self.url = f"http://127.0.0.1:{port}"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The child's process id."""
        assert self._child is not None, "not started"
        return self._child.pid

    def start(self) -> None:
        """Start the child; returns when it answers requests."""
        with (self.file.parent / "node.log").open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.node_process", str(self.file)],
                cwd=CHECKOUT,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._child.stdout is not None
        said = self._child.stdout.readline()
        if said != b"ready\n":
            self.kill()
            raise AssertionError((self.file.parent / "node.log").read_text(errors="replace"))

    def kill(self) -> None:
        """End the child with SIGKILL and wait for it."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End the child with SIGTERM; returns its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        child, self._child = self._child, None
        if child is None:
            return 0
        child.send_signal(number)
        try:
            return child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise
        finally:
            if child.stdout is not None:
                child.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


async def _run(file: Path) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_node(load_node_settings(file), stop=stop, ready=ready))
        await ready.wait()
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
