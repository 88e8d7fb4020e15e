"""Trust, freshness, commit leaf and last_seen (docs/spec/proof.md, verify, steps 3–7)."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import pytest

from ledger.core import merkle
from ledger.core.block import decode_commit_leaf
from ledger.core.bundle import Bundle
from ledger.core.bundle_build import current_bundle
from ledger.core.checkpoint import Checkpoint, Note, SignatureLine, parse_note, sign_checkpoint
from ledger.core.proof import Verdict, verify
from ledger.errors import ProofError, ProofFault
from tests.proof_world import NETWORK, PUMP, I, World, story, tick

MAX_AGE_S = 600


@cache
def world() -> World:
    """Play the story once; nothing here changes it."""
    return story().world


def bundle_of(note: str | None = None, last_seen_size: int | None = None) -> Bundle:
    """Return a bundle about the pump, under a note of one's own."""
    return current_bundle(world().source(note), I(PUMP), last_seen_size)


def judge(bundle: Bundle, **more: Any) -> Verdict:
    """Verify in the story's network."""
    asked: dict[str, Any] = {
        "network": NETWORK,
        "trust": world().trust(),
        "now": world().now,
        "max_age": MAX_AGE_S,
    }
    return verify(bundle.encode(), PUMP, **(asked | more))


def fails(bundle: Bundle, **more: Any) -> tuple[str, ProofFault]:
    """Return part and fault."""
    with pytest.raises(ProofError) as caught:
        judge(bundle, **more)
    return caught.value.part, caught.value.fault


def cosigned(*times: tuple[int, int]) -> str:
    """Return the newest checkpoint, cosigned by members (number, seconds from now)."""
    made = sign_checkpoint(world().checkpoint, [world().log_signer(0)])
    lines = [
        world().cosigner(number).cosign(world().checkpoint, time_s=world().now + seconds)
        for number, seconds in times
    ]
    return made.with_lines(lines).format().decode()


def edited(note: str, lines: Sequence[SignatureLine]) -> str:
    """Return a note with other signature lines."""
    return replace(parse_note(note.encode()), lines=tuple(lines)).format().decode()


# ---------------------------------------------------------------- freshness


@pytest.mark.parametrize(
    ("third_s", "current"),
    [
        pytest.param(0, True, id="now"),
        pytest.param(-MAX_AGE_S, True, id="just-fresh"),
        pytest.param(-MAX_AGE_S - 1, False, id="just-stale"),
        pytest.param(60, True, id="clock-ahead"),
    ],
)
def test_the_edge_of_freshness(third_s: int, current: bool) -> None:
    """A quorum counts within [now − max_age, now + 60 s]; both ends belong to it."""
    verdict = judge(bundle_of(cosigned((0, 0), (1, 0), (2, third_s))))

    assert current is verdict.current
    assert min(0, third_s) == verdict.dated - world().now
    assert verdict.quorum[0] == ("alpha", "beta", "gamma")


def test_cosignatures_are_dropped_before_the_quorum_is_counted() -> None:
    """Three signed, one of them long ago: it is reported, and there is no fresh quorum."""
    verdict = judge(bundle_of(cosigned((0, 0), (1, 0), (2, -9999))))

    assert verdict.stale
    assert verdict.dated == world().now - 9999
    assert verdict.ignored == (f"{NETWORK}/gamma at {world().now - 9999}: older than 600 s",)
    assert "not proved current" in verdict.warnings[0]


def test_a_date_from_the_future_is_no_date() -> None:
    """Cosignatures beyond now + 60 s neither make a quorum nor date one."""
    assert fails(bundle_of(cosigned((0, 61), (1, 61), (2, 61)))) == (
        "checkpoint",
        ProofFault.NOT_TRUSTED,
    )


def test_a_later_cosignature_of_the_same_member_counts() -> None:
    """Members re-cosign an unchanged head: the newest that is not of the future counts."""
    note = cosigned((0, -9999), (0, -5), (0, 100), (1, 0), (2, 0))
    verdict = judge(bundle_of(note))

    assert verdict.current
    assert verdict.dated == world().now - 5
    assert len(verdict.ignored) == 2


def test_the_date_is_the_greatest_that_a_quorum_reaches() -> None:
    """Of four old cosignatures the third newest dates the answer."""
    verdict = judge(bundle_of(cosigned((0, -1000), (1, -4000), (2, -3000), (3, -2000))))

    assert verdict.dated == world().now - 3000
    assert verdict.quorum[0] == ("alpha", "gamma", "iota")


def test_too_few_cosignatures() -> None:
    """Two of three needed prove nothing, however old they may be."""
    bundle = bundle_of(cosigned((0, 0), (1, 0)))

    assert fails(bundle) == ("checkpoint", ProofFault.NOT_TRUSTED)
    assert fails(bundle_of(cosigned((0, 0), (0, -1), (0, -2)))) == (
        "checkpoint",
        ProofFault.NOT_TRUSTED,
    )


@pytest.mark.parametrize(
    ("of_file", "asked", "current"),
    [(None, None, True), (99, None, False), (99, 100, True), (None, 99, False)],
)
def test_whose_max_age(of_file: int | None, asked: int | None, current: bool) -> None:
    """The caller's max_age counts, else the trust file's, else 600 s."""
    trust = replace(world().trust(), max_age_s=of_file)
    note = cosigned((0, -100), (1, -100), (2, -100))

    assert current is judge(bundle_of(note), trust=trust, max_age=asked).current


# ---------------------------------------------------------------- signatures and trust


def test_an_unknown_line_is_ignored_and_reported() -> None:
    """A stranger's signature changes nothing, but it is told."""
    lines = parse_note(world().note(world().now).encode()).lines
    stranger = SignatureLine(name="stranger.example", key_id=b"1234", payload=b"x" * 72)
    verdict = judge(bundle_of(edited(world().note(world().now), (*lines, stranger))))

    assert verdict.current
    assert verdict.ignored == ("stranger.example 31323334: not a key of the trust file",)


def test_a_known_key_whose_signature_fails_spoils_the_note() -> None:
    """One bad line of a listed key is a forgery, though the others would be enough."""
    note = world().note(world().now, cosigners=(0, 1, 2, 3))
    *rest, last = parse_note(note.encode()).lines
    bad = replace(last, payload=last.payload[:-1] + bytes((last.payload[-1] ^ 1,)))

    assert fails(bundle_of(edited(note, (*rest, bad)))) == ("checkpoint", ProofFault.FORGED)


def test_a_log_key_must_have_signed() -> None:
    """Cosignatures alone are no checkpoint."""
    note = world().note(world().now)
    lines = parse_note(note.encode()).lines[1:]

    assert fails(bundle_of(edited(note, lines))) == ("checkpoint", ProofFault.NOT_TRUSTED)


def test_a_cosignature_does_not_move_to_another_text() -> None:
    """Signatures of one checkpoint do not serve another of the same network."""
    lines = parse_note(world().note(world().now).encode()).lines
    other = Checkpoint(origin=NETWORK, size=world().checkpoint.size + 1, root=bytes(32))
    note = Note(text=other.text(), lines=lines).format().decode()

    assert fails(bundle_of(note)) == ("checkpoint", ProofFault.FORGED)


@pytest.mark.parametrize(
    "text",
    [
        f"{NETWORK}\n0\n{b64encode(bytes(32)).decode()}\n",
        f"{NETWORK}\n0\n{b64encode(merkle.EMPTY_ROOT).decode()}\n",
        f"{NETWORK}\n018\n{b64encode(bytes(32)).decode()}\n",
        f"{NETWORK}\n18\n{b64encode(bytes(32)).decode()}\nextension\n",
        f"{NETWORK}\n18\n",
    ],
)
def test_malformed_checkpoints(text: str) -> None:
    """A note that is no checkpoint of ours is malformed."""
    lines = parse_note(world().note(world().now).encode()).lines
    note = Note(text=text, lines=lines).format().decode()

    assert fails(bundle_of(note)) == ("checkpoint", ProofFault.MALFORMED)


def test_a_note_is_read_as_text() -> None:
    """Member 2 without signature lines, or with half a line, is malformed."""
    for note in ("", world().checkpoint.text(), world().note(world().now)[:-1]):
        bundle = replace(bundle_of(), note=note)
        assert fails(bundle) == ("checkpoint", ProofFault.MALFORMED)


def test_a_trust_file_expires() -> None:
    """It is usable to the end of its last day, UTC; then nothing is verified with it."""
    today = date(2026, 1, 1)
    last_day = replace(world().trust(), expires=today)
    before = replace(world().trust(), expires=date(2025, 12, 31))

    assert judge(bundle_of(), trust=last_day).current
    assert fails(bundle_of(), trust=before) == ("trust file", ProofFault.TRUST_OUT_OF_DATE)


def test_a_changed_network_is_reported_as_an_old_trust_file() -> None:
    """A quorum that is missed under another network object is never called forged."""
    old = replace(world().trust(), network_object=b"what it was before")
    unknown = replace(world().trust(), network_object=None)
    few = bundle_of(cosigned((0, 0)))
    note = world().note(world().now)
    lines = parse_note(note.encode()).lines
    unsigned = bundle_of(edited(note, lines[1:]))  # a quorum, but no log key
    stranger = SignatureLine(name=NETWORK, key_id=b"1234", payload=b"x" * 64)
    nobody = bundle_of(edited(note, [stranger]))  # as after a change of all keys

    assert fails(unsigned, trust=old) == ("checkpoint", ProofFault.NOT_TRUSTED)
    assert fails(nobody, trust=old) == ("checkpoint", ProofFault.TRUST_OUT_OF_DATE)
    assert fails(nobody) == ("checkpoint", ProofFault.NOT_TRUSTED)
    assert fails(few, trust=old) == ("checkpoint", ProofFault.TRUST_OUT_OF_DATE)
    assert fails(few, trust=unknown) == ("checkpoint", ProofFault.NOT_TRUSTED)
    assert fails(few) == ("checkpoint", ProofFault.NOT_TRUSTED)


def test_an_old_trust_file_that_still_serves_is_warned_about() -> None:
    """Where the quorum is met, another network object is only worth a warning."""
    old = replace(world().trust(), network_object=b"what it was before")
    verdict = judge(bundle_of(), trust=old)

    assert verdict.current
    assert "get a new one" in verdict.warnings[0]


def test_an_untrusted_note_cannot_claim_a_changed_network() -> None:
    """The hint needs a commit leaf that is in the log of the note."""
    old = replace(world().trust(), network_object=b"what it was before")
    few = replace(bundle_of(cosigned((0, 0))), last_leaf_path=())

    assert fails(few, trust=old) == ("checkpoint", ProofFault.NOT_TRUSTED)


# ---------------------------------------------------------------- commit leaf


def test_the_commit_leaf_is_the_last_entry() -> None:
    """Neither another commit leaf, nor another path, nor a longer one serves."""
    bundle = bundle_of()
    older = world().entries[world().commits[-2].index]
    forged = ("commit leaf", ProofFault.FORGED)

    assert forged == fails(replace(bundle, commit_leaf=older))
    assert forged == fails(replace(bundle, last_leaf_path=bundle.last_leaf_path[1:]))
    assert forged == fails(replace(bundle, last_leaf_path=(*bundle.last_leaf_path, bytes(32))))


@pytest.mark.parametrize(
    "change",
    [
        {"first_index": 1},
        {"statements": 1},
        {"previous": None},
        {"previous": 3},
        {"height": 0},
    ],
    ids=repr,
)
def test_the_commit_leaf_fits_its_place(change: dict[str, Any]) -> None:
    """Members 2, 3 and 6 are what the index says, even where a quorum had signed otherwise."""
    broken = story().world
    leaf = replace(decode_commit_leaf(broken.entries[-1]), **change).encode()
    _replace_last(broken, leaf)
    bundle = current_bundle(broken.source(), I(PUMP))

    assert fails(bundle) == ("commit leaf", ProofFault.MALFORMED)


def test_the_last_entry_must_be_a_commit_leaf() -> None:
    """A checkpoint that ends on a statement proves nothing."""
    broken = story().world
    _replace_last(broken, broken.entries[0])
    bundle = current_bundle(broken.source(), I(PUMP))

    assert fails(bundle) == ("commit leaf", ProofFault.MALFORMED)


def _replace_last(broken: World, entry: bytes) -> None:
    broken.entries[-1] = entry
    broken.leaves[-1] = merkle.leaf_hash(entry)


# ---------------------------------------------------------------- last_seen


def test_a_log_that_grew() -> None:
    """An earlier log is proved to be the start of this one; without the proof it is incomplete."""
    grown = story().world
    newest = grown.checkpoint.size - 1
    for size in (*range(0, newest, 3), newest):
        root = root_at(grown, size)
        bundle = current_bundle(grown.source(), I(PUMP), size)
        assert judge(bundle, last_seen=(size, root)).current
        bare = replace(bundle, consistency=None)
        assert fails(bare, last_seen=(size, root)) == ("consistency", ProofFault.INCOMPLETE)


def root_at(grown: World, size: int) -> bytes:
    """Return the root that the log had at a size."""
    return merkle.tree_root(grown.leaves[:size])


def test_the_same_log() -> None:
    """Equal size needs an equal root and no proof."""
    size, root = world().last_seen

    assert judge(bundle_of(), last_seen=(size, root)).current
    assert fails(bundle_of(), last_seen=(size, bytes(32))) == ("consistency", ProofFault.FORK)
    assert fails(replace(bundle_of(), consistency=()), last_seen=(size, root)) == (
        "consistency",
        ProofFault.FORK,
    )


def test_a_smaller_log_is_a_rollback() -> None:
    """A checkpoint below the last seen one is refused, whatever comes with it."""
    seen = (world().checkpoint.size + 1, bytes(32))

    assert fails(bundle_of(), last_seen=seen) == ("consistency", ProofFault.ROLLBACK)


def test_another_log_is_a_fork() -> None:
    """A consistency proof from another root, or to another root, fails as a fork."""
    grown = story().world
    size = grown.checkpoint.size
    tick(grown)
    theirs = current_bundle(grown.source(), I(PUMP), size)
    other = story(members=1, quorum=1).world
    wrong_root = root_at(other, size)

    assert fails(theirs, last_seen=(size, wrong_root), now=grown.now) == (
        "consistency",
        ProofFault.FORK,
    )


def test_member_8_answers_a_last_seen() -> None:
    """Without last_seen, a consistency proof is refused."""
    assert fails(bundle_of(last_seen_size=3)) == ("consistency", ProofFault.WRONG_QUESTION)
