"""Build proof bundles: what a node must lay side by side so that a stranger can check an answer.

Theory of operation (docs/spec/proof.md): a `BundleSource` is one published checkpoint with the log
and the map exactly as of that checkpoint; everything in a bundle comes from the same one. The
functions mirror `proof.verify`, member by member: what a question does not use is left out, for it
would be refused.

`last_seen_size` is what the asker believed before (`since`): a smaller log than the checkpoint's
gets a consistency proof; for an equal or larger one there is nothing to prove.

Pure: a source reads, this module decides what to ask it for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.core import identifier as identifiers
from ledger.core import operation, statement
from ledger.core.block import decode_commit_leaf
from ledger.core.bundle import Bundle, Disclosure, Logged, MapEntry
from ledger.core.identifier import Identifier
from ledger.core.operation import Anchor
from ledger.core.prefix_map import PrefixMap
from ledger.core.proof_history import created, last, previous, version
from ledger.core.question import Moment, Time
from ledger.core.record import (
    AliasObject,
    PrefixObject,
    RecordObject,
    decode_object,
    id_key,
    stream_key,
)
from ledger.core.verdict import Versioned
from ledger.errors import Rejection


class BundleSource(Protocol):
    """A published checkpoint and the state under it."""

    @property
    def size(self) -> int:
        """Size of the log."""
        ...

    @property
    def note(self) -> str:
        """The checkpoint with its signatures and cosignatures."""
        ...

    @property
    def commit_leaf(self) -> bytes:
        """The log's last entry."""
        ...

    @property
    def last_leaf_path(self) -> Sequence[bytes]:
        """Path of the last entry to the root."""
        ...

    @property
    def map(self) -> PrefixMap:
        """The map under the commit leaf's root."""
        ...

    def object(self, key: bytes) -> bytes | None:
        """Return the object at a map key, None where there is none."""
        ...

    def older(self, key: bytes, version: int) -> bytes | None:
        """Return an older version of the object at a map key, None where it is not kept."""
        ...

    def entry(self, index: int) -> bytes:
        """Return a log entry; `index` is below `size`."""
        ...

    def leaf_path(self, index: int) -> Sequence[bytes]:
        """Return the path of an entry to the root of `size` entries."""
        ...

    def consistency(self, old_size: int) -> Sequence[bytes]:
        """Return the proof that the log of `old_size` entries is the start of this one."""
        ...

    def commit_leaf_before(self, ms: int) -> int | None:
        """Return the index of the newest commit leaf of `ms` or before, None where there is none."""
        ...

    def next_commit_leaf(self, index: int) -> int | None:
        """Return the index of the commit leaf after the one at `index`, None at the end."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """The entries about the identifier asked, and its object."""

    entries: list[MapEntry]
    found: Versioned | None


def current_bundle(
    source: BundleSource, identifier: Identifier, last_seen_size: int | None = None
) -> Bundle:
    """Return what proves an identifier's record, or that there is none."""
    return _bundle(source, identifier, _asked(source, identifier).entries, last_seen_size)


def history_bundle(
    source: BundleSource,
    identifier: Identifier,
    at: Moment | None = None,
    last_seen_size: int | None = None,
) -> Bundle:
    """Return what proves an identifier's versions, all or back to a moment.

    Raises:
        ValueError: `at` is a log size above the source's.
        LookupError: An older version is not kept.
    """
    if at is not None and not isinstance(at, Time) and at.size > source.size:
        raise ValueError(f"the log has {source.size} entries, fewer than {at.size}")
    asked = _asked(source, identifier)
    logged: list[int] | None = None
    size: int | None = None
    if isinstance(at, Time):
        size, logged = _leaves_at(source, at.ms)
    elif at is not None:
        size = at.size
    older = _older(source, identifier, asked.found, size)
    return _bundle(
        source, identifier, asked.entries, last_seen_size, older=tuple(older), logged=logged
    )


def reading_bundle(
    source: BundleSource,
    identifier: Identifier,
    *,
    stream: Identifier,
    anchor_index: int,
    disclosure: Disclosure,
    last_seen_size: int | None = None,
) -> Bundle:
    """Return what proves one reading.

    Args:
        source: The checkpoint.
        identifier: The identifier asked.
        stream: The gateway's identifier.
        anchor_index: Log index of the anchor of the reading's batch.
        disclosure: The reading with its path in the batch.
        last_seen_size: Size of the log that the asker believed before.

    Raises:
        ValueError: The entry at that index is no anchor of that stream.
    """
    try:
        signed = statement.parse(source.entry(anchor_index))
        anchor = operation.parse(signed.payload)
    except Rejection as error:
        raise ValueError(f"entry {anchor_index} is no anchor: {error}") from None
    if not isinstance(anchor, Anchor) or anchor.stream.key_text != stream.key_text:
        raise ValueError(f"entry {anchor_index} is no anchor of {stream.text}")
    issuer = identifiers.canonical(signed.iss)
    entries = _asked(source, identifier).entries
    entries += (_entry(source, stream_key(anchor.stream)), _entry(source, id_key(issuer)))
    return _bundle(
        source,
        identifier,
        entries,
        last_seen_size,
        logged=[anchor_index],
        disclosure=disclosure,
    )


# ---------------------------------------------------------------- map entries


def _entry(source: BundleSource, key: bytes) -> MapEntry:
    return MapEntry(data=source.object(key), proof=source.map.prove(key))


def _asked(source: BundleSource, identifier: Identifier) -> _Asked:
    first = _entry(source, id_key(identifier))
    if first.data is None:
        return _Asked([first, *_parents(source, identifier)], None)
    found = decode_object(first.data)
    assert isinstance(found, RecordObject | PrefixObject | AliasObject), "the key's kinds"
    if isinstance(found, AliasObject) and found.target is not None:
        target = identifiers.canonical(found.target)
        return _Asked([first, _entry(source, id_key(target))], found)
    return _Asked([first], found)


def _parents(source: BundleSource, identifier: Identifier) -> list[MapEntry]:
    """Return the entries of the parents up to the first that is present."""
    entries = []
    for text in identifier.parents:
        entries.append(_entry(source, id_key(identifiers.canonical(text))))
        if entries[-1].data is not None:
            break
    return entries


# ---------------------------------------------------------------- history


def _leaves_at(source: BundleSource, ms: int) -> tuple[int, list[int]]:
    """Return the log size of a time, and the commit leaves that show it."""
    newest = source.commit_leaf_before(ms)
    if newest is None:
        own = decode_commit_leaf(source.commit_leaf)
        return 0, [] if own.height == 0 else [1]
    after = source.next_commit_leaf(newest)
    if after is None or after >= source.size:
        return source.size, []
    return newest + 1, [newest, after]


def _older(
    source: BundleSource, identifier: Identifier, found: Versioned | None, size: int | None
) -> list[bytes]:
    """Return older versions, newest first, down to that of the log size or to the first."""
    older: list[bytes] = []
    if found is None or (size is not None and created(found) >= size):
        return older
    key = id_key(identifier)
    while previous(found) is not None if size is None else last(found) >= size:
        data = source.older(key, version(found) - 1)
        if data is None:
            raise LookupError(f"version {version(found) - 1} of {identifier.text} is not kept")
        older.append(data)
        decoded = decode_object(data)
        assert isinstance(decoded, type(found)), "versions of an object are of one kind"
        found = decoded
    return older


# ---------------------------------------------------------------- the bundle


def _bundle(
    source: BundleSource,
    identifier: Identifier,
    entries: Sequence[MapEntry],
    last_seen_size: int | None,
    *,
    older: tuple[bytes, ...] | None = None,
    logged: Sequence[int] | None = None,
    disclosure: Disclosure | None = None,
) -> Bundle:
    grown = last_seen_size is not None and last_seen_size < source.size
    return Bundle(
        identifier=identifier.text,
        note=source.note,
        commit_leaf=source.commit_leaf,
        last_leaf_path=tuple(source.last_leaf_path),
        entries=tuple(entries),
        older=older,
        logged=None if logged is None else tuple(_logged(source, index) for index in logged),
        consistency=tuple(source.consistency(last_seen_size or 0)) if grown else None,
        disclosure=disclosure,
    )


def _logged(source: BundleSource, index: int) -> Logged:
    return Logged(index=index, entry=source.entry(index), path=tuple(source.leaf_path(index)))
