"""Which messages were here before: a window over the newest deliveries.

Theory of operation: a source delivers at least once, so after a crash or a reconnect messages come
again that are already in the spool. Two kinds of key tell them apart:

* a payload that carries its own time or counter is known by channel and payload; sent again, in
  whatever delivery, it is the same reading. Same time with another value is not a repeat;
* a payload without either may rightly occur twice (`21.5`, `21.5`), so it is dropped only where the
  peer itself marks the delivery as repeated *and* the same delivery number brought the same bytes.

The payload's hash is never used alone. The window holds the newest keys in two generations: the old
one is dropped as a whole when the young one is full, which bounds memory without a queue. The spool
keeps the same keys on disk and fills the window again at start.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

KEY_BYTES: Final = 16
WINDOW_KEYS: Final = 131_072  # more than any broker was seen to deliver again after a crash


def message_key(channel: str, payload: bytes, *, stamped: bool, delivery: int) -> bytes:
    """Return the key by which a message is known again.

    Args:
        channel: Where it came in.
        payload: Verbatim.
        stamped: The payload carries its own time or counter.
        delivery: The peer's number of this delivery, kept when it is repeated.
    """
    digest = blake2b(digest_size=KEY_BYTES)
    digest.update(b"payload\0" if stamped else b"delivery\0%d\0" % delivery)
    digest.update(b"%d\0" % len(channel))
    digest.update(channel.encode(errors="surrogatepass"))
    digest.update(payload)
    return digest.digest()


class Window:
    """The newest keys, between half and all of `keys_max`."""

    def __init__(self, keys_max: int = WINDOW_KEYS) -> None:
        """Make an empty window that holds at most `keys_max` keys."""
        assert keys_max >= 2, "a window needs room for two generations"
        self._generation_max = keys_max // 2
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()

    def __contains__(self, key: bytes) -> bool:
        return key in self._young or key in self._old

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, key: bytes) -> None:
        """Remember a key as the newest."""
        if len(self._young) >= self._generation_max:
            self._old = self._young
            self._young = set()
        self._young.add(key)

    def fill(self, keys: Iterable[bytes]) -> None:
        """Remember keys, oldest first, as they stood before a restart."""
        for key in keys:
            self.add(key)
