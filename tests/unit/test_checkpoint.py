"""Signed notes and checkpoints (docs/spec/log.md, checkpoint): worked examples and strictness."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.checkpoint import (
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    Checkpoint,
    Note,
    NoteSigner,
    SignatureKind,
    SignatureLine,
    VerifierKey,
    open_checkpoint,
    parse_note,
    sign_checkpoint,
    verify_note,
)
from ledger.core.keys import ED25519, P256, private_from_seed
from ledger.core.merkle import EMPTY_ROOT
from ledger.errors import KeyFormatError, NoteError

# the worked example: log seed 32 × 01, witness seed 32 × 02
LOG_VKEY = "ledger.example/main+d18a22cc+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
WITNESS_VKEY = "witness.example/w1+df1c0a35+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"
TIME_S = 1_767_225_600
TEXT = "ledger.example/main\n3\nWqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n"
LOG_LINE = (
    "— ledger.example/main 0YoizP3kTYrinCE0RBpxLR1SpOmB71xyE/5arX01My+tSwJRMvuHAEROq5rbvrfYcIUW/"
    "Kfihigrn0mdQ2VFntXueQA="
)
WITNESS_LINE = (
    "— witness.example/w1 3xwKNQAAAABpVbkAKoj4gG7BIdltQGB2+CHQQnI7SEDFK5uAjqFM4e5SDLDxFtm3Ugrdp8Pp"
    "iDYL2jQcVJ0ZdDLQ2uS+vqad/DeDDw=="
)
NOTE = f"{TEXT}\n{LOG_LINE}\n{WITNESS_LINE}\n".encode()

LOG = NoteSigner.of(
    name="ledger.example/main",
    kind=SignatureKind.LOG,
    key=private_from_seed(ED25519, b"\x01" * 32),
)
WITNESS = NoteSigner.of(
    name="witness.example/w1",
    kind=SignatureKind.COSIGNER,
    key=private_from_seed(ED25519, b"\x02" * 32),
)
KEYS = (LOG.verifier, WITNESS.verifier)
HEAD = Checkpoint.parse(TEXT)


def test_worked_example_keys() -> None:
    """Both keys of the example, from their seeds and from their text."""
    assert LOG.verifier.format() == LOG_VKEY
    assert WITNESS.verifier.format() == WITNESS_VKEY
    assert (VerifierKey.parse(LOG_VKEY), VerifierKey.parse(WITNESS_VKEY)) == KEYS


def test_worked_example_signing() -> None:
    """The example's note, byte for byte."""
    note = sign_checkpoint(HEAD, [LOG]).with_lines([WITNESS.cosign(HEAD, time_s=TIME_S)])

    assert note.format() == NOTE


def test_worked_example_verifies() -> None:
    """Both signatures hold; only the cosignature has a time."""
    head, verified = open_checkpoint(NOTE, KEYS)

    assert (head.origin, head.size) == ("ledger.example/main", 3)
    assert [(item.key, item.time_s) for item in verified.signatures] == [
        (LOG.verifier, None),
        (WITNESS.verifier, TIME_S),
    ]
    assert verified.ignored == ()
    assert parse_note(NOTE).format() == NOTE


def test_the_note_specifications_example() -> None:
    """A note that is no checkpoint, by another maker's key."""
    key = VerifierKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    data = (
        "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2O"
        "NncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    ).encode()

    assert len(verify_note(parse_note(data), [key]).signatures) == 1


def test_unknown_keys_are_ignored_and_reported() -> None:
    """A stranger's line says nothing, even under a known name or a known id."""
    named = SignatureLine(name=LOG.verifier.name, key_id=b"\0\0\0\0", payload=bytes(64))
    same_id = SignatureLine(name="other", key_id=LOG.verifier.key_id, payload=bytes(3))
    ml_dsa = SignatureLine(name="witness.example/w1", key_id=b"\6\6\6\6", payload=bytes(2428))
    note = parse_note(NOTE).with_lines([named, same_id, ml_dsa])
    verified = verify_note(parse_note(note.format()), KEYS)

    assert len(verified.signatures) == 2
    assert verified.ignored == (
        "ledger.example/main 00000000",
        f"other {LOG.verifier.key_id.hex()}",
        "witness.example/w1 06060606",
    )


@pytest.mark.parametrize("signer", [LOG, WITNESS], ids=["log", "witness"])
@pytest.mark.parametrize(
    "payload", [bytes(72), bytes(64), bytes(63), bytes(7), b"\xff" * 72, bytes(80)]
)
def test_a_known_key_that_fails_spoils_the_note(signer: NoteSigner, payload: bytes) -> None:
    """One bad signature of a known key makes the note invalid, whatever else is under it."""
    key = signer.verifier
    bad = SignatureLine(name=key.name, key_id=key.key_id, payload=payload)

    with pytest.raises(NoteError, match=key.name):
        verify_note(parse_note(NOTE).with_lines([bad]), KEYS)


def test_a_cosignature_is_for_its_time_and_text() -> None:
    """Moving the time, or the line to another text, breaks it."""
    line = WITNESS.cosign(HEAD, time_s=TIME_S)
    later = SignatureLine(
        name=line.name,
        key_id=line.key_id,
        payload=(TIME_S + 1).to_bytes(8) + line.payload[8:],
    )
    for text, item in ((TEXT, later), (TEXT.replace("\n3\n", "\n4\n"), line)):
        with pytest.raises(NoteError, match="does not verify"):
            verify_note(Note(text=text, lines=(item,)), KEYS)


def test_a_key_of_one_kind_does_not_speak_as_the_other() -> None:
    """The same key and name under another kind has another id, so its lines are a stranger's."""
    key = private_from_seed(ED25519, b"\x01" * 32)
    other = NoteSigner.of(name=LOG.verifier.name, kind=SignatureKind.COSIGNER, key=key)
    note = Note(text=TEXT, lines=(other.cosign(HEAD, time_s=TIME_S),))

    assert verify_note(note, [LOG.verifier]).signatures == ()


def test_a_note_that_nobody_known_signed() -> None:
    """It parses and is believed by nobody."""
    assert verify_note(parse_note(NOTE), []).signatures == ()
    with pytest.raises(
        NoteError, match=r"no known key signed it; ignored: ledger\.example/main d18a"
    ):
        open_checkpoint(NOTE, [])


def test_the_text_ends_at_the_last_empty_line() -> None:
    """Empty lines inside the text belong to it."""
    note = parse_note(b"a\n\nb\n\n\n" + LOG_LINE.encode() + b"\n")

    assert note.text == "a\n\nb\n\n"


def _with_lines(count: int) -> bytes:
    lines = "".join(f"— s{n} AAAAAAA=\n" for n in range(count))
    return f"{TEXT}\n{lines}".encode()


def test_many_signatures() -> None:
    """Up to the named maximum a note is read, above it refused."""
    assert len(parse_note(_with_lines(SIGNATURES_MAX)).lines) == SIGNATURES_MAX
    with pytest.raises(NoteError, match=f"over {SIGNATURES_MAX}"):
        parse_note(_with_lines(SIGNATURES_MAX + 1))


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        pytest.param(b"", "empty line", id="empty"),
        pytest.param(TEXT.encode(), "empty line", id="no-signature"),
        pytest.param(TEXT.encode() + b"\n", "each ended", id="no-line"),
        pytest.param(NOTE[:-1], "each ended", id="no-final-newline"),
        pytest.param(NOTE + b"x", "each ended", id="trailing"),
        pytest.param(NOTE.replace(b"\n", b"\r\n"), "control character", id="crlf"),
        pytest.param(b"\t" + NOTE, "control character", id="tab"),
        pytest.param(b"\xff" + NOTE, "UTF-8", id="not-utf-8"),
        pytest.param(b"\xed\xa0\x80" + NOTE, "UTF-8", id="half-a-character"),
        pytest.param(bytes(NOTE_BYTES_MAX + 1), "over 1048576", id="too-long"),
        pytest.param(NOTE.replace("— l".encode(), b"- l"), "signature line", id="hyphen"),
        pytest.param(NOTE.replace(b"main 0", b"main  0"), "base64", id="two-spaces"),
        pytest.param(NOTE.replace(b"main 0", b"main"), "signature line", id="no-space"),
        pytest.param(NOTE.replace(b"QA=\n", b"QB=\n"), "canonical", id="stray-bits"),
        pytest.param(NOTE.replace(b"QA=\n", b"QA\n"), "base64", id="no-padding"),
        pytest.param(NOTE.replace(b"QA=\n", b"QA= \n"), "base64", id="space-after"),
        pytest.param(
            _with_lines(1).replace(b"AAAAAAA=", b"AAAAAA=="), "signature line", id="id-only"
        ),
        pytest.param(_with_lines(1).replace(b"AAAAAAA=", b"AAA="), "signature line", id="short-id"),
        pytest.param(_with_lines(1).replace(b"s0", b""), "base64|signature line", id="no-name"),
        pytest.param(_with_lines(1).replace(b"s0", b"s+0"), "signature line", id="plus"),
        pytest.param(
            _with_lines(1).replace(b"s0", "s\u20030".encode()), "signature line", id="em-space"
        ),
        pytest.param(
            _with_lines(1).replace(b"s0", "s\u00a00".encode()), "signature line", id="nbsp"
        ),
    ],
)
def test_malformed_notes(data: bytes, rule: str) -> None:
    """A note has one form."""
    with pytest.raises(NoteError, match=rule):
        parse_note(data)


@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_parse_note_is_total(tail: bytes) -> None:
    """Any bytes, alone or after a sound beginning, are a note in its only form or our error."""
    for data in (tail, TEXT.encode() + b"\n" + tail, NOTE + tail):
        try:
            note = parse_note(data)
        except NoteError:
            continue
        assert data == note.format()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n3\n" + b64encode(bytes(32)).decode(),
        TEXT + "extension\n",
        TEXT + "\n",
        TEXT.replace("\n3\n", "\n03\n"),
        TEXT.replace("\n3\n", "\n+3\n"),
        TEXT.replace("\n3\n", "\n-3\n"),
        TEXT.replace("\n3\n", "\n٣\n"),
        TEXT.replace("\n3\n", "\n\n"),
        TEXT.replace("\n3\n", "\n9223372036854775808\n"),
        TEXT.replace("\n3\n", f"\n{10**19}\n"),
        TEXT.replace("\n3\n", "\n0\n"),
        TEXT.replace("ledger.example/main", ""),
        TEXT.replace("vKk=", "vKl="),
        TEXT.replace("vKk=", ""),
        "o\n3\n" + b64encode(bytes(31)).decode() + "\n",
        "o\r\n3\n" + b64encode(bytes(32)).decode() + "\n",
        "\ud800\n3\n" + b64encode(bytes(32)).decode() + "\n",
    ],
)
def test_malformed_checkpoints(text: str) -> None:
    """Three lines, one spelling of each; extension lines are refused."""
    with pytest.raises(NoteError, match=r"checkpoint|base64"):
        Checkpoint.parse(text)


@given(
    st.text(min_size=1, max_size=20), st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32)
)
def test_checkpoints_round_trip(origin: str, size: int, root: bytes) -> None:
    """What can be made can be read back; what cannot is our error."""
    try:
        head = Checkpoint(origin=origin, size=size, root=root if size else EMPTY_ROOT)
    except NoteError:
        assert any(character < " " or "\ud800" <= character <= "\udfff" for character in origin)
        return
    assert head == Checkpoint.parse(head.text())


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "NAME"),
        ("a+b", "NAME"),
        ("x" * 5000, "NAME"),
        (LOG_VKEY.replace("d18a22cc", "d18a22cd"), "has id d18a22cc"),
        (LOG_VKEY.replace("d18a22cc", "D18A22CC"), "has id d18a22cc"),
        (LOG_VKEY.replace("ledger", "ledges"), "has id"),
        (LOG_VKEY.replace("+AYq", "+BoqI"), "base64|kind"),
        (LOG_VKEY[:-1], "base64"),
        ("a+00000000+", "kind none"),
        ("a+00000000+" + b64encode(b"\x06" + bytes(1312)).decode(), "kind 06"),
        ("a+00000000+" + b64encode(b"\x01" + bytes(31)).decode(), "canonical"),
        ("a+00000000+" + b64encode(b"\x01" + bytes(32)).decode(), "large order"),
        ("a+00000000+" + b64encode(b"\x01\x01" + bytes(31)).decode(), "large order"),
        ("a b+00000000+" + LOG_VKEY[-44:], "key name"),
        ("+00000000+" + LOG_VKEY[-44:], "key name"),
        ("a\ud800+00000000+" + LOG_VKEY[-44:], "key name"),
    ],
)
def test_verifier_keys_that_are_none(text: str, rule: str) -> None:
    """A key whose id, kind or point is wrong is refused with the rule it breaks."""
    with pytest.raises(NoteError, match=rule):
        VerifierKey.parse(text)


@given(st.text(max_size=60))
def test_parse_verifier_key_is_total(text: str) -> None:
    """Any text is our error, before or behind a sound key."""
    for item in (text, LOG_VKEY + text, text + LOG_VKEY):
        try:
            assert item == VerifierKey.parse(item).format()
        except NoteError:
            assert item != LOG_VKEY


def test_only_ed25519_signs_notes() -> None:
    """A P-256 key cannot be a note key, and the error says what is wanted."""
    with pytest.raises(KeyFormatError, match="Ed25519 is wanted"):
        NoteSigner.of(name="n", kind=SignatureKind.LOG, key=private_from_seed(P256, bytes(32)))


def test_signers_keep_to_their_kind() -> None:
    """A log key does not cosign, a cosigner does not sign for the log, and neither without a time."""
    with pytest.raises(AssertionError, match="signs for the log"):
        LOG.cosign(HEAD, time_s=1)
    with pytest.raises(AssertionError, match="this key cosigns"):
        WITNESS.sign(HEAD)
    for time_s in (0, -1, 2**63):
        with pytest.raises(ValueError, match="time is out of range"):
            WITNESS.cosign(HEAD, time_s=time_s)


def test_a_signer_does_not_show_its_key() -> None:
    """Nothing private gets into a traceback or a log line."""
    assert "_key" not in repr(LOG)


def test_lines_are_not_added_twice() -> None:
    """Collecting the same cosignature again changes nothing."""
    note = parse_note(NOTE)

    assert note == note.with_lines(note.lines)
