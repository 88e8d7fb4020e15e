"""OIDs and Ecodes: identifiers whose levels are numbers joined by dots (docs/spec/identifiers.md).

`oid:1.2.156.3001.5` follows X.660: no leading zeros, the first arc 0-2, the second at most 39 under
0 and 1. Any OID can be a prefix or a record; which of the two it is, is the ledger's state.

`ecode:VERSION.NSI.MD` is the Chinese code of GB/T 31866. Version and NSI (the number system) are
digits and keep their leading zeros; MD, the master data, is any printable ASCII. How long the parts
may be differs between versions of the standard and is not judged here.
"""

import re
from typing import Final

from ledger.core.identifier_parts import PARENTS_MAX, Kind, Parts
from ledger.errors import IdentifierError

OID_ROOT: Final = "oid:"
ECODE_ROOT: Final = "ecode:"

_ARC: Final = re.compile(r"0|[1-9][0-9]*")
_DIGITS: Final = re.compile(r"[0-9]+")
_MASTER_DATA: Final = re.compile(r"[!-~]*")
_FIRST_ARCS: Final = ("0", "1", "2")
_SECOND_ARC_MAX: Final = 39  # under 0 and 1


def read_oid(rest: str) -> Parts:
    """Read what follows `oid:`.

    Raises:
        IdentifierError: The position is inside `rest`.
    """
    if not rest:
        return Parts(OID_ROOT, "", Kind.PREFIX)
    arcs = rest.split(".")
    start = 0
    for number, arc in enumerate(arcs):
        if number == PARENTS_MAX:
            raise IdentifierError(rest, start - 1, f"more than {PARENTS_MAX} parents")
        matched = _ARC.match(arc)
        well_formed = 0 if matched is None else matched.end()
        if well_formed != len(arc) or not arc:
            rule = "an arc is a decimal number without leading zeros"
            raise IdentifierError(rest, start + well_formed, rule)
        if number == 0 and arc not in _FIRST_ARCS:
            raise IdentifierError(rest, start, "the first arc of an OID is 0, 1 or 2")
        # the length first: a number of 500 digits need not be computed
        if number == 1 and arcs[0] != "2" and (len(arc) > 2 or int(arc) > _SECOND_ARC_MAX):
            raise IdentifierError(rest, start, "the second arc under 0 and 1 is at most 39")
        start += len(arc) + 1
    text = OID_ROOT + rest
    return Parts(text, oid_parents(text)[0], Kind.EITHER)


def oid_parents(text: str) -> tuple[str, ...]:
    """List the parents of a canonical OID, nearest first."""
    found = []
    above = text.rpartition(".")[0]
    while above:
        found.append(above)
        above = above.rpartition(".")[0]
    if text != OID_ROOT:
        found.append(OID_ROOT)
    return tuple(found)


def read_ecode(rest: str) -> Parts:
    """Read what follows `ecode:`.

    Raises:
        IdentifierError: The position is inside `rest`.
    """
    if not rest:
        return Parts(ECODE_ROOT, "", Kind.PREFIX)
    levels = rest.split(".", 2)
    start = 0
    for name, level in zip(("version", "NSI"), levels, strict=False):
        matched = _DIGITS.match(level)
        well_formed = 0 if matched is None else matched.end()
        if well_formed != len(level) or not level:
            raise IdentifierError(rest, start + well_formed, f"the {name} of an Ecode is digits")
        start += len(level) + 1
    text = ECODE_ROOT + rest
    kind = Kind.PREFIX
    if len(levels) == 3:
        _check_master_data(levels[2], rest, start)
        kind = Kind.RECORD
    return Parts(text, ecode_parents(text)[0], kind)


def ecode_parents(text: str) -> tuple[str, ...]:
    """List the parents of a canonical Ecode, nearest first; dots inside MD do not cut."""
    levels = text.removeprefix(ECODE_ROOT).split(".", 2)
    found = [ECODE_ROOT + ".".join(levels[:count]) for count in range(len(levels) - 1, 0, -1)]
    if text != ECODE_ROOT:
        found.append(ECODE_ROOT)
    return tuple(found)


def _check_master_data(data: str, rest: str, start: int) -> None:
    if not data:
        raise IdentifierError(rest, start, "the MD of an Ecode is empty; leave out the dot")
    matched = _MASTER_DATA.match(data)
    well_formed = 0 if matched is None else matched.end()
    if well_formed != len(data):
        raise IdentifierError(rest, start + well_formed, "an Ecode is printable ASCII, no spaces")
