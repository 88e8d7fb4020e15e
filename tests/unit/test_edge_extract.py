"""Pointers and conversions of the gateway agent (docs/spec/readings.md, RFC 6901)."""

import pytest

from edge_agent.core.extract import (
    CONVERSIONS,
    MISSING,
    Pointer,
    to_microseconds,
    to_quality,
)
from edge_agent.errors import DeadReason, MappingError, UnreadableError

DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
    "none": None,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
        ("/none", None),
    ],
)
def test_pointers_find_what_rfc_6901_says(text: str, expected: object) -> None:
    """The examples of RFC 6901 section 5; null is found, it is not missing."""
    assert expected == Pointer.parse(text, part="value").find(DOCUMENT)


@pytest.mark.parametrize(
    "text", ["/foo/2", "/foo/-", "/foo/01", "/foo/x", "/bar", "/foo/0/0", "/foo/99999999"]
)
def test_pointers_to_nothing_are_missing(text: str) -> None:
    """Beyond an array, a leading zero, a scalar's inside: nothing stands there."""
    assert Pointer.parse(text, part="value").find(DOCUMENT) is MISSING


@pytest.mark.parametrize("text", ["foo", "/~", "/~2", "/a~", "/" + "a/" * 16])
def test_malformed_pointers_are_refused(text: str) -> None:
    """A pointer that breaks the grammar cannot exist."""
    with pytest.raises(MappingError, match="pointer"):
        Pointer.parse(text, part="value")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("float", 21, 21.0),
        ("float", -0.0, -0.0),
        ("int", 2**63 - 1, 2**63 - 1),
        ("int", -(2**63), -(2**63)),
        ("bool", False, False),
        ("text", "on", "on"),
        ("auto", 21, 21),
        ("auto", 21.5, 21.5),
        ("auto", True, True),
    ],
)
def test_conversions_keep_the_type_of_the_mapping(
    kind: str, value: object, expected: object
) -> None:
    """A float stays a float and an integer an integer, because they hash differently."""
    found = CONVERSIONS[kind](value)
    assert (type(expected), repr(expected)) == (type(found), repr(found))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("float", "21"),
        ("float", True),
        ("float", 10**400),
        ("int", 21.0),
        ("int", True),
        ("int", 2**63),
        ("int", -(2**63) - 1),
        ("bool", 1),
        ("bool", "true"),
        ("text", 1),
        ("auto", [1]),
        ("auto", {}),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, value: object) -> None:
    """No conversion guesses."""
    with pytest.raises(UnreadableError) as refused:
        CONVERSIONS[kind](value)
    assert refused.value.reason is DeadReason.BAD_TYPE


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1_800_000_000, "s", 1_800_000_000_000_000),
        (1_800_000_000.25, "s", 1_800_000_000_250_000),
        (1_800_000_000_123, "ms", 1_800_000_000_123_000),
        (1_800_000_000_123_456, "us", 1_800_000_000_123_456),
        (1_800_000_000_123_456_789, "ns", 1_800_000_000_123_456),
        ("2027-01-15T08:00:00Z", "iso", 1_800_000_000_000_000),
        ("2027-01-15T16:00:00.000001+08:00", "iso", 1_800_000_000_000_001),
        (0, "ms", 0),
    ],
)
def test_times_become_exact_microseconds(value: object, unit: str, expected: int) -> None:
    """Integers lose nothing, and an offset is counted in."""
    assert expected == to_microseconds(value, unit)


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (-1, "ms"),
        (True, "s"),
        ("12", "ms"),
        (None, "ms"),
        (1e300, "s"),
        (2**53, "us"),
        (12, "iso"),
        ("2027-01-15T08:00:00", "iso"),
        ("yesterday", "iso"),
        ("0001-01-01T00:00:00+23:59", "iso"),
    ],
)
def test_what_is_no_time_is_refused(value: object, unit: str) -> None:
    """No offset, no number, before 1970 or beyond 2^53-1 µs: a dead letter, never a guess."""
    with pytest.raises(UnreadableError) as refused:
        to_microseconds(value, unit)
    assert refused.value.reason is DeadReason.BAD_TIME


@pytest.mark.parametrize(
    ("value", "scale", "expected"),
    [
        (0, "xinbiao", 0),
        (2, "xinbiao", 2),
        ("Uncertain", "xinbiao", 1),
        (192, "opc", 0),
        (255, "opc", 0),
        (191, "opc", 1),
        (64, "opc", 1),
        (63, "opc", 2),
        (0, "opc", 2),
    ],
)
def test_qualities_of_both_scales(value: object, scale: str, expected: int) -> None:
    """Each boundary of OPC's two top bits belongs to the better class."""
    assert expected == to_quality(value, scale)


@pytest.mark.parametrize(
    ("value", "scale"),
    [
        (3, "xinbiao"),
        (-1, "xinbiao"),
        (256, "opc"),
        (True, "xinbiao"),
        ("fine", "opc"),
        (1.0, "opc"),
    ],
)
def test_qualities_of_no_scale_are_refused(value: object, scale: str) -> None:
    """An unknown quality is not good."""
    with pytest.raises(UnreadableError) as refused:
        to_quality(value, scale)
    assert refused.value.reason is DeadReason.BAD_QUALITY
