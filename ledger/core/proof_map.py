"""Verify a bundle's map entries: the identifier asked, an alias's target, an absent one's parents.

Theory of operation (docs/spec/proof.md, verify, step 8): entries stand in an order that the question
fixes, and every key is computed here, from the text asked or from an object proved just before; so a
bundle cannot answer about another identifier §ask. A reader takes them one by one, checks each
against the map root, that the object is of a kind that may stand there, and that it has the key text
of its place. Entries that nobody took are refused.

* An alias brings its target, and each must name the other.
* An absent identifier brings every parent, nearest first, up to the first that exists: only that one
  may say whether the identifier belongs to another network.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ledger.core import identifier as identifiers
from ledger.core.bundle import Bundle
from ledger.core.identifier import Identifier
from ledger.core.prefix_map import verify_absent, verify_present
from ledger.core.record import (
    AliasObject,
    Object,
    PrefixObject,
    RecordObject,
    StreamObject,
    decode_object,
    id_key,
    object_value,
)
from ledger.core.verdict import Versioned
from ledger.errors import EncodingError, IdentifierError, ProofError, ProofFault

T = TypeVar("T")
NAMED: Final[tuple[type[Any], ...]] = (RecordObject, PrefixObject, AliasObject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the map says about the identifier asked.

    Attributes:
        asked: Its object, or None.
        record: What it resolves to: itself, or the target of an alias.
        nearest: When it is absent: its nearest existing parent, None for a text without parents.
    """

    asked: Versioned | None
    record: RecordObject | PrefixObject | None = None
    nearest: Versioned | None = None

    @property
    def alias(self) -> AliasObject | None:
        """The object asked, if it is an alias."""
        return self.asked if isinstance(self.asked, AliasObject) else None


class EntryReader:
    """Takes a bundle's map entries in their order."""

    def __init__(self, bundle: Bundle, map_root: bytes) -> None:
        self._entries = bundle.entries
        self._root = map_root
        self._next = 0

    @property
    def part(self) -> str:
        """How messages name the entry that was taken last."""
        return f"map entry {self._next - 1}"

    def take(
        self, key: bytes, ident: Identifier, kinds: tuple[type[T], ...], what: str
    ) -> T | None:
        """Take the next entry, which must be about `key`; None when it proves absence.

        Raises:
            ProofError: It is missing, proves nothing, or holds an object that cannot stand there.
        """
        part = f"map entry {self._next}"
        if self._next == len(self._entries):
            raise ProofError(part, ProofFault.INCOMPLETE, f"missing: {what} {ident.text}")
        entry = self._entries[self._next]
        self._next += 1
        if entry.data is None:
            if not verify_absent(self._root, key, entry.proof):
                raise ProofError(
                    part, ProofFault.FORGED, f"it does not prove {what} {ident.text} absent"
                )
            return None
        if not verify_present(self._root, key, object_value(entry.data), entry.proof):
            raise ProofError(part, ProofFault.FORGED, f"it does not prove {what} {ident.text}")
        found = read_object(entry.data, part)
        if not isinstance(found, kinds) or not is_of(found, ident):
            raise ProofError(
                part, ProofFault.FORGED, f"the object at the key of {ident.text} is no {what}"
            )
        return found

    def need(self, key: bytes, ident: Identifier, kinds: tuple[type[T], ...], what: str) -> T:
        """Take the next entry, which must be present.

        Raises:
            ProofError: It is missing, proves absence, or proves nothing.
        """
        found = self.take(key, ident, kinds, what)
        if found is None:
            raise ProofError(self.part, ProofFault.FORGED, f"{what} {ident.text} does not exist")
        return found

    def end(self) -> None:
        """Refuse entries that nobody took.

        Raises:
            ProofError: There is a surplus entry.
        """
        if self._next != len(self._entries):
            raise ProofError(
                f"map entry {self._next}", ProofFault.MALFORMED, "the question does not use it"
            )


def read_object(data: bytes, part: str) -> Object:
    """Decode an object.

    Raises:
        ProofError: The bytes are no object.
    """
    try:
        return decode_object(data)
    except EncodingError as error:
        raise ProofError(part, ProofFault.MALFORMED, f"object: {error}") from None


def is_of(found: object, ident: Identifier) -> bool:
    """Tell whether an object carries the identifier, in whatever spelling."""
    if not isinstance(found, RecordObject | PrefixObject | AliasObject | StreamObject):
        return False
    return key_text(found.id) == ident.key_text


def key_text(text: str) -> str | None:
    """Return the key text of a canonical identifier, None for any other text."""
    try:
        return identifiers.canonical(text).key_text
    except IdentifierError:
        return None


def find(entries: EntryReader, asked: Identifier) -> Found:
    """Take the entries about the identifier asked.

    Raises:
        ProofError: One of them is missing or proves nothing.
    """
    found: Versioned | None = entries.take(id_key(asked), asked, NAMED, "object")
    if found is None:
        return Found(asked=None, nearest=_nearest(entries, asked))
    if isinstance(found, AliasObject):
        return Found(asked=found, record=_target(entries, asked, found))
    return Found(asked=found, record=found)


def _target(entries: EntryReader, asked: Identifier, alias: AliasObject) -> RecordObject | None:
    if alias.target is None:
        return None
    target = identifiers.canonical(alias.target)
    record = entries.need(id_key(target), target, (RecordObject,), "alias target")
    if asked.key_text not in map(key_text, record.aliases):
        raise ProofError(
            entries.part, ProofFault.FORGED, f"{record.id} does not name the alias {asked.text}"
        )
    return record


def _nearest(entries: EntryReader, asked: Identifier) -> Versioned | None:
    """Return the nearest existing parent, all nearer ones being proved absent."""
    parents = asked.parents
    for text in parents:
        parent = identifiers.canonical(text)
        kinds = (PrefixObject,) if parent.must_be_prefix else NAMED
        found: Versioned | None = entries.take(id_key(parent), parent, kinds, "parent")
        if found is not None:
            return found
    if parents:
        raise ProofError(
            entries.part, ProofFault.FORGED, f"{asked.scheme}: has no root in this network"
        )
    return None
