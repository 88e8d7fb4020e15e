"""Keys in files: who may read them, what opens them, what survives (ledger/adapters/keystore.py)."""

import os
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ledger.adapters.directory import make_durable
from ledger.adapters.keystore import (
    PASSPHRASE_BYTES_MAX,
    Keystore,
    create_passphrase,
    read_passphrase,
)
from ledger.core.keys import ED25519, P256, PEM_BYTES_MAX, private_from_seed
from ledger.errors import KeyFormatError, KeystoreError

PASSPHRASE = b"correct horse battery staple"
SEED = bytes(range(32))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def keystore(directory: Path) -> Keystore:
    return Keystore(directory, PASSPHRASE)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("curve", [ED25519, P256])
def test_a_created_key_is_loaded_by_another_process(
    keystore: Keystore, directory: Path, curve: str
) -> None:
    """A fresh keystore over the same files gives a key that signs for the same public key."""
    created = keystore.create("owner", curve, SEED)
    loaded = Keystore(directory, PASSPHRASE).load("owner")

    assert created.public == loaded.public
    signature = loaded.sign(b"message")
    assert created.public.verify(signature, b"message", created.algorithm)


def test_files_and_directory_are_private(keystore: Keystore, directory: Path) -> None:
    """Owner only, whatever the parent's mode, and nothing else is left in the directory."""
    keystore.create("owner", ED25519, SEED)

    assert mode(directory) == 0o700
    assert {path.name: mode(path) for path in directory.iterdir()} == {
        "owner.pem": 0o600,
        "owner.pub.pem": 0o600,
    }


def test_the_private_file_is_standard_encrypted_pkcs8(keystore: Keystore, directory: Path) -> None:
    """Other tools read the file with the passphrase, and nobody without it."""
    keystore.create("owner", ED25519, SEED)
    pem = (directory / "owner.pem").read_bytes()

    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    load_pem_private_key(pem, PASSPHRASE)
    with pytest.raises(TypeError, match="encrypted"):
        load_pem_private_key(pem, None)


def test_keys_are_listed_by_name_without_a_passphrase(keystore: Keystore, directory: Path) -> None:
    """Listing gives name, curve and kid, and never opens a private file."""
    keystore.create("owner", ED25519, SEED)
    keystore.create("log-1", P256, SEED)
    for name in ("owner", "log-1"):
        (directory / f"{name}.pem").write_bytes(b"not even a key")
    (directory / "README.pem").write_bytes(b"no key name, so no key")

    assert [(entry.name, entry.curve, entry.kid) for entry in Keystore(directory).entries()] == [
        ("log-1", P256, private_from_seed(P256, SEED).public.kid.hex()),
        ("owner", ED25519, private_from_seed(ED25519, SEED).public.kid.hex()),
    ]


def test_a_directory_that_is_not_there_holds_no_keys(directory: Path) -> None:
    """Listing before the first key is no error and makes nothing."""
    assert Keystore(directory).entries() == ()
    assert not directory.exists()


def test_a_key_is_never_overwritten(keystore: Keystore, directory: Path) -> None:
    """The second creation under a name fails, and the first key is still the key."""
    first = keystore.create("owner", ED25519, SEED)
    with pytest.raises(KeystoreError, match="never overwritten"):
        keystore.create("owner", ED25519, SEED[::-1])

    assert keystore.load("owner").public == first.public
    assert [entry.public for entry in keystore.entries()] == [first.public]


@pytest.mark.parametrize("bits", [0o040, 0o020, 0o004, 0o002, 0o001])
def test_a_key_that_others_may_use_is_refused(
    keystore: Keystore, directory: Path, bits: int
) -> None:
    """Each bit for others is one too many; the message is the command to run."""
    keystore.create("owner", ED25519, SEED)
    path = directory / "owner.pem"
    path.chmod(0o600 | bits)

    with pytest.raises(KeystoreError, match=re.escape(f"chmod 600 {path}")):
        keystore.load("owner")


def test_a_directory_open_to_others_is_refused(keystore: Keystore, directory: Path) -> None:
    """Creating, loading and listing all refuse it, with the command to run."""
    keystore.create("owner", ED25519, SEED)
    directory.chmod(0o750)
    advice = re.escape(f"chmod 700 {directory}")

    with pytest.raises(KeystoreError, match=advice):
        keystore.load("owner")
    with pytest.raises(KeystoreError, match=advice):
        keystore.entries()
    with pytest.raises(KeystoreError, match=advice):
        keystore.create("other", ED25519, SEED)
    assert not (directory / "other.pem").exists()


def test_a_wrong_passphrase_is_our_error(keystore: Keystore, directory: Path) -> None:
    """A key does not open with another passphrase, nor with none."""
    keystore.create("owner", ED25519, SEED)

    for wrong in (b"correct horse battery stapler", b""):
        with pytest.raises(KeystoreError, match="does not open with this passphrase"):
            Keystore(directory, wrong).load("owner")


def test_a_key_that_is_not_encrypted_is_refused(keystore: Keystore, directory: Path) -> None:
    """A plain key that somebody copied into the directory is not used."""
    directory.mkdir(0o700)
    plain = directory / "owner.pem"
    plain.write_text(private_from_seed(ED25519, SEED).to_pem(None))
    plain.chmod(0o600)

    with pytest.raises(KeystoreError, match="not encrypted"):
        keystore.load("owner")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="cut-off-at-creation"),
        pytest.param(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", id="cut-off"),
        pytest.param(b"\xff" * 100, id="noise"),
        pytest.param(b"x" * (PEM_BYTES_MAX + 1), id="too-long"),
    ],
)
def test_a_damaged_key_file_is_our_error(
    keystore: Keystore, directory: Path, content: bytes
) -> None:
    """Whatever the private file holds, loading ends in a KeystoreError that names it."""
    keystore.create("owner", ED25519, SEED)
    (directory / "owner.pem").write_bytes(content)

    with pytest.raises(KeystoreError, match=re.escape(str(directory / "owner.pem"))):
        keystore.load("owner")


def test_a_missing_key_is_our_error(keystore: Keystore) -> None:
    """Neither a missing directory nor a missing file is anything but a KeystoreError."""
    with pytest.raises(KeystoreError, match="No such file"):
        keystore.load("owner")
    keystore.create("owner", ED25519, SEED)
    with pytest.raises(KeystoreError, match=r"other\.pem: No such file"):
        keystore.load("other")


@pytest.mark.parametrize(
    "name", ["", "A", "a.b", "../a", "a/b", "a b", "a\n", "ä", "a" * 65], ids=repr
)
def test_names_are_plain(keystore: Keystore, directory: Path, name: str) -> None:
    """A name that could leave the directory or collide is refused before any file is touched."""
    with pytest.raises(KeystoreError, match="is no key name"):
        keystore.create(name, ED25519, SEED)
    with pytest.raises(KeystoreError, match="is no key name"):
        keystore.load(name)
    assert not directory.exists()


def test_a_short_passphrase_protects_nothing(directory: Path) -> None:
    """A key is not made under a passphrase that could be guessed; 16 bytes are enough."""
    with pytest.raises(KeystoreError, match="15 bytes"):
        Keystore(directory, b"x" * 15).create("owner", ED25519, SEED)
    assert not directory.exists()
    Keystore(directory, b"x" * 16).create("owner", ED25519, SEED)


def test_an_unknown_curve_leaves_no_file(keystore: Keystore, directory: Path) -> None:
    """What cannot become a key takes no name."""
    with pytest.raises(KeyFormatError, match="unknown curve"):
        keystore.create("owner", "P-384", SEED)
    assert not directory.exists()


def test_a_lost_public_file_is_written_again(keystore: Keystore, directory: Path) -> None:
    """A crash between the two files is healed by the next use of the key."""
    created = keystore.create("owner", ED25519, SEED)
    (directory / "owner.pub.pem").unlink()
    (directory / "owner.pub.new").write_bytes(b"cut off")
    with pytest.raises(KeystoreError, match=r"owner\.pub\.pem: No such file"):
        keystore.entries()
    keystore.load("owner")

    assert [entry.public for entry in keystore.entries()] == [created.public]
    assert {path.name for path in directory.iterdir()} == {"owner.pem", "owner.pub.pem"}


def test_a_public_file_of_another_key_is_noticed(keystore: Keystore, directory: Path) -> None:
    """The listing cannot be made to show a key that the private file is not."""
    keystore.create("owner", ED25519, SEED)
    keystore.create("other", ED25519, SEED[::-1])
    (directory / "other.pub.pem").replace(directory / "owner.pub.pem")

    with pytest.raises(KeystoreError, match="belongs to another key"):
        keystore.load("owner")


def test_a_damaged_public_file_is_our_error(keystore: Keystore, directory: Path) -> None:
    """Listing names the file and says how it comes back."""
    keystore.create("owner", ED25519, SEED)
    (directory / "owner.pub.pem").write_bytes(b"noise")

    with pytest.raises(KeystoreError, match=r"owner\.pub\.pem: .*delete it"):
        keystore.entries()


def test_links_and_pipes_are_refused(keystore: Keystore, directory: Path, tmp_path: Path) -> None:
    """A key is a regular file of its own; a pipe does not hang the start."""
    keystore.create("owner", ED25519, SEED)
    (directory / "linked.pem").symlink_to(directory / "owner.pem")
    os.mkfifo(directory / "pipe.pem", 0o600)

    with pytest.raises(KeystoreError, match="symbolic links"):
        keystore.load("linked")
    with pytest.raises(KeystoreError, match="no regular file"):
        keystore.load("pipe")


@pytest.fixture
def credential(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_bytes(PASSPHRASE + b"\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(PASSPHRASE, PASSPHRASE, id="no-line-end"),
        pytest.param(PASSPHRASE + b"\n", PASSPHRASE, id="line-end"),
        pytest.param(PASSPHRASE + b"\r\n", PASSPHRASE, id="windows-line-end"),
        pytest.param(b" spaces stay \n\n", b" spaces stay \n", id="only-one-line-end-goes"),
    ],
)
def test_a_passphrase_is_the_file_without_its_line_end(
    credential: Path, content: bytes, expected: bytes
) -> None:
    """An editor's line end is no part of the passphrase; everything else is."""
    credential.write_bytes(content)

    assert expected == read_passphrase(credential)


@pytest.mark.parametrize("bits", [0o020, 0o010, 0o004, 0o002, 0o001])
def test_a_credential_that_others_may_use_is_refused(credential: Path, bits: int) -> None:
    """The message is the command to run."""
    credential.chmod(0o600 | bits)

    with pytest.raises(KeystoreError, match=re.escape(f"chmod 600 {credential}")):
        read_passphrase(credential)


def test_a_systemd_credential_is_accepted(credential: Path) -> None:
    """The mask of systemd's ACL shows as 0440, and is not the group's right to read."""
    credential.chmod(0o440)

    assert read_passphrase(credential) == PASSPHRASE


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        pytest.param(b"", "no passphrase", id="empty"),
        pytest.param(b"\n", "no passphrase", id="line-end-only"),
        pytest.param(b"x" * (PASSPHRASE_BYTES_MAX + 1), "something else", id="too-long"),
    ],
)
def test_what_is_no_passphrase(credential: Path, content: bytes, rule: str) -> None:
    """An empty or huge credential file is refused."""
    credential.write_bytes(content)

    with pytest.raises(KeystoreError, match=rule):
        read_passphrase(credential)


def test_a_drawn_passphrase_is_read_back(tmp_path: Path, directory: Path) -> None:
    """What `create_passphrase` writes is private, is what it returned, and opens keys."""
    path = tmp_path / "credentials" / "passphrase"
    passphrase = create_passphrase(path, SEED)

    assert mode(path) == 0o600
    assert read_passphrase(path) == passphrase
    Keystore(directory, passphrase).create("owner", ED25519, SEED)
    with pytest.raises(KeystoreError, match="never overwritten"):
        create_passphrase(path, SEED)
    with pytest.raises(KeystoreError, match="16 random bytes"):
        create_passphrase(tmp_path / "short", SEED[:15])


def test_missing_parents_are_made_private(tmp_path: Path) -> None:
    """Every directory made on the way is the owner's alone, and making it twice is no error."""
    deep = tmp_path / "a" / "b" / "c"
    make_durable(deep)
    make_durable(deep)

    assert [mode(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_file_in_the_way_of_a_directory_is_an_error(tmp_path: Path) -> None:
    """A file where a directory should be is not taken for one."""
    (tmp_path / "keys").write_text("")

    with pytest.raises(KeystoreError, match="File exists"):
        Keystore(tmp_path / "keys", PASSPHRASE).create("owner", ED25519, SEED)
    with pytest.raises(KeystoreError, match="no directory"):
        Keystore(tmp_path / "keys", PASSPHRASE).entries()
