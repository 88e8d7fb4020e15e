"""The HTTP server's application: hot reads first, everything else through FastAPI.

Theory of operation. `Front` is a plain ASGI application. It answers the read paths itself, from
`native`, `tiles` and `handle_rest`, writing pre-encoded bytes; only what it does not know goes on to
the FastAPI application, which has the writes, operations, the OpenAPI document and its page. Routing
and validation of FastAPI cost several times a key lookup, and a read is a key lookup.

Every read looks at one head (`View`), so an answer is consistent in itself. Our own errors
become problem answers here; anything else is a fault of ours, logged with its traceback, and answered
500 without details.

Read-your-writes: `Xinbiao-Min-Size: N` is answered from at least that size, or 503 + Retry-After.

Opening an archive takes up to a second, so readings are read in a thread; what they say of the ledger
is then read in the loop, from one head. Escapes in a path that are not UTF-8 arrive as U+FFFD, which
no identifier may hold.

Bodies are bounded one by one, all together, and in time (`Bodies`).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, TypeAlias

from ledger.adapters.engine_local import Published
from ledger.errors import BusyError, LedgerError
from ledger.node import LedgerNode
from resolver.core.ports import Archive, View
from resolver.errors import RequestError, ResolverError
from resolver.interfaces import handle_rest, native, tiles
from resolver.interfaces.answer import Answer, problem, problem_of

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger(__name__)
_ACCEPT: Final = b"accept"
_MIN_SIZE: Final = b"xinbiao-min-size"
BODY_S_MAX: Final = 60
BODY_DRAINED_BYTES_MAX: Final = 16 * 1024 * 1024
BODIES_BYTES_MAX: Final = 128 * 1024 * 1024
_RETRY_AFTER_S: Final = 1


class Reads:
    """The read paths over one node: path and query in, `Answer` out.

    Attributes:
        node: The ledger node that is read.
        archives: The node's archive of readings.
        answered: Answers by status, for the metrics.
        bodies: Request bodies under way.
    """

    def __init__(
        self, node: LedgerNode, archives: Archive, open_view: Callable[[Published], View]
    ) -> None:
        """Take the node, its archive, and what opens a view of a head."""
        self.node = node
        self.archives = archives
        self.answered: dict[int, int] = {}
        self.bodies = Bodies()
        self._open_view = open_view
        self._view: View | None = None
        self._head: Published | None = None

    @property
    def view(self) -> View:
        """A view of the newest head; the same object until the head moves.

        Raises:
            StorageError: There is no genesis yet.
        """
        head = self.node.engine.published
        if self._view is None or head is not self._head:
            self._view, self._head = self._open_view(head), head
        return self._view

    def view_for(self, headers: Headers) -> View:
        """Return a view that is as new as a request's `Xinbiao-Min-Size` wants it.

        Raises:
            RequestError: 503 when the node is behind, 400 when the header is no number.
            StorageError: There is no genesis yet.
        """
        for name, value in headers:
            if name == _MIN_SIZE:
                check_min_size(value, self.view.size)
        return self.view

    def get(self, path: str, query: bytes, headers: Headers) -> Answer | None:
        """Answer a GET, or None when the path is none of the hot ones."""
        if not path.startswith(_HOT):
            return None
        try:
            return self._read(self.view_for(headers), path, query, _accept(headers))
        except (LedgerError, ResolverError) as error:
            return self._refused(error)

    async def get_readings(self, path: str, query: bytes, headers: Headers) -> Answer:
        """Answer a GET of readings."""
        try:
            size = self.view_for(headers).size
            found = await asyncio.to_thread(native.readings, self.archives, path, query, size)
            if isinstance(found, Answer):
                return found
            return native.reading_proof(self.view, found, _accept(headers))
        except (LedgerError, ResolverError) as error:
            return self._refused(error)

    async def handle(
        self, method: str, path: str, query: bytes, headers: Headers, receive: Receive
    ) -> Answer:
        """Answer in the Handle dialect, refusals too; only a POST has a body that matters."""
        if method == "OPTIONS":
            return handle_rest.options()
        try:
            view = self.view_for(headers)
            if method != "POST":
                return handle_rest.handle_answer(view, method, path, query)
            async with self.bodies.read(receive, handle_rest.BODY_BYTES_MAX) as body:
                return handle_rest.handle_answer(view, method, path, query, body)
        except (LedgerError, ResolverError) as error:
            return handle_rest.refusal(problem_of(error), path)

    def _refused(self, error: Exception) -> Answer:
        """Return the answer for one of our errors, with the size of the head that was looked at."""
        refusal = problem_of(error)
        if self._view is None:
            return refusal
        size = (b"xinbiao-size", str(self._view.size).encode())
        return replace(refusal, headers=(*refusal.headers, size))

    def _read(self, view: View, path: str, query: bytes, accept: bytes) -> Answer | None:
        if path.startswith(native.RESOLVE):
            return native.resolve(view, path, query, accept)
        if path.startswith(native.HISTORY):
            return native.history(view, path, query, accept)
        if path.startswith(native.STREAMS):
            return native.stream(view, self.archives, path)
        if path.startswith(native.USAGE):
            return native.usage(view, path)
        if path.startswith(tiles.TILE):
            return tiles.tile(view, path)
        return tiles.checkpoint(view) if path == tiles.CHECKPOINT else None


_HOT: Final = (
    native.RESOLVE,
    native.HISTORY,
    native.STREAMS,
    native.USAGE,
    tiles.TILE,
    tiles.CHECKPOINT,
)


class Front:
    """The ASGI application in front of FastAPI."""

    def __init__(self, reads: Reads, behind: App) -> None:
        """Take the reads and the application for everything else."""
        self._reads = reads
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._behind(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive)
        except Exception:  # noqa: BLE001  the outermost handler: logged, answered, never hidden
            _log.exception("fault of ours while answering %s", scope["path"])
            answer = problem(500, "fault", "a fault of this node; its log has the details")
        head = scope["method"] == "HEAD"
        if answer is None:
            if head:
                scope, send = {**scope, "method": "GET"}, _without_body(send)
            await self._behind(scope, receive, send)
            return
        counted = self._reads.answered
        counted[answer.status] = counted.get(answer.status, 0) + 1
        headers, body = list(answer.headers), answer.body
        if head:
            headers.append((b"content-length", str(len(body)).encode()))
            body = b""
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        path: str = scope["path"]
        if path.startswith(handle_rest.API):
            return await self._reads.handle(
                scope["method"], path, scope["query_string"], scope["headers"], receive
            )
        if scope["method"] not in ("GET", "HEAD"):
            return None
        if path.startswith(native.READINGS):
            return await self._reads.get_readings(path, scope["query_string"], scope["headers"])
        return self._reads.get(path, scope["query_string"], scope["headers"])


class Bodies:
    """Request bodies in memory: each within its bound, all within one.

    Attributes:
        taken: Bytes that requests under way hold.
    """

    def __init__(self, bytes_max: int = BODIES_BYTES_MAX) -> None:
        """Take the bound of all bodies together."""
        self.taken = 0
        self._bytes_max = bytes_max

    @asynccontextmanager
    async def read(self, receive: Receive, bytes_max: int) -> AsyncIterator[bytes]:
        """Read one body and hold its share until the caller is done with it.

        Raises:
            RequestError: 413 when it is larger than `bytes_max`, 408 when it does not end in
                `BODY_S_MAX`, 400 when the client went away.
            BusyError: The others have taken all that there is.
        """
        held = 0

        async def counting() -> MutableMapping[str, Any]:
            nonlocal held
            message = await receive()
            size = len(message.get("body", b""))
            held += size
            self.taken += size
            if self.taken > self._bytes_max:
                raise BusyError("too many request bodies are under way", _RETRY_AFTER_S)
            return message

        try:
            try:
                async with asyncio.timeout(BODY_S_MAX):
                    body = await read_body(counting, bytes_max)
            except TimeoutError:
                raise RequestError(408, "timeout", f"the body took over {BODY_S_MAX} s") from None
            yield body
        finally:
            self.taken -= held


def _accept(headers: Headers) -> bytes:
    return next((value for name, value in headers if name == _ACCEPT), b"")


def _without_body(send: Send) -> Send:
    """Return a `send` that leaves bodies out: HEAD is GET without one."""

    async def send_head(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


def check_min_size(text: bytes, size: int) -> None:
    """Refuse a read that must see more than this head.

    Raises:
        RequestError: 400 for no number, 503 when the node is behind.
    """
    if not (text.isdigit() and len(text) <= 16):
        raise RequestError(400, "malformed", "header Xinbiao-Min-Size: not a log size")
    if int(text) > size:
        raise RequestError(503, "behind", f"this node is at size {size}", 1)


async def read_body(receive: Receive, bytes_max: int) -> bytes:
    """Read a request body within a bound.

    What is somewhat too large is read to its end and thrown away: who is cut off while sending may
    never see the answer.

    Raises:
        RequestError: 413 when it is larger, 400 when the client went away.
    """
    parts: list[bytes] = []
    total = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RequestError(400, "malformed", "the request ended before its body")
        part: bytes = message.get("body", b"")
        total += len(part)
        if total <= bytes_max:
            parts.append(part)
        else:
            parts.clear()
        ended = not message.get("more_body", False)
        if ended and total <= bytes_max:
            return b"".join(parts)
        if ended or total > bytes_max + BODY_DRAINED_BYTES_MAX:
            raise RequestError(413, "too-large", f"a body of more than {bytes_max} bytes")
