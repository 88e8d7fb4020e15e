"""The client believes a node nothing: what it returns was proved, what it refuses has a name.

The node is a world in memory that answers over HTTP in the same process, honestly unless told otherwise.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import httpx2
import orjson
import pytest

from ledger.core import identifier as identifiers
from ledger.core.bundle import MEDIA_TYPE_CBOR
from ledger.core.bundle_build import current_bundle, history_bundle
from ledger.core.question import Size, Time
from ledger.core.receipt import Receipt
from ledger.core.record import RecordObject
from ledger.errors import IdentifierError, ProofError, ProofFault, Rejection, RejectionCode
from tests.proof_world import OTHER, PUMP, Source, World, create, story, tick
from xinbiao.client import Client, moment_text, read_trust
from xinbiao.errors import AnswerError, RefusedError, UnreachableError, UsageError

URL = "http://node.example"
NO_SUCH = "hdl:lab.1/no-such"


class Node:
    """A node in memory; `lie` changes the identifier it answers for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.source: Source = world.source()
        self.lie: Callable[[str], str] = lambda text: text
        self.asked: list[httpx2.URL] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url)
        kind, _, text = unquote(request.url.raw_path.decode().partition("?")[0])[4:].partition("/")
        ident = identifiers.parse(self.lie(text))
        since = request.url.params.get("since")
        if since is not None and int(since) > self.source.size:
            problem = {"title": "behind", "detail": f"this log has {self.source.size} entries"}
            return httpx2.Response(409, json=problem)
        seen = None if since is None else int(since)
        if kind == "history":
            bundle = history_bundle(self.source, ident, None, seen)
        else:
            bundle = current_bundle(self.source, ident, seen)
        headers = {"content-type": MEDIA_TYPE_CBOR}
        return httpx2.Response(200, content=bundle.encode(), headers=headers)


@pytest.fixture
def node() -> Node:
    """Return an honest node of a world with a past."""
    return Node(story().world)


def client_of(node: Node, memory: Path | None = None, now: int | None = None) -> Client:
    """Return a client of the node, with the world's trust file and clock."""
    return Client(
        URL,
        node.world.trust(),
        memory=memory,
        now=lambda: node.world.now if now is None else now,
        transport=httpx2.MockTransport(node),
    )


async def test_what_is_resolved_is_proved(node: Node) -> None:
    """Present and absent come with a verdict, whatever form the identifier was pasted in."""
    async with client_of(node) as client:
        there = await client.resolve("https://hdl.handle.net/lab.1/Pump-07")
        absent = await client.resolve(NO_SUCH)

    assert there.verdict.kind == "present"
    assert there.verdict.identifier == PUMP
    assert absent.verdict.kind == "absent"


async def test_versions_are_proved(node: Node) -> None:
    """The whole chain comes, newest first."""
    async with client_of(node) as client:
        answer = await client.history(PUMP)

    records = [one for one in answer.verdict.versions if isinstance(one, RecordObject)]
    assert [one.versions.version for one in records] == [3, 2, 1]


async def test_the_answer_to_another_question_is_refused(node: Node) -> None:
    """A sound proof about something else is no answer."""
    node.lie = lambda _: NO_SUCH
    async with client_of(node) as client:
        with pytest.raises(ProofError) as caught:
            await client.resolve(PUMP)
    assert caught.value.fault is ProofFault.WRONG_QUESTION


async def test_an_old_truth_is_not_current(node: Node) -> None:
    """By the caller's own clock."""
    async with client_of(node, now=node.world.now + 10_000) as client:
        answer = await client.resolve(PUMP)
    assert answer.verdict.stale


async def test_the_log_may_only_grow(node: Node, tmp_path: Path) -> None:
    """A second client with the same memory asks for consistency, and notices an older log by name."""
    old, memory = node.source, tmp_path / "seen.json"
    async with client_of(node, memory) as client:
        await client.resolve(PUMP)
    tick(node.world)
    node.source = node.world.source()
    async with client_of(node, memory) as client:
        await client.resolve(PUMP)
        assert node.asked[-1].params["since"] == str(old.size)
        await client.resolve(PUMP)  # equal size
    node.source = old
    async with client_of(node, memory) as client:
        with pytest.raises(ProofError) as caught:
            await client.resolve(PUMP)
    assert caught.value.fault is ProofFault.ROLLBACK


async def test_another_history_of_the_same_length_is_a_fork(node: Node) -> None:
    """Two logs that differ before what was seen cannot both be the network's."""
    other = story().world
    other.run(create(other, OTHER, f"{OTHER}/else"))
    tick(node.world)
    node.source = node.world.source()
    assert node.source.size == other.source().size
    async with client_of(node) as client:
        await client.resolve(PUMP)
        node.source = other.source()
        with pytest.raises(ProofError) as caught:
            await client.resolve(PUMP)
        assert caught.value.fault is ProofFault.FORK
        # nothing of the other log is remembered
        node.source = node.world.source()
        assert (await client.resolve(PUMP)).verdict.kind == "present"


async def test_a_portable_proof_needs_no_memory(node: Node) -> None:
    """It can be verified by somebody who has seen nothing, after the client has checked the log."""
    async with client_of(node) as client:
        await client.resolve(PUMP)
        tick(node.world)
        node.source = node.world.source()
        answer = await client.resolve(PUMP, portable=True)

    async with client_of(node) as stranger:
        fresh = await stranger.resolve(PUMP)
    assert answer.bundle == fresh.bundle


async def test_without_a_trust_file_nothing_is_proved() -> None:
    """It is said before anything is asked."""
    async with Client(URL, None, transport=httpx2.MockTransport(_never)) as client:
        with pytest.raises(UsageError, match="trust file"):
            await client.resolve(PUMP)


async def test_what_is_no_identifier_is_not_asked() -> None:
    """The position and the rule are the caller's to read."""
    async with Client(URL, None, transport=httpx2.MockTransport(_never)) as client:
        with pytest.raises(IdentifierError):
            await client.resolve("no identifier")


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(httpx2.Response(200, text="<html>"), AnswerError, id="a-web-page"),
        pytest.param(httpx2.Response(302, headers={"location": "/"}), AnswerError, id="redirect"),
        pytest.param(httpx2.Response(404, text="gone"), RefusedError, id="no-problem-json"),
        pytest.param(
            httpx2.Response(400, json={"title": "malformed", "detail": "x"}), RefusedError, id="400"
        ),
        pytest.param(httpx2.Response(503, json={"title": "busy"}), UnreachableError, id="busy"),
        pytest.param(
            httpx2.Response(200, content=b"\xff", headers={"content-type": MEDIA_TYPE_CBOR}),
            ProofError,
            id="no-bundle",
        ),
    ],
)
async def test_every_bad_answer_has_a_name(
    node: Node,
    response: httpx2.Response,
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever comes back, it is a proved answer or an error of ours."""
    monkeypatch.setattr(
        "xinbiao.wire.RETRY_S_FIRST", 10.0
    )  # beyond a reader's patience: no waiting
    transport = httpx2.MockTransport(lambda _: response)
    async with Client(URL, node.world.trust(), transport=transport) as client:
        with pytest.raises(error):
            await client.resolve(PUMP)


# ---------------------------------------------------------------- writes


def answering(*results: object) -> Client:
    """Return a client whose node answers each statement in turn."""
    waiting = list(results)

    def answer(request: httpx2.Request) -> httpx2.Response:
        body, count = request.content, 0
        while body:
            body = body[2 + int.from_bytes(body[:2], "big") :]
            count += 1
        taken = [waiting.pop(0) for _ in range(count)]
        return httpx2.Response(200, json={"size": 9, "results": taken})

    return Client(URL, None, transport=httpx2.MockTransport(answer))


RECEIPT = {"index": 4, "size": 6, "hash": "ab" * 32, "entry": "1.4"}
REFUSED = {"code": 10, "title": "exists", "detail": "there", "items": [[1, "twice"], ["?"], 7]}


async def test_receipts_and_refusals_come_in_order() -> None:
    """A refusal names the bad items; whatever else a node puts there is left out."""
    async with answering(RECEIPT, REFUSED) as client:
        receipt, refused = await client.submit_many([b"a", b"b"])

    assert receipt == Receipt(index=4, hash=b"\xab" * 32, size=6)
    assert isinstance(refused, Rejection)
    assert refused.code is RejectionCode.EXISTS
    assert refused.items == ((1, "twice"),)


async def test_one_refused_statement_is_raised() -> None:
    """Whoever submits one wants to know."""
    async with answering(REFUSED) as client:
        with pytest.raises(Rejection, match="exists"):
            await client.submit(b"a")


@pytest.mark.parametrize(
    "result", [None, {}, {**RECEIPT, "hash": "zz"}, {**REFUSED, "code": 99}, [1]], ids=str
)
async def test_an_outcome_of_another_shape_is_refused(result: object) -> None:
    """Nothing is taken for logged that nobody said was."""
    async with answering(result) as client:
        with pytest.raises(AnswerError):
            await client.submit(b"a")


async def test_many_statements_go_in_bodies_that_a_node_takes() -> None:
    """Each request stays under both limits and every statement is sent once, in order."""
    sent: list[bytes] = []
    bodies: list[int] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        body, results = request.content, []
        bodies.append(len(body))
        while body:
            end = 2 + int.from_bytes(body[:2], "big")
            sent.append(body[2:end])
            body = body[end:]
            results.append(RECEIPT)
        return httpx2.Response(200, json={"results": results})

    statements = [bytes([at % 256]) * 60_000 for at in range(80)] + [b"x"] * 2_500
    async with Client(URL, None, transport=httpx2.MockTransport(answer)) as client:
        outcomes = await client.submit_many(statements)

    assert sent == statements
    assert len(outcomes) == len(statements)
    assert max(bodies) <= 2 * 1024 * 1024 + 2_000


async def test_look_up_asks_in_parts_and_keeps_the_order() -> None:
    """Thousands of identifiers become questions that a node takes."""
    parts: list[int] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked = orjson.loads(request.content)["identifiers"]
        parts.append(len(asked))
        return httpx2.Response(200, json={"results": [{"identifier": one} for one in asked]})

    texts = [f"hdl:lab.1/{at}" for at in range(2_300)]
    async with Client(URL, None, transport=httpx2.MockTransport(answer)) as client:
        found = await client.look_up(texts)

    assert parts == [1_000, 1_000, 300]
    assert [one["identifier"] for one in found] == texts


async def test_an_answer_to_fewer_identifiers_than_asked_is_none() -> None:
    """Rows would be taken for each other's."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"results": []}))
    async with Client(URL, None, transport=transport) as client:
        with pytest.raises(AnswerError):
            await client.look_up(["hdl:lab.1/x"])


def test_a_moment_is_written_as_the_interface_reads_it() -> None:
    """A size in digits, a time in RFC 3339 with its milliseconds."""
    assert moment_text(Size(size=7)) == "7"
    assert moment_text(Time(ms=1_767_225_600_007)) == "2026-01-01T00:00:00.007Z"


def test_a_trust_file_is_read_from_disk(node: Node, tmp_path: Path) -> None:
    """As the network's members hand it out."""
    (tmp_path / "lab.policy").write_bytes(node.world.trust().format())
    assert read_trust(tmp_path / "lab.policy") == node.world.trust()


def _never(request: httpx2.Request) -> httpx2.Response:
    raise AssertionError(f"asked {request.url}")
