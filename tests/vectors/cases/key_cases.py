"""keys.json and signatures.json: which keys may be listed, which signatures are valid."""

from typing import Any

from tests.vectors.cases.shape import Case, bad, good
from tests.vectors.second import cbor, curves
from tests.vectors.second.signing import Key
from tests.vectors.second.trees import h

ED = Key("ed", seed=b"\x31" * 32)
EC = Key("ec", scalar=0xC0FFEE)
MESSAGE = b"the signed bytes"


def _order_8() -> curves.Point:
    """Return a point of order 8: L times the first point whose product has it."""
    for y in range(2, 100):
        point = curves.unpack(y.to_bytes(32, "little"))
        if point is not None:
            low = curves.times(curves.L, point)
            if curves.times(4, low) != curves.IDENTITY:
                return low
    raise AssertionError


T8 = _order_8()


def okp(x: bytes) -> bytes:
    """Return COSE bytes of an Ed25519 key."""
    return cbor.encode({1: 1, -1: 6, -2: x})


def ec2(x: int, y: int) -> bytes:
    """Return COSE bytes of a P-256 key."""
    return cbor.encode({1: 2, -1: 1, -2: x.to_bytes(32, "big"), -3: y.to_bytes(32, "big")})


def keys_file() -> dict[str, Any]:
    """Return keys.json."""
    cases: list[Case] = []

    def listable(name: str, reason: str, cose: bytes, curve: str, **more: Any) -> None:
        expect = {"curve": curve, "kid": h(cose)[:16].hex()}
        cases.append(good(name, reason, expect, cose=cose.hex(), **more))

    def refused(name: str, reason: str, cose: bytes) -> None:
        cases.append(bad(name, reason, cose=cose.hex()))

    x, y = curves.p256_public(EC.scalar)
    listable("Ed25519", "from its seed", ED.cose, "Ed25519", seed=ED.seed.hex())
    scalar = EC.scalar.to_bytes(32, "big").hex()
    listable("P-256", "from its scalar", EC.cose, "P-256", scalar=scalar)
    listable("P-256 base point", "scalar 1", ec2(*curves.G), "P-256", scalar=f"{1:064x}")
    public = curves.ed_public(ED.seed)
    point = curves.unpack(public)
    assert point is not None
    mixed = curves.pack(curves.add(point, T8))
    assert curves.ed_listable(mixed)
    listable("Ed25519 of mixed order", "its order is 8 L, not small", okp(mixed), "Ed25519")

    low, seen = T8, set[bytes]()
    for factor in range(8):
        raw = curves.pack(curves.times(factor, low))
        assert not curves.ed_listable(raw)
        assert raw not in seen
        seen.add(raw)
        refused(f"small order {factor}", "8 times the point is the identity", okp(raw))
    for y0 in range(19):
        for sign in (0, 1):
            raw = (curves.P + y0 | sign << 255).to_bytes(32, "little")
            assert not curves.ed_listable(raw)
            if curves.unpack(y0.to_bytes(32, "little")) is not None or y0 < 2:
                refused(f"y = p + {y0}, sign {sign}", "not the canonical encoding", okp(raw))
    refused("x = 0 with sign", "minus zero is not canonical", okp(b"\1" + bytes(30) + b"\x80"))
    refused("y = 2", "no point of the curve has it", okp(_off_curve()))
    refused("31 bytes", "an Ed25519 key has 32", okp(public[:31]))
    refused("33 bytes", "an Ed25519 key has 32", okp(public + b"\0"))
    refused("off the curve", "y + 1", ec2(x, y + 1))
    refused("x above p", "coordinates are below p", ec2(x + curves.Q & 2**256 - 1, y))
    refused("zero", "no point", ec2(0, 0))
    over = cbor.encode({1: 2, -1: 1, -2: x.to_bytes(32, "big"), -3: b"\0" + y.to_bytes(32, "big")})
    refused("y of 33 bytes", "coordinates have 32 bytes", over)
    flag = b"\xa4\x01\x02\x20\x01\x21\x58\x20" + x.to_bytes(32, "big") + b"\x22\xf5"
    refused("compressed", "y is a byte string", flag)
    refused("with alg", "only the required members", cbor.encode({1: 1, 3: -8, -1: 6, -2: public}))
    refused(
        "with kid", "only the required members", cbor.encode({1: 1, 2: b"k", -1: 6, -2: public})
    )
    refused("without crv", "a required member is missing", cbor.encode({1: 1, -2: public}))
    refused("X25519", "crv 4 signs nothing", cbor.encode({1: 1, -1: 4, -2: public}))
    refused("Ed25519 as EC2", "kty 2 with crv 6", cbor.encode({1: 2, -1: 6, -2: public}))
    refused("other order", "labels in order of their bytes", _reordered(ED.cose))
    refused("long head", "deterministic encoding", ED.cose.replace(b"\x58\x20", b"\x59\x00\x20"))
    refused("trailing byte", "nothing follows", ED.cose + b"\0")
    refused("a secret", "d must never be here", cbor.encode({1: 1, -1: 6, -2: public, -4: public}))
    refused("text", "no map", cbor.encode("key"))
    refused("nothing", "no bytes", b"")
    return {
        "about": "docs/spec/statements.md, keys: COSE_Key bytes that may or may not stand in a key "
        "list. `seed` (Ed25519, RFC 8032) or `scalar` (P-256) is the secret, where given.",
        "cases": cases,
    }


def _off_curve() -> bytes:
    y = next(y for y in range(2, 99) if curves.unpack(y.to_bytes(32, "little")) is None)
    return y.to_bytes(32, "little")


def _reordered(cose: bytes) -> bytes:
    """Return an Ed25519 COSE key with crv before kty."""
    return cose[:1] + cose[3:5] + cose[1:3] + cose[5:]


def signatures_file() -> dict[str, Any]:
    """Return signatures.json."""
    cases: list[Case] = []

    def judge(
        name: str,
        reason: str,
        valid: bool,
        alg: int,
        cose: bytes,
        raw: bytes,
        text: bytes = MESSAGE,
    ) -> None:
        make = good if valid else bad
        inputs = {"cose": cose.hex(), "alg": alg, "message": text.hex(), "signature": raw.hex()}
        cases.append(make(name, reason, **inputs))

    _ed25519(judge)
    _es256(judge)
    return {
        "about": "docs/spec/statements.md, which signatures are valid. `message` is what is signed "
        "(the Sig_structure in a statement). Where the key itself may not be listed, refusing the "
        "key is refusing the signature.",
        "cases": cases,
    }


def _ed25519(judge: Any) -> None:
    public, a = curves.ed_public(ED.seed), curves.ed_scalar(ED.seed)

    def ed(
        name: str, reason: str, valid: bool, raw: bytes, key: bytes = public, text: bytes = MESSAGE
    ) -> None:
        assert (len(raw) == 64 and curves.ed_valid(key, text, raw)) is valid, name
        judge(f"Ed25519: {name}", reason, valid, -8, okp(key), raw, text)

    signature = curves.ed_sign(ED.seed, MESSAGE)
    r, s = signature[:32], int.from_bytes(signature[32:], "little")

    def with_s(number: int) -> bytes:
        return r + number.to_bytes(32, "little")

    ed("good", "RFC 8032", True, signature)
    ed("empty message", "RFC 8032", True, curves.ed_sign(ED.seed, b""), text=b"")
    judge("Ed25519: alg -19", "the other number", True, -19, ED.cose, signature)
    judge("Ed25519: alg -7", "the curve decides", False, -7, ED.cose, signature)
    ed("other message", "the equation fails", False, signature, text=MESSAGE + b"!")
    ed("S + L", "S is below L", False, with_s(s + curves.L))
    most = (2**256 - 1 - s) // curves.L
    ed("S + many L", "S is below L", False, with_s(s + most * curves.L))
    ed("S = L", "S is below L", False, with_s(curves.L))
    ed("zero", "R is of small order", False, bytes(64))
    ed("63 bytes", "a signature has 64 bytes", False, signature[:63])
    ed("65 bytes", "a signature has 64 bytes", False, signature + b"\0")
    for byte in (0, 31, 32, 63):
        flipped = bytearray(signature)
        flipped[byte] ^= 1
        ed(f"bit flip in byte {byte}", "the equation fails", False, bytes(flipped))

    def sign_for(r_raw: bytes, nonce: int, key: bytes = public, text: bytes = MESSAGE) -> bytes:
        """Return R with the S that fits a scalar of `a` and a nonce."""
        k = curves.challenge(r_raw, key, text)
        return r_raw + ((nonce + k * a) % curves.L).to_bytes(32, "little")

    identity = curves.pack(curves.IDENTITY)
    ed(
        "R is the identity",
        "the equation holds, but R is of small order",
        False,
        sign_for(identity, 0),
    )
    loose = (curves.P + 1).to_bytes(32, "little")
    ed("R is p + 1", "a non-canonical encoding of the identity", False, sign_for(loose, 0))
    nonce = 12345
    torsion = curves.pack(curves.add(curves.times(nonce, curves.B), T8))
    ed("R + T", "holds only after multiplying by 8", False, sign_for(torsion, nonce))

    # small-order keys: the equation holds for S = nonce whenever k times the key vanishes
    r_free = curves.pack(curves.times(nonce, curves.B))
    free = r_free + nonce.to_bytes(32, "little")
    ed("A is the identity", "anyone can sign for it", False, free, key=identity)
    ed("A is p + 1", "non-canonical and of small order", False, free, key=loose)
    low = curves.pack(T8)
    text = _text_with(lambda t: curves.challenge(r_free, low, t) % 8 == 0)
    ed("A of order 8, k = 0 mod 8", "A is of small order", False, free, key=low, text=text)

    own = curves.unpack(public)
    assert own is not None
    mixed = curves.pack(curves.add(own, T8))
    text = _text_with(lambda t: curves.challenge(r_free, mixed, t) % 8 == 0)
    fits = sign_for(r_free, nonce, mixed, text)
    ed("A + T, k = 0 mod 8", "the equation holds as it stands", True, fits, key=mixed, text=text)
    text = _text_with(lambda t: curves.challenge(r_free, mixed, t) % 8 == 1)
    fits = sign_for(r_free, nonce, mixed, text)
    ed("A + T, k = 1 mod 8", "holds only after multiplying by 8", False, fits, key=mixed, text=text)


def _text_with(holds: Any) -> bytes:
    return next(t for t in (b"try %d" % n for n in range(1000)) if holds(t))


def _es256(judge: Any) -> None:
    def es(
        name: str, reason: str, valid: bool, raw: bytes, key: Any = None, text: bytes = MESSAGE
    ) -> None:
        point = key or curves.p256_public(EC.scalar)
        assert (len(raw) == 64 and curves.p256_valid(point, text, raw)) is valid, name
        judge(f"ES256: {name}", reason, valid, -7, ec2(*point), raw, text)

    def pair(r: int, s: int) -> bytes:
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    signature = curves.p256_sign(EC.scalar, MESSAGE)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    n = curves.N
    es("good", "RFC 6979, s at most n/2", True, signature)
    es("empty message", "RFC 6979", True, curves.p256_sign(EC.scalar, b""), text=b"")
    judge("ES256: alg -9", "the other number", True, -9, EC.cose, signature)
    judge("ES256: alg -8", "the curve decides", False, -8, EC.cose, signature)
    es(
        "n - s",
        "s is at most n/2: nobody makes a second signature from the first",
        False,
        pair(r, n - s),
    )
    es("other message", "the equation fails", False, signature, text=MESSAGE + b"!")
    for name, a, b in (
        ("r = 0", 0, s), ("s = 0", r, 0), ("r = n", n, s), ("s = n", r, n), ("r = s = 0", 0, 0),
        ("r = 1", 1, s), ("s + n", r, (s + n) % 2**256), ("r all ones", 2**256 - 1, s),
        ("s all ones", r, 2**256 - 1),
    ):  # fmt: skip
        es(name, "0 < r < n, 0 < s <= n/2, and the equation", False, pair(a, b))
    es("63 bytes", "a signature has 64 bytes", False, signature[:63])
    es("DER", "r and s, not DER", False, b"\x30\x44\x02\x20" + signature)
    half = n // 2
    for name, wanted, valid in (("s = (n-1)/2", half, True), ("s = (n+1)/2", half + 1, False)):
        key, raw = _with_s(wanted)
        es(name, "the bound itself" if valid else "one above the bound", valid, raw, key)


def _with_s(s: int) -> tuple[curves.Point, bytes]:
    """Return a key and its signature of MESSAGE with that s: the secret follows from a nonce."""
    nonce = 777
    r = curves.p256_public(nonce)[0] % curves.N
    e = int.from_bytes(h(MESSAGE), "big")
    secret = (s * nonce - e) * pow(r, -1, curves.N) % curves.N
    return curves.p256_public(secret), r.to_bytes(32, "big") + s.to_bytes(32, "big")
