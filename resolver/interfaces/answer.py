"""What an interface gives back, before any web framework: status, headers, body, all pre-encoded.

Hot reads build an `Answer` and the front writes it to the socket as it is; the FastAPI application
turns the same value into a Response. Errors are RFC 9457 problem JSON, or RFC 9290 CBOR for clients
that speak COSE only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ledger.core import encoding
from ledger.errors import (
    BusyError,
    EncodingError,
    IdentifierError,
    LedgerError,
    Rejection,
    StorageError,
)
from resolver.errors import RequestError

JSON: Final = b"application/json"
PROBLEM_JSON: Final = b"application/problem+json"
PROBLEM_CBOR: Final = b"application/concise-problem-details+cbor"
PROOF_CBOR: Final = b"application/vnd.xinbiao.proof+cbor"
PROOF_JSON: Final = b"application/vnd.xinbiao.proof+json"
PROBLEM_TYPE: Final = "https://xinbiao.example/problems/"
ANYONE: Final = (b"access-control-allow-origin", b"*")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def answer(status: int, media_type: bytes, body: bytes, *extra: tuple[bytes, bytes]) -> Answer:
    """Return an answer that any origin may read."""
    return Answer(status, ((b"content-type", media_type), ANYONE, *extra), body)


def json_answer(status: int, value: Any, *extra: tuple[bytes, bytes]) -> Answer:
    """Return a JSON answer."""
    return answer(status, JSON, orjson.dumps(value), *extra)


def problem(
    status: int,
    title: str,
    detail: str,
    *extra: tuple[bytes, bytes],
    cbor: bool = False,
    members: Mapping[str, Any] | None = None,
) -> Answer:
    """Return an error answer: RFC 9457 JSON, or RFC 9290 CBOR {-1: title, -2: detail}."""
    if cbor:
        return answer(status, PROBLEM_CBOR, encoding.encode({-1: title, -2: detail}), *extra)
    value = {"type": PROBLEM_TYPE + title, "title": title, "status": status, "detail": detail}
    return answer(status, PROBLEM_JSON, orjson.dumps(value | dict(members or {})), *extra)


def problem_of(error: Exception, *, cbor: bool = False) -> Answer:
    """Return the answer for one of our errors."""
    match error:
        case RequestError():
            status, title, retry = error.status, error.title, error.retry_after_s
            detail = error.detail
        case Rejection():
            status, title, retry, detail = (
                error.code.http_status,
                error.code.title,
                None,
                error.detail,
            )
        case BusyError():
            status, title, retry, detail = 503, "busy", error.retry_after_s, str(error)
        case IdentifierError() | EncodingError():
            status, title, retry, detail = 400, "malformed", None, str(error)
        case StorageError():
            status, title, retry, detail = 503, "storage", 60, str(error)
        case LedgerError():
            status, title, retry, detail = 400, "malformed", None, str(error)
        case _:
            raise error
    extra = () if retry is None else ((b"retry-after", str(retry).encode()),)
    items = getattr(error, "items", ())
    members = {"items": [list(item) for item in items]} if items else None
    return problem(status, title, detail, *extra, cbor=cbor, members=members)
