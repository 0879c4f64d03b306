"""A stream that is ended before its time."""

import asyncio
from typing import Any

import pytest

from studio.access import streams
from studio.access.asgi import Message, Receive, Refused, Scope, Send


def answered(parts: int, after: float, end: float | None, fails: bool = False) -> list[Message]:
    """What is sent of an answer of so many parts, one each 10 ms, that goes on for ever after."""
    sent: list[Message] = []
    cleaned: list[bool] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(after)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(parts):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await asyncio.sleep(0.01)
            if fails:
                raise LookupError("of its own")
            if end is None:
                return await send({"type": "http.response.body", "body": b""})
            await asyncio.sleep(60)
        finally:
            cleaned.append(True)
            await send({"type": "http.response.body", "body": b"late", "more_body": True})

    async def ended() -> None:
        await asyncio.sleep(60 if end is None else end)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        await asyncio.wait_for(streams.until(ended(), app, {}, receive, send), 5)

    try:
        asyncio.run(run())
    finally:
        assert cleaned == [True]
    return sent


def test_it_ends_whole_and_nothing_comes_after() -> None:
    sent = answered(2, 0, end=0.2)
    assert [each["type"].rpartition(".")[2] for each in sent] == ["start", *["body"] * 3]
    assert [each.get("body") for each in sent[1:]] == [b"x", b"x", b""]
    assert not sent[-1].get("more_body")


def test_one_that_has_not_begun_is_refused() -> None:
    with pytest.raises(Refused, match=r"^Log in first\.$") as refused:
        answered(0, 60, end=0.05)
    assert refused.value.status == 401


def test_an_error_of_its_own_ends_it_whole() -> None:
    sent = answered(1, 0, end=60, fails=True)
    assert [each.get("body") for each in sent[1:]] == [b"x", b"late", b""]
    assert not sent[-1].get("more_body")


def test_an_error_before_it_has_begun_is_raised() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError("of its own")

    async def nothing() -> Message:
        return {}

    async def send(_message: Message) -> None: ...

    with pytest.raises(LookupError, match="of its own"):
        asyncio.run(streams.until(asyncio.sleep(60), app, {}, nothing, send))


def test_one_that_ends_itself_is_left_alone() -> None:
    sent: list[Any] = [each.get("body") for each in answered(2, 0, end=None)]
    assert sent[1:4] == [b"x", b"x", b""]
