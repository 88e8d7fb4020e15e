"""The envelope has one byte form, and nothing in it is malleable (statements.md, envelope §mal)."""

from hashlib import sha256
from typing import Any

import pytest

from ledger.core import encoding, keys, statement
from ledger.errors import Rejection, RejectionCode

KEY = keys.private_from_seed(keys.ED25519, b"\x03" * 32)
PAYLOAD = bytes.fromhex("a40006017168646c3a6c61622e312f70756d702d303702010301")
CLAIMS: dict[int, Any] = {1: "hdl:lab.1", 2: "hdl:lab.1/pump-07", 3: "demo", 6: 1_767_225_600}
HEADER: dict[int, Any] = {1: -8, 3: statement.CONTENT_TYPE, 4: KEY.public.kid, 15: CLAIMS}
GOOD = statement.sign(PAYLOAD, key=KEY, iss=CLAIMS[1], sub=CLAIMS[2], aud=CLAIMS[3], iat=CLAIMS[6])


def bstr(data: bytes) -> bytes:
    """Return a byte string item."""
    return encoding.head(2, len(data)) + data


def envelope(protected: bytes, payload: bytes = PAYLOAD) -> bytes:
    """Return a correctly signed envelope around any protected bytes."""
    signature = KEY.sign(statement.signed_bytes(protected, payload))
    return b"\xd2\x84" + bstr(protected) + b"\xa0" + bstr(payload) + b"\x58\x40" + signature


def refused(raw: bytes) -> str:
    """Return why an entry is malformed."""
    with pytest.raises(Rejection) as caught:
        statement.parse(raw)
    assert caught.value.code is RejectionCode.MALFORMED
    return caught.value.detail


def test_the_worked_example_of_the_specification() -> None:
    """docs/spec/statements.md, worked example: its hash, byte for byte."""
    parsed = statement.parse(GOOD)

    assert parsed.hash.hex() == "adb7e1db9741be84cdab1ad2d58398c4aaa32be4f6c1a30faea8ddd029ab761b"
    assert parsed.hash == sha256(GOOD).digest()
    assert (parsed.alg, parsed.kid, parsed.payload) == (-8, KEY.public.kid, PAYLOAD)
    assert (parsed.iss, parsed.sub, parsed.aud) == (CLAIMS[1], CLAIMS[2], CLAIMS[3])
    assert (parsed.exp, parsed.iat) == (None, CLAIMS[6])
    assert parsed.is_signed_by(KEY.public)
    assert envelope(encoding.encode(HEADER)) == GOOD


def test_every_part_is_signed() -> None:
    """A changed byte of header or payload parses to another statement that is not signed."""
    changed = GOOD.replace(b"pump-07", b"pump-08")

    assert not statement.parse(changed).is_signed_by(KEY.public)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(GOOD[1:], id="untagged"),
        pytest.param(b"\xd8\x12" + GOOD[1:], id="long-tag"),
        pytest.param(b"\xd2\xd2" + GOOD[1:], id="tagged-twice"),
        pytest.param(b"\xd2\x98\x04" + GOOD[2:], id="long-array-head"),
        pytest.param(b"\xd2\x9f" + GOOD[2:] + b"\xff", id="indefinite-array"),
        pytest.param(b"\xd2\x85" + GOOD[2:], id="five-parts"),
        pytest.param(GOOD + b"\x00", id="trailing-byte"),
        pytest.param(GOOD[:-1], id="cut-off"),
        pytest.param(GOOD.replace(b"\x58\x40", b"\x59\x00\x40"), id="long-signature-head"),
        pytest.param(GOOD.replace(b"\xa0\x58", b"\xa1\x58"), id="unprotected"),
        pytest.param(GOOD.replace(b"\xa0\x58", b"\xbf\xff\x58"), id="indefinite-unprotected"),
        pytest.param(GOOD.replace(b"\xa0\x58\x1a", b"\xa0\x59\x00\x1a"), id="long-payload-head"),
        pytest.param(GOOD.replace(b"\xa0\x58\x1a", b"\xa0\xf6"), id="detached"),
        pytest.param(b"\xd2\x84\x40" + GOOD[GOOD.index(b"\xa0\x58") :], id="empty-protected"),
        pytest.param(b"\xd2\x84\xa0" + GOOD[GOOD.index(b"\xa0\x58") :], id="map-protected"),
    ],
)
def test_another_byte_form_is_malformed(raw: bytes) -> None:
    """Other tags, heads, lengths and parts."""
    assert "envelope" in refused(raw)


def with_header(**changes: Any) -> bytes:
    """Return an envelope whose header differs in members given as m1, m3 …"""
    header = HEADER | {int(name[1:]): value for name, value in changes.items()}
    return envelope(encoding.encode({k: v for k, v in header.items() if v is not ...}))


def with_claims(**changes: Any) -> bytes:
    """Return an envelope whose claims differ."""
    claims = CLAIMS | {int(name[1:]): value for name, value in changes.items()}
    return with_header(m15={k: v for k, v in sorted(claims.items()) if v is not ...})


WRONG_MEMBERS: dict[int, list[Any]] = {
    1: [..., -65537, -6, 0, 1, True, None, "EdDSA", [], {}, b"", [-8], {1: -8}, [[]]],
    2: [[]],
    3: [..., "", "application/cbor", 42, None, [], b"x"],
    4: [..., b"", bytes(15), bytes(17), "x" * 16, None, []],
    5: [b""],
    15: [..., None, [], {}, "x", b""],
    16: ["x"],
}
WRONG_CLAIMS: dict[int, list[Any]] = {
    1: [..., "", "x" * 513, "标" * 171, 1, None, b"x", []],
    2: [..., "", "x" * 513, 1, None, b"x", {}],
    3: [..., "", "a b", "a+b", "x" * 129, "标", "a\n", "\x7f", 1, None, b"x", []],
    4: [-1, True, None, "1", b"", [], encoding.INT_MAX + 1],
    5: [1],
    6: [..., -1, False, None, "1", []],
    7: [b"x"],
}


@pytest.mark.parametrize(
    "raw",
    [
        *(with_header(**{f"m{at}": item}) for at, items in WRONG_MEMBERS.items() for item in items),
        *(with_claims(**{f"c{at}": item}) for at, items in WRONG_CLAIMS.items() for item in items),
    ],
)
def test_headers_and_claims_are_exactly_these(raw: bytes) -> None:
    """A missing, surplus or mistyped member is malformed, and never another exception."""
    assert refused(raw)


@pytest.mark.parametrize("raw", [b"\xf9\x7e\x00", b"\x01", b"\x80", b"\xa0", b"\xff", b"\xa1\x01"])
def test_a_protected_header_is_a_map_of_the_profile(raw: bytes) -> None:
    """Other items inside the byte string."""
    assert refused(envelope(raw))


def test_protected_members_ascend() -> None:
    """The encoded order 1, 3, 4, 15; a second alg is refused."""
    good = encoding.encode(HEADER)
    twice = b"\xa5\x01\x27" + good[1:]
    swapped = good[:1] + good[3 : 3 + 42] + good[1:3] + good[3 + 42 :]

    assert "ascending" in refused(envelope(twice))
    assert refused(envelope(swapped))


@pytest.mark.parametrize("exp", [0, 1, encoding.INT_MAX])
def test_exp_is_optional(exp: int) -> None:
    """Claim 4, Unix seconds."""
    raw = statement.sign(PAYLOAD, key=KEY, iss="a", sub="b", aud="c", iat=0, exp=exp)

    assert statement.parse(raw).exp == exp


def test_a_statement_is_at_most_65535_bytes() -> None:
    """The entry bundles have 2-byte lengths; one byte more is malformed."""
    room = 65_535 - len(envelope(encoding.encode(HEADER), bytes(60_000))) + 60_000

    assert len(statement.parse(envelope(encoding.encode(HEADER), bytes(room))).raw) == 65_535
    assert "65535" in refused(envelope(encoding.encode(HEADER), bytes(room + 1)))


# ---- receipts in a submission


def with_receipts(receipts: bytes) -> bytes:
    """Return the good statement with other unprotected bytes."""
    position = GOOD.index(b"\xa0\x58")
    return GOOD[:position] + receipts + GOOD[position + 1 :]


@pytest.mark.parametrize("count", [0, 1, 2, 64])
def test_receipts_are_replaced_before_anything_is_hashed(count: int) -> None:
    """{394: [bstr, …]} becomes A0, and the statement is the one that was signed."""
    receipts = b"\xa1\x19\x01\x8a" + encoding.head(4, count) + bstr(b"receipt") * count

    assert statement.normalise(with_receipts(receipts)) == GOOD


@pytest.mark.parametrize(
    "receipts",
    [
        b"\xa1\x19\x01\x8a" + encoding.head(4, 65) + bstr(b"r") * 65,
        b"\xa1\x19\x01\x8b\x80",
        b"\xa1\x19\x01\x8a\x40",
        b"\xa1\x19\x01\x8a\x81\x00",
        b"\xa2\x19\x01\x8a\x80\x19\x01\x8b\x80",
        b"\xa1\x1a\x00\x00\x01\x8a\x80",
        b"\xa1\x19\x01\x8a\x9f\xff",
        b"\xa1\x18\x18\x00",
        b"\xa1",
    ],
)
def test_other_unprotected_members_are_malformed(receipts: bytes) -> None:
    """More than 64, another label, no byte strings, long heads: left as they are, and refused."""
    submission = with_receipts(receipts)

    assert statement.normalise(submission) == submission
    assert refused(submission)


def test_normalise_leaves_every_cut_alone() -> None:
    """Any part of a submission comes back as it is or as an entry that parse judges."""
    submission = with_receipts(b"\xa1\x19\x01\x8a\x81" + bstr(b"receipt"))
    for end in range(len(submission)):
        cut = statement.normalise(submission[:end])
        assert refused(cut)
    assert statement.normalise(GOOD) == GOOD


@pytest.mark.parametrize(
    ("name", "valid"),
    [("a", True), ("!", True), ("~" * 128, True), ("demo.example/main", True), ("~" * 129, False),
     ("", False), ("a b", False), ("a+b", False), ("ä", False), (None, False), (b"a", False)],
)  # fmt: skip
def test_network_names(name: object, valid: bool) -> None:
    """1–128 characters U+0021–U+007E without `+`."""
    assert statement.is_network_name(name) is valid
