"""A record as Handle.net serves it: values, response codes, query parameters (Handle JSON REST API).

Theory of operation: Handle types are types of our values, so a handle record is a projection of the
record. A value of format 1 holds its Handle wire form; HS_ADMIN and HS_VLIST are shown decoded, as the
reference server does, and whatever does not decode is shown as text or base64, never as an error.
Commitments are private values: without authentication they are left out, as a value without public-read
permission is.

The handle is echoed exactly as it was asked. Pure; `interfaces/handle_rest.py` speaks HTTP.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final

_TEXT, _BYTES = 0, 1
_ADMIN_BITS: Final = 12


class ResponseCode(IntEnum):
    """Handle response codes this interface answers with."""

    SUCCESS = 1
    ERROR = 2
    SERVER_BUSY = 3
    PROTOCOL_ERROR = 4
    NOT_SUPPORTED = 5
    HANDLE_NOT_FOUND = 100
    INVALID_HANDLE = 102
    VALUES_NOT_FOUND = 200

    @property
    def http_status(self) -> int:
        """The HTTP status that a GET is answered with."""
        return _STATUS[self]


_STATUS: Final = {
    ResponseCode.SUCCESS: 200,
    ResponseCode.ERROR: 500,
    ResponseCode.SERVER_BUSY: 503,
    ResponseCode.PROTOCOL_ERROR: 400,
    ResponseCode.NOT_SUPPORTED: 501,
    ResponseCode.HANDLE_NOT_FOUND: 404,
    ResponseCode.INVALID_HANDLE: 400,
    ResponseCode.VALUES_NOT_FOUND: 200,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which values are asked for; types and indices are OR-ed, none of both is all.

    Attributes:
        types: Lower-cased types; one with a trailing dot means all its sub-types.
        indices: Value indices.
    """

    types: tuple[str, ...] = ()
    indices: frozenset[int] = frozenset()

    def includes(self, index: int, kind: str) -> bool:
        """Tell whether a value is asked for."""
        if not self.types and not self.indices:
            return True
        folded = kind.lower()
        return index in self.indices or any(
            folded.startswith(one) if one.endswith(".") else folded == one for one in self.types
        )


def answer(
    handle: str, values: Sequence[Mapping[int, Any]] | None, wanted: Wanted
) -> tuple[ResponseCode, dict[str, Any]]:
    """Return the response code and body of a GET.

    Args:
        handle: As it was asked.
        values: CBOR maps of the record's values, ascending by index; None when there is no record.
        wanted: Which of them.
    """
    if values is None:
        code = ResponseCode.HANDLE_NOT_FOUND
        return code, {"responseCode": int(code), "handle": handle}
    shown = [
        _value_json(value)
        for value in values
        if value[3] in (_TEXT, _BYTES) and wanted.includes(value[1], value[2])
    ]
    code = ResponseCode.SUCCESS if shown else ResponseCode.VALUES_NOT_FOUND
    return code, {"responseCode": int(code), "handle": handle, "values": shown}


def failure(code: ResponseCode, message: str, handle: str | None = None) -> dict[str, Any]:
    """Return an error body."""
    body: dict[str, Any] = {"responseCode": int(code), "message": message}
    return body if handle is None else body | {"handle": handle}


def _value_json(value: Mapping[int, Any]) -> dict[str, Any]:
    return {
        "index": value[1],
        "type": value[2],
        "data": _data_json(value[2], value[4]),
        "ttl": value[5],
        "timestamp": _seconds(value[7]),
    }


def _data_json(kind: str, data: str | bytes) -> dict[str, Any]:
    if isinstance(data, str):
        return {"format": "string", "value": data}
    decoded = _decoded(kind.upper(), data)
    if decoded is not None:
        return decoded
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"format": "base64", "value": b64encode(data).decode()}
    if text.isprintable():
        return {"format": "string", "value": text}
    return {"format": "base64", "value": b64encode(data).decode()}


def _decoded(kind: str, data: bytes) -> dict[str, Any] | None:
    if kind == "HS_ADMIN":
        return _admin(data)
    if kind == "HS_VLIST":
        return _references(data)
    return None


def _admin(data: bytes) -> dict[str, Any] | None:
    """Decode permissions(2) handle(b) index(4)."""
    found = _reference(data, 2)
    if found is None or found[1] != len(data):
        return None
    permissions = int.from_bytes(data[:2], "big")
    if permissions >> _ADMIN_BITS:
        return None
    value = {**found[0], "permissions": f"{permissions:0{_ADMIN_BITS}b}"}
    return {"format": "admin", "value": value}


def _references(data: bytes) -> dict[str, Any] | None:
    """Decode n [handle(b) index(4)]."""
    count, at = int.from_bytes(data[:4], "big"), 4
    listed = []
    for _ in range(min(count, len(data))):
        found = _reference(data, at)
        if found is None:
            return None
        listed.append(found[0])
        at = found[1]
    if len(data) < 4 or len(listed) != count or at != len(data):
        return None
    return {"format": "vlist", "value": listed}


def _reference(data: bytes, at: int) -> tuple[dict[str, Any], int] | None:
    """Read handle(b) index(4) and return it with the position behind it; None when cut off."""
    start = at + 4
    end = start + int.from_bytes(data[at:start], "big")
    if end + 4 > len(data):
        return None
    try:
        handle = data[start:end].decode()
    except UnicodeDecodeError:
        return None
    return {"handle": handle, "index": int.from_bytes(data[end : end + 4], "big")}, end + 4


def _seconds(ms: int) -> str:
    """Return YYYY-MM-DDTHH:MM:SSZ; beyond year 9999 the last moment of it."""
    last_s = 253_402_300_799
    return f"{datetime.fromtimestamp(min(ms // 1000, last_s), UTC):%Y-%m-%dT%H:%M:%SZ}"
