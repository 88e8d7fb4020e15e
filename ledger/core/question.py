"""What is asked of a bundle: the caller's part of every proof.

Theory of operation (docs/spec/proof.md §ask): a bundle answers one question about one identifier,
and a sound proof of *another* question is the oldest trick there is. So the question is a value of
its own, made by whoever asks and never read from a bundle. It is checked at birth: a `ValueError`
here is a mistake of the calling program, not a fault of the bundle.

* `current`: what is the identifier now, or is it absent?
* `history`: the chain of versions; with `at`, down to the version of that moment. A moment is a log
  size (exact) or a time (as exact as block times are).
* `reading`: was this reading anchored by a gateway, and may the gateway speak for the identifier?

Listings are specified and not part of this release.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ledger.core.encoding import INT_MAX
from ledger.core.identifier import Identifier
from ledger.core.merkle import HASH_BYTES, SIZE_MAX

Question: TypeAlias = Literal["current", "history", "reading"]

_USES: Final[Mapping[str, frozenset[int]]] = {
    "current": frozenset(),
    "history": frozenset((6,)),
    "reading": frozenset((7, 10)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The moment at which the log had `size` entries."""

    size: int

    def __post_init__(self) -> None:
        if not 0 <= self.size <= INT_MAX:
            raise ValueError(f"a log size is 0 to 2^53-1, not {self.size}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """A moment in Unix milliseconds, judged by block times."""

    ms: int

    def __post_init__(self) -> None:
        if not 0 <= self.ms <= INT_MAX:
            raise ValueError(f"a time is 0 to 2^53-1 Unix milliseconds, not {self.ms}")


Moment: TypeAlias = Size | Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question.

    Attributes:
        identifier: The identifier asked about, canonical.
        network: The network asked.
        question: Which of the questions above.
        at: The moment of a history, or None for all of it.
        last_seen: Size and root of the checkpoint that the caller last believed, or None.
    """

    identifier: Identifier
    network: str
    question: Question = "current"
    at: Moment | None = None
    last_seen: tuple[int, bytes] | None = None

    def __post_init__(self) -> None:
        if self.question not in _USES:
            raise ValueError(f"question {self.question!r}: ask {', '.join(_USES)}")
        if self.at is not None and self.question != "history":
            raise ValueError("`at` belongs to question history only")
        if self.last_seen is not None:
            size, root = self.last_seen
            if not 0 <= size <= SIZE_MAX or len(root) != HASH_BYTES:
                raise ValueError("last_seen is a log size and a root of 32 bytes")

    @property
    def uses(self) -> frozenset[int]:
        """Which of the bundle's members 6, 7, 9, 10 the question uses."""
        members = _USES[self.question]
        return members | {7} if isinstance(self.at, Time) else members
