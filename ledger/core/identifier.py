"""Identifiers of five schemes: one canonical text for whatever people paste.

Theory of operation: docs/spec/identifiers.md. `parse` takes what a person has at hand, a link, a
label, a bare handle. `canonical` takes the canonical text and nothing else; it judges what is
signed. Both read the text with the scheme's own reader, which builds the canonical text anew;
`canonical` then compares. So each scheme has one grammar, and the strict form cannot drift from the
tolerant one.

Key text, group and parents are functions of the text alone: nobody needs the ledger's state, or a
table of company prefixes, to know where an identifier lies in the map. Letter case of a handle never
makes two identifiers (ASCII only: other letters are hashed as they are), and its spelling is kept.

Neither function judges who may use an identifier or whether it exists. A self-certifying text is
recognised here; that a key belongs to it is judged where the key is given.

Any text gives an `Identifier` or an `IdentifierError`. The bound on length comes before any work.
An ordinary handle takes one regular expression, because this runs for every item of a bulk load.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from unicodedata import ucd_3_2_0

from ledger.core import identifier_arcs, identifier_did, identifier_gs1, identifier_hdl
from ledger.core.identifier_parts import BYTES_MAX, PARENTS_MAX, Kind, Parts
from ledger.core.identifier_paste import READERS, SCHEMES_RULE, Cut, route
from ledger.errors import IdentifierError

__all__ = [
    "BYTES_MAX",
    "PARENTS_MAX",
    "PASTED_CHARACTERS_MAX",
    "Identifier",
    "canonical",
    "gcp_overlaps",
    "nfkc_lookalike",
    "parse",
]

PASTED_CHARACTERS_MAX: Final = 2048  # a link may be longer than the identifier inside it

_WHITE_SPACE: Final = " \t\r\n"
_PLAIN_HANDLE: Final = re.compile(r"hdl:[a-z0-9]+(?:[.-][a-z0-9]+)*(/)[!-~]+")
_PLAIN_HANDLE_DOTS_MAX: Final = PARENTS_MAX - 2  # parents: the prefix, one per dot, the root
_FOLD: Final = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_PARENTS: Final[dict[str, Callable[[str], tuple[str, ...]]]] = {
    "hdl": identifier_hdl.parents,
    "gs1": identifier_gs1.parents,
    "oid": identifier_arcs.oid_parents,
    "did": identifier_did.parents,
    "ecode": identifier_arcs.ecode_parents,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """An identifier in canonical form; made by `parse` and `canonical` only.

    Two spellings of one handle are different values with equal `key_text`.

    Attributes:
        text: Canonical form, the one that is signed and shown.
        key_text: What is hashed: `text`, with A-Z folded to a-z for handles.
        group: Half of the map key; not always an identifier itself.
        kind: What the text can name.
    """

    text: str
    key_text: str = field(compare=False)
    group: str = field(compare=False)
    kind: Kind = field(compare=False)

    @property
    def scheme(self) -> str:
        """The part before the colon."""
        return self.text[: self.text.index(":")]

    @property
    def parents(self) -> tuple[str, ...]:
        """Canonical texts of all parents, nearest first; empty for roots and self-certifying DIDs."""
        return _PARENTS[self.scheme](self.text)

    @property
    def can_be_prefix(self) -> bool:
        """Whether a prefix object may have this text."""
        return self.kind is Kind.PREFIX or self.kind is Kind.EITHER

    @property
    def must_be_prefix(self) -> bool:
        """Whether nothing but a prefix object may have this text."""
        return self.kind is Kind.PREFIX

    @property
    def self_certifying(self) -> bool:
        """Whether the text is computed from a key, whose holder needs nobody's leave."""
        return self.kind is Kind.SELF_CERTIFYING


def parse(text: str) -> Identifier:
    """Read what people paste.

    Raises:
        IdentifierError: The position counts characters of `text`, white space in front included.
    """
    found = _plain_handle(text)
    if found is not None:
        return found
    _check_bound(text, PASTED_CHARACTERS_MAX, "characters")
    core = text.strip(_WHITE_SPACE)
    offset = len(text) - len(text.lstrip(_WHITE_SPACE)) if core else 0
    try:
        cut = route(core)
    except IdentifierError as error:
        raise IdentifierError(text, offset + error.position, error.rule) from None
    return _read(text, cut, offset)


def canonical(text: str) -> Identifier:
    """Read the canonical form; everything else is refused, however clear its meaning.

    Raises:
        IdentifierError: The rule names the canonical form if there is one.
    """
    found = _plain_handle(text)
    if found is not None:
        return found
    _check_bound(text, BYTES_MAX, "bytes")
    scheme, _, rest = text.partition(":")
    reader = READERS.get(scheme)
    start = len(scheme) + 1
    if reader is None or start > len(text):
        raise IdentifierError(text, 0, SCHEMES_RULE)
    found = _read(text, Cut(reader, rest, range(start, len(text) + 1)), 0)
    if found.text != text:
        where = identifier_hdl.first_difference(text, found.text)
        raise IdentifierError(text, where, f"the canonical form is {found.text!r}")
    return found


def gcp_overlaps(a: Identifier, b: Identifier) -> bool:
    """Tell whether two GS1 company prefixes share numbers: equal, or one inside the other.

    False if either is no company prefix; `gcp` and `gcp8` number different things.
    """
    for head in (identifier_gs1.COMPANY, identifier_gs1.COMPANY_8):
        if a.text.startswith(head) and b.text.startswith(head):
            return a.text.startswith(b.text) or b.text.startswith(a.text)
    return False


def nfkc_lookalike(identifier: Identifier) -> str | None:
    """Return the other identifier that people would take `identifier` for, or None.

    It is the NFKC form of Unicode 3.2, say plain letters for full-width ones. If it is registered,
    registering `identifier` deserves a warning. The opposite, a plain text whose full-width twin is
    registered, cannot be seen from the text alone.
    """
    if identifier.text.isascii():
        return None
    try:
        other = canonical(ucd_3_2_0.normalize("NFKC", identifier.text))
    except IdentifierError:
        return None  # no identifier, so none can be registered
    return None if other.key_text == identifier.key_text else other.text


def _plain_handle(text: str) -> Identifier | None:
    """Read a canonical ASCII handle record; None sends everything else the long way."""
    if len(text) > BYTES_MAX:
        return None
    matched = _PLAIN_HANDLE.fullmatch(text)
    if matched is None:
        return None
    group = text[: matched.start(1)]
    if group.count(".") > _PLAIN_HANDLE_DOTS_MAX:
        return None
    return Identifier(text=text, key_text=text.lower(), group=group, kind=Kind.RECORD)


def _check_bound(text: str, limit: int, unit: str) -> None:
    if len(text) > limit:
        # the error keeps no more of the text than the bound allows
        raise IdentifierError(text[:limit], limit, f"longer than {limit} {unit}")


def _read(text: str, cut: Cut, offset: int) -> Identifier:
    """Let the scheme read its part; move the position of an error to `text`."""
    try:
        parts: Parts = cut.read(cut.rest)
    except IdentifierError as error:
        raise IdentifierError(text, offset + cut.at[error.position], error.rule) from None
    length = len(parts.text.encode())
    if length > BYTES_MAX:
        rule = f"longer than {BYTES_MAX} bytes in canonical form ({length})"
        raise IdentifierError(text, len(text), rule)
    folded = parts.text.startswith(identifier_hdl.ROOT)
    key_text = parts.text.translate(_FOLD) if folded else parts.text
    return Identifier(text=parts.text, key_text=key_text, group=parts.group, kind=parts.kind)
