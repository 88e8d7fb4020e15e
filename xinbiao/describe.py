"""What was proved, in words and as JSON: the one place that turns a verdict into text.

A verdict is shown with what it does not say: a stale one is *true on DATE ± tolerance, not proved
current*, a reading that is not attributed is only *said by STREAM*, ignored lines and warnings are listed.
Texts out of records are cleaned, because a value may hold what a terminal would obey.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from ledger.core import encoding
from ledger.core.policy import TrustFile
from ledger.core.reading import Reading
from ledger.core.record import PrefixObject, RecordObject
from ledger.core.verdict import TOLERANCE_S, Verdict, Versioned
from resolver.core.projection import object_json

_QUALITY = ("good", "uncertain", "bad")
_OBEYED = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))


class Say(Protocol):
    """Says a sentence in the person's language."""

    def __call__(self, text: str, /, **parts: object) -> str:
        """Return `text`, translated, with its parts filled in."""
        ...


def clean(text: str) -> str:
    """Return text without anything that a terminal obeys or that reorders letters."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if unicodedata.category(char) not in _OBEYED else f"\\u{ord(char):04x}"
        for char in text
    )


def utc(seconds: int) -> str:
    """Return Unix seconds as RFC 3339 UTC."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def utc_us(us: int) -> str:
    """Return Unix microseconds as RFC 3339 UTC with milliseconds."""
    return f"{utc(us // 1_000_000)[:-1]}.{us // 1000 % 1000:03}Z"


def versioned_json(found: Versioned) -> dict[str, Any]:
    """Return a record, prefix or alias as JSON."""
    if isinstance(found, RecordObject | PrefixObject):
        value = encoding.decode(found.encode())
        assert isinstance(value, dict), "an object is a map"
        return object_json(value)
    return {
        "kind": "alias",
        "identifier": found.id,
        "target": found.target,
        "version": found.version,
        "changed": {"index": found.last},
    }


def verdict_json(verdict: Verdict, trust: TrustFile, now: int) -> dict[str, Any]:
    """Return a verdict as JSON."""
    shown: dict[str, Any] = {
        "identifier": verdict.identifier,
        "verdict": verdict.kind,
        "current": verdict.current,
        "network": verdict.head.network,
        "size": verdict.size,
        "root": verdict.root.hex(),
        "dated": utc(verdict.dated),
        "age_s": max(0, now - verdict.dated),
        "cosigners": list(verdict.head.counted),
        "members": len(trust.witnesses),
        "frozen": verdict.frozen,
    }
    if verdict.record is not None:
        shown["record"] = versioned_json(verdict.record)
    if verdict.alias_of is not None:
        shown["alias_of"] = verdict.alias_of
    if verdict.kind in ("absent", "not-here") and verdict.nearest is not None:
        shown["nearest"] = verdict.nearest.id
    if verdict.referral is not None:
        shown["referral"] = {"network": verdict.referral[0], "url": verdict.referral[1]}
    if verdict.versions:
        shown["versions"] = [versioned_json(one) for one in verdict.versions]
    if verdict.proved is not None:
        proved = verdict.proved
        shown["reading"] = reading_json(proved.reading) | {
            "stream": proved.stream,
            "sequence": proved.sequence,
            "kid": proved.kid.hex(),
            "index": proved.index,
            "attributed": proved.attributed,
            "suspect": proved.suspect,
            "equivocated": proved.equivocated,
        }
    shown["ignored"] = list(verdict.ignored)
    shown["warnings"] = list(verdict.warnings)
    return shown


def reading_json(reading: Reading) -> dict[str, Any]:
    """Return a reading as JSON."""
    value = reading.value
    return {
        "identifier": reading.identifier,
        "property": reading.property,
        "us": reading.us,
        "time": utc_us(reading.us),
        "value": {"bytes": value.hex()} if isinstance(value, bytes) else value,
        "unit": reading.unit,
        "quality": _QUALITY[reading.quality],
    }


def verdict_lines(verdict: Verdict, trust: TrustFile, now: int, say: Say) -> Iterator[str]:
    """Yield what a person should read of a verdict."""
    mark, sentence = _sentence(verdict, say)
    members = len(trust.witnesses)
    counted = len(verdict.head.counted)
    quorum = say("{counted} of {members} members", counted=counted, members=members)
    if members == 1:
        quorum = say("{counted} of 1 member", counted=counted)
    age = say("{age} s ago", age=max(0, now - verdict.dated))
    if verdict.current:
        yield f"{mark} {sentence}   {quorum}, {age}"
    else:
        date = utc(verdict.dated)
        yield f"! {sentence}"
        yield "  " + say(
            "true on {date} ± {tolerance} s, not proved current ({quorum})",
            date=date,
            tolerance=TOLERANCE_S,
            quorum=quorum,
        )
    if verdict.frozen:
        yield "  " + say("frozen by the network: it is read and cannot be changed")
    for line in verdict.ignored:
        yield "  " + say("ignored: {line}", line=clean(line))
    for line in verdict.warnings:
        yield "  " + say("note: {line}", line=clean(line))


def _sentence(verdict: Verdict, say: Say) -> tuple[str, str]:
    ident = clean(verdict.identifier)
    match verdict.kind:
        case "present":
            return "✔", say("proved: this is {ident} now", ident=ident)
        case "retired":
            return "✔", say("proved: {ident} is retired", ident=ident)
        case "withheld":
            return "✔", say("proved: {ident} exists, its content is withheld", ident=ident)
        case "absent":
            nearest = "" if verdict.nearest is None else clean(verdict.nearest.id)
            text = say(
                "proved absent: {ident}, nearest above it is {nearest}",
                ident=ident,
                nearest=nearest,
            )
            return "✔", text if nearest else say("proved absent: {ident}", ident=ident)
        case "not-here":
            network = "" if verdict.referral is None else clean(verdict.referral[0])
            return "✔", say(
                "proved: not on this network, {network} answers for {ident}",
                network=network,
                ident=ident,
            )
        case "history":
            count = len(verdict.versions)
            return "✔", say("proved: {count} versions of {ident}", count=count, ident=ident)
        case "reading":
            return _reading_sentence(verdict, say)


def _reading_sentence(verdict: Verdict, say: Say) -> tuple[str, str]:
    proved = verdict.proved
    assert proved is not None, "the verdict reading has one"
    parts = {
        "value": value_text(proved.reading),
        "property": clean(proved.reading.property),
        "time": utc_us(proved.reading.us),
        "stream": clean(proved.stream),
    }
    if proved.attributed and not proved.suspect and not proved.equivocated:
        text = "proved: {property} {value} at {time} was signed by gateway {stream}"
        return "✔", say(text, **parts)
    return "!", say("said by {stream}: {property} {value} at {time}", **parts)


def value_text(reading: Reading) -> str:
    """Return a reading's value and unit."""
    value = reading.value
    if value is None:
        return "-"
    shown = value.hex() if isinstance(value, bytes) else clean(str(value))
    return f"{shown} {clean(reading.unit)}" if reading.unit else shown


def record_lines(record: Mapping[str, Any], say: Say) -> Iterator[str]:
    """Yield a record's or prefix's projection, one line per part."""
    status = str(record.get("status"))
    yield f"{clean(str(record.get('identifier')))}   {say(status)}"
    owner = record.get("owner_name") or record.get("owner")
    yield "  " + say("owner    {owner}", owner=clean(str(owner)))
    changed = record.get("changed")
    if isinstance(changed, dict):
        yield "  " + say(
            "version  {version}, changed {time}",
            version=record.get("version"),
            time=clean(str(changed.get("time"))),
        )
    quota = record.get("quota")
    if isinstance(quota, dict):
        yield "  " + say(
            "quota    {objects} objects, {bytes} bytes of log",
            objects=quota.get("objects"),
            bytes=quota.get("log_bytes"),
        )
    values = record.get("values")
    for value in values if isinstance(values, list) else ():
        yield f"  {value.get('index'):>4}  {clean(str(value.get('type')))}  {_data(value)}"
    for alias in record.get("aliases") or ():
        yield "  " + say("also     {alias}", alias=clean(str(alias)))


def _data(value: Mapping[str, Any]) -> str:
    for name in ("data", "bytes", "commitment"):
        if name in value:
            return clean(str(value[name]))
    return ""
