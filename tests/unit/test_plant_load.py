"""The load generator's packets and window, without a broker."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.errors import PlantError
from simulations.load import PACKET_IDS, _Load, _varint, numbered, prebuild


def acks(*packet_ids: int) -> bytes:
    return b"".join(b"\x40\x02" + one.to_bytes(2, "big") for one in packet_ids)


async def window_of(
    size: int, count: int, done: list[int] | None = None, per_second: float | None = None
) -> _Load:
    messages = numbered(machines=2, channels=2, count=count, start_us=0)
    load = _Load(messages, size, per_second, done.append if done is not None else None)
    load.supply(load.pull())
    return load


def test_a_publish_packet() -> None:
    """Fixed header, topic, (packet identifier), payload: MQTT 3.1.1 §3.3."""
    packet = prebuild("a/b", b"xyz")

    assert (packet.head, packet.tail) == (b"\x32\x0a\x00\x03a/b", b"xyz")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (268_435_455, "ffffff7f"),
    ],
)
def test_remaining_length(number: int, expected: str) -> None:
    """The table of MQTT 3.1.1 §2.2.3."""
    assert expected == _varint(number).hex()


def test_numbered_messages_are_the_plants() -> None:
    """Topics go round, the value is the position, `n` counts per topic."""
    messages = list(numbered(machines=1, channels=2, count=4, start_us=7, period_us=10))

    assert [one.head[4:] for one in messages] == [b"plant/m0/c0", b"plant/m0/c1"] * 2
    assert messages[3].tail == b'{"v":3.0,"ts":37,"n":1}'


async def test_the_window_bounds_what_is_out() -> None:
    """Nothing is sent beyond the window, and as much is sent as came back."""
    done: list[int] = []
    load = await window_of(3, 10, done)

    first = load.fill()
    load.take(acks(2, 1))
    second = load.fill()

    assert (first.count(b"plant/"), second.count(b"plant/")) == (3, 2)
    assert done == [1, 0]
    assert load.report(lost="x").unacknowledged == (2, 3, 4)


@given(st.data())
def test_any_order_and_any_cut_of_pubacks_give_the_same(data: st.DataObject) -> None:
    """PUBACKs may come in any order and be cut anywhere."""
    order = data.draw(st.permutations(range(1, 9)))
    cuts = sorted(data.draw(st.lists(st.integers(0, 32), max_size=5)))
    stream = acks(*order)
    done: list[int] = []

    async def run() -> bool:
        load = await window_of(8, 8, done)
        load.fill()
        for start, end in itertools.pairwise([0, *cuts, len(stream)]):
            load.take(stream[start:end])
        load.supply(load.pull())
        return load.is_complete()

    assert asyncio.run(run())
    assert [one - 1 for one in order] == done


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(acks(4), id="not-sent"),
        pytest.param(acks(1, 1), id="twice"),
        pytest.param(acks(0), id="zero"),
        pytest.param(b"\x20\x02\x00\x00", id="second-connack"),
        pytest.param(b"\x40\x03\x00\x01", id="wrong-length"),
        pytest.param(b"HTTP/1.1 400", id="another-protocol"),
    ],
)
async def test_what_a_broker_may_not_send(data: bytes) -> None:
    """Anything but a PUBACK that is due is our error."""
    load = await window_of(3, 3)
    load.fill()

    with pytest.raises(PlantError, match="no PUBACK that we wait for"):
        load.take(data)


@pytest.mark.slow
async def test_a_packet_identifier_in_use_is_not_used_again() -> None:
    """After 65,535 messages an unacknowledged identifier holds the window back."""
    load = await window_of(PACKET_IDS, PACKET_IDS + 10)
    load.fill()
    load.take(acks(2, 3))
    assert load.fill() == b""

    load.take(acks(1))

    assert load.fill().count(b"plant/") == 3


async def test_no_more_is_sent_after_a_stop() -> None:
    """What is out is still waited for, the rest stays unsent."""
    load = await window_of(2, 10)
    load.fill()

    load.send_no_more()
    load.take(acks(1, 2))

    assert load.is_complete()
    assert (load.report(lost=None).sent, load.report(lost=None).acknowledged) == (2, 2)


async def test_a_pace_sends_what_is_due() -> None:
    """At one message an hour only the first is due."""
    load = await window_of(100, 100, per_second=1 / 3_600)

    assert load.fill().count(b"plant/") == 1
    assert load.fill() == b""


@pytest.mark.parametrize("name", ["", "a" * 65_536])
def test_topics_have_a_length(name: str) -> None:
    """A topic that MQTT cannot carry is refused."""
    with pytest.raises(ValueError, match="topic of"):
        prebuild(name, b"")
