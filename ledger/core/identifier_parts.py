"""What every identifier scheme hands to `ledger.core.identifier`, and the limits all of them share.

A scheme is one module with two functions: `read(rest)` takes the text after the colon, tolerant of
spelling, and gives `Parts`; `parents(text)` takes a canonical text. A reader raises
`IdentifierError` with positions inside `rest`; the caller moves them to the text it was given.

Rules: docs/spec/identifiers.md. Percent-encoding lives here because pasted links and GS1 values
need the same decoder; `urllib` is no part of core.
"""

import re
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from ledger.errors import IdentifierError

BYTES_MAX: Final = 512  # canonical form, UTF-8; also the CDDL's bound
PARENTS_MAX: Final = 60  # an absence proof carries one map entry per parent

_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


class Kind(Enum):
    """What kind of object a text can name; a function of the text alone."""

    RECORD = auto()
    SELF_CERTIFYING = auto()  # a record whose text is computed from a key
    PREFIX = auto()
    EITHER = auto()


class Parts(NamedTuple):
    """A canonical text, its group, and what it can name."""

    text: str
    group: str
    kind: Kind


def percent_decoded(text: str) -> tuple[str, Sequence[int]]:
    """Decode `%XX` once; return the text and, for each character and the end, where it began.

    Raises:
        IdentifierError: A `%` without two hex digits, or bytes that are not UTF-8.
    """
    if "%" not in text:
        return text, range(len(text) + 1)
    characters: list[str] = []
    began: list[int] = []
    here = 0
    while here < len(text):
        if text[here] != "%":
            characters.append(text[here])
            began.append(here)
            here += 1
            continue
        run = _ESCAPES.match(text, here)
        if run is None:
            raise IdentifierError(text, here, "% must be followed by two hex digits")
        try:
            decoded = bytes.fromhex(run[0].replace("%", "")).decode()
        except UnicodeDecodeError as error:
            where = here + 3 * error.start
            raise IdentifierError(text, where, "the percent-encoded bytes are not UTF-8") from None
        for character in decoded:
            characters.append(character)
            began.append(here)
            here += 3 * len(character.encode())
    began.append(len(text))
    return "".join(characters), began
