"""Keys and signatures at their edges: what may be listed, what is valid §mal, and PEM.

The edge vectors of both curves are in tests/vectors (test_vectors.py); here is what a single
implementer could get wrong around them.
"""

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519

from ledger.core import encoding, keys
from ledger.core.keys import PrivateKey
from ledger.errors import KeyFormatError

ED = keys.private_from_seed(keys.ED25519, bytes(range(32)))
EC = keys.private_from_seed(keys.P256, bytes(range(32)))
BOTH = pytest.mark.parametrize("key", [ED, EC], ids=["Ed25519", "P-256"])
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
MESSAGE = b"\x84\x6aSignature1"


def cose(members: dict[int, object]) -> bytes:
    """Return COSE key bytes."""
    return encoding.encode(members)


# ---- what may be listed


@BOTH
def test_a_listed_key_is_its_cose_bytes_and_their_hash(key: PrivateKey) -> None:
    """kid = H(COSE_Key bytes)[:16]; reading the bytes gives the key back."""
    public = key.public

    assert public.kid == sha256(public.cose).digest()[:16]
    assert keys.public_from_cose(public.cose) == public
    assert keys.public_from_pem(public.to_pem().encode()) == public


@pytest.mark.parametrize("member", [1, -1])
def test_true_is_not_one(member: int) -> None:
    """§mal: {1: true, …} equals {1: 1, …} in Python; it would list one key under two kids."""
    ed: dict[int, object] = {1: 1, -1: 6, -2: ED.public.raw()}
    numbers = encoding.decode_header(EC.public.cose)
    for members in (ed, numbers):
        if members[member] == 1:
            with pytest.raises(KeyFormatError):
                keys.public_from_cose(cose(members | {member: True}))


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({1: 1, -1: 6}, id="no-x"),
        pytest.param({1: 1, -1: 6, -2: bytes(31)}, id="short-x"),
        pytest.param({1: 1, -1: 6, -2: "x" * 32}, id="text-x"),
        pytest.param({1: 1, 3: -8, -1: 6, -2: ED.public.raw()}, id="with-alg"),
        pytest.param({1: 1, -1: 6, -2: ED.public.raw(), -4: bytes(32)}, id="private"),
        pytest.param({1: 1, -1: 4, -2: ED.public.raw()}, id="x25519"),
        pytest.param({1: 2, -1: 6, -2: ED.public.raw()}, id="kty-of-the-other"),
        pytest.param({1: 2, -1: 1, -2: bytes(32), -3: True}, id="compressed"),
        pytest.param({1: 2, -1: 1, -2: bytes(32), -3: bytes(32)}, id="off-the-curve"),
        pytest.param({1: 2, -1: 2, -2: bytes(32), -3: bytes(32)}, id="p-384"),
        pytest.param({1: 1, -1: 6, -2: (1).to_bytes(32, "little")}, id="identity"),
        pytest.param({1: 1, -1: 6, -2: (P - 1).to_bytes(32, "little")}, id="order-2"),
        pytest.param({1: 1, -1: 6, -2: bytes(32)}, id="order-4"),
        pytest.param({1: 1, -1: 6, -2: P.to_bytes(32, "little")}, id="y-is-p"),
        pytest.param({1: 1, -1: 6, -2: (P + 3).to_bytes(32, "little")}, id="y-above-p"),
        pytest.param({1: 1, -1: 6, -2: (1 | 1 << 255).to_bytes(32, "little")}, id="minus-zero"),
        pytest.param({1: 1, -1: 6, -2: (2).to_bytes(32, "little")}, id="no-point"),
    ],
)
def test_what_cannot_meet_the_rule_cannot_be_listed(members: dict[int, object]) -> None:
    """Exactly the members of RFC 9679, and a canonical point of large order."""
    with pytest.raises(KeyFormatError):
        keys.public_from_cose(cose(members))


@pytest.mark.parametrize("coordinate", [-2, -3])
def test_a_p256_coordinate_lies_below_p(coordinate: int) -> None:
    """A coordinate plus p is the same residue in other bytes."""
    members = encoding.decode_header(EC.public.cose)
    for offset in (0, 1):
        wrong = members | {coordinate: (P256_P + offset).to_bytes(32, "big")}
        with pytest.raises(KeyFormatError):
            keys.public_from_cose(cose(wrong))


@pytest.mark.parametrize(
    "data", [b"", b"\xa0", b"\x00", b"\xf6", b"\xff" * 40, b"\x80", b"\xa3\x01\x01\x20\x06\x21"]
)
def test_other_bytes_are_no_key(data: bytes) -> None:
    """No other exception, whatever the bytes."""
    with pytest.raises(KeyFormatError):
        keys.public_from_cose(data)


@BOTH
def test_members_in_another_order_are_another_encoding(key: PrivateKey) -> None:
    """§mal: one key, one byte form: a trailing byte, a long head, another order are refused."""
    good = key.public.cose
    swapped = good[:1] + good[3:5] + good[1:3] + good[5:]
    for wrong in (good + b"\x00", swapped, good.replace(b"\x58\x20", b"\x59\x00\x20", 1)):
        with pytest.raises(KeyFormatError):
            keys.public_from_cose(wrong)


# ---- what is valid


@BOTH
def test_a_signature_is_valid_for_its_message_key_and_curve(key: PrivateKey) -> None:
    """The old and the new number of the curve; nothing of the other curve; not another length."""
    signature = key.sign(MESSAGE)
    others = {number for numbers in keys.ALGORITHMS.values() for number in numbers}

    for number in others:
        expected = number in keys.ALGORITHMS[key.public.curve]
        assert key.public.verify(signature, MESSAGE, number) is expected
    assert not key.public.verify(signature, MESSAGE + b"x", key.algorithm)
    assert not key.public.verify(signature[:-1], MESSAGE, key.algorithm)
    assert not key.public.verify(signature + b"\0", MESSAGE, key.algorithm)
    assert not key.public.verify(b"", MESSAGE, key.algorithm)
    for wrong in (-65537, 0, 1, -6):
        assert not key.public.verify(signature, MESSAGE, wrong)


@BOTH
def test_no_bit_of_a_signature_is_free(key: PrivateKey) -> None:
    """§mal: every flipped bit of 512 makes it invalid."""
    signature = key.sign(MESSAGE)
    for bit in range(512):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not key.public.verify(bytes(flipped), MESSAGE, key.algorithm)


@BOTH
def test_signing_is_deterministic(key: PrivateKey) -> None:
    """RFC 8032 and RFC 6979: no randomness in the core."""
    assert key.sign(MESSAGE) == key.sign(MESSAGE)


def test_an_ed25519_s_is_below_the_group_order() -> None:
    """S + L satisfies the equation and is refused."""
    signature = ED.sign(MESSAGE)
    s = int.from_bytes(signature[32:], "little")
    for forged in (s + L, s + 2 * L, s + 7 * L):
        raw = signature[:32] + forged.to_bytes(32, "little")
        assert not ED.public.verify(raw, MESSAGE, -8)


def test_es256_takes_the_lower_s_only() -> None:
    """We emit s ≤ ⌊n/2⌋; n − s satisfies ECDSA and is refused; so are 0 and n."""
    for number in range(20):
        message = bytes((number,))
        signature = EC.sign(message)
        r, s = signature[:32], int.from_bytes(signature[32:], "big")
        assert 0 < s <= N // 2
        assert EC.public.verify(signature, message, -7)
        assert not EC.public.verify(r + (N - s).to_bytes(32, "big"), message, -7)
    message, signature = MESSAGE, EC.sign(MESSAGE)
    for half in (0, N, N + 1, 2**256 - 1):
        raw = half.to_bytes(32, "big")
        assert not EC.public.verify(raw + signature[32:], message, -7)
        assert not EC.public.verify(signature[:32] + raw, message, -7)


def test_an_ed25519_r_of_small_order_is_refused() -> None:
    """R = identity with S = 0 would be a universal signature under a small key; here it is none."""
    for encoded in (1, P - 1, 0, 1 | 1 << 255, P, P + 1):
        raw = encoded.to_bytes(32, "little") + bytes(32)
        assert not ED.public.verify(raw, MESSAGE, -8)


# ---- private keys and PEM


@BOTH
@pytest.mark.parametrize("passphrase", [None, b"correct horse"], ids=["open", "encrypted"])
def test_a_private_key_survives_pem(key: PrivateKey, passphrase: bytes | None) -> None:
    """The key read back is the same and signs the same."""
    found = keys.private_from_pem(key.to_pem(passphrase).encode(), passphrase)

    assert found.public == key.public
    assert found.sign(MESSAGE) == key.sign(MESSAGE)


@BOTH
def test_a_wrong_passphrase_is_our_error(key: PrivateKey) -> None:
    """Wrong, missing, or given where none is needed."""
    encrypted, plain = key.to_pem(b"one").encode(), key.to_pem(None).encode()
    for pem, passphrase in ((encrypted, b"two"), (encrypted, None), (plain, b"one")):
        with pytest.raises(KeyFormatError):
            keys.private_from_pem(pem, passphrase)


def test_keys_of_other_kinds_are_named() -> None:
    """RSA, X25519, P-384: the message says what to use."""
    for other in (
        rsa.generate_private_key(65537, 1024),
        x25519.X25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP384R1()),
    ):
        private = other.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public = other.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(KeyFormatError, match="use Ed25519 or P-256"):
            keys.private_from_pem(private, None)
        with pytest.raises(KeyFormatError, match="use Ed25519 or P-256"):
            keys.public_from_pem(public)


@pytest.mark.parametrize(
    "pem",
    [b"", b"\xff\xfe", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
     b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"x" * 20_000],
    ids=["empty", "no-text", "empty-body", "no-asn1", "too-long"],
)  # fmt: skip
def test_what_is_no_pem_is_our_error(pem: bytes) -> None:
    """As a public and as a private key."""
    with pytest.raises(KeyFormatError):
        keys.public_from_pem(pem)
    with pytest.raises(KeyFormatError):
        keys.private_from_pem(pem, None)


@pytest.mark.parametrize("curve", [keys.ED25519, keys.P256])
def test_a_seed_is_32_bytes(curve: str) -> None:
    """Any 32 bytes give a key, the extremes too; another length or curve gives none."""
    for seed in (bytes(32), b"\xff" * 32):
        key = keys.private_from_seed(curve, seed)
        assert key.public.verify(key.sign(MESSAGE), MESSAGE, key.algorithm)
    for seed in (b"", bytes(31), bytes(33)):
        with pytest.raises(KeyFormatError):
            keys.private_from_seed(curve, seed)
    with pytest.raises(KeyFormatError):
        keys.private_from_seed("P-384", bytes(32))


def test_only_an_ed25519_key_has_raw_bytes() -> None:
    """Signed notes carry them; a P-256 key cannot stand there."""
    assert keys.public_from_ed25519(ED.public.raw()) == ED.public
    with pytest.raises(KeyFormatError):
        EC.public.raw()
    with pytest.raises(KeyFormatError):
        keys.public_from_ed25519(bytes(32))


def test_private_keys_are_not_printed() -> None:
    """repr shows the public half only."""
    assert "_backend" not in repr(ED)
    assert "SigningKey" not in repr(ED)
