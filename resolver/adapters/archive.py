"""Archives of readings: accepted when they equal what was anchored, found by identifier and time.

Theory of operation (docs/spec/readings.md). A gateway pushes the body of each batch: K and the
readings. The ledger already holds their root and count, signed, so a body proves itself: it is kept
iff it has that count and root, and needs no other authentication.

Beside each body one row per identifier is written, so that readings are found without opening every
batch:

    `r` ‖ H(key text)[:16] ‖ u64be first µs of that identifier in the batch ‖ u64be anchor index
        → u64be last µs

Body and rows are one batch of the store. An archive that is there already is accepted again.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from ledger.adapters.engine_local import LocalEngine
from ledger.adapters.store import Column, Store
from ledger.core import identifier, operation, reading, statement
from ledger.core.bundle import Disclosure
from ledger.core.derived import u64
from ledger.core.identifier import Identifier
from ledger.core.merkle import tree_path, tree_root
from ledger.core.operation import Anchor
from ledger.core.reading import Reading
from ledger.core.record import stream_key
from ledger.errors import EncodingError, IdentifierError, StorageError
from resolver.core.ports import Found, Place
from resolver.errors import RequestError

JUDGED_AT_ONCE_MAX: Final = 2
OPEN_ARCHIVES_MAX: Final = 4  # decoded bodies kept in memory, each at most ARCHIVE_BYTES_MAX
_KEY_TEXTS_CACHED_MAX: Final = 4096
_ROW: Final = b"r"


@dataclass(frozen=True, slots=True)
class _Batch:
    anchor: Anchor
    batch_key: bytes
    encoded: list[bytes]
    readings: list[Reading]


class Archives:
    """The node's archive, in the columns ARCHIVE of its store."""

    def __init__(self, store: Store, engine: LocalEngine) -> None:
        """Take the node's store and engine."""
        self._store = store
        self._engine = engine
        self._open: OrderedDict[int, _Batch] = OrderedDict()
        self._opening = (
            threading.Lock()
        )  # reads come from threads; one archive is decoded at a time
        self._judging = asyncio.Semaphore(JUDGED_AT_ONCE_MAX)

    async def put(self, stream: Identifier, sequence: int, body: bytes) -> None:
        """Keep an archive body; durable when this returns.

        Raises:
            RequestError: 409 while the anchor is not logged; 400 when the body is not the anchored
                one, or no archive.
            StorageError: The store failed.
        """
        index, anchor = self._anchor(stream, sequence)
        if self._store.get(Column.ARCHIVE, u64(index)) is not None:
            return
        async with self._judging:
            rows = await asyncio.to_thread(_checked_rows, anchor, index, body)
            await self._store.commit({Column.ARCHIVE: {u64(index): body, **rows}})

    def find(
        self, ident: Identifier, *, from_us: int, to_us: int, after: Place | None
    ) -> Iterator[Found]:
        """Yield readings of an identifier, by batch and leaf.

        Args:
            ident: Whose readings.
            from_us: Earliest time, Unix microseconds.
            to_us: Latest time, inclusive.
            after: Place of the last reading of the page before.
        """
        prefix = _row_of(ident.key_text)
        start = b"" if after is None else prefix + u64(after.row_us) + u64(after.anchor_index)
        for key, value in self._store.scan(Column.ARCHIVE, prefix, start=start):
            row_us, index = _row_numbers(key)
            if row_us > to_us:
                return
            if int.from_bytes(value, "big") < from_us:
                continue
            batch = self._load(index)
            if batch is None:
                raise StorageError(f"archive {index} has a row and no body: restore a backup")
            first = after.leaf + 1 if after is not None and index == after.anchor_index else 0
            for leaf in range(first, len(batch.readings)):
                one = batch.readings[leaf]
                if from_us <= one.us <= to_us and _key_text(one.identifier) == ident.key_text:
                    place = Place(row_us=row_us, anchor_index=index, leaf=leaf)
                    yield Found(reading=one, anchor=batch.anchor, place=place)

    def disclose(self, stream: Identifier, sequence: int, leaf: int) -> tuple[int, Disclosure]:
        """Return the log index of a batch's anchor, and what discloses one reading of it.

        Raises:
            RequestError: 409 when the batch is not logged, 404 when it is not archived here or has
                no such leaf.
        """
        index, _ = self._anchor(stream, sequence)
        batch = self._load(index)
        if batch is None:
            raise RequestError(404, "not-archived", f"batch {sequence} is not archived here")
        if leaf >= len(batch.encoded):
            raise RequestError(404, "no-such-leaf", f"the batch has {len(batch.encoded)} leaves")
        ctx = reading.context(batch.anchor.sequence, batch.anchor.stream.key_text)
        leaves = reading.leaf_hashes(batch.batch_key, batch.encoded, ctx)
        return index, Disclosure(
            reading=batch.encoded[leaf],
            salt=reading.salt(batch.batch_key, leaf),
            leaf=leaf,
            path=tuple(tree_path(leaves, leaf)),
        )

    def has(self, stream: Identifier, sequence: int) -> bool:
        """Tell whether a batch is archived here."""
        index = self._engine.anchor_index(stream_key(stream), sequence)
        return index is not None and self._store.get(Column.ARCHIVE, u64(index)) is not None

    def _anchor(self, stream: Identifier, sequence: int) -> tuple[int, Anchor]:
        index = self._engine.anchor_index(stream_key(stream), sequence)
        if index is None or index >= self._engine.size:
            raise RequestError(
                409, "not-anchored", f"{stream.text} has no anchor {sequence} in the log yet", 1
            )
        return index, self._anchor_at(index)

    def _anchor_at(self, index: int) -> Anchor:
        logged = operation.parse(statement.parse(self._engine.entry(index)).payload)
        if not isinstance(logged, Anchor):
            raise StorageError(f"log entry {index} is no anchor: rebuild the index")
        return logged

    def _load(self, index: int) -> _Batch | None:
        with self._opening:
            return self._load_locked(index)

    def _load_locked(self, index: int) -> _Batch | None:
        batch = self._open.get(index)
        if batch is not None:
            self._open.move_to_end(index)
            return batch
        body = self._store.get(Column.ARCHIVE, u64(index))
        if body is None:
            return None
        batch_key, encoded = reading.decode_archive(body)
        decoded = [reading.decode_reading(one) for one in encoded]
        batch = _Batch(self._anchor_at(index), batch_key, encoded, decoded)
        self._open[index] = batch
        while len(self._open) > OPEN_ARCHIVES_MAX:
            self._open.popitem(last=False)
        return batch


def _checked_rows(anchor: Anchor, index: int, body: bytes) -> dict[bytes, bytes]:
    """Check a body against its anchor and return its rows.

    Raises:
        RequestError: The body is not the anchored one.
    """
    try:
        batch_key, encoded = reading.decode_archive(body)
    except EncodingError as error:
        raise RequestError(400, "malformed", f"archive: {error}") from None
    ctx = reading.context(anchor.sequence, anchor.stream.key_text)
    root = tree_root(reading.leaf_hashes(batch_key, encoded, ctx))
    if len(encoded) != anchor.count or root != anchor.root:
        raise RequestError(
            400, "not-the-anchored-batch", "count or root differ from the logged anchor"
        )
    spans: dict[str, tuple[int, int]] = {}
    for data in encoded:
        one = reading.decode_reading(data)
        key_text = _key_text(one.identifier)
        if (
            key_text is not None
        ):  # two spellings of one handle are one row, or they would show twice
            first, last = spans.get(key_text, (one.us, one.us))
            spans[key_text] = min(first, one.us), max(last, one.us)
    return {
        _row_of(key_text) + u64(first) + u64(index): u64(last)
        for key_text, (first, last) in spans.items()
    }


@lru_cache(maxsize=_KEY_TEXTS_CACHED_MAX)
def _key_text(text: str) -> str | None:
    """Return the key text of a reading's identifier; None when it is none (then nobody finds it)."""
    try:
        return identifier.canonical(text).key_text
    except IdentifierError:
        return None


def _row_of(key_text: str) -> bytes:
    return _ROW + sha256(key_text.encode()).digest()[:16]


def _row_numbers(key: bytes) -> tuple[int, int]:
    start = len(_ROW) + 16
    return int.from_bytes(key[start : start + 8], "big"), int.from_bytes(key[start + 8 :], "big")
