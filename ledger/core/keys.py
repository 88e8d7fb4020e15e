"""Public and private keys: what may be listed, what counts as a valid signature, and PEM.

Theory of operation: validity is consensus, so there is one rule per suite (docs/spec/statements.md,
algorithms), whatever the back end thinks:

* **Ed25519**: S < L; A and R canonical and not of small order; [S]B = R + [k]A compared by bytes.
  That is libsodium's rule, so PyNaCl judges signatures. OpenSSL's differs at the edges and is not
  asked.
* **ES256**: 1 ≤ r < n and 1 ≤ s ≤ n/2 (so that nobody can make a second signature from the first);
  `cryptography` does the curve.

A key that cannot meet its rule cannot be listed: `public_from_cose` refuses it. A key travels as the
deterministic CBOR of its RFC 9679 required members; `kid` is the first 16 bytes of its SHA-256. The
curve decides the algorithm: the old and the new COSE number are both valid, we emit −8 and −7.

A suite is one entry of `_SUITES`. No randomness here: seeds come from the caller, ES256 signs
deterministically (RFC 6979).
"""

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from ledger.core import encoding
from ledger.errors import EncodingError, KeyFormatError

ED25519: Final = "Ed25519"
P256: Final = "P-256"
KID_BYTES: Final = 16
SIGNATURE_BYTES: Final = 64
PEM_BYTES_MAX: Final = 16_384
_ED25519_HEAD: Final = bytes.fromhex("a301012006")  # {1: 1, -1: 6, …
_P256_HEAD: Final = bytes.fromhex("a401022001")  # {1: 2, -1: 1, …
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_SQRT_M1: Final = pow(2, (_P - 1) // 4, _P)
_N256: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_KEYS_CACHED_MAX: Final = 4096

ALGORITHMS: Final[dict[str, tuple[int, ...]]] = {ED25519: (-8, -19), P256: (-7, -9)}
"""COSE algorithm numbers per curve, the one we emit first (RFC 9053, RFC 9864)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A listed key.

    Attributes:
        cose: Deterministic CBOR of the RFC 9679 required members.
        kid: First 16 bytes of the SHA-256 of `cose`.
        curve: `Ed25519` or `P-256`.
    """

    cose: bytes
    kid: bytes
    curve: str
    _backend: Any = field(repr=False, compare=False)

    @property
    def algorithms(self) -> tuple[int, ...]:
        """COSE algorithm numbers this key may sign under."""
        return ALGORITHMS[self.curve]

    def verify(self, signature: bytes, message: bytes, algorithm: int) -> bool:
        """Tell whether `signature` (64 bytes) is valid for `message` under this key's rule."""
        if len(signature) != SIGNATURE_BYTES or algorithm not in self.algorithms:
            return False
        if self.curve == ED25519:
            return _verify_ed25519(self._backend, signature, message)
        return _verify_es256(self._backend, signature, message)

    def raw(self) -> bytes:
        """Return the 32 bytes of an Ed25519 key, as signed notes carry them.

        Raises:
            KeyFormatError: It is a P-256 key.
        """
        if self.curve != ED25519:
            raise KeyFormatError(f"an {ED25519} key is wanted, not {self.curve}")
        return bytes(self._backend)

    def to_pem(self) -> str:
        """Return the key as SubjectPublicKeyInfo PEM."""
        if self.curve == ED25519:
            public: Any = ed25519.Ed25519PublicKey.from_public_bytes(bytes(self._backend))
        else:
            public = self._backend
        pem: bytes = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return pem.decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """A signing key.

    Attributes:
        public: Its public half.
    """

    public: PublicKey
    _backend: Any = field(repr=False, compare=False)

    @property
    def algorithm(self) -> int:
        """The COSE algorithm number this key emits."""
        return self.public.algorithms[0]

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes: R ‖ S, or r ‖ s with s ≤ n/2."""
        if self.public.curve == ED25519:
            return bytes(self._backend.sign(message).signature)
        der = self._backend.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return r.to_bytes(32, "big") + min(s, _N256 - s).to_bytes(32, "big")

    def to_pem(self, passphrase: bytes | None) -> str:
        """Return PKCS#8 PEM, encrypted (PBES2, AES-256-CBC) when a passphrase is given."""
        if self.public.curve == ED25519:
            private: Any = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(self._backend))
        else:
            private = self._backend
        how: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            how = serialization.BestAvailableEncryption(passphrase)
        pem: bytes = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how
        )
        return pem.decode()


@lru_cache(maxsize=_KEYS_CACHED_MAX)
def public_from_cose(data: bytes) -> PublicKey:
    """Read a COSE_Key, refusing what may not be listed.

    Raises:
        KeyFormatError: Not a deterministic COSE_Key of a known suite, or a key whose signatures
            could not meet the suite's rule (small order, non-canonical, off the curve).
    """
    try:
        members = encoding.decode_header(data)
    except EncodingError as error:
        raise KeyFormatError(f"COSE key: {error}") from None
    # Compared as bytes: the value true equals 1, and would give one key a second kid.
    if isinstance(members, dict):
        if data.startswith(_ED25519_HEAD) and members.keys() == {1, -1, -2}:
            return _public_ed25519(data, members[-2])
        if data.startswith(_P256_HEAD) and members.keys() == {1, -1, -2, -3}:
            return _public_p256(data, members[-2], members[-3])
    raise KeyFormatError("COSE key: neither Ed25519 {1,-1,-2} nor P-256 {1,-1,-2,-3} members")


def public_from_ed25519(raw: bytes) -> PublicKey:
    """Return the public key for 32 raw Ed25519 bytes.

    Raises:
        KeyFormatError: The bytes are no acceptable key.
    """
    return public_from_cose(encoding.encode({1: 1, -1: 6, -2: raw}))


def public_from_pem(pem: bytes) -> PublicKey:
    """Read SubjectPublicKeyInfo PEM.

    Raises:
        KeyFormatError: Not PEM, too long, or a key of another kind.
    """
    if len(pem) > PEM_BYTES_MAX:
        raise KeyFormatError(f"public key file is over {PEM_BYTES_MAX} bytes")
    try:
        public = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFormatError(f"not a PEM public key: {error}") from None
    return _public_of(public)


def private_from_seed(curve: str, seed: bytes) -> PrivateKey:
    """Derive a key from 32 random bytes: the Ed25519 seed, or the P-256 scalar mod n−1 plus 1.

    Raises:
        KeyFormatError: Unknown curve, or a seed that is not 32 bytes.
    """
    if len(seed) != 32:
        raise KeyFormatError(f"a seed is 32 bytes, not {len(seed)}")
    if curve == ED25519:
        signing = SigningKey(seed)
        return PrivateKey(public=public_from_ed25519(bytes(signing.verify_key)), _backend=signing)
    if curve == P256:
        scalar = int.from_bytes(seed, "big") % (_N256 - 1) + 1
        return _private_p256(ec.derive_private_key(scalar, ec.SECP256R1()))
    raise KeyFormatError(f"unknown curve {curve!r}: use {ED25519} or {P256}")


def private_from_pem(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    """Read a PKCS#8 PEM key, decrypting it when a passphrase is given.

    Raises:
        KeyFormatError: Wrong passphrase, not PEM, too long, or a key of another kind.
    """
    if len(pem) > PEM_BYTES_MAX:
        raise KeyFormatError(f"key file is over {PEM_BYTES_MAX} bytes")
    try:
        private = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFormatError(f"cannot open the private key: {error}") from None
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private_from_seed(ED25519, private.private_bytes_raw())
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return _private_p256(private)
    raise KeyFormatError(f"a {type(private).__name__} cannot sign here: use Ed25519 or P-256")


def is_ed25519_listable(raw: bytes) -> bool:
    """Tell whether 32 bytes are a canonical Ed25519 point that is not of small order."""
    if len(raw) != 32:
        return False
    # libsodium's test is stricter (it wants the prime-order subgroup) and twenty times faster: what
    # it accepts is listable, what it refuses is looked at here.
    if crypto_core_ed25519_is_valid_point(raw):
        return True
    point = _decompress(raw)
    return point is not None and not _has_small_order(point)


def _public_of(public: Any) -> PublicKey:
    if isinstance(public, ed25519.Ed25519PublicKey):
        return public_from_ed25519(public.public_bytes_raw())
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
        numbers = public.public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return public_from_cose(encoding.encode({1: 2, -1: 1, -2: x, -3: y}))
    raise KeyFormatError(f"a {type(public).__name__} cannot be listed: use Ed25519 or P-256")


def _private_p256(private: ec.EllipticCurvePrivateKey) -> PrivateKey:
    return PrivateKey(public=_public_of(private.public_key()), _backend=private)


def _public_ed25519(cose: bytes, raw: object) -> PublicKey:
    if not isinstance(raw, bytes) or not is_ed25519_listable(raw):
        raise KeyFormatError("Ed25519 key: not 32 bytes of a canonical point of large order")
    return PublicKey(
        cose=cose, kid=sha256(cose).digest()[:KID_BYTES], curve=ED25519, _backend=VerifyKey(raw)
    )


def _public_p256(cose: bytes, x: object, y: object) -> PublicKey:
    if not (isinstance(x, bytes) and isinstance(y, bytes) and len(x) == len(y) == 32):
        raise KeyFormatError("P-256 key: x and y are 32 bytes each")
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
    )
    try:
        backend = numbers.public_key()
    except ValueError:
        raise KeyFormatError("P-256 key: the point is not on the curve") from None
    return PublicKey(cose=cose, kid=sha256(cose).digest()[:KID_BYTES], curve=P256, _backend=backend)


def _verify_ed25519(backend: VerifyKey, signature: bytes, message: bytes) -> bool:
    try:
        backend.verify(message, signature)
    except BadSignatureError:
        return False
    return True


def _verify_es256(backend: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if not (0 < r < _N256 and 0 < s <= _N256 // 2):
        return False
    try:
        backend.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _decompress(raw: bytes) -> tuple[int, int] | None:
    """Return the affine point, or None when the encoding is not canonical (RFC 8032 §5.1.3)."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= _P:
        return None
    x2 = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(x2, (_P + 3) // 8, _P)
    if (x * x - x2) % _P:
        x = x * _SQRT_M1 % _P
    if (x * x - x2) % _P or (x == 0 and sign):
        return None
    return (_P - x if x & 1 != sign else x), y


def _has_small_order(point: tuple[int, int]) -> bool:
    """Tell whether 8 times the point is the identity."""
    for _ in range(3):
        x, y = point
        product = _D * x * x * y * y % _P
        point = (
            2 * x * y * pow(1 + product, -1, _P) % _P,
            (y * y + x * x) * pow(1 - product, -1, _P) % _P,
        )
    return point == (0, 1)
