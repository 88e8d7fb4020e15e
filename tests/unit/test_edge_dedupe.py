"""The window of repeats: what is known again, and what must not be."""

from edge_agent.core.dedupe import Window, message_key


def key(payload: bytes, *, channel: str = "a", stamped: bool = True, delivery: int = 0) -> bytes:
    return message_key(channel, payload, stamped=stamped, delivery=delivery)


def test_a_stamped_payload_is_known_in_any_delivery() -> None:
    """The publisher's own retry is the same reading."""
    assert key(b"p", delivery=1) == key(b"p", delivery=2)


def test_a_bare_payload_is_known_only_in_the_same_delivery() -> None:
    """A sensor may rightly send 21.5 twice."""
    first = key(b"21.5", stamped=False, delivery=1)
    assert first == key(b"21.5", stamped=False, delivery=1)
    assert first != key(b"21.5", stamped=False, delivery=2)


def test_channels_are_kept_apart() -> None:
    """The border between channel and payload is part of the key."""
    assert key(b"bc", channel="a") != key(b"c", channel="ab")
    assert key(b"p", channel="a") != key(b"p", channel="b")


def test_another_value_at_the_same_time_is_no_repeat() -> None:
    """Real series hold two values for one stamp; both are kept."""
    assert key(b'{"ts":1,"v":1}') != key(b'{"ts":1,"v":2}')


def test_the_window_keeps_the_newest_half_at_least_and_never_more_than_all() -> None:
    """Memory is bounded, and the newest keys are always known."""
    window = Window(keys_max=100)
    keys = [number.to_bytes(16, "big") for number in range(1_000)]
    for position, one in enumerate(keys):
        window.add(one)
        assert len(window) <= 100
        assert all(recent in window for recent in keys[max(0, position - 49) : position + 1])
    assert keys[0] not in window


def test_a_window_filled_after_a_restart_knows_the_same() -> None:
    """What the spool kept is known again."""
    window = Window(keys_max=8)
    window.fill([b"a" * 16, b"b" * 16])
    assert b"a" * 16 in window
    assert b"c" * 16 not in window
