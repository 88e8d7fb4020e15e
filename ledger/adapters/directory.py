"""Making directories that are private and still there after a power cut.

A new file or directory exists for certain only when the directory that names it was synced, too;
`mkdir` alone promises nothing. Both stores of the ledger, blocks and keys, need that promise.
"""

import os
from pathlib import Path
from typing import Final

DIRECTORY_MODE: Final = 0o700


def make_durable(directory: Path) -> None:
    """Make `directory` and its missing parents (0700), and sync every name made on the way.

    Raises:
        OSError: The operating system refuses, or a file is in the way.
    """
    missing = [directory]
    while not missing[-1].is_dir() and missing[-1] != missing[-1].parent:
        missing.append(missing[-1].parent)
    for made in reversed(missing[:-1]):
        made.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        sync(made.parent)


def sync(directory: Path) -> None:
    """Make the names in `directory` durable.

    Raises:
        OSError: The operating system refuses.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
