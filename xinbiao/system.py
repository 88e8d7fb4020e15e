"""The face's own door to time: everything else takes the clock as an argument.

The client may not import the ledger's adapters, so it cannot share theirs; this one is as small.
"""

import time
from collections.abc import Callable
from typing import TypeAlias

Now: TypeAlias = Callable[[], int]
"""Gives Unix seconds."""


def now_s() -> int:
    """Return whole Unix seconds, as the operating system believes."""
    return time.time_ns() // 1_000_000_000
