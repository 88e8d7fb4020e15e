"""A query is read strictly: what is written is a value, or a 400 that names the parameter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.question import Size, Time
from resolver.errors import RequestError
from resolver.interfaces import query


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z", "x", ""],
)
def test_times_beyond_the_calendar_are_refused(text: str) -> None:
    """The first and the last hours of the calendar are no fault of ours."""
    for read in (query.moment, lambda found: query.microseconds(found, "at", 0)):
        with pytest.raises(RequestError, match="parameter at"):
            read({"at": [text]})


@given(st.one_of(st.text(max_size=40), st.datetimes(timezones=st.timezones()).map(str)))
def test_any_time_is_a_moment_or_refused(text: str) -> None:
    """Nothing else comes out."""
    try:
        us = query.microseconds({"at": [text]}, "at", 0)
    except RequestError:
        return
    assert us >= 0


ALLOWED = frozenset(("at", "type", "value"))


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"", {}),
        (b"type=", {"type": [""]}),
        (b"type", {"type": [""]}),
        (b"type=a&type=b&value=1", {"type": ["a", "b"], "value": ["1"]}),
        (b"type=%E6%B3%B5", {"type": ["\u6cf5"]}),
        (b"type=a%2Bb", {"type": ["a+b"]}),
        (b"&&type=a&", {"type": ["a"]}),
    ],
)
def test_a_query_is_its_fields(raw: bytes, found: dict[str, list[str]]) -> None:
    assert query.fields(raw, ALLOWED) == found


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"tyqe=a", "tyqe"),
        (b"type=%FF", "query"),
        (b"type=\xe6\xb3\xb5", "query"),
        (b"&".join([b"type=a"] * (query.FIELDS_MAX + 1)), "query"),
        (b"type=" + b"a" * query.QUERY_BYTES_MAX, "query"),
    ],
)
def test_a_query_of_another_form_is_refused(raw: bytes, named: str) -> None:
    with pytest.raises(RequestError, match=f"parameter {named}: ") as refused:
        query.fields(raw, ALLOWED)
    assert (refused.value.status, refused.value.title) == (400, "malformed")


@given(raw=st.binary(max_size=200))
def test_any_query_is_fields_or_refused(raw: bytes) -> None:
    """Nothing else comes out, and only what is allowed."""
    try:
        found = query.fields(raw, ALLOWED)
    except RequestError:
        return
    assert found.keys() <= ALLOWED
    assert all(found.values())


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("007", 7), ("9007199254740991", 2**53 - 1)]
)
def test_decimal_digits_are_a_number(text: str, number: int) -> None:
    assert query.number({"at": [text]}, "at") == number


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", " 1", "1.0", "1e3", "0x1", "9007199254740992", "0" * 17, "\u0663", "\u00b2"],
)
def test_what_is_no_number_up_to_the_bound_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="parameter at"):
        query.number({"at": [text]}, "at")


def test_a_parameter_that_is_absent_has_its_default() -> None:
    assert query.one({}, "at") is None
    assert query.number({}, "at") is None
    assert query.moment({}) is None
    assert query.choice({}, "type", ("none", "bundle")) == "none"
    assert query.microseconds({}, "at", 7) == 7


def test_a_parameter_that_means_one_thing_is_given_once() -> None:
    twice = {"at": ["1", "1"]}
    for read in (query.one, query.number, query.moment):
        with pytest.raises(RequestError, match="given twice"):
            read(twice, "at")


def test_digits_are_a_size_and_anything_else_is_a_time() -> None:
    """A zone is part of a time; without one it would mean something else on every machine."""
    assert query.moment({"at": ["12"]}) == Size(size=12)
    for text in ("1970-01-01T00:00:01.5Z", "1970-01-01T08:00:01.5+08:00"):
        assert query.moment({"at": [text]}) == Time(ms=1500)
        assert query.microseconds({"at": [text]}, "at", 0) == 1_500_000
    with pytest.raises(RequestError, match="zone"):
        query.moment({"at": ["2026-11-24T10:00:00"]})
