"""Readings and archives survive their bytes, and every leaf its proof (readings.md)."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.core import encoding, merkle, reading
from ledger.errors import EncodingError

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
PROPERTIES = st.text(st.characters(codec="utf-8", exclude_characters="#"), min_size=1, max_size=20)
NAMES = st.builds(lambda left, right: f"{left}#{right}", TEXTS.filter(bool), PROPERTIES)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False) | TEXTS | st.binary(max_size=30)
)  # fmt: skip
TIMES = st.integers(0, encoding.INT_MAX)
UNITS = st.none() | st.text(st.characters(codec="ascii"), min_size=1, max_size=32)
READINGS = st.builds(
    reading.encode_reading, NAMES, TIMES, SCALARS, UNITS, st.sampled_from((0, 1, 2))
)


def judged(data: bytes) -> reading.Reading | None:
    """Return the reading or None; what is accepted encodes to the same bytes again."""
    try:
        found = reading.decode_reading(data)
    except EncodingError:
        return None
    again = reading.encode_reading(found.name, found.us, found.value, found.unit, found.quality)
    assert again == data
    return found


@given(NAMES, TIMES, SCALARS, UNITS, st.sampled_from((0, 1, 2)))
def test_a_reading_survives_its_bytes(
    name: str, us: int, value: reading.Scalar, unit: str | None, quality: int
) -> None:
    """With the type of its value and the sign of a zero."""
    found = judged(reading.encode_reading(name, us, value, unit, quality))

    assert found is not None
    assert (found.name, found.us, found.unit, found.quality) == (name, us, unit, quality)
    assert repr(found.value) == repr(value)
    assert f"{found.identifier}#{found.property}" == name


@given(st.binary(max_size=80), READINGS, st.data())
def test_other_bytes_are_judged(noise: bytes, good: bytes, data: st.DataObject) -> None:
    """A reading with one form, or EncodingError; archives in the same way."""
    at = data.draw(st.integers(0, len(good) - 1))
    byte = bytes((data.draw(st.integers(0, 255)),))
    for made in (noise, b"\x83" + noise, good[:at] + byte + good[at + 1 :], good[:at], good + byte):
        judged(made)
        try:
            key, readings = reading.decode_archive(made)
        except EncodingError:
            continue
        assert reading.encode_archive(key, readings) == made


@given(st.lists(READINGS, max_size=12), st.binary(min_size=32, max_size=32), TIMES, TEXTS)
def test_an_archive_and_its_proofs(
    readings: list[bytes], key: bytes, sequence: int, stream: str
) -> None:
    """The archive gives key and readings back, and every leaf is proved to the batch's root."""
    assert reading.decode_archive(reading.encode_archive(key, readings)) == (key, readings)
    ctx = reading.context(sequence, stream)
    root = reading.batch_root(key, readings, ctx)
    for number, data in enumerate(readings):
        salt, path = reading.prove_leaf(key, readings, ctx, number)
        leaf = reading.leaf_hash(salt, ctx, data)
        assert merkle.verify_inclusion(number, len(readings), leaf, root, path)
