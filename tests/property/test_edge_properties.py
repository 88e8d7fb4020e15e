"""Properties of the gateway agent: total parsers, no reading lost or doubled in the books."""

import json
from collections import Counter
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.adapters.spool import Spool, SpoolLimits
from edge_agent.adapters.spool_memory import MemoryJournal
from edge_agent.adapters.spool_rows import Group, Intake
from edge_agent.adapters.uplink import _remote
from edge_agent.core.batch import Sealed
from edge_agent.core.extract import QUALITY_SCALES, TIME_UNITS, VALUE_TYPES, Pointer
from edge_agent.core.gap import GapReason, Losses
from edge_agent.core.mapping import (
    Mapping,
    MappingRule,
    ReadingRule,
    extract,
    match,
    parse_filter,
    subscription,
)
from edge_agent.errors import MappingError, SpoolError, UnreadableError
from ledger.core.encoding import INT_MAX
from ledger.core.reading import decode_reading

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("vtqn"), inner),
    max_leaves=8,
)
payloads = st.binary(max_size=64) | json_values.map(lambda value: json.dumps(value).encode())
channels = st.text(max_size=24) | st.sampled_from(["p/a/t", "p/a#b/t", "p//t", "p/a/t/x"])


@given(
    channels,
    payloads,
    st.sampled_from(VALUE_TYPES),
    st.sampled_from(TIME_UNITS),
    st.sampled_from(QUALITY_SCALES),
    st.booleans(),
)
def test_any_message_is_a_reading_or_a_reason(
    channel: str, payload: bytes, kind: str, time_unit: str, scale: str, timed: bool
) -> None:
    """Whatever comes in, out comes a reading that the ledger's own parser accepts, or our error."""
    reading = ReadingRule(
        name="{prop}",
        value=Pointer.parse("/v", part="v"),
        type=kind,
        unit="Cel",
        time=Pointer.parse("/t", part="t") if timed else None,
        time_unit=time_unit,
        quality=Pointer.parse("/q", part="q"),
        quality_scale=scale,
    )
    rule = MappingRule(
        filter="p/{machine}/{prop}",
        identifier="lab.1/{machine}",
        readings=(reading,),
        sequence=Pointer.parse("/n", part="n") if timed else None,
    )
    try:
        target = Mapping([rule]).target(channel)
        found = extract(target, payload, received_us=7)
    except UnreadableError:
        return
    parsed = [decode_reading(one) for one in found.readings]
    assert [one.identifier for one in parsed] == [target.identifier]
    assert found.first_us == found.last_us == parsed[0].us


@given(st.text(alphabet="ab/{}.+#~", max_size=16))
def test_any_text_is_a_filter_or_our_error(text: str) -> None:
    """A filter that is accepted has a subscription, and matches what fills its segments."""
    try:
        names = parse_filter(text)
    except MappingError:
        return
    covered = subscription(text).replace("#", "x/y").replace("+", "x")
    found = match(text, covered)
    assert found is not None
    assert set(found) == {name.removesuffix("...") for name in names if name}


@given(st.text(max_size=12), json_values)
def test_any_pointer_finds_or_misses(text: str, document: Any) -> None:
    """A pointer that is accepted never raises, whatever the document."""
    try:
        pointer = Pointer.parse(text, part="x")
    except MappingError:
        return
    pointer.find(document)


@given(st.binary(max_size=64) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_answer_about_a_stream_is_a_position_or_none(body: bytes) -> None:
    """A node cannot break the agent with what it says of our stream."""
    found = _remote(body)
    assert found is None or found.next >= 0


reasons = st.sampled_from([GapReason.QUEUE_FULL, GapReason.DECODE_ERROR, GapReason.SESSION_LOST])


@given(
    st.lists(
        st.tuples(reasons, st.integers(0, 2**53), st.integers(0, INT_MAX)) | st.booleans(),
        max_size=20,
    )
)
def test_every_loss_is_stated_exactly_once(steps: list[Any]) -> None:
    """Whatever is added and stated in between, in the end each number has been said once."""
    losses = Losses()
    added: Counter[int] = Counter()
    stated: Counter[int] = Counter()
    events_added = events_stated = 0
    for step in [*steps, False, *[True] * 25]:
        if not isinstance(step, bool):
            reason, number, now_us = step
            number //= 1_000  # twenty of them stay below the bound of the format
            losses = losses.add({reason: number}, now_us=now_us)
            added[reason] += number
            if number == 0:
                losses = losses.add_event(reason, now_us=now_us)
                events_added += 1
        elif losses:
            part = losses.alone() if step else losses.with_readings()
            stated.update(part.counts)
            events_stated += len(part.events)
            losses = losses.without(part)
    assert not losses
    assert (+added, events_added) == (+stated, events_stated)


operations = st.lists(
    st.one_of(
        st.integers(1, 5),
        st.sampled_from(
            ["seal", "confirm", "push", "crash", "write-before", "write-after", "sync"]
        ),
    ),
    max_size=30,
)


@given(operations)
async def test_no_order_of_faults_loses_or_doubles_a_reading(steps: list[Any]) -> None:
    """Store, seal, confirm, push, power cuts and failures in any order: each reading is in one place."""
    journal = MemoryJournal()
    spool = Spool(journal, SpoolLimits(archive_bytes_max=2**40))
    stored: list[bytes] = []
    for number, step in enumerate(steps):
        if isinstance(step, int):
            fresh = [b"%d.%d" % (number, item) for item in range(step)]
            row = spool.books.next_key_row
            group = Group(readings=fresh, first_us=1, last_us=2, received_ns=number + 1)
            try:
                await spool.append(Intake(now_ns=number, group=group))
                stored += fresh
            except SpoolError:
                await _reopen(spool)
                stored += fresh if spool.books.next_key_row > row else []
        elif step == "seal":
            await _seal_one(spool)
        elif step == "confirm":
            with suppress(SpoolError):
                spool.confirm(spool.books.next_sequence, now_ns=1)
        elif step == "push":
            with suppress(SpoolError):
                spool.push(spool.books.confirmed)
        elif step == "crash":
            journal.crash()
            spool = Spool(journal, SpoolLimits(archive_bytes_max=2**40))
        else:
            journal.fail_next(step)
    journal.crash()
    spool = Spool(journal, SpoolLimits())
    bodies = [spool.body(sequence) or b"" for sequence in range(spool.books.next_sequence)]
    waiting = spool.waiting(readings_max=10**6, bytes_max=10**9)
    rest = list(waiting.readings) if waiting else []
    assert [item for body in bodies for item in body.split(b"|")] + rest == stored


async def _reopen(spool: Spool) -> None:
    """Open again until it works, as the agent does."""
    for _ in range(100):
        with suppress(SpoolError):
            await spool.reopen()
            return
    raise AssertionError("the journal never came back")


async def _seal_one(spool: Spool) -> None:
    waiting = spool.waiting(readings_max=4, bytes_max=10**6)
    if waiting is None:
        return
    sequence = spool.books.next_sequence
    batch = Sealed(
        sequence=sequence,
        statement=b"s",
        hash=bytes(32),
        body=b"|".join(waiting.readings),
        count=len(waiting.readings),
        first_us=1,
        last_us=2,
    )
    try:
        await spool.seal(batch, waiting=waiting, stated=Losses(), now_ns=1)
    except SpoolError:
        await _reopen(spool)
