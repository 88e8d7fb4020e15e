"""One ledger head as the proof builders see it (`BundleSource`), and the quick reads beside it.

A view belongs to one published head: its size, checkpoint and map never change under a reader, so an
answer is consistent in itself whatever the writer does meanwhile. A new head gets a new view.
"""

from collections.abc import Sequence

from ledger.adapters.engine_local import LocalEngine, Published
from ledger.core.prefix_map import PrefixMap


class LedgerView:
    """A reader of one published head.

    Attributes:
        size: Log size of the head.
        note: Signed and cosigned checkpoint.
        commit_leaf: Bytes of the last log entry.
        last_leaf_path: Its inclusion path.
        map: The map of the head.
    """

    __slots__ = ("_engine", "commit_leaf", "last_leaf_path", "map", "note", "published", "size")

    def __init__(self, engine: LocalEngine, published: Published) -> None:
        """Bind a head; the engine serves the bytes behind it."""
        self._engine = engine
        self.published = published
        self.size: int = published.size
        self.note: str = published.note
        self.commit_leaf: bytes = published.commit_leaf
        self.last_leaf_path: Sequence[bytes] = published.last_leaf_path
        self.map: PrefixMap = published.map

    def object(self, key: bytes) -> bytes | None:
        """Return an object's bytes by map key."""
        return self._engine.object(key)

    def older(self, key: bytes, version: int) -> bytes | None:
        """Return the bytes of a replaced version."""
        return self._engine.older(key, version)

    def entry(self, index: int) -> bytes:
        """Return a log entry.

        Raises:
            StorageError: There is none.
        """
        return self._engine.entry(index)

    def tile(self, level: int, number: int) -> bytes | None:
        """Return a stored tile; its right edge may be ahead of this head."""
        return self._engine.tile(level, number)

    def leaf_path(self, index: int) -> Sequence[bytes]:
        """Return the inclusion path of an entry under this head."""
        return self._engine.leaf_path(index, self.size)

    def consistency(self, old_size: int) -> Sequence[bytes]:
        """Return the consistency path from an older size to this head."""
        return self._engine.consistency(old_size, self.size)

    def commit_leaf_before(self, ms: int) -> int | None:
        """Return the index of the newest commit leaf with a time ≤ `ms`, or None."""
        return self._engine.commit_leaf_at(ms)

    def next_commit_leaf(self, index: int) -> int | None:
        """Return the index of the commit leaf after the one at `index`; None for the newest."""
        return self._engine.next_commit_leaf(index)
