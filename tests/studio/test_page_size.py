"""How large the page is: no script or style is in it, and a tab costs what its widgets do."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from components.assets import BASE, FILES, VERSION
from studio.app import create
from studio.catalog import Entry, entries
from studio.settings import Settings


def fetched(methods: Sequence[Entry], path: str = "/") -> httpx.Response:
    """From a studio on the embedded model, with a tab for each of these."""

    async def ask(data: Path) -> httpx.Response:
        settings = Settings.read(["--device", "cpu", "--data", str(data)], {})
        transport = httpx.ASGITransport(app=create(settings, methods=methods))
        base = f"http://127.0.0.1:{settings.port}"
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.get(path)

    with TemporaryDirectory() as data:
        return asyncio.run(ask(Path(data)))


@cache
def page() -> httpx.Response:
    return fetched(entries())


def test_the_page_with_three_tabs_is_small() -> None:
    assert len(entries()) == 3
    assert page().status_code == 200
    assert len(page().content) <= 250_000


def test_one_more_tab_adds_little() -> None:
    """With all of its endpoint, and the ways from it to each of the others and back."""
    again = replace(entries()[0], name="Again", tab=None)
    larger = fetched([*entries(), again])
    assert "canvas-again" in larger.text and "canvas-again" not in page().text
    assert len(larger.content) - len(page().content) <= 60_000


def test_no_script_or_style_is_inlined_or_repeated() -> None:
    text = page().text
    for name, content in FILES.items():
        lines = [line.strip() for line in content.decode("utf-8").splitlines()]
        code = max(lines, key=len)
        assert code not in text, name
        assert len(re.findall(rf'(?:href|src)="[^"]*/{name}"', text)) == 1
    ours = text[
        text.index('<meta name="color-scheme"') : text.index("<script>window.gradio_config")
    ]
    assert re.findall(r"<script[^>]*>([^<]+)", ours) == re.findall(r'{"imports": [^<]+', ours)
    assert "<style" not in ours


def test_the_page_says_where_its_scripts_are_as_a_path_beside_it() -> None:
    """So that it works below any path of a proxy, as Gradio's own scripts do."""
    named = re.findall(r'(?:href|src)="([^"]*/(?:page|canvas)/[^"]+)"', page().text)
    assert len(named) == len(FILES)
    assert all(each.startswith("./assets/") for each in named)


@pytest.mark.parametrize(("version", "status"), [(VERSION, 200), ("0" * 16, 404)])
def test_only_the_scripts_of_this_version_are_there(version: str, status: int) -> None:
    response = fetched(entries()[:1], f"{BASE}page/main.js".replace(VERSION, version))
    assert response.status_code == status
    assert ("immutable" in response.headers.get("cache-control", "")) == (status == 200)
    assert response.headers["x-content-type-options"] == "nosniff"
