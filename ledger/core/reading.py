"""Readings and their Merkle batches: the bytes a gateway signs once for thousands of values.

Theory of operation (docs/spec/readings.md):

    reading = CBOR [name, µs, value, ? unit/null, ? quality]        name = identifier # property
    leaf i  = H(00 ‖ salt_i ‖ ctx ‖ reading_i)                      nodes as in RFC 9162
    ctx     = H("xinbiao:batch" ‖ 00 ‖ u64be sequence ‖ key text of the stream)[:16]
    salt_i  = HMAC-SHA256(K, u64be i)[:16]

The context ties a root to one place in one stream: a thief who anchors somebody's public root under
his own stream proves nothing with it. The salt hides neighbours, which a path would otherwise let
anyone guess; destroying K closes every reading that was not disclosed.

Integers stay integers and floats floats, in their shortest form; NaN and infinities are no values.
Device-signed readings (first byte D2) are refused until docs/spec fixes their payload.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias

from ledger.core import encoding, merkle
from ledger.errors import EncodingError

Scalar: TypeAlias = bool | int | float | str | bytes | None

NAME_BYTES_MAX: Final = 640
UNIT_BYTES_MAX: Final = 32
READING_BYTES_MAX: Final = 4_096  # one reading; a value that is larger belongs in a file
SALT_BYTES: Final = 16
CONTEXT_BYTES: Final = 16
BATCH_KEY_BYTES: Final = 32
ARCHIVE_BYTES_MAX: Final = 16 * 1024 * 1024
ARCHIVE_MEDIA_TYPE: Final = "application/vnd.xinbiao.archive+cbor"
GOOD, UNCERTAIN, BAD = 0, 1, 2
_HMAC_BLOCK_BYTES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measured value.

    Attributes:
        name: Identifier, `#`, property; split at the last `#`.
        us: Unix microseconds of the measurement.
        value: None where the quality is bad and there is no value.
        unit: UCUM code, or None.
        quality: 0 good, 1 uncertain, 2 bad.
    """

    name: str
    us: int
    value: Scalar
    unit: str | None = None
    quality: int = GOOD

    @property
    def identifier(self) -> str:
        """The text before the last `#`."""
        return self.name.rpartition("#")[0]

    @property
    def property(self) -> str:
        """The text after the last `#`."""
        return self.name.rpartition("#")[2]


def encode_reading(
    name: str, us: int, value: Scalar, unit: str | None = None, quality: int = GOOD
) -> bytes:
    """Return a reading's bytes: the shortest of the three array forms.

    Raises:
        EncodingError: A part is out of range; good quality is left out, never written.
    """
    items: list[Scalar] = [name, us, value]
    if unit is not None or quality != GOOD:
        items.append(unit)
    if quality != GOOD:
        items.append(quality)
    _check(items)
    try:
        encoded = encoding.encode(items)
    except UnicodeEncodeError:
        raise EncodingError(0, "a text holds a lone surrogate") from None
    if len(encoded) > READING_BYTES_MAX:
        raise EncodingError(0, f"a reading of more than {READING_BYTES_MAX} bytes")
    return encoded


def decode_reading(data: bytes) -> Reading:
    """Read a reading's bytes.

    Raises:
        EncodingError: They are not the one encoding of a reading.
    """
    if data[:1] == b"\xd2":
        raise EncodingError(0, "device-signed readings are not accepted yet")
    if len(data) > READING_BYTES_MAX:
        raise EncodingError(0, f"a reading of more than {READING_BYTES_MAX} bytes")
    items = encoding.decode_reading_value(data)
    if not isinstance(items, list) or not 3 <= len(items) <= 5:
        raise EncodingError(0, "a reading is an array of 3 to 5 items")
    _check(items)
    unit = items[3] if len(items) > 3 else None
    return Reading(
        name=items[0],
        us=items[1],
        value=items[2],
        unit=unit,
        quality=items[4] if len(items) == 5 else GOOD,
    )


def context(sequence: int, stream_key_text: str) -> bytes:
    """Return ctx, which ties leaves to one batch of one stream (16 bytes)."""
    digest = sha256(
        b"xinbiao:batch\0" + sequence.to_bytes(8, "big") + stream_key_text.encode()
    ).digest()
    return digest[:CONTEXT_BYTES]


def salt(batch_key: bytes, leaf: int) -> bytes:
    """Return salt_i of leaf number `leaf` (16 bytes)."""
    return hmac.digest(batch_key, leaf.to_bytes(8, "big"), "sha256")[:SALT_BYTES]


def leaf_hash(salt_i: bytes, ctx: bytes, reading: bytes) -> bytes:
    """Return the Merkle leaf of one reading (32 bytes)."""
    return sha256(b"\0" + salt_i + ctx + reading).digest()


def leaf_hashes(
    batch_key: bytes, readings: Sequence[bytes], ctx: bytes, *, first: int = 0
) -> list[bytes]:
    """Return the leaves of consecutive readings, the first having number `first`.

    The HMAC pads are hashed once per call, which halves the cost of a salt.
    """
    key = batch_key.ljust(_HMAC_BLOCK_BYTES, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in key))
    outer = sha256(bytes(byte ^ 0x5C for byte in key))
    hashes = []
    for number, reading in enumerate(readings, first):
        mac = inner.copy()
        mac.update(number.to_bytes(8, "big"))
        final = outer.copy()
        final.update(mac.digest())
        hashes.append(sha256(b"\0" + final.digest()[:SALT_BYTES] + ctx + reading).digest())
    return hashes


def batch_root(batch_key: bytes, readings: Sequence[bytes], ctx: bytes) -> bytes:
    """Return the root of a batch; of no readings it is H("")."""
    return merkle.tree_root(leaf_hashes(batch_key, readings, ctx))


def prove_leaf(
    batch_key: bytes, readings: Sequence[bytes], ctx: bytes, leaf: int
) -> tuple[bytes, list[bytes]]:
    """Return the salt of one leaf and its path to the batch's root."""
    return salt(batch_key, leaf), merkle.tree_path(leaf_hashes(batch_key, readings, ctx), leaf)


def encode_archive(batch_key: bytes, readings: Sequence[bytes]) -> bytes:
    """Return the archive body of a batch: [K, [reading, …]] in leaf order."""
    return encoding.encode([batch_key, list(readings)])


def decode_archive(body: bytes) -> tuple[bytes, list[bytes]]:
    """Read an archive body.

    Returns:
        The batch key K and the readings in leaf order, each checked.

    Raises:
        EncodingError: Too large, or not an archive of well-formed readings.
    """
    if len(body) > ARCHIVE_BYTES_MAX:
        raise EncodingError(0, f"an archive body of more than {ARCHIVE_BYTES_MAX} bytes")
    value = encoding.decode(body)
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[1], list)):
        raise EncodingError(0, "an archive is [K, [reading, …]]")
    batch_key, readings = value
    if not isinstance(batch_key, bytes) or len(batch_key) != BATCH_KEY_BYTES:
        raise EncodingError(0, "K is not 32 bytes")
    for reading in readings:
        if not isinstance(reading, bytes):
            raise EncodingError(0, "a reading is not a byte string")
        decode_reading(reading)
    return batch_key, readings


def _check(items: Sequence[object]) -> None:
    name, us, value = items[:3]
    if not isinstance(name, str) or not 0 < len(name.encode(errors="replace")) <= NAME_BYTES_MAX:
        raise EncodingError(0, f"the name is not a text of 1–{NAME_BYTES_MAX} bytes")
    identifier, mark, prop = name.rpartition("#")
    if not (mark and identifier and prop):
        raise EncodingError(0, "the name is not identifier#property")
    if isinstance(us, bool) or not isinstance(us, int) or not 0 <= us <= encoding.INT_MAX:
        raise EncodingError(0, "the time is not microseconds from 0 to 2^53-1")
    _check_value(value)
    if len(items) > 3:
        _check_unit_and_quality(items)


def _check_value(value: object) -> None:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise EncodingError(0, "NaN and infinities are not values")
    if not isinstance(value, bool | int | float | str | bytes | None):
        raise EncodingError(0, "the value is not a scalar")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise EncodingError(0, "an integer value is beyond 64 bits")


def _check_unit_and_quality(items: Sequence[object]) -> None:
    unit = items[3]
    if unit is None:
        if len(items) == 4:
            raise EncodingError(0, "a null unit stands only before a quality")
    elif not isinstance(unit, str) or not 0 < len(unit.encode(errors="replace")) <= UNIT_BYTES_MAX:
        raise EncodingError(0, f"the unit is not a text of 1–{UNIT_BYTES_MAX} bytes")
    if len(items) == 5 and (type(items[4]) is not int or items[4] not in (UNCERTAIN, BAD)):
        raise EncodingError(0, "the quality is not 1 or 2; good quality is left out")
