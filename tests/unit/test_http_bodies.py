"""Request bodies are bounded one by one, together and in time (resolver/interfaces/http.py)."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from ledger.errors import BusyError
from resolver.errors import RequestError
from resolver.interfaces import http
from resolver.interfaces.http import Bodies, Receive, check_min_size


def receiving(*parts: bytes, ended: bool = True) -> Receive:
    """A client that sends these parts, then the end of the body or nothing more, ever."""
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]
    if ended:
        messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> MutableMapping[str, Any]:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    return receive


async def test_a_body_arrives_whole_and_holds_its_share_until_it_is_done_with() -> None:
    bodies = Bodies(10)
    async with bodies.read(receiving(b"abc", b"de"), 5) as body:
        assert body == b"abcde"
        assert bodies.taken == 5
    assert bodies.taken == 0


async def test_one_byte_too_many_is_413_and_gives_its_share_back() -> None:
    bodies = Bodies(10)
    with pytest.raises(RequestError) as refused:
        async with bodies.read(receiving(b"abc", b"def"), 5):
            pytest.fail("the body is too large")
    assert refused.value.status == 413
    assert bodies.taken == 0


async def test_a_body_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_DRAINED_BYTES_MAX", 20)
    with pytest.raises(RequestError) as refused:
        async with Bodies().read(receiving(*[b"0123456789"] * 4, ended=False), 5):
            pytest.fail("the body never ends")
    assert refused.value.status == 413


async def test_what_others_hold_is_not_there_for_a_new_body() -> None:
    bodies = Bodies(8)
    async with bodies.read(receiving(b"abcde"), 5):
        with pytest.raises(BusyError) as refused:
            async with bodies.read(receiving(b"abcde"), 5):
                pytest.fail("there is no room for it")
        assert refused.value.retry_after_s > 0
        assert bodies.taken == 5
    async with bodies.read(receiving(b"abcde"), 5) as body:
        assert body == b"abcde"


async def test_a_sender_that_stops_half_way_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_S_MAX", 0.01)
    bodies = Bodies()
    with pytest.raises(RequestError) as refused:
        async with bodies.read(receiving(b"ab", ended=False), 5):
            pytest.fail("the body never ends")
    assert refused.value.status == 408
    assert bodies.taken == 0


async def test_a_client_that_went_away_is_no_body() -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(RequestError) as refused:
        async with Bodies().read(receive, 5):
            pytest.fail("nobody is there")
    assert refused.value.status == 400


@pytest.mark.parametrize("text", [b"", b"-1", b"1.0", b"x", b"1" * 17, b"\xb2"])
def test_a_min_size_that_is_no_number_is_400(text: bytes) -> None:
    with pytest.raises(RequestError) as refused:
        check_min_size(text, 5)
    assert refused.value.status == 400


def test_a_min_size_is_met_or_the_node_is_behind() -> None:
    check_min_size(b"5", 5)
    with pytest.raises(RequestError) as refused:
        check_min_size(b"6", 5)
    assert (refused.value.status, refused.value.retry_after_s) == (503, 1)
