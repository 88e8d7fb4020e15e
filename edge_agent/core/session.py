"""Where our stream stands against the ledger: the question asked before anything is signed.

Theory of operation: two gateways with one identity, a restored snapshot or a lost data directory
would sign two anchors for one sequence, which is equivocation. So after a start the agent asks its
node for the stream's last sequence and statement hash, and compares (`compare`):

| the ledger, seen from our books | verdict |
|---|---|
| has what it confirmed to us, no more | `AGREED` |
| has more of ours: an answer was lost on the way | `AGREED`, confirmed further |
| has less than it confirmed, and we still keep the statements | `AGREED`, confirmed less: send again |
| has less, and we no longer keep them | `BEHIND`: this is not the ledger we wrote to |
| has anchors and our books are empty | `STATE_LOST`: the owner must raise the epoch |
| the same after the owner raised the epoch | `ADOPT` the ledger's position |
| another statement at one of our sequences, or more than we signed | `AHEAD`: equivocation |

Pure: positions in, verdict out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What the comparison means for this stream."""

    AGREED = "agreed"
    ADOPT = "adopt"
    STATE_LOST = "state-lost"
    AHEAD = "ahead"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What the ledger says of a stream.

    Attributes:
        next: Sequence that the next anchor must have; 0 without any.
        last_hash: Hash of the last anchor statement, None without any.
        epoch: Current epoch.
    """

    next: int
    last_hash: bytes | None
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """What our books say.

    Attributes:
        next: Sequence that we sign next.
        confirmed: How many the ledger has confirmed, that is the next one to send.
        epoch: Epoch of our statements.
        lost_epoch: Epoch at which we found our state lost, None otherwise.
    """

    next: int
    confirmed: int
    epoch: int
    lost_epoch: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A verdict, what the ledger has confirmed, and words for a person."""

    verdict: Verdict
    confirmed: int
    detail: str


def compare(local: Local, remote: Remote, hash_of: Callable[[int], bytes | None]) -> Comparison:
    """Compare our position with the ledger's.

    Args:
        local: Our books.
        remote: The ledger.
        hash_of: Gives the hash of our statement with a sequence, None where we no longer keep it.
    """
    if local.next == 0 and remote.next > 0:
        return _without_books(local, remote)
    if remote.next > local.next:
        return _ahead(local, f"it holds {remote.next} anchors, we signed {local.next}")
    if remote.epoch != local.epoch:
        return _ahead(local, f"its epoch is {remote.epoch}, ours {local.epoch}")
    if remote.next > 0:
        ours = hash_of(remote.next - 1)
        if ours is None:
            return _behind(local, remote)
        if ours != remote.last_hash:
            return _ahead(local, f"its anchor {remote.next - 1} is not the one we signed")
    if remote.next < local.confirmed and any(
        hash_of(sequence) is None for sequence in range(remote.next, local.confirmed)
    ):
        return _behind(local, remote)
    return Comparison(verdict=Verdict.AGREED, confirmed=remote.next, detail="the ledger agrees")


def _without_books(local: Local, remote: Remote) -> Comparison:
    if local.lost_epoch is not None and remote.epoch > local.lost_epoch:
        detail = f"the owner raised the epoch to {remote.epoch}"
        return Comparison(verdict=Verdict.ADOPT, confirmed=remote.next, detail=detail)
    detail = (
        f"the ledger holds {remote.next} anchors of this stream and our books are empty: the data "
        "directory was lost or replaced. Put it back, or let the prefix's owner state the loss "
        f"(an empty anchor {remote.next} with epoch {remote.epoch + 1} and reason state-lost)"
    )
    return Comparison(verdict=Verdict.STATE_LOST, confirmed=0, detail=detail)


def _ahead(local: Local, what: str) -> Comparison:
    detail = (
        f"equivocation: on the ledger, {what}. Another gateway uses this identity, or an old copy "
        "of the data directory was restored"
    )
    return Comparison(verdict=Verdict.AHEAD, confirmed=local.confirmed, detail=detail)


def _behind(local: Local, remote: Remote) -> Comparison:
    detail = (
        f"the ledger holds {remote.next} anchors but had confirmed {local.confirmed}, which are no "
        "longer kept: the data directory belongs to another ledger"
    )
    return Comparison(verdict=Verdict.BEHIND, confirmed=local.confirmed, detail=detail)
