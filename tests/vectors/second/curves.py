"""Ed25519 and ES256 by the rules of docs/spec/statements.md, from the curve equations up.

Slow and plain on purpose: it is what the libraries are judged by. PyNaCl and cryptography confirm
the good signatures.
"""

import hmac
from functools import cache
from hashlib import sha256, sha512

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from nacl.signing import VerifyKey

# ------------------------------------------------------------------ Ed25519
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    """Add two points of the Edwards curve."""
    m = D * a[0] * b[0] * a[1] * b[1] % P
    return (
        (a[0] * b[1] + b[0] * a[1]) * pow(1 + m, -1, P) % P,
        (a[1] * b[1] + a[0] * b[0]) * pow(1 - m, -1, P) % P,
    )


def times(k: int, a: Point) -> Point:
    """Multiply a point."""
    total = IDENTITY
    while k:
        if k & 1:
            total = add(total, a)
        a, k = add(a, a), k >> 1
    return total


def pack(a: Point) -> bytes:
    """Return the canonical encoding."""
    return (a[1] | (a[0] & 1) << 255).to_bytes(32, "little")


def unpack(raw: bytes) -> Point | None:
    """Return the point of a canonical encoding, else None."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y % 2**255
    if y >= P:
        return None
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if x * x % P != xx:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != xx or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else P - x, y)


_BASE = unpack((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
assert _BASE is not None
B: Point = _BASE


def small(a: Point) -> bool:
    """Tell whether 8 times the point is the identity."""
    return times(8, a) == IDENTITY


def ed_listable(raw: bytes) -> bool:
    """Tell whether a key may be listed."""
    point = unpack(raw) if len(raw) == 32 else None
    return point is not None and not small(point)


def ed_scalar(seed: bytes) -> int:
    """Return the secret scalar of a seed."""
    low = int.from_bytes(sha512(seed).digest()[:32], "little") % 2**254
    return low - low % 8 + 2**254


@cache
def ed_public(seed: bytes) -> bytes:
    """Return the public key of a seed."""
    return pack(times(ed_scalar(seed), B))


def challenge(r: bytes, public: bytes, message: bytes) -> int:
    """Return k."""
    return int.from_bytes(sha512(r + public + message).digest(), "little") % L


def ed_sign(seed: bytes, message: bytes) -> bytes:
    """Sign as RFC 8032 does."""
    public, prefix = ed_public(seed), sha512(seed).digest()[32:]
    nonce = int.from_bytes(sha512(prefix + message).digest(), "little") % L
    r = pack(times(nonce, B))
    s = (nonce + challenge(r, public, message) * ed_scalar(seed)) % L
    signature = r + s.to_bytes(32, "little")
    VerifyKey(public).verify(message, signature)
    return signature


def ed_valid(public: bytes, message: bytes, signature: bytes) -> bool:
    """Judge a signature by the rule."""
    a, r = unpack(public), unpack(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L or small(a) or small(r):
        return False
    minus = ((P - a[0]) % P, a[1])
    k = challenge(signature[:32], public, message)
    return pack(add(times(s, B), times(k, minus))) == signature[:32]


# ------------------------------------------------------------------ P-256
Q = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
C = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G: Point = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def w_add(a: Point | None, b: Point | None) -> Point | None:
    """Add two points of P-256; None is infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % Q == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, Q)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, Q)
    x = (slope * slope - a[0] - b[0]) % Q
    return x, (slope * (a[0] - x) - a[1]) % Q


def w_times(k: int, a: Point | None) -> Point | None:
    """Multiply a point of P-256."""
    total = None
    while k:
        if k & 1:
            total = w_add(total, a)
        a, k = w_add(a, a), k >> 1
    return total


def p256_listable(x: int, y: int) -> bool:
    """Tell whether coordinates are a point that may be listed."""
    return x < Q and y < Q and (y * y - x * x * x + 3 * x - C) % Q == 0


def p256_public(scalar: int) -> Point:
    """Return the public point of a scalar."""
    point = w_times(scalar, G)
    assert point is not None
    return point


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def p256_sign_raw(scalar: int, message: bytes) -> tuple[int, int]:
    """Return r and s as RFC 6979 gives them; s may be the larger one."""
    digest = sha256(message).digest()
    e = int.from_bytes(digest, "big")
    seed = scalar.to_bytes(32, "big") + (e % N).to_bytes(32, "big")
    key, value = bytes(32), b"\x01" * 32
    for mark in (b"\0", b"\1"):
        key = _hmac(key, value + mark + seed)
        value = _hmac(key, value)
    while True:
        value = _hmac(key, value)
        k = int.from_bytes(value, "big")
        if 0 < k < N:
            point = w_times(k, G)
            assert point is not None
            r = point[0] % N
            s = pow(k, -1, N) * (e + r * scalar) % N
            if r and s:
                return r, s
        key = _hmac(key, value + b"\0")
        value = _hmac(key, value)


def p256_sign(scalar: int, message: bytes) -> bytes:
    """Return r ‖ s with s at most n/2."""
    r, s = p256_sign_raw(scalar, message)
    numbers = ec.EllipticCurvePublicNumbers(*p256_public(scalar), ec.SECP256R1())
    numbers.public_key().verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    return r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")


def p256_valid(public: Point, message: bytes, signature: bytes) -> bool:
    """Judge a signature by the rule."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s <= N // 2):
        return False
    e = int.from_bytes(sha256(message).digest(), "big")
    w = pow(s, -1, N)
    point = w_add(w_times(e * w % N, G), w_times(r * w % N, public))
    return point is not None and point[0] % N == r
