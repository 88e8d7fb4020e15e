"""The CBOR that may be signed or hashed: one value, one encoding, checked before any library looks.

Theory of operation: a ledger forks when two decoders read one byte string differently. So every
byte from outside passes this scanner first. It accepts exactly the *payload profile* of
docs/spec/statements.md (a subset of RFC 8949 core deterministic encoding):

* unsigned integers 0…2⁵³−1, byte strings, UTF-8 text, arrays, maps, false, true, null;
* shortest heads, definite lengths, no tag, no float, no trailing byte;
* map keys are integers ≥ 0 in ascending order, so none occurs twice;
* at most 8 containers inside one another (the outermost counts as 1).

Two wider profiles exist for the two places that need them: *headers* (COSE labels and algorithm
numbers may be negative) and *readings* (a value may be any 64-bit integer or a finite float in its
shortest form). Decoding builds the value in the same pass, so no other decoder ever runs.

Encoding uses cbor2, whose canonical form equals ours for every value of these profiles.
"""

from enum import Enum
from typing import Any, Final, TypeAlias

import cbor2

from ledger.errors import EncodingError

INT_MAX: Final = 2**53 - 1  # so that the JSON twin is exact everywhere
DEPTH_MAX: Final = 8  # containers inside one another
_WIDE_MAX: Final = 2**63 - 1
_FLOAT_BYTES: Final = {25: 2, 26: 4, 27: 8}

Value: TypeAlias = Any
"""int, str, bytes, bool, None, float, list of Value, or dict from int to Value."""


class Profile(Enum):
    """Which values are allowed besides the common ones."""

    PAYLOAD = "payload"
    HEADER = "header"
    READING = "reading"


def encode(value: Value) -> bytes:
    """Return the one encoding of `value` (docs/spec/statements.md, payload profile)."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> Value:
    """Decode bytes of the payload profile.

    Raises:
        EncodingError: The bytes are anything else; it names the offset and the rule.
    """
    return _decode(data, Profile.PAYLOAD)


def decode_header(data: bytes) -> Value:
    """Decode COSE header or key bytes, whose labels may be negative.

    Raises:
        EncodingError: The bytes break the profile.
    """
    return _decode(data, Profile.HEADER)


def decode_reading_value(data: bytes) -> Value:
    """Decode bytes of the reading profile: 64-bit integers and shortest finite floats as well.

    Raises:
        EncodingError: The bytes break the profile.
    """
    return _decode(data, Profile.READING)


def head(major: int, argument: int) -> bytes:
    """Return the shortest CBOR head of a major type (RFC 8949 §3)."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * size):
            return bytes((major << 5 | code,)) + argument.to_bytes(size, "big")
    raise ValueError(f"CBOR argument above 64 bits: {argument}")


def read_head(data: bytes, position: int) -> tuple[int, int, int]:
    """Read one shortest head.

    Returns:
        Major type, argument, position after the head.

    Raises:
        EncodingError: Truncated, longer than needed, or indefinite.
    """
    if position >= len(data):
        raise EncodingError(position, "the bytes end where an item should begin")
    first = data[position]
    code = first & 31
    if code < 24:
        return first >> 5, code, position + 1
    if code > 27:
        raise EncodingError(position, "indefinite length or reserved head")
    size = 1 << (code - 24)
    end = position + 1 + size
    if end > len(data):
        raise EncodingError(position, "the head is cut off")
    argument = int.from_bytes(data[position + 1 : end], "big")
    if argument < 24 or (size > 1 and argument < 1 << (4 * size)):
        raise EncodingError(position, "the head is longer than needed")
    return first >> 5, argument, end


def _decode(data: bytes, profile: Profile) -> Value:
    value, end = _item(data, 0, 1, profile)
    if end != len(data):
        raise EncodingError(end, "bytes follow the item")
    return value


def _item(data: bytes, position: int, depth: int, profile: Profile) -> tuple[Value, int]:
    if position < len(data) and data[position] >= 0xE0:
        return _simple(data, position, profile)
    start = position
    major, argument, position = read_head(data, position)
    if major == 0:
        return _integer(start, argument, profile), position
    if major in (2, 3):
        end = position + argument
        if end > len(data):
            raise EncodingError(start, "the string is cut off")
        raw = bytes(data[position:end])
        if major == 2:
            return raw, end
        try:
            return raw.decode(), end
        except UnicodeDecodeError as error:
            raise EncodingError(position + error.start, "text is not UTF-8") from None
    if major in (4, 5):
        if depth > DEPTH_MAX:
            raise EncodingError(start, f"more than {DEPTH_MAX} containers inside one another")
        # Every item takes at least one byte: a length beyond that would only cost memory.
        if argument > len(data) - position:
            raise EncodingError(start, "the container is cut off")
        if major == 4:
            return _array(data, position, argument, depth, profile)
        return _map(data, position, argument, depth, profile)
    if major == 1 and profile is not Profile.PAYLOAD:
        if argument > _WIDE_MAX:
            raise EncodingError(start, "negative integer below 64 bits")
        return -1 - argument, position
    rule = "negative integers are not allowed here" if major == 1 else "tags are not allowed"
    raise EncodingError(start, rule)


def _integer(start: int, argument: int, profile: Profile) -> int:
    if argument > (_WIDE_MAX if profile is Profile.READING else INT_MAX):
        raise EncodingError(start, "integer above 2^53-1 (a reading's value: 2^63-1)")
    return argument


def _array(
    data: bytes, position: int, count: int, depth: int, profile: Profile
) -> tuple[Value, int]:
    items = []
    for _ in range(count):
        value, position = _item(data, position, depth + 1, profile)
        items.append(value)
    return items, position


def _map(data: bytes, position: int, count: int, depth: int, profile: Profile) -> tuple[Value, int]:
    items: dict[int, Value] = {}
    last = b""
    for _ in range(count):
        start = position
        major, argument, position = read_head(data, position)
        if major > (1 if profile is Profile.HEADER else 0) or argument > INT_MAX:
            raise EncodingError(start, "a map key is not a non-negative integer")
        encoded = data[start:position]
        if encoded <= last:
            raise EncodingError(start, "map keys are not ascending, or one occurs twice")
        last = encoded
        items[argument if major == 0 else -1 - argument], position = _item(
            data, position, depth + 1, profile
        )
    return items, position


def _simple(data: bytes, position: int, profile: Profile) -> tuple[Value, int]:
    code = data[position] & 31
    if code in (20, 21, 22):
        return (False, True, None)[code - 20], position + 1
    size = _FLOAT_BYTES.get(code)
    if size is None:
        raise EncodingError(position, "simple value other than false, true, null")
    if profile is not Profile.READING:
        raise EncodingError(position, "floats are not allowed here")
    end = position + 1 + size
    if end > len(data):
        raise EncodingError(position, "the float is cut off")
    raw = bytes(data[position:end])
    value = cbor2.loads(raw)
    if value != value or value in (float("inf"), float("-inf")):
        raise EncodingError(position, "NaN and infinities are not values")
    if cbor2.dumps(value, canonical=True) != raw:
        raise EncodingError(position, "the float is longer than needed")
    return value, end
