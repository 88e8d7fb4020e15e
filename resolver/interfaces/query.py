"""Query parameters of the native interface: read once, bounded, every refusal names the parameter."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

from ledger.core.encoding import INT_MAX
from ledger.core.question import Moment, Size, Time
from resolver.errors import RequestError

QUERY_BYTES_MAX: Final = 4_096
FIELDS_MAX: Final = 64
READINGS_PER_PAGE_MAX: Final = 1_000


def fields(query: bytes, allowed: frozenset[str]) -> dict[str, list[str]]:
    """Split a query string, refusing unknown parameters.

    Raises:
        RequestError: 400: too long, too many, or a parameter that is not `allowed`.
    """
    if len(query) > QUERY_BYTES_MAX:
        raise _bad("query", f"longer than {QUERY_BYTES_MAX} bytes")
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=FIELDS_MAX,
            errors="strict",
        )
    except ValueError:
        raise _bad("query", "not percent-encoded UTF-8, or too many fields") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in allowed:
            raise _bad(name, f"unknown; known are {', '.join(sorted(allowed))}")
        found.setdefault(name, []).append(value)
    return found


def one(found: Mapping[str, list[str]], name: str) -> str | None:
    """Return a parameter that may be given once.

    Raises:
        RequestError: 400: given twice.
    """
    values = found.get(name, [])
    if len(values) > 1:
        raise _bad(name, "given twice")
    return values[0] if values else None


def number(found: Mapping[str, list[str]], name: str, most: int = INT_MAX) -> int | None:
    """Return a decimal parameter.

    Raises:
        RequestError: 400: not decimal digits, or above `most`.
    """
    text = one(found, name)
    return None if text is None else decimal(text, name, most)


def decimal(text: str, name: str, most: int = INT_MAX) -> int:
    """Return decimal digits as a number.

    Raises:
        RequestError: 400.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 16) or int(text) > most:
        raise _bad(name, f"not a number from 0 to {most}")
    return int(text)


def choice(found: Mapping[str, list[str]], name: str, choices: tuple[str, ...]) -> str:
    """Return a parameter out of choices; the first is the default.

    Raises:
        RequestError: 400.
    """
    text = one(found, name)
    if text is None:
        return choices[0]
    if text not in choices:
        raise _bad(name, f"one of {', '.join(choices)}")
    return text


def moment(found: Mapping[str, list[str]], name: str = "at") -> Moment | None:
    """Return `at=`: decimal digits are a log size, anything else is RFC 3339.

    Raises:
        RequestError: 400.
    """
    text = one(found, name)
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return Size(size=decimal(text, name))
    return Time(ms=_unix_us(text, name) // 1000)


def microseconds(found: Mapping[str, list[str]], name: str, default: int) -> int:
    """Return a time parameter in Unix microseconds, given so or as RFC 3339.

    Raises:
        RequestError: 400.
    """
    text = one(found, name)
    if text is None:
        return default
    if text.isascii() and text.isdigit():
        return decimal(text, name)
    return _unix_us(text, name)


def _unix_us(text: str, name: str) -> int:
    try:
        moment_ = datetime.fromisoformat(text)
    except ValueError:
        raise _bad(name, "neither a number nor RFC 3339, e.g. 2026-11-24T10:00:00Z") from None
    if moment_.tzinfo is None:
        raise _bad(name, "a time needs its zone, e.g. a final Z for UTC")
    try:
        delta = moment_.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError:  # the first or last hours of the calendar, in another zone
        raise _bad(name, "before 1970, or after year 9999") from None
    us = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    if us < 0:
        raise _bad(name, "before 1970")
    return us


def _bad(name: str, rule: str) -> RequestError:
    return RequestError(400, "malformed", f"parameter {name}: {rule}")
