"""What the interfaces read from: one head of a ledger, and the archive of readings.

Ports: `adapters/view.py` and `adapters/archive.py` implement them over a node's store. An interface
knows these only, so that the same protocol code serves another kind of node, or a test's own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ledger.core.bundle import Disclosure
from ledger.core.bundle_build import BundleSource
from ledger.core.identifier import Identifier
from ledger.core.operation import Anchor
from ledger.core.reading import Reading


class View(BundleSource, Protocol):
    """One published head: its size, checkpoint and map never change under a reader."""

    def tile(self, level: int, number: int) -> bytes | None:
        """Return a stored tile; its right edge may be ahead of this head."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a reading stands in the order of answers: row time, anchor's log index, leaf."""

    row_us: int
    anchor_index: int
    leaf: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One reading and where it is anchored.

    Attributes:
        reading: The decoded reading.
        anchor: The anchor of its batch.
        place: Where it stands in the order of answers.
    """

    reading: Reading
    anchor: Anchor
    place: Place


class Archive(Protocol):
    """Bodies of anchored batches."""

    async def put(self, stream: Identifier, sequence: int, body: bytes) -> None:
        """Keep an archive body; durable when this returns, and again is once.

        Raises:
            RequestError: 409 while the anchor is not logged; 400 when the body is not the anchored
                one, or no archive.
            StorageError: The store failed.
        """
        ...

    def find(
        self, ident: Identifier, *, from_us: int, to_us: int, after: Place | None
    ) -> Iterator[Found]:
        """Yield readings of an identifier between two times (inclusive), by batch and leaf."""
        ...

    def disclose(self, stream: Identifier, sequence: int, leaf: int) -> tuple[int, Disclosure]:
        """Return the log index of a batch's anchor, and what discloses one reading of it.

        Raises:
            RequestError: 409 when the batch is not logged, 404 when it is not archived here or has
                no such leaf.
        """
        ...

    def has(self, stream: Identifier, sequence: int) -> bool:
        """Tell whether a batch is archived here."""
        ...
