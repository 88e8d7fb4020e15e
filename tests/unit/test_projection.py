"""A record as JSON: every kind of value, what is chosen, and times that any clock may show."""

from base64 import b64encode
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.core.projection import object_json, rfc3339, values_json

CHANGED_MS = 1_767_323_045_678
TEXT, BYTES, COMMITMENT = 0, 1, 2


def value(index: int, kind: str, form: int, data: str | bytes, **more: Any) -> dict[int, Any]:
    """A value as it is stored; access `owner`, unless told otherwise."""
    shown = {1: index, 2: kind, 3: form, 4: data, 5: 86_400, 6: 2, 7: CHANGED_MS}
    return shown | {int(number.removeprefix("m")): one for number, one in more.items()}


def record(*values: dict[int, Any], status: int = 0) -> dict[int, Any]:
    """A record as it is stored."""
    head = {0: 1, 1: "hdl:lab.1/a", 2: "hdl:lab.1", 3: 7, 4: status, 5: list(values), 6: []}
    return head | {7: 3, 8: 9, 9: 0, 10: CHANGED_MS}


def test_a_record_says_what_it_is_and_when_it_changed() -> None:
    shown = object_json(record())
    assert shown == {
        "kind": "record",
        "identifier": "hdl:lab.1/a",
        "owner": "hdl:lab.1",
        "version": 7,
        "status": "active",
        "created": {"index": 3, "time": "1970-01-01T00:00:00.000Z"},
        "changed": {"index": 9, "time": "2026-01-02T03:04:05.678Z"},
        "values": [],
        "aliases": [],
    }


@pytest.mark.parametrize(
    ("number", "word"), list(enumerate(("active", "retired", "frozen", "withheld")))
)
def test_a_status_is_a_word(number: int, word: str) -> None:
    assert object_json(record(status=number))["status"] == word


def test_text_bytes_and_commitments_are_told_apart() -> None:
    """A commitment shows its hash and its access; only it shows an access, and it shows no data."""
    secret = bytes(range(32))
    text, data, commitment = values_json(
        [
            value(1, "URL", TEXT, "泵"),
            value(2, "X", BYTES, b"\xff"),
            value(3, "Y", COMMITMENT, secret),
        ]
    )
    assert text["data"] == "泵"
    assert data["bytes"] == "/w=="
    assert commitment["commitment"] == b64encode(secret).decode()
    assert commitment["access"] == "owner"
    assert "access" not in text | data
    assert not {"data", "bytes"} & commitment.keys()


def test_optional_members_are_shown_only_where_they_are() -> None:
    bare, full = values_json(
        [
            value(1, "URL", TEXT, "a"),
            value(2, "URL", TEXT, "b", m8="title", m9="zh", m11=["hdl:lab.1"]),
        ]
    )
    assert bare.keys() == {"index", "type", "data", "ttl", "changed"}
    assert (full["title"], full["language"], full["writers"]) == ("title", "zh", ["hdl:lab.1"])


@pytest.mark.parametrize(
    ("types", "indices", "chosen"),
    [
        (set(), set(), [1, 2, 3]),
        ({"URL"}, set(), [1, 2]),
        (set(), {3}, [3]),
        ({"URL"}, {3}, [1, 2, 3]),
        ({"url"}, set(), []),
        (set(), {9}, []),
    ],
)
def test_types_and_indices_are_alternatives(
    types: set[str], indices: set[int], chosen: list[int]
) -> None:
    """Types are compared as they are written: only the Handle dialect folds their case."""
    values = [value(number, kind, TEXT, "x") for number, kind in ((1, "URL"), (2, "URL"), (3, "X"))]
    shown = values_json(values, types=frozenset(types), indices=frozenset(indices))
    assert [one["index"] for one in shown] == chosen


@given(ms=st.integers(0, 2**53 - 1))
def test_any_block_time_is_shown(ms: int) -> None:
    """As a date that reads back to the same millisecond, beyond year 9999 as the number itself."""
    text = rfc3339(ms)
    if text.isdigit():
        assert int(text) == ms > 253_402_300_799_999
        return
    days = (datetime.fromisoformat(text) - datetime.fromisoformat("1970-01-01T00:00Z")).days
    assert text.endswith(f".{ms % 1000:03}Z")
    assert days == ms // 86_400_000


@given(
    form=st.sampled_from([TEXT, BYTES, COMMITMENT]), data=st.binary(max_size=64), title=st.text()
)
def test_whatever_is_stored_is_json(form: int, data: bytes, title: str) -> None:
    stored = data.decode("utf-8", "replace") if form == TEXT else data
    title = title.encode("utf-8", "replace").decode()
    shown = object_json(record(value(1, "X", form, stored, m8=title)))
    assert orjson.loads(orjson.dumps(shown)) == shown
