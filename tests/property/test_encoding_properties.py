"""One value, one encoding, for every value and every byte string (statements.md, payload profile)."""

import math
import struct
from typing import Any

import cbor2
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import encoding
from ledger.errors import EncodingError

NUMBERS = st.integers(0, 30) | st.integers(0, encoding.INT_MAX)
LEAVES = (
    NUMBERS | st.booleans() | st.none() | st.binary(max_size=40) | st.text(
        st.characters(codec="utf-8"), max_size=40)
)  # fmt: skip
PAYLOADS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NUMBERS, inner, max_size=5),
    max_leaves=20,
)


def depth(value: Any) -> int:
    """Return how many containers lie inside one another."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def same(left: Any, right: Any) -> bool:
    """Compare values and their types: true is not 1, -0.0 is not 0.0."""
    return repr(left) == repr(right)


@given(PAYLOADS)
def test_a_payload_survives_its_bytes(value: Any) -> None:
    """Up to 8 containers; a deeper value is refused."""
    data = encoding.encode(value)
    if depth(value) > encoding.DEPTH_MAX:
        try:
            encoding.decode(data)
        except EncodingError:
            return
        raise AssertionError("too deep a value was accepted")
    found = encoding.decode(data)
    assert found == value
    assert encoding.encode(found) == data


def judged(data: bytes) -> None:
    """Whatever a profile accepts encodes back to the same bytes, and cbor2 reads it the same way."""
    for decode in (encoding.decode, encoding.decode_reading_value, encoding.decode_header):
        try:
            found = decode(data)
        except EncodingError:
            continue
        if decode is not encoding.decode_header:
            # A header's labels stand in the order of their bytes, which cbor2's canonical form
            # keeps only where equally long; nothing here writes any other header.
            assert encoding.encode(found) == data
        assert same(sorted_maps(cbor2.loads(data)), sorted_maps(found))


def sorted_maps(value: Any) -> Any:
    """Return a value whose maps are lists of pairs."""
    if isinstance(value, dict):
        return [(key, sorted_maps(item)) for key, item in value.items()]
    return [sorted_maps(item) for item in value] if isinstance(value, list) else value


@given(st.binary(max_size=60))
def test_random_bytes_are_judged(data: bytes) -> None:
    """A value or EncodingError, for all three profiles."""
    judged(data)


@given(PAYLOADS, st.data())
def test_mutated_bytes_are_judged(value: Any, data: st.DataObject) -> None:
    """One byte of a good encoding changed, removed or added."""
    good = encoding.encode(value)
    at = data.draw(st.integers(0, len(good) - 1))
    byte = bytes((data.draw(st.integers(0, 255)),))
    for made in (
        good[:at] + byte + good[at + 1 :],
        good[:at] + good[at + 1 :],
        good[:at] + byte + good[at:],
    ):
        judged(made)


@given(st.one_of(PAYLOADS, st.lists(st.floats() | st.integers()), st.sets(st.integers())))
def test_what_another_encoder_writes_is_judged(value: Any) -> None:
    """Tags, floats, big numbers, sets: bytes of a general encoder."""
    judged(cbor2.dumps(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_has_one_form(number: float) -> None:
    """The shortest that converts back; the wider ones are refused."""
    data = encoding.encode(number)
    found = encoding.decode_reading_value(data)

    assert found == number
    assert math.copysign(1, found) == math.copysign(1, number)
    accepted = 0
    for head, form in ((b"\xf9", ">e"), (b"\xfa", ">f"), (b"\xfb", ">d")):
        try:
            raw = head + struct.pack(form, number)
        except OverflowError:
            continue
        try:
            accepted += encoding.decode_reading_value(raw) == number
        except EncodingError:
            continue
    assert accepted == 1


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_64_bit_integer_is_a_reading_value(number: int) -> None:
    """And stays an integer."""
    found = encoding.decode_reading_value(encoding.encode(number))

    assert (found, type(found)) == (number, int)


@given(st.integers(0, 7), st.integers(0, 2**64 - 1), st.binary(max_size=4))
def test_heads_are_inverse(major: int, argument: int, before: bytes) -> None:
    """read_head finds what head wrote, anywhere in the bytes."""
    raw = before + encoding.head(major, argument)

    assert encoding.read_head(raw, len(before)) == (major, argument, len(raw))
