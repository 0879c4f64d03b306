"""A stream that ends before its time: from then on nothing more is sent, and it is cleaned up."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from studio.access.asgi import App, Message, Receive, Refused, Scope, Send

ENDED: Final = "Log in first."


async def until(
    ended: Coroutine[Any, Any, None], app: App, scope: Scope, receive: Receive, send: Send
) -> None:
    """Let `app` answer until `ended` returns, then end the answer there.

    What `app` raises is raised. Refused if it is ended before it has begun.
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
            return work.result()
    finally:
        for each in (work, end):
            each.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await each
    if not last:
        raise Refused(401, ENDED)
    if last[0]["type"] == "http.response.start" or last[0].get("more_body"):
        await send({"type": "http.response.body", "body": b""})
