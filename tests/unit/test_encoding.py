"""The strict scanner: one value, one encoding (docs/spec/statements.md, payload profile §dec)."""

import math
import struct

import pytest

from ledger.core import encoding
from ledger.errors import EncodingError


def value_of(hex_text: str) -> object:
    """Decode hex of the payload profile."""
    return encoding.decode(bytes.fromhex(hex_text))


def refusal(hex_text: str) -> tuple[int, str]:
    """Return offset and rule of what is refused."""
    with pytest.raises(EncodingError) as caught:
        value_of(hex_text)
    return caught.value.offset, caught.value.rule


@pytest.mark.parametrize(
    ("hex_text", "value"),
    [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("18ff", 255),
        ("190100", 256),
        ("1a00010000", 65_536),
        ("1b0000000100000000", 2**32),
        ("1b001fffffffffffff", encoding.INT_MAX),
        ("40", b""),
        ("60", ""),
        ("63e6a087", "标"),
        ("80", []),
        ("a0", {}),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("a20001181802", {0: 1, 24: 2}),
        ("8181818181818100", [[[[[[[0]]]]]]]),
        ("818181818181818100", [[[[[[[[0]]]]]]]]),
    ],
)
def test_values_of_the_profile(hex_text: str, value: object) -> None:
    """Each decodes to its value, and encodes back to the same bytes."""
    assert value_of(hex_text) == value
    assert encoding.encode(value).hex() == hex_text


@pytest.mark.parametrize(
    ("hex_text", "offset", "words"),
    [
        ("", 0, "end where an item"),
        ("1817", 0, "longer than needed"),
        ("190018", 0, "longer than needed"),
        ("1900ff", 0, "longer than needed"),
        ("1a0000ffff", 0, "longer than needed"),
        ("1b00000000ffffffff", 0, "longer than needed"),
        ("5800", 0, "longer than needed"),
        ("7817" + "61" * 23, 0, "longer than needed"),
        ("9800", 0, "longer than needed"),
        ("b800", 0, "longer than needed"),
        ("18", 0, "cut off"),
        ("1901", 0, "cut off"),
        ("41", 0, "cut off"),
        ("5affffffff", 0, "cut off"),
        ("5bffffffffffffffff", 0, "cut off"),
        ("9affffffff", 0, "cut off"),
        ("bbffffffffffffffff", 0, "cut off"),
        ("8100" + "00", 2, "follow"),
        ("5f4100ff", 0, "indefinite"),
        ("7f6161ff", 0, "indefinite"),
        ("9fff", 0, "indefinite"),
        ("bfff", 0, "indefinite"),
        ("1c", 0, "reserved"),
        ("1f", 0, "indefinite"),
        ("fc", 0, "simple"),
        ("ff", 0, "simple"),
        ("e0", 0, "simple"),
        ("f3", 0, "simple"),
        ("f7", 0, "simple"),
        ("f820", 0, "simple"),
        ("f814", 0, "simple"),
        ("f90000", 0, "floats"),
        ("fb3ff0000000000000", 0, "floats"),
        ("20", 0, "negative"),
        ("c000", 0, "tags"),
        ("d81c00", 0, "tags"),
        ("1b0020000000000000", 0, "2^53-1"),
        ("a201000000", 3, "ascending"),
        ("a201000100", 3, "ascending"),
        ("a2181800" + "0000", 4, "ascending"),
        ("a16100", 1, "map key"),
        ("a3001817180100", 2, "longer than needed"),
        ("a2200000", 1, "map key"),
        ("a14000", 1, "map key"),
        ("a1f400", 1, "map key"),
        ("a18000", 1, "map key"),
        ("a11b002000000000000000", 1, "map key"),
        ("61ff", 1, "UTF-8"),
        ("62c080", 1, "UTF-8"),
        ("63eda080", 1, "UTF-8"),
        ("64f4908080", 1, "UTF-8"),
        ("81818181818181818100", 8, "containers"),
        ("818181818181818180", 8, "containers"),
        ("a100a100a100a100a100a100a100a100a0", 16, "containers"),
    ],
)
def test_everything_else_is_refused_with_its_place(hex_text: str, offset: int, words: str) -> None:
    """Each names the offset of the offending item and the rule."""
    where, rule = refusal(hex_text)
    assert (where, words in rule) == (offset, True), rule


def test_headers_may_be_negative_in_the_order_of_their_bytes() -> None:
    """decode_header: 01, 03 before 20, 21; and the payload profile refuses them."""
    key = bytes.fromhex("a301012006215820") + bytes(32)

    assert encoding.decode_header(key) == {1: 1, -1: 6, -2: bytes(32)}
    for wrong in ("a220000100", "a221002000", "a220002000"):
        with pytest.raises(EncodingError):
            encoding.decode_header(bytes.fromhex(wrong))
    with pytest.raises(EncodingError):
        encoding.decode(key)


def test_header_integers_reach_from_64_bit_negative_to_2_53() -> None:
    """Labels and algorithm numbers; floats are never allowed in a header."""
    assert encoding.decode_header(bytes.fromhex("3b7fffffffffffffff")) == -(2**63)
    for wrong in ("3b8000000000000000", "1b0020000000000000", "f90000"):
        with pytest.raises(EncodingError):
            encoding.decode_header(bytes.fromhex(wrong))


def test_reading_integers_have_64_bits() -> None:
    """decode_reading_value: −2⁶³…2⁶³−1, nothing beyond."""
    for number in (-(2**63), -1, 0, 2**53, 2**63 - 1):
        assert encoding.decode_reading_value(encoding.encode(number)) == number
    for number in (2**63, -(2**63) - 1):
        with pytest.raises(EncodingError):
            encoding.decode_reading_value(encoding.encode(number))


def same_float(left: float, right: float) -> bool:
    """Compare floats with the sign of zero."""
    return left == right and math.copysign(1, left) == math.copysign(1, right)


@pytest.mark.slow
def test_every_half_float_is_the_shortest_form_of_its_value() -> None:
    """All 65,536: finite ones decode and encode back, NaN and infinities are refused."""
    for bits in range(65_536):
        raw = b"\xf9" + bits.to_bytes(2, "big")
        number = struct.unpack(">e", raw[1:])[0]
        if not math.isfinite(number):
            with pytest.raises(EncodingError):
                encoding.decode_reading_value(raw)
            continue
        found = encoding.decode_reading_value(raw)
        assert same_float(found, number)
        assert encoding.encode(found) == raw


@pytest.mark.parametrize(
    ("number", "hex_text"),
    [
        (0.0, "f90000"),
        (-0.0, "f98000"),
        (21.0, "f94d40"),
        (65_504.0, "f97bff"),
        (65_505.0, "fa477fe100"),
        (2.0**-24, "f90001"),
        (2.0**-25, "fa33000000"),
        (2.0**-149, "fa00000001"),
        (2.0**-150, "fb3690000000000000"),
        (0.1, "fb3fb999999999999a"),
        (3.4028234663852886e38, "fa7f7fffff"),
        (3.402823466385289e38, "fb47efffffe0000001"),
        (5e-324, "fb0000000000000001"),
        (1.7976931348623157e308, "fb7fefffffffffffff"),
    ],
)
def test_floats_take_the_shortest_form(number: float, hex_text: str) -> None:
    """At the borders of half, single and double; longer forms of the same value are refused."""
    raw = bytes.fromhex(hex_text)

    assert encoding.encode(number) == raw
    assert same_float(encoding.decode_reading_value(raw), number)
    double = b"\xfb" + struct.pack(">d", number)
    if double != raw:
        with pytest.raises(EncodingError, match="longer"):
            encoding.decode_reading_value(double)


@pytest.mark.parametrize(
    "hex_text",
    ["f97e00", "f97c00", "f9fc00", "fa7fc00000", "fa7f800000", "fb7ff0000000000000",
     "fb7ff8000000000001", "f9", "f900", "fa000000", "fb00000000000000"],
)  # fmt: skip
def test_no_nan_no_infinity_no_float_cut_off(hex_text: str) -> None:
    """In any width."""
    with pytest.raises(EncodingError):
        encoding.decode_reading_value(bytes.fromhex(hex_text))


def test_a_huge_declared_length_costs_nothing() -> None:
    """A container longer than the rest of the bytes is refused before anything is allocated."""
    with pytest.raises(EncodingError, match="cut off"):
        encoding.decode(bytes.fromhex("9b001fffffffffffff00"))


def test_heads_of_all_lengths() -> None:
    """`head` and `read_head` are inverse; above 64 bits there is no head."""
    for argument in (0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1):
        raw = encoding.head(2, argument)
        assert encoding.read_head(raw, 0) == (2, argument, len(raw))
    with pytest.raises(ValueError, match="64 bits"):
        encoding.head(0, 2**64)
