"""`--at SIZE|TIME` in words of a person: a log size, or an RFC 3339 time with its zone."""

from datetime import UTC, datetime

from ledger.core.question import Moment, Size, Time
from xinbiao.errors import UsageError


def parse_moment(text: str) -> Moment:
    """Return the moment that a text names.

    Raises:
        UsageError: It is neither a log size nor a time with a zone.
    """
    try:
        if text.isascii() and text.isdigit():
            return Size(size=int(text))
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise UsageError(f"--at {text}: a time needs its zone, a final Z for UTC")
        delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        ms = (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
        return Time(ms=ms)
    except (ValueError, OverflowError):
        raise UsageError(f"--at {text}: a log size, or a time like 2026-11-24T10:00:00Z") from None
