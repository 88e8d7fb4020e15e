"""The way to the ledger: the port `Node`, and its HTTP form (docs/spec, native HTTP).

    POST /entries                              one anchor statement, `application/cose`, Prefer: wait=N
    GET  /v1/streams/{stream}                  {"stream", "next", "last_statement_hash", "epoch"}, 404 without any
    PUT  /v1/archive/{stream}/{sequence}       archive body; 409 until the anchor is logged, then 204

Theory of operation: every answer, whatever its bytes, becomes one of our values; a connection that
fails is `Unknown`, because the request may have arrived. Where there are several nodes, an unknown
outcome moves on to the next. Redirects are never followed: 303 means *accepted, not yet ordered*.
A receipt is kept as it came; readers verify proofs, the agent asks for the stream's position.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import quote

import httpcore2  # noqa: F401 -- else httpx2 imports it with its first client, in the event loop
import httpx2
import msgspec

from edge_agent.core.outbox import Accepted, Answer, Pending, Refused, Unknown
from edge_agent.core.session import Remote
from ledger.core.reading import ARCHIVE_MEDIA_TYPE

STATEMENT_MEDIA_TYPE: Final = "application/cose"
PREFER_WAIT_S: Final = 5
TIMEOUT_S: Final = 20.0  # beyond the wait that we ask for
ANSWER_BYTES_MAX: Final = 256 * 1024
_NAMES: Final = frozenset(
    {
        "malformed",
        "limit-exceeded",
        "wrong-network",
        "expired",
        "unknown-prefix",
        "not-authorised",
        "key-revoked",
        "bad-signature",
        "exists",
        "retired",
        "frozen",
        "version-conflict",
        "out-of-sequence",
        "quota-exceeded",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The node has the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """The body may be offered again: the anchor is not logged, or the node was not reached."""

    detail: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverStored:
    """The node refuses this body for good."""

    detail: str


ArchiveAnswer = Stored | NotYet | NeverStored


class Node(Protocol):
    """A node of the network, as the agent sees it. Nothing here raises but for our own bugs."""

    async def submit(self, statement: bytes) -> Answer:
        """Offer an anchor; offering the same bytes again is harmless."""
        ...

    async def stream(self) -> Remote | Unknown:
        """Return what the ledger says of our stream."""
        ...

    async def store(self, sequence: int, body: bytes) -> ArchiveAnswer:
        """Give the node the body of a batch."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class _Problem(msgspec.Struct):
    """RFC 9457, the members we read."""

    title: str = ""
    detail: str = ""
    type: str = ""


class _Stream(msgspec.Struct):
    next: int
    epoch: int = 0
    last_statement_hash: str | None = None


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: httpx2.Headers
    body: bytes

    @property
    def retry_after_s(self) -> float | None:
        """Seconds of Retry-After; its date form is not used by our nodes and is ignored."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def needs_tls(urls: Sequence[str]) -> bool:
    """Tell whether one of the URLs is https."""
    return any(url.lower().startswith("https:") for url in urls)


class HttpNode:
    """One or several nodes over HTTP, the preferred one first."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        stream: str,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Make a client; nothing is connected yet.

        Args:
            urls: Base URLs.
            stream: Our stream's identifier.
            timeout_s: Longest silence of a node.
            tls: Whom to trust; without it no https URL is allowed.
        """
        assert urls, "an agent needs a node"
        self._urls = [url.rstrip("/") for url in urls]
        self._preferred = 0
        self._stream = quote(stream, safe="")
        assert tls is not None or not needs_tls(urls), "an https URL needs a TLS context"
        self._client = httpx2.AsyncClient(
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            verify=tls if tls is not None else False,
        )

    @property
    def url(self) -> str:
        """The node that is asked next."""
        return self._urls[self._preferred]

    async def submit(self, statement: bytes) -> Answer:
        """POST the statement."""
        headers = {"content-type": STATEMENT_MEDIA_TYPE, "prefer": f"wait={PREFER_WAIT_S}"}
        reply = await self._request("POST", "/entries", statement, headers)
        if isinstance(reply, Unknown):
            return reply
        if reply.status in (200, 201):
            return Accepted(receipt=reply.body)
        if reply.status in (202, 303):
            return Pending(retry_after_s=reply.retry_after_s)
        if 400 <= reply.status < 500 and reply.status not in (404, 408, 425, 429):
            return _refused(reply)
        self._prefer_next()
        return Unknown(detail=f"HTTP {reply.status}", retry_after_s=reply.retry_after_s)

    async def stream(self) -> Remote | Unknown:
        """GET the stream's position."""
        reply = await self._request("GET", f"/v1/streams/{self._stream}", None, {})
        if isinstance(reply, Unknown):
            return reply
        if reply.status == 404:
            return Remote(next=0, last_hash=None, epoch=0)
        if reply.status == 200:
            remote = _remote(reply.body)
            if remote is not None:
                return remote
        self._prefer_next()
        detail = f"HTTP {reply.status} to a question about our stream"
        return Unknown(detail=detail, retry_after_s=reply.retry_after_s)

    async def store(self, sequence: int, body: bytes) -> ArchiveAnswer:
        """PUT the body."""
        headers = {"content-type": ARCHIVE_MEDIA_TYPE}
        path = f"/v1/archive/{self._stream}/{sequence}"
        reply = await self._request("PUT", path, body, headers)
        if isinstance(reply, Unknown):
            return NotYet(detail=reply.detail)
        if 200 <= reply.status < 300:
            return Stored()
        detail = f"HTTP {reply.status}: {_words(reply)}"
        if reply.status in (400, 410, 411, 413, 415, 422):
            return NeverStored(detail=detail)
        if reply.status != 409:
            self._prefer_next()
        return NotYet(detail=detail, retry_after_s=reply.retry_after_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> _Reply | Unknown:
        url = self.url + path
        try:
            async with self._client.stream(method, url, content=body, headers=headers) as response:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > ANSWER_BYTES_MAX:
                        self._prefer_next()
                        return Unknown(detail=f"{url}: an answer beyond {ANSWER_BYTES_MAX} bytes")
                return _Reply(response.status_code, response.headers, bytes(content))
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            self._prefer_next()
            return Unknown(detail=f"{url}: {type(error).__name__}: {error}")

    def _prefer_next(self) -> None:
        self._preferred = (self._preferred + 1) % len(self._urls)


def _remote(body: bytes) -> Remote | None:
    try:
        found = msgspec.json.decode(body, type=_Stream)
        last = (
            None if found.last_statement_hash is None else bytes.fromhex(found.last_statement_hash)
        )
    except (msgspec.MsgspecError, ValueError):
        return None
    if found.next < 0 or found.epoch < 0 or (found.next > 0 and (last is None or len(last) != 32)):
        return None
    return Remote(next=found.next, last_hash=last, epoch=found.epoch)


def _problem(reply: _Reply) -> _Problem:
    try:
        return msgspec.json.decode(reply.body, type=_Problem)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Problem()


def _words(reply: _Reply) -> str:
    problem = _problem(reply)
    return (problem.detail or problem.title or "no reason given")[:512]


def _refused(reply: _Reply) -> Answer:
    """Read a rejection; a 4xx that is none of the ledger's stops the stream under its number."""
    problem = _problem(reply)
    kind = problem.type.rstrip("/").replace("#", "/").replace(":", "/").rpartition("/")[2]
    for name in (problem.title, kind):
        if name in _NAMES:
            return Refused(name=name, detail=_words(reply))
    return Refused(name=f"http-{reply.status}", detail=_words(reply))
