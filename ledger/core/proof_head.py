"""Verify a bundle's head: trust file, checkpoint, freshness, commit leaf, last_seen.

Theory of operation (docs/spec/proof.md, verify, steps 3–7): a checkpoint is believed because enough
members of the trust file have cosigned it, and it is *current* because they did so lately. So
cosignatures outside [now − max_age, now + 60 s] do not count §fresh. When the rest is no quorum, the
older ones still date the checkpoint: DATE is the greatest t such that those dated at or after t
meet the quorum. The commit leaf, the log's last entry, then ties the map's root to the checkpoint,
and `last_seen` ties this checkpoint to the one that the caller believed before.

Whoever is out of date is told so: a note that misses the quorum although its commit leaf names
another network object than the trust file's may be of a consortium that has changed its members.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from ledger.core import merkle
from ledger.core.block import CommitLeaf, decode_commit_leaf
from ledger.core.bundle import Bundle
from ledger.core.checkpoint import Checkpoint, Signature, parse_note, verify_note
from ledger.core.policy import TrustFile
from ledger.core.question import Asked
from ledger.core.verdict import TOLERANCE_S, ProvedHead
from ledger.errors import EncodingError, NoteError, ProofError, ProofFault

MAX_AGE_S_DEFAULT: Final = 600
NOW_S_MAX: Final = 253_402_300_799  # the last second of the year 9999
_CHECKPOINT: Final = "checkpoint"
_COMMIT_LEAF: Final = "commit leaf"


def check_head(
    bundle: Bundle, asked: Asked, *, trust: TrustFile, now: int, max_age: int | None
) -> ProvedHead:
    """Verify everything above the map.

    Args:
        bundle: What was given.
        asked: What was asked.
        trust: What is trusted.
        now: The verifier's clock, Unix seconds.
        max_age: Age that a current answer may have in seconds; None: the trust file's, else 600.

    Raises:
        ProofError: With the first step that fails.
    """
    _check_trust_file(trust, asked.network, now)
    age_s = _max_age_s(trust, max_age)
    checkpoint, signatures, ignored = _check_note(bundle, trust, asked.network)
    dated = trust.cosigned(one for one in signatures if (one.time_s or 0) <= now + TOLERANCE_S)
    fresh = {name: time_s for name, time_s in dated.items() if time_s >= now - age_s}
    current = trust.quorum_met(fresh)
    date_s = trust.latest_quorum_time(dated)
    signed = trust.is_signed_by_log(signatures)
    if date_s is None or not signed:
        raise _distrusted(bundle, checkpoint, trust, is_signed=signed, is_dated=date_s is not None)
    leaf = _check_commit_leaf(bundle, checkpoint)
    _check_last_seen(bundle, checkpoint, asked.last_seen)
    counted = {name for name, time_s in dated.items() if time_s >= date_s}
    return ProvedHead(
        network=asked.network,
        size=checkpoint.size,
        root=checkpoint.root,
        leaf=leaf,
        dated=date_s,
        current=current,
        counted=tuple(sorted(fresh if current else counted)),
        needed=trust.quorum,
        ignored=(*ignored, *_untimely(signatures, now, age_s)),
        warnings=_warnings(leaf, trust, date_s, current=current),
    )


def _check_trust_file(trust: TrustFile, network: str, now: int) -> None:
    if trust.network != network:
        raise ProofError(
            "trust file",
            ProofFault.WRONG_NETWORK,
            f"it is of network {trust.network}, not of {network}",
        )
    if trust.is_expired(datetime.fromtimestamp(now, UTC).date()):
        raise ProofError(
            "trust file",
            ProofFault.TRUST_OUT_OF_DATE,
            f"it expired at the end of {trust.expires}: get a new one from a member",
        )


def _max_age_s(trust: TrustFile, max_age: int | None) -> int:
    if max_age is not None:
        return max_age
    return MAX_AGE_S_DEFAULT if trust.max_age_s is None else trust.max_age_s


def _check_note(
    bundle: Bundle, trust: TrustFile, network: str
) -> tuple[Checkpoint, tuple[Signature, ...], list[str]]:
    """Return the checkpoint, its valid signatures, and the lines that nobody known wrote."""
    try:
        note = parse_note(bundle.note.encode())
        checkpoint = Checkpoint.parse(note.text)
    except NoteError as error:
        raise ProofError(_CHECKPOINT, ProofFault.MALFORMED, str(error)) from None
    if checkpoint.origin != network:
        raise ProofError(
            _CHECKPOINT,
            ProofFault.WRONG_NETWORK,
            f"it is of network {checkpoint.origin[:128]!r}, not of {network}",
        )
    if checkpoint.size == 0:
        raise ProofError(_CHECKPOINT, ProofFault.MALFORMED, "it is of an empty log")
    try:
        verified = verify_note(note, trust.keys)
    except NoteError as error:
        raise ProofError(_CHECKPOINT, ProofFault.FORGED, str(error)) from None
    ignored = [f"{line}: not a key of the trust file" for line in verified.ignored]
    return checkpoint, verified.signatures, ignored


def _untimely(signatures: tuple[Signature, ...], now: int, age_s: int) -> list[str]:
    """Name the valid cosignatures that say nothing about now."""
    lines = []
    for one in signatures:
        if one.time_s is None:
            continue
        if one.time_s > now + TOLERANCE_S:
            lines.append(f"{one.key.name} at {one.time_s}: dated in the future")
        elif one.time_s < now - age_s:
            lines.append(f"{one.key.name} at {one.time_s}: older than {age_s} s")
    return lines


def _distrusted(
    bundle: Bundle, checkpoint: Checkpoint, trust: TrustFile, *, is_signed: bool, is_dated: bool
) -> ProofError:
    """Return why a checkpoint is not believed: too few members, or an old list of them."""
    reason = f"too few cosignatures for {trust.quorum}" if is_signed else "no listed log key signed"
    if not is_dated and _claims_change(bundle, checkpoint, trust):
        return ProofError(
            _CHECKPOINT,
            ProofFault.TRUST_OUT_OF_DATE,
            f"{reason}, and the network has changed since: trust file out of date?",
        )
    return ProofError(_CHECKPOINT, ProofFault.NOT_TRUSTED, reason)


def _claims_change(bundle: Bundle, checkpoint: Checkpoint, trust: TrustFile) -> bool:
    """Tell whether the note's own log says that the network is not the trust file's any more."""
    try:
        return _network_changed(_check_commit_leaf(bundle, checkpoint), trust)
    except ProofError:
        return False


def _network_changed(leaf: CommitLeaf, trust: TrustFile) -> bool:
    if trust.network_object is None:
        return False
    return leaf.network_hash != sha256(trust.network_object).digest()


def _check_commit_leaf(bundle: Bundle, checkpoint: Checkpoint) -> CommitLeaf:
    """Verify that member 3 is the log's last entry, and a commit leaf that may stand there."""
    last = checkpoint.size - 1
    leaf_hash = merkle.leaf_hash(bundle.commit_leaf)
    path = bundle.last_leaf_path
    if not merkle.verify_inclusion(last, checkpoint.size, leaf_hash, checkpoint.root, path):
        raise ProofError(_COMMIT_LEAF, ProofFault.FORGED, "it is not the log's last entry")
    return read_commit_leaf(bundle.commit_leaf, last, _COMMIT_LEAF)


def read_commit_leaf(entry: bytes, index: int, part: str) -> CommitLeaf:
    """Read the commit leaf at a log index.

    Raises:
        ProofError: It is none, or cannot stand there.
    """
    try:
        leaf = decode_commit_leaf(entry)
    except EncodingError as error:
        raise ProofError(part, ProofFault.MALFORMED, str(error)) from None
    before = None if leaf.height == 0 else leaf.first_index - 1
    if leaf.index != index or leaf.previous != before:
        raise ProofError(part, ProofFault.MALFORMED, "its members 2, 3 and 6 do not fit its place")
    return leaf


def _check_last_seen(
    bundle: Bundle, checkpoint: Checkpoint, last_seen: tuple[int, bytes] | None
) -> None:
    """Verify that the log only grew since the caller last looked."""
    path = bundle.consistency
    if last_seen is None:
        if path is not None:
            raise ProofError(
                "consistency", ProofFault.WRONG_QUESTION, "member 8 answers a last_seen; none given"
            )
        return
    size, root = last_seen
    if checkpoint.size < size:
        raise ProofError(
            "consistency",
            ProofFault.ROLLBACK,
            f"the log had {size} entries when last seen, and {checkpoint.size} here",
        )
    if checkpoint.size == size:
        if checkpoint.root != root or path is not None:
            raise ProofError(
                "consistency", ProofFault.FORK, "another log of the size that was last seen"
            )
        return
    if path is None:
        raise ProofError(
            "consistency", ProofFault.INCOMPLETE, f"member 8, from size {size}, is missing"
        )
    if not merkle.verify_consistency(size, checkpoint.size, root, checkpoint.root, path):
        raise ProofError(
            "consistency", ProofFault.FORK, f"the log of size {size} is not the start of this one"
        )


def _warnings(leaf: CommitLeaf, trust: TrustFile, date_s: int, *, current: bool) -> tuple[str, ...]:
    warnings = []
    if not current:
        day = datetime.fromtimestamp(date_s, UTC).isoformat()
        warnings.append(f"true on {day} ± {TOLERANCE_S} s, not proved current")
    if _network_changed(leaf, trust):
        warnings.append("the network has changed since the trust file was made: get a new one")
    return tuple(warnings)
