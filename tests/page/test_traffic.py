"""Two watchers on one page: none of them goes unheard when the other one ends."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI

from components.assets import FOLDER, Assets
from components.traffic import STREAMED
from tests.page.conftest import served_at

ROUNDS = 60

# A fetch of our own: `stream` and `join` say when what arrives.
STAGED = """() => {
  window.told = [];
  window.fetch = async (address) => {
    if (address.includes("/queue/data")) {
      return new Response(new ReadableStream({ start: (stream) => (window.stream = stream) }));
    }
    return new Response(JSON.stringify({ event_id: "second" }));
  };
  window.staged = window.fetch;
}"""

# Press one button, and the other just when the first one's answer is there.
RACE = """async (rounds) => {
  const box = (id) => document.querySelector(`#${id} textarea`);
  const rest = (ms) => new Promise((go) => setTimeout(go, ms));
  const press = (id) => document.querySelector(`#${id}`).click();
  const until = async (holds, ms) => {
    for (const end = performance.now() + ms; performance.now() < end; await rest(1)) {
      if (holds()) return true;
    }
    return false;
  };
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    const [first, second] = [box("first").value, box("second").value];
    const ended = until(() => box("first").value !== first, 8000);
    press("run-first");
    if (round % 2) await ended; // just after the end, or at a moment that may be before it
    await rest(round % 2 ? (round % 40) / 2 : 2 * round);
    press("run-second");
    if (!(await until(() => box("second").value !== second, 8000))) lost++;
    if (!(await ended)) lost++;
    await rest(50);
  }
  return lost;
}"""


def watched(browser: Any) -> Any:
    """A page with our fetch behind the script's."""
    page = browser.new_page()
    page.evaluate(STAGED)
    page.add_script_tag(path=str(FOLDER / "page" / "traffic.js"), type="module")
    page.wait_for_function("fetch !== staged")
    return page


@pytest.fixture
def staged(browser: Any) -> Iterator[Any]:
    page = watched(browser)
    page.evaluate("() => { fetch('/queue/data?session_hash=a'); }")
    page.evaluate("fetch('/queue/join').then(() => told.push('joined')); void 0")
    yield page
    page.close()


def said(page: Any) -> list[str]:
    """What has been told once everything that was due has happened."""
    return page.evaluate("new Promise(go => setTimeout(() => go(told), 50))")


def test_a_join_waits_for_the_end_of_a_stream_that_closes(staged: Any) -> None:
    assert said(staged) == []
    staged.evaluate('stream.enqueue(new TextEncoder().encode(\'{"msg": "close_stream"}\'))')
    assert said(staged) == []
    staged.evaluate("stream.close()")
    assert said(staged) == ["joined"]


def test_a_join_goes_on_when_the_stream_speaks_of_it(staged: Any) -> None:
    staged.evaluate('stream.enqueue(new TextEncoder().encode(\'{"event_id": "first"}\'))')
    assert said(staged) == []
    staged.evaluate('stream.enqueue(new TextEncoder().encode(\'{"event_id": "\'))')
    staged.evaluate("stream.enqueue(new TextEncoder().encode('second\"}'))")
    assert said(staged) == ["joined"]


def test_a_join_without_a_stream_waits_for_nothing(browser: Any) -> None:
    page = watched(browser)
    page.evaluate("fetch('/queue/join').then(() => told.push('joined')); void 0")
    assert said(page) == ["joined"]
    page.close()


def two_watchers() -> gr.Blocks:
    """Two buttons, each with a stream that ends at once."""
    with gr.Blocks() as blocks:
        for name in ("first", "second"):
            box = gr.Textbox("0", elem_id=name)

            async def count(value: str) -> AsyncIterator[str]:
                await asyncio.sleep(0)
                yield str(int(value) + 1)

            gr.Button(name, elem_id=f"run-{name}").click(count, box, box, **STREAMED)
    return blocks


def test_who_joins_while_the_stream_closes_is_heard(browser: Any) -> None:
    blocks = two_watchers()
    blocks.queue(api_open=False)
    app = gr.mount_gradio_app(FastAPI(), blocks, path="/", ssr_mode=False)
    with served_at(Assets(app)) as url:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("#run-second")
        assert page.evaluate(RACE, ROUNDS) == 0
        page.close()
