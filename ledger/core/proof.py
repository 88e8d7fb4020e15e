"""Verify a proof bundle: the one function that a stranger needs, offline.

Theory of operation (docs/spec/proof.md, verify): the caller brings the question, the network, the
trust file and a clock; the bundle brings evidence and is believed in nothing. Steps, in order, the
first failure wins: shape (`bundle`) · identifier and members used (here) · trust file, checkpoint,
freshness, commit leaf, last_seen (`proof_head`) · map entries (`proof_map`) · the question's own
(`proof_history`, `proof_reading`). The verdict is computed from what was proved.

A sound bundle that is merely old gives a verdict that is not current; everything else that does not
prove its answer is a `ProofError` with part and fault. It proves that a quorum had executed the log
to this object. It does not prove that the owner signed, nor that the content is true.

Pure: the clock is an argument.
"""

from ledger.core import identifier as identifiers
from ledger.core.bundle import Bundle
from ledger.core.identifier import Identifier
from ledger.core.policy import TrustFile
from ledger.core.proof_head import NOW_S_MAX, check_head
from ledger.core.proof_history import check_history
from ledger.core.proof_map import EntryReader, Found, find
from ledger.core.proof_reading import check_reading
from ledger.core.question import Asked, Moment, Question, Size, Time
from ledger.core.record import (
    RETIRED,
    WITHHELD,
    AliasObject,
    PrefixObject,
)
from ledger.core.verdict import TOLERANCE_S, Kind, ProvedHead, ProvedReading, Verdict, Versioned
from ledger.errors import ProofError, ProofFault

__all__ = [
    "TOLERANCE_S",
    "Kind",
    "Moment",
    "ProvedHead",
    "ProvedReading",
    "Question",
    "Size",
    "Time",
    "Verdict",
    "Versioned",
    "verify",
]


def verify(
    bundle: bytes | str,
    identifier: str,
    *,
    network: str,
    trust: TrustFile,
    now: int,
    max_age: int | None,
    question: Question = "current",
    at: Moment | None = None,
    last_seen: tuple[int, bytes] | None = None,
) -> Verdict:
    """Judge a bundle.

    Args:
        bundle: CBOR as bytes, or the JSON twin as text.
        identifier: The identifier asked, in canonical form.
        network: The network asked.
        trust: That network's trust file.
        now: The verifier's clock, Unix seconds.
        max_age: Age in seconds that a current answer may have; None: the trust file's, else 600.
        question: What was asked; never taken from the bundle.
        at: Of a history: a log size or a time.
        last_seen: Size and root of the checkpoint that the caller believed before.

    Raises:
        ProofError: The bundle does not prove an answer to this question.
        ValueError: The caller's arguments make no question.
        IdentifierError: The caller's identifier is not in canonical form.
    """
    asked = Asked(
        identifier=identifiers.canonical(identifier),
        network=network,
        question=question,
        at=at,
        last_seen=last_seen,
    )
    if not 0 <= now <= NOW_S_MAX or (max_age is not None and max_age < 0):
        raise ValueError("now and max_age are seconds from 0, now within the year 9999")
    given = Bundle.decode_json(bundle) if isinstance(bundle, str) else Bundle.decode(bundle)
    _check_question(given, asked)
    head = check_head(given, asked, trust=trust, now=now, max_age=max_age)
    entries = EntryReader(given, head.leaf.map_root)
    found = find(entries, asked.identifier)
    if question == "reading":
        return _reading(given, head, entries, asked.identifier, found)
    entries.end()
    if question == "history":
        return _history(given, head, asked, found)
    return _verdict(_kind(found), asked.identifier, head, found)


def _check_question(given: Bundle, asked: Asked) -> None:
    if given.identifier != asked.identifier.text:
        raise ProofError(
            "identifier",
            ProofFault.WRONG_QUESTION,
            f"the bundle is about {given.identifier}, not about {asked.identifier.text}",
        )
    surplus = given.optional - asked.uses
    if surplus:
        raise ProofError(
            f"member {min(surplus)}",
            ProofFault.WRONG_QUESTION,
            f"question {asked.question} does not use it: the bundle answers another question",
        )


def _kind(found: Found) -> Kind:
    if found.asked is None:
        nearest = found.nearest
        refers = isinstance(nearest, PrefixObject) and nearest.referral is not None
        return "not-here" if refers else "absent"
    if found.record is None or found.record.status == RETIRED:
        return "retired"
    return "withheld" if found.record.status == WITHHELD else "present"


def _verdict(kind: Kind, asked: Identifier, head: ProvedHead, found: Found) -> Verdict:
    return Verdict(
        kind=kind,
        identifier=asked.text,
        head=head,
        record=found.record,
        alias=found.alias,
        nearest=found.nearest,
        warnings=head.warnings,
    )


def _history(given: Bundle, head: ProvedHead, asked: Asked, found: Found) -> Verdict:
    versions = check_history(given, head, found.asked, asked.at)
    warnings = head.warnings
    if isinstance(asked.at, Time) and asked.at.ms > head.dated * 1000:
        warnings += ("the time asked lies after the proof's date: true as of that date",)
    kind = _kind(found)
    if found.asked is not None:
        kind = "history" if versions else "absent"
    record = found.record
    if asked.at is not None:
        then = versions[-1] if versions else None
        record = None if isinstance(then, AliasObject) else then
    return Verdict(
        kind=kind,
        identifier=asked.identifier.text,
        head=head,
        record=record,
        alias=found.alias,
        versions=versions,
        nearest=found.nearest,
        warnings=warnings,
    )


def _reading(
    given: Bundle, head: ProvedHead, entries: EntryReader, asked: Identifier, found: Found
) -> Verdict:
    proved = check_reading(given, head, entries, asked, found.record)
    warnings = head.warnings
    if not proved.attributed:
        warnings += (f"said by {proved.stream} about {proved.reading.identifier}",)
    if proved.suspect:
        warnings += ("the key that signed it is suspect at that index",)
    if proved.equivocated:
        warnings += (f"{proved.stream} signed two batches of number {proved.sequence}",)
    return Verdict(
        kind="reading",
        identifier=asked.text,
        head=head,
        record=found.record,
        alias=found.alias,
        nearest=found.nearest,
        proved=proved,
        warnings=warnings,
    )
