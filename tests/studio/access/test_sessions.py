"""What is kept for pages that open, click and close."""

import asyncio
import time
import tracemalloc
import uuid
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest

from studio import app
from studio.access.sessions import Session, Sessions
from studio.pages import Pages
from tests.studio.conftest import Live
from tests.studio.requests import greet


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def blocks() -> gr.Blocks:
    async def build() -> gr.Blocks:  # in a loop: Gradio makes one where there is none
        with gr.Blocks() as blocks:
            gr.State({"kept": 0})
            gr.HTML("page")
        return blocks

    return asyncio.run(build())


def state_of(blocks: gr.Blocks) -> int:
    return next(number for number, each in blocks.blocks.items() if isinstance(each, gr.State))


def test_a_page_that_comes_back_finds_its_state(blocks: gr.Blocks) -> None:
    clock, key = Clock(), state_of(blocks)
    sessions = Sessions(blocks, clock)
    sessions["a"][key] = {"kept": 7}
    sessions["a"].is_closed = True
    sessions.delete_all_expired_state()
    clock.now += 3599
    sessions.delete_all_expired_state()
    assert sessions["a"][key] == {"kept": 7} and not sessions["a"].is_closed
    clock.now += 3600
    sessions.delete_all_expired_state()
    assert "a" in sessions, "its page is open again"
    sessions["a"].is_closed = True
    sessions.delete_all_expired_state()
    clock.now += 3601
    sessions.delete_all_expired_state()
    assert "a" not in sessions


def test_of_closed_pages_the_newest_two_hundred_are_kept(blocks: gr.Blocks) -> None:
    sessions = Sessions(blocks, Clock())
    for number in range(1000):
        assert sessions[f"page {number}"]
        if number >= 10:
            sessions[f"page {number}"].is_closed = True
            sessions.delete_all_expired_state()
    kept = [number for number in range(1000) if f"page {number}" in sessions]
    assert kept == [*range(10), *range(800, 1000)]
    for number in range(3000):
        assert sessions[f"open {number}"]
    assert len(sessions.session_data) == 2000


def test_what_a_handler_changes_is_its_own_pages_alone(blocks: gr.Blocks) -> None:
    one, other = Session(blocks), Session(blocks)
    (html,) = (n for n, each in blocks.blocks.items() if isinstance(each, gr.HTML))
    one[state_of(blocks)] = {"kept": 1}
    one[html] = gr.HTML("x" * 10_000, render=False)
    assert other[state_of(blocks)] == {"kept": 0}
    assert one[html] is other[html] is blocks.blocks[html], "what was shown is not kept"


def visit(live: Live, loads: list[dict[str, Any]], clicks: list[dict[str, Any]]) -> None:
    session = uuid.uuid4().hex
    with live.browser(origin=live.url) as client:
        greet(client)
        with client.stream("GET", f"/gradio_api/heartbeat/{session}") as beat:
            next(beat.iter_lines())
            for each in loads:
                client.post("/gradio_api/queue/join", json={**each, "session_hash": session})
            with client.stream(
                "GET", "/gradio_api/queue/data", params={"session_hash": session}
            ) as stream:
                assert any("close_stream" in line for line in stream.iter_lines())
            for each in clicks:
                client.post("/gradio_api/run/predict", json={**each, "session_hash": session})


@pytest.mark.alone
def test_pages_that_open_click_and_close_leave_next_to_nothing(
    serve: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Pages] = []

    class Kept(Pages):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(app, "Pages", Kept)
    live = serve()
    with live.browser() as client:
        config = client.get("/config").json()
    held = {each["id"]: each["props"].get("value") for each in config["components"]}
    asked: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for each in config["dependencies"]:
        loads = any(event == "load" for _, event in each["targets"])
        data = [held[number] for number in each["inputs"]]
        wanted = loads or each["api_name"].startswith(("start", "check_words"))
        if each["backend_fn"] and wanted and (each["queue"] is not False) == loads:
            asked[loads].append({"data": data, "fn_index": each["id"]})
    assert asked[True] and len(asked[False]) >= 5
    clicks = asked[False][:6]
    for _ in range(5):
        visit(live, asked[True], clicks)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        visit(live, asked[True], clicks)
    time.sleep(1.5)  # Gradio looks once a second for what has expired
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    holder: Any = made[0]._built.app.state_holder  # pyright: ignore[reportPrivateUsage]
    assert len(holder.session_data) >= 20, "they were counted"
    assert grown < 20 * 60_000, f"{grown / 20:,.0f} bytes a page"
