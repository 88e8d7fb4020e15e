"""Envelopes: sign, parse and normalise over any bytes (statements.md, envelope)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.core import encoding, keys, statement
from ledger.core.statement import Statement
from ledger.errors import Rejection, RejectionCode

KEYS = tuple(keys.private_from_seed(curve, b"\x51" * 32) for curve in (keys.ED25519, keys.P256))
SECONDS = st.integers(0, encoding.INT_MAX)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
NAMES = st.from_regex(r"[!-*,-~]{1,128}", fullmatch=True)
GOOD = statement.sign(
    b"\xa1\x00\x03", key=KEYS[0], iss="hdl:lab.1", sub="hdl:lab.1", aud="demo", iat=1
)
RECEIPTS = b"\xa1\x19\x01\x8a\x81\x43abc"


def judged(raw: bytes) -> Statement | None:
    """Return the statement, or None when it is malformed; nothing else may come out."""
    refused: Rejection | None = None
    try:
        return statement.parse(raw)
    except Rejection as rejection:
        refused = rejection
    assert refused.code is RejectionCode.MALFORMED
    return None


@given(
    st.sampled_from(KEYS),
    st.binary(max_size=300),
    TEXTS,
    TEXTS,
    NAMES,
    SECONDS,
    st.none() | SECONDS,
)
def test_what_is_signed_is_parsed(
    key: keys.PrivateKey, payload: bytes, iss: str, sub: str, aud: str, iat: int, exp: int | None
) -> None:
    """Every claim comes back, the signature holds, and holds for no other key."""
    raw = statement.sign(payload, key=key, iss=iss, sub=sub, aud=aud, iat=iat, exp=exp)
    found = statement.parse(raw)

    assert (found.raw, found.payload) == (raw, payload)
    assert (found.iss, found.sub, found.aud, found.iat, found.exp) == (iss, sub, aud, iat, exp)
    assert (found.alg, found.kid) == (key.algorithm, key.public.kid)
    assert [found.is_signed_by(one.public) for one in KEYS] == [one is key for one in KEYS]
    assert statement.normalise(raw) == raw


@given(st.binary(max_size=200))
def test_random_bytes_are_judged(data: bytes) -> None:
    """A statement or `malformed`; normalise never fails and is idempotent."""
    for raw in (data, b"\xd2\x84" + data):
        judged(raw)
        once = statement.normalise(raw)
        assert statement.normalise(once) == once


@given(st.data(), st.sampled_from((GOOD, GOOD.replace(b"\xa0\x43", RECEIPTS + b"\x43"))))
def test_one_changed_byte_is_no_second_form_of_the_statement(
    data: st.DataObject, good: bytes
) -> None:
    """§mal: malformed, or another statement, or not signed; never the same facts in other bytes."""
    at = data.draw(st.integers(0, len(good) - 1))
    byte = bytes((data.draw(st.integers(0, 255)),))
    for made in (
        good[:at] + byte + good[at + 1 :],
        good[:at] + good[at + 1 :],
        good[:at] + byte + good[at:],
    ):
        entry = statement.normalise(made)
        found = judged(entry)
        if found is not None and found.is_signed_by(KEYS[0].public):
            assert entry == GOOD


@given(st.data())
def test_headers_of_any_values_are_judged(data: st.DataObject) -> None:
    """A header with members of any type, correctly signed: a statement or `malformed`."""
    leaf: Any = (
        st.none() | st.booleans() | st.integers(-70_000, 70_000) | TEXTS | st.binary(max_size=16)
    )
    tree = leaf | st.lists(leaf, max_size=3) | st.dictionaries(st.integers(0, 9), leaf, max_size=3)
    claims: dict[int, Any] = {1: "hdl:lab.1", 2: "hdl:lab.1", 3: "demo", 6: 1}
    header: dict[int, Any] = {1: -8, 3: statement.CONTENT_TYPE, 4: KEYS[0].public.kid, 15: claims}
    where = data.draw(st.sampled_from((header, claims)))
    where[data.draw(st.sampled_from((1, 2, 3, 4, 6, 15)))] = data.draw(tree)
    protected = encoding.encode(header)
    payload = b"\xa0"
    signature = KEYS[0].sign(statement.signed_bytes(protected, payload))
    parts = (b"\xd2\x84", bstr(protected), b"\xa0", bstr(payload), b"\x58\x40", signature)
    found = judged(b"".join(parts))
    if found is not None:
        assert found.protected == protected


def bstr(data: bytes) -> bytes:
    """Return a byte string item."""
    return encoding.head(2, len(data)) + data
