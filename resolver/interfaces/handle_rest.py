"""Handle JSON REST, reading side: `GET /api/handles/{handle}` as a Handle.net v9 server answers it.

Kept from the reference: JSON with `responseCode` for everything, the handle echoed as asked, `type`
(with `T.` for sub-types) and `index` OR-ed, `pretty`, `callback`, POST as GET with its parameters in the
body, 501 for an unknown method, CORS on every answer. Records are written by signed statements only, so
PUT and DELETE answer "not supported" and say how to register.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl

import cbor2
import orjson

from ledger.core import identifier
from ledger.core.record import id_key
from ledger.errors import IdentifierError
from resolver.core.handle import ResponseCode, Wanted, answer, failure
from resolver.core.ports import View
from resolver.interfaces.answer import Answer

API: Final = "/api/"
HANDLES: Final = "/api/handles/"
BODY_BYTES_MAX: Final = 64 * 1024
FIELDS_MAX: Final = 256
CALLBACK_CHARS_MAX: Final = 128
_INDEX_DIGITS_MAX: Final = 10
_METHODS: Final = "GET, HEAD, POST, PUT, DELETE, TRACE, OPTIONS"
_JSON: Final = b"application/json;charset=UTF-8"
_SCRIPT: Final = b"application/javascript;charset=UTF-8"
_CORS: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST, HEAD, PUT, DELETE"),
    (
        b"access-control-allow-headers",
        b"X-Requested-With, Authorization, Origin, Accept, Content-Type",
    ),
)
_EXPOSED: Final = (b"access-control-expose-headers", b"Xinbiao-Size")
_REFUSED: Final = {500: ResponseCode.ERROR, 503: ResponseCode.SERVER_BUSY}
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_$]")
_HOW_TO_WRITE: Final = "records are written by signed statements: `xinbiao register`, `update`, `retire`, or POST /entries"


def handle_answer(view: View, method: str, path: str, query: bytes, body: bytes = b"") -> Answer:
    """Answer a request below `/api/`.

    Args:
        view: The head that is read.
        method: HTTP method.
        path: Percent-decoded once.
        query: Query string.
        body: Of a POST: parameters as JSON or a form.
    """
    if method == "OPTIONS":
        return options()
    found = _answered(view, method, path, query, body)
    return replace(
        found, headers=(*found.headers, (b"xinbiao-size", str(view.size).encode()), _EXPOSED)
    )


def options() -> Answer:
    """Answer OPTIONS, which asks nothing of the ledger."""
    return Answer(200, (*_CORS, (b"allow", _METHODS.encode())), b"")


def refusal(problem: Answer, path: str) -> Answer:
    """Return a problem in the dialect: its status and its headers, a response code, the detail."""
    code = _REFUSED.get(problem.status, ResponseCode.PROTOCOL_ERROR)
    message: str = orjson.loads(problem.body)["detail"]
    shown = _shown(problem.status, failure(code, message, _asked(path)), ())
    kept = tuple(header for header in problem.headers if header[0] == b"retry-after")
    return replace(shown, headers=shown.headers + kept)


def _answered(view: View, method: str, path: str, query: bytes, body: bytes) -> Answer:
    fields = _fields(query)
    if fields is None:
        return _failure(ResponseCode.PROTOCOL_ERROR, "query: not percent-encoded UTF-8", ())
    if method in ("PUT", "DELETE"):
        return _failure(ResponseCode.NOT_SUPPORTED, _HOW_TO_WRITE, fields, _asked(path))
    if method not in ("GET", "HEAD", "POST"):
        return _failure(ResponseCode.PROTOCOL_ERROR, f"Unknown method {method}", fields, status=501)
    if path == HANDLES.rstrip("/"):
        return _listing(fields)
    if not path.startswith(HANDLES):
        detail = f"Unknown HTTP API endpoint {method} {path}"
        return _failure(ResponseCode.PROTOCOL_ERROR, detail, fields, status=405)
    if method == "POST":
        posted = _posted(body)
        if posted is None:
            return _failure(ResponseCode.PROTOCOL_ERROR, "body: neither JSON nor a form", fields)
        fields = fields + posted
    return _read(view, path[len(HANDLES) :], fields)


def _read(view: View, handle: str, fields: Sequence[tuple[str, str]]) -> Answer:
    if not handle:
        return _failure(ResponseCode.INVALID_HANDLE, "Empty handle invalid", fields)
    indices = [text for name, text in fields if name == "index"]
    if not all(
        text.isascii() and text.isdigit() and len(text) <= _INDEX_DIGITS_MAX for text in indices
    ):
        return _failure(ResponseCode.PROTOCOL_ERROR, "index: not an integer", fields, handle)
    try:
        ident = identifier.parse(handle if ":" in handle.partition("/")[0] else f"hdl:{handle}")
    except IdentifierError as error:
        detail = f"position {error.position}: {error.rule}"
        return _failure(ResponseCode.INVALID_HANDLE, detail, fields, handle)
    wanted = Wanted(
        types=tuple(text.lower() for name, text in fields if name == "type"),
        indices=frozenset(int(text) for text in indices),
    )
    data = view.object(id_key(ident))
    values = None if data is None else _values(cbor2.loads(data))
    code, shown = answer(handle, values, wanted)
    return _shown(code.http_status, shown, fields)


def _listing(fields: Sequence[tuple[str, str]]) -> Answer:
    """Answer `GET /api/handles`: listings are not served; without a prefix nothing was asked."""
    if any(name == "prefix" and text for name, text in fields):
        return _failure(ResponseCode.NOT_SUPPORTED, "this node lists no handles", fields)
    return _failure(ResponseCode.INVALID_HANDLE, "Empty prefix invalid", fields)


def _values(value: Mapping[int, Any]) -> list[Mapping[int, Any]] | None:
    """Return the values of a record (5) or prefix (6); an alias has none of its own."""
    if value[0] == 1:
        return list(value[5])
    return list(value[6]) if value[0] == 2 else None


def _fields(query: bytes) -> list[tuple[str, str]] | None:
    """Split a query, in which a `+` is a plus; None when it is no UTF-8, or has too many fields."""
    try:
        text = query.decode().replace("+", "%2B")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        return None


def _posted(body: bytes) -> list[tuple[str, str]] | None:
    """Return the parameters of a POST body, None when it is neither JSON nor a form."""
    if not body.strip():
        return []
    if not body.lstrip().startswith(b"{"):
        return _fields(body)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    fields: list[tuple[str, str]] = []
    for name, value in list(document.items())[:FIELDS_MAX]:
        for one in (value if isinstance(value, list) else [value])[:FIELDS_MAX]:
            if not isinstance(one, str | int):
                return None
            fields.append((name, str(one)))
    return fields


def _asked(path: str) -> str | None:
    return path[len(HANDLES) :] if path.startswith(HANDLES) else None


def _failure(
    code: ResponseCode,
    message: str,
    fields: Sequence[tuple[str, str]],
    handle: str | None = None,
    status: int | None = None,
) -> Answer:
    shown = failure(code, message, handle)
    return _shown(code.http_status if status is None else status, shown, fields)


def _shown(status: int, value: dict[str, Any], fields: Sequence[tuple[str, str]]) -> Answer:
    found = dict(fields)
    pretty = found.get("pretty", "no").lower() in ("", "yes", "true")
    body = orjson.dumps(value, option=orjson.OPT_INDENT_2 if pretty else None)
    callback = found.get("callback")
    if not callback:
        return Answer(status, ((b"content-type", _JSON), *_CORS), body)
    name = _NO_NAME.sub("_", callback[:CALLBACK_CHARS_MAX]).encode()
    return Answer(status, ((b"content-type", _SCRIPT), *_CORS), name + b"(" + body + b");")
