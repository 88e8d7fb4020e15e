"""Verify one disclosed reading: anchored by a key that might, and perhaps about what was asked.

Theory of operation (docs/spec/proof.md, reading), in this order: exactly one statement in member 7,
strictly parsed, an anchor, of this network, in the log at index i; map entries for its stream and
for its iss; its key in the list of iss, valid at i, in a role that anchors, the signature its; then
the disclosure: the leaf is one of the batch's, its path leads to the anchored root under the context
of stream and sequence, and its time is one of the batch's.

A gateway may anchor anything. The reading is the identifier's own only if it says so *and* the
identifier's record obeys the same prefix as the stream, or names the stream in a value of type
`xinbiao.stream`; otherwise it is just "said by STREAM".
"""

from typing import Final

from ledger.core import identifier as identifiers
from ledger.core import merkle, operation, statement
from ledger.core import reading as readings
from ledger.core.bundle import Bundle
from ledger.core.identifier import Identifier
from ledger.core.operation import Anchor
from ledger.core.proof_history import check_logged
from ledger.core.proof_map import EntryReader, key_text
from ledger.core.reading import Reading
from ledger.core.record import (
    ListedKey,
    PrefixObject,
    RecordObject,
    StreamObject,
    id_key,
    stream_key,
)
from ledger.core.state import owner_of, roles_needed
from ledger.core.statement import Statement
from ledger.core.value import TEXT
from ledger.core.verdict import ProvedHead, ProvedReading
from ledger.errors import EncodingError, IdentifierError, ProofError, ProofFault, Rejection

STREAM_TYPE: Final = "xinbiao.stream"
_ANCHOR: Final = "logged entry 0"
_DISCLOSURE: Final = "disclosure"


def check_reading(
    bundle: Bundle,
    head: ProvedHead,
    entries: EntryReader,
    asked: Identifier,
    record: RecordObject | PrefixObject | None,
) -> ProvedReading:
    """Verify the reading of a bundle; takes the entries of stream and iss.

    Args:
        bundle: What was given.
        head: Its verified head.
        entries: Its map entries, those of the identifier asked being taken.
        asked: The identifier asked.
        record: What it resolves to, if anything.

    Raises:
        ProofError: With the first check that fails.
    """
    signed, anchor, index = _anchor(bundle, head)
    stream = entries.need(stream_key(anchor.stream), anchor.stream, (StreamObject,), "stream")
    issuer = _issuer(entries, signed)
    entries.end()
    listed = _key(issuer, signed, anchor, index)
    reading = _disclosed(bundle, anchor)
    return ProvedReading(
        reading=reading,
        stream=anchor.stream.text,
        sequence=anchor.sequence,
        kid=signed.kid,
        index=index,
        attributed=_is_about(reading, asked) and _may_speak(record, anchor.stream, signed.iss),
        suspect=listed.suspect_from is not None and listed.suspect_from <= index,
        equivocated=(anchor.epoch, anchor.sequence) in stream.equivocations,
    )


def _anchor(bundle: Bundle, head: ProvedHead) -> tuple[Statement, Anchor, int]:
    logged = bundle.logged or ()
    if len(logged) != 1:
        fault = ProofFault.MALFORMED if logged else ProofFault.INCOMPLETE
        raise ProofError("logged entries", fault, "a reading needs exactly one: its anchor")
    try:
        signed = statement.parse(logged[0].entry)
        anchor = operation.parse(signed.payload)
    except Rejection as error:
        raise ProofError(_ANCHOR, ProofFault.MALFORMED, error.detail) from None
    if not isinstance(anchor, Anchor) or signed.sub != anchor.stream.text:
        raise ProofError(_ANCHOR, ProofFault.MALFORMED, "the statement is no anchor of its subject")
    if signed.aud != head.network:
        raise ProofError(_ANCHOR, ProofFault.WRONG_NETWORK, f"it is for network {signed.aud}")
    check_logged(logged[0], head, _ANCHOR)
    return signed, anchor, logged[0].index


def _issuer(entries: EntryReader, signed: Statement) -> tuple[ListedKey, ...]:
    """Return the keys of iss: a prefix, or a self-certifying DID that holds its own."""
    try:
        iss = identifiers.canonical(signed.iss)
    except IdentifierError as error:
        raise ProofError(_ANCHOR, ProofFault.MALFORMED, f"iss: {error}") from None
    if iss.self_certifying:
        return entries.need(id_key(iss), iss, (RecordObject,), "iss").own_keys
    return entries.need(id_key(iss), iss, (PrefixObject,), "iss").keys


def _key(issuer: tuple[ListedKey, ...], signed: Statement, anchor: Anchor, index: int) -> ListedKey:
    listed = next((one for one in issuer if one.key.kid == signed.kid), None)
    if listed is None:
        raise ProofError(_ANCHOR, ProofFault.FORGED, "its key is not in the list of its iss")
    if not listed.window_holds(index) or listed.is_revoked(index):
        raise ProofError(_ANCHOR, ProofFault.FORGED, f"its key was not valid at index {index}")
    if not roles_needed(anchor).intersection(listed.roles):
        raise ProofError(_ANCHOR, ProofFault.FORGED, "its key has no role that anchors")
    if not signed.is_signed_by(listed.key):
        raise ProofError(_ANCHOR, ProofFault.FORGED, "the signature is not its key's")
    return listed


def _disclosed(bundle: Bundle, anchor: Anchor) -> Reading:
    shown = bundle.disclosure
    if shown is None:
        raise ProofError(_DISCLOSURE, ProofFault.INCOMPLETE, "member 10 is missing")
    context = readings.context(anchor.sequence, anchor.stream.key_text)
    leaf = readings.leaf_hash(shown.salt, context, shown.reading)
    if not merkle.verify_inclusion(shown.leaf, anchor.count, leaf, anchor.root, shown.path):
        raise ProofError(
            _DISCLOSURE, ProofFault.FORGED, f"it is not leaf {shown.leaf} of the anchored batch"
        )
    try:
        reading = readings.decode_reading(shown.reading)
    except EncodingError as error:
        raise ProofError(_DISCLOSURE, ProofFault.MALFORMED, f"reading: {error}") from None
    if not anchor.first_us <= reading.us <= anchor.last_us:
        raise ProofError(_DISCLOSURE, ProofFault.FORGED, "its time lies outside its batch's")
    return reading


def _is_about(reading: Reading, asked: Identifier) -> bool:
    return key_text(reading.identifier) == asked.key_text


def _may_speak(record: RecordObject | PrefixObject | None, stream: Identifier, iss: str) -> bool:
    """Tell whether a record's owner lets the stream speak for it."""
    if record is None:
        return False
    if key_text(owner_of(record)) == key_text(iss):
        return True
    return any(
        value.type == STREAM_TYPE
        and value.format == TEXT
        and isinstance(value.data, str)
        and key_text(value.data) == stream.key_text
        for value in record.values
    )
