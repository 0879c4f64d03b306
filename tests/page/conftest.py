"""The page served twice: over a studio without a model, and by the real one."""

import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI

from components.assets import Assets
from components.theme import THEME
from tests.page.painter import Painter
from tests.page.pretend import Pretend, build

Open = Callable[..., Painter]

WINDOW = {"locale": "en-US", "viewport": {"width": 1280, "height": 900}}


@contextmanager
def serving(app: Any, listener: socket.socket) -> Generator[None]:
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield
    server.should_exit = True
    thread.join(timeout=20)


@contextmanager
def served_at(app: Any) -> Generator[str]:
    """The app at a port of its own; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener, serving(app, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.fixture(scope="module")
def pretend(tmp_path_factory: pytest.TempPathFactory) -> Pretend:
    return Pretend(tmp_path_factory.mktemp("pretend"))


@pytest.fixture(scope="module")
def pretend_url(pretend: Pretend) -> Iterator[str]:
    """The page over `pretend`, under a path, as behind a proxy."""
    blocks = build(pretend)
    blocks.queue(api_open=False)
    app = gr.mount_gradio_app(
        FastAPI(),
        blocks,
        path="/studio",
        theme=THEME,
        ssr_mode=False,
        run_history=False,
        footer_links=[],
    )
    with served_at(Assets(app)) as url:
        yield f"{url}studio/"


@pytest.fixture(scope="module")
def desk(browser: Any) -> Iterator[Any]:
    """A context for the first page of each test, so that Gradio's own scripts are loaded once."""
    context = browser.new_context(**WINDOW)
    yield context
    context.close()


@pytest.fixture
def opened(browser: Any, desk: Any) -> Iterator[Open]:
    """Opens pages, each as in a browser of its own; at the end none may have had a script error."""
    painters: list[Painter] = []
    others: list[Any] = []

    def open_page(
        url: str, tab: str = "Paint", kind: type[Painter] = Painter, **settings: Any
    ) -> Painter:
        context = desk
        if settings or desk.pages:
            context = browser.new_context(**{**WINDOW, **settings})
            others.append(context)
        painters.append(kind(context.new_page(), url, tab))
        return painters[-1]

    yield open_page
    for page in desk.pages:
        forget(page)
    for context in others:
        context.close()
    assert [error for painter in painters for error in painter.errors] == []


def forget(page: Any) -> None:
    """Close the page, and let its context keep nothing of it but Gradio's scripts."""
    scheme, host, *_ = urlsplit(page.url)
    kept = {"origin": f"{scheme}://{host}", "storageTypes": "indexeddb,local_storage"}
    page.goto("about:blank")  # what leaving it keeps is to go as well
    page.context.new_cdp_session(page).send("Storage.clearDataForOrigin", kept)
    page.context.clear_cookies()
    page.close()


class Pace:
    """Holds the studio's runs between two steps, so that no test has to be faster than they are."""

    def __init__(self) -> None:
        self._left: int | None = None  # steps that may be made; None: all
        self._changed = threading.Condition()

    def hold(self, steps: int) -> None:
        """Let runs make this many steps in all, then wait."""
        with self._changed:
            self._left = steps

    def go_on(self) -> None:
        with self._changed:
            self._left = None
            self._changed.notify_all()

    def step(self) -> None:
        """Wait until one more step may be made."""
        with self._changed:
            self._changed.wait_for(lambda: self._left != 0)
            if self._left is not None:
                self._left -= 1

    def paced(self, method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def steps(bundle: Any, request: Any) -> Generator[Any, None, Any]:
            run = method(bundle, request)
            while True:
                self.step()
                try:
                    made = next(run)
                except StopIteration as end:
                    return end.value
                yield made

        return steps


@pytest.fixture(scope="session")
def steady() -> Pace:
    return Pace()


@pytest.fixture
def pace(steady: Pace) -> Iterator[Pace]:
    """The pace of the runs of `studio_url`; after the test they go on."""
    yield steady
    steady.go_on()


@pytest.fixture(scope="session")
def studio_url(
    tmp_path_factory: pytest.TempPathFactory, postcard: Any, steady: Pace
) -> Iterator[str]:
    """The studio itself, whole, on the embedded model; asks for `postcard` to skip without it."""
    from studio.app import create
    from studio.catalog import entries
    from studio.models.loaded import Models
    from studio.settings import Settings

    data = tmp_path_factory.mktemp("studio")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        settings = Settings.read(
            ["--port", port, "--device", "cpu", "--data", str(data), "--no-browser"], {}
        )
        models = Models(settings.model, "cpu", "float32", load=lambda *_, **__: postcard)
        methods = [replace(each, method=steady.paced(each.method)) for each in entries()]
        with serving(create(settings, models, methods), listener):
            yield settings.url
