"""The log as C2SP serves it: `/checkpoint`, `/tile/<L>/<N>[.p/<W>]`, `/tile/entries/<N>[.p/<W>]`.

A stored tile may be ahead of the published size (its right edge is overwritten in place); what is
served is cut to a width that the published log has, so nothing unpublished ever shows.
"""

from typing import Final

from ledger.core.merkle import HASH_BYTES
from ledger.core.tile import ENTRIES, TILE_WIDTH, TilePath, encode_bundle, parse_path, width_at
from ledger.errors import NoteError, StorageError
from resolver.core.ports import View
from resolver.errors import RequestError
from resolver.interfaces.answer import Answer, answer

CHECKPOINT: Final = "/checkpoint"
TILE: Final = "/tile/"
_FOREVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")
_BRIEFLY: Final = (b"cache-control", b"public, max-age=2")


def checkpoint(view: View) -> Answer:
    """Answer `GET /checkpoint`."""
    return answer(200, b"text/plain; charset=utf-8", view.note.encode(), _BRIEFLY)


def tile(view: View, path: str) -> Answer:
    """Answer `GET /tile/…`.

    Raises:
        RequestError: 400 for a path that is none, 404 for a tile that the log has not (yet).
    """
    try:
        wanted = parse_path(path.removeprefix("/"))
    except NoteError as error:
        raise RequestError(400, "malformed", str(error)) from None
    if width_at(wanted, view.size) < wanted.width:
        raise RequestError(404, "not-found", f"the log of size {view.size} has no such tile")
    body = _entries(view, wanted) if wanted.level == ENTRIES else _hashes(view, wanted)
    return answer(200, b"application/octet-stream", body, _FOREVER)


def _hashes(view: View, wanted: TilePath) -> bytes:
    stored = view.tile(wanted.level, wanted.number)
    if stored is None or len(stored) < wanted.width * HASH_BYTES:
        raise StorageError(f"tile {wanted.level}/{wanted.number} is missing: restore a backup")
    return stored[: wanted.width * HASH_BYTES]


def _entries(view: View, wanted: TilePath) -> bytes:
    first = wanted.number * TILE_WIDTH
    return encode_bundle([view.entry(first + at) for at in range(wanted.width)])
