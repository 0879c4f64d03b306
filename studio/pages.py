"""The page of the model that serves; another model's is built in its place, without a restart.

What the page offers is a function of the model's facts, so another model gets a page of its own. A
page that is open then goes on hearing of its run, but what it asks anew would reach other handlers
than it means: it is answered 409, and offers a reload (assets/page/traffic.js).
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from gradio.routes import App

from components.contract.facts import ModelFacts
from studio.access import calls
from studio.access.asgi import Message, Receive, Scope, Send
from studio.access.sessions import Sessions
from studio.access.uploads import Listed

MARK: Final = b"x-pentimento-page"  # the header in which a page says which one it is
CHANGED: Final = "The studio serves another model now. Reload the page."
RUN: Final = "/gradio_api/run/"


@dataclass(frozen=True, slots=True)
class Built:
    facts: ModelFacts
    mark: str
    app: App


class Pages:
    """Serves `parent` with the newest page mounted in it.

    `facts` says for which model the page is to be; `mount` builds it and mounts it into `parent`,
    its second argument standing in the page's head.
    """

    def __init__(
        self,
        parent: FastAPI,
        facts: Callable[[], ModelFacts],
        mount: Callable[[ModelFacts, str], object],
    ) -> None:
        self._parent = parent
        self._facts = facts
        self._mount = mount
        self._open = asyncio.Event()
        self._open.set()
        self._closing = asyncio.Event()
        self._handling = 0
        self._lives: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._built = self._build()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._parent(scope, receive, send)
        await self._open.wait()
        told = dict(scope["headers"]).get(MARK, b"").decode("latin-1")
        if told and told != self._built.mark:
            return await _refuse(send)
        if not scope["path"].startswith(RUN):
            return await self._parent(scope, receive, send)
        self._handling += 1
        try:
            await self._parent(scope, receive, send)
        finally:
            self._handling -= 1

    def check(self, route: str, message: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """ValueError with a sentence for a call that the page of now cannot have made.

        LookupError where it may not go past the queue. What a former page asks is answered later.
        """
        if headers.get(MARK.decode(), self._built.mark) == self._built.mark:
            calls.check(self._built.app.get_blocks(), route, message)

    def watching(self) -> list[str]:
        """The visitor of each event that is on its way."""
        queue = self._built.app.get_blocks()._queue  # pyright: ignore[reportPrivateUsage]
        return [str(event.username) for event in queue.event_ids_to_events.values()]

    @asynccontextmanager
    async def lifetime(self) -> AsyncGenerator[None]:
        """While the studio is up; `parent` runs the first page's own."""
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self._closing.set()
            if self._lives:
                await asyncio.wait(self._lives)

    async def turn(self) -> None:
        """Serve the page of the model of now, if it is not that one yet.

        Gradio gathers what is built in one global place, where a handler's update would end up as
        well. So no handler runs meanwhile: those of clicks are waited for and kept waiting, and
        those that stream run in this thread.
        """
        if self._facts() == self._built.facts:
            return
        self._open.clear()
        try:
            while self._handling:
                await asyncio.sleep(0.01)
            former = self._parent.router.routes.pop()
            try:
                self._built = self._build()
            except BaseException:
                self._parent.router.routes.append(former)
                raise
            await self._live(self._built.app)
        finally:
            self._open.set()

    def turn_soon(self) -> None:
        """The same, from any thread."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self.turn(), self._loop)

    def _build(self) -> Built:
        facts = self._facts()
        mark = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        head = f'<meta name="pentimento-page" content="{mark}">'
        Context().run(self._mount, facts, head)  # as nobody's handler: Gradio would make updates
        mounted: Any = self._parent.router.routes[-1]
        blocks = mounted.app.get_blocks()
        mounted.app.state_holder = Sessions(blocks)
        blocks.upload_file_set = Listed()
        blocks.temp_file_sets[0] = blocks.upload_file_set
        return Built(facts, mark, mounted.app)

    async def _live(self, app: App) -> None:
        """What `mount_gradio_app` does for an app that is mounted before the start.

        It lives until the studio ends, not only until the next page: its sweeper deletes what it
        has put into the cache when it ends, and the next page shows files from there.
        """
        started = asyncio.Event()

        async def life() -> None:
            async with app.router.lifespan_context(app):
                app.get_blocks().run_startup_events()
                await app.get_blocks().run_extra_startup_events()
                started.set()
                await self._closing.wait()

        task = asyncio.create_task(life())
        self._lives.add(task)
        starting = asyncio.create_task(started.wait())
        await asyncio.wait([task, starting], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            starting.cancel()
            task.result()


async def _refuse(send: Send) -> None:
    content = json.dumps({"detail": CHANGED}).encode()
    headers = [(b"content-type", b"application/json"), (MARK, b"changed")]
    start: Message = {"type": "http.response.start", "status": 409, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": content})
