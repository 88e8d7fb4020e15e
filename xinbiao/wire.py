"""HTTP as the client uses it: bounded answers, and every failure as an error of ours.

Theory of operation: a node is not trusted, so an answer has a size limit, a time limit and no power to
send us elsewhere (redirects are not followed). A request that changes something is safe to repeat,
because a node answers the same statement with the first receipt again; so connection failures, 429 and
503 are tried again, each time later, until patience ends. Retry-After is obeyed within it.

Nothing here is verified; that is `client`'s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import httpx2
import orjson

from ledger.core.bundle import BUNDLE_BYTES_MAX, JSON_CHARS_MAX
from xinbiao.errors import AnswerError, RefusedError, UnreachableError

TIMEOUT_S: Final = 20.0
READ_PATIENCE_S: Final = 2.5  # a person waits
WRITE_PATIENCE_S: Final = 60.0  # a statement is worth more
RETRY_S_FIRST: Final = 0.2
RETRY_S_MAX: Final = 5.0
ANSWER_BYTES_MAX: Final = max(BUNDLE_BYTES_MAX, JSON_CHARS_MAX)
_REASON_CHARS_MAX: Final = 1000
_AGAIN: Final = frozenset((429, 502, 503, 504))


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer, of any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after_s(self) -> float | None:
        """Seconds of Retry-After, or None."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() and len(text) < 5 else None

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            AnswerError: It is none.
        """
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise AnswerError(f"the node's answer is no JSON: {error}") from None
        if not isinstance(value, dict):
            raise AnswerError("the node's answer is no JSON object")
        return value

    def refuse(self) -> NoReturn:
        """Raise what the problem in the body says.

        Raises:
            RefusedError: Always.
        """
        try:
            problem = self.json()
        except AnswerError:
            problem = {}
        title = str(problem.get("title") or f"http-{self.status}")[:_REASON_CHARS_MAX]
        detail = str(problem.get("detail") or "no reason given")[:_REASON_CHARS_MAX]
        raise RefusedError(title, detail, self.status, bad_items(problem.get("items")))


def bad_items(value: object) -> tuple[tuple[int, str], ...]:
    """Return the bad items that a refusal names; anything of another shape is left out."""
    if not isinstance(value, list):
        return ()
    return tuple(
        (number, str(reason)[:_REASON_CHARS_MAX])
        for number, reason in (item for item in value if isinstance(item, list) and len(item) == 2)
        if isinstance(number, int) and not isinstance(number, bool)
    )


class Wire:
    """Requests to one node.

    Args:
        url: The node's base URL.
        timeout_s: Longest silence within one request.
        transport: Another way to the node (tests serve from the same process).
        sleep: Waits between attempts.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._sleep = sleep
        self._timeout_s = timeout_s
        self._transport = transport
        self._making = asyncio.Lock()
        self._http: httpx2.AsyncClient | None = None

    async def _client(self) -> httpx2.AsyncClient:
        """Return the HTTP client, made at the first request: TLS loads its authorities from files."""
        async with self._making:
            if self._http is None:
                self._http = await asyncio.to_thread(self._make_client)
            return self._http

    def _make_client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            # Without TLS no authority is loaded: that takes as long as a whole request.
            verify=not self.url.startswith("http://"),
            timeout=self._timeout_s,
            follow_redirects=False,
            transport=self._transport,
            headers={"accept-encoding": "identity", "user-agent": "xinbiao"},
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str | list[str]] | None = None,
        body: bytes | None = None,
        patience_s: float = READ_PATIENCE_S,
    ) -> Reply:
        """Send a request until it is answered or patience ends.

        Raises:
            UnreachableError: No answer, or still 429 or 503.
            AnswerError: The answer is too large.
        """
        loop = asyncio.get_running_loop()
        deadline_s, pause_s = loop.time() + patience_s, RETRY_S_FIRST
        while True:
            try:
                reply = await self._once(method, path, headers or {}, query or {}, body)
                if reply.status not in _AGAIN:
                    return reply
                why, wait_s = _busy(reply), max(pause_s, reply.retry_after_s or 0)
            except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
                raise UnreachableError(f"{self.url}: {error} Check the URL") from None
            except (httpx2.HTTPError, httpx2.StreamError) as error:
                why, wait_s = f"{type(error).__name__}: {error}", pause_s
            if loop.time() + wait_s > deadline_s:
                raise UnreachableError(
                    f"{self.url} does not answer ({why}): is the node running? "
                    "`xinbiao node run` starts it, --context chooses another"
                )
            await self._sleep(wait_s)
            pause_s = min(2 * pause_s, RETRY_S_MAX)

    async def _once(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, str | list[str]],
        body: bytes | None,
    ) -> Reply:
        url = self.url + path
        content = bytearray()
        client = await self._client()
        async with client.stream(
            method, url, content=body, headers=dict(headers), params=dict(query)
        ) as response:
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > ANSWER_BYTES_MAX:
                    raise AnswerError(f"{url}: an answer of more than {ANSWER_BYTES_MAX} bytes")
        return Reply(response.status_code, response.headers, bytes(content))


def _busy(reply: Reply) -> str:
    try:
        reply.refuse()
    except RefusedError as error:
        return f"HTTP {reply.status}, {error}"
