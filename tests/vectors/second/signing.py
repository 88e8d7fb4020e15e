"""Keys and statement envelopes of docs/spec/statements.md a second time."""

from dataclasses import dataclass
from typing import Any

from tests.vectors.second import cbor, curves
from tests.vectors.second.trees import h

CONTENT_TYPE = "application/vnd.xinbiao.operation+cbor"


@dataclass(frozen=True)
class Key:
    """A key pair: a seed of Ed25519, or a scalar of P-256."""

    name: str
    seed: bytes = b""
    scalar: int = 0

    @property
    def cose(self) -> bytes:
        """The COSE_Key bytes."""
        if self.seed:
            return cbor.encode({1: 1, -1: 6, -2: curves.ed_public(self.seed)})
        x, y = (n.to_bytes(32, "big") for n in curves.p256_public(self.scalar))
        return cbor.encode({1: 2, -1: 1, -2: x, -3: y})

    @property
    def kid(self) -> bytes:
        """The key id."""
        return h(self.cose)[:16]

    @property
    def alg(self) -> int:
        """The algorithm emitted."""
        return -8 if self.seed else -7

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes."""
        if self.seed:
            return curves.ed_sign(self.seed, message)
        return curves.p256_sign(self.scalar, message)


def header(key: Key, iss: str, sub: str, aud: str, iat: int, **more: Any) -> dict[int, Any]:
    """Return the protected header; `exp` and `alg` may be given."""
    claims = {1: iss, 2: sub, 3: aud, 6: iat}
    if "exp" in more:
        claims[4] = more["exp"]
    return {1: more.get("alg", key.alg), 3: CONTENT_TYPE, 4: key.kid, 15: claims}


def signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure."""
    return cbor.encode(["Signature1", protected, b"", payload])


def envelope(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """Return the statement."""
    return b"\xd2\x84" + b"".join(
        (cbor.data(protected), b"\xa0", cbor.data(payload), cbor.data(signature))
    )


def statement(key: Key, payload: Any, head: dict[int, Any]) -> bytes:
    """Sign a payload (a value, or its bytes) under a header."""
    protected = cbor.encode(head)
    body = payload if isinstance(payload, bytes) else cbor.encode(payload)
    return envelope(protected, body, key.sign(signed_bytes(protected, body)))
