"""The page's scripts on an empty page, without Gradio and without a server."""

from collections.abc import Iterator
from typing import Any

import pytest

from components.assets import FILES, KINDS

SITE = "http://assets.test/"


@pytest.fixture
def bare(browser: Any) -> Iterator[Any]:
    """A page that can import what the studio serves, by its path in `assets/`."""

    def answer(route: Any) -> None:
        name = route.request.url.removeprefix(SITE)
        kind = KINDS[name[name.rindex(".") :]] if name else "text/html"
        route.fulfill(body=FILES.get(name, b"<!doctype html>"), content_type=kind)

    page = browser.new_page()
    page.route(f"{SITE}**", answer)
    page.goto(SITE)
    yield page
    page.close()
