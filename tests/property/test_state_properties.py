"""A history has one outcome, however it is cut into blocks (docs/spec/statements.md, log.md).

Hypothesis writes histories of good and bad statements. Executed one by one, as one block, or cut
anywhere, they must give the same codes and the same objects, once log indices are read as the
statement's number in the history and block times are left out.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core import block, encoding, merkle, rules, statement
from ledger.core import operation as op
from ledger.core.keys import PrivateKey
from ledger.core.merkle import EMPTY_ROOT
from ledger.core.record import (
    AliasObject,
    PrefixObject,
    RecordObject,
    StreamObject,
    decode_object,
    id_key,
    object_value,
    stream_key,
    usage_key,
)
from ledger.core.state import Working
from ledger.core.value import Quota
from ledger.errors import Rejection
from tests.operation_strategies import operations
from tests.proof_world import AGENT, LAB, MINUTE_MS, OTHER, OWNER, ROOT, STRANGER, url
from tests.state_world import (
    DEVICE,
    ELSE,
    GATEWAY,
    PRODUCT,
    PUMP,
    RECOVERY,
    REGISTRAR,
    SPARE,
    TANK,
    I,
    Net,
    added,
    batch,
    creation,
    delegation,
    network,
    prefix_update,
    revoked,
    shared_value,
    sign,
    update,
)

RECORDS = (PUMP, GATEWAY, TANK, f"{LAB}/new-1", f"{LAB}/NEW-1", f"{LAB}.5/a", PRODUCT)
PREFIXES = (LAB, OTHER, f"{LAB}.5", "hdl:", "gs1:gcp/950600")
SIGNERS: tuple[tuple[PrivateKey, str], ...] = (
    (OWNER, LAB),
    (REGISTRAR, LAB),
    (AGENT, LAB),
    (DEVICE, LAB),
    (SPARE, LAB),
    (ELSE, OTHER),
    (SPARE, f"{LAB}.5"),
    (ROOT, "hdl:"),
    (OWNER, "gs1:gcp/950600"),
    (STRANGER, LAB),
    (RECOVERY, LAB),
)


def version(net: Net, text: str) -> int:
    """Return the version of a record or prefix, 1 when it is missing."""
    found = net.objects.get(id_key(I(text)))
    value = None if found is None else decode_object(found)
    return value.versions.version if isinstance(value, RecordObject | PrefixObject) else 1


def next_batch(net: Net, text: str, *, lost: bool) -> op.Anchor:
    """Return the anchor that fits a stream, or the one that begins its next epoch."""
    found = net.objects.get(stream_key(I(text)))
    stream = None if found is None else decode_object(found)
    facts: dict[str, Any] = {"count": 0, "root": EMPTY_ROOT, "reason": 6} if lost else {}
    if not isinstance(stream, StreamObject):
        return batch(text, **facts)
    return batch(text, stream.next, stream.last_anchor, epoch=stream.epoch + lost, **facts)


@st.composite
def steps(draw: st.DrawFn, net: Net) -> bytes:
    """Return one statement that is likely, but not sure, to be accepted after the history so far."""
    text = draw(st.sampled_from(RECORDS))
    prefix = draw(st.sampled_from((LAB, *PREFIXES)))
    now, prefix_now = version(net, text), version(net, prefix)
    stale = draw(st.sampled_from((0, 0, 0, 1)))
    number = draw(st.integers(1, 3))
    aliases = tuple(I(f"{LAB}/alias-{at}") for at in range(number))
    made: Sequence[op.Operation] = (
        creation(text),
        creation(*{text.lower(), f"{LAB}/bulk-{number}"}),
        update(text, now + stale, put=(url(str(number), number),)),
        update(text, now, remove=(number,)),
        update(text, now, add_aliases=aliases),
        update(text, now, remove_aliases=aliases),
        update(TANK, version(net, TANK), put=(shared_value(str(number)),)),
        op.Retire(identifier=I(text), version=now),
        op.Retire(identifier=I(prefix), version=prefix_now),
        next_batch(net, text, lost=False),
        next_batch(net, GATEWAY, lost=False),
        next_batch(net, GATEWAY, lost=True),
        batch(GATEWAY, number),
        delegation(f"{LAB}.5", (SPARE, (1, 2, 3))),
        prefix_update(prefix, prefix_now + stale, values=(url("x", number),)),
        prefix_update(prefix, prefix_now, add_keys=added(SPARE, 1, 2, 3)),
        prefix_update(prefix, prefix_now, revoke=revoked(draw(st.sampled_from(SIGNERS))[0])),
        prefix_update(prefix, prefix_now, refers=True, referral=("other.example", None)),
        prefix_update(prefix, prefix_now, quota=Quota(objects=900 + number, log_bytes=990_000)),
    )
    operation = draw(st.sampled_from(made))
    likely = draw(st.sampled_from((True, True, True, False)))
    key, iss = draw(st.sampled_from(likely_signers(operation) if likely else SIGNERS))
    return sign(net, key, iss, operation, iat=0)


def likely_signers(operation: op.Operation) -> tuple[tuple[PrivateKey, str], ...]:
    """Return who could sign an operation if the state is as at first."""
    if isinstance(operation, op.PrefixUpdate) and operation.quota is not None:
        return ((ROOT, "hdl:"),)
    if isinstance(operation, op.Anchor) and operation.reason != op.STATE_LOST:
        return ((AGENT, LAB), (DEVICE, LAB))
    if isinstance(operation, op.Delegate):
        return ((OWNER, LAB),)
    if isinstance(operation, op.Create):
        about = operation.items[0].identifier.text
    else:
        about = operation.subject
    owner = about.split("/")[0]
    owners = tuple(one for one in SIGNERS if one[1] == owner and one[0] in (OWNER, ELSE, SPARE))
    return owners or ((OWNER, LAB), (OWNER, "gs1:gcp/950600"))


def play(net: Net, raws: Sequence[bytes]) -> list[int | Rejection]:
    """Execute statements as one block, a minute after the last; refused ones leave nothing."""
    net.ms += MINUTE_MS
    parsed = [statement.parse(raw) for raw in raws]
    made = block.execute(parsed, reader=net, head=net.head, map_=net.map, ms=net.ms)
    if isinstance(made, block.Block):
        net.objects |= made.objects
        net.replaced |= made.older
        net.entries += made.entries
        net.leaves += map(merkle.leaf_hash, made.entries)
        net.commits.append(made.commit_leaf)
        net.map = made.map
    return list(made.outcomes)


@st.composite
def histories(draw: st.DrawFn, most: int = 14) -> tuple[Net, list[bytes], list[int | Rejection]]:
    """Return a network after a history played one statement per block, the history, its outcomes."""
    net = network()
    raws: list[bytes] = []
    outcomes: list[int | Rejection] = []
    for _ in range(draw(st.integers(1, most))):
        raws.append(draw(steps(net)))
        outcomes += play(net, raws[-1:])
    return net, raws, outcomes


def codes_of(outcomes: Sequence[int | Rejection]) -> list[int]:
    """Return codes, 0 for accepted."""
    return [int(one.code) if isinstance(one, Rejection) else 0 for one in outcomes]


def plain(net: Net, outcomes: Sequence[int | Rejection]) -> dict[bytes, Any]:
    """Return all objects, log indices as numbers in the history, without block times and prev."""
    accepted = [one for one in outcomes if isinstance(one, int)]
    number = {index: 1_000_000 + at for at, index in enumerate(accepted)}

    def told(value: Any, members: Sequence[int]) -> Any:
        return {key: number.get(item, item) if key in members else item
                for key, item in value.items()}  # fmt: skip

    found = {}
    for key, data in net.objects.items():
        value = encoding.decode(data)
        kind = value[0]
        if kind in (1, 2):
            value = {at: item for at, item in value.items() if at not in (9, 10, 11)}
            held = 5 if kind == 1 else 6
            value[held] = [{at: one[at] for at in one if at != 7} for one in value[held]]
        if kind == 2:
            value[5] = [told(one, (3, 5)) for one in value[5]]
        if kind in (1, 2, 4):
            value = told(value, (7, 8))
        found[key] = value
    return found


def check(net: Net) -> None:
    """Check what always holds: the map, the chains of prev, usage, and the commit leaves."""
    pairs = [(key, object_value(data)) for key, data in net.objects.items()]
    assert net.map.root == net.commits[-1].map_root
    assert all(net.map.get(key) == value for key, value in pairs)
    assert len(net.map) == len(pairs)
    for key, data in net.objects.items():
        found = decode_object(data)
        assert found.encode() == data
        if isinstance(found, RecordObject | PrefixObject):
            _check_chain(net, key, data)
        if isinstance(found, PrefixObject):
            assert usage_key(I(found.id)) in net.objects
            assert any(listed.is_live_owner for listed in found.keys)
    for before, leaf in zip(net.commits, net.commits[1:], strict=False):
        assert (leaf.height, leaf.previous) == (before.height + 1, before.index)
        assert leaf.first_index == before.index + 1
        assert net.entries[leaf.index] == leaf.encode()


def _check_chain(net: Net, key: bytes, data: bytes) -> None:
    value = encoding.decode(data)
    while value[11] is not None:
        older = net.replaced[key, value[3] - 1]
        assert sha256(older).digest() == value[11]
        before = encoding.decode(older)
        assert (before[3], before[1], before[7]) == (value[3] - 1, value[1], value[7])
        assert before[8] < value[8]
        value = before
    assert value[3] == 1


@pytest.mark.slow
@settings(max_examples=60)
@given(histories(), st.data())
def test_a_history_has_one_outcome_however_it_is_cut(
    told: tuple[Net, list[bytes], list[int | Rejection]], data: st.DataObject
) -> None:
    """One by one, in one block, cut anywhere: the same codes and the same objects."""
    singles, raws, outcomes = told
    check(singles)
    cuts = data.draw(st.sets(st.integers(0, len(raws))))
    for borders in ((), tuple(sorted(cuts))):
        net = network()
        found: list[int | Rejection] = []
        for start, end in zip((0, *borders), (*borders, len(raws)), strict=True):
            if start != end:
                found += play(net, raws[start:end])
        assert codes_of(found) == codes_of(outcomes)
        assert plain(net, found) == plain(singles, outcomes)
        if any(isinstance(one, int) for one in found):
            check(net)


@pytest.mark.slow
@settings(max_examples=60)
@given(histories())
def test_the_same_history_gives_the_same_bytes(
    told: tuple[Net, list[bytes], list[int | Rejection]],
) -> None:
    """Every node that executes the same blocks has the same log and the same map."""
    net, raws, _ = told
    again = network()
    for raw in raws:
        play(again, [raw])

    assert again.entries == net.entries
    assert again.objects == net.objects


@pytest.mark.slow
@settings(max_examples=60)
@given(histories())
def test_nothing_of_a_history_can_be_replayed(
    told: tuple[Net, list[bytes], list[int | Rejection]],
) -> None:
    """§state: what was accepted once is refused ever after, without a table of seen hashes."""
    net, raws, outcomes = told
    for raw, outcome in zip(raws, outcomes, strict=True):
        if isinstance(outcome, int):
            assert codes_of(play(net, [raw])) != [0]


@pytest.mark.slow
@given(st.data(), operations)
def test_any_operation_is_judged(data: st.DataObject, operation: op.Operation) -> None:
    """Whatever the operation, signer and claims: accepted, or refused with a code; a refused one
    leaves nothing, and no other exception comes out."""
    net = network()
    net.plant(AliasObject(id="hdl:lab.1/泵", target=PUMP, version=1, created=1, last=1, prev=None))
    key, iss = data.draw(st.sampled_from(SIGNERS))
    iss = data.draw(st.sampled_from((iss, "gs1:", "oid:", "ecode:", "did:", PUMP, "no identifier")))
    raw = sign(net, key, iss, operation)
    working = Working(reader=net, ms=net.ms + MINUTE_MS)
    refused: Rejection | None = None
    try:
        rules.apply(working, statement.parse(raw), net.index)
    except Rejection as rejection:
        refused = rejection
    if refused is not None:
        assert not working.changed
        assert not working.older
        return
    for changed in working.changed.values():
        assert decode_object(changed.encode()) == changed
