"""Every route of a node over a real socket: statuses, headers, media types, and proofs that verify."""

import base64
import json
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import cbor2
import httpx2
import pytest

from ledger.core import identifier, merkle, reading, tile
from ledger.core.checkpoint import parse_note
from ledger.core.merkle import leaf_hash, tree_root
from ledger.core.operation import Anchor, Retire, Update
from ledger.core.policy import TrustFile
from ledger.core.proof import Size, Verdict, verify
from ledger.core.statement import parse as parse_statement
from ledger.core.value import Value
from tests.conftest import free_port
from tests.lab_world import IAT, LAB, MEMBER, NETWORK, World
from tests.node_process import COSE, MANY, NodeThread, begin, make_folder, many

pytestmark = pytest.mark.integration

I = identifier.canonical  # noqa: E741
WORLD = World()
TRUST = TrustFile.parse(WORLD.trust_text())
PROOF = "application/vnd.xinbiao.proof+cbor"
PROOF_JSON = "application/vnd.xinbiao.proof+json"
ARCHIVE = {"content-type": "application/vnd.xinbiao.archive+cbor"}
GATEWAY = "hdl:lab.1/gw-1"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node with a genesis and the lab prefix; each test names identifiers of its own."""
    port = free_port()
    with NodeThread(make_folder(tmp_path_factory.mktemp("node"), port), port) as node:
        with httpx2.Client(base_url=node.url) as client:
            assert client.get("/readyz").status_code == 503
            assert client.get("/checkpoint").status_code == 503
            assert client.get("/healthz").status_code == 200
            answer = client.post("/entries", content=begin(WORLD), headers=MANY)
            assert [one["index"] for one in answer.json()["results"]] == [0, 2]
            gateways = [GATEWAY, "hdl:lab.1/gw-2", "hdl:lab.1/gw-3"]
            client.post("/entries", content=WORLD.create(*gateways), headers=COSE)
        yield node.url


@pytest.fixture
def client(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=20) as client:
        yield client


def put(client: httpx2.Client, statement: bytes) -> dict[str, Any]:
    """Register one statement; returns the receipt."""
    answer = client.post("/entries", content=statement, headers=COSE)
    assert answer.status_code == 201, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


def update(text: str, version: int) -> bytes:
    value = Value(index=1, type="URL", data=f"https://mfg.example/v{version}")
    return WORLD.say(Update(identifier=I(text), version=version, put=(value,)))


def judged(answer: httpx2.Response, text: str, **asked: Any) -> Verdict:
    """Verify the bundle of an answer, CBOR or JSON, as its media type says."""
    kind = answer.headers["content-type"]
    assert kind in (PROOF, PROOF_JSON)
    bundle = answer.content if kind == PROOF else answer.text
    now = asked.pop("now", None) or dated(answer)
    return verify(bundle, text, network=NETWORK, trust=TRUST, now=now, max_age=None, **asked)


def dated(answer: httpx2.Response) -> int:
    """The node's clock when it answered, from the answer."""
    return int(parsedate_to_datetime(answer.headers["date"]).timestamp()) + 1


def is_problem(answer: httpx2.Response, status: int, title: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    shown: dict[str, Any] = answer.json()
    assert shown["title"] == title
    assert shown["status"] == status
    assert shown["type"].endswith(title)
    assert shown["detail"]
    return shown


# ---- registration


def test_one_statement_is_answered_with_its_place(client: httpx2.Client) -> None:
    statement = WORLD.create("hdl:lab.1/one")
    answer = client.post(
        "/entries", content=statement, headers={"content-type": "application/cose"}
    )
    assert answer.status_code == 303
    place = answer.headers["location"]
    size = int(answer.headers["xinbiao-size"])
    again = client.post("/entries", content=statement, headers=COSE)
    assert again.status_code == 201
    receipt = again.json()
    assert again.headers["location"] == place == f"/entries/{receipt['entry']}"
    assert receipt["hash"] == parse_statement(statement).hash.hex()
    assert receipt["index"] < size <= int(again.headers["xinbiao-size"])


def test_many_statements_are_answered_in_order_each_with_its_outcome(client: httpx2.Client) -> None:
    good = [WORLD.create(f"hdl:lab.1/many-{number}") for number in range(3)]
    body = many([good[0], good[0], b"\xd2\x84junk", update("hdl:lab.1/many-9", 1), good[1]])
    answer = client.post("/entries", content=body, headers=MANY)
    assert answer.status_code == 200
    first, twin, junk, early, second = answer.json()["results"]
    assert first["index"] == twin["index"] == second["index"] - 1
    assert (junk["title"], junk["code"]) == ("malformed", 1)
    assert early["title"] == "version-conflict"
    assert int(answer.headers["xinbiao-size"]) == answer.json()["size"] > second["index"]


def test_a_refusal_has_its_status_name_and_items(client: httpx2.Client) -> None:
    put(client, WORLD.create("hdl:lab.1/taken"))
    both = WORLD.create("hdl:lab.1/free", "hdl:lab.1/taken")
    shown = is_problem(client.post("/entries", content=both, headers=COSE), 409, "exists")
    assert [item[0] for item in shown["items"]] == [1]
    is_problem(client.post("/entries", content=b"junk", headers=COSE), 400, "malformed")
    stranger = WORLD.create("hdl:lab.1/by-stranger", signer=WORLD.root)
    is_problem(client.post("/entries", content=stranger, headers=COSE), 403, "not-authorised")
    assert client.get("/v1/resolve/lab.1/free").status_code == 404


@pytest.mark.parametrize(
    ("accept", "cbor"),
    [
        ("application/concise-problem-details+cbor", True),
        ("application/cose", True),
        ("application/cbor;q=1", True),
        ("application/json, application/cose", False),
        ("*/*", False),
        ("text/html", False),
    ],
)
def test_a_refusal_speaks_the_clients_language(
    client: httpx2.Client, accept: str, *, cbor: bool
) -> None:
    answer = client.post("/entries", content=b"junk", headers={**COSE, "accept": accept})
    assert answer.status_code == 400
    if not cbor:
        is_problem(answer, 400, "malformed")
        return
    assert answer.headers["content-type"] == "application/concise-problem-details+cbor"
    assert cbor2.loads(answer.content)[-1] == "malformed"


@pytest.mark.parametrize(
    ("headers", "body", "status", "title"),
    [
        ({}, b"x", 415, "unsupported-media-type"),
        ({"content-type": "text/plain"}, b"x", 415, "unsupported-media-type"),
        (MANY, b"", 400, "malformed"),
        (MANY, b"\x00", 400, "malformed"),
        (MANY, b"\x00\x00", 400, "malformed"),
        (MANY, b"\x00\x05abc", 400, "malformed"),
        (COSE, b"", 400, "malformed"),
    ],
)
def test_a_body_that_is_no_registration_is_refused(
    client: httpx2.Client, headers: dict[str, str], body: bytes, status: int, title: str
) -> None:
    is_problem(client.post("/entries", content=body, headers=headers), status, title)


def test_an_entry_comes_with_the_path_to_the_checkpoint(client: httpx2.Client) -> None:
    statement = WORLD.create("hdl:lab.1/entry")
    receipt = put(client, statement)
    answer = client.get(f"/entries/{receipt['entry']}")
    shown = answer.json()
    assert base64.b64decode(shown["statement"]) == statement
    assert int(answer.headers["xinbiao-size"]) == shown["size"]
    root = parse_note(client.get("/checkpoint").content).text.split("\n")[2]
    path = [base64.b64decode(one) for one in shown["path"]]
    assert merkle.verify_inclusion(
        shown["index"], shown["size"], leaf_hash(statement), base64.b64decode(root), path
    )


@pytest.mark.parametrize("entry", ["1.999999", "2.0", "1.01", "1.-1", "x", "1.99999999999999999"])
def test_no_such_entry(client: httpx2.Client, entry: str) -> None:
    is_problem(client.get(f"/entries/{entry}"), 404, "not-found")


def test_a_write_is_read_at_once_by_whoever_names_its_size(client: httpx2.Client) -> None:
    for number in range(20):
        text = f"hdl:lab.1/mine-{number}"
        size = put(client, WORLD.create(text))["size"]
        answer = client.get(f"/v1/resolve/{text}", headers={"xinbiao-min-size": str(size)})
        assert answer.status_code == 200
        assert int(answer.headers["xinbiao-size"]) >= size


ASKABLE = [
    "/v1/resolve/lab.1/gw-1",
    "/v1/history/lab.1/gw-1",
    "/v1/readings/lab.1/gw-1",
    "/v1/usage/lab.1",
    "/v1/status",
    "/entries/1.0",
    "/checkpoint",
    "/tile/0/000.p/1",
]


@pytest.mark.parametrize("path", ASKABLE)
def test_a_node_that_is_behind_says_so(client: httpx2.Client, path: str) -> None:
    """Also with the size of what it does answer, and 400 for what is no size."""
    behind = client.get(path, headers={"xinbiao-min-size": "9999999"})
    is_problem(behind, 503, "behind")
    assert int(behind.headers["retry-after"]) > 0
    is_problem(client.get(path, headers={"xinbiao-min-size": "-1"}), 400, "malformed")
    assert client.get(path, headers={"xinbiao-min-size": "1"}).status_code == 200


# ---- resolve


def test_resolve_shows_the_record_and_proves_it_three_ways(client: httpx2.Client) -> None:
    text = "hdl:lab.1/proved"
    put(client, WORLD.create(text))
    plain = client.get(f"/v1/resolve/{text}")
    assert plain.status_code == 200
    assert plain.headers["content-type"] == "application/json"
    shown = plain.json()
    assert (shown["identifier"], shown["found"]) == (text, "record")
    assert shown["record"]["values"][0]["data"] == "https://mfg.example/0"
    assert "proof" not in shown
    for kind in (PROOF, PROOF_JSON):
        answer = client.get(f"/v1/resolve/{text}", headers={"accept": kind})
        assert answer.status_code == 200
        assert judged(answer, text).kind == "present"
    with_proof = client.get(f"/v1/resolve/{text}?proof=bundle")
    twin = json.dumps(with_proof.json()["proof"])
    found = verify(twin, text, network=NETWORK, trust=TRUST, now=dated(with_proof), max_age=None)
    assert found.kind == "present"
    assert found.current
    assert found.size == with_proof.json()["size"]


def test_absence_is_404_with_its_proof(client: httpx2.Client) -> None:
    text = "hdl:lab.1/no-such"
    shown = is_problem(client.get(f"/v1/resolve/{text}"), 404, "absent")
    assert shown["identifier"] == text
    answer = client.get(f"/v1/resolve/{text}", headers={"accept": PROOF})
    assert answer.status_code == 404
    assert judged(answer, text).kind == "absent"
    twin = json.dumps(shown["proof"])
    assert (
        verify(twin, text, network=NETWORK, trust=TRUST, now=dated(answer), max_age=None).kind
        == "absent"
    )


def test_a_prefix_resolves_with_its_keys_and_quota(client: httpx2.Client) -> None:
    shown = client.get("/v1/resolve/lab.1").json()
    assert shown["found"] == "prefix"
    assert len(shown["record"]["keys"]) == 4
    assert shown["record"]["quota"]["objects"] == WORLD.quota.objects


def test_values_are_chosen_by_type_and_index(client: httpx2.Client) -> None:
    text = "hdl:lab.1/chosen"
    put(client, WORLD.create(text))
    more = (Value(index=2, type="EMAIL", data="a@b.example"), Value(index=7, type="X", data="y"))
    put(client, WORLD.say(Update(identifier=I(text), version=1, put=more)))

    def indices(query: str) -> list[int]:
        record = client.get(f"/v1/resolve/{text}?{query}").json()["record"]
        return [value["index"] for value in record["values"]]

    assert indices("") == [1, 2, 7]
    assert indices("type=EMAIL") == [2]
    assert indices("type=EMAIL&value=7") == [2, 7]
    assert indices("value=99") == []


def test_since_proves_that_the_log_only_grew(client: httpx2.Client) -> None:
    text = "hdl:lab.1/since"
    put(client, WORLD.create(text))
    first = client.get(f"/v1/resolve/{text}", headers={"accept": PROOF})
    before = judged(first, text)
    put(client, update(text, 1))
    answer = client.get(f"/v1/resolve/{text}?since={before.size}", headers={"accept": PROOF})
    after = judged(answer, text, last_seen=(before.size, before.root))
    assert after.size > before.size
    is_problem(client.get(f"/v1/resolve/{text}?since=99999999"), 409, "behind")


def test_at_proves_the_version_of_a_moment(client: httpx2.Client) -> None:
    text = "hdl:lab.1/moment"
    sizes = [put(client, WORLD.create(text))["size"]]
    sizes += [put(client, update(text, version))["size"] for version in (1, 2, 3)]
    for version, size in enumerate(sizes, 1):
        answer = client.get(f"/v1/resolve/{text}?at={size}", headers={"accept": PROOF})
        found = judged(answer, text, question="history", at=Size(size=size))
        assert found.versions[-1].versions.version == version  # type: ignore[union-attr]
    far = client.get(f"/v1/resolve/{text}?at=2100-01-01T00:00:00Z", headers={"accept": PROOF})
    assert far.status_code == 200
    is_problem(client.get(f"/v1/resolve/{text}?at=99999999"), 400, "malformed")
    is_problem(client.get(f"/v1/resolve/{text}?at=yesterday"), 400, "malformed")


def test_many_identifiers_are_resolved_in_order_under_one_checkpoint(
    client: httpx2.Client,
) -> None:
    put(client, WORLD.create("hdl:lab.1/b-1", "hdl:lab.1/b-2"))
    asked = ["lab.1/b-2", "no identifier", "lab.1/nothing", "hdl:lab.1/b-1"]
    answer = client.post("/v1/resolve", json={"identifiers": asked, "proof": "bundle"})
    shown = answer.json()
    assert [one["status"] for one in shown["results"]] == [200, 400, 404, 200]
    assert [one["identifier"] for one in shown["results"]] == asked
    assert int(answer.headers["xinbiao-size"]) == shown["size"]
    for number, text in ((0, "hdl:lab.1/b-2"), (2, "hdl:lab.1/nothing"), (3, "hdl:lab.1/b-1")):
        found = verify(
            json.dumps(shown["results"][number]["proof"]),
            text,
            network=NETWORK,
            trust=TRUST,
            now=dated(answer),
            max_age=None,
        )
        assert found.size == shown["size"]
        assert f"\n{found.size}\n" in shown["checkpoint"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"identifiers": 1}',
        b'{"identifiers": [], "more": 1}',
        b'{"identifiers": ["\xff"]}',
        b'{"identifiers": [], "proof": "all"}',
        json.dumps({"identifiers": ["lab.1/x"] * 1001}).encode(),
    ],
)
def test_a_batch_question_that_is_none_is_refused(client: httpx2.Client, body: bytes) -> None:
    is_problem(client.post("/v1/resolve", content=body), 400, "malformed")


def test_percent_encoding_is_taken_off_once(client: httpx2.Client) -> None:
    """A slash inside a GS1 serial number is %2F there, so it travels as %252F."""
    prefix, serial = "gs1:gcp/9506000", "gs1:01/09506000134352/21/a%2Fb"
    put(client, WORLD.delegate(prefix, iss="gs1:"))
    put(client, WORLD.create(serial, iss=prefix))
    path = "/v1/resolve/" + serial.replace("%", "%25")
    assert client.get(path).json()["identifier"] == serial
    answer = client.get(path, headers={"accept": PROOF})
    assert judged(answer, serial).kind == "present"
    link = "/v1/resolve/https://id.gs1.org/01/09506000134352/21/a%252Fb"
    assert client.get(link).json()["identifier"] == serial


def test_other_scripts_arrive_and_broken_escapes_are_refused(client: httpx2.Client) -> None:
    text = "hdl:lab.1/泵-7"
    put(client, WORLD.create(text))
    assert client.get("/v1/resolve/lab.1/泵-7").json()["identifier"] == text
    for path in (
        "/v1/resolve/lab.1/%FF",
        "/v1/streams/lab.1/%C0%80",
        "/v1/readings/lab.1/%ED%A0%80",
    ):
        is_problem(client.get(path), 400, "malformed")


@pytest.mark.parametrize(
    "query",
    ["proof=maybe", "unknown=1", "proof=none&proof=none", "value=x", "since=-1", "at=1&at=2"],
)
def test_a_query_is_read_strictly(client: httpx2.Client, query: str) -> None:
    shown = is_problem(client.get(f"/v1/resolve/lab.1?{query}"), 400, "malformed")
    assert query.partition("=")[0] in shown["detail"]


# ---- history, usage, status, pages


def test_history_lists_versions_with_who_signed_them(client: httpx2.Client) -> None:
    text = "hdl:lab.1/told"
    size = put(client, WORLD.create(text))["size"]
    put(client, update(text, 1))
    put(client, WORLD.say(Retire(identifier=I(text), version=2)))
    answer = client.get(f"/v1/history/{text}")
    versions = answer.json()["versions"]
    assert [one["version"] for one in versions] == [3, 2, 1]
    assert versions[0]["status"] == "retired"
    assert versions[2]["signed"]["kid"] == WORLD.registrar.public.kid.hex()
    assert versions[0]["signed"]["iss"] == LAB
    assert versions[0]["signed"]["iat"] == IAT
    then = client.get(f"/v1/history/{text}?at={size}").json()["versions"]
    assert [one["version"] for one in then] == [1]
    proved = judged(
        client.get(f"/v1/history/{text}", headers={"accept": PROOF_JSON}), text, question="history"
    )
    assert len(proved.versions) == 3
    is_problem(client.get("/v1/history/lab.1/nothing"), 404, "absent")


def test_usage_counts_what_a_prefix_has_registered(client: httpx2.Client) -> None:
    before = client.get("/v1/usage/lab.1").json()
    put(client, WORLD.create("hdl:lab.1/used-1", "hdl:lab.1/used-2"))
    after = client.get("/v1/usage/lab.1").json()
    assert after["used"]["objects"] == before["used"]["objects"] + 2
    assert after["used"]["log_bytes"] > before["used"]["log_bytes"]
    assert after["quota"] == {"objects": WORLD.quota.objects, "log_bytes": WORLD.quota.log_bytes}
    is_problem(client.get("/v1/usage/lab.1/gw-1"), 404, "absent")


def test_status_says_where_the_node_stands(client: httpx2.Client) -> None:
    answer = client.get("/v1/status")
    shown = answer.json()
    assert (shown["network"], shown["member"], shown["members"]) == (NETWORK, MEMBER, [MEMBER])
    assert int(answer.headers["xinbiao-size"]) == shown["size"]
    before = shown["log_bytes"]
    statement = WORLD.create("hdl:lab.1/status")
    put(client, statement)
    after = client.get("/v1/status").json()
    assert after["log_bytes"] > before + len(statement)
    assert after["height"] == shown["height"] + 1
    assert after["bytes_free"] > 0
    assert after["bytes_on_disk"] > 0
    assert after["waiting"] == 0


@pytest.mark.parametrize(
    ("path", "kind", "holds"),
    [
        ("/healthz", "text/plain", "ok"),
        ("/readyz", "text/plain", "ready"),
        ("/metrics", "text/plain", "xinbiao_log_size"),
        ("/", "text/html", NETWORK),
        ("/docs", "text/html", "/v1/resolve/{identifier}"),
        ("/openapi.json", "application/json", "/v1/readings/{identifier}"),
    ],
)
def test_pages_and_operations(client: httpx2.Client, path: str, kind: str, holds: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert holds in answer.text


def test_the_front_page_leads_to_the_answer(client: httpx2.Client) -> None:
    answer = client.get("/", params={"id": "https://hdl.handle.net/lab.1/gw-1"})
    assert answer.status_code == 303
    assert client.get(answer.headers["location"]).json()["identifier"] == GATEWAY


@pytest.mark.parametrize(
    "path",
    [
        *ASKABLE,
        "/v1/resolve/lab.1/no-such",
        "/healthz",
        "/readyz",
        "/metrics",
        "/",
        "/docs",
        "/openapi.json",
        "/nothing",
    ],
)
def test_head_is_get_without_a_body(client: httpx2.Client, path: str) -> None:
    get, head = client.get(path), client.head(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]
    if path not in ("/metrics", "/v1/status"):  # their numbers may have moved
        assert int(head.headers["content-length"]) == len(get.content)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v1/resolve/lab.1"), ("DELETE", "/entries"), ("POST", "/checkpoint")],
)
def test_a_method_that_is_not_there(client: httpx2.Client, method: str, path: str) -> None:
    is_problem(client.request(method, path), 405, "method-not-allowed")


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/resolve/lab.1", "GET, HEAD, OPTIONS"),
        ("/v1/resolve", "POST, OPTIONS"),
        ("/entries", "POST, OPTIONS"),
        ("/checkpoint", "GET, HEAD, OPTIONS"),
        ("/v1/archive/lab.1/gw-1/0", "PUT, OPTIONS"),
    ],
)
def test_a_page_of_any_origin_may_ask_what_it_may_do(
    client: httpx2.Client, path: str, allow: str
) -> None:
    asks = {"origin": "https://a.example", "access-control-request-method": "POST"}
    answer = client.options(path, headers=asks)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == answer.headers["access-control-allow-methods"] == allow
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Content-Type" in answer.headers["access-control-allow-headers"]


def test_no_such_resource_has_no_options(client: httpx2.Client) -> None:
    is_problem(client.options("/nothing"), 404, "not-found")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/resolve/lab.1/no-such",
        "/v1/history/lab.1/no-such",
        "/v1/streams/lab.1/no-such",
        "/v1/usage/lab.1/no-such",
        "/v1/resolve/lab.1?since=9999999",
        "/tile/0/999",
    ],
)
def test_a_refusal_says_what_size_it_looked_at(client: httpx2.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 409)
    assert int(answer.headers["xinbiao-size"]) > 0


# ---- the log as tiles


def test_tiles_and_entry_bundles_make_the_root_of_the_checkpoint(client: httpx2.Client) -> None:
    """Over more than one full tile: hashes equal entries, and level 1 equals level 0."""
    statements = [WORLD.create(f"hdl:lab.1/tile-{number}") for number in range(300)]
    client.post("/entries", content=many(statements), headers=MANY)
    note = client.get("/checkpoint")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    origin, size_text, root_text = parse_note(note.content).text.split("\n")[:3]
    assert origin == NETWORK
    size = int(size_text)
    hashes: list[bytes] = []
    for number in range(-(-size // 256)):
        width = min(256, size - 256 * number)
        suffix = "" if width == 256 else f".p/{width}"
        got = client.get(f"/tile/0/{number:03}{suffix}")
        assert got.headers["content-type"] == "application/octet-stream"
        assert "immutable" in got.headers["cache-control"]
        here = tile.decode_tile(got.content)
        entries = tile.decode_bundle(client.get(f"/tile/entries/{number:03}{suffix}").content)
        assert [leaf_hash(one) for one in entries] == here
        hashes += here
    assert tree_root(hashes) == base64.b64decode(root_text)
    upper = tile.decode_tile(client.get(f"/tile/1/000.p/{size // 256}").content)
    assert upper[0] == tree_root(hashes[:256])
    assert client.get("/tile/0/000.p/17").content == b"".join(hashes[:17])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tile/0/999", 404),
        ("/tile/5/000", 404),
        ("/tile/entries/999", 404),
        ("/tile/0/000.p/256", 400),
        ("/tile/0/1", 400),
        ("/tile/64/000", 400),
        ("/tile/", 400),
    ],
)
def test_no_such_tile(client: httpx2.Client, path: str, status: int) -> None:
    assert client.get(path).status_code == status


# ---- streams, archives, readings


class Gateway:
    """A gateway that anchors batches of readings of its own making."""

    def __init__(self, client: httpx2.Client, text: str) -> None:
        self.client = client
        self.text = text
        self.sequence = 0
        self.previous: bytes | None = None

    def batch(self, readings: list[bytes]) -> tuple[bytes, bytes]:
        """The next anchor and its archive body."""
        key = bytes([self.sequence + 1]) * 32
        ctx = reading.context(self.sequence, I(self.text).key_text)
        times = [reading.decode_reading(one).us for one in readings]
        op = Anchor(
            stream=I(self.text),
            sequence=self.sequence,
            previous=self.previous,
            root=reading.batch_root(key, readings, ctx),
            count=len(readings),
            first_us=min(times),
            last_us=max(times),
        )
        statement = WORLD.anchor(op)
        self.sequence, self.previous = self.sequence + 1, parse_statement(statement).hash
        return statement, reading.encode_archive(key, readings)

    def anchor(self, readings: list[bytes]) -> None:
        """Anchor and archive a batch."""
        statement, body = self.batch(readings)
        put(self.client, statement)
        place = f"/v1/archive/{self.text}/{self.sequence - 1}"
        assert self.client.put(place, content=body, headers=ARCHIVE).status_code == 204


def one(text: str, us: int, value: float | int | str | bytes | bool | None = 1.5) -> bytes:
    return reading.encode_reading(f"{text}#temp", us, value, "Cel")


US = 1_700_000_000_000_000


def test_an_archive_is_kept_once_its_anchor_is_logged_and_only_then(client: httpx2.Client) -> None:
    gateway = Gateway(client, GATEWAY)
    is_problem(client.get(f"/v1/streams/{GATEWAY}"), 404, "absent")
    statement, body = gateway.batch([one("hdl:lab.1/a-1", US), one("hdl:lab.1/a-1", US + 1)])
    place = f"/v1/archive/{GATEWAY}/0"
    early = client.put(place, content=body, headers=ARCHIVE)
    is_problem(early, 409, "not-anchored")
    assert int(early.headers["retry-after"]) > 0
    receipt = put(client, statement)
    position = client.get(f"/v1/streams/{GATEWAY}").json()
    assert position["next"] == 1
    assert position["last_statement_hash"] == receipt["hash"]
    assert (position["epoch"], position["archived"]) == (0, False)
    other = reading.encode_archive(
        b"\x01" * 32, [one("hdl:lab.1/a-1", US), one("hdl:lab.1/a-1", 1)]
    )
    is_problem(client.put(place, content=other), 400, "not-the-anchored-batch")
    is_problem(client.put(place, content=body[:-1]), 400, "malformed")
    is_problem(client.put(place, content=b""), 400, "malformed")
    for _ in range(2):
        done = client.put(place, content=body, headers=ARCHIVE)
        assert done.status_code == 204
        assert done.content == b""
    assert client.get(f"/v1/streams/{GATEWAY}").json()["archived"] is True
    for path in ("/v1/archive/0", "/v1/archive/lab.1/gw-1/x", f"/v1/archive/{GATEWAY}/-1"):
        is_problem(client.put(path, content=body), 400, "malformed")


def test_readings_are_paged_over_batches_without_loss_or_double(client: httpx2.Client) -> None:
    """Whatever the page size, and within times; two spellings of a handle are one."""
    gateway, mine, other = Gateway(client, "hdl:lab.1/gw-2"), "hdl:lab.1/p-1", "hdl:lab.1/p-2"
    wanted = []
    for batch in range(7):
        times = [US + 1000 * batch + step for step in range(5)]
        spelling = "hdl:lab.1/P-1" if batch % 2 else mine
        gateway.anchor(
            [item for us in times for item in (one(mine, us), one(other, us), one(spelling, us))]
        )
        wanted += [us for us in times for _ in range(2)]
    for limit in (1, 3, 10, 1000):
        got, cursor = [], ""
        while True:
            page = client.get(f"/v1/readings/{mine}?limit={limit}{cursor}").json()
            assert len(page["readings"]) <= limit
            got += [(one_["us"], one_["sequence"], one_["leaf"]) for one_ in page["readings"]]
            if page["cursor"] is None:
                break
            cursor = f"&cursor={page['cursor']}"
        assert sorted(us for us, _, _ in got) == wanted
        assert len(set(got)) == len(got)
    between = client.get(f"/v1/readings/{mine}?from={US + 1001}&to={US + 2001}&limit=1000").json()
    assert {item["us"] for item in between["readings"]} == {
        us for us in wanted if US + 1001 <= us <= US + 2001
    }
    by_text = client.get(f"/v1/readings/{mine}?to=2023-11-14T22:13:20Z").json()
    assert {item["us"] for item in by_text["readings"]} == {US}
    assert by_text["readings"][0]["time"] == "2023-11-14T22:13:20.000000Z"
    assert client.get("/v1/readings/lab.1/nothing").json()["readings"] == []
    for query in ("limit=1001", "cursor=1.2", "from=never", "prove=0.0", "limit=-1"):
        is_problem(client.get(f"/v1/readings/{mine}?{query}"), 400, "malformed")


def test_a_reading_is_disclosed_with_its_full_proof(client: httpx2.Client) -> None:
    gateway, text = Gateway(client, "hdl:lab.1/gw-3"), "hdl:lab.1/r-1"
    put(client, WORLD.create(text))
    values: list[float | int | str | bytes | bool | None] = [1.5, 7, "on", b"\x01\x02", True, None]
    gateway.anchor([one(text, US + number, value) for number, value in enumerate(values)])
    page = client.get(f"/v1/readings/{text}").json()["readings"]
    assert [item["value"] for item in page] == [1.5, 7, "on", {"bytes": "0102"}, True, None]
    for kind in (PROOF, PROOF_JSON, "*/*"):
        for leaf, value in enumerate(values):
            answer = client.get(
                f"/v1/readings/{text}?stream=lab.1/gw-3&prove=0.{leaf}", headers={"accept": kind}
            )
            found = judged(answer, text, question="reading")
            assert found.reading is not None
            assert found.reading.value == value
            assert found.attributed
    base = f"/v1/readings/{text}?stream=lab.1/gw-3&prove="
    is_problem(client.get(base + "0.6"), 404, "no-such-leaf")
    is_problem(client.get(base + "1.0"), 409, "not-anchored")
    is_problem(client.get(base + "0"), 400, "malformed")
    is_problem(client.get(base + "0.0&since=99999999"), 409, "behind")
    statement, _ = gateway.batch([one(text, US + 9)])
    put(client, statement)
    is_problem(client.get(base + "1.0"), 404, "not-archived")
