"""Explaining and describing: every verdict in words, every kind of file, and nothing that a terminal obeys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import identifier as identifiers
from ledger.core import operation as op
from ledger.core.bundle import Bundle
from ledger.core.bundle_build import current_bundle, history_bundle, reading_bundle
from ledger.core.proof import verify
from ledger.core.question import Question
from ledger.core.verdict import Verdict
from tests.proof_world import (
    AWAY,
    GATEWAY,
    LAB,
    OWNER,
    PUMP,
    VALVE,
    Story,
    World,
    alias_pair,
    revoke,
    story,
    tick,
    url,
)
from xinbiao.describe import clean, record_lines, verdict_json, verdict_lines, versioned_json
from xinbiao.errors import InputError
from xinbiao.explain import explain
from xinbiao.words import Words

EN, ZH = Words("en"), Words("zh")
I = identifiers.canonical  # noqa: E741 - tests are full of it


@pytest.fixture(scope="module")
def played() -> Story:
    """Return a network that has one of everything."""
    return story()


def judged(
    world: World, bundle: Bundle, text: str, question: Question = "current", late_s: int = 0
) -> Verdict:
    """Return the verdict of a bundle."""
    return verify(
        bundle.encode(),
        text,
        network=world.trust().network,
        trust=world.trust(),
        now=world.now + late_s,
        max_age=600,
        question=question,
    )


def reading_of(played: Story, text: str, leaf: int) -> Bundle:
    """Return the proof of one reading."""
    return reading_bundle(
        played.world.source(),
        I(text),
        stream=I(GATEWAY),
        anchor_index=played.anchor,
        disclosure=played.disclose(leaf),
    )


def told(world: World, verdict: Verdict, say: Words = EN, late_s: int = 0) -> str:
    """Return what a person reads."""
    return "\n".join(verdict_lines(verdict, world.trust(), world.now + late_s, say))


@pytest.mark.parametrize(
    ("text", "english", "chinese"),
    [
        (PUMP, f"✔ proved: this is {PUMP} now   3 of 4 members, ", "已证明"),
        (VALVE, f"✔ proved: {VALVE} is retired", "停用"),
        (f"{LAB}/none", f"✔ proved absent: {LAB}/none, nearest above it is {LAB}", "不存在"),
        (f"{AWAY}/x", f"✔ proved: not on this network, other.example answers for {AWAY}/x", ""),
    ],
)
def test_each_answer_has_its_sentence(played: Story, text: str, english: str, chinese: str) -> None:
    """In both languages, with quorum and age."""
    world = played.world
    verdict = judged(world, current_bundle(world.source(), I(text)), text)

    assert told(world, verdict).startswith(english)
    assert chinese in told(world, verdict, ZH)
    shown = verdict_json(verdict, world.trust(), world.now)
    assert (shown["identifier"], shown["verdict"]) == (text, verdict.kind)
    assert (shown["members"], len(shown["cosigners"])) == (4, 3)


def test_an_old_truth_is_told_as_one(played: Story) -> None:
    """True on its date, not proved current, and without the mark of a proof."""
    world = played.world
    verdict = judged(world, current_bundle(world.source(), I(PUMP)), PUMP, late_s=10_000)

    text = told(world, verdict, late_s=10_000)
    assert "not proved current" in text
    assert "±" in text
    assert "✔" not in text
    assert verdict_json(verdict, world.trust(), world.now)["current"] is False


def test_history_and_alias_are_told(played: Story) -> None:
    """How many versions; and an alias under both names."""
    world = played.world
    verdict = judged(world, history_bundle(world.source(), I(PUMP)), PUMP, "history")
    assert told(world, verdict).startswith(f"✔ proved: 3 versions of {PUMP}")
    assert len(verdict_json(verdict, world.trust(), world.now)["versions"]) == 3

    other = story().world
    alias = f"{LAB}/also"
    other.plant(*alias_pair(other, alias, PUMP))
    tick(other)
    aliased = judged(other, current_bundle(other.source(), I(alias)), alias)
    assert verdict_json(aliased, other.trust(), other.now)["alias_of"] == PUMP
    assert aliased.alias is not None
    assert versioned_json(aliased.alias)["target"] == PUMP


def test_a_reading_is_signed_by_its_gateway(played: Story) -> None:
    """Value, property, time and gateway stand in the sentence."""
    verdict = judged(played.world, reading_of(played, PUMP, 0), PUMP, "reading")

    text = told(played.world, verdict)
    assert text.startswith("✔ proved: temperature 21.5 at 2026-01-01T")
    assert f"was signed by gateway {GATEWAY}" in text
    shown = verdict_json(verdict, played.world.trust(), played.world.now)["reading"]
    assert (shown["value"], shown["property"], shown["stream"]) == (21.5, "temperature", GATEWAY)


def test_a_reading_of_somebody_else_is_only_said() -> None:
    """Not attributed, or signed with a doubtful key: no mark of a proof."""
    played = story()
    tank = "hdl:other.1/tank"
    about = judged(played.world, reading_of(played, tank, 3), tank, "reading")
    assert told(played.world, about).startswith(f"! said by {GATEWAY}: level 3.5")

    from tests.proof_world import AGENT

    played.world.run(revoke(played.world, AGENT, 1, played.anchor))
    doubted = judged(played.world, reading_of(played, PUMP, 0), PUMP, "reading")
    assert told(played.world, doubted).startswith("! said by")
    assert "suspect" in told(played.world, doubted)


# ---------------------------------------------------------------- files


def explained(data: bytes) -> str:
    """Return the explanation of a file."""
    return "\n".join(explain(data, EN))


@pytest.mark.parametrize("twin", [False, True], ids=["cbor", "json"])
def test_bundles_are_explained_and_not_judged(played: Story, twin: bool) -> None:
    """Every kind of proof, in both forms; whoever reads it is told that nothing was verified."""
    world = played.world
    source = world.source()
    bundles = [
        current_bundle(source, I(PUMP)),
        current_bundle(source, I(f"{LAB}/none")),
        current_bundle(source, I(LAB)),
        history_bundle(source, I(PUMP)),
        reading_of(played, PUMP, 1),
        current_bundle(source, I(PUMP), 4),
    ]
    for bundle in bundles:
        data = bundle.encode_json().encode() if twin else bundle.encode()
        text = explained(data)
        assert f"a proof bundle about {bundle.identifier}" in text
        assert f"log size         {source.size}" in text
        assert "Nothing of this was verified" in text
    assert "map entry 0: absent" in explained(bundles[1].encode())
    assert "reading 1: " in explained(bundles[4].encode())
    assert "older versions" in explained(bundles[3].encode())


def test_every_operation_of_the_log_is_explained(played: Story) -> None:
    """What it does, for whom it is signed, and in which network."""
    statements = [one for one in played.world.entries if one.startswith(b"\xd2")]
    texts = [explained(one) for one in statements]

    for what in ("genesis", "delegate", "register", "update", "retire", "anchor", "prefix.update"):
        assert any(f"a signed statement: {what}" in text for text in texts), what
    assert all("network          lab.example" in text for text in texts)
    together = b"".join(len(one).to_bytes(2, "big") + one for one in statements)
    assert f"a file of {len(statements)} statements" in explained(together)


def test_what_an_update_changes_is_shown() -> None:
    """Values put and indices removed."""
    world = World()
    change = op.Update(identifier=I(PUMP), version=3, put=(url("https://x", 2),), remove=(5,))
    text = explained(world.sign(OWNER, LAB, change))
    assert "changes version 3" in text
    assert "2  URL  https://x" in text
    assert "5 is removed" in text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{}",
        b"\xff\xfe",
        b'{"1": "\xff"}',
        b"\xd2\x84",
        b"\xd2\x84\x00",
        b"\x00\x09\xd2\x84\x00",
        b"# xinbiao max-age 600\n",
    ],
)
def test_what_is_none_of_these_is_said_so(data: bytes) -> None:
    """With what was tried."""
    with pytest.raises(InputError):
        explained(data)


@given(data=st.data())
def test_any_change_of_a_file_is_explained_or_our_error(played: Story, data: st.DataObject) -> None:
    """Bytes from outside never bring anything else out."""
    whole = data.draw(
        st.sampled_from(
            [
                current_bundle(played.world.source(), I(PUMP)).encode(),
                reading_of(played, PUMP, 0).encode(),
                played.world.entries[0],
            ]
        )
    )
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    try:
        lines = explained(changed)
    except InputError:
        return
    assert all(char == "\n" or char.isprintable() for char in lines)


def test_a_value_cannot_write_on_the_terminal() -> None:
    """Escapes, line ends and letters that turn the line around are written out."""
    evil = "\x1b[2J\r\n\u202e\u2066ok\u200b"
    assert clean(evil) == "\\u001b[2J\\u000d\\u000a\\u202e\\u2066ok\\u200b"
    record = {
        "identifier": evil,
        "owner": evil,
        "values": [{"index": 1, "type": evil, "data": evil}],
    }
    assert all(line.isprintable() for line in record_lines(record, EN))
