"""Operations and objects have exactly the members of their shapes (xinbiao.cddl)."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.core import encoding
from ledger.core import operation as op
from ledger.core.member import Limits, minimum_quorum
from ledger.core.record import decode_object
from ledger.core.statement import parse
from ledger.core.value import Quota
from ledger.errors import EncodingError, Rejection, RejectionCode
from tests.proof_world import AGENT, LAB, OWNER, digest, genesis, story, url
from tests.state_world import (
    GATEWAY,
    PUMP,
    SPARE,
    I,
    Net,
    added,
    batch,
    creation,
    delegation,
    prefix_update,
    revoked,
    update,
)

OPERATIONS: dict[str, bytes] = {
    "genesis": parse(genesis(Net(members=4, quorum=3))).payload,
    "delegate": delegation(LAB, (OWNER, (1,)), values=(url("x"),)).encode(),
    "prefix keys": prefix_update(LAB, add_keys=added(SPARE, 2), revoke=revoked(AGENT)).encode(),
    "prefix values": prefix_update(LAB, values=(url("x"),), refers=True).encode(),
    "prefix quota": prefix_update(LAB, quota=Quota(objects=1, log_bytes=2)).encode(),
    "create": creation(PUMP, GATEWAY).encode(),
    "update": update(PUMP, put=(url("x"),), remove=(2,), add_aliases=(I(GATEWAY),)).encode(),
    "retire": op.Retire(identifier=I(PUMP), version=1).encode(),
    "anchor": batch(GATEWAY, 1, digest(b""), archive_hash=bytes(32), lost=((1, 2),)).encode(),
}
OPTIONAL = {
    "prefix keys": {3, 4},
    "prefix values": {5, 7},
    "update": {5},
    "anchor": {11, 12},
}
OF_ALL_TYPES: list[Any] = [
    True, False, None, encoding.INT_MAX, "\u6807", b"\x00", [[]], {1: 1},
]  # fmt: skip
MORE_TYPES: dict[tuple[str, int], type] = {
    ("prefix values", 7): type(None),  # the referral is taken back
    ("anchor", 3): type(None),  # a first anchor has no previous
    ("anchor", 9): str,  # the locator, null in the example
}
OBJECTS = {
    f"{encoding.decode(data)[0]}-{number}": data
    for number, data in enumerate(story().world.objects.values())
}


def refused(payload: bytes) -> str:
    """Return why a payload is malformed."""
    with pytest.raises(Rejection) as caught:
        op.parse(payload)
    assert caught.value.code is RejectionCode.MALFORMED
    return caught.value.detail


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_member_may_be_missing_or_more(name: str) -> None:
    """Each member but the optional ones is needed, and member 20 is one too many."""
    value = encoding.decode(OPERATIONS[name])
    for member in value:
        less = encoding.encode({at: item for at, item in value.items() if at != member})
        if member in OPTIONAL.get(name, ()):
            op.parse(less)
        else:
            refused(less)
    assert "unknown member 20" in refused(encoding.encode(value | {20: 0}))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_member_has_its_type(name: str) -> None:
    """Nothing of another type is taken for it: true is not 1, null is not absent, text not bytes."""
    value = encoding.decode(OPERATIONS[name])
    for member, good in value.items():
        for other in OF_ALL_TYPES:
            made = encoding.encode(value | {member: other})
            if type(other) is type(good):
                continue
            if isinstance(other, MORE_TYPES.get((name, member), ())):
                op.parse(made)
            else:
                refused(made)


@pytest.mark.parametrize("name", OBJECTS)
def test_stored_objects_have_exactly_their_members_too(name: str) -> None:
    """A missing or surplus member is refused; verifiers feed these bytes from outside."""
    value = encoding.decode(OBJECTS[name])
    optional = {2: {14, 15}}.get(value[0], set())
    for member in value.keys() - optional:
        with pytest.raises(EncodingError):
            decode_object(encoding.encode({at: item for at, item in value.items() if at != member}))
    with pytest.raises(EncodingError):
        decode_object(encoding.encode(value | {20: 0}))


def stored(change: Callable[[dict[int, Any]], None], kind: int) -> bytes:
    """Return a stored object of a kind after a change."""
    value = next(v for v in map(encoding.decode, OBJECTS.values()) if v[0] == kind)
    change(value)
    return encoding.encode(value)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        pytest.param(1, lambda v: v.update({6: ["hdl:a/a", "hdl:a/a"]}), id="alias-twice"),
        pytest.param(1, lambda v: v.update({6: ["hdl:a/b", "hdl:a/a"]}), id="aliases-descend"),
        pytest.param(1, lambda v: v.update({6: ["hdl:a/B", "hdl:a/b"]}), id="aliases-one-key-text"),
        pytest.param(2, lambda v: v[5].append(v[5][0]), id="key-twice"),
        pytest.param(5, lambda v: v[4].reverse(), id="members-descend"),
        pytest.param(5, lambda v: v[4].append(v[4][-1]), id="member-twice"),
        pytest.param(
            1, lambda v: v.update({12: {0: 2, 1: bytes(32), 2: [], 3: 1, 4: 1}}), id="recovery"
        ),
        pytest.param(
            2, lambda v: v.update({12: {0: 2, 1: bytes(32), 2: [1], 3: 1, 4: 1}}), id="no-keys"
        ),
        pytest.param(1, lambda v: v.update({12: {0: 1, 1: bytes(32), 2: "x", 4: 1}}), id="taker"),
    ],
)
def test_stored_lists_are_as_strict_as_submitted_ones(
    kind: int, change: Callable[[dict[int, Any]], None]
) -> None:
    """Ascending, none twice; a pending recovery stands in prefixes only and holds keys."""
    decode_object(stored(lambda value: None, kind))
    with pytest.raises(EncodingError):
        decode_object(stored(change, kind))


def test_a_refusal_does_not_repeat_a_long_payload() -> None:
    """However large the payload, the detail stays short: it is answered over HTTP and logged."""
    long = "\u6807" * 20_000
    for value in ({0: long}, {0: long.encode()}, {0: [long] * 2}, {0: 4, 1: long, 2: 1}):
        assert len(refused(encoding.encode(value))) < 2_000
    with pytest.raises(EncodingError) as caught:
        decode_object(encoding.encode({0: long.encode()}))
    assert len(caught.value.rule) < 2_000


@pytest.mark.parametrize(
    ("members", "quorum"),
    [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (10, 7), (13, 9), (64, 43)],
)
def test_the_least_quorum(members: int, quorum: int) -> None:
    """q = (n + f) // 2 + 1 with f = (n - 1) // 3: any two quorums share more than f members."""
    faulty = (members - 1) // 3

    assert minimum_quorum(members) == quorum
    assert 2 * quorum - members > faulty
    assert quorum <= members - faulty or members == 2


def test_default_limits_are_those_of_the_specification() -> None:
    """docs/spec/log.md, limits 1-12."""
    assert list(Limits().to_value().values()) == [
        65_535, 2_000, 256, 256, 64, 1_209_600_000, 100_000, 86_400, 10_000, 4_000_000, 600, 3_600,
    ]  # fmt: skip
