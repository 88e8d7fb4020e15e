"""Mappings: from a channel and a payload to readings of registered identifiers.

Theory of operation: a mapping has a *filter* of named segments (`plant/{line}/{machine}`; the last
may be `{rest...}`), an *identifier* and *reading names* that use those segments, and pointers into
the payload. The first mapping whose filter matches a channel wins. Matching and the identifier's
canonical form cost far more than the rest, so the outcome is kept per channel in a bounded cache:
`Target`, or the reason why the channel has none.

Payload kinds other than `json` are refused by name when the mapping is compiled; a number alone is
JSON too, so a sensor that sends `21.5` needs the empty pointer only.

What makes a reading here is what will be hashed: bytes leave this module encoded
(docs/spec/readings.md). One message gives all its readings or none; a reading whose value is
missing is skipped only where its mapping says `required = false`.
"""

from collections.abc import Mapping as Mapped
from collections.abc import Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Final

import msgspec

from edge_agent.core.extract import CONVERSIONS, MISSING, Pointer, to_microseconds, to_quality
from edge_agent.errors import DeadReason, MappingError, UnreadableError
from ledger.core import identifier as identifiers
from ledger.core.encoding import INT_MAX
from ledger.core.reading import BAD, GOOD, encode_reading
from ledger.errors import EncodingError, IdentifierError

CHANNELS_CACHED_MAX: Final = 10_000  # about 1 KB each
READINGS_PER_MESSAGE_MAX: Final = 256
PAYLOAD_BYTES_MAX: Final = 256 * 1024
PAYLOAD_KINDS: Final = ("json",)
_LATER_KINDS: Final = ("senml", "sparkplug", "cbor", "raw-f64")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRule:
    """How one reading is taken out of a payload.

    Attributes:
        name: Template of the property.
        value: Where the value stands.
        type: One of `extract.VALUE_TYPES`.
        unit: UCUM code, or None.
        units: UCUM code by property, used where `unit` is None.
        time: Where the time stands; None takes the time of receipt.
        time_unit: One of `extract.TIME_UNITS`.
        quality: Where the quality stands; None is good.
        quality_scale: One of `extract.QUALITY_SCALES`.
        required: False skips the reading where its value is missing.
    """

    name: str
    value: Pointer
    type: str = "float"
    unit: str | None = None
    units: Mapped[str, str] = field(default_factory=dict)
    time: Pointer | None = None
    time_unit: str = "ms"
    quality: Pointer | None = None
    quality_scale: str = "xinbiao"
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRule:
    """One mapping as configured.

    Attributes:
        filter: Channel filter with named segments.
        identifier: Template of the identifier.
        readings: What one payload gives.
        payload: Payload kind.
        sequence: Where the sender's own counter stands; None where it has none.
    """

    filter: str
    identifier: str
    readings: tuple[ReadingRule, ...]
    payload: str = "json"
    sequence: Pointer | None = None

    def __post_init__(self) -> None:
        if self.payload not in PAYLOAD_KINDS:
            later = " (planned)" if self.payload in _LATER_KINDS else ""
            known = ", ".join(PAYLOAD_KINDS)
            raise MappingError("payload", f"kind {self.payload!r}{later} is not one of: {known}")
        if not 0 < len(self.readings) <= READINGS_PER_MESSAGE_MAX:
            raise MappingError("readings", f"needs 1 to {READINGS_PER_MESSAGE_MAX} readings")
        names = parse_filter(self.filter)
        known_names = {name.removesuffix("...") for name in names if name}
        _check_template("identifier", self.identifier, known_names)
        for rule in self.readings:
            _check_template("reading name", rule.name, known_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One reading of a channel, with everything settled that does not depend on the payload."""

    name: str
    unit: str | None
    rule: ReadingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one channel means.

    Attributes:
        number: Which mapping, from 0.
        identifier: Canonical identifier.
        parts: Its readings.
        sequence: Where the sender's counter stands.
        stamped: True if the payload itself tells two messages apart (a time or a counter).
    """

    number: int
    identifier: str
    parts: tuple[Part, ...]
    sequence: Pointer | None
    stamped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """The readings of one message, encoded.

    Attributes:
        readings: Their bytes.
        first_us: Earliest time.
        last_us: Latest.
        sequence: The sender's counter, if it has one.
    """

    readings: tuple[bytes, ...]
    first_us: int
    last_us: int
    sequence: int | None


def parse_filter(text: str) -> tuple[str | None, ...]:
    """Check a filter and return its segment names, None for a literal segment.

    Raises:
        MappingError: Empty, unbalanced braces, a name twice, `{rest...}` not last, or MQTT's `+ #`.
    """
    if not text:
        raise MappingError("filter", "is empty")
    if any(character in text for character in "+#\0"):
        raise MappingError("filter", f"{text!r} holds + or #: write {{name}} or {{rest...}}")
    names: list[str | None] = []
    segments = text.split("/")
    for position, segment in enumerate(segments):
        names.append(_segment_name(segment, last=position == len(segments) - 1))
    given = [name.removesuffix("...") for name in names if name is not None]
    if len(set(given)) != len(given):
        raise MappingError("filter", f"{text!r} names a segment twice")
    return tuple(names)


def _segment_name(segment: str, *, last: bool) -> str | None:
    if "{" not in segment and "}" not in segment:
        return None
    name = segment[1:-1]
    plain = name.removesuffix("...")
    if not (segment[0] == "{" and segment[-1] == "}" and plain.isidentifier()):
        raise MappingError("filter", f"segment {segment!r} is neither literal nor {{name}}")
    if name.endswith("...") and not last:
        raise MappingError("filter", f"{segment!r} stands only at the end")
    return name


def _check_template(part: str, text: str, names: set[str]) -> None:
    """Refuse a template that uses a segment which its filter does not name."""
    if not text:
        raise MappingError(part, "is empty")
    try:
        fields = list(Formatter().parse(text))
    except ValueError as error:
        raise MappingError(part, f"{text!r} is no template: {error}") from None
    for _, name, spec, conversion in fields:
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise MappingError(part, f"{text!r} is no template: only {{name}} is allowed")
        if name not in names:
            raise MappingError(part, f"{text!r} uses {name!r}, which the filter does not name")


def subscription(text: str) -> str:
    """Return the MQTT topic filter that covers a mapping's filter."""
    names = parse_filter(text)
    segments = text.split("/")
    return "/".join(
        segment if name is None else "#" if name.endswith("...") else "+"
        for segment, name in zip(segments, names, strict=True)
    )


def overlap(first: str, second: str) -> bool:
    """Tell whether one channel can match both filters."""
    left, right = subscription(first).split("/"), subscription(second).split("/")
    for a, b in zip(left, right, strict=False):
        if "#" in (a, b):
            return True
        if "+" not in (a, b) and a != b:
            return False
    if len(left) == len(right):
        return True
    longer, length = (left, len(right)) if len(left) > len(right) else (right, len(left))
    return len(longer) == length + 1 and longer[-1] == "#"


def match(text: str, channel: str) -> dict[str, str] | None:
    """Return the named segments of a channel, or None where the filter does not match.

    `{rest...}` takes at least one segment and no segment is empty: an empty name is no identifier.
    """
    segments = text.split("/")
    given = channel.split("/")
    found: dict[str, str] = {}
    for position, (segment, name) in enumerate(zip(segments, parse_filter(text), strict=True)):
        if position >= len(given):
            return None
        if name is None:
            if segment != given[position]:
                return None
        elif name.endswith("..."):
            rest = "/".join(given[position:])
            found[name.removesuffix("...")] = rest
            return found if rest else None
        elif given[position]:
            found[name] = given[position]
        else:
            return None
    return found if len(given) == len(segments) else None


class Mapping:
    """All mappings of an agent, with the outcome kept per channel."""

    def __init__(self, rules: Sequence[MappingRule]) -> None:
        """Take the rules in the order in which they are tried."""
        self.rules = tuple(rules)
        self._known: dict[str, Target | UnreadableError] = {}

    def target(self, channel: str) -> Target:
        """Return what a channel means.

        Raises:
            UnreadableError: No mapping matches, or the identifier it gives is none.
        """
        known = self._known.get(channel)
        if known is None:
            try:
                known = self._find(channel)
            except UnreadableError as error:
                known = error
            if len(self._known) >= CHANNELS_CACHED_MAX:
                del self._known[next(iter(self._known))]
            self._known[channel] = known
        if isinstance(known, UnreadableError):
            raise UnreadableError(known.reason, known.detail)
        return known

    def _find(self, channel: str) -> Target:
        for number, rule in enumerate(self.rules):
            found = match(rule.filter, channel)
            if found is not None:
                return _settle(number, rule, found)
        raise UnreadableError(DeadReason.NO_MAPPING, "no mapping's filter matches this channel")


def _settle(number: int, rule: MappingRule, found: Mapped[str, str]) -> Target:
    text = rule.identifier.format_map(found)
    try:
        canonical = identifiers.parse(text).text
    except IdentifierError as error:
        raise UnreadableError(DeadReason.BAD_IDENTIFIER, str(error)) from None
    parts = []
    for reading in rule.readings:
        prop = reading.name.format_map(found)
        if "#" in prop:
            raise UnreadableError(DeadReason.BAD_IDENTIFIER, f"property {prop!r} holds '#'")
        unit = reading.unit if reading.unit is not None else reading.units.get(prop)
        parts.append(Part(name=f"{canonical}#{prop}", unit=unit, rule=reading))
    stamped = rule.sequence is not None or all(part.rule.time is not None for part in parts)
    return Target(
        number=number,
        identifier=canonical,
        parts=tuple(parts),
        sequence=rule.sequence,
        stamped=stamped,
    )


def extract(target: Target, payload: bytes, *, received_us: int) -> Extract:
    """Take the readings out of one payload.

    Raises:
        UnreadableError: It gives none; the reason says why.
    """
    document = decode(payload)
    readings = []
    first_us, last_us = INT_MAX, 0
    for part in target.parts:
        found = part.rule.value.find(document)
        if found is MISSING:
            if part.rule.required:
                where = part.rule.value.text
                raise UnreadableError(DeadReason.MISSING, f"nothing stands at {where!r}")
            continue
        us = _time(part.rule, document, received_us)
        readings.append(_encode(part, found, document, us))
        first_us, last_us = min(first_us, us), max(last_us, us)
    if not readings:
        raise UnreadableError(DeadReason.MISSING, "none of the mapping's readings is in it")
    sequence = None if target.sequence is None else _sequence(target.sequence, document)
    return Extract(readings=tuple(readings), first_us=first_us, last_us=last_us, sequence=sequence)


def decode(payload: bytes) -> Any:
    """Decode a JSON payload.

    Raises:
        UnreadableError: Too large, or no JSON that every reader reads alike.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise UnreadableError(DeadReason.TOO_LARGE, f"more than {PAYLOAD_BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableError(DeadReason.BAD_PAYLOAD, f"no JSON: {error}") from None


def _time(rule: ReadingRule, document: Any, received_us: int) -> int:
    if rule.time is None:
        return received_us
    found = rule.time.find(document)
    if found is MISSING:
        raise UnreadableError(DeadReason.BAD_TIME, f"nothing stands at {rule.time.text!r}")
    return to_microseconds(found, rule.time_unit)


def _encode(part: Part, found: Any, document: Any, us: int) -> bytes:
    rule = part.rule
    quality = GOOD
    if rule.quality is not None:
        given = rule.quality.find(document)
        if given is not MISSING and given is not None:
            quality = to_quality(given, rule.quality_scale)
    if found is None:
        value, quality = None, BAD
    else:
        value = CONVERSIONS[rule.type](found)
    try:
        return encode_reading(part.name, us, value, part.unit, quality)
    except EncodingError as error:
        raise UnreadableError(DeadReason.BAD_TYPE, error.rule) from None


def _sequence(pointer: Pointer, document: Any) -> int:
    found = pointer.find(document)
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= INT_MAX:
        return found
    raise UnreadableError(DeadReason.BAD_SEQUENCE, f"no counter stands at {pointer.text!r}")
