"""The trust file (docs/spec/log.md, trust file): grammar, our narrower rules, and quorums."""

from base64 import b64encode
from dataclasses import replace
from datetime import date
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.checkpoint import (
    Checkpoint,
    NoteSigner,
    SignatureKind,
    sign_checkpoint,
    verify_note,
)
from ledger.core.keys import ED25519, private_from_seed
from ledger.core.policy import (
    ENTRIES_MAX,
    FILE_BYTES_MAX,
    Group,
    Log,
    TrustFile,
    Witness,
)
from ledger.errors import TrustFileError

NETWORK = "net.example"
MEMBERS = ("a", "b", "c", "d")


def _signer(number: int, name: str, kind: SignatureKind) -> NoteSigner:
    return NoteSigner.of(name=name, kind=kind, key=private_from_seed(ED25519, bytes([number]) * 32))


LOGS = [_signer(n, NETWORK, SignatureKind.LOG) for n in range(1, 5)]
COSIGNERS = [
    _signer(n, f"{NETWORK}/{member}", SignatureKind.COSIGNER)
    for n, member in enumerate(MEMBERS, 11)
]
LOG_LINES = [f"log {signer.verifier.format()}" for signer in LOGS]
WITNESS_LINES = [
    f"witness {member} {signer.verifier.format()}"
    for member, signer in zip(MEMBERS, COSIGNERS, strict=True)
]
BODY = [*LOG_LINES, *WITNESS_LINES, "group g 3 a b c d", "quorum g"]


def _text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


FULL = TrustFile.parse(
    _text(
        "# xinbiao expires 2027-06-30",
        "# xinbiao max-age 600",
        "# xinbiao network oQE=",
        *BODY,
    )
)


def test_the_whole_file() -> None:
    """Every part of a file is where it belongs."""
    assert FULL.network == NETWORK
    assert [log.key for log in FULL.logs] == [signer.verifier for signer in LOGS]
    assert [witness.name for witness in FULL.witnesses] == list(MEMBERS)
    assert FULL.groups == (Group(name="g", threshold=3, members=MEMBERS),)
    assert (FULL.quorum, FULL.expires, FULL.max_age_s) == ("g", date(2027, 6, 30), 600)
    assert FULL.network_object == bytes.fromhex("a101")
    assert FULL.keys == tuple(signer.verifier for signer in (*LOGS, *COSIGNERS))


def test_writing_and_reading_are_inverse() -> None:
    """A value survives its file, with URLs, nested groups and without settings."""
    bare = replace(FULL, expires=None, max_age_s=None, network_object=None, quorum="a")
    rich = replace(
        FULL,
        logs=(Log(key=LOGS[0].verifier, url="https://a.example/log"), *FULL.logs[1:]),
        witnesses=(
            Witness(name="a", key=COSIGNERS[0].verifier, url="https://a.example/"),
            *FULL.witnesses[1:],
        ),
        groups=(
            Group(name="east", threshold=2, members=("a", "b")),
            Group(name="west", threshold=1, members=("c", "d")),
            Group(name="both", threshold=2, members=("east", "west")),
        ),
        quorum="both",
    )
    for value in (FULL, bare, rich):
        assert value == TrustFile.parse(value.format())
    assert b"group east all a b\ngroup west any c d\n" in rich.format()


def test_layout_is_free() -> None:
    """Blank lines, tabs, comments and the order of logs and witnesses carry no meaning."""
    free = _text(
        "# a comment, 注释",
        *WITNESS_LINES,
        "",
        "\t # indented comment",
        " \t ",
        "group\tg  3 \ta b c d  ",
        "  quorum g",
        "#",
        *LOG_LINES,
        "\t# xinbiao\tmax-age  600",
        "# xinbiao expires 2027-06-30",
        "# xinbiao network oQE=",
    )
    assert FULL == TrustFile.parse(free) == TrustFile.parse(free.encode())


def test_names_are_octets() -> None:
    """A group may be named in any octets, alike or not as text, and keeps them."""
    data = _text(*LOG_LINES, *WITNESS_LINES).encode()
    data += b"group \xff\xfe 1 a\ngroup K any b\ngroup \xe2\x84\xaa any c\nquorum \xff\xfe\n"
    trust = TrustFile.parse(data)

    assert (
        data.replace(b"\xff\xfe 1 a", b"\xff\xfe all a").replace(b"any", b"all") == trust.format()
    )
    assert trust.quorum_met({"a"})


@pytest.mark.parametrize(
    ("lines", "line", "rule"),
    [
        pytest.param([], 0, "no quorum line", id="empty"),
        pytest.param(BODY[:-1], 0, "no quorum line", id="no-quorum"),
        pytest.param([*WITNESS_LINES, "quorum a"], 0, "no log line", id="no-log"),
        pytest.param([*BODY, "quorum g"], 11, "exactly one", id="two-quorums"),
        pytest.param([*BODY[:-1], "quorum a b"], 10, "exactly one", id="quorum-of-two"),
        pytest.param([*BODY[:-1], "quorum none"], 10, "vouch", id="quorum-none"),
        pytest.param([*BODY[:-1], "quorum h"], 10, "not defined", id="quorum-unknown"),
        pytest.param(["quorum g", *BODY[:-1]], 1, "not defined", id="quorum-before-group"),
        pytest.param([*BODY, "group h any g none"], 11, "vouch", id="none-as-member"),
        pytest.param([*BODY, "group none any g"], 11, "cannot be a name", id="none-as-name"),
        pytest.param([*BODY, "group h any x"], 11, "x is not defined", id="member-unknown"),
        pytest.param([*BODY, "group h any h"], 11, "h is not defined", id="member-of-itself"),
        pytest.param([*BODY, "group h any a"], 11, "a is a member of a group twice", id="reused"),
        pytest.param([*BODY, "group h all g g"], 11, "twice", id="member-twice"),
        pytest.param([*BODY, "group g any g"], 11, "defined twice", id="name-twice"),
        pytest.param([*BODY, "group a any g"], 11, "defined twice", id="name-of-a-witness"),
        pytest.param([*BODY, "group h 0 g"], 11, "number from 1", id="threshold-0"),
        pytest.param([*BODY, "group h 2 g"], 11, "2 of 1 members", id="threshold-too-high"),
        pytest.param([*BODY, "group h 01 g"], 11, "number from 1", id="threshold-leading-zero"),
        pytest.param([*BODY, "group h ALL g"], 11, "number from 1", id="threshold-capital"),
        pytest.param([*BODY, "group h all"], 11, "group NAME", id="no-member"),
        pytest.param([*BODY, "grupo h all g"], 11, "a line starts with", id="unknown-keyword"),
        pytest.param([*BODY, "Log x"], 11, "a line starts with", id="capital-keyword"),
        pytest.param([*BODY, "log"], 11, "log VKEY", id="log-without-key"),
        pytest.param([*BODY, "log a b c"], 11, "log VKEY", id="log-of-three"),
        pytest.param([*BODY, "log x+y+z"], 11, "base64", id="log-key-bad"),
        pytest.param([*BODY, "witness e"], 11, "witness MEMBER", id="witness-without-key"),
        pytest.param([*BODY, LOG_LINES[0]], 11, "listed on an earlier", id="log-twice"),
        pytest.param([*BODY, WITNESS_LINES[0]], 11, "defined twice", id="witness-twice"),
        pytest.param(
            [*BODY, WITNESS_LINES[0].replace("witness a", "witness e")],
            11,
            "listed on an earlier",
            id="one-key-two-members",
        ),
        pytest.param(
            [*BODY, f"log {_signer(9, 'other.example', SignatureKind.LOG).verifier.format()}"],
            11,
            "second origin",
            id="two-origins",
        ),
        pytest.param(
            [*BODY, f"log {_signer(11, NETWORK, SignatureKind.LOG).verifier.format()}"],
            11,
            "listed on an earlier",
            id="one-key-as-log-and-witness",
        ),
        pytest.param(
            [*BODY, f"log {_signer(9, NETWORK, SignatureKind.COSIGNER).verifier.format()}"],
            0,
            "kind 01",
            id="log-of-kind-04",
        ),
        pytest.param(
            [*BODY, f"witness e {_signer(9, NETWORK + '/e', SignatureKind.LOG).verifier.format()}"],
            0,
            "kind 04",
            id="witness-of-kind-01",
        ),
        pytest.param(
            [
                *BODY,
                f"witness e {_signer(9, NETWORK + '/f', SignatureKind.COSIGNER).verifier.format()}",
            ],
            0,
            "named net.example/e",
            id="witness-of-another-name",
        ),
        pytest.param(
            [
                *BODY,
                f"witness E {_signer(9, NETWORK + '/E', SignatureKind.COSIGNER).verifier.format()}",
            ],
            0,
            "1 to 64",
            id="member-in-capitals",
        ),
        pytest.param(["# xinbiao expires", *BODY], 1, "expires YYYY", id="setting-empty"),
        pytest.param(["# xinbiao expire 2027-06-30", *BODY], 1, "expires YYYY", id="misspelt"),
        pytest.param(["#xinbiao expires 2027-06-30", *BODY], 1, "expires YYYY", id="no-space"),
        pytest.param(["# xinbiao expires 2027-06-31", *BODY], 1, "not a day", id="no-such-day"),
        pytest.param(["# xinbiao expires 20270630", *BODY], 1, "not a day", id="other-date-form"),
        pytest.param(["# xinbiao max-age 0", *BODY], 1, "seconds", id="age-0"),
        pytest.param(["# xinbiao max-age 010", *BODY], 1, "seconds", id="age-leading-zero"),
        pytest.param([f"# xinbiao max-age {2**53}", *BODY], 0, "max-age is", id="age-too-high"),
        pytest.param(["# xinbiao network oQF=", *BODY], 1, "canonical", id="object-stray-bits"),
        pytest.param(["# xinbiao max-age 1"] * 2 + BODY, 2, "set twice", id="setting-twice"),
        pytest.param(["log \x07", *BODY], 1, "octet 07", id="bell"),
        pytest.param([*BODY, "# a\r"], 11, "octet 0d", id="carriage-return"),
        pytest.param([*BODY, "# \x7f"], 11, "octet 7f", id="delete"),
        pytest.param([*BODY, "# \ud800"], 0, "half a character", id="half-a-character"),
        pytest.param(["#" + "x" * FILE_BYTES_MAX], 0, "over 262144", id="too-long"),
    ],
)
def test_broken_files(lines: list[str], line: int, rule: str) -> None:
    """Each broken rule is named, with its line where one line is at fault."""
    with pytest.raises(TrustFileError, match=rule) as caught:
        TrustFile.parse(_text(*lines))
    assert line == caught.value.line


def test_a_file_cut_short() -> None:
    """A last line without its newline may have lost its end."""
    with pytest.raises(TrustFileError, match="line 10: the last line has no newline"):
        TrustFile.parse(_text(*BODY)[:-1])


@given(st.binary(max_size=200))
def test_parse_is_total(tail: bytes) -> None:
    """Any bytes, alone or after a sound file, are a trust file or our error."""
    for data in (tail, _text(*BODY).encode() + tail):
        try:
            trust = TrustFile.parse(data)
        except TrustFileError:
            continue
        assert trust == TrustFile.parse(trust.format())


@given(
    st.lists(
        st.sampled_from([*BODY, *" #\t", "# xinbiao max-age 7", "group h any g a", "quorum h"])
    )
)
def test_parse_is_total_over_lines(lines: list[str]) -> None:
    """Sound lines in any order and number are a trust file or our error."""
    try:
        trust = TrustFile.parse(_text(*lines))
    except TrustFileError:
        return
    assert trust == TrustFile.parse(trust.format())


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"quorum": "x"}, "not defined"),
        ({"logs": ()}, "kind 01"),
        ({"network": "other"}, "named other/a"),
        ({"witnesses": FULL.witnesses * 2}, "defined twice"),
        ({"logs": FULL.logs * 2}, "listed twice"),
        ({"logs": (Log(key=LOGS[0].verifier, url="a b"),)}, "URL"),
        ({"groups": (Group(name="g", threshold=0, members=MEMBERS),)}, "never met"),
        ({"groups": (Group(name="g h", threshold=1, members=MEMBERS),)}, "cannot be a name"),
        ({"max_age_s": 0}, "max-age"),
        ({"network_object": bytes(65_536)}, "65535"),
    ],
)
def test_values_are_checked_at_birth(change: dict[str, object], rule: str) -> None:
    """A trust file that breaks a rule cannot exist, however it was made."""
    with pytest.raises(TrustFileError, match=rule):
        replace(FULL, **change)  # type: ignore[arg-type]


def test_thirty_two_of_each_are_supported() -> None:
    """The specification asks for 32 logs, witnesses and groups; a large consortium has more."""
    count = 64
    lines = [
        f"log {_signer(n, NETWORK, SignatureKind.LOG).verifier.format()}" for n in range(1, count)
    ]
    names = [f"m{n}" for n in range(1, count)]
    lines += [
        f"witness {name} {_signer(n, f'{NETWORK}/{name}', SignatureKind.COSIGNER).verifier.format()}"
        for n, name in enumerate(names, 100)
    ]
    lines += [f"group g{name} all {name}" for name in names]
    lines += ["group all 43 " + " ".join(f"g{name}" for name in names), "quorum all"]
    trust = TrustFile.parse(_text(*lines))

    assert trust.quorum_met(names[:43])
    assert not trust.quorum_met(names[:42])


def test_more_groups_than_the_limit() -> None:
    """The number of entries is bounded, and the bound itself is allowed."""
    names = ["a", *(f"g{n}" for n in range(ENTRIES_MAX + 1))]
    lines = [f"group {name} any {member}" for member, name in pairwise(names)]
    body = [*LOG_LINES, *WITNESS_LINES, *lines[:ENTRIES_MAX]]

    assert TrustFile.parse(_text(*body, f"quorum {names[-2]}")).quorum_met({"a"})
    with pytest.raises(TrustFileError, match=f"more than {ENTRIES_MAX}"):
        TrustFile.parse(_text(*body, lines[-1], "quorum a"))


# ---------------------------------------------------------------- quorums


def test_three_of_four() -> None:
    """Any three members are enough, no two are, and strangers count for nothing."""
    for size in range(5):
        for some in combinations(MEMBERS, size):
            assert (size >= 3) == FULL.quorum_met(some)
    assert not FULL.quorum_met({"a", "b", "x", "g"})


def test_nested_groups() -> None:
    """The example of the policy specification: two of three here and any one there."""
    trust = replace(
        FULL,
        groups=(
            Group(name="x", threshold=2, members=("a", "b", "c")),
            Group(name="y", threshold=1, members=("d",)),
            Group(name="xy", threshold=2, members=("x", "y")),
        ),
        quorum="xy",
    )
    enough = {
        some for size in range(5) for some in combinations(MEMBERS, size) if trust.quorum_met(some)
    }

    assert enough == {("a", "b", "d"), ("a", "c", "d"), ("b", "c", "d"), MEMBERS}


def test_a_single_witness_can_be_the_quorum() -> None:
    """No group is needed for one."""
    trust = replace(FULL, groups=(), quorum="b")

    assert trust.quorum_met({"b"})
    assert not trust.quorum_met({"a", "c", "d"})


@pytest.mark.parametrize(
    ("dated", "expected"),
    [
        pytest.param({}, None, id="nobody"),
        pytest.param({"a": 10, "b": 20}, None, id="two-of-three"),
        pytest.param({"a": 10, "b": 20, "c": 30}, 10, id="just-three-the-oldest-counts"),
        pytest.param({"a": 10, "b": 20, "c": 30, "d": 40}, 20, id="four-the-third-newest-counts"),
        pytest.param({"a": 7, "b": 7, "c": 7, "d": 7}, 7, id="all-at-once"),
        pytest.param({"a": 10, "b": 20, "c": 30, "x": 99}, 10, id="strangers-do-not-help"),
        pytest.param({"a": 10, "b": 20, "x": 30, "y": 40}, None, id="strangers-alone"),
    ],
)
def test_latest_quorum_time(dated: dict[str, int], expected: int | None) -> None:
    """DATE is the newest moment for which a quorum still vouches."""
    assert expected == FULL.latest_quorum_time(dated)


@given(st.dictionaries(st.sampled_from([*MEMBERS, "x"]), st.integers(0, 9)))
def test_latest_quorum_time_is_the_greatest(dated: dict[str, int]) -> None:
    """The quorum is met at DATE and at no later moment."""
    met = [t for t in range(10) if FULL.quorum_met({n for n, at in dated.items() if at >= t})]

    assert (max(met) if met else None) == FULL.latest_quorum_time(dated)


def test_from_a_note_to_the_quorum() -> None:
    """Signatures of a real note: one log key is enough, a member's newest cosignature counts."""
    head = Checkpoint(origin=NETWORK, size=3, root=bytes(32))
    note = sign_checkpoint(head, LOGS[:1])
    assert not FULL.is_signed_by_log(())
    note = note.with_lines(
        signer.cosign(head, time_s=time_s)
        for signer, time_s in [
            (COSIGNERS[0], 50),
            (COSIGNERS[1], 60),
            (COSIGNERS[2], 40),
            (COSIGNERS[2], 70),
            (COSIGNERS[2], 30),
        ]
    )
    signatures = verify_note(note, FULL.keys).signatures

    assert FULL.is_signed_by_log(signatures)
    assert not FULL.is_signed_by_log(signatures[1:])
    assert FULL.cosigned(signatures) == {"a": 50, "b": 60, "c": 70}
    assert FULL.latest_quorum_time(FULL.cosigned(signatures)) == 50


def test_expiry_is_the_end_of_the_day() -> None:
    """The named day is the last one on which the file counts."""
    assert not FULL.is_expired(date(2027, 6, 30))
    assert FULL.is_expired(date(2027, 7, 1))
    assert not replace(FULL, expires=None).is_expired(date(9999, 12, 31))


def test_the_network_object_is_carried_verbatim() -> None:
    """Its bytes are hashed later: not one may change."""
    data = bytes(range(256))
    text = _text(f"# xinbiao network {b64encode(data).decode()}", *BODY)

    assert data == TrustFile.parse(text).network_object
