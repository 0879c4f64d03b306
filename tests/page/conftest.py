"""The page served twice: over a studio without a model, and by the real one."""

import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI

from components.theme import CSS, HEAD, THEME
from tests.page.painter import Painter
from tests.page.pretend import Pretend, build

Open = Callable[..., Painter]


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
        css=CSS,
        head=HEAD,
        ssr_mode=False,
        run_history=False,
        footer_links=[],
    )
    with served_at(app) as url:
        yield f"{url}studio/"


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Opens pages, each in a browser of its own; at the end none may have had a script error."""
    painters: list[Painter] = []

    def open_page(
        url: str, tab: str = "Paint", kind: type[Painter] = Painter, **context: Any
    ) -> Painter:
        settings = {"locale": "en-US", "viewport": {"width": 1280, "height": 900}, **context}
        painters.append(kind(browser.new_context(**settings).new_page(), url, tab))
        return painters[-1]

    yield open_page
    for painter in painters:
        painter.page.context.close()
    assert [error for painter in painters for error in painter.errors] == []


@pytest.fixture(scope="session")
def studio_url(tmp_path_factory: pytest.TempPathFactory, postcard: Any) -> Iterator[str]:
    """The studio itself, whole, on the embedded model; asks for `postcard` to skip without it."""
    from studio.app import create
    from studio.models import Models
    from studio.settings import Settings

    data = tmp_path_factory.mktemp("studio")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        settings = Settings.read(
            ["--port", port, "--device", "cpu", "--data", str(data), "--no-browser"], {}
        )
        models = Models(settings.model, "cpu", "float32", load=lambda *_, **__: postcard)
        with serving(create(settings, models), listener):
            yield settings.url
