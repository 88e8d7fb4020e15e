"""Key, passphrase and status files of the gateway agent."""

import os
from pathlib import Path

import pytest

from edge_agent.adapters.key_file import FILE_BYTES_MAX, load_key
from edge_agent.adapters.status_file import STATUS_FILE, Status, read_status, write_status
from edge_agent.errors import KeyFileError, StatusError
from ledger.core import keys

KEY = keys.private_from_seed("Ed25519", b"\1" * 32)


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_plain_key_is_read(tmp_path: Path) -> None:
    """Without a passphrase the mode alone protects it."""
    path = private(tmp_path / "k.pem", KEY.to_pem(None))
    assert load_key(path, None).public == KEY.public


@pytest.mark.slow
def test_an_encrypted_key_is_read_with_its_credential(tmp_path: Path) -> None:
    """The credential's last line feed is not part of the passphrase."""
    path = private(tmp_path / "k.pem", KEY.to_pem(b"secret"))
    credential = private(tmp_path / "credential", "secret\n")
    assert load_key(path, credential).public == KEY.public
    private(credential, "wrong")
    with pytest.raises(KeyFileError, match=r"k\.pem"):
        load_key(path, credential)
    with pytest.raises(KeyFileError, match=r"k\.pem"):
        load_key(path, None)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The message says what to type."""
    path = private(tmp_path / "k.pem", KEY.to_pem(None))
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        load_key(path, None)


@pytest.mark.parametrize("text", ["", "no key", "x" * (FILE_BYTES_MAX + 1)])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    """Any content gives our error."""
    with pytest.raises(KeyFileError):
        load_key(private(tmp_path / "k.pem", text), None)


def test_a_link_or_a_pipe_is_refused(tmp_path: Path) -> None:
    """What is judged is what is read, and nothing waits for a pipe that nobody fills."""
    private(tmp_path / "real.pem", KEY.to_pem(None))
    (tmp_path / "link.pem").symlink_to(tmp_path / "real.pem")
    os.mkfifo(tmp_path / "pipe.pem", 0o600)
    for name in ("link.pem", "pipe.pem"):
        with pytest.raises(KeyFileError, match=name):
            load_key(tmp_path / name, None)


def test_a_credential_may_end_as_other_systems_end_lines(tmp_path: Path) -> None:
    """Carriage return and line feed are no part of a passphrase."""
    path = private(tmp_path / "k.pem", KEY.to_pem(b"a long passphrase"))
    credential = private(tmp_path / "credential", "a long passphrase\r\n")
    assert load_key(path, credential).public == KEY.public


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    """The path stands in the message."""
    with pytest.raises(KeyFileError, match="absent"):
        load_key(tmp_path / "absent", None)


def test_a_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The file is replaced as a whole, and nothing else is left behind."""
    for number in range(3):
        status = Status(readings_accepted=number, lost={"queue-full": 2}, counters={"a": 1})
        write_status(tmp_path, status)
        assert read_status(tmp_path) == status
    assert os.listdir(tmp_path) == [STATUS_FILE]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version":"x"}', b"\xff", b"[" * 9_999])
def test_what_is_no_status_is_refused(tmp_path: Path, content: bytes) -> None:
    """Any content gives our error."""
    (tmp_path / STATUS_FILE).write_bytes(content)
    with pytest.raises(StatusError):
        read_status(tmp_path)


def test_no_status_says_that_the_agent_has_not_run(tmp_path: Path) -> None:
    """A person learns what to do."""
    with pytest.raises(StatusError, match="Has the agent run"):
        read_status(tmp_path)
