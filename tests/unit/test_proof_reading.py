"""One disclosed reading: who anchored it and whom it speaks for (docs/spec/proof.md, reading)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ledger.core import keys, operation, reading, statement
from ledger.core.bundle import Bundle, Disclosure, Logged, MapEntry
from ledger.core.bundle_build import reading_bundle
from ledger.core.proof import Verdict, verify
from ledger.core.record import RecordObject, StreamObject, decode_object, id_key, stream_key
from ledger.core.value import Value
from ledger.errors import ProofError, ProofFault
from tests.proof_world import (
    AGENT,
    BATCH_KEY,
    GATEWAY,
    LAB,
    NETWORK,
    OTHER,
    OWNER,
    PUMP,
    STRANGER,
    VALVE,
    I,
    Story,
    World,
    alias_pair,
    anchor,
    prefix,
    revoke,
    story,
    tick,
)

TANK = f"{OTHER}/tank"
FORGED_ANCHOR = ("logged entry 0", ProofFault.FORGED)


@cache
def told() -> Story:
    """Play the story once; nothing here changes it."""
    return story()


def build(from_: Story, leaf: int = 0, identifier: str = PUMP, index: int | None = None) -> Bundle:
    """Return the bundle of one reading of batch 0."""
    return reading_bundle(
        from_.world.source(),
        I(identifier),
        stream=I(GATEWAY),
        anchor_index=from_.anchor if index is None else index,
        disclosure=from_.disclose(leaf),
    )


def judge(world: World, bundle: Bundle, identifier: str = PUMP) -> Verdict:
    """Verify both forms of a bundle; they must agree."""
    verdicts = [
        verify(
            form,
            identifier,
            network=NETWORK,
            trust=world.trust(),
            now=world.now,
            max_age=None,
            question="reading",
        )
        for form in (bundle.encode(), bundle.encode_json())
    ]
    assert verdicts[0] == verdicts[1]
    return verdicts[0]


def fails(world: World, bundle: Bundle, identifier: str = PUMP) -> tuple[str, ProofFault]:
    """Return part and fault."""
    with pytest.raises(ProofError) as caught:
        judge(world, bundle, identifier)
    return caught.value.part, caught.value.fault


def test_a_reading_names_its_origin() -> None:
    """Stream, key, log index and reading are all in the verdict."""
    verdict = judge(told().world, build(told()))

    assert verdict.kind == "reading"
    assert verdict.reading == reading.decode_reading(told().readings[0])
    assert (verdict.stream, verdict.kid) == (GATEWAY, AGENT.public.kid)
    assert verdict.index == told().anchor
    assert verdict.attributed
    assert verdict.record == told().world.find(PUMP)
    assert verdict.warnings == ()
    assert not verdict.suspect
    assert not verdict.equivocated


# ---------------------------------------------------------------- whose reading it is


@pytest.mark.parametrize(
    ("leaf", "identifier", "attributed"),
    [
        pytest.param(0, PUMP, True, id="own"),
        pytest.param(2, PUMP, True, id="other-spelling-in-the-name"),
        pytest.param(0, "hdl:lab.1/PUMP-07", True, id="other-spelling-asked"),
        pytest.param(3, PUMP, False, id="about-another"),
        pytest.param(4, PUMP, False, id="about-no-identifier"),
        pytest.param(3, TANK, False, id="of-another-owner"),
        pytest.param(0, "hdl:lab.1/none", False, id="asked-is-absent"),
        pytest.param(0, LAB, False, id="asked-is-the-prefix"),
    ],
)
def test_attribution(leaf: int, identifier: str, attributed: bool) -> None:
    """A gateway speaks for records of its owner, about themselves; the rest it merely said."""
    verdict = judge(told().world, build(told(), leaf, identifier), identifier)

    assert attributed is verdict.attributed
    assert attributed is not any(GATEWAY in line for line in verdict.warnings)


@pytest.mark.parametrize(
    ("value", "attributed"),
    [
        pytest.param(Value(index=9, type="xinbiao.stream", data=GATEWAY), True, id="named"),
        pytest.param(Value(index=9, type="xinbiao.stream", data="hdl:lab.1/GW-1"), True, id="case"),
        pytest.param(Value(index=9, type="xinbiao.stream", data=PUMP), False, id="another"),
        pytest.param(Value(index=9, type="xinbiao.stream", data="gw-1"), False, id="no-identifier"),
        pytest.param(Value(index=9, type="URL", data=GATEWAY), False, id="another-type"),
        pytest.param(
            Value(index=9, type="xinbiao.stream", data=GATEWAY.encode(), format=1),
            False,
            id="as-bytes",
        ),
    ],
)
def test_a_record_may_name_the_stream(value: Value, attributed: bool) -> None:
    """A record of another owner lets a stream speak for it by a value."""
    made = story()
    tank = made.world.find(TANK)
    assert isinstance(tank, RecordObject)
    stamped = tuple(replace(one, changed_ms=1) for one in (*tank.values, value))
    made.world.plant(replace(tank, values=stamped))
    tick(made.world)

    assert attributed is judge(made.world, build(made, 3, TANK), TANK).attributed


def test_a_reading_under_an_alias() -> None:
    """A reading in an alias's name is the target's record's."""
    made = story()
    made.world.plant(*alias_pair(made.world, "hdl:lab.1/no-1", PUMP))
    name = reading.encode_reading("hdl:lab.1/no-1#t", 7, 1)
    made.readings = (name,)
    made.anchor = made.world.inject(anchor(made.world, [name]))
    verdict = judge(made.world, build(made, 0, "hdl:lab.1/no-1"), "hdl:lab.1/no-1")

    assert verdict.attributed
    assert verdict.alias_of == PUMP


def test_equivocation_is_a_flag() -> None:
    """A gateway known to have signed two batches of this number is named."""
    made = story()
    stream = decode_object(made.world.objects[stream_key(I(GATEWAY))])
    assert isinstance(stream, StreamObject)
    for pairs, expected in (((0, 0),), True), (((0, 1), (1, 0)), False):
        made.world.plant(replace(stream, equivocations=pairs))
        tick(made.world)
        verdict = judge(made.world, build(made))
        assert expected is verdict.equivocated
        assert expected is any("two batches" in line for line in verdict.warnings)


@pytest.mark.parametrize(("offset", "suspect"), [(None, False), (-1, True), (0, True), (1, False)])
def test_a_suspect_key_is_a_flag(offset: int | None, suspect: bool) -> None:
    """Revoked later, the key's signature stays valid, and is doubtful from suspect-from on."""
    made = story()
    since = None if offset is None else made.anchor + offset
    made.world.run(revoke(made.world, AGENT, 1, since))

    assert suspect is judge(made.world, build(made)).suspect


# ---------------------------------------------------------------- the anchor


def test_exactly_one_statement() -> None:
    """A reading has one anchor."""
    world, bundle = told().world, build(told())
    assert bundle.logged is not None

    assert fails(world, replace(bundle, logged=bundle.logged * 2)) == (
        "logged entries",
        ProofFault.MALFORMED,
    )
    assert fails(world, replace(bundle, logged=())) == (
        "logged entries",
        ProofFault.INCOMPLETE,
    )


@pytest.mark.parametrize("index", [0, 1, 5])
def test_other_entries_are_no_anchor(index: int) -> None:
    """Another operation, or a commit leaf, anchors nothing."""
    world, bundle = told().world, build(told())
    source = world.source()
    assert bundle.logged is not None
    path = tuple(source.leaf_path(index))
    other = replace(bundle.logged[0], index=index, entry=source.entry(index), path=path)

    assert fails(world, replace(bundle, logged=(other,))) == (
        "logged entry 0",
        ProofFault.MALFORMED,
    )
    with pytest.raises(ValueError, match="no anchor"):
        build(told(), index=index)


def test_the_anchor_is_in_the_log() -> None:
    """Its index is what decides about keys, so it is proved."""
    world, bundle = told().world, build(told())
    assert bundle.logged is not None
    moved = replace(bundle.logged[0], index=bundle.logged[0].index + 1)

    assert fails(world, replace(bundle, logged=(moved,))) == FORGED_ANCHOR


def test_the_anchor_is_of_this_network() -> None:
    """A statement for another network, replayed here, says nothing."""
    made = story()
    raw = anchor(made.world, made.readings)
    payload = statement.parse(raw).payload
    other = statement.sign(
        payload, key=AGENT, iss=LAB, sub=GATEWAY, aud="other.example", iat=made.world.now
    )
    made.anchor = made.world.inject(other)

    assert fails(made.world, build(made)) == ("logged entry 0", ProofFault.WRONG_NETWORK)


def test_the_anchor_is_about_its_subject() -> None:
    """Claim sub is the stream."""
    made = story()
    payload = statement.parse(anchor(made.world, made.readings)).payload
    other = statement.sign(payload, key=AGENT, iss=LAB, sub=PUMP, aud=NETWORK, iat=1)
    made.anchor = made.world.inject(other)

    assert fails(made.world, build(made)) == ("logged entry 0", ProofFault.MALFORMED)


@pytest.mark.parametrize(
    "key", [pytest.param(STRANGER, id="not-listed"), pytest.param(OWNER, id="not-an-agent")]
)
def test_the_key_is_listed_in_a_role_that_anchors(key: keys.PrivateKey) -> None:
    """Neither a stranger nor an owner's key anchors readings."""
    made = story()
    made.anchor = made.world.inject(anchor(made.world, made.readings, key=key))

    assert fails(made.world, build(made)) == FORGED_ANCHOR


def test_the_key_is_valid_at_the_index() -> None:
    """Not before it was listed, not from `until` on, not after it was revoked."""
    made = story()
    before, after = made.anchor - 1, made.anchor
    lab = prefix(made.world, LAB)
    windows: tuple[tuple[dict[str, Any], bool], ...] = (
        ({"since": before}, True),
        ({"since": after}, False),
        ({"until": after + 1}, True),
        ({"until": after}, False),
        ({"revoked": after}, True),
        ({"revoked": before}, False),
    )
    for window, good in windows:
        listed = tuple(
            replace(one, **window) if one.key == AGENT.public else one for one in lab.keys
        )
        made.world.plant(replace(lab, keys=listed))
        made.world.inject(made.world.entries[0])
        bundle = build(made)
        if good:
            assert judge(made.world, bundle).attributed
        else:
            assert fails(made.world, bundle) == FORGED_ANCHOR


def test_the_signature_is_the_keys() -> None:
    """A logged anchor whose signature fails proves nothing about the gateway."""
    made = story()
    raw = anchor(made.world, made.readings)
    made.anchor = made.world.inject(raw[:-1] + bytes((raw[-1] ^ 1,)))

    assert fails(made.world, build(made)) == FORGED_ANCHOR


def test_the_stream_is_proved() -> None:
    """Entries of stream and iss are needed, in this order."""
    world, bundle = told().world, build(told())
    asked, stream, issuer = bundle.entries

    assert fails(world, replace(bundle, entries=(asked, stream))) == (
        "map entry 2",
        ProofFault.INCOMPLETE,
    )
    assert fails(world, replace(bundle, entries=(asked, issuer, stream))) == (
        "map entry 1",
        ProofFault.FORGED,
    )
    assert fails(world, replace(bundle, entries=(*bundle.entries, issuer))) == (
        "map entry 3",
        ProofFault.MALFORMED,
    )


def test_a_stream_that_does_not_exist() -> None:
    """An anchor of a stream that the state does not know is refused."""
    made = story()
    ghost = "hdl:lab.1/valve-1"
    context = reading.context(0, I(ghost).key_text)
    salt, path = reading.prove_leaf(BATCH_KEY, made.readings, context, 0)
    index = made.world.inject(anchor(made.world, made.readings, stream=ghost))
    bundle = reading_bundle(
        made.world.source(),
        I(PUMP),
        stream=I(ghost),
        anchor_index=index,
        disclosure=Disclosure(reading=made.readings[0], salt=salt, leaf=0, path=tuple(path)),
    )

    assert fails(made.world, bundle) == ("map entry 1", ProofFault.FORGED)


@pytest.mark.parametrize(
    ("iss", "expected"),
    [
        pytest.param("no identifier", ("logged entry 0", ProofFault.MALFORMED), id="no-identifier"),
        pytest.param("hdl:nobody", ("map entry 2", ProofFault.FORGED), id="nobody"),
        pytest.param(GATEWAY, ("map entry 2", ProofFault.FORGED), id="a-record"),
        pytest.param(OTHER, FORGED_ANCHOR, id="another-prefix"),
    ],
)
def test_iss_is_a_prefix_that_lists_the_key(iss: str, expected: tuple[str, ProofFault]) -> None:
    """An iss that is no identifier, owns nothing or lists other keys has nothing to say."""
    made = story()
    payload = statement.parse(anchor(made.world, made.readings)).payload
    raw = statement.sign(payload, key=STRANGER, iss=iss, sub=GATEWAY, aud=NETWORK, iat=1)
    index = made.world.inject(raw)
    source, bundle = made.world.source(), build(made)
    logged = Logged(index=index, entry=raw, path=tuple(source.leaf_path(index)))
    key = id_key(I(iss if iss.startswith("hdl:") else OTHER))
    issuer = MapEntry(data=source.object(key), proof=source.map.prove(key))
    bundle = replace(bundle, logged=(logged,), entries=(*bundle.entries[:2], issuer))

    assert fails(made.world, bundle) == expected


def test_a_self_certifying_did_has_its_own_keys() -> None:
    """Where iss is such a DID, the keys are those of its record."""
    made = story()
    did = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    lab, pump = prefix(made.world, LAB), made.world.find(PUMP)
    assert isinstance(pump, RecordObject)
    agents = tuple(one for one in lab.keys if one.key == AGENT.public)
    made.world.plant(replace(pump, id=did, owner=did, own_keys=agents))
    made.anchor = made.world.inject(anchor(made.world, made.readings, iss=did))
    verdict = judge(made.world, build(made))

    assert verdict.kid == AGENT.public.kid
    assert not verdict.attributed  # the pump obeys the lab, not the DID


# ---------------------------------------------------------------- the disclosure


def test_the_disclosure_is_needed() -> None:
    """Without member 10 there is no reading."""
    bundle = replace(build(told()), disclosure=None)

    assert fails(told().world, bundle) == ("disclosure", ProofFault.INCOMPLETE)


@pytest.mark.parametrize(
    "change",
    [
        {"reading": reading.encode_reading(f"{PUMP}#temperature", 1, 99.0)},
        {"salt": bytes(16)},
        {"leaf": 1},
        {"leaf": 5},
        {"leaf": 2**53 - 1},
        {"path": ()},
        {"path": (bytes(32),) * 3},
    ],
    ids="-".join,
)
def test_the_disclosure_leads_to_the_root(change: dict[str, object]) -> None:
    """Reading, salt, number and path are one leaf of the batch, or nothing."""
    bundle = build(told())
    shown = replace(told().disclose(0), **change)  # type: ignore[arg-type]

    assert fails(told().world, replace(bundle, disclosure=shown)) == (
        "disclosure",
        ProofFault.FORGED,
    )


@pytest.mark.parametrize("change", [{"sequence": 1}, {"stream": I(VALVE)}], ids="-".join)
def test_a_stolen_root_proves_nothing(change: dict[str, Any]) -> None:
    """The same root anchored under another stream, or number, has another context."""
    made = story()
    anchored = operation.parse(statement.parse(anchor(made.world, made.readings)).payload)
    assert isinstance(anchored, operation.Anchor)
    stream = decode_object(made.world.objects[stream_key(I(GATEWAY))])
    assert isinstance(stream, StreamObject)
    made.world.plant(replace(stream, id=VALVE))
    theft = replace(anchored, **change)
    index = made.world.inject(made.world.sign(AGENT, LAB, theft))
    bundle = reading_bundle(
        made.world.source(),
        I(PUMP),
        stream=theft.stream,
        anchor_index=index,
        disclosure=made.disclose(0),
    )

    assert fails(made.world, bundle) == ("disclosure", ProofFault.FORGED)


@pytest.mark.parametrize(
    ("span", "good"), [((0, 9), True), ((7, 7), True), ((0, 6), False), ((8, 9), False)]
)
def test_the_time_lies_in_the_batch(span: tuple[int, int], good: bool) -> None:
    """First ≤ µs ≤ last."""
    made = story()
    made.readings = (reading.encode_reading(f"{PUMP}#t", 7, 1),)
    made.anchor = made.world.inject(anchor(made.world, made.readings, span=span))
    if good:
        assert judge(made.world, build(made)).attributed
    else:
        assert fails(made.world, build(made)) == ("disclosure", ProofFault.FORGED)


@pytest.mark.parametrize("raw", [b"\xd2\x84\x40", b"\x80", b"", b"\xff"])
def test_the_reading_is_well_formed(raw: bytes) -> None:
    """Anchored bytes that are no reading of this release are refused."""
    made = story()
    made.readings = (raw,)
    made.anchor = made.world.inject(_anchor_of(made.world, made.readings))

    assert fails(made.world, build(made)) == ("disclosure", ProofFault.MALFORMED)


def _anchor_of(world: World, readings: Sequence[bytes]) -> bytes:
    return anchor(world, readings, span=(0, 9))
