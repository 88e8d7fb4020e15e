"""The raw limit of HTTP: an ASGI application that answers a fixed body, in the server that a node uses.

Run as a program: `python -m tests.bench.raw_http PORT BODY_BYTES`. It prints `ready`, and ends with
its process. Server options are those of `resolver.node`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

Event = MutableMapping[str, Any]
App = Callable[
    [Event, Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]], Awaitable[None]
]


def fixed(body: bytes) -> App:
    """Return the application that answers `body` to everything."""
    headers = [(b"content-type", b"application/json"), (b"xinbiao-size", b"1")]

    async def app(scope: Event, receive: object, send: Callable[[Event], Awaitable[None]]) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return app


async def serve(port: int, body_bytes: int) -> None:
    """Serve until a signal ends the process."""
    server = Server(
        fixed(b"x" * body_bytes),
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        backlog=1024,
        log_enabled=False,
        websockets=False,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
