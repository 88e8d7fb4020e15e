"""A statement: an operation in a COSE_Sign1 envelope that has exactly one byte form.

Theory of operation (docs/spec/statements.md, RFC 9052 §4):

    entry = D2 84 ‖ bstr(protected) ‖ A0 ‖ bstr(payload) ‖ 58 40 ‖ signature[64]

The entry is what the log hashes, so nothing in it may be malleable: heads are shortest, the
unprotected map is empty, the protected header holds exactly alg, content type, kid and the CWT
claims iss, sub, aud, ? exp, iat. A submission may carry receipts in its unprotected map (394); they
are replaced by A0 before anything is hashed (`normalise`).

`parse` is total and stateless: it answers a Statement or a Rejection (`malformed`). Whether the key
may say what it says is the state machine's question (`state`).
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from ledger.core import encoding
from ledger.core.encoding import read_head
from ledger.core.keys import ALGORITHMS, KID_BYTES, SIGNATURE_BYTES, PrivateKey, PublicKey
from ledger.errors import EncodingError, Rejection, RejectionCode

CONTENT_TYPE: Final = "application/vnd.xinbiao.operation+cbor"
STATEMENT_BYTES_MAX: Final = 65_535  # the entry bundles of tlog-tiles have 2-byte lengths
ANCHOR_BYTES_MAX: Final = 4_096
NETWORK_NAME_BYTES_MAX: Final = 128
IDENTIFIER_BYTES_MAX: Final = 512
_ALGORITHMS: Final = {number for numbers in ALGORITHMS.values() for number in numbers}
_TAG_AND_ARRAY: Final = b"\xd2\x84"
_EMPTY_MAP: Final = 0xA0
_SIGNATURE_HEAD: Final = b"\x58\x40"
_RECEIPTS: Final = 394
_RECEIPTS_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A parsed envelope; the payload is not yet understood.

    Attributes:
        raw: The entry's bytes, as logged.
        hash: SHA-256 of `raw`, by which anchors chain and resubmissions are recognised.
        alg: COSE algorithm number.
        kid: 16 bytes.
        iss: Prefix (or network) whose key list holds `kid`.
        sub: What the operation is about.
        aud: Name of the network it is for.
        exp: Unix seconds after which it may not enter a block, or None.
        iat: Unix seconds, informative.
        payload: The operation's bytes.
    """

    raw: bytes
    hash: bytes
    alg: int
    kid: bytes
    iss: str
    sub: str
    aud: str
    exp: int | None
    iat: int
    payload: bytes
    protected: bytes

    def is_signed_by(self, key: PublicKey) -> bool:
        """Tell whether the signature is `key`'s, under the rule of its suite."""
        message = signed_bytes(self.protected, self.payload)
        return key.verify(self.raw[-SIGNATURE_BYTES:], message, self.alg)


def sign(
    payload: bytes,
    *,
    key: PrivateKey,
    iss: str,
    sub: str,
    aud: str,
    iat: int,
    exp: int | None = None,
) -> bytes:
    """Return the entry for an operation.

    Args:
        payload: The operation's bytes (`operation.encode`).
        key: Signs, and gives alg and kid.
        iss: The prefix in whose key list the key stands.
        sub: What the operation is about (docs/spec/statements.md, table of operations).
        aud: The network's name.
        iat: Unix seconds.
        exp: Unix seconds, or None for no expiry.
    """
    claims: dict[int, Any] = {1: iss, 2: sub, 3: aud, 4: exp, 6: iat}
    if exp is None:
        del claims[4]
    protected = encoding.encode({1: key.algorithm, 3: CONTENT_TYPE, 4: key.public.kid, 15: claims})
    signature = key.sign(signed_bytes(protected, payload))
    return b"".join(
        (
            _TAG_AND_ARRAY,
            encoding.head(2, len(protected)),
            protected,
            bytes((_EMPTY_MAP,)),
            encoding.head(2, len(payload)),
            payload,
            _SIGNATURE_HEAD,
            signature,
        )
    )


def signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure: ["Signature1", protected, h'', payload] (RFC 9052 §4.4)."""
    return b"".join(
        (
            b"\x84\x6aSignature1",
            encoding.head(2, len(protected)),
            protected,
            b"\x40",
            encoding.head(2, len(payload)),
            payload,
        )
    )


def parse(raw: bytes) -> Statement:
    """Read an entry.

    Raises:
        Rejection: `malformed`, with the part and the rule broken.
    """
    if len(raw) > STATEMENT_BYTES_MAX:
        raise _malformed(f"envelope: {len(raw)} bytes, at most {STATEMENT_BYTES_MAX}")
    try:
        protected, payload = _split(raw)
        header = encoding.decode_header(protected)
    except EncodingError as error:
        raise _malformed(f"envelope: {error}") from None
    _check_header(header)
    claims = header[15]
    return Statement(
        raw=raw,
        hash=sha256(raw).digest(),
        alg=header[1],
        kid=header[4],
        iss=claims[1],
        sub=claims[2],
        aud=claims[3],
        exp=claims.get(4),
        iat=claims[6],
        payload=payload,
        protected=protected,
    )


def normalise(submission: bytes) -> bytes:
    """Return the entry for a submission, whose unprotected map may carry receipts (RFC 9943).

    Bytes that are no such submission come back unchanged, for `parse` to refuse.
    """
    try:
        if submission[:2] != _TAG_AND_ARRAY:
            return submission
        major, length, start = read_head(submission, 2)
        end = start + length
        if major != 2 or end >= len(submission) or submission[end] != 0xA1:
            return submission
        after = _skip_receipts(submission, end)
    except EncodingError:
        return submission
    return submission[:end] + bytes((_EMPTY_MAP,)) + submission[after:]


def is_network_name(name: object) -> bool:
    """Tell whether `name` may name a network: 1–128 printable ASCII bytes, no space, no `+`."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= NETWORK_NAME_BYTES_MAX
        and all("!" <= character <= "~" and character != "+" for character in name)
    )


def _split(raw: bytes) -> tuple[bytes, bytes]:
    if raw[:2] != _TAG_AND_ARRAY:
        raise EncodingError(0, "not a tagged COSE_Sign1 (D2 84)")
    protected, position = _byte_string(raw, 2)
    if raw[position : position + 1] != bytes((_EMPTY_MAP,)):
        raise EncodingError(position, "the unprotected map is not empty (A0)")
    payload, position = _byte_string(raw, position + 1)
    if raw[position : position + 2] != _SIGNATURE_HEAD:
        raise EncodingError(position, "the signature is not a byte string of 64")
    if len(raw) != position + 2 + SIGNATURE_BYTES:
        raise EncodingError(position + 2, "the signature is not followed by the end")
    return protected, payload


def _byte_string(raw: bytes, position: int) -> tuple[bytes, int]:
    major, length, start = read_head(raw, position)
    if major != 2:
        raise EncodingError(position, "not a byte string")
    if start + length > len(raw):
        raise EncodingError(position, "the byte string is cut off")
    return raw[start : start + length], start + length


def _skip_receipts(raw: bytes, position: int) -> int:
    """Return the position after a map {394: [bstr, …]}."""
    major, label, position = read_head(raw, position + 1)
    if (major, label) != (0, _RECEIPTS):
        raise EncodingError(position, "not receipts")
    major, count, position = read_head(raw, position)
    if major != 4 or count > _RECEIPTS_MAX:
        raise EncodingError(position, "not an array of receipts")
    for _ in range(count):
        _, position = _byte_string(raw, position)
    return position


def _check_header(header: object) -> None:
    if not isinstance(header, dict) or header.keys() != {1, 3, 4, 15}:
        raise _malformed("protected header: not exactly labels 1, 3, 4, 15")
    if not isinstance(header[1], int) or header[1] not in _ALGORITHMS:
        raise _malformed("protected header: the algorithm is of no known suite")
    if header[3] != CONTENT_TYPE:
        raise _malformed(f"protected header: content type is not {CONTENT_TYPE}")
    if not isinstance(header[4], bytes) or len(header[4]) != KID_BYTES:
        raise _malformed("protected header: kid is not 16 bytes")
    claims = header[15]
    if not isinstance(claims, dict) or claims.keys() - {4} != {1, 2, 3, 6}:
        raise _malformed("claims: not exactly iss 1, sub 2, aud 3, ? exp 4, iat 6")
    for label in (1, 2):
        text = claims[label]
        if not isinstance(text, str) or not 0 < len(text.encode()) <= IDENTIFIER_BYTES_MAX:
            raise _malformed(f"claim {label}: not a text of 1–{IDENTIFIER_BYTES_MAX} bytes")
    if not is_network_name(claims[3]):
        raise _malformed("claim 3 (aud): not a network name")
    for label in claims.keys() & {4, 6}:
        seconds = claims[label]
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
            raise _malformed(f"claim {label}: not Unix seconds")


def _malformed(detail: str) -> Rejection:
    return Rejection(RejectionCode.MALFORMED, detail)
