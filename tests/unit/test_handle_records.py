"""Published Handle records come out of our values as they were, and requests at the edges."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from resolver.core.handle import Wanted, answer
from resolver.interfaces import handle_rest
from resolver.interfaces.answer import Answer
from tests.proof_world import AWAY, PUMP, Story, story

FILES = (
    "handlerecord_for_reading_PUBLIC",
    "handlerecord_with_10320LOC_PUBLIC",
    "handlerecord_with_empty_10320LOC_PUBLIC",
    "handlerecord_without_10320LOC_PUBLIC",
)


def wire(data: dict[str, Any]) -> str | bytes:
    """Return a value's data as we store it: text, or the wire form of HS_ADMIN."""
    if data["format"] == "string":
        text: str = data["value"]
        return text
    assert data["format"] == "admin"
    value = data["value"]
    handle: bytes = value["handle"].encode()
    permissions = int(value["permissions"], 2).to_bytes(2, "big")
    index = int(value["index"]).to_bytes(4, "big")
    return permissions + len(handle).to_bytes(4, "big") + handle + index


@pytest.mark.parametrize("name", FILES)
def test_a_published_record_survives(shared_data: Path, name: str) -> None:
    """Index, type, data and ttl of every value; the timestamp is our block's."""
    published = json.loads((shared_data / "handle_records" / f"{name}.json").read_text("utf-8"))
    stored: list[dict[int, Any]] = []
    for value in sorted(published["values"], key=lambda one: int(one["index"])):
        data = wire(value["data"])
        form = int(isinstance(data, bytes))
        stored.append(
            {1: value["index"], 2: value["type"], 3: form, 4: data, 5: value["ttl"], 6: 0, 7: 0}
        )
    _, body = answer(published["handle"], stored, Wanted())

    for shown in body["values"]:
        (wanted,) = (one for one in published["values"] if one["index"] == shown["index"])
        assert (shown["type"], shown["ttl"]) == (wanted["type"], wanted["ttl"])
        assert wire(shown["data"]) == wire(wanted["data"])
        assert shown["data"]["format"] == wanted["data"]["format"]
        assert shown["timestamp"] == "1970-01-01T00:00:00Z"
    assert len(body["values"]) == len(published["values"])


@pytest.fixture(scope="module")
def told() -> Story:
    """A network with one of everything."""
    return story()


def ask(told: Story, path: str, query: bytes = b"", method: str = "GET") -> Answer:
    """Ask the interface."""
    return handle_rest.handle_answer(told.world.source(), method, path, query)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [(b"", 400, 102), (b"URL=*x*", 400, 102), (b"prefix=", 400, 102), (b"prefix=lab.1", 501, 5)],
)
def test_listings_are_refused_in_the_dialect(
    told: Story, query: bytes, status: int, code: int
) -> None:
    """Without a prefix nothing was asked (a real client searches so); with one it is not served."""
    found = ask(told, "/api/handles", query)

    assert (found.status, orjson.loads(found.body)["responseCode"]) == (status, code)


@pytest.mark.parametrize("query", [b"type=\xff", b"type=%FF", b"index=1&" * 300])
def test_a_query_that_cannot_be_read_is_no_query_for_everything(told: Story, query: bytes) -> None:
    """400, code 4: never the whole record to somebody who asked for a part of it."""
    found = ask(told, f"/api/handles/{PUMP.removeprefix('hdl:')}", query)

    assert (found.status, orjson.loads(found.body)["responseCode"]) == (400, 4)


def test_a_plus_is_a_plus(told: Story) -> None:
    """In a path and in a query; and raw UTF-8 names a type as escaped UTF-8 does."""
    path = f"/api/handles/{PUMP.removeprefix('hdl:')}"

    assert orjson.loads(ask(told, "/api/handles/lab.1/a+b").body)["handle"] == "lab.1/a+b"
    for query in ("type=泵".encode(), b"type=%E6%B3%B5", b"type=U+RL"):
        assert orjson.loads(ask(told, path, query).body)["responseCode"] == 200


def test_every_answer_may_be_read_by_any_origin(told: Story) -> None:
    """CORS on reads, refusals and OPTIONS, whose Allow names the methods."""
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "BREW"):
        headers = dict(ask(told, "/api/handles/x/y", method=method).headers)
        assert headers[b"access-control-allow-origin"] == b"*"
        assert b"Authorization" in headers[b"access-control-allow-headers"]
    allow = dict(ask(told, "/api/x", method="OPTIONS").headers)[b"allow"]
    assert allow == b"GET, HEAD, POST, PUT, DELETE, TRACE, OPTIONS"


def test_pretty_is_a_boolean_of_the_dialect(told: Story) -> None:
    """Empty, yes, true in any case; anything else is false."""
    path = f"/api/handles/{PUMP.removeprefix('hdl:')}"
    for query, indented in (
        (b"pretty", True),
        (b"pretty=", True),
        (b"pretty=YES", True),
        (b"pretty=True", True),
        (b"pretty=1", False),
        (b"pretty=no", False),
        (b"", False),
    ):
        assert (b"\n" in ask(told, path, query).body) is indented


def test_a_prefix_has_values_too(told: Story) -> None:
    """A bare prefix is a handle; one without values answers 200/200."""
    found = ask(told, f"/api/handles/{AWAY.removeprefix('hdl:')}")

    assert (found.status, orjson.loads(found.body)["responseCode"]) == (200, 200)
