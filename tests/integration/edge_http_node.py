"""A node's HTTP routes over the memory node, on a real socket, for tests of the gateway agent.

It is a small HTTP/1.1 server of asyncio streams: enough for the three requests that an agent makes,
strict about what it expects of them (media type, path, method).
"""

import asyncio
import json
from urllib.parse import unquote

from edge_agent.adapters.uplink import NeverStored, NotYet
from edge_agent.adapters.uplink_memory import MemoryNode
from ledger.core.reading import ARCHIVE_MEDIA_TYPE
from ledger.errors import Rejection

Reply = tuple[int, dict[str, str], bytes]
PHRASES = {200: "OK", 201: "Created", 204: "No Content", 303: "See Other", 409: "Conflict"}


class HttpMemoryNode:
    """Serves a `MemoryNode`; `async with` binds a free port of the loopback interface."""

    def __init__(self, node: MemoryNode, *, port: int = 0) -> None:
        self.node = node
        self.port = port
        self.requests: list[str] = []
        self.answer_next: list[Reply] = []  # sent instead of the real answer, first come first
        self.cut_next = 0  # connections cut after the request was taken
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "HttpMemoryNode":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status, extra, content = self._answer(method, path, headers, body)
                if self.cut_next:
                    self.cut_next -= 1
                    return
                lines = [f"HTTP/1.1 {status} {PHRASES.get(status, 'Other')}"]
                lines += [f"{name}: {value}" for name, value in extra.items()]
                lines += [f"content-length: {len(content)}", "", ""]
                writer.write("\r\n".join(lines).encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        self.requests.append(f"{method} {path}")
        if self.answer_next:
            return self.answer_next.pop(0)
        if (method, path) == ("POST", "/entries"):
            assert headers["content-type"] == "application/cose"
            assert headers["prefer"].startswith("wait=")
            return self._submit(body)
        kind, stream, *rest = [unquote(part) for part in path.removeprefix("/v1/").split("/")]
        assert stream == self.node.stream_text
        if (method, kind) == ("GET", "streams"):
            return self._position()
        assert (method, kind) == ("PUT", "archive")
        assert headers["content-type"] == ARCHIVE_MEDIA_TYPE
        answer = self.node.judge_body(int(rest[0]), body)
        if isinstance(answer, NotYet):
            return 409, {}, b"{}"
        if isinstance(answer, NeverStored):
            return 400, {}, json.dumps({"detail": answer.detail}).encode()
        return 204, {}, b""

    def _submit(self, body: bytes) -> Reply:
        self.node.submissions += 1
        try:
            return 201, {"content-type": "application/cose"}, self.node.judge(body)
        except Rejection as error:
            problem = {"title": error.code.title, "detail": error.detail}
            return error.code.http_status, {}, json.dumps(problem).encode()

    def _position(self) -> Reply:
        remote = self.node.remote()
        if remote.last_hash is None:
            return 404, {}, b"{}"
        found = {
            "stream": self.node.stream_text,
            "next": remote.next,
            "last_statement_hash": remote.last_hash.hex(),
            "epoch": remote.epoch,
        }
        return 200, {"content-type": "application/json"}, json.dumps(found).encode()
