"""Signed notes and checkpoints: the log's head, its signatures and its cosignatures.

Theory of operation (docs/spec/log.md, checkpoint; C2SP signed-note, tlog-checkpoint,
tlog-cosignature): a note is a text that ends in a newline, an empty line, and signature lines
`— NAME BASE64(key id[4] ‖ payload)`. The text ends at the *last* empty line. A checkpoint is a note
whose text is three lines: origin, size, root.

* Kind 01 signs the text itself: a member's log key.
* Kind 04 signs the text behind a line with a time: a member's cosigner key. That time is the only
  freshness there is. A key is for one name and one kind; the key id binds all three.

Rules kept: UTF-8 without control characters but newline; base64 in its canonical form; a signature
of an unknown (name, key id) pair is ignored and reported, a known pair whose signature fails makes
the whole note invalid; Ed25519 as in statements.md. ML-DSA-44 (kind 06) is not known here: its
lines are ignored like those of any unknown key.

Which keys are trusted, and how many must have signed, is policy.py's. Nothing here reads a clock:
whoever cosigns brings the time.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from ledger.core.keys import ED25519, SIGNATURE_BYTES, PrivateKey, is_ed25519_listable
from ledger.core.merkle import EMPTY_ROOT, HASH_BYTES, SIZE_MAX
from ledger.errors import KeyFormatError, NoteError

NOTE_BYTES_MAX: Final = 1_048_576
SIGNATURES_MAX: Final = 256  # 64 members with up to three keys each, and room for strangers
TIME_S_MAX: Final = 2**63 - 1
VKEY_CHARS_MAX: Final = 4096
_KEY_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_PUBLIC_BYTES: Final = 32
_DASH: Final = "\N{EM DASH} "
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
# Unicode's White_Space, by number: the answer may not depend on the Unicode version of the runtime
_SPACES: Final = re.compile(
    "[\\u0009-\\u000d\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]"
)
_NO_TEXT: Final = re.compile("[\\u0000-\\u001f\\ud800-\\udfff]")  # controls, halves of characters


class SignatureKind(IntEnum):
    """What a note key signs; the byte that C2SP assigns."""

    LOG = 0x01
    COSIGNER = 0x04


def decode_base64(text: str) -> bytes:
    """Decode padded standard base64, refusing every second spelling.

    Raises:
        NoteError: Not base64, or not in its canonical form.
    """
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("not base64") from None
    if b64encode(data).decode() != text:
        raise NoteError("base64 that is not canonical")
    return data


def is_key_name(name: str) -> bool:
    """Tell whether a text can name a note key: not empty, no space, no plus, no control character."""
    return bool(name) and not ("+" in name or _SPACES.search(name) or _NO_TEXT.search(name))


# ---------------------------------------------------------------- keys


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A note key that is known: its name, what it signs, and its public half.

    Attributes:
        name: The key's name; a log key's is the origin.
        kind: What it signs.
        public: 32 bytes of Ed25519.
        key_id: First four bytes of the hash over the other three.
    """

    name: str
    kind: SignatureKind
    public: bytes
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise NoteError(f"not a key name: {self.name!r}")
        if not is_ed25519_listable(self.public):
            raise NoteError(f"key {self.name}: not a canonical Ed25519 key of large order")
        body = self.name.encode() + b"\n" + bytes((self.kind,)) + self.public
        object.__setattr__(self, "key_id", sha256(body).digest()[:_KEY_ID_BYTES])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME+KEYID+BASE64`.

        Raises:
            NoteError: Another form, an unknown kind, or a key id of another key.
        """
        parts = text.split("+", 2) if len(text) <= VKEY_CHARS_MAX else []
        if len(parts) != 3:
            raise NoteError("a verifier key is NAME+KEYID+BASE64")
        name, key_id, encoded = parts
        data = decode_base64(encoded)
        kinds = {int(kind) for kind in SignatureKind}
        if not data or data[0] not in kinds:
            kind = f"{data[0]:02x}" if data else "none"
            raise NoteError(f"verifier key {name!r} is of kind {kind}; 01 and 04 are known")
        key = cls(name=name, kind=SignatureKind(data[0]), public=data[1:])
        if key_id != key.key_id.hex():
            raise NoteError(f"verifier key {name!r} has id {key.key_id.hex()}, not {key_id!r}")
        return key

    def format(self) -> str:
        """Return the key as `parse` reads it."""
        encoded = b64encode(bytes((self.kind,)) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


# ---------------------------------------------------------------- notes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureLine:
    """One line under a note, not judged yet.

    Attributes:
        name: The key's name.
        key_id: Which key of that name.
        payload: What follows the key id.
    """

    name: str
    key_id: bytes
    payload: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.key_id) != _KEY_ID_BYTES or not self.payload:
            raise NoteError(f"not a signature line of {self.name!r}")

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line without its newline.

        Raises:
            NoteError: The line has another form.
        """
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space:
            raise NoteError(f"not a signature line: {line[:80]!r}")
        data = decode_base64(encoded)
        return cls(name=name, key_id=data[:_KEY_ID_BYTES], payload=data[_KEY_ID_BYTES:])

    def format(self) -> str:
        """Return the line without its newline."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.payload).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A parsed note; nothing in it is to be believed before `verify_note`.

    Attributes:
        text: What is signed, with its final newline.
        lines: The signature lines, as they came.
    """

    text: str
    lines: tuple[SignatureLine, ...]

    def format(self) -> bytes:
        """Return the note's bytes."""
        lines = "".join(f"{line.format()}\n" for line in self.lines)
        return f"{self.text}\n{lines}".encode()

    def with_lines(self, lines: Iterable[SignatureLine]) -> Self:
        """Return the note with more signature lines; one that it has already is not added again."""
        merged = tuple(dict.fromkeys((*self.lines, *lines)))
        return type(self)(text=self.text, lines=merged)


def parse_note(data: bytes) -> Note:
    """Read a signed note.

    Raises:
        NoteError: Not UTF-8, a control character, too long, or lines of another form.
    """
    if len(data) > NOTE_BYTES_MAX:
        raise NoteError(f"a note of {len(data)} bytes is over {NOTE_BYTES_MAX}")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise NoteError(f"a note is UTF-8; byte {error.start} is not") from None
    control = _NO_TEXT.search(whole.replace("\n", ""))
    if control:
        raise NoteError(f"a note holds no control character: {control[0]!r}")
    text, empty_line, signatures = whole.rpartition("\n\n")
    if not empty_line or not signatures.endswith("\n"):
        raise NoteError("a note is a text, an empty line and signature lines, each ended by LF")
    lines = signatures[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise NoteError(f"a note of {len(lines)} signatures is over {SIGNATURES_MAX}")
    return Note(text=f"{text}\n", lines=tuple(map(SignatureLine.parse, lines)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that was checked and holds.

    Attributes:
        key: Whose it is.
        time_s: When a cosigner says it saw the note, in POSIX seconds; None for a log key.
    """

    key: VerifierKey
    time_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the known keys say about a note.

    Attributes:
        signatures: Those that hold, in the order of the lines. None at all: nobody known signed,
            and the text is to be believed by nobody.
        ignored: `NAME KEYID` of each line by an unknown key, to be reported.
    """

    signatures: tuple[Signature, ...]
    ignored: tuple[str, ...]


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> Verified:
    """Check every line that a known key is named in.

    Raises:
        NoteError: A line of a known key does not verify: the note is invalid as a whole.
    """
    known = {(key.name, key.key_id): key for key in keys}
    signatures: list[Signature] = []
    ignored: list[str] = []
    for line in note.lines:
        key = known.get((line.name, line.key_id))
        if key is None:
            ignored.append(f"{line.name} {line.key_id.hex()}")
        else:
            signatures.append(_checked(note.text, line, key))
    return Verified(signatures=tuple(signatures), ignored=tuple(ignored))


def _checked(text: str, line: SignatureLine, key: VerifierKey) -> Signature:
    """Return the signature in `line`, which names `key`."""
    time_s: int | None = None
    payload, message = line.payload, text.encode()
    if key.kind is SignatureKind.COSIGNER:
        time_s = int.from_bytes(payload[:_TIME_BYTES])
        if len(payload) < _TIME_BYTES or time_s > TIME_S_MAX:
            raise NoteError(f"cosignature of {key.name}: no time in it")
        payload, message = payload[_TIME_BYTES:], _cosigned_message(text, time_s)
    if len(payload) != SIGNATURE_BYTES:
        raise NoteError(f"signature of {key.name}: {len(payload)} bytes, not {SIGNATURE_BYTES}")
    try:
        VerifyKey(key.public).verify(message, payload)
    except BadSignatureError:
        raise NoteError(f"signature of {key.name} does not verify: the note is invalid") from None
    return Signature(key=key, time_s=time_s)


def _cosigned_message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


# ---------------------------------------------------------------- checkpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The head of a log.

    Attributes:
        origin: The log's name; ours is the network's.
        size: Number of leaves, up to 2^63 − 1.
        root: Root over them.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or _NO_TEXT.search(self.origin):
            raise NoteError("checkpoint: the origin is one line that is not empty")
        if not 0 <= self.size <= SIZE_MAX:
            raise NoteError(f"checkpoint: size out of range: {self.size}")
        if len(self.root) != HASH_BYTES:
            raise NoteError(f"checkpoint: the root is {HASH_BYTES} bytes, not {len(self.root)}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise NoteError("checkpoint: the log is empty and its root is not the empty root")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note as a checkpoint without extension lines.

        Raises:
            NoteError: Not just three lines of the right form.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise NoteError("checkpoint: three lines are wanted, and no extension line")
        origin, size, root, _ = lines
        if not _DECIMAL.fullmatch(size):
            raise NoteError(f"checkpoint: not a size: {size[:40]!r}")
        return cls(origin=origin, size=int(size), root=decode_base64(root))

    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def open_checkpoint(data: bytes, keys: Iterable[VerifierKey]) -> tuple[Checkpoint, Verified]:
    """Read a signed checkpoint that at least one known key has signed.

    Raises:
        NoteError: Malformed, signed by nobody known, or a known key's signature fails.
    """
    note = parse_note(data)
    verified = verify_note(note, keys)
    if not verified.signatures:
        raise NoteError(f"no known key signed it; ignored: {', '.join(verified.ignored)}")
    return Checkpoint.parse(note.text), verified


# ---------------------------------------------------------------- signing


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSigner:
    """A private key under its note name: signs checkpoints of kind 01 or 04, never both.

    Attributes:
        verifier: The public half, as a trust file lists it.
    """

    verifier: VerifierKey
    _key: PrivateKey = field(repr=False, compare=False)

    @classmethod
    def of(cls, *, name: str, kind: SignatureKind, key: PrivateKey) -> Self:
        """Return the signer of `key` under `name`.

        Raises:
            NoteError: The name cannot name a key.
            KeyFormatError: The key is no Ed25519 key.
        """
        if key.public.curve != ED25519:
            raise KeyFormatError(f"note key {name}: Ed25519 is wanted, not {key.public.curve}")
        public = key.public.cose[-_PUBLIC_BYTES:]  # the last member of its COSE_Key is the key
        return cls(verifier=VerifierKey(name=name, kind=kind, public=public), _key=key)

    def sign(self, checkpoint: Checkpoint) -> SignatureLine:
        """Return the log's own signature over a checkpoint."""
        assert self.verifier.kind is SignatureKind.LOG, "this key cosigns: it has to say when"
        return self._line(self._key.sign(checkpoint.text().encode()))

    def cosign(self, checkpoint: Checkpoint, *, time_s: int) -> SignatureLine:
        """Return a cosignature: `checkpoint` is the largest consistent tree seen as of `time_s`."""
        assert self.verifier.kind is SignatureKind.COSIGNER, "this key signs for the log"
        if not 0 < time_s <= TIME_S_MAX:
            raise ValueError(f"a cosignature's time is out of range: {time_s}")
        signature = self._key.sign(_cosigned_message(checkpoint.text(), time_s))
        return self._line(time_s.to_bytes(_TIME_BYTES) + signature)

    def _line(self, payload: bytes) -> SignatureLine:
        return SignatureLine(name=self.verifier.name, key_id=self.verifier.key_id, payload=payload)


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[NoteSigner]) -> Note:
    """Return the checkpoint as a note signed by log keys; cosignatures are added to it later."""
    lines = tuple(signer.sign(checkpoint) for signer in signers)
    return Note(text=checkpoint.text(), lines=lines)
