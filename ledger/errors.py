"""Every exception the ledger raises on purpose.

    LedgerError
    ├── IdentifierError      text is no identifier; says where and which rule
    ├── EncodingError        bytes are not in the CBOR profile; says where and which rule
    ├── KeyFormatError       a key is of no listed kind, or of one that may not be listed
    ├── Rejection            a statement is refused; the code is formats.md §2's, hashed by engines
    ├── NoteError            a signed note, checkpoint, tile or proof file is malformed or unsigned
    ├── TrustFileError       a trust file breaks the tlog-policy grammar; says which line
    ├── ProofError           a bundle proves nothing; says which part and why
    ├── StorageError         the store failed: reload before writing again
    ├── BusyError            a bounded queue is full: try again after `retry_after_s`
    ├── KeystoreError        a key file is missing, too open, or does not decrypt
    └── SettingsError        a settings file cannot be used; says file, field and rule

Messages say what to do about it. Parsers of outside bytes raise these and nothing else.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final


class LedgerError(Exception):
    """Root of the ledger's exceptions."""


class IdentifierError(LedgerError):
    """Text is not an identifier.

    Attributes:
        text: What was given.
        position: Index of the first offending character, 0-based.
        rule: The rule broken, in words.
    """

    def __init__(self, text: str, position: int, rule: str) -> None:
        super().__init__(f"{text!r} is no identifier: at position {position}: {rule}")
        self.text = text
        self.position = position
        self.rule = rule


class EncodingError(LedgerError):
    """Bytes are outside the strict CBOR profile (docs/spec, payload profile).

    Attributes:
        offset: Byte offset of the offending item.
        rule: The rule broken, in words.
    """

    def __init__(self, offset: int, rule: str) -> None:
        super().__init__(f"at byte {offset}: {rule}")
        self.offset = offset
        self.rule = rule


class KeyFormatError(LedgerError):
    """A key cannot be read, or is of a form that may not be listed."""


class RejectionCode(IntEnum):
    """Why a statement is refused, by position in the order of checks."""

    MALFORMED = 1
    LIMIT_EXCEEDED = 2
    WRONG_NETWORK = 3
    EXPIRED = 4
    UNKNOWN_PREFIX = 5
    NOT_AUTHORISED = 6
    KEY_REVOKED = 7
    BAD_SIGNATURE = 8
    NOT_AUTHORISED_OVER_OBJECT = 9
    EXISTS = 10
    RETIRED = 11
    FROZEN = 12
    VERSION_CONFLICT = 13
    OUT_OF_SEQUENCE = 14
    QUOTA_EXCEEDED = 15

    @property
    def title(self) -> str:
        """The rejection's name on the wire, e.g. `version-conflict`."""
        if self is RejectionCode.NOT_AUTHORISED_OVER_OBJECT:
            return "not-authorised"
        return self.name.lower().replace("_", "-")

    @property
    def http_status(self) -> int:
        """The HTTP status that a refused submission is answered with."""
        return _HTTP_STATUS.get(self, 400)


_HTTP_STATUS: Final = {
    RejectionCode.EXISTS: 409,
    RejectionCode.VERSION_CONFLICT: 409,
    RejectionCode.OUT_OF_SEQUENCE: 409,
    RejectionCode.NOT_AUTHORISED: 403,
    RejectionCode.KEY_REVOKED: 403,
    RejectionCode.NOT_AUTHORISED_OVER_OBJECT: 403,
    RejectionCode.QUOTA_EXCEEDED: 403,
}


class Rejection(LedgerError):  # noqa: N818  the specification's word
    """A statement is refused; it is never in the log.

    Attributes:
        code: Position of the failed check (docs/spec, order of checks).
        detail: Which field and rule, and what to do.
        items: For a create statement, one line per bad item: (item number from 0, reason).
    """

    def __init__(
        self,
        code: RejectionCode,
        detail: str,
        items: Sequence[tuple[int, str]] = (),
    ) -> None:
        super().__init__(f"{code.title}: {detail}")
        self.code = code
        self.detail = detail
        self.items = tuple(items)


class NoteError(LedgerError):
    """A signed note, checkpoint, cosignature, tile path or entry bundle is not acceptable."""


class TrustFileError(LedgerError):
    """A trust file breaks the tlog-policy grammar.

    Attributes:
        line: Line number from 1, or 0 when the file as a whole is at fault.
    """

    def __init__(self, line: int, rule: str) -> None:
        where = f"line {line}: " if line else ""
        super().__init__(f"trust file: {where}{rule}")
        self.line = line
        self.rule = rule


class ProofFault(IntEnum):
    """What kind of failure a proof has; the CLI's exit code follows from it."""

    MALFORMED = 1
    FORGED = 2
    WRONG_QUESTION = 3
    WRONG_NETWORK = 4
    NOT_TRUSTED = 5
    TRUST_OUT_OF_DATE = 6
    STALE = 7
    ROLLBACK = 8
    FORK = 9
    INCOMPLETE = 10


class ProofError(LedgerError):
    """A bundle does not prove what was asked.

    Attributes:
        part: Which member failed, in words (`checkpoint`, `map entry 2`, ...).
        fault: Which kind of failure.
        reason: What is wrong with it.
    """

    def __init__(self, part: str, fault: ProofFault, reason: str) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.fault = fault
        self.reason = reason


class StorageError(LedgerError):
    """The store failed; whether the last batch was kept is unknown until it is reopened."""


class BusyError(LedgerError):
    """A bounded queue is full.

    Attributes:
        retry_after_s: When trying again makes sense, in seconds.
    """

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class KeystoreError(LedgerError):
    """A key file cannot be used; the message says what to change."""


class SettingsError(LedgerError):
    """A settings file cannot be used; the message names file, field and rule."""
