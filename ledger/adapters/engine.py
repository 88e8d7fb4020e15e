"""The ordering contract: hand in statements, learn for each whether and where it is logged.

Implementations: `engine_local` (embedded, one process). An engine that runs a consensus protocol
among members keeps the same contract.

* `submit` answers only for what is durable and published: what it acknowledged survives kill -9.
* Submitting the same bytes again gives the first receipt again, also while the first is under way.
* Order within one call is kept; a statement sees the effects of those before it.
* Waiting is bounded: beyond it `BusyError`, before anything of the call was taken.
"""

from collections.abc import Sequence
from typing import Protocol

from ledger.core.receipt import Receipt
from ledger.errors import Rejection


class Engine(Protocol):
    """Orders statements into the log."""

    async def submit(self, entries: Sequence[bytes]) -> list[Receipt | Rejection]:
        """Log statements and return one answer per entry, in order.

        Raises:
            BusyError: Too much is waiting; try again after its `retry_after_s`.
            StorageError: The store failed; what was waiting is undecided, so ask again later.
        """
        ...
