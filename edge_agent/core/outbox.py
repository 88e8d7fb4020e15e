"""What to do after each answer of the node: send again, go on, stop, or set aside.

Theory of operation: anchors of one stream are sent one at a time, in order, and the same bytes until
their fate is known.

| answer | step |
|---|---|
| registered (201; a resubmission gets the first receipt again) | `Registered` |
| accepted but not yet ordered (303) | `AskLedger`, then the same bytes again |
| 429, 503, time-out, 5xx, connection lost: outcome unknown | `SendAgain` after a full-jitter wait |
| `out-of-sequence` | `AskLedger`: the stream's position decides |
| `malformed`, `limit-exceeded` | a fault of ours: `SetAside` after `FAULTS_MAX` answers |
| every other refusal | `Stop`: people must act (key, record, quota); ask again slowly |

Waits are `random(0, min(60, 0.5 · 2ⁿ))` seconds, and never shorter than the node's Retry-After.
Pure: the caller hands in a random number in [0, 1).
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 60.0
RETRY_AFTER_MAX_S: Final = 3_600.0  # a node may not silence a gateway for longer
STOPPED_RETRY_S: Final = 30.0  # how often a stopped stream asks again
FAULTS_MAX: Final = 3
FAULTS: Final = frozenset({"malformed", "limit-exceeded"})
OUT_OF_SEQUENCE: Final = "out-of-sequence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The node answered with a receipt."""

    receipt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The node took the statement and has not ordered it yet."""

    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nobody knows whether the statement was taken."""

    detail: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The ledger refused; `name` is the rejection's name on the wire."""

    name: str
    detail: str


Answer: TypeAlias = Accepted | Pending | Unknown | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The anchor is on the ledger: go on with the next."""

    receipt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAgain:
    """Send the same bytes after a wait, by the next node where there are several."""

    wait_s: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLedger:
    """Ask where the stream stands before anything else, after a wait."""

    wait_s: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Sign nothing more, go on spooling, raise an alarm, try again after a wait."""

    wait_s: float
    name: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Keep statement and refusal, state the batch as rejected, go on."""

    name: str
    detail: str


Step: TypeAlias = Registered | SendAgain | AskLedger | Stop | SetAside


def backoff_s(attempt: int, chance: float, *, retry_after_s: float | None = None) -> float:
    """Return a full-jitter wait.

    Args:
        attempt: How many attempts have failed, from 1.
        chance: Random number in [0, 1).
        retry_after_s: What the node asked for, obeyed up to `RETRY_AFTER_MAX_S`.
    """
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * float(1 << min(attempt, 16)))
    wait_s = ceiling * chance
    if retry_after_s is not None:
        wait_s = max(wait_s, min(retry_after_s, RETRY_AFTER_MAX_S))
    return wait_s


def decide(answer: Answer, *, attempt: int, faults: int, chance: float) -> Step:
    """Return the step that an answer calls for.

    Args:
        answer: What the node said.
        attempt: How often these bytes were sent without success, this time included.
        faults: How often they were refused as a fault of ours, this time included.
        chance: Random number in [0, 1).
    """
    match answer:
        case Accepted():
            return Registered(receipt=answer.receipt)
        case Pending():
            wait_s = backoff_s(attempt, chance, retry_after_s=answer.retry_after_s)
            return AskLedger(wait_s=wait_s, detail="accepted, not yet ordered")
        case Unknown():
            wait_s = backoff_s(attempt, chance, retry_after_s=answer.retry_after_s)
            return SendAgain(wait_s=wait_s, detail=answer.detail)
        case Refused(name=name) if name == OUT_OF_SEQUENCE:
            wait_s = 0.0 if attempt == 1 else backoff_s(attempt, chance)
            return AskLedger(wait_s=wait_s, detail=answer.detail)
        case Refused(name=name) if name in FAULTS:
            if faults >= FAULTS_MAX:
                return SetAside(name=name, detail=answer.detail)
            return SendAgain(wait_s=backoff_s(attempt, chance), detail=f"{name}: {answer.detail}")
        case Refused():
            wait_s = STOPPED_RETRY_S * (0.5 + chance)
            return Stop(wait_s=wait_s, name=answer.name, detail=answer.detail)
