"""Private keys in files: `NAME.pem`, and beside it the public half, `NAME.pub.pem`.

Theory of operation: a private key lies in encrypted PKCS#8, in a file that only its owner may read
(0600), in a directory that only its owner may enter (0700). The passphrase comes from a credential
file, so that a node comes up again after a power cut with nobody there; whoever copies the keys of a
disk without that file gets nothing. The public half makes it possible to list keys without opening
any.

Rules kept:

* Permissions that are too wide are refused, not repaired: somebody may have read the key already.
  They are judged on the open file, so nothing can be swapped in between; a symbolic link is refused.
* A key file is never overwritten, and `create` returns when file and name are durable.
* PKCS#8 as `cryptography` writes it stretches a passphrase by 2,048 rounds of PBKDF2 only (0.4 ms):
  too few for a word that a person thought up. So a passphrase has `PASSPHRASE_BYTES_MIN` bytes at
  least, and `create_passphrase` draws one.

Everything here blocks: call it before the event loop runs, or in a thread. Hardware keys (PKCS#11,
TPM) would be another adapter.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.adapters.directory import DIRECTORY_MODE, make_durable, sync
from ledger.core.keys import (
    PEM_BYTES_MAX,
    PrivateKey,
    PublicKey,
    private_from_pem,
    private_from_seed,
    public_from_pem,
)
from ledger.errors import KeyFormatError, KeystoreError

FILE_MODE: Final = 0o600
PASSPHRASE_BYTES_MIN: Final = 16
PASSPHRASE_BYTES_MAX: Final = 1024
KEYS_MAX: Final = 1000
"""How many keys one directory may list."""

_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")
_OTHERS: Final = 0o077
# systemd gives a credential to its service by an ACL, whose mask shows as group-readable
_OTHERS_BUT_GROUP_READ: Final = 0o037


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """One key of the store, as far as it is known without the passphrase."""

    name: str
    public: PublicKey

    @property
    def curve(self) -> str:
        """The key's curve: `Ed25519` or `P-256`."""
        return self.public.curve

    @property
    def kid(self) -> str:
        """The key's identifier, in hex."""
        return self.public.kid.hex()


class Keystore:
    """The keys of one directory, all under one passphrase.

    Args:
        directory: Where the files are; made by the first `create`.
        passphrase: What opens them, as `read_passphrase` returns it; listing needs none.
    """

    def __init__(self, directory: Path, passphrase: bytes = b"") -> None:
        self._directory = directory
        self._passphrase = passphrase

    def create(self, name: str, curve: str, seed: bytes) -> PrivateKey:
        """Make a key from 32 random bytes and keep it; on return it survives a power cut.

        Raises:
            KeystoreError: The name is taken or not allowed, the passphrase is too short, the
                directory is open to others, or the disk refuses.
            KeyFormatError: Unknown curve, or a seed that is not 32 bytes.
        """
        private, public = self._paths(name)
        if len(self._passphrase) < PASSPHRASE_BYTES_MIN:
            raise KeystoreError(
                f"the passphrase has {len(self._passphrase)} bytes; keys are encrypted under"
                f" {PASSPHRASE_BYTES_MIN} or more random ones"
            )
        key = private_from_seed(curve, seed)
        with _in_words(self._directory):
            make_durable(self._directory)
        self._check_directory()
        _write_new(private, key.to_pem(self._passphrase).encode())
        self._write_public(public, key.public)
        return key

    def load(self, name: str) -> PrivateKey:
        """Open a key; writes its public file again if that one was lost.

        Raises:
            KeystoreError: There is no such key, others may read it, or it does not open.
        """
        private, public = self._paths(name)
        self._check_directory()
        pem = _read(private, PEM_BYTES_MAX, _OTHERS)
        try:
            key = private_from_pem(pem, self._passphrase)
        except KeyFormatError as error:
            raise KeystoreError(
                f"{private}: does not open with this passphrase ({error}): check the credential"
                " file; a key that is not encrypted is not used"
            ) from error
        if not public.exists():
            self._write_public(public, key.public)
        elif self._read_public(name) != key.public:
            raise KeystoreError(f"{public}: belongs to another key than {private}: delete it")
        return key

    def entries(self) -> tuple[KeyEntry, ...]:
        """Return the keys of the directory by name, without opening any of them.

        Raises:
            KeystoreError: A public file is missing or damaged, or the directory is open to others.
        """
        if not self._directory.exists():
            return ()
        self._check_directory()
        with _in_words(self._directory):
            stems = sorted(path.stem for path in self._directory.glob("*.pem"))
        names = [stem for stem in stems if _NAME.fullmatch(stem)]
        if len(names) > KEYS_MAX:
            raise KeystoreError(f"{self._directory}: holds more than {KEYS_MAX} keys: move some")
        return tuple(KeyEntry(name=name, public=self._read_public(name)) for name in names)

    def _paths(self, name: str) -> tuple[Path, Path]:
        if not _NAME.fullmatch(name):
            raise KeystoreError(f"{name!r} is no key name: use 1 to 64 of a-z, 0-9 and -")
        return self._directory / f"{name}.pem", self._directory / f"{name}.pub.pem"

    def _check_directory(self) -> None:
        with _in_words(self._directory):
            mode = self._directory.stat().st_mode
        if not stat.S_ISDIR(mode):
            raise KeystoreError(f"{self._directory}: is no directory")
        if mode & _OTHERS:
            raise KeystoreError(
                f"{self._directory}: is open to others ({stat.S_IMODE(mode):03o}): chmod"
                f" {DIRECTORY_MODE:o} {self._directory}, and replace keys that others may have read"
            )

    def _read_public(self, name: str) -> PublicKey:
        path = self._paths(name)[1]
        try:
            return public_from_pem(_read(path, PEM_BYTES_MAX, 0))
        except KeyFormatError as error:
            raise KeystoreError(
                f"{path}: {error}: delete it, and use the key once: that writes it again"
            ) from error

    def _write_public(self, path: Path, public: PublicKey) -> None:
        """Write a public file whole or not at all; a cut-off one of an earlier crash gives way."""
        new = path.with_suffix(".new")
        with _in_words(path):
            new.unlink(missing_ok=True)
            _write_new(new, public.to_pem().encode())
            new.rename(path)
            sync(self._directory)


def read_passphrase(path: Path) -> bytes:
    """Read a credential file: its bytes without the line end.

    Raises:
        KeystoreError: It is missing, open to others, empty or too long.
    """
    passphrase = _read(path, PASSPHRASE_BYTES_MAX, _OTHERS_BUT_GROUP_READ)
    passphrase = passphrase.removesuffix(b"\n").removesuffix(b"\r")
    if not passphrase:
        raise KeystoreError(f"{path}: holds no passphrase")
    return passphrase


def create_passphrase(path: Path, random: bytes) -> bytes:
    """Write a credential file that holds `random` in hex, and return the passphrase.

    Raises:
        KeystoreError: The file exists, too few random bytes were given, or the disk refuses.
    """
    passphrase = random.hex().encode()
    if len(random) < PASSPHRASE_BYTES_MIN:
        raise KeystoreError(
            f"a passphrase is made from {PASSPHRASE_BYTES_MIN} random bytes or more"
        )
    with _in_words(path.parent):
        make_durable(path.parent)
    _write_new(path, passphrase + b"\n")
    return passphrase


def _write_new(path: Path, data: bytes) -> None:
    """Write a private file that did not exist; a failed one is removed again."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except FileExistsError:
        raise KeystoreError(f"{path}: exists already, and is never overwritten") from None
    except OSError as error:
        raise KeystoreError(f"{path}: cannot make it: {error.strerror}") from error
    with _in_words(path):
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            sync(path.parent)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _read(path: Path, bytes_max: int, refused_bits: int) -> bytes:
    """Read a file of at most `bytes_max` bytes whose mode has none of `refused_bits`."""
    with _in_words(path):
        # not blocking: a pipe of that name must not hang the start
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise KeystoreError(f"{path}: is no regular file")
            if mode & refused_bits:
                raise KeystoreError(
                    f"{path}: others may use it ({stat.S_IMODE(mode):03o}): chmod"
                    f" {FILE_MODE:o} {path}, and replace it if others may have read it"
                )
            data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise KeystoreError(f"{path}: is over {bytes_max} bytes, so it is something else")
    return data


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal into ours, naming the file."""
    try:
        yield
    except OSError as error:
        raise KeystoreError(f"{path}: {error.strerror}") from error
