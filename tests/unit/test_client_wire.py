"""Requests: tried again while that can help, never for ever, and never beyond a limit."""

import httpx2
import pytest

from xinbiao import wire
from xinbiao.errors import AnswerError, RefusedError, UnreachableError
from xinbiao.wire import Reply, Wire, bad_items

URL = "http://node.example"


class Flaky:
    """Answers what it is told to, one after the other; an exception is raised."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.slept: list[float] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.bodies.append(request.content)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def wire(self) -> Wire:
        """Return a wire to it that does not really wait."""
        return Wire(URL, transport=httpx2.MockTransport(self), sleep=self.sleep)


async def test_the_same_bytes_are_sent_until_there_is_an_answer() -> None:
    """A lost connection, a busy node and a lost answer are tried again, each time later."""
    flaky = Flaky(
        httpx2.ConnectError("refused"),
        httpx2.Response(503),
        httpx2.ReadTimeout("silence"),
        httpx2.Response(200, json={"ok": 1}),
    )
    reply = await flaky.wire().send("POST", "/entries", body=b"statement", patience_s=60)

    assert reply.json() == {"ok": 1}
    assert flaky.bodies == [b"statement"] * 4
    assert flaky.slept == sorted(flaky.slept)


async def test_retry_after_is_obeyed() -> None:
    """The node knows best when it is worth asking again."""
    flaky = Flaky(httpx2.Response(429, headers={"retry-after": "7"}), httpx2.Response(204))
    await flaky.wire().send("GET", "/", patience_s=60)

    assert flaky.slept == [7.0]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx2.ConnectError("refused"), id="nobody-there"),
        pytest.param(
            httpx2.Response(503, headers={"retry-after": "60"}, json={"title": "busy"}), id="busy"
        ),
    ],
)
async def test_patience_ends(answer: httpx2.Response | Exception) -> None:
    """The error says what to do, and what the last answer was."""
    with pytest.raises(UnreachableError, match="node run"):
        await Flaky(answer).wire().send("GET", "/", patience_s=0.1)


async def test_a_refusal_is_not_tried_again() -> None:
    """It would be refused again."""
    flaky = Flaky(httpx2.Response(400, json={"title": "malformed", "detail": "no"}))
    reply = await flaky.wire().send("GET", "/")

    with pytest.raises(RefusedError) as caught:
        reply.refuse()
    assert (caught.value.title, caught.value.status) == ("malformed", 400)
    assert len(flaky.bodies) == 1


async def test_a_url_that_is_none_is_said_so() -> None:
    """It is not tried for a minute."""
    with pytest.raises(UnreachableError, match="Check the URL"):
        await Wire("ftp//nowhere").send("GET", "/", patience_s=0)


async def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node cannot fill our memory."""
    monkeypatch.setattr(wire, "ANSWER_BYTES_MAX", 1000)
    with pytest.raises(AnswerError, match="1000 bytes"):
        await Flaky(httpx2.Response(200, content=b"x" * 1001)).wire().send("GET", "/")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null"])
def test_what_is_no_json_object_is_no_answer(body: bytes) -> None:
    """And as the body of an error it is an error without a reason."""
    reply = Reply(418, {}, body)
    with pytest.raises(AnswerError):
        reply.json()
    with pytest.raises(RefusedError, match="http-418"):
        reply.refuse()


def test_bad_items_of_another_shape_are_left_out() -> None:
    """What a node says is never trusted to have the right shape."""
    assert bad_items([[0, "a"], [True, "b"], ["1", "c"], [1], 5, [2, 3]]) == ((0, "a"), (2, "3"))
    assert bad_items("items") == ()
