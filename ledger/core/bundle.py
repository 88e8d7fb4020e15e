"""The proof bundle as bytes and as JSON: strict reading, exact writing, nothing believed.

Theory of operation (docs/spec/proof.md): a bundle is one CBOR map of the payload profile, or its
JSON twin. Both are read into the same frozen `Bundle`; CBOR → JSON → CBOR gives the same bytes.
Reading checks shape and sizes only. Whether the bundle proves anything is `proof.verify`'s.

JSON strictness §mal §dec: keys are the decimal numbers of known members, none twice; byte strings
are base64 of RFC 4648 §4 in its one canonical form; numbers are digits without sign, fraction,
exponent or leading zero; no lone surrogate; nothing after the value. White space, escapes and order
of members are free, as RFC 8259 has them. Nothing inside a byte string is opened up.

Member 9 (a listing page) is specified and refused by this release.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

from ledger.core import encoding
from ledger.core.checkpoint import decode_base64
from ledger.core.shape import Shape, any_bytes, any_text, array, fixed_bytes, in_range, unsigned
from ledger.core.shape import text as text_of
from ledger.errors import EncodingError, NoteError, ProofError, ProofFault, Rejection

MEDIA_TYPE_CBOR: Final = "application/vnd.xinbiao.proof+cbor"
MEDIA_TYPE_JSON: Final = "application/vnd.xinbiao.proof+json"
BUNDLE_BYTES_MAX: Final = 16 * 1024 * 1024
JSON_CHARS_MAX: Final = 24 * 1024 * 1024  # base64 makes 4 of 3
VERSION: Final = 1
PATH_HASHES_MAX: Final = 63
CONSISTENCY_HASHES_MAX: Final = 64
ENTRIES_MAX: Final = 64
_IDENTIFIER_BYTES_MAX: Final = 512
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_hash = fixed_bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapEntry:
    """One leaf of the map, or its absence.

    Attributes:
        data: The object's bytes, None when the key is absent.
        proof: The map proof, in the form for present or for absent keys.
    """

    data: bytes | None
    proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A log entry and where it stands.

    Attributes:
        index: Its log index.
        entry: The entry's bytes: a statement or a commit leaf.
        path: Its path to the root of the bundle's checkpoint.
    """

    index: int
    entry: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One reading of a batch, shown without its neighbours.

    Attributes:
        reading: The reading's bytes.
        salt: The salt of its leaf, 16 bytes.
        leaf: Number of its leaf in the batch.
        path: The leaf's path to the batch's root.
    """

    reading: bytes
    salt: bytes
    leaf: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle's members; None where an optional one is left out.

    Attributes:
        identifier: The identifier that it says it answers for (1).
        note: The checkpoint with its signatures (2).
        commit_leaf: The checkpoint's last entry (3).
        last_leaf_path: Its path to the root (4).
        entries: Map entries in the order that the question fixes (5).
        older: Older object bytes, newest first (6).
        logged: Logged statements and commit leaves (7).
        consistency: Consistency proof from the caller's last_seen (8).
        disclosure: A reading (10).
    """

    identifier: str
    note: str
    commit_leaf: bytes
    last_leaf_path: tuple[bytes, ...]
    entries: tuple[MapEntry, ...]
    older: tuple[bytes, ...] | None = None
    logged: tuple[Logged, ...] | None = None
    consistency: tuple[bytes, ...] | None = None
    disclosure: Disclosure | None = None

    @property
    def optional(self) -> frozenset[int]:
        """Which of the members 6, 7 and 10 are there."""
        members = ((6, self.older), (7, self.logged), (10, self.disclosure))
        return frozenset(number for number, member in members if member is not None)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the CBOR form.

        Raises:
            ProofError: `MALFORMED`, with the member and the rule broken.
        """
        if len(data) > BUNDLE_BYTES_MAX:
            raise _malformed(f"{len(data)} bytes are over {BUNDLE_BYTES_MAX}")
        try:
            return cls._read(encoding.decode(data))
        except EncodingError as error:
            raise _malformed(str(error)) from None

    @classmethod
    def decode_json(cls, text: str) -> Self:
        """Read the JSON twin.

        Raises:
            ProofError: `MALFORMED`, with the member and the rule broken.
        """
        if len(text) > JSON_CHARS_MAX:
            raise _malformed(f"{len(text)} characters are over {JSON_CHARS_MAX}")
        return cls._read(_BUNDLE_FROM_JSON(_load_json(text), "bundle"))

    @classmethod
    def _read(cls, value: Any) -> Self:
        try:
            shape = Shape(value, "bundle")
            shape.need(0, in_range(VERSION, VERSION))
            bundle = cls(
                identifier=shape.need(1, text_of(_IDENTIFIER_BYTES_MAX)),
                note=shape.need(2, any_text),
                commit_leaf=shape.need(3, any_bytes),
                last_leaf_path=shape.need(4, _path),
                entries=shape.need(5, _sequence(_map_entry, 1, ENTRIES_MAX)),
                older=shape.maybe(6, _sequence(any_bytes)),
                logged=shape.maybe(7, _sequence(_logged)),
                consistency=shape.maybe(8, _sequence(_hash, 0, CONSISTENCY_HASHES_MAX)),
                disclosure=shape.maybe(10, _disclosure),
            )
            shape.end()
        except Rejection as error:
            raise _malformed(error.detail) from None
        return bundle

    def encode(self) -> bytes:
        """Return the CBOR form."""
        return encoding.encode(self._to_value())

    def encode_json(self) -> str:
        """Return the JSON twin: members ascending, no white space."""
        value = _to_json(self._to_value())
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def _to_value(self) -> dict[int, Any]:
        value: dict[int, Any] = {
            0: VERSION,
            1: self.identifier,
            2: self.note,
            3: self.commit_leaf,
            4: list(self.last_leaf_path),
            5: [{1: entry.data, 2: entry.proof} for entry in self.entries],
        }
        if self.older is not None:
            value[6] = list(self.older)
        if self.logged is not None:
            value[7] = [{1: one.index, 2: one.entry, 3: list(one.path)} for one in self.logged]
        if self.consistency is not None:
            value[8] = list(self.consistency)
        if self.disclosure is not None:
            shown = self.disclosure
            value[10] = {1: shown.reading, 2: shown.salt, 3: shown.leaf, 4: list(shown.path)}
        return value


def _malformed(reason: str) -> ProofError:
    return ProofError("bundle", ProofFault.MALFORMED, reason)


# ---------------------------------------------------------------- shapes


def _sequence(
    check: Callable[[Any, str], Any], least: int = 0, most: int | None = None
) -> Callable[[Any, str], tuple[Any, ...]]:
    def read(value: Any, where: str) -> tuple[Any, ...]:
        items = array(value, where, least, most)
        return tuple(check(item, f"{where}[{number}]") for number, item in enumerate(items))

    return read


_path = _sequence(_hash, 0, PATH_HASHES_MAX)


def _map_entry(value: Any, where: str) -> MapEntry:
    shape = Shape(value, where)
    entry = MapEntry(
        data=shape.need(1, lambda item, place: None if item is None else any_bytes(item, place)),
        proof=shape.need(2, any_bytes),
    )
    shape.end()
    return entry


def _logged(value: Any, where: str) -> Logged:
    shape = Shape(value, where)
    logged = Logged(
        index=shape.need(1, unsigned), entry=shape.need(2, any_bytes), path=shape.need(3, _path)
    )
    shape.end()
    return logged


def _disclosure(value: Any, where: str) -> Disclosure:
    shape = Shape(value, where)
    disclosure = Disclosure(
        reading=shape.need(1, any_bytes),
        salt=shape.need(2, fixed_bytes(16)),
        leaf=shape.need(3, unsigned),
        path=shape.need(4, _path),
    )
    shape.end()
    return disclosure


# ---------------------------------------------------------------- the JSON twin

_FromJson: TypeAlias = Callable[[Any, str], Any]
"""Turns a part of the JSON tree into what CBOR would have given, keys and bytes."""


def _as_it_is(value: Any, where: str) -> Any:
    """Leave texts and numbers for the shape to judge; a text must have an UTF-8 form."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _malformed(f"{where}: a lone surrogate") from None
    return value


def _bytes_from_json(value: Any, where: str) -> bytes:
    if not isinstance(value, str):
        raise _malformed(f"{where}: not a string of base64")
    try:
        return decode_base64(value)
    except NoteError as error:
        raise _malformed(f"{where}: {error}") from None


def _nullable(convert: _FromJson) -> _FromJson:
    return lambda value, where: None if value is None else convert(value, where)


def _each(convert: _FromJson) -> _FromJson:
    def read(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise _malformed(f"{where}: not an array")
        return [convert(item, f"{where}[{number}]") for number, item in enumerate(value)]

    return read


def _members(converters: dict[int, _FromJson]) -> _FromJson:
    by_key = {str(number): (number, convert) for number, convert in converters.items()}

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise _malformed(f"{where}: not an object")
        members = {}
        for key, item in value.items():
            if key not in by_key:
                raise _malformed(f"{where}: unknown key {key[:20]!r}")
            number, convert = by_key[key]
            members[number] = convert(item, f"{where}.{number}")
        return members

    return read


_BUNDLE_FROM_JSON: Final = _members(
    {
        0: _as_it_is,
        1: _as_it_is,
        2: _as_it_is,
        3: _bytes_from_json,
        4: _each(_bytes_from_json),
        5: _each(_members({1: _nullable(_bytes_from_json), 2: _bytes_from_json})),
        6: _each(_bytes_from_json),
        7: _each(_members({1: _as_it_is, 2: _bytes_from_json, 3: _each(_bytes_from_json)})),
        8: _each(_bytes_from_json),
        10: _members(
            {1: _bytes_from_json, 2: _bytes_from_json, 3: _as_it_is, 4: _each(_bytes_from_json)}
        ),
    }
)


def _load_json(text: str) -> Any:
    """Read RFC 8259, with the twin's rules on keys and numbers."""
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_number,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except json.JSONDecodeError as error:
        raise _malformed(f"JSON, at character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise _malformed("JSON: too many containers inside one another") from None


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _malformed("JSON: a key occurs twice")
    return members


def _number(text: str) -> int:
    if not _DECIMAL.fullmatch(text) or int(text) > encoding.INT_MAX:
        raise _malformed(f"JSON: not a number 0 to 2^53-1 in digits: {text[:20]}")
    return int(text)


def _no_number(text: str) -> int:
    raise _malformed(f"JSON: not a number in digits: {text[:20]}")


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _to_json(item) for key, item in value.items()}
    return value
