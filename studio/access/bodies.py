"""Reading what a request brings: no more than is allowed, and not for ever.

An upload is taken in whole before Gradio sees it, into a file that has no name and goes when it is
closed: of one that breaks off, Gradio would leave the parts that had come.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import IO, Final

from python_multipart.multipart import parse_options_header

from studio.access.asgi import Message, Receive, Refused

PAUSE: Final = 20.0  # seconds without a byte
SHORT: Final = 30.0  # seconds for a message, and for an upload to begin with
SLOWEST: Final = 64 * 2**10  # bytes a second that an upload makes on the whole
PART: Final = 2**20  # bytes that are read or written at once


async def read(receive: Receive, most: int) -> bytes:
    """The whole body, of at most `most` bytes."""
    content = bytearray()
    until = asyncio.get_running_loop().time() + SHORT
    more = True
    while more:
        part, more = await _next(receive, until)
        content += part
        if len(content) > most:
            raise Refused(413, "That message is too long.")
    return bytes(content)


async def spool(receive: Receive, length: int, folder: Path) -> IO[bytes]:
    """A body of exactly `length` bytes, in a file without a name, from its start.

    OSError where the disk has no room for it.
    """
    until = asyncio.get_running_loop().time() + SHORT + length / SLOWEST
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (the caller closes it)
    try:
        waiting, size, more = bytearray(), 0, True
        while more:
            part, more = await _next(receive, until)
            waiting += part
            size += len(part)
            if size > length or (not more and size < length):
                raise Refused(400, "The upload is not as long as it said.")
            if len(waiting) >= PART or not more:
                await asyncio.to_thread(file.write, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(file.seek, 0)
    except BaseException:
        file.close()
        raise
    return file


def parts(file: IO[bytes], kind: str) -> int:
    """How many parts of a form a file holds, by the boundary that its content type names.

    The file is left at its start. Not for the event loop.
    """
    boundary = parse_options_header(kind)[1].get(b"boundary", b"")
    if not boundary:
        return 0
    mark, found, tail = b"--" + boundary, 0, b""
    while part := file.read(PART):
        found += (tail + part).count(mark)
        tail = (tail + part)[1 - len(mark) :]
    file.seek(0)
    return max(found - 1, 0)  # the last one ends the form


def again(content: bytes, receive: Receive) -> Receive:
    """A `receive` that delivers once more what was read."""
    first: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def deliver() -> Message:
        return first.pop() if first else await receive()

    return deliver


def replay(file: IO[bytes], length: int, receive: Receive) -> Receive:
    """The same for what was put into a file."""
    left = length

    async def deliver() -> Message:
        nonlocal left
        if left < 0:
            return await receive()
        part = await asyncio.to_thread(file.read, PART)
        left -= len(part)
        if not left:
            left = -1
        return {"type": "http.request", "body": part, "more_body": left > 0}

    return deliver


async def _next(receive: Receive, until: float) -> tuple[bytes, bool]:
    """The next part of a body, and whether there is more."""
    soon = asyncio.get_running_loop().time() + PAUSE
    try:
        async with asyncio.timeout_at(min(until, soon)):
            message = await receive()
    except TimeoutError:
        raise Refused(408, "That took too long to arrive. Try again.") from None
    if message["type"] == "http.disconnect":
        raise Refused(400, "The request ended too early.")
    return message.get("body", b""), message.get("more_body", False)
