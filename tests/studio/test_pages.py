"""Another model's page takes the former's place: old pages are told, programs go on."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI
from gradio.context import LocalContext
from gradio_client import handle_file
from PIL import Image

from components.contract.facts import ModelFacts
from studio import app
from studio.models import chosen
from studio.models.choosing import Choice
from studio.pages import CHANGED, Pages
from studio.settings import Settings
from tests.studio import pretend
from tests.studio.conftest import Live
from tests.studio.models.test_loaded import put
from tests.studio.requests import greet
from tests.studio.test_endpoint import connect

MARK = "x-pentimento-page"


@pytest.fixture
def turned(
    serve: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> tuple[Live, Callable[[str], None]]:
    """A studio, and what gives its model another face, as if it were another model."""
    made: list[Pages] = []

    class Kept(Pages):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(app, "Pages", Kept)
    live = serve()

    def turn(name: str) -> None:
        model = live.data / "model"
        put(model, "studio.json", {"title": name, "vocabulary": {"All": [name]}})
        listed = [{"name": name, "image": "x.png"}] * len(name)  # so many buttons, each an event
        put(model, "examples/paint.json", listed)
        Image.new("RGB", (8, 8)).save(model / "examples" / "x.png")
        made[0].turn_soon()
        with live.browser() as client:
            while name not in client.get("/config").text:
                time.sleep(0.05)

    return live, turn


def mark_of(client: httpx.Client) -> str:
    found = re.search(r"pentimento-page\W+content\W+([0-9a-f]{16})", client.get("/").text)
    assert found is not None
    return found[1]


def test_a_page_of_the_former_model_is_told_to_reload(turned: Any) -> None:
    live, turn = turned
    with live.browser(origin=live.url) as client:
        greet(client)
        former = mark_of(client)
        ask = {"fn_index": 0, "data": [], "session_hash": "old"}
        turn("fen")
        answer = client.post("/gradio_api/queue/join", json=ask, headers={MARK: former})
        assert answer.status_code == 409 and answer.json()["detail"] == CHANGED
        assert MARK in answer.headers
        mark = mark_of(client)
        assert mark != former
        assert client.get("/gradio_api/app_id", headers={MARK: mark}).status_code == 200
        assert client.get("/gradio_api/app_id").status_code == 200  # a program says nothing


def test_a_program_goes_on_with_the_numbers_it_has(turned: Any, tmp_path: Path) -> None:
    live, turn = turned
    client = connect(live, tmp_path / "downloads")
    picture = tmp_path / "strokes.png"
    Image.effect_noise((32, 32), 40).convert("RGB").save(picture)
    for name in ("fen", "moor"):
        turn(name)
        told: list[Any] = list(
            client.submit(handle_file(str(picture)), prompt="x", api_name="/paint")
        )
        assert told[-1]["status"] == "finished"
    client.close()


def test_a_model_that_says_odd_things_of_itself_has_a_page(
    serve: Callable[..., Live], tmp_path: Path
) -> None:
    model = tmp_path / "data" / "model"
    odd = {"seed": "x", "scheduler": 3, "paint": {"strength": "far"}, "compare": [1]}
    put(model, "studio.json", {"title": 7, "defaults": odd, "swatches": [[{}]]})
    nameless: dict[str, Any] = {"image": "x.png"}
    for tab in ("paint", "replace", "compare"):
        put(model, f"examples/{tab}.json", [nameless, {**nameless, "name": f"In {tab}"}])
    Image.new("RGB", (8, 8)).save(model / "examples" / "x.png")
    with serve().browser() as client:
        page = client.get("/config").text
    assert "In paint" in page and "In replace" in page
    assert "In compare" not in page, "it has no edits"


def test_a_choice_is_kept_only_when_its_page_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Callable[[], Awaitable[None]]] = []
    fails = [True, False]

    class Watched(Choice):
        def __init__(self, models: Any, installed: Any, hub: Any, changed: Any) -> None:
            super().__init__(models, installed, hub, changed)
            held.append(changed)

    async def turn(_pages: Pages) -> None:
        if fails.pop(0):
            raise KeyError("name")

    monkeypatch.setattr(app, "Choice", Watched)
    monkeypatch.setattr(Pages, "turn", turn)
    settings = Settings.read(["--data", str(tmp_path)], {})

    async def change() -> None:  # built inside the loop: Gradio makes loops where there is none
        models = pretend.models(tmp_path)
        app.create(settings, models)
        with pytest.raises(KeyError):
            await held[0]()
        assert chosen.read(tmp_path) is None
        await held[0]()
        assert chosen.read(tmp_path) == models.choice

    asyncio.run(change())


def test_no_handler_runs_while_a_page_is_built() -> None:
    """What it returns would be built into the page, too."""
    name = "one"
    building, may = asyncio.Event(), asyncio.Event()
    told: list[str] = []
    parent = FastAPI()

    @parent.post("/gradio_api/run/slow")
    async def slow() -> None:  # pyright: ignore[reportUnusedFunction]
        building.set()
        await may.wait()
        told.append("handled")

    def mount(facts: ModelFacts, head: str) -> None:
        told.append(facts.name)
        assert LocalContext.in_event_listener.get(False) is False
        with gr.Blocks() as blocks:
            gr.HTML("page")
        gr.mount_gradio_app(parent, blocks, path="/", head=head, ssr_mode=False)

    async def turn(pages: Pages) -> None:
        nonlocal name
        transport = httpx.ASGITransport(pages)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            first = asyncio.create_task(client.post("/gradio_api/run/slow"))
            await building.wait()
            name = "two"
            LocalContext.in_event_listener.set(True)  # as where a click chooses a model
            turning = asyncio.create_task(pages.turn())
            await asyncio.sleep(0.1)
            second = asyncio.create_task(client.post("/gradio_api/run/slow"))
            await asyncio.sleep(0.1)
            assert told == ["one"] and not turning.done()
            may.set()
            await asyncio.gather(first, second, turning)

    async def life() -> None:  # built inside the loop: Gradio makes loops where there is none
        pages = Pages(parent, lambda: ModelFacts(name, "cpu", 64), mount)
        async with pages.lifetime():
            await turn(pages)

    asyncio.run(life())
    assert told == ["one", "handled", "two", "handled"]
