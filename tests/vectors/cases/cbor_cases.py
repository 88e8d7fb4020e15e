"""cbor.json: the payload profile, the header profile and the reading profile, byte by byte."""

from typing import Any

from tests.vectors.cases.shape import Case, bad, good, show
from tests.vectors.second import cbor

_GOOD: list[tuple[str, str, str]] = [
    ("zero", "00", "the least integer"),
    ("23", "17", "largest head without argument"),
    ("24", "1818", "least head with one byte"),
    ("255", "18ff", "largest with one byte"),
    ("256", "190100", "least with two bytes"),
    ("65536", "1a00010000", "least with four bytes"),
    ("2^32", "1b0000000100000000", "least with eight bytes"),
    ("2^53-1", "1b001fffffffffffff", "the largest integer"),
    ("empty bytes", "40", "a byte string may be empty"),
    ("empty text", "60", "a text may be empty"),
    ("text", "63e6b3b5", "UTF-8 of three bytes"),
    ("text of a supplementary character", "64f09f94a7", "UTF-8 of four bytes"),
    ("empty array", "80", "an array may be empty"),
    ("empty map", "a0", "a map may be empty"),
    ("map", "a200010102", "keys ascend"),
    ("map with wide keys", "a3170018180019010000", "keys ascend across head lengths"),
    ("false, true, null", "83f4f5f6", "the only simple values"),
    ("eight arrays", "81" * 7 + "80", "eight containers inside one another"),
    ("eight containers of both kinds", "a10081a10081a10081a10080", "maps count like arrays"),
]
_BAD: list[tuple[str, str, str]] = [
    ("nothing", "", "no item"),
    ("long head of 23", "1817", "the head is longer than needed"),
    ("long head of 255", "1900ff", "the head is longer than needed"),
    ("long head of 65535", "1a0000ffff", "the head is longer than needed"),
    ("long head of 2^32-1", "1b00000000ffffffff", "the head is longer than needed"),
    ("long length of bytes", "580100", "the head of a byte string is longer than needed"),
    ("long length of text", "780161", "the head of a text is longer than needed"),
    ("long count of an array", "980100", "the head of an array is longer than needed"),
    ("long count of a map", "b8010000", "the head of a map is longer than needed"),
    ("2^53", "1b0020000000000000", "integers end at 2^53-1"),
    ("2^64-1", "1bffffffffffffffff", "integers end at 2^53-1"),
    ("-1", "20", "no negative integer"),
    ("reserved head 28", "1c", "reserved"),
    ("indefinite bytes", "5f4100ff", "definite lengths only"),
    ("indefinite text", "7f6161ff", "definite lengths only"),
    ("indefinite array", "9f00ff", "definite lengths only"),
    ("indefinite map", "bf0000ff", "definite lengths only"),
    ("break alone", "ff", "no break"),
    ("cut head", "19", "the head is cut off"),
    ("cut bytes", "4200", "the bytes are cut off"),
    ("cut array", "8200", "an item is missing"),
    ("cut map", "a100", "a value is missing"),
    ("huge array", "9b001fffffffffffff", "refused before memory is taken"),
    ("huge bytes", "5b001fffffffffffff00", "refused before memory is taken"),
    ("trailing byte", "0000", "bytes follow the item"),
    ("tag", "c100", "no tag"),
    ("regular expression tag", "d8236161", "no tag, whatever it would do"),
    ("big number tag", "c24101", "no tag"),
    ("self-described tag", "d9d9f700", "no tag"),
    ("half float", "f93c00", "no float"),
    ("double", "fb3ff0000000000000", "no float"),
    ("undefined", "f7", "no undefined"),
    ("simple value 16", "f0", "no other simple value"),
    ("simple value in two bytes", "f8ff", "no other simple value"),
    ("false in two bytes", "f814", "no other form of false"),
    ("text that is no UTF-8", "61ff", "text is UTF-8"),
    ("overlong UTF-8", "62c080", "text is UTF-8"),
    ("surrogate in text", "63eda080", "text is UTF-8 without surrogates"),
    ("text above U+10FFFF", "64f4908080", "text is UTF-8"),
    ("descending keys", "a201000002", "keys ascend"),
    ("duplicate key", "a200010002", "no key twice"),
    ("duplicate key under a long head", "a20001180002", "the head is longer than needed"),
    ("text key", "a1616100", "keys are unsigned integers"),
    ("bytes key", "a1416100", "keys are unsigned integers"),
    ("negative key", "a12000", "keys are unsigned integers"),
    ("null key", "a1f600", "keys are unsigned integers"),
    ("array key", "a18000", "keys are unsigned integers"),
    ("nine arrays", "81" * 8 + "80", "nine containers inside one another"),
    ("nine containers of both kinds", "81a10081a10081a10081a10080", "nine containers"),
]
_HEADER_GOOD: list[tuple[str, str, str]] = [
    ("algorithm -8", "a10127", "negative values"),
    ("algorithm -65537", "a1013a00010000", "negative values of any head"),
    ("Ed25519 key form", "a301012006215820" + "11" * 32, "negative labels after the others"),
]
_HEADER_BAD: list[tuple[str, str, str]] = [
    ("negative label first", "a220060101", "order of the encoded bytes: 01 before 20"),
    ("negative label twice", "a220062006", "no label twice"),
    ("long negative head", "a1013807", "the head is longer than needed"),
    ("float", "a101f93c00", "no float in a header"),
]
_FLOATS: list[tuple[str, float, str]] = [
    ("21.0", 21.0, "half"),
    ("0.0", 0.0, "half"),
    ("-0.0", -0.0, "minus zero is kept"),
    ("65504.0", 65504.0, "the largest half"),
    ("2^-24", 2.0**-24, "the least half, subnormal"),
    ("65505.0", 65505.0, "single, above half's precision"),
    ("100000.0", 100000.0, "single"),
    ("2^-25", 2.0**-25, "single, below half"),
    ("2^-149", 2.0**-149, "the least single, subnormal"),
    ("3.4028234663852886e+38", 3.4028234663852886e38, "the largest single"),
    ("0.1", 0.1, "double"),
    ("2^-150", 2.0**-150, "double, below single"),
    ("5e-324", 5e-324, "the least double, subnormal"),
    ("1.7976931348623157e+308", 1.7976931348623157e308, "the largest double"),
]
_READING_GOOD: list[tuple[str, str, str]] = [
    ("2^53", "1b0020000000000000", "a reading's integer may have 64 bits"),
    ("2^63-1", "1b7fffffffffffffff", "the largest integer of a reading"),
    ("-1", "20", "a reading's integer may be negative"),
    ("-2^63", "3b7fffffffffffffff", "the least integer of a reading"),
]
_READING_BAD: list[tuple[str, str, str]] = [
    ("2^63", "1b8000000000000000", "above 64 bits signed"),
    ("-2^63-1", "3b8000000000000000", "below 64 bits signed"),
    ("NaN", "f97e00", "NaN is no value"),
    ("NaN in single", "fa7fc00000", "NaN is no value"),
    ("infinity", "f97c00", "infinity is no value"),
    ("minus infinity", "f9fc00", "infinity is no value"),
    ("infinity in double", "fb7ff0000000000000", "infinity is no value"),
    ("21.0 as single", "fa41a80000", "half keeps the value"),
    ("21.0 as double", "fb4035000000000000", "half keeps the value"),
    ("100000.0 as double", "fb40f86a0000000000", "single keeps the value"),
    ("2^-24 as single", "fa33800000", "a subnormal half keeps the value"),
    ("cut float", "f94d", "the float is cut off"),
]


def file() -> dict[str, Any]:
    """Return cbor.json."""
    cases: list[Case] = []

    def add(profile: str, rows: list[tuple[str, str, str]], valid: bool) -> None:
        for name, raw, reason in rows:
            data = bytes.fromhex(raw)
            assert cbor.is_valid(data, profile) is valid, (profile, name)
            label = name if profile == cbor.PAYLOAD else f"{profile}: {name}"
            if valid:
                value = show(cbor.decode(data, profile))
                cases.append(good(label, reason, value, profile=profile, hex=raw))
            else:
                cases.append(bad(label, reason, profile=profile, hex=raw))

    add(cbor.PAYLOAD, _GOOD, True)
    add(cbor.PAYLOAD, _BAD, False)
    add(cbor.HEADER, _HEADER_GOOD, True)
    add(cbor.HEADER, _HEADER_BAD, False)
    floats = [(name, cbor.encode(value).hex(), reason) for name, value, reason in _FLOATS]
    add(cbor.READING, _READING_GOOD + floats, True)
    add(cbor.READING, _READING_BAD, False)
    return {
        "about": "docs/spec/statements.md, payload profile. `profile` is payload, header (COSE "
        "headers and keys) or reading. `expect` shows the value: maps as pairs, bytes as hex, "
        "floats by their shortest decimal form.",
        "cases": cases,
    }
