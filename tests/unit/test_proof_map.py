"""Map entries: aliases, parents, surplus and missing ones (docs/spec/proof.md, step 8)."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ledger.core.bundle import Bundle, MapEntry
from ledger.core.bundle_build import current_bundle
from ledger.core.proof import Verdict, verify
from ledger.core.record import AliasObject, Object, RecordObject, id_key, object_value, usage_key
from ledger.errors import ProofError, ProofFault
from tests.proof_world import (
    AWAY,
    LAB,
    NETWORK,
    PUMP,
    VALVE,
    I,
    World,
    alias_pair,
    prefix,
    story,
    tick,
)

ALIAS = "gs1:01/09506000134352/21/P7"


@cache
def plain() -> World:
    """Play the story once; nothing here changes it."""
    return story().world


def planted(*objects: Object) -> World:
    """Return the story with objects of later releases in its map."""
    world = story().world
    world.plant(*objects)
    tick(world)
    return world


def judge(world: World, bundle: Bundle, identifier: str) -> Verdict:
    """Verify in a world."""
    return verify(
        bundle.encode(),
        identifier,
        network=NETWORK,
        trust=world.trust(),
        now=world.now,
        max_age=None,
    )


def fails(world: World, bundle: Bundle, identifier: str) -> tuple[str, ProofFault]:
    """Return part and fault."""
    with pytest.raises(ProofError) as caught:
        judge(world, bundle, identifier)
    return caught.value.part, caught.value.fault


def resolve(world: World, identifier: str) -> Verdict:
    """Build and verify."""
    return judge(world, current_bundle(world.source(), I(identifier)), identifier)


# ---------------------------------------------------------------- entries


def test_surplus_entries_are_refused() -> None:
    """What the question does not use is not carried along, be it true."""
    bundle = current_bundle(plain().source(), I(PUMP))
    more = replace(bundle, entries=bundle.entries * 2)

    assert fails(plain(), more, PUMP) == ("map entry 1", ProofFault.MALFORMED)


@pytest.mark.parametrize(
    "proof", [b"", b"\x00", b"\xff" * 40], ids=["empty", "cut-off", "no-varint"]
)
def test_a_proof_must_prove(proof: bytes) -> None:
    """Any other map proof is forged."""
    bundle = current_bundle(plain().source(), I(PUMP))
    bad = replace(bundle, entries=(replace(bundle.entries[0], proof=proof),))

    assert fails(plain(), bad, PUMP) == ("map entry 0", ProofFault.FORGED)


def test_other_bytes_of_an_object() -> None:
    """An object is proved byte for byte."""
    bundle = current_bundle(plain().source(), I(PUMP))
    record = plain().find(PUMP)
    assert isinstance(record, RecordObject)
    owned = replace(bundle.entries[0], data=replace(record, owner=AWAY).encode())

    assert fails(plain(), replace(bundle, entries=(owned,)), PUMP) == (
        "map entry 0",
        ProofFault.FORGED,
    )


def test_an_object_must_carry_the_identifier_of_its_key() -> None:
    """A map that holds another identifier's object at the key convinces nobody."""
    world = story().world
    data = world.objects[id_key(I(VALVE))]
    world.objects[id_key(I(PUMP))] = data
    world.map = world.map.update([(id_key(I(PUMP)), object_value(data))])
    tick(world)

    assert fails(world, current_bundle(world.source(), I(PUMP)), PUMP) == (
        "map entry 0",
        ProofFault.FORGED,
    )


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        pytest.param(usage_key(I(LAB)), ProofFault.FORGED, id="usage"),
        pytest.param(None, ProofFault.MALFORMED, id="no-object"),
    ],
)
def test_an_object_must_be_of_a_kind_that_fits(key: bytes | None, fault: ProofFault) -> None:
    """A usage object, or bytes that are no object, do not answer for an identifier."""
    world = story().world
    data = b"\xa1\x00\x18\x63" if key is None else world.objects[key]
    world.objects[id_key(I(LAB))] = data
    world.map = world.map.update([(id_key(I(LAB)), object_value(data))])
    world.inject(world.entries[0])  # a block that no rule looks at
    bundle = replace(
        current_bundle(world.source(), I(PUMP)),
        identifier=LAB,
        entries=(MapEntry(data=data, proof=world.map.prove(id_key(I(LAB)))),),
    )

    assert fails(world, bundle, LAB) == ("map entry 0", fault)


# ---------------------------------------------------------------- parents


def test_every_parent_is_shown_absent_up_to_the_first_present() -> None:
    """A chain that is cut, or that skips a parent, does not prove absence."""
    text = "hdl:lab.1.2.3/none"
    bundle = current_bundle(plain().source(), I(text))
    asked, far, near, lab = bundle.entries
    assert judge(plain(), bundle, text).nearest == plain().find(LAB)

    def cut(*entries: MapEntry) -> tuple[str, ProofFault]:
        return fails(plain(), replace(bundle, entries=entries), text)

    assert cut(asked) == ("map entry 1", ProofFault.INCOMPLETE)
    assert cut(asked, far, near) == ("map entry 3", ProofFault.INCOMPLETE)
    assert cut(asked, far, lab) == ("map entry 2", ProofFault.FORGED)
    assert cut(asked, near, far, lab) == ("map entry 1", ProofFault.FORGED)
    assert cut(asked, far, near, lab, lab) == ("map entry 4", ProofFault.MALFORMED)


def test_a_referral_cannot_be_hidden() -> None:
    """The referred parent cannot be shown absent, nor passed over for its own parent."""
    text = f"{AWAY}/x"
    source = plain().source()
    bundle = current_bundle(source, I(text))
    away = source.map.prove(id_key(I("hdl:away")))
    root = id_key(I("hdl:"))
    absent = MapEntry(data=None, proof=away)
    hdl = MapEntry(data=source.object(root), proof=source.map.prove(root))
    entries = (bundle.entries[0], absent, absent, hdl)

    assert fails(plain(), replace(bundle, entries=entries), text) == (
        "map entry 1",
        ProofFault.FORGED,
    )


def test_an_older_version_of_a_parent_does_not_serve() -> None:
    """The parent before it was referred is not in the map any more."""
    text = f"{AWAY}/x"
    world = plain()
    bundle = current_bundle(world.source(), I(text))
    before = world.replaced[id_key(I(AWAY)), 1]
    entries = (bundle.entries[0], replace(bundle.entries[1], data=before))

    assert fails(world, replace(bundle, entries=entries), text) == (
        "map entry 1",
        ProofFault.FORGED,
    )


def test_present_under_a_referred_prefix_is_present() -> None:
    """A referral speaks for what is not here; what is here is answered here."""
    world = story().world
    here = f"{AWAY}/here"
    record = world.find(PUMP)
    assert isinstance(record, RecordObject)
    world.plant(replace(record, id=here, owner=AWAY))
    tick(world)

    assert resolve(world, here).kind == "present"


def test_a_record_can_be_a_parent() -> None:
    """The parent of a GS1 instance is the record of its class."""
    world = story().world
    record = world.find(PUMP)
    assert isinstance(record, RecordObject)
    world.plant(replace(record, id="gs1:01/09506000134352"))
    tick(world)
    verdict = resolve(world, ALIAS)

    assert verdict.kind == "absent"
    assert verdict.nearest == world.find("gs1:01/09506000134352")


def test_a_network_without_the_scheme_proves_no_absence() -> None:
    """Every network has its scheme roots: a map without one is none of ours."""
    world = story().world
    pairs = [pair for pair in world.map if pair[0] != id_key(I("oid:"))]
    world.map = type(world.map).build(pairs)
    del world.objects[id_key(I("oid:"))]
    tick(world)

    part, fault = fails(world, current_bundle(world.source(), I("oid:1.2")), "oid:1.2")
    assert (part, fault) == ("map entry 2", ProofFault.FORGED)


# ---------------------------------------------------------------- aliases


def test_an_alias_resolves_to_its_record() -> None:
    """Alias and target name each other: the target answers."""
    alias, record = alias_pair(story().world, ALIAS, PUMP)
    verdict = resolve(planted(alias, record), ALIAS)

    assert verdict.kind == "present"
    assert verdict.alias == alias
    assert verdict.alias_of == PUMP
    assert verdict.record == record


def test_an_alias_in_another_spelling() -> None:
    """Both sides are compared as key texts."""
    alias, record = alias_pair(story().world, "hdl:lab.1/Spare-1", PUMP)
    alias = replace(alias, target="hdl:lab.1/PUMP-07")
    verdict = resolve(planted(alias, record), "hdl:lab.1/SPARE-1")

    assert verdict.record == record


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"status": 1}, "retired"), ({"status": 3, "values": ()}, "withheld")],
)
def test_an_alias_has_its_targets_status(change: dict[str, Any], kind: str) -> None:
    """The verdict is the target's."""
    alias, record = alias_pair(story().world, ALIAS, PUMP)

    assert kind == resolve(planted(alias, replace(record, **change)), ALIAS).kind


def test_a_removed_alias_is_retired() -> None:
    """An alias whose target is null brings no target."""
    alias, _ = alias_pair(story().world, ALIAS, PUMP)
    verdict = resolve(planted(replace(alias, target=None)), ALIAS)

    assert verdict.kind == "retired"
    assert verdict.record is None
    assert verdict.alias_of is None


def test_both_must_name_each_other() -> None:
    """An alias that its target does not list takes nobody's place."""
    alias, _ = alias_pair(story().world, ALIAS, PUMP)
    world = planted(alias)
    bundle = current_bundle(world.source(), I(ALIAS))

    assert fails(world, bundle, ALIAS) == ("map entry 1", ProofFault.FORGED)


def test_the_target_is_the_aliass() -> None:
    """Neither a missing target, nor another record, nor a prefix, serves."""
    alias, record = alias_pair(story().world, ALIAS, PUMP)
    world = planted(alias, record)
    bundle = current_bundle(world.source(), I(ALIAS))
    other = current_bundle(world.source(), I(VALVE)).entries[0]

    assert fails(world, replace(bundle, entries=bundle.entries[:1]), ALIAS) == (
        "map entry 1",
        ProofFault.INCOMPLETE,
    )
    assert fails(world, replace(bundle, entries=(bundle.entries[0], other)), ALIAS) == (
        "map entry 1",
        ProofFault.FORGED,
    )
    for target in (LAB, "hdl:lab.1/none"):
        lost = planted(replace(alias, target=target))
        bundle = current_bundle(lost.source(), I(ALIAS))
        assert fails(lost, bundle, ALIAS) == ("map entry 1", ProofFault.FORGED)


def test_an_alias_of_an_alias_leads_nowhere() -> None:
    """The target of an alias is a record."""
    world = story().world
    first = AliasObject(id=ALIAS, target="hdl:lab.1/b", version=1, created=1, last=1, prev=None)
    second = replace(first, id="hdl:lab.1/b", target=PUMP)
    world.plant(first, second)
    tick(world)
    bundle = current_bundle(world.source(), I(ALIAS))

    assert fails(world, bundle, ALIAS) == ("map entry 1", ProofFault.FORGED)


def test_a_prefix_answers_for_itself() -> None:
    """Keys and quota of a prefix are proved like any record."""
    assert resolve(plain(), LAB).record == prefix(plain(), LAB)
