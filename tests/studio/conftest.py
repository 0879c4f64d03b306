"""A whole studio on a port of its own, with a toy method, for tests that speak HTTP to it."""

import asyncio
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

NO_TLS = False  # reading the certificates takes longer than most requests here
LONG = 20_000  # steps of a run that only Stop ends


@dataclass(frozen=True)
class Live:
    url: str
    data: Path

    def browser(self, **headers: str) -> httpx.Client:
        """Speaks as a page does: keeps its cookies, and names its origin on writes."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=NO_TLS)


@contextmanager
def serving(data: Path, methods: Any = None, models: Any = None, **named: Any) -> Generator[Live]:
    """A studio over `models` with `methods`; by default toys of the catalogue's, and no model."""
    import uvicorn

    from studio.access.connections import Connection
    from studio.app import create
    from studio.catalog import entries
    from studio.settings import Settings
    from tests.studio import pretend

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings = replace(Settings.read(["--port", str(port), "--data", str(data)], {}), **named)
    data.mkdir(parents=True, exist_ok=True)
    toys = methods or [replace(each, method=_method) for each in entries()]
    started = threading.Event()
    servers: list[tuple[uvicorn.Server, asyncio.AbstractEventLoop]] = []

    async def run() -> None:  # built inside its loop: Gradio makes loops where there is none
        config = uvicorn.Config(
            create(settings, models or pretend.models(data), toys),
            log_level="error",
            access_log=False,
            http=Connection,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        servers.append((server, asyncio.get_running_loop()))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        started.set()
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(60) and thread.is_alive(), "the studio did not start"
    yield Live(f"http://127.0.0.1:{port}", data)
    for server, loop in servers:
        server.should_exit = True
        thread.join(30)
        server.force_exit = True
        thread.join(30)
        assert not thread.is_alive(), _doing(thread, loop)


def _doing(thread: threading.Thread, loop: asyncio.AbstractEventLoop) -> str:
    """What keeps a studio from ending: its thread, and where each of its tasks waits."""
    frame = sys._current_frames()[thread.ident or 0]  # pyright: ignore[reportPrivateUsage]
    said = [*traceback.format_stack(frame)]
    for task in asyncio.all_tasks(loop):
        at: Any = task.get_coro()
        while getattr(at, "cr_frame", None) is not None:
            said.append(f"{at.__qualname__}:{at.cr_frame.f_lineno} ")
            at = at.cr_await
        said.append(f"{at}\n")
    return "".join(said)


def _method(_bundle: Any, request: Any) -> Any:
    """Two steps; words say otherwise."""
    from tests.studio import pretend

    if request.prompt == "fail":
        raise ValueError("The words are too odd.")
    total = LONG if request.prompt == "long" else 2
    for index in range(1, total + 1):
        if total == LONG:
            time.sleep(0.02)
        yield pretend.step(index, total)
    edits = getattr(request, "edits", None)  # a comparison's pictures are the source and these
    count = request.num_images if edits is None else 1 + len(edits)
    return pretend.edit(count, request.seed)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving(tmp_path_factory.mktemp("live")) as studio:
        yield studio


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving(tmp_path_factory.mktemp("locked"), login=("ada", "day")) as studio:
        yield studio


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Live]]:
    with ExitStack() as stack:
        yield lambda **named: stack.enter_context(serving(tmp_path / "data", **named))
