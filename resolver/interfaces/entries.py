"""Registration: statements in, receipts or named refusals out (`POST /entries`, `GET /entries/{id}`).

Theory of operation (docs/spec/statements.md; SCRAPI's shapes). One COSE_Sign1, or many as
`application/vnd.xinbiao.statements` (u16be length ‖ statement, repeated). An answer is given only for
what is durable and published, and carries `Xinbiao-Size`, so that a read with `Xinbiao-Min-Size` sees
its own write. Submitting the same bytes again gives the first receipt again, so a client that heard
nothing simply repeats.

One statement is answered 303 to its entry, or 201 with the receipt when the client says
`Prefer: wait`. Entry ids are `1.<log index>`. Refusals are problem JSON, or concise CBOR for a client
that accepts only that.
"""

import re
from base64 import b64encode
from typing import Any, Final

from ledger.core.receipt import Receipt
from ledger.core.statement import STATEMENT_BYTES_MAX
from ledger.errors import Rejection
from ledger.node import LedgerNode
from resolver.core.ports import View
from resolver.errors import RequestError
from resolver.interfaces.answer import PROBLEM_CBOR, Answer, answer, json_answer, problem_of

ENTRIES: Final = "/entries/"
COSE: Final = "application/cose"
MANY: Final = "application/vnd.xinbiao.statements"
BODY_BYTES_MAX: Final = 8 * 1024 * 1024
STATEMENTS_PER_BODY_MAX: Final = 10_000
_CBOR_CLIENTS: Final = frozenset((PROBLEM_CBOR.decode(), "application/cbor", COSE))
_ENTRY_ID: Final = re.compile(r"1\.(0|[1-9][0-9]{0,15})", re.ASCII)


async def register(
    node: LedgerNode, media_type: str, body: bytes, *, prefer: str, accept: str
) -> Answer:
    """Answer `POST /entries`.

    Raises:
        RequestError: 400, 413 or 415 for the body as a whole.
        BusyError, StorageError: 503; nothing of the body is known to be logged.
    """
    if len(body) > BODY_BYTES_MAX:
        raise RequestError(413, "too-large", f"a body of more than {BODY_BYTES_MAX} bytes")
    kind = media_type.partition(";")[0].strip().lower()
    if kind == MANY:
        return await _register_many(node, body)
    if kind != COSE:
        raise RequestError(415, "unsupported-media-type", f"send {COSE} or {MANY}")
    [outcome] = await node.submit([body])
    if isinstance(outcome, Rejection):
        return problem_of(outcome, cbor=_wants_cbor(accept))
    location = f"{ENTRIES}1.{outcome.index}".encode()
    headers = ((b"location", location), size_header(outcome.size))
    if "wait" in prefer:
        return json_answer(201, _receipt_json(outcome), *headers)
    return answer(303, b"text/plain; charset=utf-8", b"", *headers)


def entry(view: View, entry_id: str) -> Answer:
    """Answer `GET /entries/{id}` with the entry and its inclusion path under the newest head.

    Raises:
        RequestError: 404: no such entry.
    """
    match = _ENTRY_ID.fullmatch(entry_id)
    index = int(match[1]) if match else view.size
    if index >= view.size:
        raise RequestError(404, "not-found", f"no entry {entry_id!r}; the log has {view.size}")
    shown = {
        "entry": entry_id,
        "index": index,
        "size": view.size,
        "checkpoint": view.note,
        "statement": b64encode(view.entry(index)).decode(),
        "path": [b64encode(one).decode() for one in view.leaf_path(index)],
    }
    return json_answer(200, shown, size_header(view.size))


def split_statements(body: bytes) -> list[bytes]:
    """Split a body of many statements.

    Raises:
        RequestError: 400: cut off, empty, or too many.
    """
    found: list[bytes] = []
    position = 0
    while position < len(body):
        length = int.from_bytes(body[position : position + 2], "big")
        end = position + 2 + length
        if not 0 < length <= STATEMENT_BYTES_MAX or end > len(body):
            raise RequestError(
                400, "malformed", f"statement {len(found)} at byte {position} is cut off or empty"
            )
        found.append(body[position + 2 : end])
        position = end
    if not 0 < len(found) <= STATEMENTS_PER_BODY_MAX:
        raise RequestError(
            400, "malformed", f"{len(found)} statements; allowed are 1–{STATEMENTS_PER_BODY_MAX}"
        )
    return found


async def _register_many(node: LedgerNode, body: bytes) -> Answer:
    outcomes = await node.submit(split_statements(body))
    results = [
        _refusal_json(one) if isinstance(one, Rejection) else _receipt_json(one) for one in outcomes
    ]
    size = node.engine.size
    return json_answer(200, {"size": size, "results": results}, size_header(size))


def _wants_cbor(accept: str) -> bool:
    """Whether a refusal goes out as concise CBOR: to who speaks COSE and has not named JSON."""
    named = {one.partition(";")[0].strip().lower() for one in accept.split(",")}
    return bool(named & _CBOR_CLIENTS) and not any("json" in one for one in named)


def _receipt_json(receipt: Receipt) -> dict[str, Any]:
    return {
        "entry": f"1.{receipt.index}",
        "index": receipt.index,
        "size": receipt.size,
        "hash": receipt.hash.hex(),
    }


def _refusal_json(rejection: Rejection) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "title": rejection.code.title,
        "code": int(rejection.code),
        "detail": rejection.detail,
    }
    if rejection.items:
        shown["items"] = [list(item) for item in rejection.items]
    return shown


def size_header(size: int) -> tuple[bytes, bytes]:
    """Return the header that says which log size an answer shows."""
    return b"xinbiao-size", str(size).encode()
