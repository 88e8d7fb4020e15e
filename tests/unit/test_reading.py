"""Readings and batches (docs/spec/readings.md)."""

import hmac
from hashlib import sha256

import pytest

from ledger.core import encoding, merkle, reading
from ledger.errors import EncodingError

NAME = "hdl:lab.1/pump-07#temperature"
KEY = b"\x07" * 32
STREAM = "hdl:lab.1/gw-1"
READINGS = tuple(reading.encode_reading(NAME, number, number * 0.5) for number in range(9))


def refused(data: bytes) -> str:
    """Return why bytes are no reading."""
    with pytest.raises(EncodingError) as caught:
        reading.decode_reading(data)
    return caught.value.rule


@pytest.mark.parametrize(
    ("unit", "quality", "items"),
    [(None, 0, 3), ("Cel", 0, 4), (None, 1, 5), ("Cel", 2, 5)],
)
def test_a_reading_takes_the_shortest_array(unit: str | None, quality: int, items: int) -> None:
    """Good quality is left out, a null unit stands only before a quality."""
    data = reading.encode_reading(NAME, 1, 21.0, unit, quality)
    found = reading.decode_reading(data)

    assert data[0] == 0x80 + items
    assert (found.name, found.us, found.value) == (NAME, 1, 21.0)
    assert (found.unit, found.quality) == (unit, quality)
    assert (found.identifier, found.property) == ("hdl:lab.1/pump-07", "temperature")


@pytest.mark.parametrize(
    "value", [0, -1, 2**63 - 1, -(2**63), 21, 21.0, -0.0, True, False, None, "", "停机", b"\x00"]
)
def test_values_keep_their_type(value: reading.Scalar) -> None:
    """An integer stays an integer, a float a float, and true is not 1."""
    found = reading.decode_reading(reading.encode_reading(NAME, 1, value)).value

    assert type(found) is type(value)
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    "items",
    [
        [NAME, 1, 1, "Cel", 0],
        [NAME, 1, 1, "Cel", 3],
        [NAME, 1, 1, "Cel", True],
        [NAME, 1, 1, "Cel", 1.0],
        [NAME, 1, 1, "Cel", 2.0],
        [NAME, 1, 1, "Cel", None],
        [NAME, 1, 1, "Cel", "1"],
        [NAME, 1, 1, None],
        [NAME, 1, 1, ""],
        [NAME, 1, 1, "x" * 33],
        [NAME, 1, 1, 1],
        [NAME, 1, 1, "Cel", 1, 1],
        [NAME, 1],
        [NAME, 1.0, 1],
        [NAME, True, 1],
        [NAME, -1, 1],
        [NAME, 2**53, 1],
        [NAME, None, 1],
        [NAME, 1, []],
        [NAME, 1, {}],
        [NAME, 1, [1]],
        ["", 1, 1],
        ["#temperature", 1, 1],
        ["hdl:lab.1/pump-07#", 1, 1],
        ["hdl:lab.1/pump-07", 1, 1],
        ["#", 1, 1],
        [f"{'x' * 639}#y", 1, 1],
        [b"a#b", 1, 1],
        [1, 1, 1],
        [NAME, 1, "x" * 4_096],
        {0: NAME},
        NAME,
        None,
    ],
)
def test_other_items_are_no_reading(items: object) -> None:
    """Each item has one type and one range; equality across types does not count."""
    assert refused(encoding.encode(items))


@pytest.mark.parametrize(
    ("name", "identifier", "prop"),
    [("a#b", "a", "b"), ("a#b#c", "a#b", "c"), ("##x", "#", "x"), ("标#温", "标", "温")],
)
def test_a_name_is_split_at_its_last_mark(name: str, identifier: str, prop: str) -> None:
    """An identifier may hold `#`, a property not."""
    found = reading.decode_reading(reading.encode_reading(name, 0, 1))

    assert (found.identifier, found.property) == (identifier, prop)


def test_the_encoder_refuses_what_the_decoder_refuses() -> None:
    """NaN, infinities, beyond 64 bits, lone surrogates, too long."""
    for value in (float("nan"), float("inf"), -float("inf"), 2**63, "\ud800", "x" * 4_096):
        with pytest.raises(EncodingError):
            reading.encode_reading(NAME, 1, value)
    for name in ("\ud800#x", "a", "x" * 640 + "#y"):
        with pytest.raises(EncodingError):
            reading.encode_reading(name, 1, 1)
    for unit in ("\ud800", "", "x" * 33):
        with pytest.raises(EncodingError):
            reading.encode_reading(NAME, 1, 1, unit)
    for quality in (-1, 3):
        with pytest.raises(EncodingError):
            reading.encode_reading(NAME, 1, 1, "Cel", quality)


def test_device_signed_readings_are_refused_until_specified() -> None:
    """First byte D2."""
    assert "device-signed" in refused(b"\xd2\x84\x40")


def test_the_integer_1_and_the_float_1_are_two_readings() -> None:
    """They have different bytes and different leaves."""
    assert reading.encode_reading(NAME, 1, 1) != reading.encode_reading(NAME, 1, 1.0)


# ---- batches


def test_salts_contexts_and_leaves_are_those_of_the_specification() -> None:
    """Each formula computed a second time."""
    ctx = sha256(b"xinbiao:batch\x00" + (5).to_bytes(8, "big") + STREAM.encode()).digest()[:16]
    salt = hmac.new(KEY, (3).to_bytes(8, "big"), "sha256").digest()[:16]

    assert reading.context(5, STREAM) == ctx
    assert reading.salt(KEY, 3) == salt
    leaf = sha256(b"\x00" + salt + ctx + READINGS[3]).digest()
    assert reading.leaf_hash(salt, ctx, READINGS[3]) == leaf
    assert reading.leaf_hashes(KEY, READINGS[3:4], ctx, first=3) == [leaf]


@pytest.mark.parametrize("count", range(1, 10))
def test_every_leaf_is_proved_to_the_root(count: int) -> None:
    """And not under another context, salt, place or reading."""
    ctx = reading.context(0, STREAM)
    batch = READINGS[:count]
    root = reading.batch_root(KEY, batch, ctx)
    for number, data in enumerate(batch):
        salt, path = reading.prove_leaf(KEY, batch, ctx, number)
        leaf = reading.leaf_hash(salt, ctx, data)
        assert merkle.verify_inclusion(number, count, leaf, root, path)
        for other in (
            reading.leaf_hash(salt, reading.context(1, STREAM), data),
            reading.leaf_hash(salt, reading.context(0, "hdl:lab.1/gw-2"), data),
            reading.leaf_hash(reading.salt(KEY, number + 1), ctx, data),
            reading.leaf_hash(salt, ctx, READINGS[(number + 1) % 9]),
        ):
            assert not merkle.verify_inclusion(number, count, other, root, path)


def test_the_root_of_no_readings_is_the_hash_of_nothing() -> None:
    """H("")."""
    assert reading.batch_root(KEY, (), reading.context(0, STREAM)) == sha256(b"").digest()


def test_an_archive_holds_the_key_and_the_readings() -> None:
    """decode is the inverse; an empty batch has an archive too."""
    for batch in (READINGS, ()):
        assert reading.decode_archive(reading.encode_archive(KEY, batch)) == (KEY, list(batch))


@pytest.mark.parametrize(
    "body",
    [
        [],
        [KEY],
        [KEY, [], 1],
        [KEY[:-1], []],
        ["k" * 32, []],
        [KEY, {}],
        [KEY, [1]],
        [KEY, [b""]],
        [KEY, [READINGS[0], READINGS[0] + b"\x00"]],
        [KEY, [b"\xd2\x84"]],
        {1: KEY},
        None,
    ],
)
def test_other_bodies_are_no_archive(body: object) -> None:
    """Each reading inside is checked too."""
    with pytest.raises(EncodingError):
        reading.decode_archive(encoding.encode(body))


def test_an_archive_has_a_bound() -> None:
    """16 MiB, looked at before anything is decoded."""
    with pytest.raises(EncodingError, match="more than"):
        reading.decode_archive(bytes(reading.ARCHIVE_BYTES_MAX + 1))
