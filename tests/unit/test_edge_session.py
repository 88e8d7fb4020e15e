"""What the agent concludes from the ledger's position before it signs anything."""

import pytest

from edge_agent.core.session import Local, Remote, Verdict, compare

HASHES = {number: bytes([number]) * 32 for number in range(8)}


def local(next_: int, confirmed: int, *, epoch: int = 0, lost: int | None = None) -> Local:
    return Local(next=next_, confirmed=confirmed, epoch=epoch, lost_epoch=lost)


def remote(next_: int, *, epoch: int = 0, last: bytes | None = None) -> Remote:
    if last is None and next_:
        last = HASHES[next_ - 1]
    return Remote(next=next_, last_hash=last, epoch=epoch)


@pytest.mark.parametrize(
    ("ours", "ledgers", "verdict", "confirmed"),
    [
        pytest.param(local(0, 0), remote(0), Verdict.AGREED, 0, id="both-new"),
        pytest.param(local(3, 0), remote(0), Verdict.AGREED, 0, id="nothing-sent-yet"),
        pytest.param(local(3, 3), remote(3), Verdict.AGREED, 3, id="same"),
        pytest.param(local(5, 3), remote(4), Verdict.AGREED, 4, id="an-answer-was-lost"),
        pytest.param(local(5, 3), remote(5), Verdict.AGREED, 5, id="all-answers-were-lost"),
        pytest.param(local(5, 4), remote(2), Verdict.AGREED, 2, id="ledger-restored-we-resend"),
        pytest.param(local(0, 0), remote(3), Verdict.STATE_LOST, 0, id="books-lost"),
        pytest.param(local(0, 0, lost=0), remote(4), Verdict.STATE_LOST, 0, id="owner-did-not-act"),
        pytest.param(
            local(0, 0, lost=0), remote(4, epoch=1), Verdict.ADOPT, 4, id="owner-raised-epoch"
        ),
        pytest.param(local(3, 3), remote(4), Verdict.AHEAD, 3, id="more-than-we-signed"),
        pytest.param(
            local(5, 3), remote(4, last=b"x" * 32), Verdict.AHEAD, 3, id="another-statement"
        ),
        pytest.param(local(3, 3), remote(3, epoch=1), Verdict.AHEAD, 3, id="another-epoch"),
    ],
)
def test_verdicts(ours: Local, ledgers: Remote, verdict: Verdict, confirmed: int) -> None:
    """Each situation of the table in the module's head."""
    found = compare(ours, ledgers, HASHES.get)
    assert (verdict, confirmed) == (found.verdict, found.confirmed)


@pytest.mark.parametrize("ledgers", [remote(0), remote(1)])
def test_statements_no_longer_kept_cannot_be_sent_again(ledgers: Remote) -> None:
    """A ledger that lost more than we keep is not the one that we wrote to."""
    kept = {number: HASHES[number] for number in (3, 4)}
    assert Verdict.BEHIND is compare(local(5, 5), ledgers, kept.get).verdict


def test_words_say_what_to_do() -> None:
    """A person reads the detail: it names the next step of the owner."""
    found = compare(local(0, 0), remote(3), HASHES.get)
    assert "empty anchor 3 with epoch 1" in found.detail
