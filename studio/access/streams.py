"""A stream that ends before its time: from then on nothing more is sent, and it is cleaned up."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from studio.access.asgi import App, Message, Receive, Refused, Scope, Send

log = logging.getLogger(__name__)

ENDED: Final = "Log in first."


async def until(
    ended: Coroutine[Any, Any, None], app: App, scope: Scope, receive: Receive, send: Send
) -> None:
    """Let `app` answer until `ended` returns, then end the answer there.

    Refused if it is ended before it has begun. What `app` raises is raised before it has begun, and
    ends the answer afterwards: Gradio raises on a session for which nothing is on its way.
    """
    last: list[Message] = []  # that was sent, once there is one

    async def sender(message: Message) -> None:
        if not end.done():
            last[:] = [message]
            await send(message)

    work = asyncio.ensure_future(app(scope, receive, sender))
    end = asyncio.ensure_future(ended)
    try:
        await asyncio.wait([work, end], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            error = work.exception()
            if error is None:
                return
            if not _is_open(last):
                raise error
            log.info("A stream ended early (%s)", error.__cause__ or error)
    finally:
        for each in (work, end):
            each.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await each
    if not last:
        raise Refused(401, ENDED)
    if _is_open(last):
        await send({"type": "http.response.body", "body": b""})


def _is_open(last: list[Message]) -> bool:
    """Whether an answer has begun and not ended, by the last message of it."""
    return any(each["type"] == "http.response.start" or each.get("more_body") for each in last)
