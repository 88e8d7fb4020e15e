"""Input that nobody honest sends: a node answers 4xx, keeps its memory, and goes on. Never 5xx."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, urlsplit

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok

from tests.conftest import free_port
from tests.lab_world import World
from tests.node_process import COSE, MANY, NodeProcess, NodeThread, begin, make_folder

pytestmark = pytest.mark.integration

WORLD = World()
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with NodeThread(make_folder(tmp_path_factory.mktemp("node"), port), port) as node:
        with httpx2.Client(base_url=node.url) as client:
            client.post("/entries", content=begin(WORLD), headers=MANY)
            client.post("/entries", content=WORLD.create("hdl:lab.1/pump-07"), headers=COSE)
        yield node.url


def alive(url: str) -> bool:
    with httpx2.Client(base_url=url) as client:
        return (
            client.get("/readyz").status_code == 200
            and client.get("/v1/resolve/lab.1/pump-07").status_code == 200
        )


# ---- what the interface's own description makes up


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_no_request_that_the_description_suggests_is_a_fault_of_ours(
    url: str, mode: schemathesis.GenerationMode
) -> None:
    """For every operation of /openapi.json: requests that keep to it, and requests that just do not."""
    described = schemathesis.openapi.from_url(url + "/openapi.json")
    judged = 0
    for result in described.get_all_operations():
        assert isinstance(result, Ok), "the description is sound"

        @given(case=result.ok().as_strategy(generation_mode=mode))
        @settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=30)
        def judge(case: Any) -> None:
            nonlocal judged
            answer = case.call()
            shown = answer.text if answer.content else ""
            assert no_fault(answer.status_code, answer.headers["content-type"][0], shown)
            judged += 1

        with contextlib.suppress(
            Unsatisfiable
        ):  # nothing can be wrong about a request without parts
            judge()
    assert judged > 30


def no_fault(status: int, media_type: str, shown: str) -> bool:
    """Whether an answer is none of our faults, and a refusal says so in JSON.

    The Handle dialect has refusals of its own, and "not supported" is a 501 there. A JSONP script is
    one of them as well; an answer to HEAD has no body to look at.
    """
    if status < 400:
        return True
    if media_type == "application/problem+json":
        return status < 500 and (not shown or json.loads(shown)["status"] == status)
    if media_type == "application/concise-problem-details+cbor":
        return status < 500
    if media_type in ("application/vnd.xinbiao.proof+cbor", "application/vnd.xinbiao.proof+json"):
        return status == 404  # a proof of absence
    if media_type.startswith("application/javascript"):
        return status < 500 or status == 501
    assert media_type == "application/json;charset=UTF-8", (status, media_type, shown)
    code = json.loads(shown)["responseCode"] if shown else None
    return status < 500 or (status == 501 and code in (4, 5, None))


# ---- random paths, queries, headers and bodies

PATHS = [
    "/v1/resolve/",
    "/v1/history/",
    "/v1/readings/",
    "/v1/streams/",
    "/v1/usage/",
    "/v1/archive/",
    "/api/handles/",
    "/entries/",
    "/tile/",
    "/tile/entries/",
    "/checkpoint",
    "/?id=",
    "/",
]
STEMS = st.sampled_from(
    ["", "lab.1/pump-07", "lab.1", "hdl:lab.1/", "gs1:01/0950600013435", "did:web:a.b", "oid:1.2.3"]
)
TAILS = st.one_of(
    st.binary(max_size=40), st.text(max_size=40).map(lambda t: t.encode("utf-8", "replace"))
)
WORDS = st.sampled_from(
    (
        "",
        "1",
        "-1",
        "0",
        "9" * 16,
        "9" * 30,
        "bundle",
        "none",
        "1.2.3",
        "0.0",
        "\x00",
        "é",
        "lab.1/gw",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    )
)
FIELDS = st.sampled_from(
    (
        "proof",
        "at",
        "since",
        "type",
        "value",
        "from",
        "to",
        "limit",
        "cursor",
        "stream",
        "prove",
        "id",
    )
)


@pytest.mark.slow
@given(
    path=st.sampled_from(PATHS),
    stem=STEMS,
    tail=TAILS,
    query=st.dictionaries(FIELDS, WORDS, max_size=3),
    accept=st.sampled_from(["*/*", "application/vnd.xinbiao.proof+cbor", "proof+", ""]),
    method=st.sampled_from(["GET", "HEAD", "OPTIONS", "DELETE"]),
)
def test_random_questions_are_answered(
    url: str,
    path: str,
    stem: str,
    tail: bytes,
    query: dict[str, str],
    accept: str,
    method: str,
) -> None:
    target = path + quote_from_bytes(stem.encode() + tail, safe="/:%")
    with httpx2.Client(base_url=url) as client:
        answer = client.request(method, target, params=query or None, headers={"accept": accept})
    media_type = answer.headers.get("content-type", "")
    assert no_fault(answer.status_code, media_type, answer.text), (target, query, answer.text)


@pytest.mark.slow
@given(body=st.binary(max_size=400), kind=st.sampled_from([COSE, MANY]))
def test_random_registrations_are_refused(url: str, body: bytes, kind: dict[str, str]) -> None:
    with httpx2.Client(base_url=url) as client:
        answer = client.post("/entries", content=body, headers=kind)
    if answer.status_code == 200:
        assert all("code" in one for one in answer.json()["results"])
    else:
        assert answer.status_code == 400


GOOD = WORLD.create("hdl:lab.1/never-registered")


@pytest.mark.slow
@given(st.integers(0, 8 * len(GOOD) - 1))
def test_no_flipped_bit_of_a_statement_is_accepted(url: str, bit: int) -> None:
    changed = bytearray(GOOD)
    changed[bit // 8] ^= 1 << bit % 8
    with httpx2.Client(base_url=url) as client:
        answer = client.post("/entries", content=bytes(changed), headers=COSE)
    assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.slow
@given(body=st.binary(max_size=200), sequence=st.text(max_size=10))
def test_random_archives_are_refused(url: str, body: bytes, sequence: str) -> None:
    place = quote_from_bytes(sequence.encode("utf-8", "replace"), safe="")
    with httpx2.Client(base_url=url) as client:
        answer = client.put(f"/v1/archive/lab.1/pump-07/{place}", content=body)
    assert 400 <= answer.status_code < 500, answer.text


# ---- what is no HTTP


def exchange(url: str, sent: Iterable[bytes]) -> bytes:
    """Send raw bytes and return what comes back until the node hangs up or says no more."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    received = b""
    with (
        socket.create_connection((parts.hostname, parts.port or 80), timeout=5) as wire,
        contextlib.suppress(OSError),  # the node hung up first
    ):
        for part in sent:
            wire.sendall(part)
        wire.shutdown(socket.SHUT_WR)
        while got := wire.recv(65_536):
            received += got
    return received


@pytest.mark.parametrize(
    "sent",
    [
        [b"\x00" * 1000],
        [b"\x16\x03\x01\x02\x00\x01\x00"],  # somebody tries TLS
        [b"GET\r\n\r\n"],
        [b"GET /checkpoint HTTP/9.9\r\n\r\n"],
        [b"GET /check\xffpoint HTTP/1.1\r\nHost: x\r\n\r\n"],
        [b"POST /entries HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nabc"],
        [b"POST /entries HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
        [b"POST /entries HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"],
        [
            b"POST /entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/cose\r\n"
            b"Content-Length: 500\r\n\r\nshort"
        ],
        [b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 2_000_000],
        [b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"],
        [b"GET / HTTP/1.1\r\n", *[b"h%d: x\r\n" % number for number in range(5000)]],
    ],
)
def test_garbage_on_the_socket_ends_that_connection_only(url: str, sent: list[bytes]) -> None:
    received = exchange(url, sent)
    assert b" 200 " not in received[:20]
    assert b" 500 " not in received[:20]
    assert alive(url)


@pytest.mark.slow
@given(st.binary(min_size=1, max_size=300))
def test_random_bytes_on_the_socket_do_no_harm(url: str, sent: bytes) -> None:
    assert b" 500 " not in exchange(url, [sent])[:20]


def test_connections_that_say_nothing_keep_nobody_out(url: str) -> None:
    parts = urlsplit(url)
    assert parts.hostname is not None
    with contextlib.ExitStack() as open_:
        for number in range(200):
            wire = socket.create_connection((parts.hostname, parts.port or 80), timeout=5)
            open_.enter_context(wire)
            if number % 2:
                wire.sendall(b"POST /entries HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        assert alive(url)


# ---- too much


@pytest.mark.parametrize(
    ("method", "path", "headers", "most"),
    [
        ("POST", "/entries", MANY, 8 * MIB),
        ("POST", "/entries", COSE, 8 * MIB),
        ("POST", "/v1/resolve", {"content-type": "application/json"}, MIB),
        ("PUT", "/v1/archive/lab.1/pump-07/0", {}, 16 * MIB),
    ],
)
def test_a_body_beyond_the_bound_is_413(
    url: str, method: str, path: str, headers: dict[str, str], most: int
) -> None:
    with httpx2.Client(base_url=url, timeout=20) as client:
        answer = client.request(method, path, content=bytes(most + 1), headers=headers)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] == "too-large"


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_bodies_without_end_take_bounded_memory(tmp_path: Path) -> None:
    """Forty senders of 40 MiB each, chunked so that nothing is announced."""
    port = free_port()
    with NodeProcess(make_folder(tmp_path, port), port) as node:
        with httpx2.Client(base_url=node.url) as client:
            client.post("/entries", content=begin(WORLD), headers=MANY)
            client.post("/entries", content=WORLD.create("hdl:lab.1/pump-07"), headers=COSE)
        before, peak, done = resident(node.pid), 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.02):
                peak = max(peak, resident(node.pid))

        head = (
            b"PUT /v1/archive/lab.1/pump-07/0 HTTP/1.1\r\nHost: x\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"100000\r\n" + b"\x00" * MIB + b"\r\n"
        watcher = threading.Thread(target=watch)
        senders = [
            threading.Thread(target=exchange, args=(node.url, [head, *[chunk] * 40]))
            for _ in range(40)
        ]
        for thread in (watcher, *senders):
            thread.start()
        for sender in senders:
            sender.join()
        assert alive(node.url)
        done.set()
        watcher.join()
        print(f"resident: {before / MIB:.0f} MiB before, {peak / MIB:.0f} MiB at most")
        assert peak - before < 400 * MIB
