"""The first failed check gives the code (docs/spec/statements.md, order of checks).

Each table builds, for every check of an operation, a statement that fails this check and all later
ones at once. Only the first may be named: engines hash the code.
"""

from dataclasses import replace

import pytest

from ledger.core import operation as op
from ledger.core import statement
from ledger.core.record import FROZEN, RETIRED, ListedKey, PrefixObject
from ledger.core.value import Quota, Value
from ledger.errors import RejectionCode
from tests.proof_world import AGENT, LAB, OTHER, OWNER, ROOT, STRANGER, genesis, url
from tests.proof_world import NETWORK as NAME
from tests.state_world import (
    COMPANY,
    ELSE,
    GATEWAY,
    PRODUCT,
    PRODUCT_2,
    PUMP,
    QUOTA,
    SPARE,
    I,
    Net,
    added,
    batch,
    change,
    creation,
    delegation,
    exhaust,
    judge,
    limit,
    network,
    prefix_update,
    revoked,
    sign,
    update,
)

LATE_MALFORMED, LATE_LIMIT = 16, 17
FAR = "hdl:nowhere.9"
ELSEWHERE = "far.example"  # as long as this network's name
NO_QUOTA = Quota(objects=0, log_bytes=0)


def code_of(first: int) -> int:
    """Return the code of a check; the two that follow 15 have codes 1 and 2."""
    return first - 15 if first > 15 else first


def big_values(count: int = 200, size: int = 300) -> tuple[Value, ...]:
    """Return values that fit into a statement and, with their block times, into no object."""
    return tuple(url("x" * size, index) for index in range(1, count + 1))


def stored(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return values as an object holds them."""
    return tuple(replace(value, changed_ms=1) for value in values)


def listed(net: Net, text: str, *keys: ListedKey) -> None:
    """Put keys behind those of a prefix."""
    found = net.find(text)
    assert isinstance(found, PrefixObject)
    change(net, text, keys=(*found.keys, *keys))


# ---- op 3 reaches every check but 13, 14 and the late malformed


def statement_of_create(net: Net, first: int) -> bytes:
    """Return a create that fails check `first` and all later ones."""
    existing, product = ("21/S1", PRODUCT) if first > 9 else ("21/S1", PRODUCT_2)
    text = f"{product}/{existing}" if first <= 10 else f"{PRODUCT}/21/S2"
    items = [op.Item(identifier=I(text), values=big_values())]
    if first <= 2:
        limit(net, items_per_create=1)
        items.append(op.Item(identifier=I("oid:1.2.3")))
    if first <= 11:
        change(net, product, status=RETIRED)
    exhaust(net, COMPANY)
    dead = ListedKey(key=STRANGER.public, roles=(1,), since=1, until=2, revoked=2)
    gone = ListedKey(key=SPARE.public, roles=(1,), since=1, revoked=2)
    listed(net, COMPANY, dead, gone)
    change(net, COMPANY, status=FROZEN if first <= 12 else 0)
    key = STRANGER if first <= 6 else SPARE if first == 7 else OWNER
    claims = {"sub": PUMP} if first == 1 else {}
    if first <= 3:
        claims["aud"] = ELSEWHERE
    return sign(
        net,
        key,
        FAR if first <= 5 else COMPANY,
        op.Create(items=tuple(items)),
        spoiled=first <= 8,
        exp=1 if first <= 4 else None,
        **claims,
    )


@pytest.mark.parametrize("first", [*range(1, 13), 15])
def test_the_first_failed_check_of_a_create_is_named(first: int) -> None:
    """Checks 1–12 and 15, each with every later fault present too."""
    net = network()

    assert judge(net, statement_of_create(net, first)) == first


def test_an_object_over_65535_bytes_is_the_last_refusal_of_a_create() -> None:
    """The block times make the object longer than its statement: judged after the quota."""
    net = network()
    big = op.Item(identifier=I(f"{PRODUCT}/21/S2"), values=big_values())

    assert judge(net, sign(net, OWNER, COMPANY, op.Create(items=(big,)))) == 2


@pytest.mark.parametrize(
    "kind", [pytest.param("roles", id="role"), pytest.param("until", id="window")]
)
def test_role_and_window_come_before_revocation(kind: str) -> None:
    """6 before 7: a revoked key that lacks the role, or has ended, is not authorised."""
    net = network()
    until = net.index if kind == "until" else None
    roles = (1,) if kind == "until" else (3, 4, 5, 6, 7)
    listed(
        net,
        LAB,
        ListedKey(key=SPARE.public, roles=roles, since=1, until=until, revoked=2),
    )

    assert judge(net, sign(net, SPARE, LAB, creation(f"{LAB}/new"), spoiled=True)) == 6


def test_no_ancestor_comes_before_the_key() -> None:
    """5 also when iss exists and an item has no ancestor: a scheme root cannot be delegated."""
    net = network()

    assert judge(net, sign(net, STRANGER, LAB, delegation("hdl:", (SPARE, (1,))))) == 5


def test_the_horizon_is_a_limit_and_the_past_is_expired() -> None:
    """exp may be the block's second and the horizon's last second; beyond they are 4 and 2."""
    net = network()
    second = net.ms // 1000 + 60
    made = creation(f"{LAB}/new")

    found = [
        judge(net, sign(net, OWNER, LAB, made, exp=exp))
        for exp in (second - 1, second, second + 86_400, second + 86_401)
    ]
    assert found == [4, 0, 0, 2]


# ---- what a statement alone shows to be over a limit is check 2


@pytest.mark.parametrize("surplus", [False, True])
@pytest.mark.parametrize(
    "what", ["bytes", "items", "item values", "values", "aliases", "prefix keys", "new values"]
)
def test_the_networks_limits_are_judged_at_2(what: str, surplus: bool) -> None:
    """One more than a limit is 2, before the wrong network (3) and everything later."""
    net = network()
    limit(
        net,
        statement_bytes=8_192,
        items_per_create=2,
        values_per_object=2,
        aliases_per_record=2,
        keys_per_prefix=6,
    )
    count = 3 if surplus else 2
    values = tuple(url("x", index) for index in range(1, count + 1))
    aliases = tuple(I(f"{LAB}/alias-{number}") for number in range(count))
    pairs = ((SPARE, (1,)), (AGENT, (3,)))
    texts = [f"{LAB}/new-{number}" for number in range(count)]
    cases: dict[str, op.Operation] = {
        "bytes": op.Create(items=(op.Item(identifier=I(texts[0]), values=(url("x" * 7_900),)),)),
        "items": creation(*texts),
        "item values": op.Create(items=(op.Item(identifier=I(texts[0]), values=values),)),
        "values": update(PUMP, put=values),
        "aliases": update(PUMP, add_aliases=aliases),
        "prefix keys": delegation("hdl:lab.9", *pairs[: count - 1]),
        "new values": prefix_update(LAB, values=values),
    }
    if what == "prefix keys":
        limit(net, keys_per_prefix=1)
    made = cases[what]
    if what == "bytes":
        size = len(sign(net, AGENT, LAB, made))
        url_data = "x" * (7_900 + 8_192 - size + surplus)
        made = op.Create(items=(op.Item(identifier=I(texts[0]), values=(url(url_data),)),))
        assert len(sign(net, AGENT, LAB, made)) == 8_192 + surplus
    iss, key = (LAB, OWNER) if what != "prefix keys" else ("hdl:", ROOT)

    assert judge(net, sign(net, key, iss, made)) == (2 if surplus else 0)
    assert judge(net, sign(net, key, iss, made, aud=ELSEWHERE)) == (2 if surplus else 3)


# ---- the other operations, from check 9 on


def statement_of_update(net: Net, first: int) -> bytes:
    """Return an op 4 that fails check `first` and all later ones."""
    status = {9: RETIRED, 11: RETIRED, 12: FROZEN}.get(first, 0)
    change(net, PUMP, values=stored(big_values(180)), status=status)
    if first <= 15:
        exhaust(net, LAB)
    made = update(
        PUMP,
        version=7 if first <= 13 else 1,
        put=(Value(index=300, type="D", format=1, data=bytes(11_000)),),
        remove=(999,) if first <= LATE_MALFORMED else (),
    )
    return sign(net, *((ELSE, OTHER) if first == 9 else (OWNER, LAB)), made)


@pytest.mark.parametrize("first", [9, 11, 12, 13, 15, LATE_MALFORMED, LATE_LIMIT])
def test_the_first_failed_check_of_an_update_is_named(first: int) -> None:
    """Right, status, version, quota; then an absent value; then the object's size."""
    net = network()

    assert judge(net, statement_of_update(net, first)) == code_of(first)


def statement_of_anchor(net: Net, first: int) -> bytes:
    """Return an op 7 that fails check `first` and all later ones."""
    if first <= 11:
        change(net, GATEWAY, status=RETIRED)
    if first <= 12:
        change(net, LAB, status=FROZEN)
    exhaust(net, LAB)
    exhaust(net, OTHER)
    missing = f"{LAB}/none"
    stream = missing if first == 13 else GATEWAY
    made = batch(stream, sequence=5 if first <= 14 else 0, epoch=2 if first <= 14 else 0)
    return sign(net, AGENT, OTHER if first == 9 else LAB, made)


@pytest.mark.parametrize("first", [9, 11, 12, 13, 14, 15])
def test_the_first_failed_check_of_an_anchor_is_named(first: int) -> None:
    """Right, the record's and the owner's status, the record itself, the chain, the quota."""
    net = network()

    assert judge(net, statement_of_anchor(net, first)) == first


def statement_of_prefix_update(net: Net, first: int) -> bytes:
    """Return an op 2 that fails check `first` and all later ones."""
    status = {9: RETIRED, 11: RETIRED, 12: FROZEN}.get(first, 0)
    change(net, LAB, values=stored(big_values(100)), status=status)
    if first <= 15:
        exhaust(net, LAB)
    more = added(SPARE, 7) if first == 9 else added(SPARE, 2)
    made = prefix_update(
        LAB,
        version=7 if first <= 13 else 1,
        add_keys=more,
        revoke=revoked(STRANGER) if first <= LATE_MALFORMED else (),
        values=big_values(),
    )
    return sign(net, OWNER, LAB, made)


@pytest.mark.parametrize("first", [9, 11, 12, 13, 15, LATE_MALFORMED, LATE_LIMIT])
def test_the_first_failed_check_of_a_prefix_update_is_named(first: int) -> None:
    """Recovery keys, status, version, quota; then an unknown kid; then the object's size."""
    net = network()

    assert judge(net, statement_of_prefix_update(net, first)) == code_of(first)


def statement_of_delegation(net: Net, first: int) -> bytes:
    """Return an op 1 that fails check `first` and all later ones."""
    prefix = "oid:1.2.3.4.5" if first <= 10 else "oid:1.2.3.4.6"
    if first <= 11:
        change(net, "oid:1.2.3.4", status=RETIRED)
    if first <= 12:
        change(net, "oid:1.2.3", status=FROZEN)
    if first <= 15:
        exhaust(net, "oid:1.2.3")
    made = delegation(prefix, (SPARE, (1,)), quota=NO_QUOTA, values=big_values())
    if first <= LATE_MALFORMED:
        ended = added(STRANGER, 3, until=net.index)
        both = sorted((*made.keys, *ended), key=lambda one: one.key.kid)
        made = replace(made, keys=tuple(both))
    return sign(net, *((ELSE, OTHER) if first == 9 else (OWNER, "oid:1.2.3")), made)


@pytest.mark.parametrize("first", [9, 10, 11, 12, 15, LATE_MALFORMED, LATE_LIMIT])
def test_the_first_failed_check_of_a_delegation_is_named(first: int) -> None:
    """A record above it (retired) and its issuer (frozen) are two objects: 11 before 12."""
    net = network()
    net.run(sign(net, ROOT, "oid:", delegation("oid:1.2.3", (OWNER, (1, 2)), quota=QUOTA)))
    net.run(sign(net, OWNER, "oid:1.2.3", creation("oid:1.2.3.4")))
    net.run(sign(net, OWNER, "oid:1.2.3", creation("oid:1.2.3.4.5")))

    assert judge(net, statement_of_delegation(net, first)) == code_of(first)


@pytest.mark.parametrize("first", [9, 11, 12, 13, 15])
def test_the_first_failed_check_of_a_retirement_is_named(first: int) -> None:
    """Right, status, version, quota."""
    net = network()
    change(net, PUMP, status={9: RETIRED, 11: RETIRED, 12: FROZEN}.get(first, 0))
    exhaust(net, LAB)
    made = op.Retire(identifier=I(PUMP), version=7 if first <= 13 else 1)

    assert judge(net, sign(net, *((ELSE, OTHER) if first == 9 else (OWNER, LAB)), made)) == first


# ---- a genesis


def genesis_that_fails(first: int) -> bytes:
    """Return a genesis that fails check `first` and all later ones."""
    net = Net(members=1, quorum=1)
    raw = genesis(net)
    parsed = op.parse(payload_of(raw))
    assert isinstance(parsed, op.Genesis)
    if first <= 2:
        extra = added(SPARE, 2)
        both = sorted((*parsed.root_keys, *extra), key=lambda one: one.key.kid)
        limits = replace(parsed.limits, keys_per_prefix=1)
        parsed = replace(parsed, root_keys=tuple(both), limits=limits)
    key = STRANGER if first <= 6 else ROOT
    claims = {"aud": ELSEWHERE} if first <= 3 else {}
    return sign(
        net,
        key,
        ELSEWHERE if first == 1 else NAME,
        parsed,
        spoiled=True,
        exp=1 if first <= 4 else None,
        **claims,
    )


def payload_of(raw: bytes) -> bytes:
    """Return the payload of a statement."""
    return statement.parse(raw).payload


@pytest.mark.parametrize("first", [1, 2, 3, 4, 6, 8])
def test_the_first_failed_check_of_a_genesis_is_named(first: int) -> None:
    """A genesis is judged by its own name, limits and root keys."""
    assert judge(Net(members=1, quorum=1), genesis_that_fails(first)) == first


def test_codes_are_the_positions_of_the_checks() -> None:
    """15 codes, and the HTTP status that each is answered with."""
    assert [code.value for code in RejectionCode] == list(range(1, 16))
    assert {code for code in RejectionCode if code.http_status == 409} == {10, 13, 14}
    assert {code for code in RejectionCode if code.http_status == 403} == {6, 7, 9, 15}
