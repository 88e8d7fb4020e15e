"""From one decoded payload to one value, time or quality: pointers and conversions.

Theory of operation: a mapping names where things stand in a payload by RFC 6901 pointers. `Pointer`
is parsed once and followed per message; nothing is found by searching. Conversions are strict: the
type of a reading is fixed by the mapping, so that one sensor's 21 and 21.5 are both floats and hash
as floats (docs/spec/readings.md). What does not fit is an `UnreadableError` with its reason, never a
guess; JSON null is a reading without a value, whose quality is bad.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from edge_agent.errors import DeadReason, MappingError, UnreadableError
from ledger.core.encoding import INT_MAX
from ledger.core.reading import BAD, GOOD, UNCERTAIN, Scalar

POINTER_TOKENS_MAX: Final = 16  # deeper payloads than this are no telemetry
TIME_UNITS: Final = ("s", "ms", "us", "ns", "iso")
VALUE_TYPES: Final = ("float", "int", "bool", "text", "auto")
QUALITY_SCALES: Final = ("xinbiao", "opc")
MISSING: Final = object()  # what a pointer finds where there is nothing; null is a value

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,6}", re.ASCII)  # RFC 6901 section 4
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TIME_MAX: Final = 1e19  # 2^53 µs in nanoseconds, rounded up
_PER_UNIT: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}
_QUALITY_TEXTS: Final = {"good": GOOD, "uncertain": UNCERTAIN, "bad": BAD}


@dataclass(frozen=True, slots=True)
class Pointer:
    """A parsed RFC 6901 pointer.

    Attributes:
        text: As written, for messages.
        tokens: Unescaped reference tokens; none means the whole payload.
    """

    text: str
    tokens: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, *, part: str) -> "Pointer":
        """Read a pointer.

        Raises:
            MappingError: It breaks RFC 6901 section 3, or is deeper than `POINTER_TOKENS_MAX`.
        """
        if not text:
            return cls(text, ())
        if not text.startswith("/"):
            raise MappingError(part, f"pointer {text!r} must be empty or begin with '/'")
        raw = text[1:].split("/")
        if len(raw) > POINTER_TOKENS_MAX:
            raise MappingError(part, f"pointer {text!r} has more than {POINTER_TOKENS_MAX} tokens")
        for token in raw:
            rest = token.replace("~0", "").replace("~1", "")
            if "~" in rest:
                raise MappingError(part, f"pointer {text!r} holds a '~' that is not ~0 or ~1")
        return cls(text, tuple(token.replace("~1", "/").replace("~0", "~") for token in raw))

    def find(self, payload: Any) -> Any:
        """Return what stands there, or `MISSING`."""
        value = payload
        for token in self.tokens:
            if isinstance(value, dict):
                value = value.get(token, MISSING)
            elif isinstance(value, list) and _INDEX.fullmatch(token):
                number = int(token)
                value = value[number] if number < len(value) else MISSING
            else:
                return MISSING
            if value is MISSING:
                return MISSING
        return value


def to_float(value: Any) -> Scalar:
    """Any JSON number as a float."""
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise _bad_type("an integer beyond the range of floats") from None
    raise _bad_type(f"{_kind(value)} where a number is due")


def to_int(value: Any) -> Scalar:
    """A JSON integer of 64 bits; 21.0 is refused, because it would hash as another reading."""
    if isinstance(value, int) and not isinstance(value, bool):
        if -(2**63) <= value < 2**63:
            return value
        raise _bad_type("an integer beyond 64 bits")
    raise _bad_type(f"{_kind(value)} where an integer is due")


def to_bool(value: Any) -> Scalar:
    """JSON true or false, nothing that merely looks like it."""
    if isinstance(value, bool):
        return value
    raise _bad_type(f"{_kind(value)} where true or false is due")


def to_text(value: Any) -> Scalar:
    """A JSON string."""
    if isinstance(value, str):
        return value
    raise _bad_type(f"{_kind(value)} where a text is due")


def to_scalar(value: Any) -> Scalar:
    """Whatever scalar stands there: 21 and 21.5 of one sensor then differ in type."""
    if isinstance(value, bool | float | str):
        return value
    return to_int(value)


CONVERSIONS: Final[dict[str, Callable[[Any], Scalar]]] = {
    "float": to_float,
    "int": to_int,
    "bool": to_bool,
    "text": to_text,
    "auto": to_scalar,
}


def to_microseconds(value: Any, unit: str) -> int:
    """Return Unix microseconds of a time as the payload has it.

    Args:
        value: What stands in the payload.
        unit: One of `TIME_UNITS`; `iso` is RFC 3339 text with an offset.

    Raises:
        UnreadableError: No time, no offset, or outside 0…2⁵³−1 µs.
    """
    if unit == "iso":
        microseconds = _from_iso(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError(DeadReason.BAD_TIME, f"{_kind(value)} where a time is due")
    elif abs(value) > _TIME_MAX:
        raise UnreadableError(DeadReason.BAD_TIME, "the time is beyond every clock")
    elif unit == "ns":
        microseconds = int(value) // 1000
    else:
        microseconds = round(value * _PER_UNIT[unit])
    if not 0 <= microseconds <= INT_MAX:
        raise UnreadableError(DeadReason.BAD_TIME, f"{microseconds} µs is outside 0…2^53-1")
    return microseconds


def _from_iso(value: Any) -> int:
    if not isinstance(value, str):
        raise UnreadableError(DeadReason.BAD_TIME, f"{_kind(value)} where an RFC 3339 time is due")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise UnreadableError(DeadReason.BAD_TIME, "the time names no offset from UTC")
        return (moment - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise UnreadableError(DeadReason.BAD_TIME, "not an RFC 3339 time") from None


def to_quality(value: Any, scale: str) -> int:
    """Return 0 good, 1 uncertain or 2 bad.

    Args:
        value: What stands in the payload.
        scale: `xinbiao` (0, 1, 2 or the words) or `opc` (192–255 good, 64–191 uncertain, 0–63 bad).

    Raises:
        UnreadableError: The value is on neither scale.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if scale == "opc" and 0 <= value <= 255:
            return GOOD if value >= 192 else UNCERTAIN if value >= 64 else BAD
        if scale == "xinbiao" and value in (GOOD, UNCERTAIN, BAD):
            return value
    elif isinstance(value, str) and value.lower() in _QUALITY_TEXTS:
        return _QUALITY_TEXTS[value.lower()]
    raise UnreadableError(DeadReason.BAD_QUALITY, f"no quality on the {scale} scale")


def _bad_type(detail: str) -> UnreadableError:
    return UnreadableError(DeadReason.BAD_TYPE, detail)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a text", bool: "a boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")
