"""Chains of versions and moments (docs/spec/proof.md, history)."""

from dataclasses import replace
from functools import cache

import pytest

from ledger.core.bundle import Bundle
from ledger.core.bundle_build import current_bundle, history_bundle
from ledger.core.proof import Moment, Size, Time, Verdict, verify
from ledger.core.proof_history import created, last, version
from ledger.core.record import AliasObject, RecordObject, decode_object, id_key
from ledger.errors import ProofError, ProofFault
from tests.proof_world import (
    AWAY,
    LAB,
    MINUTE_MS,
    MS0,
    NETWORK,
    PUMP,
    VALVE,
    I,
    World,
    alias_pair,
    digest,
    genesis,
    story,
    tick,
)

NONE = "hdl:lab.1/none"


@cache
def world() -> World:
    """Play the story once; nothing here changes it."""
    return story().world


def judge(
    bundle: Bundle, identifier: str, at: Moment | None = None, *, where: World | None = None
) -> Verdict:
    """Verify both forms of a bundle for history; they must agree."""
    network = where or world()
    verdicts = [
        verify(
            form,
            identifier,
            network=NETWORK,
            trust=network.trust(),
            now=network.now,
            max_age=None,
            question="history",
            at=at,
        )
        for form in (bundle.encode(), bundle.encode_json())
    ]
    assert verdicts[0] == verdicts[1]
    return verdicts[0]


def fails(
    bundle: Bundle, identifier: str, at: Moment | None = None, *, where: World | None = None
) -> tuple[str, ProofFault]:
    """Return part and fault."""
    with pytest.raises(ProofError) as caught:
        judge(bundle, identifier, at, where=where)
    return caught.value.part, caught.value.fault


def ask(identifier: str, at: Moment | None = None) -> Verdict:
    """Build and verify."""
    return judge(history_bundle(world().source(), I(identifier), at), identifier, at)


def every_version(identifier: str) -> list[RecordObject]:
    """Return all versions from the world itself, oldest first."""
    key = id_key(I(identifier))
    stored = [data for (one, _), data in sorted(world().replaced.items()) if one == key]
    found = [decode_object(data) for data in (*stored, world().objects[key])]
    assert all(isinstance(one, RecordObject) for one in found)
    return [one for one in found if isinstance(one, RecordObject)]


@pytest.mark.parametrize(
    ("identifier", "versions"), [(PUMP, [3, 2, 1]), (VALVE, [2, 1]), (LAB, [1]), (AWAY, [2, 1])]
)
def test_the_whole_chain(identifier: str, versions: list[int]) -> None:
    """Without a moment the chain runs to the first version."""
    verdict = ask(identifier)

    assert verdict.kind == "history"
    assert versions == [version(one) for one in verdict.versions]
    assert verdict.record == verdict.versions[0] == world().find(identifier)


@pytest.mark.parametrize("identifier", [PUMP, VALVE])
def test_every_log_size(identifier: str) -> None:
    """At each size N the version is the newest of those made below N."""
    for size in range(world().checkpoint.size + 1):
        below = [one for one in every_version(identifier) if last(one) < size]
        verdict = ask(identifier, Size(size=size))

        assert ("history" if below else "absent") == verdict.kind
        assert verdict.record == (below[-1] if below else None)


def test_every_time() -> None:
    """At each time the version is that of the newest block of then or before."""
    for minute in range(-1, len(world().commits) + 1):
        for ms in (-1, 0):
            at = Time(ms=MS0 + minute * MINUTE_MS + ms)
            sizes = [leaf.index + 1 for leaf in world().commits if leaf.ms <= at.ms]
            below = [one for one in every_version(PUMP) if last(one) < max(sizes, default=0)]

            assert ask(PUMP, at).record == (below[-1] if below else None)


def test_a_time_after_the_date_is_warned_about() -> None:
    """Nobody vouched for what came after the cosignatures."""
    assert ask(PUMP, Time(ms=world().now * 1000)).warnings == ()
    assert "after the proof's date" in ask(PUMP, Time(ms=world().now * 1000 + 1)).warnings[0]


def test_absent_now_is_absent_ever() -> None:
    """Leaves never vanish, so what is not there now never was; the parents prove it."""
    for at in (None, Size(size=5), Time(ms=MS0 + 1)):
        verdict = ask(NONE, at)
        assert verdict.kind == "absent"
        assert verdict.nearest == world().find(LAB)
    assert ask(f"{AWAY}/x").kind == "not-here"


def test_a_size_beyond_the_log_is_not_answered() -> None:
    """The bundle ends before the moment: it cannot say."""
    size = world().checkpoint.size
    bundle = history_bundle(world().source(), I(PUMP), Size(size=size))

    assert judge(bundle, PUMP, Size(size=size)).kind == "history"
    assert fails(bundle, PUMP, Size(size=size + 1)) == ("checkpoint", ProofFault.INCOMPLETE)
    with pytest.raises(ValueError):
        history_bundle(world().source(), I(PUMP), Size(size=size + 1))


def test_a_version_that_is_not_kept() -> None:
    """A builder that lacks a version says so."""
    poor = story().world
    poor.replaced.clear()
    with pytest.raises(LookupError):
        history_bundle(poor.source(), I(PUMP))


# ---------------------------------------------------------------- broken chains


def test_the_chain_is_whole() -> None:
    """No version is missing, surplus, foreign or out of order."""
    bundle = history_bundle(world().source(), I(PUMP))
    older = bundle.older
    assert older is not None
    two, one = older

    def chain(*versions: bytes) -> tuple[str, ProofFault]:
        return fails(replace(bundle, older=versions), PUMP)

    assert fails(replace(bundle, older=None), PUMP) == ("older version 0", ProofFault.INCOMPLETE)
    assert chain(two) == ("older version 1", ProofFault.INCOMPLETE)
    assert chain(two, one, one) == ("older version 2", ProofFault.MALFORMED)
    assert chain(one, two) == ("older version 0", ProofFault.FORGED)
    assert chain(one) == ("older version 0", ProofFault.FORGED)
    assert chain(two, two) == ("older version 1", ProofFault.FORGED)


def test_a_moment_ends_the_chain() -> None:
    """With a moment, it runs just to the version of then: not less, not more."""
    at = Size(size=12)
    bundle = history_bundle(world().source(), I(PUMP), at)
    whole = history_bundle(world().source(), I(PUMP))
    created_at = Size(size=created(every_version(PUMP)[0]))

    assert len(bundle.older or ()) == 1
    assert fails(whole, PUMP, at) == ("older version 1", ProofFault.MALFORMED)
    assert fails(bundle, PUMP, Size(size=8)) == ("older version 1", ProofFault.INCOMPLETE)
    assert fails(bundle, PUMP, created_at) == ("older version 0", ProofFault.MALFORMED)
    assert fails(bundle, PUMP, Size(size=18)) == ("older version 0", ProofFault.MALFORMED)
    assert fails(bundle, PUMP) == ("older version 1", ProofFault.INCOMPLETE)


def test_a_new_object_needs_no_older_one() -> None:
    """Member 6 may be left out or empty where nothing is older."""
    bundle = history_bundle(world().source(), I(LAB))

    assert bundle.older == ()
    assert judge(bundle, LAB) == judge(replace(bundle, older=None), LAB)
    assert judge(current_bundle(world().source(), I(LAB)), LAB).kind == "history"


def test_linked_versions_must_fit() -> None:
    """A chain of hashes over something else than the version before is refused."""
    broken = story().world
    record = broken.find(PUMP)
    assert isinstance(record, RecordObject)
    other = broken.find(VALVE).encode()
    linked = replace(record, versions=replace(record.versions, prev=digest(other)))
    unreadable = replace(record, versions=replace(record.versions, prev=digest(b"\xa0")))
    for one, data, fault in (
        (linked, other, ProofFault.FORGED),  # version 2 as wanted, were it version 1 of 2
        (unreadable, b"\xa0", ProofFault.MALFORMED),
    ):
        versions = replace(one.versions, version=5)
        broken.plant(replace(one, versions=versions))
        tick(broken)
        bundle = replace(current_bundle(broken.source(), I(PUMP)), older=(data,))
        assert fails(bundle, PUMP, where=broken) == ("older version 0", fault)


# ---------------------------------------------------------------- broken times


def timed(minute: int) -> tuple[Bundle, Time]:
    """Return the bundle of a time between two blocks."""
    at = Time(ms=MS0 + minute * MINUTE_MS + 1)
    return history_bundle(world().source(), I(PUMP), at), at


def test_a_time_needs_both_leaves() -> None:
    """The leaf of the time and the next one, in this order, and nothing else."""
    bundle, at = timed(3)
    assert bundle.logged is not None
    here, after = bundle.logged

    def leaves(*logged: int) -> tuple[str, ProofFault]:
        given = tuple((here, after, timed(4)[0].logged[1])[one] for one in logged)  # type: ignore[index]
        return fails(replace(bundle, logged=given), PUMP, at)

    assert fails(replace(bundle, logged=None), PUMP, at) == (
        "logged entry 0",
        ProofFault.INCOMPLETE,
    )
    assert leaves() == ("logged entry 0", ProofFault.INCOMPLETE)
    assert leaves(0) == ("logged entry 1", ProofFault.INCOMPLETE)
    assert leaves(1) == ("logged entry 0", ProofFault.FORGED)
    assert leaves(1, 0) == ("logged entry 0", ProofFault.FORGED)
    assert leaves(0, 2) == ("logged entry 1", ProofFault.FORGED)
    assert leaves(0, 1, 2) == ("logged entry 2", ProofFault.MALFORMED)


def test_an_earlier_block_is_not_the_newest_of_then() -> None:
    """Leaves of a minute before are refused: their next one is not later than the time."""
    earlier, _ = timed(3)
    _, at = timed(4)

    assert fails(earlier, PUMP, at) == ("logged entry 1", ProofFault.FORGED)


def test_leaves_are_in_the_log() -> None:
    """A commit leaf is proved at its index; a statement is none."""
    bundle, at = timed(3)
    assert bundle.logged is not None
    here, after = bundle.logged
    source = world().source()
    statement = replace(here, index=2, entry=source.entry(2), path=tuple(source.leaf_path(2)))

    moved = replace(bundle, logged=(replace(here, index=here.index - 1), after))
    assert fails(moved, PUMP, at) == ("logged entry 0", ProofFault.FORGED)
    other = replace(bundle, logged=(statement, after))
    assert fails(other, PUMP, at) == ("logged entry 0", ProofFault.MALFORMED)


def test_the_newest_block_shows_itself() -> None:
    """At or after the checkpoint's own block, and below a first block, member 7 is empty."""
    bundle, _ = timed(3)
    now = Time(ms=world().ms)

    assert history_bundle(world().source(), I(PUMP), now).logged == ()
    assert fails(bundle, PUMP, now) == ("logged entry 0", ProofFault.MALFORMED)


def test_below_the_first_block() -> None:
    """The first leaf alone shows that nothing existed; in a log of one block it is member 3."""
    before = Time(ms=MS0 - 1)
    bundle = history_bundle(world().source(), I("hdl:"), before)
    assert bundle.logged is not None
    assert [one.index for one in bundle.logged] == [1]
    assert judge(bundle, "hdl:", before).kind == "absent"

    second, _ = timed(2)
    assert second.logged is not None
    more = replace(bundle, logged=(*bundle.logged, second.logged[0]))
    assert fails(more, "hdl:", before) == ("logged entry 1", ProofFault.MALFORMED)

    newborn = World()
    newborn.run(genesis(newborn))
    bundle = history_bundle(newborn.source(), I("hdl:"), before)
    assert bundle.logged == ()
    assert judge(bundle, "hdl:", before, where=newborn).kind == "absent"
    assert judge(replace(bundle, logged=None), "hdl:", before, where=newborn).kind == "absent"


# ---------------------------------------------------------------- aliases


def test_the_history_of_an_alias_is_its_own() -> None:
    """Versions of the alias are chained; the record is the target as it is now."""
    aliased = story().world
    alias, record = alias_pair(aliased, "hdl:lab.1/other-name", PUMP)
    first = replace(alias, target=VALVE)
    second = replace(alias, version=2, last=alias.last + 1, prev=digest(first.encode()))
    key = id_key(I(alias.id))
    aliased.plant(first, second, record)
    aliased.replaced[key, 1] = first.encode()
    tick(aliased)
    verdict = judge(history_bundle(aliased.source(), I(alias.id)), alias.id, where=aliased)

    assert verdict.versions == (second, first)
    assert verdict.record == record
    then = Size(size=alias.last + 1)
    verdict = judge(
        history_bundle(aliased.source(), I(alias.id), then), alias.id, then, where=aliased
    )
    assert isinstance(verdict.versions[-1], AliasObject)
    assert verdict.versions[-1].target == VALVE
    assert verdict.record is None
