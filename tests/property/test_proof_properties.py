"""A bundle that was touched proves nothing, or the same (docs/spec/proof.md).

Whatever is done to a bundle, `verify` answers with a verdict or a `ProofError`. When it answers with a
verdict, its kind, object, size, root, date and cosigners are those of the untouched bundle, and a line
of the note that became another is reported as ignored.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.bundle import Bundle
from ledger.core.bundle_build import current_bundle, history_bundle, reading_bundle
from ledger.core.checkpoint import SignatureLine, parse_note
from ledger.core.policy import TrustFile
from ledger.core.proof import Moment, Question, Time, Verdict, verify
from ledger.errors import ProofError
from tests.proof_world import GATEWAY, MINUTE_MS, MS0, NETWORK, PUMP, I, story, tick

NONE = "hdl:lab.1.2/none"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question with its bundle and the true verdict."""

    bundle: Bundle
    identifier: str
    question: Question
    at: Moment | None
    last_seen: tuple[int, bytes] | None
    trust: TrustFile
    now: int

    def judge(self, form: bytes | str) -> Verdict:
        """Verify what was made of the bundle."""
        return verify(
            form,
            self.identifier,
            network=NETWORK,
            trust=self.trust,
            now=self.now,
            max_age=None,
            question=self.question,
            at=self.at,
            last_seen=self.last_seen,
        )


@cache
def cases() -> dict[str, Case]:
    """Return a case of each kind, its note with a stranger's line."""
    told = story()
    seen = told.world.last_seen
    for _ in range(3):
        tick(told.world)
    note = parse_note(told.world.note(told.world.now).encode())
    stranger = SignatureLine(name="stranger.example", key_id=b"1234", payload=b"x" * 72)
    source = told.world.source(note.with_lines([stranger]).format().decode())
    at = Time(ms=MS0 + 3 * MINUTE_MS + 1)

    def case(
        bundle: Bundle,
        question: Question = "current",
        at: Moment | None = None,
        last_seen: tuple[int, bytes] | None = None,
    ) -> Case:
        return Case(
            bundle=bundle,
            identifier=bundle.identifier,
            question=question,
            at=at,
            last_seen=last_seen,
            trust=told.world.trust(),
            now=told.world.now,
        )

    reading = reading_bundle(
        source,
        I(PUMP),
        stream=I(GATEWAY),
        anchor_index=told.anchor,
        disclosure=told.disclose(0),
    )
    return {
        "present": case(current_bundle(source, I(PUMP), seen[0]), last_seen=seen),
        "absent": case(current_bundle(source, I(NONE))),
        "history": case(history_bundle(source, I(PUMP)), "history"),
        "history-at": case(history_bundle(source, I(PUMP), at), "history", at),
        "reading": case(reading, "reading"),
    }


@cache
def truth(name: str) -> Verdict:
    """Return the verdict of the untouched bundle."""
    return cases()[name].judge(cases()[name].bundle.encode())


def assert_harmless(name: str, form: bytes | str) -> None:
    """A touched bundle is refused by part and reason, or says what the untouched one said."""
    verdict, refusal = None, ("", "")
    try:
        verdict = cases()[name].judge(form)
    except ProofError as error:
        refusal = (error.part, error.reason)
    if verdict is None:
        assert all(refusal)
        return
    before = truth(name)
    same_head = replace(verdict.head, ignored=before.head.ignored)
    assert replace(verdict, head=same_head) == before
    assert len(verdict.ignored) >= len(before.ignored)


NAMES = ("present", "absent", "history", "history-at", "reading")


@pytest.mark.parametrize("name", NAMES)
def test_the_untouched_bundles_are_sound(name: str) -> None:
    """The cases are what they say, in both forms, with one line ignored."""
    expected = {"history-at": "history"}.get(name, name)

    assert truth(name).kind == expected
    assert truth(name) == cases()[name].judge(cases()[name].bundle.encode_json())
    assert truth(name).ignored == ("stranger.example 31323334: not a key of the trust file",)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", NAMES)
def test_every_bit_of_the_cbor(name: str) -> None:
    """No single bit of the CBOR form changes what is proved."""
    data = bytearray(cases()[name].bundle.encode())
    for position in range(8 * len(data)):
        data[position >> 3] ^= 1 << (position & 7)
        assert_harmless(name, bytes(data))
        data[position >> 3] ^= 1 << (position & 7)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", NAMES)
def test_every_bit_of_the_json(name: str) -> None:
    """No single bit of the JSON form changes what is proved."""
    data = bytearray(cases()[name].bundle.encode_json().encode())
    for position in range(8 * len(data)):
        data[position >> 3] ^= 1 << (position & 7)
        # bytes that are no UTF-8 reach verify as what a lenient reader would make of them
        assert_harmless(name, data.decode(errors="surrogateescape"))
        data[position >> 3] ^= 1 << (position & 7)


@given(name=st.sampled_from(NAMES), data=st.data())
def test_random_damage_to_the_cbor(name: str, data: st.DataObject) -> None:
    """Bytes cut out, put in or overwritten change nothing that is proved."""
    whole = cases()[name].bundle.encode()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    assert_harmless(name, whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:])


@given(name=st.sampled_from(NAMES), data=st.data())
def test_random_damage_to_the_json(name: str, data: st.DataObject) -> None:
    """Characters cut out, put in or overwritten change nothing that is proved."""
    whole = cases()[name].bundle.encode_json()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    middle = data.draw(st.text(max_size=40) | st.text('{}[]",:0123456789ABab=\\ ', max_size=40))
    assert_harmless(name, whole[:start] + middle + whole[end:])


_EDITS: dict[str, Callable[[Bundle, Bundle], Bundle]] = {
    "note": lambda one, other: replace(one, note=other.note),
    "commit-leaf": lambda one, other: replace(one, commit_leaf=other.commit_leaf),
    "last-leaf-path": lambda one, other: replace(one, last_leaf_path=other.last_leaf_path),
    "entries": lambda one, other: replace(one, entries=other.entries),
    "identifier": lambda one, other: replace(one, identifier=other.identifier),
    "older": lambda one, other: replace(one, older=other.older),
    "logged": lambda one, other: replace(one, logged=other.logged),
    "consistency": lambda one, other: replace(one, consistency=other.consistency),
    "disclosure": lambda one, other: replace(one, disclosure=other.disclosure),
}


@given(
    one=st.sampled_from(NAMES),
    other=st.sampled_from(NAMES),
    edits=st.sets(st.sampled_from(sorted(_EDITS)), min_size=1),
)
def test_parts_of_other_bundles(one: str, other: str, edits: set[str]) -> None:
    """Members of sound bundles about other questions do not combine to another answer."""
    bundle = cases()[one].bundle
    for edit in sorted(edits):
        bundle = _EDITS[edit](bundle, cases()[other].bundle)

    assert_harmless(one, bundle.encode())


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_input(form: bytes | str) -> None:
    """Whatever is given, the answer is a verdict or a ProofError."""
    with pytest.raises(ProofError):
        cases()["present"].judge(form)


@given(st.binary(max_size=300), st.sampled_from(NAMES), st.integers(0, 8))
def test_any_bytes_in_any_place(raw: bytes, name: str, place: int) -> None:
    """Every parser behind verify is total."""
    bundle = cases()[name].bundle
    text = raw.decode(errors="replace")
    first = bundle.entries[0]
    edits: tuple[Callable[[], Bundle], ...] = (
        lambda: replace(bundle, note=text),
        lambda: replace(bundle, note=bundle.note + text),
        lambda: replace(bundle, note=text + bundle.note),
        lambda: replace(bundle, commit_leaf=raw),
        lambda: replace(bundle, entries=(replace(first, data=raw), *bundle.entries[1:])),
        lambda: replace(bundle, entries=(replace(first, proof=raw), *bundle.entries[1:])),
        lambda: replace(bundle, older=(raw,)),
        lambda: replace(
            bundle, logged=tuple(replace(one, entry=raw) for one in bundle.logged or ())
        ),
        lambda: replace(
            bundle,
            disclosure=replace(bundle.disclosure, reading=raw) if bundle.disclosure else None,
        ),
    )
    assert_harmless(name, edits[place]().encode())
