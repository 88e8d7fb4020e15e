"""An embedded MQTT broker for the demo and for tests: rumqttd, out of the `iotcore` wheel, in a child process.

Theory of operation: the broker inside iotcore blocks its thread and has no way to be stopped, so it gets a process of
its own. The child ends when its standard input closes: when we stop it, and also when we are killed, because the
kernel closes the pipe then. It runs in a session of its own, so that Ctrl-C in a terminal reaches our process only,
which can still deliver what is on its way before it stops the broker.

`python -m simulations.broker --port N` is that child: it says `listening` when it does, or why it does not. Started by
hand it runs until end of input (Ctrl-D).

What it keeps is in memory only and bounded: a restart forgets sessions and queued messages, and a subscriber that is
more than `SEGMENTS` segments behind has lost some. It listens on the loopback interface
without passwords and is no broker for a plant.
"""

import argparse
import asyncio
import logging
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from simulations.errors import BrokerError

PAYLOAD_BYTES_MAX: Final = 1 << 20
INFLIGHT_MAX: Final = 1_000  # messages without acknowledgement per subscriber
CONNECTIONS_MAX: Final = 1_000
# Kept per topic filter, for subscribers that are slow or away; older messages are dropped without a word. Takes up to
# five times as much memory for small messages: 200 MB in the worst case, room for half a million readings.
SEGMENT_BYTES: Final = 4 << 20
SEGMENTS: Final = 10
START_S_MAX: Final = 10.0
STOP_S_MAX: Final = 5.0
POLL_S: Final = 0.02
PORT_TRIES: Final = 5

_LISTENING = "listening"
_ROOT = str(Path(__file__).resolve().parent.parent)
# The child must find this package whatever its working directory is.
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from simulations.broker import main; main()"
)


class Broker(Protocol):
    """An MQTT broker that we start and stop."""

    @property
    def port(self) -> int:
        """The port it accepts connections on; known once started."""
        ...

    async def start(self) -> None:
        """Return when the broker accepts connections.

        Raises:
            BrokerError: It did not start; nothing is left running.
        """
        ...

    async def stop(self) -> None:
        """End the broker and return when its port is free; does nothing when it is not running."""
        ...


class EmbeddedBroker:
    """iotcore's broker in a child process; an async context manager that starts and stops it."""

    def __init__(
        self,
        *,
        listen: str = "127.0.0.1",
        port: int | None = None,
        payload_bytes_max: int = PAYLOAD_BYTES_MAX,
    ) -> None:
        """Prepare a broker on `port` of the address `listen`; None takes any free port."""
        self._listen = listen
        self._wanted_port = port
        self._payload_bytes_max = payload_bytes_max
        self._port: int | None = None
        self._child: asyncio.subprocess.Process | None = None

    @property
    def port(self) -> int:
        """The port it accepts connections on; known once started."""
        assert self._port is not None, "the broker was not started"
        return self._port

    @property
    def pid(self) -> int | None:
        """Process id of the child, None when it is not running."""
        return self._child.pid if self._child and self._child.returncode is None else None

    async def start(self) -> None:
        """Return when the broker accepts connections.

        Raises:
            BrokerError: It did not start; nothing is left running.
        """
        assert self._child is None, "the broker is running already"
        for last in [False] * (PORT_TRIES - 1) + [True]:
            port = self._wanted_port or _free_port(self._listen)
            try:
                await self._start_on(port)
            except BrokerError:
                if last or self._wanted_port is not None:
                    raise
            else:
                self._port = port
                return

    async def _start_on(self, port: int) -> None:
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", _CHILD, _ROOT, "--listen", self._listen, "--port", str(port)),
            *("--payload-bytes-max", str(self._payload_bytes_max)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._child.stdout is not None
        try:
            async with asyncio.timeout(START_S_MAX):
                said = (await self._child.stdout.readline()).decode(errors="replace").strip()
                if said == _LISTENING:
                    return
                ended_with = await self._child.wait()
            reason = said or f"its process ended with {ended_with}"
        except TimeoutError:
            reason = f"not listening after {START_S_MAX} s"
        except asyncio.CancelledError:
            await self.stop()
            raise
        await self.stop()
        raise BrokerError(f"the embedded broker did not start on {self._listen}:{port}: {reason}")

    async def stop(self) -> None:
        """End the broker and return when its port is free; does nothing when it is not running."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        child.stdin.close()
        try:
            async with asyncio.timeout(STOP_S_MAX):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()


def _free_port(listen: str) -> int:
    """Return a port that is free at this moment; the child may still lose it, and is then started again."""
    with socket.socket() as probe:
        probe.bind((listen, 0))
        port: int = probe.getsockname()[1]
    return port


# ---------------------------------------------------------------- the child


def _end_with_input() -> None:
    """End the process when standard input closes; the broker itself cannot be asked to."""
    try:
        while sys.stdin.buffer.read(4_096):
            continue
    finally:
        os._exit(0)


def _announce(host: str, port: int) -> None:
    """Say that the broker listens, once it does; the port was seen free before it was started."""
    pause = threading.Event()
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                break
        pause.wait(POLL_S)
    sys.stdout.write(f"{_LISTENING}\n")
    sys.stdout.flush()


def _config(listen: str, port: int, payload_bytes_max: int) -> str:
    """Return rumqttd's configuration; iotcore's own arguments cannot bound what it keeps."""
    return f"""
id = 0
[router]
id = 0
max_connections = {CONNECTIONS_MAX}
max_outgoing_packet_count = 200
max_segment_size = {SEGMENT_BYTES}
max_segment_count = {SEGMENTS}
[v4.1]
name = "v4"
listen = "{listen}:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = {payload_bytes_max}
max_inflight_count = {INFLIGHT_MAX}
dynamic_filters = true
"""


def main() -> None:
    """Run the broker in this process until standard input closes."""
    parser = argparse.ArgumentParser(prog="python -m simulations.broker", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--payload-bytes-max", type=int, default=PAYLOAD_BYTES_MAX)
    options = parser.parse_args()
    from iotcore import IotCoreBroker

    # its routing spans arrive as ERROR records, one per packet
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(_config(options.listen, options.port, options.payload_bytes_max))
        file.flush()
        broker = IotCoreBroker(config_path=file.name)  # reads it here, once
    try:
        broker.check_ports()
    except OSError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(1)
    threading.Thread(target=_end_with_input, daemon=True).start()
    threading.Thread(target=_announce, args=(options.listen, options.port), daemon=True).start()
    broker.run_forever()


if __name__ == "__main__":
    main()
