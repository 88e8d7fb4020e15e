"""Values as a person writes them on the command line: `TYPE=DATA`, or `INDEX:TYPE=DATA`.

Without an index a new value takes the place of the only stored value of its type, else the first free
index. What is registered is public for ever; so nothing is guessed: two stored values of one type need
the index.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core.value import VALUE_INDEX_MAX, Value
from xinbiao.errors import UsageError

TYPE_BYTES_MAX: Final = 256
_INDEXED: Final = re.compile(r"([1-9][0-9]{0,9}):(.*)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value as given.

    Attributes:
        index: The index, or None where none was given.
        type: Its type.
        data: Its text.
    """

    index: int | None
    type: str
    data: str


def parse_given(text: str) -> Given:
    """Read `[INDEX:]TYPE=DATA`.

    Raises:
        UsageError: It has another form, or a type that cannot be registered.
    """
    indexed = _INDEXED.fullmatch(text)
    index = int(indexed[1]) if indexed else None
    kind, equals, data = (indexed[2] if indexed else text).partition("=")
    if not equals or not kind or len(kind.encode()) > TYPE_BYTES_MAX:
        raise UsageError(f"--value {text}: TYPE=DATA, for instance URL=https://example.com/07")
    if index is not None and index > VALUE_INDEX_MAX:
        raise UsageError(f"--value {text}: an index is at most {VALUE_INDEX_MAX}")
    if kind.upper() == "HS_SECKEY":
        raise UsageError("HS_SECKEY holds a secret, and what is registered is public: leave it out")
    return Given(index=index, type=kind, data=data)


def place(given: Sequence[Given], stored: Sequence[Value]) -> tuple[Value, ...]:
    """Return the values to put, ascending by index; what is stored so already is left out.

    Args:
        given: What the person wrote.
        stored: What the record holds.

    Raises:
        UsageError: Two given values meet at one index, or it is not clear which stored one is meant.
    """
    taken = {one.index for one in stored} | {one.index for one in given if one.index is not None}
    put: dict[int, Value] = {}
    for one in given:
        index = one.index if one.index is not None else _index(one.type, stored, taken, put)
        if index in put:
            raise UsageError(f"two values for index {index}: give each an index, INDEX:TYPE=DATA")
        taken.add(index)
        put[index] = Value(index=index, type=one.type, data=one.data)
    there = {(old.index, old.type, old.data) for old in stored}
    return tuple(
        put[index]
        for index in sorted(put)
        if (index, put[index].type, put[index].data) not in there
    )


def removed(given: Sequence[str], stored: Sequence[Value]) -> tuple[int, ...]:
    """Return the indices that `--remove INDEX|TYPE` names, ascending.

    Raises:
        UsageError: No value of the record is meant, or more than one.
    """
    indices: set[int] = set()
    for text in given:
        found = [one.index for one in stored if text in (str(one.index), one.type)]
        if len(found) != 1:
            raise UsageError(
                f"--remove {text}: {len(found)} values of the record are meant: give an index"
            )
        indices.update(found)
    return tuple(sorted(indices))


def _index(kind: str, stored: Sequence[Value], taken: set[int], put: dict[int, Value]) -> int:
    there = [one.index for one in stored if one.type == kind and one.index not in put]
    if len(there) == 1:
        return there[0]
    if len(there) > 1:
        raise UsageError(f"the record has {len(there)} values of type {kind}: give INDEX:TYPE=DATA")
    index = 1
    while index in taken:
        index += 1
    return index
