"""The map's root is a function of its pairs, and its proofs show exactly what is in it."""

from collections.abc import Mapping
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from ledger.core.merkle import EMPTY_ROOT
from ledger.core.prefix_map import (
    LEDGER,
    PrefixMap,
    Shape,
    verify_absent,
    verify_present,
)

# few different bytes and few places where they differ: shared beginnings of every length
_TAILS = st.sampled_from([b"\x00", b"\x01", b"\x80", b"\xff"])
KEYS = st.builds(
    lambda head, middle, tail: head + middle * 62 + tail,
    _TAILS,
    _TAILS,
    st.binary(min_size=1, max_size=1),
)
VALUES = st.binary(min_size=32, max_size=32)
PAIRS = st.dictionaries(KEYS, VALUES, max_size=20)
SHORT = Shape(key_bytes_max=8, value_bytes_max=8, is_exact=False)
SHORT_PAIRS = st.dictionaries(
    st.lists(_TAILS, max_size=5).map(b"".join), st.binary(max_size=3), max_size=20
)


def _bit(key: bytes, index: int) -> int:
    """Bit `index` of a key followed by one byte 00 and then FF for ever."""
    at = index >> 3
    byte = key[at] if at < len(key) else (0 if at == len(key) else 0xFF)
    return byte >> (7 - (index & 7)) & 1


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)


def _root(pairs: Mapping[bytes, bytes]) -> bytes:
    """The definition of the format, bit by bit, as the oracle."""
    if not pairs:
        return sha256(b"").digest()
    if len(pairs) == 1:
        ((key, value),) = pairs.items()
        body = _varint(len(key)) + key + _varint(len(value)) + value
        return sha256(b"\x00" + body).digest()
    index = 0
    while len({_bit(key, index) for key in pairs}) == 1:
        index += 1
    left, right = (
        _root({key: value for key, value in pairs.items() if _bit(key, index) == side})
        for side in (0, 1)
    )
    return sha256(b"\x01" + _varint(index) + left + right).digest()


@given(PAIRS, PAIRS)
def test_batches_give_the_root_of_their_union(
    first: dict[bytes, bytes], then: dict[bytes, bytes]
) -> None:
    """Two batches, one pair at a time, or built at once: the same root, that of the definition."""
    union = first | then
    batched = PrefixMap().update(first.items()).update(then.items())
    single = PrefixMap()
    for pair in [*first.items(), *then.items()]:
        single = single.update([pair])

    assert _root(union) == batched.root
    assert batched.root == single.root == PrefixMap.build(sorted(union.items())).root
    assert sorted(union.items()) == list(batched)
    assert len(union) == len(batched) == len(single)


@given(SHORT_PAIRS, SHORT_PAIRS)
def test_keys_of_any_length(first: dict[bytes, bytes], then: dict[bytes, bytes]) -> None:
    """The same with keys that are the beginnings of others."""
    made = PrefixMap(shape=SHORT).update(first.items()).update(then.items())

    assert _root(first | then) == made.root
    assert first | then == dict(made)


@given(SHORT_PAIRS, st.lists(_TAILS, max_size=5).map(b"".join))
def test_each_key_is_proved_present_or_absent(pairs: dict[bytes, bytes], key: bytes) -> None:
    """One of the two is provable, never both, whatever the key."""
    made = PrefixMap(shape=SHORT).update(pairs.items())
    _assert_proved(made, pairs, key, SHORT)


@given(PAIRS, KEYS)
def test_each_ledger_key_is_proved_present_or_absent(pairs: dict[bytes, bytes], key: bytes) -> None:
    """The same for the ledger's own keys, and for a key that is surely there."""
    made = PrefixMap().update(pairs.items())
    for asked in (key, *list(pairs)[:1]):
        _assert_proved(made, pairs, asked, LEDGER)


def _assert_proved(made: PrefixMap, pairs: dict[bytes, bytes], key: bytes, shape: Shape) -> None:
    proof, value = made.prove(key), pairs.get(key)
    other = bytes(32)

    assert value == made.get(key)
    assert (value is None) == verify_absent(made.root, key, proof, shape=shape)
    assert (value == other) == verify_present(made.root, key, other, proof, shape=shape)
    if value is not None:
        assert verify_present(made.root, key, value, proof, shape=shape)


@given(PAIRS.filter(bool), KEYS, st.data())
def test_a_changed_proof_is_refused(
    pairs: dict[bytes, bytes], key: bytes, data: st.DataObject
) -> None:
    """No flipped bit, lost or added byte goes unnoticed: the proof has one form."""
    made = PrefixMap().update(pairs.items())
    proof, value = made.prove(key), pairs.get(key)
    changed = [proof + b"\x00", *(proof[:cut] for cut in range(0, len(proof), 7))]
    if proof:
        at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 7))
        changed.append(proof[:at] + bytes([proof[at] ^ 1 << bit]) + proof[at + 1 :])
    for item in changed:
        assert item == proof or not verify_absent(made.root, key, item)
        assert item == proof or not verify_present(made.root, key, value or bytes(32), item)


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=400))
def test_verifiers_answer_whatever_they_are_given(key: bytes, value: bytes, proof: bytes) -> None:
    """Any bytes get an answer; against a root of nothing known it is no."""
    for shape in (LEDGER, SHORT):
        assert not verify_present(EMPTY_ROOT, key, value, proof, shape=shape)
        assert not verify_absent(bytes(32), key, proof, shape=shape)
