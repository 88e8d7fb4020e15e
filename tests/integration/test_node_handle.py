"""The Handle dialect of a real node: JSON with a response code for everything, refusals too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ledger.core import identifier
from ledger.core.operation import Create, Item
from ledger.core.value import BYTES, Value
from resolver.interfaces.handle_rest import BODY_BYTES_MAX
from tests.conftest import free_port
from tests.lab_world import World
from tests.node_process import COSE, MANY, NodeThread, begin, make_folder

pytestmark = pytest.mark.integration

WORLD = World()
ADMIN = bytes.fromhex("07f30000000d302e4e412f38382e3131382e38000000c8")  # 200:0.NA/88.118.8
VALUES = (
    Value(index=1, type="URL", data="https://mfg.example/a"),
    Value(index=2, type="URL.cn", data="https://mfg.example/zh"),
    Value(index=3, type="EMAIL", data="a@b.example"),
    Value(index=100, type="HS_ADMIN", format=BYTES, data=ADMIN),
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    port = free_port()
    with (
        NodeThread(make_folder(tmp_path_factory.mktemp("node"), port), port) as node,
        httpx2.Client(base_url=node.url, timeout=20) as client,
    ):
        client.post("/entries", content=begin(WORLD), headers=MANY)
        items = tuple(
            Item(identifier=identifier.canonical(text), values=VALUES)
            for text in ("hdl:lab.1/Pump", "hdl:lab.1/a/b")
        )
        statement = WORLD.say(Create(items=items), signer=WORLD.registrar)
        answer = client.post("/entries", content=statement, headers=COSE)
        assert answer.status_code == 201, answer.text
        yield client


def coded(answer: httpx2.Response, status: int, code: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    shown: dict[str, Any] = answer.json()
    assert shown["responseCode"] == code
    return shown


@pytest.mark.parametrize(
    ("asked", "echoed"),
    [
        ("lab.1/Pump", "lab.1/Pump"),
        ("LAB.1/pUMP", "LAB.1/pUMP"),
        ("lab.1%2FPump", "lab.1/Pump"),
        ("lab.1/a/b", "lab.1/a/b"),
        ("lab.1/a%2Fb", "lab.1/a/b"),
    ],
)
def test_a_record_is_found_however_it_is_spelt(
    client: httpx2.Client, asked: str, echoed: str
) -> None:
    shown = coded(client.get(f"/api/handles/{asked}"), 200, 1)
    assert shown["handle"] == echoed
    assert [value["index"] for value in shown["values"]] == [1, 2, 3, 100]
    assert shown["values"][3]["data"]["value"]["handle"] == "0.NA/88.118.8"


@pytest.mark.parametrize(
    ("query", "indices"),
    [
        ("type=url", [1]),
        ("type=URL.", [2]),
        ("type=EMAIL&index=100", [3, 100]),
        ("index=1&index=2", [1, 2]),
        ("type=none", []),
    ],
)
def test_values_are_chosen(client: httpx2.Client, query: str, indices: list[int]) -> None:
    """By GET, and by a POST that has the same parameters in a form."""
    path, code = "/api/handles/lab.1/Pump", 1 if indices else 200
    for answer in (client.get(f"{path}?{query}"), client.post(path, content=query.encode())):
        shown = coded(answer, 200, code)
        assert [value["index"] for value in shown["values"]] == indices


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/handles/lab.1/nothing", 404, 100),
        ("GET", "/api/handles/", 400, 102),
        ("GET", "/api/handles/no handle", 400, 102),
        ("GET", "/api/handles/lab.1/%FF", 400, 102),
        ("GET", "/api/handles/lab.1/Pump?index=x", 400, 4),
        ("GET", "/api/sessions", 405, 4),
        ("PUT", "/api/handles/lab.1/Pump", 501, 5),
        ("DELETE", "/api/handles/lab.1/Pump", 501, 5),
        ("PATCH", "/api/handles/lab.1/Pump", 501, 4),
    ],
)
def test_refusals_are_coded(
    client: httpx2.Client, method: str, path: str, status: int, code: int
) -> None:
    coded(client.request(method, path), status, code)


def test_a_body_beyond_the_bound_is_refused_in_the_dialect(client: httpx2.Client) -> None:
    answer = client.post("/api/handles/lab.1/Pump", content=b"{" * (BODY_BYTES_MAX + 1))
    assert coded(answer, 413, 4)["handle"] == "lab.1/Pump"


def test_a_read_is_as_new_as_it_asks_to_be(client: httpx2.Client) -> None:
    """The size that was looked at stands in the answer, and a page of any origin may read it."""
    path = "/api/handles/lab.1/Pump"
    answer = client.get(path)
    size = answer.headers["xinbiao-size"]
    assert "Xinbiao-Size" in answer.headers["access-control-expose-headers"]
    assert client.get(path, headers={"xinbiao-min-size": size}).status_code == 200
    behind = client.get(path, headers={"xinbiao-min-size": "9999999"})
    coded(behind, 503, 3)
    assert int(behind.headers["retry-after"]) > 0


def test_head_options_and_callback(client: httpx2.Client) -> None:
    path = "/api/handles/lab.1/Pump"
    get, head, options = client.get(path), client.head(path), client.options(path)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(get.content)
    assert options.status_code == 200
    assert "GET" in options.headers["allow"]
    script = client.get(f"{path}?callback=show")
    assert script.headers["content-type"] == "application/javascript;charset=UTF-8"
    assert script.text == f"show({get.text});"


def test_an_empty_ledger_is_busy_and_still_says_its_methods(tmp_path: Path) -> None:
    port = free_port()
    with (
        NodeThread(make_folder(tmp_path, port), port) as node,
        httpx2.Client(base_url=node.url) as client,
    ):
        coded(client.get("/api/handles/lab.1/Pump"), 503, 3)
        assert client.options("/api/handles/lab.1/Pump").status_code == 200


def test_the_interface_is_described(client: httpx2.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]["/api/handles/{identifier}"]
    names = {parameter["name"] for parameter in described["get"]["parameters"]}
    assert {"type", "index", "pretty", "callback", "identifier"} <= names
