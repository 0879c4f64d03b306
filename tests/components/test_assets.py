"""Scripts and styles: served once, kept by the browser, and named in the page before Gradio's."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse

from components import assets
from components.assets import BASE, FILES, HEAD, VERSION, Assets

CONFIG = '<script>window.gradio_config = {"components":[]};</script>'


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/page")
    async def page() -> HTMLResponse:  # pyright: ignore[reportUnusedFunction]
        return HTMLResponse(f"<head>{CONFIG}</head><p>Grüße {CONFIG}</p>")

    @app.get("/other")
    async def other() -> HTMLResponse:  # pyright: ignore[reportUnusedFunction]
        return HTMLResponse("<p>Log in.</p>")

    @app.get("/stream")
    async def stream() -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]
        return StreamingResponse(iter([b"data: 1\n\n", CONFIG.encode()]), media_type="text/plain")

    @app.post(f"{BASE}page/main.js")
    async def written() -> str:  # pyright: ignore[reportUnusedFunction]
        return "posted"

    return app


def ask(path: str, method: str = "GET") -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app=Assets(application()))
        async with httpx.AsyncClient(transport=transport, base_url="http://studio") as client:
            return await client.request(method, path)

    return asyncio.run(answer())


@pytest.mark.parametrize("prefix", ["", "/studio", "/a/b"])
@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_for_good_below_any_path(name: str, prefix: str) -> None:
    response = ask(f"{prefix}{BASE}{name}")
    assert response.status_code == 200
    assert response.content == FILES[name]
    assert response.headers["cache-control"] == "private, max-age=31536000, immutable"
    kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert response.headers["content-type"] == f"{kind[name.split('.')[-1]]}; charset=utf-8"


def test_a_head_request_has_no_body() -> None:
    response = ask(f"{BASE}page/main.js", "HEAD")
    assert response.status_code == 200 and response.content == b""
    assert int(response.headers["content-length"]) == len(FILES["page/main.js"])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "main.js",
        "page/",
        "page/none.js",
        "../models/postcard/model_index.json",
        "page/gradio.d.ts",
    ],
)
def test_nothing_else_is_served(name: str) -> None:
    response = ask(f"{BASE}{name.replace('..', '%2e%2e')}")
    assert response.status_code == 404
    assert response.headers["cache-control"] == "no-store"


def test_only_reads_are_answered() -> None:
    assert ask(f"{BASE}page/main.js", "POST").text == '"posted"'


def test_another_version_has_another_address() -> None:
    version: Any = assets._version  # pyright: ignore[reportPrivateUsage]
    assert version(FILES) == VERSION
    files: Mapping[str, bytes] = {**FILES, "page/main.js": FILES["page/main.js"] + b"\n"}
    assert version(files) != VERSION
    assert version({"a": b"bc"}) != version({"ab": b"c"})


def test_the_page_names_them_once_and_before_gradio() -> None:
    response = ask("/page")
    assert response.text == f"<head>{HEAD}{CONFIG}</head><p>Grüße {CONFIG}</p>"
    assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize(
    ("path", "text"), [("/other", "<p>Log in.</p>"), ("/stream", f"data: 1\n\n{CONFIG}")]
)
def test_what_is_not_the_page_passes_as_it_is(path: str, text: str) -> None:
    assert ask(path).text == text


def test_what_is_named_is_there() -> None:
    named = re.findall(rf'(?:href|src)="\.{BASE}([^"]+)"', HEAD)
    assert set(named) == set(FILES)
    assert HEAD.index("importmap") < HEAD.index("modulepreload")  # else it is too late
