"""Read a CBOR map member by member: each is checked once, none is left over, errors say where.

The strict scanner has already decided that the bytes are well formed; this decides that a map has
the members its CDDL names and no other. What fails is a `malformed` rejection with a path such as
`operation 3.1[7].1[0].4`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from ledger.core import identifier, keys
from ledger.core.identifier import Identifier
from ledger.core.statement import is_network_name
from ledger.errors import IdentifierError, KeyFormatError, Rejection, RejectionCode

T = TypeVar("T")
SHORT_TEXT_BYTES_MAX: Final = 256
_COSE_KEY_BYTES: Final = range(35, 129)


def malformed(detail: str) -> Rejection:
    """Return the rejection with code 1."""
    return Rejection(RejectionCode.MALFORMED, detail)


class Shape:
    """One map under inspection.

    Attributes:
        where: Path of the map, for messages.
    """

    __slots__ = ("_left", "where")

    def __init__(self, value: Any, where: str) -> None:
        """Begin.

        Raises:
            Rejection: `value` is no map.
        """
        if not isinstance(value, dict):
            raise malformed(f"{where}: not a map")
        self._left: dict[int, Any] = dict(value)
        self.where = where

    def has(self, member: int) -> bool:
        """Tell whether a member is there and not yet taken."""
        return member in self._left

    def need(self, member: int, check: Callable[[Any, str], T]) -> T:
        """Take a member that must be there.

        Raises:
            Rejection: It is missing, or `check` refuses it.
        """
        if member not in self._left:
            raise malformed(f"{self.where}: member {member} is missing")
        return check(self._left.pop(member), f"{self.where}.{member}")

    def maybe(self, member: int, check: Callable[[Any, str], T]) -> T | None:
        """Take a member that may be there.

        Raises:
            Rejection: `check` refuses it.
        """
        return self.need(member, check) if member in self._left else None

    def end(self) -> None:
        """Refuse what is left over.

        Raises:
            Rejection: There is a member that nobody took.
        """
        if self._left:
            surplus = ", ".join(str(member) for member in self._left)
            raise malformed(f"{self.where}: unknown member {surplus}")


def unsigned(value: Any, where: str) -> int:
    """Accept an unsigned integer of the profile."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise malformed(f"{where}: not an unsigned integer")
    return value


def in_range(least: int, most: int) -> Callable[[Any, str], int]:
    """Accept an integer within bounds."""

    def check(value: Any, where: str) -> int:
        if not least <= unsigned(value, where) <= most:
            raise malformed(f"{where}: not within {least}–{most}")
        return int(value)

    return check


def any_text(value: Any, where: str) -> str:
    """Accept text of any length."""
    if not isinstance(value, str):
        raise malformed(f"{where}: not text")
    return value


def short_text(value: Any, where: str) -> str:
    """Accept text of at most 256 bytes."""
    if not isinstance(value, str) or len(value.encode()) > SHORT_TEXT_BYTES_MAX:
        raise malformed(f"{where}: not text of at most {SHORT_TEXT_BYTES_MAX} bytes")
    return value


def text(bytes_max: int) -> Callable[[Any, str], str]:
    """Accept text of 1 to `bytes_max` bytes."""

    def check(value: Any, where: str) -> str:
        if not isinstance(value, str) or not 0 < len(value.encode()) <= bytes_max:
            raise malformed(f"{where}: not text of 1–{bytes_max} bytes")
        return value

    return check


def fixed_bytes(length: int) -> Callable[[Any, str], bytes]:
    """Accept a byte string of one length."""

    def check(value: Any, where: str) -> bytes:
        if not isinstance(value, bytes) or len(value) != length:
            raise malformed(f"{where}: not a byte string of {length}")
        return value

    return check


def any_bytes(value: Any, where: str) -> bytes:
    """Accept a byte string of any length."""
    if not isinstance(value, bytes):
        raise malformed(f"{where}: not a byte string")
    return value


def network_name(value: Any, where: str) -> str:
    """Accept a network's name."""
    if not is_network_name(value):
        raise malformed(f"{where}: not a network name (printable ASCII, no space, no +)")
    return str(value)


def canonical_identifier(value: Any, where: str) -> Identifier:
    """Accept an identifier in its canonical form."""
    if not isinstance(value, str):
        raise malformed(f"{where}: not text")
    try:
        return identifier.canonical(value)
    except IdentifierError as error:
        raise malformed(f"{where}: {error}") from None


def cose_key(value: Any, where: str) -> keys.PublicKey:
    """Accept the bytes of a listable COSE key."""
    if not isinstance(value, bytes) or len(value) not in _COSE_KEY_BYTES:
        raise malformed(f"{where}: not a COSE key of 35–128 bytes")
    try:
        return keys.public_from_cose(value)
    except KeyFormatError as error:
        raise malformed(f"{where}: {error}") from None


def array(value: Any, where: str, least: int = 0, most: int | None = None) -> list[Any]:
    """Accept an array within bounds."""
    if not isinstance(value, list):
        raise malformed(f"{where}: not an array")
    if len(value) < least or (most is not None and len(value) > most):
        raise malformed(f"{where}: {len(value)} items, allowed are {least}–{most}")
    return value


def ascending(items: Sequence[Any], where: str, what: str) -> None:
    """Refuse an array whose sort keys are not strictly ascending."""
    for number in range(1, len(items)):
        if items[number - 1] >= items[number]:
            raise malformed(f"{where}[{number}]: {what}, ascend, none twice")
