"""How fast a ledger grows, and when quota and disk will be full: an honest straight line.

Theory of operation: the rate is what was written between the first block and now, divided by that time. It
is an average: a bulk registration on the first day makes it too high for a while. With less than
`HISTORY_S_MIN` of history no rate is given at all, because a line through one point says nothing.

Pure: numbers in, numbers out.
"""

from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400
HISTORY_S_MIN: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How something grows towards a bound.

    Attributes:
        per_day: Units a day, None with too little history.
        left: Units that are left.
        days: Days until nothing is left, None when it does not grow or nobody knows.
    """

    per_day: float | None
    left: int
    days: float | None


def growth(*, used: int, left: int, history_s: float) -> Growth:
    """Return the growth of something that went from nothing to `used` in `history_s`."""
    left = max(0, left)
    if history_s < HISTORY_S_MIN:
        return Growth(per_day=None, left=left, days=None)
    per_day = used / history_s * DAY_S
    return Growth(per_day=per_day, left=left, days=left / per_day if per_day > 0 else None)
