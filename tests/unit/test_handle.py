"""Records as Handle JSON: values, codes, parameters, and bytes that decode to nothing."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.core.handle import ResponseCode, Wanted, answer
from resolver.interfaces import handle_rest
from tests.proof_world import GATEWAY, PUMP, Story, story

ADMIN = bytes.fromhex("07f30000000d302e4e412f38382e3131382e38000000c8")  # 200:0.NA/88.118.8


def value(index: int, kind: str, data: str | bytes, form: int | None = None) -> dict[int, Any]:
    """Return a stored value's map."""
    form = form if form is not None else int(isinstance(data, bytes))
    return {1: index, 2: kind, 3: form, 4: data, 5: 86_400, 6: 0, 7: 1_767_323_045_678}


def test_value_of_text() -> None:
    """Index, type, data, ttl and a timestamp in whole seconds."""
    code, body = answer("88.1/X", [value(1, "URL", "http://a.example/1")], Wanted())
    assert code is ResponseCode.SUCCESS
    assert body == {
        "responseCode": 1,
        "handle": "88.1/X",
        "values": [
            {
                "index": 1,
                "type": "URL",
                "data": {"format": "string", "value": "http://a.example/1"},
                "ttl": 86_400,
                "timestamp": "2026-01-02T03:04:05Z",
            }
        ],
    }


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(Wanted(), [1, 2, 3], id="all"),
        pytest.param(Wanted(types=("url",)), [1], id="type-ignores-case"),
        pytest.param(Wanted(types=("url.",)), [2], id="trailing-dot-is-sub-types"),
        pytest.param(Wanted(indices=frozenset((3,))), [3], id="index"),
        pytest.param(Wanted(types=("url",), indices=frozenset((3,))), [1, 3], id="or-ed"),
        pytest.param(Wanted(types=("none",)), [], id="nothing"),
    ],
)
def test_selection(wanted: Wanted, expected: list[int]) -> None:
    """Types and indices are OR-ed; nothing found is code 200 with an empty list."""
    values = [value(1, "URL", "a"), value(2, "URL.x", "b"), value(3, "EMAIL", "c")]
    code, body = answer("88.1/X", values, wanted)
    assert expected == [one["index"] for one in body["values"]]
    assert code is (ResponseCode.SUCCESS if expected else ResponseCode.VALUES_NOT_FOUND)


def test_absent_and_private() -> None:
    """No record is code 100; a commitment is private and left out."""
    assert answer("88.1/X", None, Wanted()) == (100, {"responseCode": 100, "handle": "88.1/X"})
    code, body = answer("88.1/X", [value(1, "NAME", bytes(32), form=2)], Wanted())
    assert (code, body["values"]) == (200, [])


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        pytest.param(
            "HS_ADMIN",
            ADMIN,
            {
                "format": "admin",
                "value": {"handle": "0.NA/88.118.8", "index": 200, "permissions": "011111110011"},
            },
            id="admin",
        ),
        pytest.param(
            "hs_vlist",
            bytes.fromhex("000000010000000161000000c8"),
            {"format": "vlist", "value": [{"handle": "a", "index": 200}]},
            id="vlist",
        ),
        pytest.param("HS_VLIST", bytes(4), {"format": "vlist", "value": []}, id="empty-vlist"),
        pytest.param(
            "HS_ADMIN", ADMIN[:-1], {"format": "base64", "value": None}, id="admin-cut-off"
        ),
        pytest.param("X", b"text", {"format": "string", "value": "text"}, id="looks-like-text"),
        pytest.param("X", b"\x00\xff", {"format": "base64", "value": "AP8="}, id="binary"),
    ],
)
def test_bytes(kind: str, data: bytes, expected: dict[str, Any]) -> None:
    """Typed bytes are decoded; what does not decode is text or base64, never an error."""
    _, body = answer("88.1/X", [value(1, kind, data)], Wanted())
    shown = body["values"][0]["data"]
    assert expected["format"] == shown["format"]
    assert expected["value"] in (None, shown["value"])


@given(kind=st.sampled_from(("HS_ADMIN", "HS_VLIST", "URL")), data=st.binary(max_size=64))
def test_any_bytes_are_shown(kind: str, data: bytes) -> None:
    """Whatever a value holds, it is shown as JSON."""
    _, body = answer("88.1/X", [value(1, kind, data)], Wanted())
    assert len(body["values"]) == 1
    assert json.dumps(body)


@pytest.fixture(scope="module")
def told() -> Story:
    """A network with one of everything."""
    return story()


def ask(told: Story, path: str, query: bytes = b"", method: str = "GET", body: bytes = b"") -> Any:
    """Ask and return (status, body)."""
    found = handle_rest.handle_answer(told.world.source(), method, path, query, body)  # type: ignore[arg-type]
    assert (b"access-control-allow-origin", b"*") in found.headers
    return found.status, found.body if query.startswith(b"callback") else orjson.loads(
        found.body or b"null"
    )


def test_handle_is_echoed_as_asked(told: Story) -> None:
    """Another spelling and a raw slash find the record; the answer repeats what was asked."""
    handle = PUMP.removeprefix("hdl:")
    for asked in (handle, handle.upper(), PUMP):
        status, body = ask(told, f"/api/handles/{asked}")
        assert (status, body["responseCode"], body["handle"]) == (200, 1, asked)


@pytest.mark.parametrize(
    ("method", "path", "query", "status", "code"),
    [
        pytest.param("GET", "/api/handles/lab.1/NO-SUCH", b"", 404, 100, id="absent"),
        pytest.param("GET", "/api/handles/", b"", 400, 102, id="empty"),
        pytest.param("GET", "/api/handles/a b", b"", 400, 102, id="invalid"),
        pytest.param("GET", "/api/handles/x/y", b"index=z", 400, 4, id="index-no-integer"),
        pytest.param("GET", "/api/x", b"", 405, 4, id="unknown-endpoint"),
        pytest.param("PUT", "/api/handles/x/y", b"", 501, 5, id="put"),
        pytest.param("DELETE", "/api/handles/x/y", b"", 501, 5, id="delete"),
        pytest.param("BREW", "/api/handles/x/y", b"", 501, 4, id="unknown-method"),
    ],
)
def test_codes(told: Story, method: str, path: str, query: bytes, status: int, code: int) -> None:
    """Every refusal is JSON with the code the dialect has for it."""
    found, body = ask(told, path, query, method)
    assert (status, code) == (found, body["responseCode"])


def test_post_is_get_with_its_parameters_in_the_body(told: Story) -> None:
    """A POST never creates: its JSON or form is the query."""
    path = f"/api/handles/{GATEWAY.removeprefix('hdl:')}"
    for body in (b'{"type":["NONE"]}', b"type=NONE", b'{"index":999}'):
        assert ask(told, path, method="POST", body=body)[1]["responseCode"] == 200
    assert ask(told, path, method="POST", body=b"{")[0] == 400


def test_callback(told: Story) -> None:
    """JSONP, with every character of the name that could break out replaced."""
    _, body = ask(told, "/api/handles/lab.1/NO-SUCH", b"callback=f(x);")
    assert body.startswith(b"f_x__({")
    assert body.endswith(b"});")


@given(path=st.text(max_size=60), query=st.binary(max_size=60), body=st.binary(max_size=60))
def test_any_request_is_answered(path: str, query: bytes, body: bytes) -> None:
    """Whatever is asked, the answer is JSON with a response code and never a 5xx but "not supported"."""
    view = story().world.source()
    for method in ("GET", "POST"):
        found = handle_rest.handle_answer(view, method, f"/api/handles/{path}", query, body)  # type: ignore[arg-type]
        assert found.status < 500
