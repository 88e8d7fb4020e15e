"""Mappings of the gateway agent: channel and payload to readings."""

from typing import Any

import pytest

from edge_agent.core.extract import Pointer
from edge_agent.core.mapping import (
    CHANNELS_CACHED_MAX,
    PAYLOAD_BYTES_MAX,
    Mapping,
    MappingRule,
    ReadingRule,
    extract,
    match,
    overlap,
    subscription,
)
from edge_agent.errors import DeadReason, MappingError, UnreadableError
from ledger.core.reading import Reading, decode_reading

RECEIVED_US = 1_800_000_000_000_000


def pointer(text: str) -> Pointer:
    return Pointer.parse(text, part="test")


def rule(**changes: Any) -> MappingRule:
    """A mapping of one temperature per message."""
    reading: dict[str, Any] = {
        "name": "{prop}",
        "value": pointer("/v"),
        "unit": "Cel",
        "time": pointer("/ts"),
    }
    reading |= changes.pop("reading", {})
    given: dict[str, Any] = {
        "filter": "plant/{machine}/{prop}",
        "identifier": "lab.1/{machine}",
        "readings": (ReadingRule(**reading),),
    }
    return MappingRule(**(given | changes))


def read(rules: list[MappingRule], channel: str, payload: bytes) -> list[Reading]:
    """The readings of one message."""
    target = Mapping(rules).target(channel)
    found = extract(target, payload, received_us=RECEIVED_US)
    return [decode_reading(one) for one in found.readings]


def test_a_message_becomes_a_reading_of_a_canonical_identifier() -> None:
    """Name, time, value and unit are what the mapping says."""
    assert [
        Reading(name="hdl:lab.1/pump-07#temperature", us=12_000, value=21.0, unit="Cel")
    ] == read([rule()], "plant/pump-07/temperature", b'{"v": 21, "ts": 12}')


def test_one_message_may_give_several_readings() -> None:
    """Each reading has its own pointers; a missing optional one is skipped."""
    readings = (
        ReadingRule(name="t", value=pointer("/t")),
        ReadingRule(name="p", value=pointer("/deep/p"), type="int", quality=pointer("/q")),
        ReadingRule(name="x", value=pointer("/x"), required=False),
    )
    found = read(
        [rule(filter="m/{machine}", readings=readings)], "m/a", b'{"t":1,"deep":{"p":2},"q":1}'
    )
    assert [(one.name, one.value, one.quality) for one in found] == [
        ("hdl:lab.1/a#t", 1.0, 0),
        ("hdl:lab.1/a#p", 2, 1),
    ]


def test_a_number_alone_is_a_payload() -> None:
    """A sensor that sends `21.5` needs the empty pointer, and gets the time of receipt."""
    bare = rule(reading={"value": pointer(""), "time": None})
    assert [one.us for one in read([bare], "plant/a/t", b"21.5")] == [RECEIVED_US]


def test_null_is_a_bad_reading_without_value() -> None:
    """A sensor that says that it has no value is not ignored."""
    (found,) = read([rule()], "plant/a/t", b'{"v": null, "ts": 1}')
    assert (found.value, found.quality) == (None, 2)


def test_units_may_depend_on_the_property() -> None:
    """A table of units serves one mapping for many channels; without an entry there is no unit."""
    many = rule(reading={"unit": None, "units": {"t": "Cel", "p": "Pa"}})
    payload = b'{"v":1,"ts":1}'
    units = [read([many], f"plant/a/{prop}", payload)[0].unit for prop in ("t", "p", "n")]
    assert units == ["Cel", "Pa", None]


def test_the_first_match_wins() -> None:
    """Order decides between two mappings of one channel."""
    first = rule(filter="plant/{machine}/t", identifier="lab.1/first", reading={"name": "t"})
    (found,) = read([first, rule()], "plant/a/t", b'{"v":1,"ts":1}')
    assert found.identifier == "hdl:lab.1/first"


@pytest.mark.parametrize(
    ("text", "channel", "expected"),
    [
        ("a/{x}", "a/b", {"x": "b"}),
        ("a/{x}", "a/b/c", None),
        ("a/{x}", "a", None),
        ("a/{x}", "a/", None),
        ("a/{x}", "b/b", None),
        ("a/{x...}", "a/b/c", {"x": "b/c"}),
        ("a/{x...}", "a", None),
        ("a/{x...}", "a/", None),
        ("a", "a", {}),
        ("a", "a/b", None),
        ("/a", "/a", {}),
        ("/a", "a", None),
    ],
)
def test_matching(text: str, channel: str, expected: object) -> None:
    """A segment stands for exactly one level, `{rest...}` for one or more, none of them empty."""
    assert expected == match(text, channel)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plant/{a}/x/{b}", "plant/+/x/+"), ("plant/{rest...}", "plant/#"), ("plant", "plant")],
)
def test_what_is_subscribed(text: str, expected: str) -> None:
    """A filter is covered by an MQTT topic filter."""
    assert expected == subscription(text)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a/{x}", "a/b", True),
        ("a/{x}", "b/{x}", False),
        ("a/{x}", "a/{x}/c", False),
        ("a/{x...}", "a/{x}/c", True),
        ("a/{x...}", "a", True),
        ("a/b", "a/b", True),
    ],
)
def test_overlap(first: str, second: str, expected: bool) -> None:
    """Two filters that one topic can match are found, whichever comes first."""
    assert (expected, expected) == (overlap(first, second), overlap(second, first))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filter": ""}, "empty"),
        ({"filter": "a/+"}, "holds"),
        ({"filter": "a/{x}/{x}"}, "twice"),
        ({"filter": "a/{x...}/b"}, "end"),
        ({"filter": "a/{x"}, "neither"),
        ({"filter": "a/p{x}"}, "neither"),
        ({"filter": "a/{1x}"}, "neither"),
        ({"identifier": "lab.1/{other}"}, "does not name"),
        ({"identifier": "lab.1/{machine"}, "no template"),
        ({"identifier": "lab.1/{machine.__class__}"}, "only"),
        ({"identifier": "lab.1/{machine!r}"}, "only"),
        ({"identifier": "lab.1/{machine:>99}"}, "only"),
        ({"identifier": "lab.1/{}"}, "only"),
        ({"identifier": ""}, "empty"),
        ({"payload": "senml"}, r"'senml' \(planned\)"),
        ({"payload": "sparkplug"}, r"'sparkplug' \(planned\)"),
        ({"payload": "xml"}, "'xml' is not"),
        ({"readings": ()}, "1 to"),
    ],
)
def test_a_malformed_mapping_cannot_exist(changes: dict[str, Any], message: str) -> None:
    """The error names the part and the rule."""
    with pytest.raises(MappingError, match=message):
        rule(**changes)


@pytest.mark.parametrize(
    ("channel", "payload", "reason"),
    [
        ("other/a/t", b"{}", DeadReason.NO_MAPPING),
        ("plant/a b/t", b'{"v":1,"ts":1}', DeadReason.BAD_IDENTIFIER),
        ("plant/a/t#u", b'{"v":1,"ts":1}', DeadReason.BAD_IDENTIFIER),
        ("plant/a/t", b"", DeadReason.BAD_PAYLOAD),
        ("plant/a/t", b"\xff\xfe", DeadReason.BAD_PAYLOAD),
        ("plant/a/t", b'"\xff"', DeadReason.BAD_PAYLOAD),
        ("plant/a/t", b"[" * 100_000, DeadReason.BAD_PAYLOAD),
        ("plant/a/t", b'{"v":1e999,"ts":1}', DeadReason.BAD_PAYLOAD),
        ("plant/a/t", b'{"v":NaN,"ts":1}', DeadReason.BAD_PAYLOAD),
        ("plant/a/t", b" " * (PAYLOAD_BYTES_MAX + 1), DeadReason.TOO_LARGE),
        ("plant/a/t", b'{"ts":1}', DeadReason.MISSING),
        ("plant/a/t", b'{"v":"x","ts":1}', DeadReason.BAD_TYPE),
        ("plant/a/t", b'{"v":1}', DeadReason.BAD_TIME),
        ("plant/a/t", b'{"v":1,"ts":-5}', DeadReason.BAD_TIME),
    ],
)
def test_a_message_without_reading_says_why(
    channel: str, payload: bytes, reason: DeadReason
) -> None:
    """Every failure has its own reason, and none is another exception."""
    with pytest.raises(UnreadableError) as refused:
        read([rule()], channel, payload)
    assert reason is refused.value.reason


def test_a_counter_that_is_none_is_refused() -> None:
    """Where the mapping names a counter, the payload must have one."""
    counted = rule(sequence=pointer("/n"))
    with pytest.raises(UnreadableError) as refused:
        read([counted], "plant/a/t", b'{"v":1,"ts":1,"n":-1}')
    assert refused.value.reason is DeadReason.BAD_SEQUENCE


def test_a_value_beyond_the_bound_of_readings_is_refused() -> None:
    """A text of five thousand bytes belongs in a file."""
    text = rule(reading={"type": "text"})
    with pytest.raises(UnreadableError) as refused:
        read([text], "plant/a/t", b'{"v":"' + b"x" * 5_000 + b'","ts":1}')
    assert refused.value.reason is DeadReason.BAD_TYPE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"reading": {"time": None}}, False),
        ({"reading": {"time": None}, "sequence": pointer("/n")}, True),
    ],
)
def test_stamped_means_time_or_counter(changes: dict[str, Any], expected: bool) -> None:
    """Only a payload that tells two messages apart is known again by its bytes."""
    assert expected is Mapping([rule(**changes)]).target("plant/a/t").stamped


def test_the_cache_of_channels_is_bounded() -> None:
    """More channels than the bound push out the oldest, and give the same answer again."""
    mapping = Mapping([rule()])
    first = mapping.target("plant/m0/t")
    for number in range(CHANNELS_CACHED_MAX + 10):
        mapping.target(f"plant/m{number}/t")
    assert len(mapping._known) == CHANNELS_CACHED_MAX
    assert first == mapping.target("plant/m0/t")
