"""The client: asks a node, and believes it nothing.

    async with Client("http://127.0.0.1:8480", trust=Path("lab.policy")) as client:
        answer = await client.resolve("lab.1/pump-07")
        answer.verdict.kind, answer.verdict.record

Theory of operation: `resolve`, `history` and `prove_reading` ask for the proof bundle and judge it with
`ledger.core.proof.verify`: the question, the network and the trust file are the caller's, the clock is
this machine's, and a bundle that does not prove an answer is a `ProofError`. The last checkpoint that was
believed is remembered (`last_seen`), so that a node which shows an older or another history is noticed.

What is only information carries no proof and says so in its name or docstring: `look_up`, `readings`,
`stream`, `usage`, `status`. `submit` sends signed statements; it holds no key. Sending the same bytes
again is harmless, so it is repeated until there is an answer.

This module starts no server and no agent (import-linter: client-starts-nothing).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx2
import orjson

from ledger.core import identifier as identifiers
from ledger.core.bundle import MEDIA_TYPE_CBOR
from ledger.core.policy import FILE_BYTES_MAX, TrustFile
from ledger.core.proof import verify
from ledger.core.question import Moment, Question, Size
from ledger.core.receipt import Receipt
from ledger.core.verdict import Verdict
from ledger.errors import Rejection, RejectionCode, TrustFileError
from xinbiao.errors import AnswerError, UsageError
from xinbiao.last_seen import LastSeen
from xinbiao.system import Now, now_s
from xinbiao.wire import TIMEOUT_S, WRITE_PATIENCE_S, Reply, Wire, bad_items

STATEMENTS_MEDIA_TYPE: Final = "application/vnd.xinbiao.statements"
SUBMIT_BYTES_MAX: Final = 2 * 1024 * 1024  # of one request; a node takes 8 MiB
SUBMIT_STATEMENTS_MAX: Final = 1_000
LOOK_UP_MAX: Final = 1_000
LOOK_UP_CHARS_MAX: Final = 250_000
_BEHIND: Final = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A proved answer.

    Attributes:
        verdict: What was proved.
        bundle: The proof, CBOR; whoever has the trust file can check it again, offline.
    """

    verdict: Verdict
    bundle: bytes


class Client:
    """Asks one node of one network; an asynchronous context manager.

    Args:
        url: The node's base URL.
        trust: The network's trust file, its path, or None where nothing is to be proved.
        max_age_s: Age that a current answer may have; None: as the trust file says.
        memory: Where the last checkpoint believed is kept; None: in this object only.
        timeout_s: Longest silence within one request.
        now: The verifier's clock, Unix seconds.
        transport: Another way to the node, for tests in one process.
    """

    def __init__(
        self,
        url: str,
        trust: TrustFile | Path | str | None,
        *,
        max_age_s: int | None = None,
        memory: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        now: Now = now_s,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._trust = Path(trust) if isinstance(trust, str) else trust
        self._max_age_s = max_age_s
        self._memory = LastSeen(memory)
        self._now = now
        self._wire = Wire(url, timeout_s=timeout_s, transport=transport)

    async def __aenter__(self) -> Self:
        """Read the trust file, if a path was given.

        Raises:
            TrustFileError: It cannot be used.
        """
        if self._trust is not None:
            await self._trusted()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    # ------------------------------------------------------------ proved

    async def resolve(self, identifier: str, *, portable: bool = False) -> Answer:
        """Return what an identifier is now, or that it is absent, proved.

        Args:
            identifier: In any form that people paste.
            portable: The bundle is to be checked by somebody else: without our last checkpoint.

        Raises:
            IdentifierError: It is no identifier.
            ProofError: The node did not prove its answer.
            RefusedError, AnswerError, UnreachableError: There is no answer.
        """
        text = identifiers.parse(identifier).text
        answer = await self._proved("/v1/resolve/", text, {}, "current")
        if not portable:
            return answer
        return await self._bundle("/v1/resolve/", text, {}, "current", None, None)

    async def history(
        self, identifier: str, *, at: Moment | None = None, portable: bool = False
    ) -> Answer:
        """Return the versions of an identifier, or the one of a moment, proved.

        Raises:
            IdentifierError, ProofError, RefusedError, AnswerError, UnreachableError: As `resolve`.
        """
        text = identifiers.parse(identifier).text
        query = {} if at is None else {"at": moment_text(at)}
        answer = await self._proved("/v1/history/", text, query, "history", at)
        if not portable:
            return answer
        return await self._bundle("/v1/history/", text, query, "history", at, None)

    async def prove_reading(
        self, identifier: str, *, stream: str, sequence: int, leaf: int, portable: bool = False
    ) -> Answer:
        """Return one reading with the proof that a gateway anchored it.

        Args:
            identifier: Whose reading.
            stream: The gateway's identifier.
            sequence: Number of the batch.
            leaf: Number of the reading in it.
            portable: As for `resolve`.

        Raises:
            IdentifierError, ProofError, RefusedError, AnswerError, UnreachableError: As `resolve`.
        """
        text = identifiers.parse(identifier).text
        query = {"stream": identifiers.parse(stream).text, "prove": f"{sequence}.{leaf}"}
        answer = await self._proved("/v1/readings/", text, query, "reading")
        if not portable:
            return answer
        return await self._bundle("/v1/readings/", text, query, "reading", None, None)

    async def _proved(
        self,
        path: str,
        text: str,
        query: Mapping[str, str],
        question: Question,
        at: Moment | None = None,
    ) -> Answer:
        network = (await self._trusted()).network
        seen = await asyncio.to_thread(self._memory.get, network)
        answer = await self._bundle(path, text, query, question, at, seen)
        verdict = answer.verdict
        await asyncio.to_thread(self._memory.put, network, verdict.size, verdict.root)
        return answer

    async def _bundle(
        self,
        path: str,
        text: str,
        query: Mapping[str, str],
        question: Question,
        at: Moment | None,
        seen: tuple[int, bytes] | None,
    ) -> Answer:
        """Ask for a bundle and judge it against what was seen last."""
        headers = {"accept": MEDIA_TYPE_CBOR}
        since = {} if seen is None else {"since": str(seen[0])}
        target = path + quote(text, safe="")
        reply = await self._wire.send("GET", target, headers=headers, query={**query, **since})
        if reply.status == _BEHIND and since:
            # the node's log is smaller than what we saw: let `verify` say so, with the evidence
            reply = await self._wire.send("GET", target, headers=headers, query=query)
        if not reply.headers.get("content-type", "").startswith(MEDIA_TYPE_CBOR):
            if reply.status >= 400:
                reply.refuse()
            raise AnswerError(f"{self._wire.url}: no proof in the answer; is this a node?")
        trust = await self._trusted()
        verdict = verify(
            reply.body,
            text,
            network=trust.network,
            trust=trust,
            now=self._now(),
            max_age=self._max_age_s,
            question=question,
            at=at,
            last_seen=seen,
        )
        return Answer(verdict=verdict, bundle=reply.body)

    async def _trusted(self) -> TrustFile:
        if self._trust is None:
            raise UsageError("nothing can be proved without a trust file: give one (--trust FILE)")
        if isinstance(self._trust, Path):
            self._trust = await asyncio.to_thread(read_trust, self._trust)
        return self._trust

    # ------------------------------------------------------------ without a proof

    async def look_up(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Return what the node says of many identifiers, one answer each, in order, **unproved**.

        Raises:
            RefusedError, AnswerError, UnreachableError: There is no answer.
        """
        found: list[dict[str, Any]] = []
        for part in _parts(texts):
            body = orjson.dumps({"identifiers": part, "proof": "none"})
            reply = await self._wire.send(
                "POST", "/v1/resolve", headers={"content-type": "application/json"}, body=body
            )
            results = _ok(reply).get("results")
            if not isinstance(results, list) or len(results) != len(part):
                raise AnswerError("the node answered another number of identifiers than asked")
            found += results
        return found

    async def readings(
        self,
        identifier: str,
        *,
        start: str | None = None,
        end: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """Return a page of readings, **unproved**: `prove_reading` proves any one of them.

        Args:
            identifier: Whose readings.
            start: From when, RFC 3339 or Unix µs.
            end: Until when.
            limit: At most how many.
            cursor: Where the page before ended.

        Raises:
            IdentifierError, RefusedError, AnswerError, UnreachableError: As `resolve`.
        """
        given = {"from": start, "to": end, "limit": limit, "cursor": cursor}
        query = {name: str(value) for name, value in given.items() if value is not None}
        return await self._get("/v1/readings/", identifier, query)

    async def stream(self, identifier: str) -> dict[str, Any]:
        """Return where a gateway's chain of batches stands, **unproved**."""
        return await self._get("/v1/streams/", identifier)

    async def usage(self, prefix: str) -> dict[str, Any]:
        """Return quota and use of a prefix, **unproved**."""
        return await self._get("/v1/usage/", prefix)

    async def status(self) -> dict[str, Any]:
        """Return where the node stands, **unproved**."""
        return _ok(await self._wire.send("GET", "/v1/status"))

    async def entry(self, index: int) -> dict[str, Any]:
        """Return a log entry with its path, **unproved**."""
        return _ok(await self._wire.send("GET", f"/entries/1.{index}"))

    async def _get(
        self, path: str, identifier: str, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        text = identifiers.parse(identifier).text
        return _ok(await self._wire.send("GET", path + quote(text, safe=""), query=query))

    # ------------------------------------------------------------ writes

    async def submit(self, statement: bytes) -> Receipt:
        """Log one statement.

        Raises:
            Rejection: The ledger refuses it.
            RefusedError, AnswerError, UnreachableError: It is not known to be logged.
        """
        [outcome] = await self.submit_many([statement])
        if isinstance(outcome, Rejection):
            raise outcome
        return outcome

    async def submit_many(self, statements: Sequence[bytes]) -> list[Receipt | Rejection]:
        """Log statements in order; return one answer each.

        Each request is repeated until it is answered, so that a lost connection loses nothing and
        doubles nothing.

        Raises:
            RefusedError, AnswerError, UnreachableError: Those not answered are not known to be logged.
        """
        outcomes: list[Receipt | Rejection] = []
        for part in _bodies(statements):
            body = b"".join(len(one).to_bytes(2, "big") + one for one in part)
            reply = await self._wire.send(
                "POST",
                "/entries",
                headers={"content-type": STATEMENTS_MEDIA_TYPE, "accept": "application/json"},
                body=body,
                patience_s=WRITE_PATIENCE_S,
            )
            results = _ok(reply).get("results")
            if not isinstance(results, list) or len(results) != len(part):
                raise AnswerError("the node answered another number of statements than was sent")
            outcomes += [_outcome(one) for one in results]
        return outcomes


def read_trust(path: Path) -> TrustFile:
    """Read a trust file.

    Raises:
        TrustFileError: It is missing or breaks the grammar.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise TrustFileError(0, f"{path}: {error.strerror}") from None
    return TrustFile.parse(data)


def moment_text(at: Moment) -> str:
    """Return a moment as the interface takes it."""
    if isinstance(at, Size):
        return str(at.size)
    seconds, ms = divmod(at.ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03}Z"


def _ok(reply: Reply) -> dict[str, Any]:
    if reply.status != 200:
        reply.refuse()
    return reply.json()


def _parts(texts: Sequence[str]) -> list[list[str]]:
    """Cut texts into questions that a node takes."""
    parts: list[list[str]] = []
    chars = LOOK_UP_CHARS_MAX
    for text in texts:
        if not parts or len(parts[-1]) == LOOK_UP_MAX or chars + len(text) > LOOK_UP_CHARS_MAX:
            parts.append([])
            chars = 0
        parts[-1].append(text)
        chars += len(text)
    return parts


def _bodies(statements: Sequence[bytes]) -> list[list[bytes]]:
    """Cut statements into requests that a node takes."""
    parts: list[list[bytes]] = []
    size = 0
    for one in statements:
        full = size + len(one) > SUBMIT_BYTES_MAX or (
            parts and len(parts[-1]) == SUBMIT_STATEMENTS_MAX
        )
        if not parts or full:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += len(one)
    return parts


def _outcome(value: object) -> Receipt | Rejection:
    match value:
        case {"index": int(index), "size": int(size), "hash": str(digest)}:
            try:
                return Receipt(index=index, hash=bytes.fromhex(digest), size=size)
            except ValueError:
                raise AnswerError("a receipt's hash is not hex") from None
        case {"code": int(code), "detail": str(detail), **rest} if code in list(RejectionCode):
            return Rejection(RejectionCode(code), detail, bad_items(rest.get("items")))
        case _:
            raise AnswerError("an outcome is neither a receipt nor a refusal")
