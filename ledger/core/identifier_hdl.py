"""Handles: `hdl:PREFIX` and `hdl:PREFIX/SUFFIX` (docs/spec/identifiers.md).

The prefix is folded to lower case, the suffix keeps its spelling. A suffix may hold characters
beyond ASCII, but what is allowed must not depend on the Unicode tables of the Python that runs
this: a ledger whose members disagree about one text has split. So the judge is Unicode 3.2, frozen
in `unicodedata.ucd_3_2_0` and in the tables of RFC 3454 (`stringprep`).

Text that is not in NFC is refused and never repaired: a repair would hide from the person who
pasted it that the two texts differ.
"""

import re
import stringprep
from collections.abc import Callable
from typing import Final
from unicodedata import ucd_3_2_0

from ledger.core.identifier_parts import BYTES_MAX, PARENTS_MAX, Kind, Parts
from ledger.errors import IdentifierError

ROOT: Final = "hdl:"

_PREFIX: Final = re.compile(r"[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*")
_PLAIN_SUFFIX: Final = re.compile(r"[!-~]+")
_FORBIDDEN: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    ("A.1, unassigned in Unicode 3.2", stringprep.in_table_a1),
    ("B.1, commonly mapped to nothing", stringprep.in_table_b1),
    ("C.1.2, spaces", stringprep.in_table_c12),
    ("C.2.1, control characters", stringprep.in_table_c21),
    ("C.2.2, control characters", stringprep.in_table_c22),
    ("C.3, private use", stringprep.in_table_c3),
    ("C.4, not characters", stringprep.in_table_c4),
    ("C.5, surrogates", stringprep.in_table_c5),
    ("C.6, not for plain text", stringprep.in_table_c6),
    ("C.7, not for canonical text", stringprep.in_table_c7),
    ("C.8, changes display", stringprep.in_table_c8),
    ("C.9, tags", stringprep.in_table_c9),
)


def read(rest: str) -> Parts:
    """Read what follows `hdl:`, in any letter case of the prefix.

    Raises:
        IdentifierError: The position is inside `rest`.
    """
    if not rest:
        return Parts(ROOT, "", Kind.PREFIX)
    if len(rest) > BYTES_MAX:  # normalising costs the square of a run of accents
        raise IdentifierError(rest, BYTES_MAX, f"longer than {BYTES_MAX} bytes")
    head, slash, suffix = rest.partition("/")
    matched = _PREFIX.match(head)
    well_formed = 0 if matched is None else matched.end()
    if well_formed != len(head) or not head:
        rule = "a handle prefix is letters a-z and digits, joined by single dots or hyphens"
        raise IdentifierError(rest, well_formed, rule)
    labels = head.lower().split(".")
    labels_max = PARENTS_MAX - len(slash)
    if len(labels) > labels_max:
        where = len(".".join(labels[:labels_max]))
        raise IdentifierError(rest, where, f"more than {PARENTS_MAX} parents")
    prefix = ROOT + head.lower()
    if not slash:
        above = prefix.rpartition(".")[0]
        return Parts(prefix, above or ROOT, Kind.PREFIX)
    _check_suffix(suffix, rest, len(head) + 1)
    return Parts(f"{prefix}/{suffix}", prefix, Kind.RECORD)


def parents(text: str) -> tuple[str, ...]:
    """List the parents of a canonical handle, nearest first; hyphens do not cut."""
    prefix, slash, _ = text.partition("/")
    if prefix == ROOT:
        return ()
    found = [prefix] if slash else []
    above = prefix.rpartition(".")[0]
    while above:
        found.append(above)
        above = above.rpartition(".")[0]
    found.append(ROOT)
    return tuple(found)


def _check_suffix(suffix: str, rest: str, start: int) -> None:
    """Refuse a suffix that holds what Unicode 3.2 and RFC 3454 do not allow."""
    if not suffix:
        raise IdentifierError(rest, start, "the suffix after / is empty; leave out / for a prefix")
    if _PLAIN_SUFFIX.fullmatch(suffix):
        return
    for index, character in enumerate(suffix):
        if "!" <= character <= "~":
            continue
        rule = forbidden(character)
        if rule is not None:
            raise IdentifierError(rest, start + index, rule)
    normal = ucd_3_2_0.normalize("NFC", suffix)
    if normal != suffix:
        index = first_difference(suffix, normal)
        rule = f"not in normal form NFC of Unicode 3.2; the normal form is {normal!r}"
        raise IdentifierError(rest, start + index, rule)


def forbidden(character: str) -> str | None:
    """Return why `character` can never stand in a suffix, or None if it can."""
    if character == " ":
        return "a space can never stand in an identifier"
    if character < " " or character == "\x7f":
        return f"U+{ord(character):04X} is a control character"
    for table, holds in _FORBIDDEN:
        if holds(character):
            return f"U+{ord(character):04X} is in RFC 3454 table {table}"
    return None


def first_difference(given: str, wanted: str) -> int:
    """Return the first index at which two different texts differ."""
    for index, (left, right) in enumerate(zip(given, wanted, strict=False)):
        if left != right:
            return index
    return min(len(given), len(wanted))
