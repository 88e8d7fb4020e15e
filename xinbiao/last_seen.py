"""What the client believed last: size and root of the newest checkpoint of each network.

Theory of operation (docs/spec/proof.md, last_seen): a node that once showed a log of size N may never
show a smaller one, nor another history below N. To notice, a client has to remember. The memory is one
small JSON file beside the trust files, `{network: [size, root in hex]}`, replaced as a whole; it only
ever moves forward. Losing it loses no truth, only the chance to notice a rollback that happened before.

A damaged file is an error and not an empty memory: forgetting is what a thief would want.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Final

from xinbiao.errors import InputError

FILE_BYTES_MAX: Final = 1024 * 1024
_ROOT_HEX: Final = 64


class LastSeen:
    """The memory of one client; its methods block on the disk.

    Args:
        file: Where it is kept; None keeps it in this process only.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._seen: dict[str, tuple[int, bytes]] = {}

    def get(self, network: str) -> tuple[int, bytes] | None:
        """Return size and root of the newest checkpoint seen, or None.

        Raises:
            InputError: The file is damaged.
        """
        self._load()
        return self._seen.get(network)

    def put(self, network: str, size: int, root: bytes) -> None:
        """Remember a checkpoint that was verified; an older one changes nothing.

        Raises:
            InputError: The file is damaged or cannot be written.
        """
        self._load()
        known = self._seen.get(network)
        if known is not None and known[0] >= size:
            return
        self._seen[network] = (size, root)
        self._store()

    def _load(self) -> None:
        if self._file is None:
            return
        try:
            with self._file.open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{self._file}: {error.strerror}") from None
        self._seen |= _decode(data, self._file)

    def _store(self) -> None:
        if self._file is None:
            return
        value = {name: [size, root.hex()] for name, (size, root) in self._seen.items()}
        replace_file(self._file, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file as a whole: a reader sees the old one or the new one.

    Raises:
        InputError: It cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path)
            except OSError:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def _decode(data: bytes, path: Path) -> dict[str, tuple[int, bytes]]:
    damaged = InputError(
        f"{path} is damaged. It notices rollbacks: look for the cause, then delete it"
    )
    if len(data) > FILE_BYTES_MAX:
        raise damaged
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise damaged from None
    if not isinstance(value, dict):
        raise damaged
    found: dict[str, tuple[int, bytes]] = {}
    for name, pair in value.items():
        match pair:
            case [int(size), str(root)] if 0 <= size < 2**53 and len(root) == _ROOT_HEX:
                try:
                    found[name] = size, bytes.fromhex(root)
                except ValueError:
                    raise damaged from None
            case _:
                raise damaged
    return found
