"""Composition root of a node: the ledger of one member and the HTTP server in front of it.

One process, one event loop: the engine's writer and the embedded Granian server are tasks of one
TaskGroup, so that the server can answer only while the store is open. Stop: the server takes no more,
the writer is cancelled, the store is closed. kill -9 at any point loses nothing acknowledged.
"""

import asyncio
import errno
import gc
import logging
import socket
from typing import Final

from granian.constants import Interfaces
from granian.server.embed import Server

from ledger.adapters.system import Clock
from ledger.errors import StorageError
from ledger.node import LedgerNode
from resolver.adapters.archive import Archives
from resolver.adapters.view import LedgerView
from resolver.interfaces.http import Front, Reads
from resolver.interfaces.operations import operations
from resolver.settings import HttpSettings, NodeSettings

STOP_S_MAX: Final = 10
_READY_POLL_S: Final = 0.02
_READY_S_MAX: Final = 30
_log = logging.getLogger(__name__)


async def run_node(
    settings: NodeSettings,
    *,
    stop: asyncio.Event,
    ready: asyncio.Event | None = None,
    clock: Clock | None = None,
) -> None:
    """Run a node until `stop` is set.

    Args:
        settings: The whole of `node.toml`.
        stop: Ends the node in order.
        ready: Set when the first request can be answered.
        clock: The clock; the system's by default.

    Raises:
        KeystoreError: A key cannot be opened.
        StorageError: The store is held, damaged, or failed; or the port is taken.
    """
    _check_port(settings.http)
    node = await asyncio.to_thread(LedgerNode.open, settings.ledger, clock)
    # The map's nodes live as long as the node and hold no cycles: a collector that walks them again
    # and again costs a third of a read.
    gc.collect()
    gc.freeze()
    try:
        await serve_node(node, settings.http, stop=stop, ready=ready)
    finally:
        await asyncio.to_thread(node.close)


async def serve_node(
    node: LedgerNode,
    http: HttpSettings,
    *,
    stop: asyncio.Event,
    ready: asyncio.Event | None = None,
) -> None:
    """Serve an opened node until `stop` is set; the caller closes it.

    Raises:
        StorageError: The store failed.
    """
    reads = Reads(
        node,
        Archives(node.store, node.engine),
        lambda head: LedgerView(node.engine, head),
    )
    # Its constructor looks at the disk (the working directory), so it runs in a thread.
    server = await asyncio.to_thread(_server, reads, http)
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(node.run())
        serving = tasks.create_task(server.serve())
        try:
            await _until_listening(http)
            _log.info("node of %s listens on %s:%d", node.settings.network, http.host, http.port)
            if ready is not None:
                ready.set()
            await stop.wait()
        finally:
            server.stop()  # type: ignore[no-untyped-call]
            await asyncio.wait([serving], timeout=STOP_S_MAX)
            serving.cancel()
            writer.cancel()


def _server(reads: Reads, http: HttpSettings) -> Server:
    return Server(
        Front(reads, operations(reads)),
        address=http.host,
        port=http.port,
        interface=Interfaces.ASGI,
        backlog=http.backlog,
        log_enabled=False,
        websockets=False,
    )


def _check_port(http: HttpSettings) -> None:
    """Refuse a port that somebody listens on; Granian would share it silently.

    Raises:
        StorageError: The address is in use.
    """
    with socket.socket(socket.AF_INET6 if ":" in http.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((http.host, http.port))
        except OSError as error:
            taken = "is in use" if error.errno == errno.EADDRINUSE else str(error)
            raise StorageError(
                f"{http.host}:{http.port} {taken}: choose another [http] port in node.toml"
            ) from None


async def _until_listening(http: HttpSettings) -> None:
    """Wait until the server accepts connections.

    Raises:
        StorageError: It does not within `_READY_S_MAX`.
    """
    try:
        async with asyncio.timeout(_READY_S_MAX):
            while not await _accepts(http):  # noqa: ASYNC110  another thread listens: no event to wait for
                await asyncio.sleep(_READY_POLL_S)
    except TimeoutError:
        raise StorageError(f"the HTTP server did not start within {_READY_S_MAX} s") from None


async def _accepts(http: HttpSettings) -> bool:
    try:
        _, writer = await asyncio.open_connection(http.host, http.port)
    except OSError:
        return False
    writer.close()
    return True
