"""Verify the chain of an object's versions, to its beginning or back to a moment.

Theory of operation (docs/spec/proof.md, history): the object of today is proved by the map, and each
carries the hash of its predecessor, so one checkpoint proves them all. Without `at` the chain must
end where it began; with it, it runs just to the version of that moment, no further.

As of log size N that is the version with last < N whose successor has last ≥ N; absent if created ≥
N, which every version says alike. As of time T, N is one above the newest commit leaf of T or
before, and the next leaf, which is later than T, shows that it is the newest. Below the first block
nothing existed.
"""

from collections.abc import Sequence
from hashlib import sha256

from ledger.core import merkle
from ledger.core.block import CommitLeaf
from ledger.core.bundle import Bundle, Logged
from ledger.core.proof_head import read_commit_leaf
from ledger.core.proof_map import read_object
from ledger.core.question import Moment, Time
from ledger.core.record import AliasObject
from ledger.core.verdict import ProvedHead, Versioned
from ledger.errors import ProofError, ProofFault


def check_history(
    bundle: Bundle, head: ProvedHead, newest: Versioned | None, at: Moment | None
) -> tuple[Versioned, ...]:
    """Return the versions that the question is about, newest first; none if it was absent then.

    Raises:
        ProofError: A version or commit leaf is missing, surplus or forged.
    """
    size = None if at is None else _size_at(bundle, head, at)
    if newest is None or (size is not None and created(newest) >= size):
        _refuse_more(bundle, 0)
        return ()
    versions = [newest]
    while not _is_end(versions[-1], size):
        versions.append(_older(bundle, versions))
    _refuse_more(bundle, len(versions) - 1)
    return tuple(versions)


def created(found: Versioned) -> int:
    """Return the log index at which an object came to be."""
    return found.created if isinstance(found, AliasObject) else found.versions.created


def last(found: Versioned) -> int:
    """Return the log index of the statement that made this version."""
    return found.last if isinstance(found, AliasObject) else found.versions.last


def version(found: Versioned) -> int:
    """Return a version's number, from 1."""
    return found.version if isinstance(found, AliasObject) else found.versions.version


def previous(found: Versioned) -> bytes | None:
    """Return the hash of the version before."""
    return found.prev if isinstance(found, AliasObject) else found.versions.prev


def _is_end(found: Versioned, size: int | None) -> bool:
    return previous(found) is None if size is None else last(found) < size


def _refuse_more(bundle: Bundle, used: int) -> None:
    if len(bundle.older or ()) > used:
        raise ProofError(
            f"older version {used}", ProofFault.MALFORMED, "the question does not use it"
        )


def _older(bundle: Bundle, versions: Sequence[Versioned]) -> Versioned:
    """Return the predecessor of the last of `versions`."""
    number, successor = len(versions) - 1, versions[-1]
    part, older = f"older version {number}", bundle.older or ()
    if number == len(older):
        raise ProofError(
            part, ProofFault.INCOMPLETE, f"version {version(successor) - 1} is missing"
        )
    if sha256(older[number]).digest() != previous(successor):
        raise ProofError(
            part, ProofFault.FORGED, f"it is not what version {version(successor)} follows"
        )
    found = read_object(older[number], part)
    if not isinstance(found, type(successor)) or version(found) != version(successor) - 1:
        raise ProofError(part, ProofFault.FORGED, "it is not the version before of that object")
    return found


# ---------------------------------------------------------------- the moment


def _size_at(bundle: Bundle, head: ProvedHead, at: Moment) -> int:
    """Return the log size N of a moment."""
    if isinstance(at, Time):
        return _size_at_time(bundle, head, at.ms)
    if at.size > head.size:
        raise ProofError(
            "checkpoint",
            ProofFault.INCOMPLETE,
            f"the log of the bundle ends at size {head.size}, before {at.size}",
        )
    return at.size


def _size_at_time(bundle: Bundle, head: ProvedHead, ms: int) -> int:
    leaves = bundle.logged or ()
    if head.leaf.ms <= ms or head.leaf.height == 0:
        _expect(leaves, 0)
        return head.size if head.leaf.ms <= ms else 0
    if not leaves:
        raise ProofError("logged entry 0", ProofFault.INCOMPLETE, "the commit leaf is missing")
    newest = logged_commit_leaf(bundle, head, 0)
    if newest.ms > ms:
        if newest.height != 0:
            raise ProofError("logged entry 0", ProofFault.FORGED, "a commit leaf of a later time")
        _expect(leaves, 1)
        return 0
    if len(leaves) < 2:
        raise ProofError("logged entry 1", ProofFault.INCOMPLETE, "the next commit leaf is missing")
    _expect(leaves, 2)
    after = logged_commit_leaf(bundle, head, 1)
    if after.previous != newest.index or after.ms <= ms:
        raise ProofError(
            "logged entry 1", ProofFault.FORGED, "not the next commit leaf, or not of a later time"
        )
    return newest.index + 1


def _expect(leaves: Sequence[Logged], count: int) -> None:
    if len(leaves) > count:
        raise ProofError(
            f"logged entry {count}", ProofFault.MALFORMED, "the question does not use it"
        )


def check_logged(logged: Logged, head: ProvedHead, part: str) -> None:
    """Verify that an entry is in the log at its index.

    Raises:
        ProofError: It is not.
    """
    leaf_hash = merkle.leaf_hash(logged.entry)
    if not merkle.verify_inclusion(logged.index, head.size, leaf_hash, head.root, logged.path):
        raise ProofError(part, ProofFault.FORGED, f"it is not entry {logged.index} of the log")


def logged_commit_leaf(bundle: Bundle, head: ProvedHead, number: int) -> CommitLeaf:
    """Return a commit leaf of member 7, verified.

    Raises:
        ProofError: It is none, or not in the log at its index.
    """
    part, logged = f"logged entry {number}", (bundle.logged or ())[number]
    check_logged(logged, head, part)
    return read_commit_leaf(logged.entry, logged.index, part)
