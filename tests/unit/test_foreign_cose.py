"""The COSE working group's own vectors, judged by our keys and our statement parser.

The vectors cover far more than we speak (MACs, encryption, other curves). What they settle for us: our keys accept the
signatures that others made and refuse what others changed, our Sig_structure is theirs, and no foreign message passes
for a statement. One rule of ours is stricter than theirs: of the two ES256 signatures that satisfy the equation, only the
one with the small s is valid, so that nobody can make a second signature out of a first.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
import pytest

from ledger.core import encoding, keys, statement
from ledger.errors import KeyFormatError, Rejection, RejectionCode

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SIGNED_FOLDERS = ("sign1-tests", "eddsa-examples", "ecdsa-examples")


@dataclass(frozen=True, kw_only=True)
class Vector:
    """One signer of one vector: what was received, and whether its authors call it sound."""

    name: str
    curve: str
    key: dict[str, str]
    algorithm: object
    message: bytes
    """The bytes that the receiver of the message sees signed."""
    signature: bytes
    published_message: bytes
    sound: bool


def vectors(folder: Path) -> list[Vector]:
    """All signers of all vectors of the folders that are about signatures."""
    found: list[Vector] = []
    for path in sorted(p for name in SIGNED_FOLDERS for p in (folder / name).glob("*.json")):
        case = json.loads(path.read_text())
        decoded = cbor2.loads(bytes.fromhex(case["output"]["cbor"]))
        body = decoded.value if isinstance(decoded, cbor2.CBORTag) else decoded
        if "sign0" in case["input"]:
            found.append(_single(path.stem, case, body))
        else:
            found += _several(path.stem, case, body)
    return found


def _single(name: str, case: dict[str, Any], body: list[Any]) -> Vector:
    signer = case["input"]["sign0"]
    protected, unprotected, payload, signature = body
    return _vector(
        name,
        signer,
        case["intermediates"],
        headers=(protected, unprotected),
        structure=["Signature1", _bare(protected), _external(signer), payload],
        signature=signature,
        fail=bool(case.get("fail")),
    )


def _several(name: str, case: dict[str, Any], body: list[Any]) -> list[Vector]:
    protected, _, payload, signatures = body
    signers = case["input"]["sign"]["signers"]
    rows = zip(signers, case["intermediates"]["signers"], signatures, strict=True)
    return [
        _vector(
            f"{name}:{number}",
            signer,
            between,
            headers=(its_protected, its_unprotected),
            structure=[
                "Signature",
                _bare(protected),
                _bare(its_protected),
                _external(signer),
                payload,
            ],
            signature=signature,
            fail=bool(case.get("fail")),
        )
        for number, (signer, between, (its_protected, its_unprotected, signature)) in enumerate(
            rows
        )
    ]


def _vector(
    name: str,
    signer: dict[str, Any],
    between: dict[str, Any],
    *,
    headers: tuple[bytes, dict[int, Any]],
    structure: list[Any],
    signature: bytes,
    fail: bool,
) -> Vector:
    protected, unprotected = headers
    merged = {**unprotected, **(cbor2.loads(protected) if protected else {})}
    return Vector(
        name=name,
        curve=signer["key"]["crv"],
        key=signer["key"],
        algorithm=merged.get(1),
        message=encoding.encode(structure),
        signature=signature,
        published_message=bytes.fromhex(between["ToBeSign_hex"]),
        sound=not fail,
    )


def _bare(protected: bytes) -> bytes:
    """An empty protected map is signed as the empty byte string (RFC 9052, 4.4)."""
    return b"" if protected == b"\xa0" else protected


def _external(signer: dict[str, Any]) -> bytes:
    return bytes.fromhex(signer.get("external", ""))


def _coordinate(key: dict[str, str], name: str) -> bytes:
    if f"{name}_hex" in key:
        return bytes.fromhex(key[f"{name}_hex"])
    text = key[name]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cose_key(key: dict[str, str]) -> bytes:
    """The vector's key as the RFC 9679 required members in deterministic CBOR."""
    if key["crv"] in ("Ed25519", "Ed448"):
        number = 6 if key["crv"] == "Ed25519" else 7
        return cbor2.dumps({1: 1, -1: number, -2: _coordinate(key, "x")})
    number = {"P-256": 1, "P-384": 2, "P-521": 3}[key["crv"]]
    return cbor2.dumps({1: 2, -1: number, -2: _coordinate(key, "x"), -3: _coordinate(key, "y")})


@pytest.fixture
def signed(shared_data: Path) -> list[Vector]:
    found = vectors(shared_data / "cose_examples")
    assert len(found) == 21, "the published set changed"
    return found


def test_our_sig_structure_is_the_published_one(signed: list[Vector]) -> None:
    sound = [v for v in signed if v.sound]
    assert len(sound) == 15
    for vector in sound:
        assert vector.message == vector.published_message, vector.name


def test_a_published_signature_is_valid_exactly_where_its_authors_and_our_small_s_rule_say_so(
    signed: list[Vector],
) -> None:
    judged = 0
    for vector in signed:
        if vector.curve not in ("Ed25519", "P-256") or vector.algorithm not in (-7, -8):
            continue
        if vector.name == "sign-fail-01":
            continue  # the signature is right and the tag is wrong: the statement parser's business
        key = keys.public_from_cose(cose_key(vector.key))
        small_s = vector.curve == "Ed25519" or (
            int.from_bytes(vector.signature[32:], "big") <= P256_ORDER // 2
        )
        assert isinstance(vector.algorithm, int)
        accepted = key.verify(vector.signature, vector.message, vector.algorithm)
        assert accepted == (vector.sound and small_s), vector.name
        judged += 1
    assert judged >= 9


def test_an_algorithm_that_is_not_the_curves_own_is_refused(signed: list[Vector]) -> None:
    es512 = [v for v in signed if v.curve == "P-256" and v.algorithm == -36]
    assert [v.name for v in es512] == ["ecdsa-04:0", "ecdsa-sig-04"]
    for vector in es512:
        key = keys.public_from_cose(cose_key(vector.key))
        assert not key.verify(vector.signature, vector.message, -36), vector.name


def test_keys_of_other_curves_cannot_be_listed(signed: list[Vector]) -> None:
    others = [v for v in signed if v.curve not in ("Ed25519", "P-256")]
    assert {v.curve for v in others} == {"Ed448", "P-384", "P-521"}
    for vector in others:
        with pytest.raises(KeyFormatError):
            keys.public_from_cose(cose_key(vector.key))


def test_no_published_cose_message_passes_for_a_statement(shared_data: Path) -> None:
    files = sorted((shared_data / "cose_examples").rglob("*.json"))
    seen = 0
    for path in files:
        message = json.loads(path.read_text()).get("output", {}).get("cbor")
        if not isinstance(message, str):
            continue
        with pytest.raises(Rejection) as caught:
            statement.parse(bytes.fromhex(message))
        assert caught.value.code is RejectionCode.MALFORMED, path.name
        seen += 1
    assert seen >= 290
