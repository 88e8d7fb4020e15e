"""Operations and objects survive their bytes, and no other bytes hurt (statements.md, objects.md)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.core import encoding
from ledger.core import operation as op
from ledger.core.record import Object, decode_object
from ledger.errors import EncodingError, Rejection, RejectionCode
from tests.operation_strategies import objects, operations

WRONG: list[Any] = [
    None, True, False, 0, 1, 2**31, encoding.INT_MAX, "", "x", "hdl:lab.1", b"", bytes(16), bytes(32),
    [], [[]], [None], {}, {0: 0}, {1: {}}, [0, 0],
]  # fmt: skip


@given(operations)
def test_an_operation_survives_its_bytes(operation: op.Operation) -> None:
    """parse(encode(x)) == x, and the bytes are the only ones: they encode again to themselves."""
    payload = operation.encode()

    assert op.parse(payload) == operation
    assert op.parse(payload).encode() == payload


@given(objects)
def test_an_object_survives_its_bytes(found: Object) -> None:
    """decode(encode(x)) == x, and decode → encode is the identity: prev hashes depend on it."""
    data = found.encode()

    assert decode_object(data) == found
    assert decode_object(data).encode() == data


def parses(payload: bytes) -> None:
    """Ask the parser; what it accepts has no second form, what it refuses is malformed."""
    refused: Rejection | None = None
    try:
        assert op.parse(payload).encode() == payload
    except Rejection as rejection:
        refused = rejection
    assert refused is None or refused.code is RejectionCode.MALFORMED


def decodes(data: bytes) -> None:
    """Ask the decoder in the same way."""
    try:
        found = decode_object(data)
    except EncodingError:
        return
    assert found.encode() == data


@given(st.binary(max_size=120))
def test_random_bytes_are_judged(data: bytes) -> None:
    """Any bytes give a value or our error."""
    parses(data)
    decodes(data)


@given(st.data(), st.integers(0, 7))
def test_random_maps_are_judged(data: st.DataObject, number: int) -> None:
    """Well-formed maps with a known number and members of any type."""
    leaf = st.sampled_from(WRONG) | st.integers(0, encoding.INT_MAX) | st.binary(max_size=40)
    tree = st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 15), inner),
        max_leaves=8,
    )
    members = data.draw(st.dictionaries(st.integers(1, 15), tree, max_size=12))
    made = encoding.encode({0: number} | members)
    parses(made)
    decodes(made)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all parts of a value."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += places(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            found += places(item, (*path, at))
    return found


def mutated(value: Any, path: tuple[Any, ...], how: str, other: Any) -> Any:
    """Return a value with one part replaced, removed, doubled or added to."""
    if not path:
        return other
    head, rest = path[0], path[1:]
    copy = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[head] = mutated(value[head], rest, how, other)
    elif how == "remove":
        del copy[head]
    elif how == "double" and isinstance(copy, list):
        copy.insert(head, copy[head])
    elif how == "add" and isinstance(copy, dict):
        copy[15] = other
    else:
        copy[head] = other
    return copy


@given(st.data(), st.one_of(operations, objects))
def test_a_mutated_value_is_judged(data: st.DataObject, found: op.Operation | Object) -> None:
    """One part of a good value replaced by something of another type, removed, doubled, added."""
    good = encoding.decode(found.encode())
    path = data.draw(st.sampled_from(places(good)))
    how = data.draw(st.sampled_from(("replace", "remove", "double", "add")))
    made = encoding.encode(mutated(good, path, how, data.draw(st.sampled_from(WRONG))))
    parses(made)
    decodes(made)


@given(st.data(), st.one_of(operations, objects))
def test_mutated_bytes_are_judged(data: st.DataObject, found: op.Operation | Object) -> None:
    """One byte changed, or the end cut off."""
    good = found.encode()
    at = data.draw(st.integers(0, len(good) - 1))
    flipped = good[:at] + bytes((good[at] ^ data.draw(st.integers(1, 255)),)) + good[at + 1 :]
    for made in (flipped, good[:at], good + good[at:]):
        parses(made)
        decodes(made)
