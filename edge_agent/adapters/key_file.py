"""The agent's signing key: PKCS#8 PEM in a file that nobody else may read.

The passphrase comes from a credential file, so that a power cut needs no person. A key file whose
mode lets others read it is refused, because whoever reads it can sign readings in our name.
"""

import stat
from pathlib import Path
from typing import Final

from edge_agent.errors import KeyFileError
from ledger.core import keys
from ledger.errors import KeyFormatError

FILE_BYTES_MAX: Final = 16_384
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def load_key(path: Path, credential: Path | None) -> keys.PrivateKey:
    """Read the signing key.

    Args:
        path: PEM file, mode 0600.
        credential: File whose content, without its last line feed, is the passphrase; None for none.

    Raises:
        KeyFileError: Missing, too open, not a key of a known suite, or the passphrase is wrong.
    """
    pem = read_private(path, "key file")
    passphrase = None
    if credential is not None:
        passphrase = read_private(credential, "credential file").removesuffix(b"\n")
    try:
        return keys.private_from_pem(pem, passphrase)
    except KeyFormatError as error:
        raise KeyFileError(f"key file {path}: {error}") from None


def read_private(path: Path, what: str) -> bytes:
    """Read a small file that only its owner may read.

    Raises:
        KeyFileError: Missing, too large, or open to others.
    """
    try:
        mode = path.stat().st_mode
        if mode & _OTHERS:
            raise KeyFileError(f"{what} {path} can be read by others: chmod 600 {path}")
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFileError(f"{what} {path}: {error.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise KeyFileError(f"{what} {path} has more than {FILE_BYTES_MAX} bytes")
    return data
