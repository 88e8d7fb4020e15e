"""Verify's verdicts, and proofs of another question (docs/spec/proof.md §ask §net)."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ledger.core.bundle import Bundle
from ledger.core.bundle_build import current_bundle, history_bundle, reading_bundle
from ledger.core.proof import Size, Time, Verdict, verify
from ledger.core.record import FROZEN, WITHHELD, RecordObject
from ledger.errors import IdentifierError, ProofError, ProofFault
from tests.proof_world import AWAY, GATEWAY, LAB, NETWORK, PUMP, VALVE, I, Story, story, tick

KEY_DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


@cache
def told() -> Story:
    """Play the story once; nothing here changes it."""
    return story()


def judge(bundle: Bundle, identifier: str, **more: Any) -> Verdict:
    """Verify both forms of a bundle in the story's network; they must agree."""
    world = told().world
    asked: dict[str, Any] = {
        "network": NETWORK,
        "trust": world.trust(),
        "now": world.now,
        "max_age": None,
    } | more
    verdict = verify(bundle.encode(), identifier, **asked)
    assert verify(bundle.encode_json(), identifier, **asked) == verdict
    return verdict


def fails(bundle: Bundle, identifier: str, **more: Any) -> tuple[str, ProofFault]:
    """Return part and fault."""
    with pytest.raises(ProofError) as caught:
        judge(bundle, identifier, **more)
    return caught.value.part, caught.value.fault


@pytest.mark.parametrize(
    ("identifier", "kind", "nearest"),
    [
        pytest.param(PUMP, "present", None, id="record"),
        pytest.param(LAB, "present", None, id="prefix"),
        pytest.param("hdl:", "present", None, id="scheme-root"),
        pytest.param("hdl:lab.1/PUMP-07", "present", None, id="other-spelling"),
        pytest.param(VALVE, "retired", None, id="retired"),
        pytest.param("hdl:lab.1/none", "absent", LAB, id="absent"),
        pytest.param("hdl:a.b.c.d/none", "absent", "hdl:", id="absent-far-below"),
        pytest.param("hdl:lab", "absent", "hdl:", id="absent-prefix"),
        pytest.param("gs1:01/09506000134352/21/S1", "absent", "gs1:", id="absent-gs1"),
        pytest.param(KEY_DID, "absent", None, id="absent-self-certifying"),
        pytest.param(f"{AWAY}/x", "not-here", AWAY, id="referred"),
        pytest.param(AWAY, "present", None, id="the-referred-prefix-itself"),
    ],
)
def test_verdicts(identifier: str, kind: str, nearest: str | None) -> None:
    """The verdict is computed from the objects proved."""
    verdict = judge(current_bundle(told().world.source(), I(identifier)), identifier)

    assert kind == verdict.kind
    assert verdict.current
    assert nearest == (verdict.nearest.id if verdict.nearest else None)
    assert (kind in ("present", "retired")) == (verdict.record is not None)


def test_a_referral_is_told() -> None:
    """`not-here` says which network answers."""
    verdict = judge(current_bundle(told().world.source(), I(f"{AWAY}/x")), f"{AWAY}/x")

    assert verdict.referral == ("other.example", "https://other.example/")


def test_a_verdict_carries_its_evidence() -> None:
    """Size, root, time, date, cosigners and object are all there."""
    world = told().world
    verdict = judge(current_bundle(world.source(), I(PUMP)), PUMP)

    assert (verdict.size, verdict.root) == world.last_seen
    assert verdict.commit_ms == world.ms
    assert verdict.dated == world.now
    assert verdict.quorum == (("alpha", "beta", "gamma"), "all-members")
    assert verdict.record == world.find(PUMP)
    assert verdict.ignored == verdict.warnings == ()
    assert not verdict.stale
    assert not verdict.frozen


@pytest.mark.parametrize(
    ("status", "kind", "frozen"), [(FROZEN, "present", True), (WITHHELD, "withheld", False)]
)
def test_status_of_later_releases(status: int, kind: str, frozen: bool) -> None:
    """Frozen is a flag of a present record; withheld is a verdict."""
    world = story().world
    record = world.find(PUMP)
    assert isinstance(record, RecordObject)
    world.plant(replace(record, status=status))
    tick(world)
    verdict = judge(current_bundle(world.source(), I(PUMP)), PUMP, now=world.now)

    assert (kind, frozen) == (verdict.kind, verdict.frozen)


# ---------------------------------------------------------------- another question


def test_the_identifier_is_the_callers() -> None:
    """A sound bundle about another identifier, or another spelling, answers nothing."""
    source = told().world.source()

    wrong = ("identifier", ProofFault.WRONG_QUESTION)
    assert wrong == fails(current_bundle(source, I(VALVE)), PUMP)
    assert wrong == fails(current_bundle(source, I("hdl:lab.1/pump-07")), PUMP)


@pytest.mark.parametrize("true_name", [VALVE, LAB, "hdl:lab.1/none"])
def test_keys_are_computed(true_name: str) -> None:
    """A bundle that merely says it is about the identifier proves nothing about it."""
    bundle = replace(current_bundle(told().world.source(), I(true_name)), identifier=PUMP)

    assert fails(bundle, PUMP) == ("map entry 0", ProofFault.FORGED)


def test_a_present_identifier_cannot_be_shown_absent() -> None:
    """The proof that ends at another leaf does not serve for a key that exists."""
    source = told().world.source()
    absent = current_bundle(source, I("hdl:lab.1/none"))
    for entry in absent.entries[0], replace(absent.entries[0], proof=b""):
        bundle = replace(absent, identifier=PUMP, entries=(entry, *absent.entries[1:]))

        assert fails(bundle, PUMP) == ("map entry 0", ProofFault.FORGED)


def test_the_question_is_the_callers() -> None:
    """Each question refuses the members of the others."""
    source = told().world.source()
    at = Time(ms=told().world.ms - 1)
    current = current_bundle(source, I(PUMP))
    history = history_bundle(source, I(PUMP))
    timed = history_bundle(source, I(PUMP), at)
    reading = reading_bundle(
        source,
        I(PUMP),
        stream=I(GATEWAY),
        anchor_index=told().anchor,
        disclosure=told().disclose(0),
    )

    wrong = ProofFault.WRONG_QUESTION
    assert fails(history, PUMP) == ("member 6", wrong)
    assert fails(reading, PUMP) == ("member 7", wrong)
    assert fails(timed, PUMP, question="history") == ("member 7", wrong)
    assert fails(timed, PUMP, question="history", at=Size(size=9)) == ("member 7", wrong)
    assert fails(reading, PUMP, question="history", at=at) == ("member 10", wrong)
    assert fails(history, PUMP, question="reading") == ("member 6", wrong)
    assert fails(replace(current, older=()), PUMP) == ("member 6", wrong)
    assert fails(current, PUMP, question="reading") == ("logged entries", ProofFault.INCOMPLETE)


def test_the_network_is_the_callers() -> None:
    """Neither a trust file nor a checkpoint of another network is accepted."""
    world = told().world
    bundle = current_bundle(world.source(), I(PUMP))
    moved = replace(bundle, note=bundle.note.replace(NETWORK, "other.example"))

    assert fails(bundle, PUMP, network="other.example") == (
        "trust file",
        ProofFault.WRONG_NETWORK,
    )
    assert fails(moved, PUMP) == ("checkpoint", ProofFault.WRONG_NETWORK)


@pytest.mark.parametrize(
    "misuse",
    [
        {"question": "listing"},
        {"question": "full"},
        {"at": Size(size=1)},
        {"question": "reading", "at": Time(ms=1)},
        {"last_seen": (-1, bytes(32))},
        {"last_seen": (1, b"short")},
        {"now": -1},
        {"now": 10**12},
        {"max_age": -1},
    ],
    ids=repr,
)
def test_misuse_is_a_value_error(misuse: dict[str, Any]) -> None:
    """The caller's mistakes are not blamed on the bundle."""
    bundle = current_bundle(told().world.source(), I(PUMP))
    with pytest.raises(ValueError):
        judge(bundle, PUMP, **misuse)


@pytest.mark.parametrize("size", [-1, 2**53])
def test_moments_are_checked_at_birth(size: int) -> None:
    """A log size or time out of range cannot exist."""
    with pytest.raises(ValueError):
        Size(size=size)
    with pytest.raises(ValueError):
        Time(ms=size)


def test_the_callers_identifier_must_be_canonical() -> None:
    """Verify asks for one spelling; tolerant reading is for those who talk to people."""
    bundle = current_bundle(told().world.source(), I(PUMP))
    with pytest.raises(IdentifierError):
        judge(bundle, "lab.1/Pump-07")


def test_one_member_is_a_network_too() -> None:
    """A quorum of one counts one."""
    world = story(members=1, quorum=1).world
    bundle = current_bundle(world.source(), I(PUMP))
    verdict = judge(bundle, PUMP, trust=world.trust(), now=world.now)

    assert verdict.quorum == (("alpha",), "all-members")
