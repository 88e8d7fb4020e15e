"""Times in a query: whatever is written is a moment, or a 400 that names the parameter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
