"""A record as JSON for people and programs: the native projection of an object's CBOR map.

Works on the decoded map of bytes that our own store holds and the map root covers; what comes from
outside is decoded by `ledger.core.record`, which is strict and slower. Times are RFC 3339 in UTC with
milliseconds, bytes are padded base64, a commitment shows its hash and its access, never more.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

STATUS: Final = ("active", "retired", "frozen", "withheld")
ACCESS: Final = ("public", "granted", "owner")
KINDS: Final = {1: "record", 2: "prefix", 3: "alias", 4: "stream", 5: "network", 6: "usage"}
ROLES: Final = (
    "", "owner", "registrar", "agent", "device", "inspector", "regulator", "recovery",
)  # fmt: skip


@lru_cache(maxsize=4096)
def rfc3339(ms: int) -> str:
    """Return Unix milliseconds as RFC 3339 UTC text; beyond year 9999 as the number itself."""
    try:
        moment = datetime.fromtimestamp(ms // 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return str(ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def object_json(
    value: Mapping[int, Any],
    *,
    types: frozenset[str] = frozenset(),
    indices: frozenset[int] = frozenset(),
) -> dict[str, Any]:
    """Return a record's or prefix's JSON.

    Args:
        value: The object's CBOR map (kind 1 or 2).
        types: Only values of these types; empty is all.
        indices: Only values with these indices; empty is all. Types and indices are OR-ed.
    """
    kind = value[0]
    shown: dict[str, Any] = {"kind": KINDS[kind], "identifier": value[1]}
    if kind == 1:
        shown["owner"] = value[2]
    else:
        shown |= {"owner": value.get(15), "owner_name": value[2]}
    shown |= {
        "version": value[3],
        "status": STATUS[value[4]],
        "created": {"index": value[7], "time": rfc3339(value[9])},
        "changed": {"index": value[8], "time": rfc3339(value[10])},
        "values": values_json(value[5 if kind == 1 else 6], types=types, indices=indices),
    }
    if kind == 1:
        shown["aliases"] = value[6]
        return shown
    shown["keys"] = [_key_json(key) for key in value[5]]
    shown["quota"] = {"objects": value[13][1], "log_bytes": value[13][2]}
    if 14 in value:
        shown["referral"] = {"network": value[14][1], "url": value[14].get(2)}
    return shown


def values_json(
    values: Iterable[Mapping[int, Any]],
    *,
    types: frozenset[str] = frozenset(),
    indices: frozenset[int] = frozenset(),
) -> list[dict[str, Any]]:
    """Return values as JSON, filtered."""
    chosen = [
        value
        for value in values
        if not (types or indices) or value[2] in types or value[1] in indices
    ]
    return [_value_json(value) for value in chosen]


def _value_json(value: Mapping[int, Any]) -> dict[str, Any]:
    form, data = value[3], value[4]
    shown: dict[str, Any] = {"index": value[1], "type": value[2]}
    if form == 0:
        shown["data"] = data
    elif form == 1:
        shown["bytes"] = b64encode(data).decode()
    else:
        shown |= {"commitment": b64encode(data).decode(), "access": ACCESS[value[6]]}
    shown |= {"ttl": value[5], "changed": rfc3339(value[7])}
    for member, name in ((8, "title"), (9, "language"), (11, "writers")):
        if member in value:
            shown[name] = value[member]
    return shown


def _key_json(key: Mapping[int, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "cose": b64encode(key[1]).decode(),
        "roles": [ROLES[role] for role in key[2]],
        "from": key[3],
    }
    for member, name in ((4, "until"), (5, "revoked"), (6, "suspect_from")):
        if member in key:
            shown[name] = key[member]
    return shown
