"""The agent's signing key: PKCS#8 PEM in a file that nobody else may read.

The passphrase comes from a credential file, so that a power cut needs no person. A key file whose
mode lets others read it is refused, because whoever reads it can sign readings in our name.
"""

import os
import stat
from pathlib import Path
from typing import Final

from edge_agent.errors import KeyFileError
from ledger.core import keys
from ledger.errors import KeyFormatError

FILE_BYTES_MAX: Final = 16_384
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
# systemd gives a credential to its service by an ACL, whose mask shows as group-readable
_OTHERS_BUT_GROUP_READ: Final = _OTHERS & ~stat.S_IRGRP


def load_key(path: Path, credential: Path | None) -> keys.PrivateKey:
    """Read the signing key.

    Args:
        path: PEM file, mode 0600.
        credential: File whose content, without its line end, is the passphrase; None for none.

    Raises:
        KeyFileError: Missing, too open, not a key of a known suite, or the passphrase is wrong.
    """
    pem = read_private(path, "key file")
    passphrase = None
    if credential is not None:
        read = read_private(credential, "credential file", refused_bits=_OTHERS_BUT_GROUP_READ)
        passphrase = read.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return keys.private_from_pem(pem, passphrase)
    except KeyFormatError as error:
        raise KeyFileError(f"key file {path}: {error}") from None


def read_private(path: Path, what: str, *, refused_bits: int = _OTHERS) -> bytes:
    """Read a small file that only its owner may read; `refused_bits` of its mode are refused.

    Raises:
        KeyFileError: Missing, too large, or open to others.
    """
    try:
        # One open file is judged and read: nothing can be swapped in between. Neither through a
        # link, nor waiting: a pipe of that name must not hang the start.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise KeyFileError(f"{what} {path} is no regular file")
            if mode & refused_bits:
                raise KeyFileError(f"{what} {path} can be read by others: chmod 600 {path}")
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFileError(f"{what} {path}: {error.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise KeyFileError(f"{what} {path} has more than {FILE_BYTES_MAX} bytes")
    return data
