"""Quota to the byte: who pays what (docs/spec/statements.md, quota)."""

from typing import Any

import pytest

from ledger.core import operation as op
from ledger.core.encoding import INT_MAX
from ledger.core.keys import PrivateKey
from ledger.core.merkle import EMPTY_ROOT
from ledger.core.value import Quota
from tests.proof_world import AGENT, LAB, OTHER, OWNER, ROOT, digest, prefix, url
from tests.state_world import (
    COMPANY,
    ELSE,
    GATEWAY,
    PUMP,
    SPARE,
    TANK,
    I,
    Net,
    added,
    batch,
    creation,
    delegation,
    judge,
    network,
    prefix_update,
    revoked,
    shared_value,
    sign,
    update,
    usage,
    use,
)

Step = tuple[PrivateKey, str, op.Operation]
ALL = ("hdl:", "gs1:", "oid:", "did:", "ecode:", LAB, OTHER, COMPANY)
CHILD = Quota(objects=7, log_bytes=700)


def paid(net: Net, raw: bytes) -> dict[str, tuple[int, int]]:
    """Execute a statement; return who paid: prefix → (objects, bytes)."""
    before = {text: usage(net, text) for text in ALL}
    net.run(raw)
    after = {text: usage(net, text) for text in ALL}
    return {
        text: (after[text][0] - before[text][0], after[text][1] - before[text][1])
        for text in ALL
        if after[text] != before[text]
    }


CHARGES: list[Any] = [
    pytest.param((OWNER, LAB, creation(f"{LAB}/a")), LAB, 1, 0, id="3-one-item"),
    pytest.param((OWNER, LAB, creation(f"{LAB}/a", f"{LAB}/b")), LAB, 2, 0, id="3-two-items"),
    pytest.param((OWNER, LAB, update(PUMP, put=(url("x"),))), LAB, 0, 0, id="4"),
    pytest.param((OWNER, LAB, update(TANK, put=(shared_value("x"),))), OTHER, 0, 0, id="4-writer"),
    pytest.param((OWNER, LAB, op.Retire(identifier=I(PUMP), version=1)), LAB, 0, 0, id="6-record"),
    pytest.param((OWNER, LAB, op.Retire(identifier=I(LAB), version=1)), LAB, 0, 0, id="6-prefix"),
    pytest.param((AGENT, LAB, batch(GATEWAY)), LAB, 1, 0, id="7-first"),
    pytest.param((ROOT, "hdl:", delegation("hdl:x", (SPARE, (1,)), quota=CHILD)), "hdl:", 8, 700,
                 id="1"),
    pytest.param((OWNER, LAB, delegation(f"{LAB}.5", (SPARE, (1,)), quota=CHILD)), LAB, 8, 700,
                 id="1-below"),
    pytest.param((OWNER, LAB, prefix_update(LAB, values=())), LAB, 0, 0, id="2-values"),
    pytest.param((OWNER, LAB, prefix_update(LAB, refers=True)), LAB, 0, 0, id="2-referral"),
    pytest.param((OWNER, LAB, prefix_update(LAB, add_keys=added(SPARE, 2))), LAB, 0, 0, id="2-add"),
    pytest.param((OWNER, LAB, prefix_update(LAB, revoke=revoked(AGENT), values=())), LAB, 0, 0,
                 id="2-revoke-and-values"),
    pytest.param((OWNER, LAB, prefix_update(LAB, revoke=revoked(AGENT), refers=True)), LAB, 0, 0,
                 id="2-revoke-and-referral"),
    pytest.param((ROOT, "hdl:", prefix_update(LAB, quota=Quota(objects=1_500, log_bytes=1_000_001))),
                 "hdl:", 500, 1, id="2-more-quota"),
    pytest.param((ROOT, "hdl:", prefix_update(LAB, quota=Quota(objects=400, log_bytes=999_000))),
                 "hdl:", -600, -1_000, id="2-less-quota"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "payer", "objects", "more_bytes"), CHARGES)
def test_who_pays_what(step: Step, payer: str, objects: int, more_bytes: int) -> None:
    """One payer: objects, and the length of the logged statement (and the child's quota)."""
    net = network()
    raw = sign(net, *step)

    assert paid(net, raw) == {payer: (objects, len(raw) + more_bytes)}


@pytest.mark.parametrize(("step", "payer", "objects", "more_bytes"), CHARGES[:-1])
@pytest.mark.parametrize("short", ["objects", "bytes", "nothing"])
def test_the_quota_reaches_to_the_last_byte(
    step: Step, payer: str, objects: int, more_bytes: int, short: str
) -> None:
    """usage + charge = quota is accepted; one byte or one object less is 15."""
    net = network()
    raw = sign(net, *step)
    quota = prefix(net, payer).quota
    missing_objects, missing_bytes = short == "objects", short == "bytes"
    use(
        net,
        payer,
        objects=quota.objects - objects + missing_objects,
        log_bytes=quota.log_bytes - len(raw) - more_bytes + missing_bytes,
    )

    assert judge(net, raw) == (0 if short == "nothing" else 15)


def test_a_full_parent_takes_quota_back() -> None:
    """The charge is negative: its usage falls by the difference."""
    net = network()
    quota = prefix(net, "hdl:").quota
    use(net, "hdl:", objects=quota.objects, log_bytes=quota.log_bytes)
    raw = sign(net, ROOT, "hdl:", prefix_update(LAB, quota=Quota(objects=400, log_bytes=900_000)))

    assert paid(net, raw) == {"hdl:": (-600, len(raw) - 100_000)}


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(prefix_update(LAB, revoke=revoked(AGENT)), id="revoke"),
        pytest.param(
            prefix_update(LAB, revoke=revoked(AGENT), add_keys=added(SPARE, 2)), id="rotate"
        ),
    ],
)
def test_a_stolen_key_is_revoked_without_quota(made: op.PrefixUpdate) -> None:
    """Members 3 and 4, 4 present: nobody pays, so an empty quota cannot keep a thief's key alive."""
    net = network()
    use(net, LAB, objects=1_000, log_bytes=1_000_000)

    assert paid(net, sign(net, OWNER, LAB, made)) == {}


def test_the_second_anchor_is_no_object() -> None:
    """Bytes only; a loss of state too."""
    net = network()
    first = sign(net, AGENT, LAB, batch(GATEWAY))
    net.run(first)
    lost = batch(GATEWAY, 1, digest(first), epoch=1, count=0, root=EMPTY_ROOT, reason=6)
    raw = sign(net, OWNER, LAB, lost)

    assert paid(net, raw) == {LAB: (0, len(raw))}


@pytest.mark.parametrize(
    ("objects", "log_bytes", "code"),
    [(5, 5_000, 0), (4, 5_000, 15), (5, 4_999, 15), (INT_MAX, INT_MAX, 15)],
)
def test_a_quota_stays_between_usage_and_what_the_parent_has(
    objects: int, log_bytes: int, code: int
) -> None:
    """Never below the child's usage; never beyond the parent's own."""
    net = network()
    use(net, LAB, objects=5, log_bytes=5_000)
    made = prefix_update(LAB, quota=Quota(objects=objects, log_bytes=log_bytes))

    assert judge(net, sign(net, ROOT, "hdl:", made)) == code


def test_a_scheme_root_can_never_delegate_all_it_has() -> None:
    """Its own statement's bytes and the child itself are in the way."""
    net = network()
    net.run(sign(net, ROOT, "oid:", prefix_update("oid:", values=())))
    used = usage(net, "oid:")
    whole = Quota(objects=INT_MAX, log_bytes=INT_MAX)
    almost = Quota(objects=INT_MAX - 1, log_bytes=1)

    assert used[0] == 0
    assert (
        judge(net, sign(net, ROOT, "oid:", delegation("oid:1", (SPARE, (1,)), quota=whole))) == 15
    )
    assert (
        judge(net, sign(net, ROOT, "oid:", delegation("oid:1", (SPARE, (1,)), quota=almost))) == 0
    )


def test_a_child_pays_from_its_own_quota() -> None:
    """Its usage begins at 0/0 and its statements do not touch the parent's."""
    net = network()
    raw = sign(
        net,
        OWNER,
        LAB,
        delegation(f"{LAB}.5", (SPARE, (1,)), quota=Quota(objects=1, log_bytes=400)),
    )
    net.run(raw)
    before = usage(net, LAB)
    one = sign(net, SPARE, f"{LAB}.5", creation(f"{LAB}.5/a"))
    net.run(one)

    assert usage(net, LAB) == before
    assert usage(net, f"{LAB}.5") == (1, len(one))
    assert judge(net, sign(net, SPARE, f"{LAB}.5", creation(f"{LAB}.5/b"))) == 15


def test_a_refused_statement_costs_nothing() -> None:
    """Even when it is refused after the quota was looked at."""
    net = network()
    before = usage(net, LAB)

    assert judge(net, sign(net, OWNER, LAB, update(PUMP, remove=(99,)))) == 1
    assert usage(net, LAB) == before


def test_the_writer_pays_nothing_and_the_owner_may_be_full() -> None:
    """A writer's change is refused when the owner's quota is used up."""
    net = network()
    use(net, OTHER, objects=1_000, log_bytes=1_000_000)

    assert judge(net, sign(net, OWNER, LAB, update(TANK, put=(shared_value("x"),)))) == 15
    assert judge(net, sign(net, ELSE, OTHER, update(TANK))) == 15
