"""A network for tests of the state machine: two owners, a company, and a way to ask for one verdict.

`network()` gives a fresh copy each time. `judge` applies one statement as the next of the log and
keeps nothing; `run` (of `World`) executes a block. States that no operation of this release makes
(frozen prefixes, used quotas, tight limits) are planted with `change` and `use`.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from ledger.core import identifier, keys, rules, statement
from ledger.core import operation as op
from ledger.core.key_list import NewKey, Revocation
from ledger.core.keys import PrivateKey
from ledger.core.member import Limits
from ledger.core.record import (
    NETWORK_KEY,
    NetworkObject,
    PrefixObject,
    RecordObject,
    UsageObject,
    decode_object,
    usage_key,
)
from ledger.core.state import Working
from ledger.core.value import Quota, Value
from ledger.errors import Rejection
from tests.proof_world import (
    AGENT,
    LAB,
    MINUTE_MS,
    NETWORK,
    OTHER,
    OWNER,
    ROOT,
    World,
    genesis,
    new_keys,
    url,
)

I = identifier.canonical  # noqa: E741 - tests are full of it
REGISTRAR, DEVICE, RECOVERY, ELSE, SPARE = (
    keys.private_from_seed(keys.ED25519, bytes((number,)) * 32) for number in range(0x21, 0x26)
)
PUMP, GATEWAY, TANK = f"{LAB}/Pump-07", f"{LAB}/gw-1", f"{OTHER}/tank"
COMPANY, PRODUCT = "gs1:gcp/950600", "gs1:01/09506000134352"
COMPANY_2, PRODUCT_2 = "gs1:gcp/0614141", "gs1:01/00614141123452"
QUOTA = Quota(objects=1_000, log_bytes=1_000_000)
SMALL_QUOTA = Quota(objects=10, log_bytes=10_000)
ACCEPTED = 0


class Net(World):
    """A world that knows its next index."""

    @property
    def index(self) -> int:
        """The log index of the next statement."""
        return len(self.entries)


@cache
def _told() -> Net:
    net = Net(members=1, quorum=1)
    net.run(genesis(net))
    lab = ((OWNER, (1, 2)), (REGISTRAR, (2,)), (AGENT, (3,)), (DEVICE, (4,)), (RECOVERY, (7,)))
    net.run(
        sign(net, ROOT, "hdl:", delegation(LAB, *lab, quota=QUOTA)),
        sign(net, ROOT, "hdl:", delegation(OTHER, (ELSE, (1, 2)), (AGENT, (3,)), quota=QUOTA)),
        sign(net, ROOT, "gs1:", delegation(COMPANY, (OWNER, (1, 2)), quota=QUOTA)),
        sign(net, ROOT, "gs1:", delegation(COMPANY_2, (ELSE, (1, 2)), quota=QUOTA)),
    )
    tank = op.Item(
        identifier=I(TANK), values=(url("https://other.example/tank"), shared_value("18 °C"))
    )
    net.run(
        sign(net, OWNER, LAB, creation(PUMP, GATEWAY)),
        sign(net, ELSE, OTHER, op.Create(items=(tank,))),
        sign(net, OWNER, COMPANY, creation(PRODUCT, f"{PRODUCT}/21/S1")),
        sign(net, ELSE, COMPANY_2, creation(PRODUCT_2, f"{PRODUCT_2}/21/S1")),
    )
    return net


def network() -> Net:
    """Return a fresh copy of the network."""
    told = _told()
    return Net(
        members=1,
        quorum=1,
        ms=told.ms,
        entries=list(told.entries),
        leaves=list(told.leaves),
        commits=list(told.commits),
        objects=dict(told.objects),
        replaced=dict(told.replaced),
        map=told.map,
    )


# ---- operations


def shared_value(data: str) -> Value:
    """Return value 2 of the tank, whose data the lab may change."""
    return Value(index=2, type="temperature", data=data, writers=(LAB,))


def delegation(
    prefix: str, *pairs: tuple[PrivateKey, tuple[int, ...]], quota: Quota = SMALL_QUOTA, **more: Any
) -> op.Delegate:
    """Return a delegation to the keys given."""
    listed = new_keys(*pairs)
    return op.Delegate(
        prefix=I(prefix), owner_name=f"owner of {prefix}", keys=listed, quota=quota, **more
    )


def creation(*texts: str) -> op.Create:
    """Return a create of records with one value each."""
    items = (op.Item(identifier=I(text), values=(url(text),)) for text in texts)
    return op.Create(items=tuple(sorted(items, key=lambda one: one.identifier.text.encode())))


def update(text: str, version: int = 1, **more: Any) -> op.Update:
    """Return an update of a record."""
    return op.Update(identifier=I(text), version=version, **more)


def prefix_update(text: str, version: int = 1, **more: Any) -> op.PrefixUpdate:
    """Return an update of a prefix."""
    return op.PrefixUpdate(prefix=I(text), version=version, **more)


def added(key: PrivateKey, *roles: int, until: int | None = None) -> tuple[NewKey, ...]:
    """Return one key as submitted."""
    return (NewKey(key=key.public, roles=roles, until=until),)


def revoked(key: PrivateKey, reason: int = 0, suspect: int | None = None) -> tuple[Revocation, ...]:
    """Return one revocation."""
    return (Revocation(kid=key.public.kid, reason=reason, suspect_from=suspect),)


def batch(stream: str, sequence: int = 0, previous: bytes | None = None, **more: Any) -> op.Anchor:
    """Return an anchor of one reading."""
    facts: dict[str, Any] = {"root": b"\x11" * 32, "count": 1, "first_us": 1, "last_us": 2}
    return op.Anchor(stream=I(stream), sequence=sequence, previous=previous, **facts | more)


def sign(
    net: World, key: PrivateKey, iss: str, operation: op.Operation, *, spoiled: bool = False,
    **claims: Any,
) -> bytes:  # fmt: skip
    """Return a signed statement; claims replace those that follow from the operation."""
    sub = iss if isinstance(operation, op.Create) else operation.subject
    facts: dict[str, Any] = {"sub": sub, "aud": NETWORK, "iat": net.ms // 1000}
    raw = statement.sign(operation.encode(), key=key, iss=iss, **facts | claims)
    return raw[:-1] + bytes((raw[-1] ^ 1,)) if spoiled else raw


# ---- states that are planted


def change(net: World, text: str, **fields: Any) -> None:
    """Change a record or prefix in place."""
    found = net.find(text)
    assert isinstance(found, RecordObject | PrefixObject)
    net.plant(replace(found, **fields))


def use(net: World, prefix: str, *, objects: int, log_bytes: int) -> None:
    """Set how much of its quota a prefix has used."""
    net.plant(UsageObject(id=prefix, objects=objects, log_bytes=log_bytes))


def usage(net: World, prefix: str) -> tuple[int, int]:
    """Return how much of its quota a prefix has used: objects, bytes."""
    found = decode_object(net.objects[usage_key(I(prefix))])
    assert isinstance(found, UsageObject)
    return found.objects, found.log_bytes


def exhaust(net: World, prefix: str) -> None:
    """Use the whole quota of a prefix."""
    found = net.find(prefix)
    assert isinstance(found, PrefixObject)
    use(net, prefix, objects=found.quota.objects, log_bytes=found.quota.log_bytes)


def limit(net: World, **limits: int) -> None:
    """Change limits of the network."""
    found = decode_object(net.objects[NETWORK_KEY])
    assert isinstance(found, NetworkObject)
    net.plant(replace(found, limits=replace(found.limits, **limits)))


def limits_of(net: World) -> Limits:
    """Return the limits of the network."""
    found = decode_object(net.objects[NETWORK_KEY])
    assert isinstance(found, NetworkObject)
    return found.limits


# ---- verdicts


def refusal(net: Net, raw: bytes) -> Rejection | None:
    """Apply one statement as the next of the log; keep nothing."""
    working = Working(reader=net, ms=net.ms + MINUTE_MS)
    try:
        rules.apply(working, statement.parse(raw), net.index)
    except Rejection as rejection:
        assert not working.changed, "a refused statement left something behind"
        return rejection
    return None


def judge(net: Net, raw: bytes) -> int:
    """Return the code of a statement's refusal, 0 when it is accepted."""
    found = refusal(net, raw)
    return ACCEPTED if found is None else int(found.code)


def run(net: Net, *steps: tuple[PrivateKey, str, op.Operation]) -> None:
    """Sign and execute operations as one block; all must be accepted."""
    net.run(*(sign(net, *step) for step in steps))


def codes(net: Net, raws: Sequence[bytes]) -> list[int]:
    """Judge statements that follow one another inside one block; keep nothing."""
    working = Working(reader=net, ms=net.ms + MINUTE_MS)
    found: list[int] = []
    index = net.index
    for raw in raws:
        try:
            rules.apply(working, statement.parse(raw), index)
        except Rejection as rejection:
            found.append(int(rejection.code))
        else:
            found.append(ACCEPTED)
            index += 1
    return found
