"""The agent's way to a node over real HTTP: every answer becomes one of our values."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from edge_agent.adapters.uplink import (
    ANSWER_BYTES_MAX,
    HttpNode,
    NeverStored,
    NotYet,
    Stored,
)
from edge_agent.adapters.uplink_memory import MemoryNode
from edge_agent.core.batch import Position, Sealed, Signer, seal
from edge_agent.core.gap import Losses
from edge_agent.core.outbox import Accepted, Pending, Refused, Unknown
from edge_agent.core.session import Remote
from ledger.core import identifier, keys, operation, reading
from tests.integration.edge_http_node import HttpMemoryNode, Reply

pytestmark = pytest.mark.integration

KEY = keys.private_from_seed("Ed25519", b"\1" * 32)
STREAM = identifier.parse("lab.1/gw-1")
SIGNER = Signer(stream=STREAM, prefix="hdl:lab.1", network="lab.example", key=KEY)
CLOCK = operation.Clock(wall_ms=1_800_000_000_000, monotonic_ms=5, boot_id=bytes(16))


def batch(sequence: int = 0, previous: bytes | None = None) -> Sealed:
    readings = [reading.encode_reading("hdl:lab.1/p#t", 1, 21.0)]
    root = reading.batch_root(b"k" * 32, readings, reading.context(sequence, STREAM.key_text))
    return seal(
        signer=SIGNER,
        position=Position(sequence=sequence, previous=previous, epoch=0),
        batch_key=b"k" * 32,
        readings=readings,
        root=root,
        span_us=(1, 1),
        losses=Losses(),
        clock=CLOCK,
    )


def memory_node() -> MemoryNode:
    return MemoryNode(
        network="lab.example", prefix="hdl:lab.1", stream=STREAM.text, keys=[KEY.public]
    )


@pytest.fixture
async def server() -> AsyncIterator[HttpMemoryNode]:
    """A node on a socket."""
    async with HttpMemoryNode(memory_node()) as found:
        yield found


@pytest.fixture
async def node(server: HttpMemoryNode) -> AsyncIterator[HttpNode]:
    """The client under test."""
    found = HttpNode([server.url], stream=STREAM.text, timeout_s=5)
    yield found
    await found.close()


async def test_an_anchor_its_position_and_its_body(server: HttpMemoryNode, node: HttpNode) -> None:
    """The whole way of one batch, with what each question answers before and after."""
    made = batch()
    assert await node.stream() == Remote(next=0, last_hash=None, epoch=0)
    assert isinstance(await node.store(0, made.body), NotYet)
    assert await node.submit(made.statement) == Accepted(receipt=made.hash)
    assert await node.stream() == Remote(next=1, last_hash=made.hash, epoch=0)
    assert await node.store(0, made.body) == Stored()
    assert server.requests[1] == "PUT /v1/archive/hdl%3Alab.1%2Fgw-1/0"


async def test_offering_the_same_bytes_again_is_harmless(
    server: HttpMemoryNode, node: HttpNode
) -> None:
    """An answer that was cut off is asked for again and is the first one."""
    made = batch()
    server.cut_next = 1
    assert isinstance(await node.submit(made.statement), Unknown)
    assert await node.submit(made.statement) == Accepted(receipt=made.hash)
    assert len(server.node.logged) == 1


async def test_a_refusal_has_the_ledgers_name(node: HttpNode) -> None:
    """What the ledger's rules refuse is known by its name on the wire."""
    wrong = batch(sequence=5, previous=b"p" * 32)
    answer = await node.submit(wrong.statement)
    assert answer == Refused(name="out-of-sequence", detail="next is 0")


def problem(status: int, **members: str) -> Reply:
    return status, {}, json.dumps(members).encode()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param((303, {}, b""), Pending(), id="not-ordered"),
        pytest.param((303, {"retry-after": "3"}, b""), Pending(retry_after_s=3), id="come-again"),
        pytest.param(
            (503, {"retry-after": "9"}, b"{}"),
            Unknown(detail="HTTP 503", retry_after_s=9),
            id="busy",
        ),
        pytest.param((429, {"retry-after": "x"}, b""), Unknown(detail="HTTP 429"), id="too-fast"),
        pytest.param((500, {}, b"oops"), Unknown(detail="HTTP 500"), id="broken"),
        pytest.param((404, {}, b""), Unknown(detail="HTTP 404"), id="not-a-node"),
        pytest.param(
            problem(403, title="key-revoked", detail="at 7"),
            Refused(name="key-revoked", detail="at 7"),
            id="by-title",
        ),
        pytest.param(
            problem(403, type="https://x.example/problems/frozen"),
            Refused(name="frozen", detail="no reason given"),
            id="by-type",
        ),
        pytest.param(
            (413, {}, b"<html>"), Refused(name="http-413", detail="no reason given"), id="by-number"
        ),
    ],
)
async def test_answers_of_a_node(
    server: HttpMemoryNode, node: HttpNode, reply: Reply, expected: object
) -> None:
    """Each status has one meaning, and none raises."""
    server.answer_next.append(reply)
    assert await node.submit(batch().statement) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"next":-1}',
        b'{"next":1}',
        b'{"next":1,"last_statement_hash":"zz"}',
        b'{"next":1,"last_statement_hash":"00"}',
        b"[" * 5_000,
    ],
)
async def test_a_position_that_makes_no_sense_is_unknown(
    server: HttpMemoryNode, node: HttpNode, body: bytes
) -> None:
    """A broken answer is asked for again, never believed."""
    server.answer_next.append((200, {}, body))
    assert isinstance(await node.stream(), Unknown)


async def test_an_endless_answer_is_cut(server: HttpMemoryNode, node: HttpNode) -> None:
    """A node cannot fill our memory."""
    server.answer_next.append((200, {}, b"x" * (ANSWER_BYTES_MAX + 1)))
    answer = await node.submit(batch().statement)
    assert isinstance(answer, Unknown)
    assert "beyond" in answer.detail


async def test_a_wrong_body_is_refused_for_good(server: HttpMemoryNode, node: HttpNode) -> None:
    """The node compares with the anchor; offering it again would change nothing."""
    made = batch()
    await node.submit(made.statement)
    other = reading.encode_archive(b"k" * 32, [reading.encode_reading("hdl:lab.1/p#t", 1, 22.0)])
    answer = await node.store(0, other)
    assert isinstance(answer, NeverStored)
    assert server.node.bodies == {}


async def test_the_next_node_is_asked_when_one_is_silent(server: HttpMemoryNode) -> None:
    """An unknown outcome moves on; the node that answers stays preferred."""
    node = HttpNode(["http://127.0.0.1:9", server.url], stream=STREAM.text, timeout_s=5)
    made = batch()
    assert isinstance(await node.submit(made.statement), Unknown)
    assert node.url == server.url
    assert await node.submit(made.statement) == Accepted(receipt=made.hash)
    assert node.url == server.url
    await node.close()


async def test_a_url_that_is_none_is_an_unknown_outcome() -> None:
    """A mistake in agent.toml is a finding, not a crash."""
    node = HttpNode(["http://[bad"], stream=STREAM.text)
    assert isinstance(await node.stream(), Unknown)
    await node.close()


async def test_the_memory_twin_judges_like_the_ledger() -> None:
    """It chains by hash and refuses other networks, issuers, keys and streams."""
    twin = memory_node()
    first = batch()
    second = batch(1, sha256(first.statement).digest())
    assert isinstance(await twin.submit(second.statement), Refused)
    assert isinstance(await twin.submit(first.statement), Accepted)
    assert isinstance(await twin.submit(second.statement), Accepted)
    anchor = operation.Anchor(
        stream=STREAM,
        sequence=2,
        previous=second.hash,
        root=sha256(b"").digest(),
        count=0,
        first_us=1,
        last_us=1,
        reason=0,
    )
    wrong = [
        ("wrong-network", Signer(stream=STREAM, prefix="hdl:lab.1", network="other", key=KEY)),
        ("unknown-prefix", Signer(stream=STREAM, prefix="hdl:lab", network="lab.example", key=KEY)),
        (
            "not-authorised",
            Signer(
                stream=STREAM,
                prefix="hdl:lab.1",
                network="lab.example",
                key=keys.private_from_seed("Ed25519", b"\2" * 32),
            ),
        ),
    ]
    for name, signer in wrong:
        answer = await twin.submit(signer.sign(anchor, iat_s=1))
        assert isinstance(answer, Refused)
        assert answer.name == name
