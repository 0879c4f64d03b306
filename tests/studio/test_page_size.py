"""How large the page is: no script or style is in it, and a tab costs what its widgets do."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
import httpx
import pytest

from components.actions import Actions
from components.assets import BASE, FILES, VERSION
from components.canvas import canvas
from components.contract.facts import ModelFacts
from components.form import defaults_of, form
from components.more import more
from components.run import Sent, run
from components.seed import seed
from components.stage import Update, stage
from components.tab import Tab
from components.words import box_of, chips, words
from pipelines import SDEdit
from studio.app import create
from studio.catalog import Entry, entries
from studio.desk import Desk
from studio.inputs import opening
from studio.settings import Settings

MORE = ("num_inference_steps", "guidance_scale", "negative_prompt", "num_images", "scheduler")


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


def plain(model: ModelFacts, desk: Desk) -> Tab:
    """A tab that needs nothing special: canvas, words, strength, More, and a stage."""
    key, defaults = "again", defaults_of(SDEdit, {})
    actions = Actions(desk.start, desk.watch, desk.stop, desk.check_words, opening.read)
    with gr.Row(elem_classes="pt-desk", equal_height=False):
        with gr.Column(elem_classes="pt-give", min_width=320):
            paper = canvas(key=key, read=opening.read, swatches=model.swatches)
            given, button = words(key, SDEdit, defaults, actions.check_words, "Say what it is")
            chips(box_of(key), model.vocabulary)
            given |= form(SDEdit, ["strength"], defaults)
            with more(key):
                given |= form(SDEdit, MORE, defaults)
                chance = seed(SDEdit, defaults)
        with gr.Column(elem_classes="pt-get", min_width=320):
            plate = stage(key, "Your picture appears here.", model.size)
    with button:
        action = run(key, plate, actions)
    fields = given | chance.form
    inputs = {paper.component, *fields.widgets.values(), chance.used}
    tab = Tab(
        key=key,
        invitation="Go on with this",
        canvas=paper,
        form=fields,
        seed=chance,
        run=action,
        defaults=defaults,
    )

    def begin(sent: Sent, visitor: str) -> tuple[str, Update]:
        return tab.start(sent, tab.values(sent), visitor)

    action.on([action.button.click], begin, inputs, [chance.number, chance.used], paper.js)
    return tab


def test_one_more_tab_adds_little() -> None:
    """With all of its endpoint, and the ways from it to each of the others and back."""
    again = replace(entries()[0], name="Again", tab=plain)
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
