"""Streams: the chain of a gateway's anchors (docs/spec/statements.md, op 7)."""

from typing import Any

import pytest

from ledger.core import operation as op
from ledger.core.encoding import INT_MAX
from ledger.core.keys import PrivateKey
from ledger.core.merkle import EMPTY_ROOT
from ledger.core.record import StreamObject, decode_object, stream_key
from ledger.core.statement import parse
from tests.proof_world import AGENT, LAB, OTHER, OWNER, digest
from tests.state_world import (
    DEVICE,
    GATEWAY,
    RECOVERY,
    REGISTRAR,
    I,
    Net,
    batch,
    codes,
    judge,
    network,
    sign,
)

LOST: dict[str, Any] = {"count": 0, "root": EMPTY_ROOT, "reason": op.STATE_LOST}


def stream(net: Net, text: str = GATEWAY) -> StreamObject:
    """Return a stream."""
    found = decode_object(net.objects[stream_key(I(text))])
    assert isinstance(found, StreamObject)
    return found


@pytest.mark.parametrize(
    ("key", "code"), [(AGENT, 0), (DEVICE, 0), (OWNER, 6), (REGISTRAR, 6), (RECOVERY, 6)]
)
def test_agents_and_devices_anchor(key: PrivateKey, code: int) -> None:
    """Roles 3 and 4 of the record's owner prefix."""
    net = network()

    assert judge(net, sign(net, key, LAB, batch(GATEWAY))) == code


@pytest.mark.parametrize(
    "wrong",
    [{"sequence": 1}, {"previous": b"\x00" * 32}, {"epoch": 1}, {"epoch": 1, "sequence": 1}],
)
def test_the_first_anchor_begins_the_chain(wrong: dict[str, Any]) -> None:
    """Sequence 0, previous null, epoch 0."""
    net = network()

    assert judge(net, sign(net, AGENT, LAB, batch(GATEWAY, **wrong))) == 14
    assert judge(net, sign(net, AGENT, LAB, batch(GATEWAY))) == 0


def test_the_next_anchor_names_the_one_before() -> None:
    """In one block as over several; another sequence, previous or epoch is out of sequence."""
    net = network()
    first = sign(net, AGENT, LAB, batch(GATEWAY))
    net.run(first)
    second = sign(
        net, AGENT, LAB, batch(GATEWAY.upper().replace("HDL:LAB", "hdl:lab"), 1, digest(first))
    )
    third = sign(net, DEVICE, LAB, batch(GATEWAY, 2, digest(second)))

    assert codes(net, [second, third]) == [0, 0]
    for wrong in (
        batch(GATEWAY),
        batch(GATEWAY, 1),
        batch(GATEWAY, 2, digest(first)),
        batch(GATEWAY, 1, digest(second)),
        batch(GATEWAY, 1, digest(first), epoch=1),
    ):
        assert judge(net, sign(net, AGENT, LAB, wrong)) == 14
    net.run(second, third)
    found = stream(net)
    assert (found.next, found.last_anchor, found.epoch) == (3, digest(third), 0)
    assert (found.created, found.last) == (net.index - 5, net.index - 2)
    assert found.id == GATEWAY


def test_two_batches_for_one_sequence() -> None:
    """The second is refused: equivocation never becomes state."""
    net = network()
    both = [sign(net, AGENT, LAB, batch(GATEWAY, root=bytes((n,)) * 32)) for n in (1, 2)]

    assert codes(net, both) == [0, 14]


def test_a_loss_of_state_begins_an_epoch() -> None:
    """Reason 6 by role 1 or 2: the next sequence, epoch + 1; then the agent goes on in it."""
    net = network()
    first = sign(net, AGENT, LAB, batch(GATEWAY))
    net.run(first)
    loss = batch(GATEWAY, 1, digest(first), epoch=1, **LOST)

    assert judge(net, sign(net, AGENT, LAB, loss)) == 6
    for key in (OWNER, REGISTRAR):
        assert judge(net, sign(net, key, LAB, loss)) == 0
    for wrong in (
        batch(GATEWAY, 1, digest(first), **LOST),
        batch(GATEWAY, 1, digest(first), epoch=2, **LOST),
        batch(GATEWAY, 0, epoch=1, **LOST),
    ):
        assert judge(net, sign(net, OWNER, LAB, wrong)) == 14
    lost = sign(net, OWNER, LAB, loss)
    net.run(lost)
    assert stream(net).epoch == 1
    assert judge(net, sign(net, AGENT, LAB, batch(GATEWAY, 2, digest(lost), epoch=1))) == 0
    assert judge(net, sign(net, AGENT, LAB, batch(GATEWAY, 2, digest(lost)))) == 14


def test_a_stream_is_an_existing_record_of_iss() -> None:
    """Another owner's gateway is not mine (9); a missing one has version 0 (13)."""
    net = network()

    assert judge(net, sign(net, AGENT, OTHER, batch(GATEWAY))) == 9
    assert judge(net, sign(net, AGENT, LAB, batch(f"{LAB}/none"))) == 13


def test_the_longest_anchor_is_loggable() -> None:
    """Every member at its longest stays below the 4,096 bytes that evidence can carry."""
    net = network()
    made = batch(
        f"{LAB}/{'g' * 502}",
        INT_MAX,
        bytes(32),
        count=INT_MAX,
        first_us=INT_MAX,
        last_us=INT_MAX,
        schema="s" * 256,
        locator="x" * 256,
        clock=op.Clock(
            wall_ms=INT_MAX, monotonic_ms=INT_MAX, boot_id=bytes(16), error_ms_max=INT_MAX
        ),
        archive_hash=bytes(32),
        lost=tuple((reason, INT_MAX) for reason in range(11)),
        epoch=INT_MAX,
    )
    raw = sign(net, AGENT, "x" * 512, made, iat=INT_MAX, exp=INT_MAX, aud="n" * 128)

    assert op.parse(parse(raw).payload) == made
    assert len(raw) <= 4_096
