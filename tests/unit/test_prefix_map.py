"""The authenticated map (docs/spec/log.md, map): worked example, strict proofs, shapes."""

import pytest

from ledger.core.merkle import EMPTY_ROOT
from ledger.core.prefix_map import FOREIGN, PrefixMap, verify_absent, verify_present

AA, BB, CC = b"\xaa", b"\xbb", b"\xcc"
LEAF_12 = "d697b475432acd313e7dd6d48a140b2f386f7d678a6abb2414238eac4e8a5041"
LEAF_1234 = "20cbdf3f09e481cd845f8cfef7f899e08b96456b6155fcd5aedb79e69c87d686"
LEAF_56 = "9278cd17c4f2faf763c5672d9d126d9c4b31de9778c75646a232f9a651fb4361"
ROOT_2 = "fdc14c0c7b5792f43d902121bad7c3adac246ce0ae9278745ecb0843e6324b45"
ROOT_3 = "84b40c7d29d66fd0af772c14b88690248edf51a03a7637f65fe64dc68f7bb52f"
KEYS = [bytes([first]) + bytes(63) for first in (0x00, 0x40, 0x60, 0x80)]
VALUES = [bytes([n]) * 32 for n in range(4)]
FOUR = PrefixMap.build(zip(KEYS, VALUES, strict=True))


def _foreign(*pairs: tuple[str, bytes]) -> PrefixMap:
    return PrefixMap(shape=FOREIGN).update((bytes.fromhex(key), value) for key, value in pairs)


def test_worked_example_roots() -> None:
    """The example of the format, one pair after the other."""
    assert PrefixMap().root == EMPTY_ROOT
    assert _foreign(("12", AA)).root.hex() == LEAF_12
    assert _foreign(("12", AA), ("1234", BB)).root.hex() == ROOT_2
    assert _foreign(("12", AA), ("1234", BB), ("56", CC)).root.hex() == ROOT_3


def test_worked_example_proofs() -> None:
    """Present: the steps. Absent: the pair the search ends at, then the steps."""
    two = _foreign(("12", AA), ("1234", BB))
    present = bytes.fromhex("0a" + LEAF_1234)
    absent = bytes.fromhex("011201aa" + "0a" + LEAF_1234)

    assert present == two.prove(b"\x12")
    assert verify_present(two.root, b"\x12", AA, present, shape=FOREIGN)
    assert absent == two.prove(b"\x13")
    assert verify_absent(two.root, b"\x13", absent, shape=FOREIGN)
    assert bytes.fromhex("01" + LEAF_56) == _foreign(("1234", BB), ("56", CC)).prove(b"\x12\x34")


def test_padding_orders_keys_of_different_lengths() -> None:
    """A key sorts after its extension by 00 and before one by 01, and none is another's beginning."""
    keys = [b"K\x00", b"K\x00\xfe", b"K\x00\xff", b"K", b"K\x01", b""]
    built = PrefixMap.build(
        ((key, b"") for key in sorted(keys, key=FOREIGN.position)), shape=FOREIGN
    )

    assert keys[:5] == [key for key, _ in built if key]
    assert len({FOREIGN.position(key) for key in keys}) == len(keys)
    assert all(key == FOREIGN.key(FOREIGN.position(key)) for key in keys)


def test_empty_and_single() -> None:
    """The empty proof shows absence in the empty map and presence in a map of one."""
    one = PrefixMap().update([(KEYS[0], VALUES[0])])

    assert verify_absent(EMPTY_ROOT, KEYS[0], PrefixMap().prove(KEYS[0]))
    assert one.prove(KEYS[0]) == b""
    assert verify_present(one.root, KEYS[0], VALUES[0], b"")
    assert not verify_absent(one.root, KEYS[1], b"")
    assert not verify_present(EMPTY_ROOT, KEYS[0], VALUES[0], b"")


def test_older_maps_keep_their_proofs() -> None:
    """An update makes a new map and leaves the old one as it was."""
    changed = FOUR.update([(KEYS[1], VALUES[3]), (KEYS[2], VALUES[2])])

    assert (FOUR.get(KEYS[1]), changed.get(KEYS[1])) == (VALUES[1], VALUES[3])
    assert verify_present(FOUR.root, KEYS[1], VALUES[1], FOUR.prove(KEYS[1]))
    assert verify_present(changed.root, KEYS[1], VALUES[3], changed.prove(KEYS[1]))
    assert not verify_present(changed.root, KEYS[1], VALUES[1], changed.prove(KEYS[1]))
    assert len(changed) == len(FOUR) == 4


def test_of_a_key_given_twice_the_last_counts() -> None:
    """One batch may change an object more than once."""
    twice = PrefixMap().update([(KEYS[0], VALUES[0]), (KEYS[0], VALUES[1])])

    assert list(twice) == [(KEYS[0], VALUES[1])]


def test_nothing_to_update_is_the_same_map() -> None:
    """An empty batch costs nothing."""
    assert FOUR.update([]) is FOUR


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"", VALUES[0]), (bytes(63), VALUES[0]), (bytes(65), VALUES[0]), (KEYS[0], bytes(31))],
)
def test_pairs_of_another_shape(key: bytes, value: bytes) -> None:
    """The ledger's map holds 64-byte keys and 32-byte values only, and no proof says otherwise."""
    with pytest.raises(ValueError, match="not of the map's shape"):
        FOUR.update([(key, value)])
    assert not verify_present(FOUR.root, key, value, FOUR.prove(KEYS[0]))
    assert key == KEYS[0] or not verify_absent(EMPTY_ROOT, key, b"")


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_key_that_cannot_be_there_is_refused(length: int) -> None:
    """Asking for a key of another length is our caller's bug; it never finds one that looks alike."""
    zero = PrefixMap().update([(bytes(64), VALUES[0])])
    for ask in (zero.get, zero.prove):
        with pytest.raises(ValueError, match=f"a key of {length} bytes"):
            ask(bytes(length))


def test_build_wants_order() -> None:
    """Start-up reads keys in order; a repeated or falling key means a damaged store."""
    for keys in ([KEYS[1], KEYS[0]], [KEYS[0], KEYS[0]]):
        with pytest.raises(ValueError, match="ascending"):
            PrefixMap.build((key, VALUES[0]) for key in keys)


def _absence(key: bytes, value: bytes, *steps: tuple[str, bytes]) -> bytes:
    return b"\x40" + key + b"\x20" + value + _steps(*steps)


def _steps(*steps: tuple[str, bytes]) -> bytes:
    return b"".join(bytes.fromhex(bit) + sibling for bit, sibling in steps)


# the tree of FOUR: bit 0 parts 80 from the rest, bit 1 parts 00 from 40 and 60, bit 2 these two
LEAVES = [PrefixMap().update([pair]).root for pair in zip(KEYS, VALUES, strict=True)]
HIGH = FOUR.prove(KEYS[3])[1:]
SOUND = _steps(
    ("01", PrefixMap.build(zip(KEYS[1:3], VALUES[1:3], strict=True)).root), ("00", LEAVES[3])
)
NEIGHBOUR = b"\x20" + bytes(63)


def test_the_hand_made_proofs_are_the_maps_own() -> None:
    """The proofs that the next tests damage are sound before."""
    assert FOUR.prove(KEYS[0]) == SOUND
    assert verify_present(FOUR.root, KEYS[0], VALUES[0], SOUND)
    assert b"\x40" + KEYS[0] + b"\x20" + VALUES[0] + SOUND == FOUR.prove(NEIGHBOUR)
    assert verify_absent(FOUR.root, NEIGHBOUR, FOUR.prove(NEIGHBOUR))
    assert verify_present(FOUR.root, KEYS[3], VALUES[3], b"\x00" + HIGH)


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param(b"\x81\x00" + SOUND[1:], id="varint-not-shortest"),
        pytest.param(b"\x81\x80\x00" + SOUND[1:], id="varint-three-bytes"),
        pytest.param(b"\x81", id="varint-cut"),
        pytest.param(SOUND[:-1], id="sibling-cut"),
        pytest.param(SOUND[:33], id="step-missing"),
        pytest.param(SOUND + b"\x00", id="trailing-byte"),
        pytest.param(SOUND[33:] + SOUND[:33], id="bits-rising"),
        pytest.param(SOUND[:33] + b"\x01" + SOUND[34:], id="bit-twice"),
        pytest.param(b"\x02" + SOUND[1:], id="other-bit"),
        pytest.param(b"\x80\x04" + SOUND[1:], id="bit-512"),
        pytest.param(b"", id="empty"),
    ],
)
def test_damaged_proofs_of_presence(proof: bytes) -> None:
    """A proof has one form; every other is refused, in the absent form too."""
    other = b"\x40" + KEYS[0] + b"\x20" + VALUES[0]

    assert not verify_present(FOUR.root, KEYS[0], VALUES[0], proof)
    assert not verify_absent(FOUR.root, NEIGHBOUR, other + proof)


@pytest.mark.parametrize(
    ("key", "proof"),
    [
        pytest.param(KEYS[0], FOUR.prove(NEIGHBOUR), id="the-key-is-there"),
        pytest.param(b"\x70" + bytes(63), FOUR.prove(NEIGHBOUR), id="search-ends-elsewhere"),
        pytest.param(NEIGHBOUR, SOUND, id="present-form"),
        pytest.param(NEIGHBOUR, b"\xc0\x00" + FOUR.prove(NEIGHBOUR)[1:], id="long-length"),
        pytest.param(NEIGHBOUR, b"\x3f" + FOUR.prove(NEIGHBOUR)[1:], id="wrong-length"),
        pytest.param(NEIGHBOUR, FOUR.prove(NEIGHBOUR)[:80], id="value-cut"),
        pytest.param(NEIGHBOUR, _absence(NEIGHBOUR, VALUES[0]), id="the-key-itself"),
        pytest.param(NEIGHBOUR, _absence(KEYS[0], VALUES[1], ("00", LEAVES[3])), id="other-value"),
    ],
)
def test_damaged_proofs_of_absence(key: bytes, proof: bytes) -> None:
    """Absence needs another key, reached by the same bits, under the same root."""
    assert not verify_absent(FOUR.root, key, proof)
