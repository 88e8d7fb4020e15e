"""Native reads: resolve, history, readings, streams, usage — JSON for people, bundles for verifiers.

Theory of operation (docs/spec/proof.md, native HTTP). Each function takes a `View` (one head)
and the request's path and query, and returns a complete `Answer`; there is no state here but the
archive that is handed in. A read is a key lookup: the object's bytes come from our own store under
the head's map root, so they are rendered without strict decoding. Who asks for the bundle media type
gets the bare bundle; its bytes are what `verify` checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cbor2
import msgspec
import orjson

from ledger.core import identifier, statement
from ledger.core.bundle import Bundle, Disclosure
from ledger.core.bundle_build import current_bundle, history_bundle, reading_bundle
from ledger.core.identifier import Identifier
from ledger.core.question import Moment, Size, Time
from ledger.core.record import (
    StreamObject,
    UsageObject,
    decode_object,
    id_key,
    stream_key,
    usage_key,
)
from ledger.errors import IdentifierError, StorageError
from resolver.core.ports import Archive, Found, Place, View
from resolver.core.projection import object_json, rfc3339
from resolver.errors import RequestError
from resolver.interfaces import query
from resolver.interfaces.answer import (
    PROOF_CBOR,
    PROOF_JSON,
    Answer,
    answer,
    json_answer,
    problem,
)
from resolver.interfaces.query import READINGS_PER_PAGE_MAX

RESOLVE: Final = "/v1/resolve/"
HISTORY: Final = "/v1/history/"
READINGS: Final = "/v1/readings/"
STREAMS: Final = "/v1/streams/"
USAGE: Final = "/v1/usage/"
BATCH_IDENTIFIERS_MAX: Final = 1_000
BATCH_BODY_BYTES_MAX: Final = 1024 * 1024
READINGS_PER_PAGE: Final = 100
_VERSIONS_SHOWN_MAX: Final = 1_000
RESOLVE_FIELDS: Final = frozenset(("proof", "at", "type", "value", "since"))
HISTORY_FIELDS: Final = frozenset(("at", "since"))
READINGS_FIELDS: Final = frozenset(("from", "to", "limit", "cursor", "stream", "prove", "since"))
_ALIAS, _RECORD, _PREFIX = 3, 1, 2
_FOUND: Final = {_RECORD: "record", _PREFIX: "prefix"}


class BatchQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /v1/resolve`."""

    identifiers: list[str]
    proof: str = "none"


_batch_decoder: Final = msgspec.json.Decoder(BatchQuestion)


def resolve(view: View, path: str, query_string: bytes, accept: bytes) -> Answer:
    """Answer `GET /v1/resolve/{identifier}`.

    Raises:
        RequestError, IdentifierError: 400 with field and rule.
    """
    ident = identifier.parse(path[len(RESOLVE) :])
    if not query_string and b"proof+" not in accept:
        return _plain(view, ident)
    found = query.fields(query_string, RESOLVE_FIELDS)
    since = _since(found, view)
    at = query.moment(found)
    wants = query.choice(found, "proof", ("none", "bundle"))
    media_type = _proof_type(accept)
    if at is not None:
        bundle = _history(view, ident, at, since)
        return _bundle_answer(200, bundle, media_type or PROOF_JSON, view)
    status, shown = _look_up(view, ident, _types(found), _indices(found))
    if media_type is not None:
        bundle = current_bundle(view, ident, since)
        return _bundle_answer(status, bundle, media_type, view)
    if wants == "bundle" or status == 404:
        bundle = current_bundle(view, ident, since)
        shown["proof"] = orjson.Fragment(bundle.encode_json())
    return _shown(status, shown, view)


def resolve_batch(view: View, body: bytes) -> Answer:
    """Answer `POST /v1/resolve`: per-item results in order under one checkpoint.

    Raises:
        RequestError: 400 with field and rule.
    """
    if len(body) > BATCH_BODY_BYTES_MAX:
        raise RequestError(413, "too-large", f"a body of more than {BATCH_BODY_BYTES_MAX} bytes")
    try:
        asked = _batch_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(400, "malformed", f"body: {error}") from None
    if len(asked.identifiers) > BATCH_IDENTIFIERS_MAX:
        raise RequestError(
            400, "malformed", f"identifiers: more than {BATCH_IDENTIFIERS_MAX} in one request"
        )
    if asked.proof not in ("none", "bundle"):
        raise RequestError(400, "malformed", "proof: one of none, bundle")
    results = [_batch_item(view, text, asked.proof) for text in asked.identifiers]
    return json_answer(
        200, {"size": view.size, "checkpoint": view.note, "results": results}, _size(view)
    )


def history(view: View, path: str, query_string: bytes, accept: bytes) -> Answer:
    """Answer `GET /v1/history/{identifier}`.

    Raises:
        RequestError, IdentifierError: 400; RequestError 404 when nothing is registered.
    """
    ident = identifier.parse(path[len(HISTORY) :])
    found = query.fields(query_string, HISTORY_FIELDS)
    at, since = query.moment(found), _since(found, view)
    media_type = _proof_type(accept)
    if media_type is not None:
        return _bundle_answer(200, _history(view, ident, at, since), media_type, view)
    newest = view.object(id_key(ident))
    if newest is None:
        raise RequestError(404, "absent", f"{ident.text} is not registered")
    versions = [_with_signer(view, cbor2.loads(data)) for data in _versions(view, ident, newest)]
    if at is not None:
        size = _size_at(view, at)
        versions = [one for one in versions if one["changed"]["index"] < size]
    return json_answer(
        200, {"identifier": ident.text, "size": view.size, "versions": versions}, _size(view)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """One reading taken out of its archive, to be proved under a head.

    Attributes:
        identifier: Whose reading it is asked as.
        stream: The gateway's stream.
        anchor_index: Log index of the batch's anchor.
        disclosure: The reading, its salt and its path.
        since: Log size that the asker has seen, or None.
    """

    identifier: Identifier
    stream: Identifier
    anchor_index: int
    disclosure: Disclosure
    since: int | None


def readings(archives: Archive, path: str, query_string: bytes, size: int) -> "Answer | Disclosed":
    """Answer `GET /v1/readings/{identifier}`: a page, or one reading for `reading_proof`.

    Opens archives, so it runs in a thread, and looks at nothing of the ledger that changes.

    Raises:
        RequestError, IdentifierError: 400, 404 or 409 with the rule.
    """
    ident = identifier.parse(path[len(READINGS) :])
    found = query.fields(query_string, READINGS_FIELDS)
    proved = query.one(found, "prove")
    if proved is not None:
        return _disclosed(archives, ident, found, proved)
    limit = query.number(found, "limit", READINGS_PER_PAGE_MAX) or READINGS_PER_PAGE
    from_us = query.microseconds(found, "from", 0)
    to_us = query.microseconds(found, "to", 2**53 - 1)
    after = _place(query.one(found, "cursor"))
    page: list[dict[str, Any]] = []
    last: Place | None = None
    for one in archives.find(ident, from_us=from_us, to_us=to_us, after=after):
        if len(page) == limit:
            break
        page.append(_reading_json(one))
        last = one.place
    else:
        last = None  # the page reached the end
    cursor = None if last is None else f"{last.row_us}.{last.anchor_index}.{last.leaf}"
    shown = {"identifier": ident.text, "size": size, "readings": page, "cursor": cursor}
    return json_answer(200, shown, (b"xinbiao-size", str(size).encode()))


def reading_proof(view: View, found: Disclosed, accept: bytes) -> Answer:
    """Answer with the bundle that proves a disclosed reading.

    Raises:
        RequestError: 409 when `since` is beyond this head.
    """
    bundle = reading_bundle(
        view,
        found.identifier,
        stream=found.stream,
        anchor_index=found.anchor_index,
        disclosure=found.disclosure,
        last_seen_size=_checked_since(found.since, view),
    )
    return _bundle_answer(200, bundle, _proof_type(accept) or PROOF_JSON, view)


def stream(view: View, archives: Archive, path: str) -> Answer:
    """Answer `GET /v1/streams/{stream}`: where a gateway's chain of batches stands.

    Raises:
        RequestError, IdentifierError: 400; 404 before the first anchor.
    """
    ident = identifier.parse(path[len(STREAMS) :])
    data = view.object(stream_key(ident))
    if data is None:
        raise RequestError(404, "absent", f"{ident.text} has anchored nothing")
    found = decode_object(data)
    if not isinstance(found, StreamObject):
        raise StorageError(f"the object at the stream key of {ident.text} is no stream")
    return json_answer(
        200,
        {
            "stream": found.id,
            "next": found.next,
            "last_statement_hash": found.last_anchor.hex(),
            "epoch": found.epoch,
            "created": found.created,
            "last": found.last,
            "archived": archives.has(ident, found.next - 1),
        },
        _size(view),
    )


def usage(view: View, path: str) -> Answer:
    """Answer `GET /v1/usage/{prefix}`: quota and what is used of it.

    Raises:
        RequestError, IdentifierError: 400; 404 for what is no prefix.
    """
    ident = identifier.parse(path[len(USAGE) :])
    data, prefix = view.object(usage_key(ident)), view.object(id_key(ident))
    if data is None or prefix is None:
        raise RequestError(404, "absent", f"{ident.text} is no prefix of this network")
    used = decode_object(data)
    if not isinstance(used, UsageObject):
        raise StorageError(f"the object at the usage key of {ident.text} is no usage")
    quota = cbor2.loads(prefix)[13]
    return json_answer(
        200,
        {
            "prefix": ident.text,
            "quota": {"objects": quota[1], "log_bytes": quota[2]},
            "used": {"objects": used.objects, "log_bytes": used.log_bytes},
        },
        _size(view),
    )


def _plain(view: View, ident: Identifier) -> Answer:
    """Answer the commonest question without touching a query."""
    data = view.object(id_key(ident))
    if data is not None:
        value = cbor2.loads(data)
        if value[0] != _ALIAS:
            shown = {
                "identifier": ident.text,
                "size": view.size,
                "found": _FOUND[value[0]],
                "record": object_json(value),
            }
            return json_answer(200, shown, _size(view))
    status, shown = _look_up(view, ident, frozenset(), frozenset())
    if status == 404:
        shown["proof"] = orjson.Fragment(current_bundle(view, ident).encode_json())
    return _shown(status, shown, view)


def _look_up(
    view: View, ident: Identifier, types: frozenset[str], indices: frozenset[int]
) -> tuple[int, dict[str, Any]]:
    """Return the status and the members of an answer, following an alias that both ends confirm."""
    shown: dict[str, Any] = {"identifier": ident.text, "size": view.size}
    data = view.object(id_key(ident))
    value = None if data is None else cbor2.loads(data)
    if value is not None and value[0] == _ALIAS:
        target = None if value[2] is None else view.object(id_key(identifier.canonical(value[2])))
        record = None if target is None else cbor2.loads(target)
        listed = () if record is None or record[0] != _RECORD else record[6]
        if ident.key_text not in [identifier.canonical(alias).key_text for alias in listed]:
            return 404, shown
        shown["alias_of"] = value[2]
        value = record
    if value is None:
        return 404, shown
    shown["found"] = _FOUND[value[0]]
    shown["record"] = object_json(value, types=types, indices=indices)
    return 200, shown


def _shown(status: int, shown: dict[str, Any], view: View) -> Answer:
    if status == 200:
        return json_answer(200, shown, _size(view))
    detail = f"{shown['identifier']} is not registered; `proof` proves it"
    return problem(404, "absent", detail, _size(view), members=shown)


def _batch_item(view: View, text: str, proof: str) -> dict[str, Any]:
    try:
        ident = identifier.parse(text)
    except IdentifierError as error:
        return {"identifier": text, "status": 400, "detail": str(error)}
    status, shown = _look_up(view, ident, frozenset(), frozenset())
    if proof == "bundle":
        shown["proof"] = orjson.Fragment(current_bundle(view, ident).encode_json())
    return {**shown, "identifier": text, "status": status}


def _versions(view: View, ident: Identifier, newest: bytes) -> list[bytes]:
    """Return an object's versions, newest first, at most `_VERSIONS_SHOWN_MAX`."""
    version = cbor2.loads(newest)[3]
    found = [newest]
    while version > 1 and len(found) < _VERSIONS_SHOWN_MAX:
        version -= 1
        data = view.older(id_key(ident), version)
        if data is None:
            raise StorageError(f"version {version} of {ident.text} is missing: restore a backup")
        found.append(data)
    return found


def _with_signer(view: View, value: Mapping[int, Any]) -> dict[str, Any]:
    """Return a version's projection with who signed the statement that made it."""
    if value[0] == _ALIAS:
        return {
            "kind": "alias",
            "identifier": value[1],
            "target": value[2],
            "version": value[3],
            "changed": {"index": value[8], "time": None},
        }
    logged = statement.parse(view.entry(value[8]))
    signed = {"index": value[8], "iss": logged.iss, "kid": logged.kid.hex(), "iat": logged.iat}
    return object_json(value) | {"signed": signed}


def _history(view: View, ident: Identifier, at: Moment | None, since: int | None) -> Bundle:
    if isinstance(at, Size) and at.size > view.size:
        raise RequestError(400, "malformed", f"parameter at: this log has size {view.size}")
    try:
        return history_bundle(view, ident, at, since)
    except LookupError as error:
        raise StorageError(f"{error}: restore a backup") from None


def _size_at(view: View, at: Moment) -> int:
    if isinstance(at, Time):
        index = view.commit_leaf_before(at.ms)
        return 0 if index is None else index + 1
    return at.size


def _disclosed(
    archives: Archive, ident: Identifier, found: Mapping[str, list[str]], proved: str
) -> Disclosed:
    stream_text = query.one(found, "stream")
    if stream_text is None:
        raise RequestError(400, "malformed", "parameter stream: `prove` needs it")
    sequence_text, dot, leaf_text = proved.partition(".")
    if not dot:
        raise RequestError(400, "malformed", "parameter prove: SEQUENCE.LEAF")
    stream_id = identifier.parse(stream_text)
    sequence = query.decimal(sequence_text, "prove")
    since = query.number(found, "since")
    anchor_index, disclosure = archives.disclose(
        stream_id, sequence, query.decimal(leaf_text, "prove")
    )
    return Disclosed(
        identifier=ident,
        stream=stream_id,
        anchor_index=anchor_index,
        disclosure=disclosure,
        since=since,
    )


def _reading_json(found: Found) -> dict[str, Any]:
    one, value = found.reading, found.reading.value
    return {
        "us": one.us,
        "time": rfc3339(one.us // 1000)[:-1] + f"{one.us % 1000:03}Z",
        "property": one.property,
        "value": {"bytes": value.hex()} if isinstance(value, bytes) else value,
        "unit": one.unit,
        "quality": ("good", "uncertain", "bad")[one.quality],
        "stream": found.anchor.stream.text,
        "sequence": found.anchor.sequence,
        "leaf": found.place.leaf,
    }


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    parts = cursor.split(".")
    if len(parts) != 3:
        raise RequestError(400, "malformed", "parameter cursor: not one that this node gave")
    row_us, index, leaf = (query.decimal(part, "cursor") for part in parts)
    return Place(row_us=row_us, anchor_index=index, leaf=leaf)


def _since(found: Mapping[str, list[str]], view: View) -> int | None:
    return _checked_since(query.number(found, "since"), view)


def _checked_since(since: int | None, view: View) -> int | None:
    if since is None:
        return None
    if since == 0:
        raise RequestError(
            400, "malformed", "parameter since: an empty log shows nothing; leave it"
        )
    if since > view.size:
        raise RequestError(
            409, "behind", f"parameter since: {since}, this node is at size {view.size}", 1
        )
    return since


def _types(found: Mapping[str, list[str]]) -> frozenset[str]:
    return frozenset(found.get("type", ()))


def _indices(found: Mapping[str, list[str]]) -> frozenset[int]:
    return frozenset(query.decimal(text, "value") for text in found.get("value", ()))


def _proof_type(accept: bytes) -> bytes | None:
    if PROOF_CBOR in accept:
        return PROOF_CBOR
    return PROOF_JSON if PROOF_JSON in accept else None


def _bundle_answer(status: int, bundle: Bundle, media_type: bytes, view: View) -> Answer:
    cbor = media_type == PROOF_CBOR
    body = bundle.encode() if cbor else bundle.encode_json().encode()
    return answer(status, media_type, body, _size(view))


def _size(view: View) -> tuple[bytes, bytes]:
    return b"xinbiao-size", str(view.size).encode()
