"""Every exception the face raises on purpose, and the exit code each ends a command with.

    XinbiaoError             1  refused or failed
    ├── UsageError           2  the command as given cannot be done: says what to give
    ├── RefusedError         1  the node refuses; carries its title, detail and bad items
    ├── AnswerError          1  the node's answer is none: too large, no JSON, of another shape
    ├── InputError           1  a file of the user cannot be used: says where and which rule
    ├── TableError           1  a table as a whole cannot be read
    └── UnreachableError     5  no node there, or it stays busy

Errors of the ledger pass through: `exit_code` knows them too. A proof that is merely old, or a trust
file that is out of date, is 4 and never reported as forged.
"""

from collections.abc import Sequence
from typing import Final

from ledger.errors import BusyError, IdentifierError, ProofError, ProofFault

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
ABSENT: Final = 3
STALE: Final = 4
UNREACHABLE: Final = 5
_OLD: Final = frozenset((ProofFault.STALE, ProofFault.TRUST_OUT_OF_DATE))


class XinbiaoError(Exception):
    """Root of the face's exceptions."""


class UsageError(XinbiaoError):
    """The command cannot be done as it was given."""


class RefusedError(XinbiaoError):
    """The node refuses a request or a statement.

    Attributes:
        title: The refusal's stable name, `version-conflict` for instance.
        detail: Which field and rule, and what to do.
        status: HTTP status, 0 where the refusal came inside an answer.
        items: Of a registration of many: (item number from 0, reason).
    """

    def __init__(
        self, title: str, detail: str, status: int = 0, items: Sequence[tuple[int, str]] = ()
    ) -> None:
        super().__init__(f"{title}: {detail}")
        self.title = title
        self.detail = detail
        self.status = status
        self.items = tuple(items)


class AnswerError(XinbiaoError):
    """What came back is no answer of a node."""


class InputError(XinbiaoError):
    """A file that the user gave cannot be used."""


class TableError(XinbiaoError):
    """A table cannot be read at all; a bad row is no exception."""


class UnreachableError(XinbiaoError):
    """The node does not answer."""


def exit_code(error: Exception) -> int:
    """Return the exit code that an error ends a command with."""
    match error:
        case UsageError() | IdentifierError():
            return USAGE
        case UnreachableError() | BusyError():
            return UNREACHABLE
        case ProofError():
            return STALE if error.fault in _OLD else FAILED
        case _:
            return FAILED
