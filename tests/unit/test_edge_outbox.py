"""What follows each answer of a node."""

import pytest

from edge_agent.core.outbox import (
    BACKOFF_MAX_S,
    FAULTS_MAX,
    RETRY_AFTER_MAX_S,
    Accepted,
    Answer,
    AskLedger,
    Pending,
    Refused,
    Registered,
    SendAgain,
    SetAside,
    Step,
    Stop,
    Unknown,
    backoff_s,
    decide,
)
from ledger.errors import RejectionCode


def step(answer: Answer, *, attempt: int = 1, faults: int = 1, chance: float = 0.5) -> Step:
    return decide(answer, attempt=attempt, faults=faults, chance=chance)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Accepted(receipt=b"r"), Registered(receipt=b"r")),
        (Pending(retry_after_s=7), AskLedger(wait_s=7, detail="accepted, not yet ordered")),
        (Unknown(detail="down"), SendAgain(wait_s=0.5, detail="down")),
        (Unknown(detail="busy", retry_after_s=9), SendAgain(wait_s=9, detail="busy")),
        (Refused(name="out-of-sequence", detail="d"), AskLedger(wait_s=0, detail="d")),
        (Refused(name="malformed", detail="d"), SendAgain(wait_s=0.5, detail="malformed: d")),
        (Refused(name="key-revoked", detail="d"), Stop(wait_s=30, name="key-revoked", detail="d")),
        (Refused(name="http-418", detail="d"), Stop(wait_s=30, name="http-418", detail="d")),
    ],
)
def test_the_table(answer: Answer, expected: Step) -> None:
    """One row of the module's table each."""
    assert expected == step(answer)


@pytest.mark.parametrize("code", list(RejectionCode))
def test_every_rejection_has_a_step_that_waits_or_sets_aside(code: RejectionCode) -> None:
    """No rejection is taken for success, and none makes the agent spin."""
    found = step(Refused(name=code.title, detail=""), attempt=5, faults=1)
    assert isinstance(found, SendAgain | AskLedger | Stop)
    assert found.wait_s > 0


@pytest.mark.parametrize("name", ["malformed", "limit-exceeded"])
def test_our_own_faults_are_set_aside_after_some_answers(name: str) -> None:
    """The queue behind a bad statement goes on; earlier unknown outcomes do not count."""
    answer = Refused(name=name, detail="d")
    assert isinstance(step(answer, attempt=99, faults=FAULTS_MAX - 1), SendAgain)
    assert SetAside(name=name, detail="d") == step(answer, attempt=99, faults=FAULTS_MAX)


@pytest.mark.parametrize("attempt", [1, 5, 50, 10_000])
def test_waits_are_jittered_over_the_whole_range(attempt: int) -> None:
    """Full jitter: from nothing to the ceiling, which doubles up to a minute."""
    ceiling = min(BACKOFF_MAX_S, 0.5 * 2.0 ** min(attempt, 20))
    assert [0.0, ceiling / 2] == [backoff_s(attempt, 0.0), backoff_s(attempt, 0.5)]


def test_a_node_cannot_silence_a_gateway_for_ever() -> None:
    """Retry-After is obeyed up to an hour."""
    assert backoff_s(1, 0.5, retry_after_s=1e9) == RETRY_AFTER_MAX_S
