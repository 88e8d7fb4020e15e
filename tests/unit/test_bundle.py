"""The bundle's two forms: exact writing, strict reading (docs/spec/proof.md, JSON twin)."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ledger.core import encoding
from ledger.core.bundle import BUNDLE_BYTES_MAX, Bundle, Disclosure, Logged, MapEntry
from ledger.errors import ProofError, ProofFault

HASH = b"\xab" * 32
FULL = Bundle(
    identifier="hdl:lab.1/泵-8",
    note='net\n1\nx "quoted" \\ \x01\n',
    commit_leaf=b"\xa0",
    last_leaf_path=(HASH, HASH),
    entries=(MapEntry(data=b"o", proof=b"pq"), MapEntry(data=None, proof=b"")),
    older=(b"older",),
    logged=(Logged(index=7, entry=b"e", path=(HASH,)),),
    consistency=(HASH,),
    disclosure=Disclosure(reading=b"r", salt=b"s" * 16, leaf=3, path=(HASH,)),
)
BARE = replace(FULL, older=None, logged=None, consistency=None, disclosure=None)


def value_of(bundle: Bundle) -> dict[int, Any]:
    """Return the CBOR map."""
    value = encoding.decode(bundle.encode())
    assert isinstance(value, dict)
    return value


def refused(value: dict[int, Any]) -> str:
    """Return why the CBOR of a value is refused."""
    with pytest.raises(ProofError) as caught:
        Bundle.decode(encoding.encode(value))
    assert caught.value.fault is ProofFault.MALFORMED
    return caught.value.reason


def refused_json(text: str) -> str:
    """Return why a JSON text is refused."""
    with pytest.raises(ProofError) as caught:
        Bundle.decode_json(text)
    assert caught.value.fault is ProofFault.MALFORMED
    return caught.value.reason


@pytest.mark.parametrize("bundle", [FULL, BARE, replace(BARE, older=(), logged=())])
def test_both_forms_round_trip(bundle: Bundle) -> None:
    """CBOR → JSON → CBOR gives the same bytes; an empty member is not an absent one."""
    data = bundle.encode()
    text = Bundle.decode(data).encode_json()

    assert Bundle.decode_json(text) == bundle
    assert data == Bundle.decode_json(text).encode()


def test_json_is_written_in_one_form() -> None:
    """Members ascend, there is no white space, and only what must be escaped is."""
    text = BARE.encode_json()

    assert text.startswith('{"0":1,"1":"hdl:lab.1/泵-8","2":"net\\n1\\nx \\"quoted\\" \\\\ \\u0001')
    assert text.endswith('"5":[{"1":"bw==","2":"cHE="},{"1":null,"2":""}]}')


def test_json_reader_takes_any_order_and_white_space() -> None:
    """What RFC 8259 leaves free is free: order, white space, escapes."""
    tree = json.loads(FULL.encode_json())
    shuffled = json.dumps(dict(reversed(tree.items())), indent=1)  # escapes all but ASCII

    assert Bundle.decode_json(shuffled) == FULL


@pytest.mark.parametrize("member", [0, 1, 2, 3, 4, 5])
def test_required_members(member: int) -> None:
    """A bundle lacks none of the members 0–5."""
    value = value_of(BARE)
    del value[member]

    assert f"member {member} is missing" in refused(value)


@pytest.mark.parametrize("member", [9, 11, 99])
def test_unknown_members(member: int) -> None:
    """Unknown members are refused, and so is the listing page of later releases."""
    assert "unknown member" in refused(value_of(BARE) | {member: []})


@pytest.mark.parametrize(
    ("member", "bad"),
    [
        pytest.param(0, 2, id="version"),
        pytest.param(0, True, id="version-true"),
        pytest.param(1, "", id="no-identifier"),
        pytest.param(1, "x" * 513, id="long-identifier"),
        pytest.param(2, b"note", id="note-as-bytes"),
        pytest.param(3, "leaf", id="leaf-as-text"),
        pytest.param(4, [b"short"], id="hash-of-5"),
        pytest.param(4, [HASH] * 64, id="path-of-64"),
        pytest.param(5, [], id="no-entry"),
        pytest.param(5, [{1: None, 2: b""}] * 65, id="65-entries"),
        pytest.param(5, [{1: None}], id="entry-without-proof"),
        pytest.param(5, [{1: None, 2: b"", 3: b""}], id="entry-with-more"),
        pytest.param(5, [[None, b""]], id="entry-as-array"),
        pytest.param(6, None, id="null-member"),
        pytest.param(6, ["text"], id="older-as-text"),
        pytest.param(7, [{1: "7", 2: b"", 3: []}], id="index-as-text"),
        pytest.param(8, [HASH] * 65, id="consistency-of-65"),
        pytest.param(10, {1: b"", 2: b"short", 3: 0, 4: []}, id="salt-of-5"),
        pytest.param(10, {1: b"", 2: b"s" * 16, 3: True, 4: []}, id="leaf-true"),
    ],
)
def test_shapes(member: int, bad: Any) -> None:
    """Each member has its shape, and messages say where it is broken."""
    assert f"bundle.{member}" in refused(value_of(FULL) | {member: bad})


def test_sizes() -> None:
    """A bundle is at most 16 MiB."""
    with pytest.raises(ProofError, match="over"):
        Bundle.decode(bytes(BUNDLE_BYTES_MAX + 1))


@pytest.mark.parametrize("data", [b"", b"\xa0\x00", b"\x80", b"\xbf\xff", b"{}", b"\xd2\x84"])
def test_not_a_bundle(data: bytes) -> None:
    """Other bytes are malformed, whatever they are."""
    with pytest.raises(ProofError) as caught:
        Bundle.decode(data)

    assert (caught.value.part, caught.value.fault) == ("bundle", ProofFault.MALFORMED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"0":1', '"0":1,"0":1', id="duplicate-key"),
        pytest.param('{"1":"bw=="', '{"1":"bw==","1":"bw=="', id="duplicate-key-inside"),
        pytest.param('"0":1', '"\\u0030":1,"0":1', id="duplicate-key-escaped"),
        pytest.param('"0":1', '"00":1', id="key-with-zero"),
        pytest.param('"0":1', '"version":1', id="key-as-word"),
        pytest.param('"0":1', '"0":1,"9":[]', id="listing-page"),
        pytest.param('"0":1', '"0":1,"11":1', id="unknown-key"),
        pytest.param('"1":7', '"1":7.0', id="fraction"),
        pytest.param('"1":7', '"1":7e0', id="exponent"),
        pytest.param('"1":7', '"1":-7', id="sign"),
        pytest.param('"1":7', '"1":-0', id="minus-zero"),
        pytest.param('"1":7', '"1":07', id="leading-zero"),
        pytest.param('"1":7', '"1":9007199254740992', id="2^53"),
        pytest.param('"1":7', '"1":' + "9" * 5000, id="endless-number"),
        pytest.param('"1":7', '"1":NaN', id="nan"),
        pytest.param('"1":7', '"1":Infinity', id="infinity"),
        pytest.param('"1":7', '"1":"7"', id="number-as-string"),
        pytest.param('"1":7', '"1":true', id="number-as-true"),
        pytest.param('"bw=="', '"bw"', id="base64-unpadded"),
        pytest.param('"bw=="', '"bx=="', id="base64-unused-bits"),
        pytest.param('"bw=="', '"bw==\\n"', id="base64-newline"),
        pytest.param('"bw=="', '"b w=="', id="base64-space"),
        pytest.param('"bw=="', '"-_=="', id="base64-url"),
        pytest.param('"bw=="', '"b\u00fc=="', id="base64-umlaut"),
        pytest.param('"bw=="', "[111]", id="bytes-as-array"),
        pytest.param('"net', '"\\ud800net', id="lone-surrogate"),
        pytest.param('"net', '"\ud800net', id="lone-surrogate-raw"),
        pytest.param('"net', '"\tnet', id="control-character"),
        pytest.param('{"0"', '\ufeff{"0"', id="byte-order-mark"),
        pytest.param('{"0"', '\u00a0{"0"', id="other-space"),
        pytest.param('{"0"', '[{"0"', id="not-closed"),
    ],
)
def test_json_strictness(old: str, new: str) -> None:
    """What the twin's rules refuse is refused."""
    text = FULL.encode_json()
    assert old in text

    assert refused_json(text.replace(old, new, 1))


def test_nothing_follows_the_json_value() -> None:
    """A second value, or anything but white space, is refused."""
    text = FULL.encode_json()

    assert Bundle.decode_json(text + " \n") == FULL
    assert refused_json(text + "{}")
    assert refused_json(text + "\x00")


def test_deep_json_is_refused() -> None:
    """A tower of brackets is an answer of ours, not a crash of the reader."""
    assert refused_json("[" * 200_000)
    assert refused_json('{"0":' + "[" * 100 + "]" * 100 + "}")
