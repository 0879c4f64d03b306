"""The canvas in a real browser, by what the server receives; and its reader, by what it refuses.

The harness below is the smallest page that has a canvas: two of them in two tabs, a button that
sends both, and buttons by which Python puts something on the first. `Easel` paints on it with a
real mouse, in the sheet's own pixels.
"""

import contextlib
import io
import json
import os
import queue
import socket
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from gradio.utils import get_upload_folder
from PIL import Image

from components.assets import Assets
from components.canvas import MAX_BYTES, MAX_SIDE, Canvas, canvas, read
from components.contract.sketch import Sketch
from components.traffic import AT_ONCE
from studio.inputs.opening import read as read_file

SKY, SUN = "#8fb8de", "#f6c945"
NOISE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


# The page


@dataclass(frozen=True)
class Seen:
    """A sketch as the server sees it, decoded before the upload may be gone."""

    sketch: Sketch
    picture: Any  # [h, w, 3], or None; a test that indexes None fails, as it should
    strokes: Any  # [h, w, 4]
    mask: Any  # [h, w]
    file: Any  # the picture's path
    content: Any  # and bytes

    @classmethod
    def of(cls, value: object) -> "Seen":
        sketch = read(value)

        def pixels(path: Path | None, mode: str) -> Any:
            return None if path is None else np.asarray(Image.open(path).convert(mode))

        return cls(
            sketch,
            pixels(sketch.picture, "RGB"),
            pixels(sketch.strokes, "RGBA"),
            pixels(sketch.mask, "L"),
            sketch.picture,
            sketch.picture and sketch.picture.read_bytes(),
        )


@dataclass(frozen=True)
class House:
    url: str
    received: "queue.Queue[list[Seen]]"
    strokes: "queue.Queue[object]"


def build(received: "queue.Queue[Any]", strokes: "queue.Queue[Any]") -> gr.Blocks:
    picture = Image.fromarray(NOISE)
    paint = Image.new("RGBA", (128, 96), (0, 0, 0, 0))
    paint.paste((10, 20, 30, 255), (0, 0, 64, 96))
    with gr.Blocks() as demo:
        words = gr.Textbox(elem_id="words")
        with gr.Tab("First"):
            first = canvas(
                key="first", read=read_file, swatches=[("sky", SKY), ("sun", SUN)], label="First"
            )
        with gr.Tab("Second"):
            second = canvas(key="second", read=read_file, size=(64, 32), label="Second")
        done = gr.Textbox(elem_id="done")

        def take(text: str, *values: object) -> str:
            received.put([Seen.of(value) for value in values])
            return text

        for name, papers in {"first": [first], "second": [second], "both": [first, second]}.items():
            inputs = [words, *(paper.component for paper in papers)]
            run = gr.Button(f"Run {name}")
            # "multiple": a test may press again before the page has heard the last answer.
            run.click(take, inputs, done, js=first.js, trigger_mode="multiple", **AT_ONCE)
        first.component.stroke(strokes.put, [first.component], None, js=first.js, **AT_ONCE)
        offers(first, picture, paint)
    return demo


def offers(paper: Canvas, picture: Image.Image, paint: Image.Image) -> None:
    """Buttons by which Python puts something on the canvas."""
    half = Image.new("L", (128, 96), 128)
    updates = {
        "show picture": lambda: paper.show(picture=picture),
        "show result": lambda: paper.show(picture=picture, keep=["mask"]),
        "show strokes": lambda: paper.show(strokes=paint, keep=[]),
        "show mask": lambda: paper.show(mask=half),
        "show accepted": lambda: paper.show(picture=picture, keep=["mask"], aside="one"),
        "show former": lambda: paper.back("one", keep=["mask"]),
        "show stranger": lambda: paper.back("another"),
    }
    with gr.Row():
        for name, update in updates.items():
            gr.Button(name).click(update, None, paper.component, **AT_ONCE)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """The page, served under a path as the studio is."""
    received: queue.Queue[Any] = queue.Queue()
    strokes: queue.Queue[Any] = queue.Queue()
    app = FastAPI()
    demo = build(received, strokes)
    app = gr.mount_gradio_app(app, demo, path="/studio", ssr_mode=False, run_history=False)
    app = Assets(app)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield House(f"http://127.0.0.1:{port}/studio/", received, strokes)
        server.should_exit = True
        thread.join(timeout=10)


class Easel:
    """One canvas on a page, painted on in the sheet's own pixels."""

    def __init__(self, page: Any, house: House, key: str = "first") -> None:
        self.page, self.house, self.key = page, house, key
        self.root = page.locator(f"#canvas-{key}")
        self.sheet = self.root.locator(".pm-page")

    def open(self) -> None:
        """Turn to its tab, and wait until what was kept is back."""
        self.page.get_by_role("tab", name=self.key.capitalize()).click()
        self.root.locator(".pm-canvas[data-ready]").wait_for()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """From the sheet's pixels to the screen's."""
        return tuple(
            self.sheet.evaluate(
                """(page, [x, y]) => {
                    const box = page.getBoundingClientRect();
                    const canvas = page.querySelector("canvas");
                    return [box.left + x / canvas.width * box.width,
                            box.top + y / canvas.height * box.height];
                }""",
                [x, y],
            )
        )

    def draw(self, *points: tuple[float, float]) -> None:
        self.sheet.scroll_into_view_if_needed()
        places = [self.at(*point) for point in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=4)
        self.page.mouse.up()

    def press(self, label: str) -> None:
        self.root.get_by_role("button", name=label, exact=True).click()

    def slide(self, label: str, value: int) -> None:
        self.root.get_by_label(label, exact=True).fill(str(value))

    def color(self, value: str) -> None:
        self.root.get_by_label("Any colour", exact=True).fill(value)

    def run(self, which: str) -> list[Seen]:
        self.page.get_by_role("button", name=f"Run {which}").click()
        return self.house.received.get(timeout=15)

    def sent(self) -> Seen:
        return self.run(self.key)[0]

    def show(self, what: str) -> None:
        """Let Python act, and wait until the canvas has changed."""
        self.root.evaluate(
            """root => { root.changed = false;
                root.addEventListener("pentimento:stroke", () => root.changed = true) }"""
        )
        handle = self.root.element_handle()
        self.page.get_by_role("button", name=f"show {what}").click()
        self.page.wait_for_function("root => root.changed", arg=handle, timeout=30_000)


@contextlib.contextmanager
def opened(context: Any, house: House) -> Generator[Any]:
    """A page with nothing painted on it."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(house.url)
    page.locator("#canvas-first .pm-canvas[data-ready]").wait_for()
    yield page
    assert errors == []
    page.goto("about:blank")
    kept = {"origin": house.url.removesuffix("/studio/"), "storageTypes": "indexeddb"}
    context.new_cdp_session(page).send("Storage.clearDataForOrigin", kept)
    page.close()
    for box in (house.received, house.strokes):
        while not box.empty():
            box.get()


@pytest.fixture(scope="module")
def desk(browser: Any) -> Iterator[Any]:
    """One context for all pages of this file, so that Gradio's own scripts are loaded once."""
    context = browser.new_context(viewport={"width": 700, "height": 1000}, locale="en-US")
    yield context
    context.close()


@pytest.fixture
def page(desk: Any, house: House) -> Iterator[Any]:
    with opened(desk, house) as page:
        yield page


@pytest.fixture
def easel(page: Any, house: House) -> Easel:
    return Easel(page, house)


def rgb(color: str) -> list[int]:
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


# Painting


@pytest.mark.browser
def test_strokes_arrive_with_their_colours_where_they_were_painted(easel: Easel) -> None:
    easel.press("sun")
    easel.slide("Size", 20)
    easel.draw((40, 60), (200, 60))
    easel.color("#123456")
    easel.draw((128, 150), (128, 220))
    seen = easel.sent()
    assert (seen.sketch.width, seen.sketch.height) == (256, 256)
    assert seen.picture is None and seen.mask is None
    assert seen.strokes is not None and seen.strokes.shape == (256, 256, 4)
    assert seen.strokes[60, 120].tolist() == [*rgb(SUN), 255]
    assert seen.strokes[180, 128].tolist() == [0x12, 0x34, 0x56, 255]
    painted = np.argwhere(seen.strokes[:120, :, 3] > 127)
    (top, left), (bottom, right) = painted.min(axis=0), painted.max(axis=0)
    assert abs(np.array([top, bottom, left, right]) - [50, 69, 30, 209]).max() <= 1


@pytest.mark.browser
def test_an_empty_canvas_sends_no_files_and_says_what_to_do(easel: Easel) -> None:
    assert easel.root.get_by_text("Paint here, or drop a picture").is_visible()
    assert easel.sent().sketch == Sketch(None, None, None, 256, 256)
    easel.draw((100, 100))
    assert not easel.root.get_by_text("Paint here, or drop a picture").is_visible()


@pytest.mark.browser
def test_painting_costs_no_traffic_until_it_is_sent(page: Any, house: House) -> None:
    easel = Easel(page, house, "second")
    easel.open()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    easel.draw((5, 5), (50, 20))
    easel.draw((5, 20), (50, 5))
    assert requests == []
    with page.expect_request("**/upload*"):
        assert easel.sent().strokes is not None


@pytest.mark.browser
def test_softness_and_opacity_do_what_they_say(easel: Easel) -> None:
    easel.slide("Size", 60)
    easel.slide("Opacity", 50)
    easel.draw((60, 60), (60, 200), (60, 60))
    easel.slide("Opacity", 100)
    easel.slide("Softness", 100)
    easel.draw((180, 60), (180, 200))
    alpha = easel.sent().strokes[:, :, 3].astype(int)
    assert abs(alpha[130, 60] - 128) <= 1, "half, however often the stroke crosses itself"
    assert np.count_nonzero((alpha[130, 20:100] > 10) & (alpha[130, 20:100] < 118)) <= 4
    assert np.count_nonzero((alpha[130, 140:220] > 10) & (alpha[130, 140:220] < 245)) > 30


@pytest.mark.browser
def test_undo_and_redo(easel: Easel) -> None:
    easel.draw((50, 50), (200, 50))
    easel.draw((50, 150), (200, 150))

    def rows() -> tuple[bool, bool]:
        strokes = easel.sent().strokes
        return (
            (False, False) if strokes is None else (strokes[50, 99, 3] > 0, strokes[150, 99, 3] > 0)
        )

    easel.page.keyboard.press("Control+z")
    assert rows() == (True, False)
    easel.press("Undo")
    assert rows() == (False, False)
    easel.press("Redo")
    easel.page.keyboard.press("Control+Shift+Z")
    assert rows() == (True, True)
    easel.page.keyboard.press("Control+z")
    easel.page.keyboard.press("Control+y")
    assert rows() == (True, True)
    assert easel.root.get_by_label("Redo", exact=True).is_disabled()


@pytest.mark.browser
def test_undo_goes_back_exactly_forty_steps(easel: Easel) -> None:
    easel.slide("Size", 3)
    easel.draw((10, 100))
    (left, y), (right, _) = easel.at(10, 100), easel.at(15, 100)
    for i in range(1, 42):
        easel.page.mouse.click(left + i * (right - left), y)
    for _ in range(42):
        easel.page.keyboard.press("Control+z")
    alpha = easel.sent().strokes[100, :, 3]
    assert [i for i in range(42) if alpha[10 + 5 * i] > 127] == [0, 1]


@pytest.mark.browser
def test_the_eraser_takes_paint_away_and_clear_can_be_undone(easel: Easel) -> None:
    easel.draw((30, 100), (220, 100))
    easel.press("Eraser")
    easel.draw((128, 60), (128, 140))
    strokes = easel.sent().strokes
    assert strokes[100, 128, 3] == 0 and strokes[100, 60].tolist() == [*rgb(SKY), 255]
    easel.press("Clear strokes")
    assert easel.sent().strokes is None
    easel.press("Undo")
    assert np.array_equal(easel.sent().strokes, strokes)


@pytest.mark.browser
def test_fill_and_eyedropper(easel: Easel) -> None:
    easel.press("Rectangle, with Alt cut out")
    easel.draw((50, 60), (150, 160))
    easel.press("sun")
    easel.page.keyboard.press("g")
    easel.draw((200, 200))
    strokes = easel.sent().strokes
    assert strokes[100, 100].tolist() == [*rgb(SKY), 255]
    assert strokes[10, 10].tolist() == strokes[250, 250].tolist() == [*rgb(SUN), 255]
    easel.page.keyboard.press("i")
    easel.draw((100, 100))
    easel.page.keyboard.press("b")
    easel.draw((200, 200), (220, 220))
    assert easel.sent().strokes[210, 210].tolist() == [*rgb(SKY), 255]


@pytest.mark.browser
def test_the_mask_has_its_own_tools_and_leaves_the_strokes_alone(easel: Easel) -> None:
    easel.draw((20, 20), (60, 20))
    easel.page.keyboard.press("m")
    easel.press("Rectangle, with Alt cut out")
    easel.draw((50, 50), (200, 200))
    easel.page.keyboard.down("Alt")
    easel.draw((100, 100), (150, 150))
    easel.page.keyboard.up("Alt")
    seen = easel.sent()
    expected = np.zeros((256, 256), np.uint8)
    expected[50:200, 50:200], expected[100:150, 100:150] = 255, 0
    assert np.array_equal(seen.mask, expected)
    assert np.count_nonzero(seen.strokes[40:, :, 3]) == 0

    easel.press("Fill")
    easel.draw((125, 125))
    expected[100:150, 100:150] = 255
    assert np.array_equal(easel.sent().mask, expected)
    easel.press("Invert mask")
    assert np.array_equal(easel.sent().mask, 255 - expected)
    easel.press("Clear mask")
    easel.press("Lasso, with Alt cut out")
    easel.slide("Opacity", 50)
    easel.draw((20, 20), (220, 20), (20, 220))
    mask = easel.sent().mask
    assert abs(int(mask[60, 60]) - 128) <= 1 and mask[200, 200] == 0
    easel.root.get_by_label("Mask colour", exact=True).fill("#00ff00")
    easel.slide("Overlay", 80)
    assert np.array_equal(easel.sent().mask, mask), "how the mask is shown is not what it is"


def is_hard(mask: Any) -> bool:
    """Black and white alone, and not all of it one of them."""
    return set(np.unique(mask).tolist()) == {0, 255}


@pytest.mark.browser
def test_a_hard_mask_stays_hard_on_every_sheet(easel: Easel) -> None:
    """It is enlarged, made smaller, set aside and brought back; also where it ends at the frame."""
    easel.press("Mask")
    easel.press("Rectangle, with Alt cut out")
    easel.draw((51, 51), (201, 123))
    assert is_hard(easel.sent().mask)
    easel.press("Invert mask")
    assert is_hard(easel.sent().mask)
    easel.show("accepted")  # 128 × 96, which leaves room beside it
    assert is_hard(easel.sent().mask)
    for width, height in (("97", "61"), ("301", "211")):
        easel.press("New canvas")
        easel.root.get_by_label("Width", exact=True).fill(width)
        easel.root.get_by_label("Height", exact=True).fill(height)
        easel.press("Resize, keep strokes")
        assert is_hard(easel.sent().mask), (width, height)
    easel.show("former")
    assert is_hard(easel.sent().mask)


@pytest.mark.browser
@pytest.mark.parametrize("side", [256, 100, 64])
def test_a_hard_mask_from_a_file_is_black_and_white(easel: Easel, side: int) -> None:
    mask = Image.new("L", (side, side))
    mask.paste(255, (side // 4, side // 8, side // 2, side))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    file = {"name": "mask.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    easel.root.get_by_label("Mask file").set_input_files(file)
    easel.root.locator("[data-layer=mask]").wait_for()
    seen = easel.sent().mask
    assert is_hard(seen)
    assert np.array_equal(seen, np.asarray(mask.resize((256, 256), Image.Resampling.NEAREST)))


@pytest.mark.browser
def test_keys_work_on_the_canvas_and_not_while_typing(easel: Easel) -> None:
    easel.draw((100, 100))
    size = easel.root.get_by_label("Size", exact=True)
    before = int(size.input_value())
    easel.page.keyboard.press("]")
    assert int(size.input_value()) > before
    easel.page.keyboard.press("[")
    easel.page.keyboard.press("[")
    assert int(size.input_value()) < before
    easel.page.keyboard.press("e")
    words = easel.page.locator("#words textarea, #words input").first
    words.click()
    words.type("b[m")
    assert words.input_value() == "b[m"
    assert easel.root.get_by_label("Eraser", exact=True).get_attribute("aria-pressed") == "true"


# ruff: noqa: RUF001 (letters of other scripts)
# What a key types by its place, where it is not what it types on a US keyboard.
LAYOUTS: dict[str, dict[str, str]] = {
    "Cyrillic": {
        "KeyB": "и", "KeyE": "у", "KeyR": "к", "KeyL": "д", "KeyG": "п", "KeyI": "ш", "KeyM": "ь",
        "KeyZ": "я", "KeyY": "н", "BracketLeft": "х", "BracketRight": "ъ",
    },
    "Greek": {
        "KeyB": "β", "KeyE": "ε", "KeyR": "ρ", "KeyL": "λ", "KeyG": "γ", "KeyI": "ι", "KeyM": "μ",
        "KeyZ": "ζ", "KeyY": "υ",
    },
    "Hebrew": {  # its brackets change places, as they do on the keys
        "KeyB": "נ", "KeyE": "ק", "KeyR": "ר", "KeyL": "ך", "KeyG": "ע", "KeyI": "ן", "KeyM": "צ",
        "KeyZ": "ז", "KeyY": "ט", "BracketLeft": "]", "BracketRight": "[",
    },
    "AZERTY": {
        "KeyW": "z", "KeyZ": "w", "Semicolon": "m", "KeyM": ",", "Digit0": "à",
        "BracketLeft": "Dead", "BracketRight": "$",
    },
}  # fmt: skip
US = {"BracketLeft": "[", "BracketRight": "]", "Digit0": "0", "Semicolon": ";"}
STRIKE = """([key, code, ctrlKey, shiftKey]) => document.body.dispatchEvent(new KeyboardEvent(
    "keydown", {key, code, ctrlKey, shiftKey, bubbles: true, cancelable: true}))"""


@pytest.mark.browser
@pytest.mark.parametrize("layout", LAYOUTS)
def test_keys_work_on_any_keyboard(easel: Easel, layout: str) -> None:
    typed = {**US, **LAYOUTS[layout]}
    places = {char: code for code, char in typed.items() if char.isascii() and len(char) == 1}

    def strike(code: str, control: bool = False, shift: bool = False) -> None:
        key = typed.get(code, code[-1].lower())
        easel.page.evaluate(STRIKE, [key.upper() if shift else key, code, control, shift])

    def pressed(label: str) -> bool:
        return easel.root.get_by_label(label, exact=True).get_attribute("aria-pressed") == "true"

    easel.draw((50, 50), (200, 50))
    undo, redo = (easel.root.get_by_label(name, exact=True) for name in ("Undo", "Redo"))
    strike(places.get("z", "KeyZ"), control=True)
    assert undo.is_disabled() and redo.is_enabled()
    strike(places.get("z", "KeyZ"), control=True, shift=True)
    assert undo.is_enabled() and redo.is_disabled()
    strike(places.get("z", "KeyZ"), control=True)
    strike("KeyY", control=True)
    assert undo.is_enabled() and redo.is_disabled()

    tools = {"E": "Eraser", "L": "Lasso, with Alt cut out", "G": "Fill", "I": "Eyedropper"}
    for letter, tool in {**tools, "R": "Rectangle, with Alt cut out", "B": "Brush"}.items():
        strike(f"Key{letter}")
        assert pressed(tool), letter
    assert easel.root.locator("[data-layer=strokes]").count() == 1
    strike(places.get("m", "KeyM"))
    assert easel.root.locator("[data-layer=mask]").count() == 1
    strike("KeyW")  # means nothing anywhere, though on AZERTY it is Z, which does with Ctrl alone
    if "m" in places:
        strike("KeyM")  # a comma
    assert easel.root.locator("[data-layer=mask]").count() == 1

    size = easel.root.get_by_label("Size", exact=True)
    before = int(size.input_value())
    strike(places.get("]", "BracketRight"))
    assert int(size.input_value()) > before
    strike(places.get("[", "BracketLeft"))
    strike(places.get("[", "BracketLeft"))
    assert int(size.input_value()) < before
    fitted = easel.sheet.bounding_box()
    easel.page.keyboard.press("+")
    assert easel.sheet.bounding_box() != fitted
    strike("Digit0")
    assert easel.sheet.bounding_box() == fitted


@pytest.mark.browser
def test_paint_lands_under_the_pointer_when_zoomed_and_panned(easel: Easel) -> None:
    pointer = easel.at(200, 64)
    easel.page.mouse.move(*pointer)
    for _ in range(3):
        easel.page.mouse.wheel(0, -300)
    # the mouse stands at a whole pixel, and what lies between is enlarged as all is
    assert np.allclose(easel.at(200, 64), pointer, atol=5), "it zooms about the pointer"
    wide = easel.sheet.evaluate("page => page.getBoundingClientRect().width")
    assert wide > 1000
    easel.page.keyboard.down(" ")
    easel.draw((200, 64), (190, 74))
    easel.page.keyboard.up(" ")
    easel.slide("Size", 4)
    easel.draw((204, 60))
    assert easel.sent().strokes[60, 204, 3] == 255
    painted = np.argwhere(easel.sent().strokes[:, :, 3])
    assert np.ptp(painted, axis=0).max() <= 6, "panning painted nothing"
    easel.press("Fit to view")
    assert easel.sheet.evaluate("page => page.getBoundingClientRect().width") < wide


@pytest.mark.browser
def test_keys_zoom_about_the_middle(easel: Easel) -> None:
    wide = "page => page.getBoundingClientRect().width"
    fitted, middle = easel.sheet.evaluate(wide), easel.at(128, 128)
    easel.root.locator(".pm-view").focus()
    for _ in range(3):
        easel.page.keyboard.press("+")
    assert easel.sheet.evaluate(wide) == pytest.approx(1.25**3 * fitted, rel=0.01)
    assert np.allclose(easel.at(128, 128), middle, atol=12), "but for the line below the sheet"
    easel.page.keyboard.press("-")
    assert easel.sheet.evaluate(wide) == pytest.approx(1.25**2 * fitted, rel=0.01)
    easel.page.keyboard.press("0")
    assert easel.sheet.evaluate(wide) == fitted


@pytest.mark.browser
def test_a_pen_paints_wider_and_stronger_with_pressure(easel: Easel) -> None:
    easel.slide("Size", 40)
    pen = easel.page.context.new_cdp_session(easel.page)
    for row, force in ((60, 0.15), (180, 1.0)):
        for kind, x in (("mousePressed", 60), ("mouseMoved", 120), ("mouseReleased", 180)):
            px, py = easel.at(x, row)
            pen.send(
                "Input.dispatchMouseEvent",
                {"type": kind, "x": px, "y": py, "button": "left", "buttons": 1, "clickCount": 1,
                 "force": force, "pointerType": "pen"},
            )  # fmt: skip
    alpha = easel.sent().strokes[:, 100, 3]
    light, full = alpha[:120], alpha[120:]
    assert 0 < light.max() < 160 and full.max() == 255
    assert np.count_nonzero(light) < np.count_nonzero(full) - 10


# Nothing is lost


@pytest.mark.browser
def test_a_reload_keeps_everything(easel: Easel) -> None:
    easel.show("picture")
    easel.draw((20, 20), (100, 20))
    easel.page.keyboard.press("m")
    easel.draw((20, 70), (100, 70))
    easel.root.locator(".pm-canvas[data-kept=true]").wait_for()
    easel.page.reload()
    easel.root.locator(".pm-canvas[data-ready]").wait_for()
    seen = easel.sent()
    assert (seen.sketch.width, seen.sketch.height) == (128, 96)
    assert np.array_equal(seen.picture, NOISE)
    assert seen.strokes[20, 60].tolist() == [*rgb(SKY), 255]
    assert seen.mask[70, 60] == 255 and seen.mask[20, 60] == 0


@pytest.mark.browser
def test_tabs_keep_strokes_and_canvases_do_not_mix(easel: Easel) -> None:
    page, other = easel.page, Easel(easel.page, easel.house, "second")
    easel.draw((50, 50), (200, 50))
    other.open()
    other.draw((10, 10), (50, 10))
    first, second = easel.run("both")
    assert first.strokes[50, 120, 3] == 255 and first.strokes.shape == (256, 256, 4)
    assert second.strokes[10, 30, 3] == 255 and second.strokes.shape == (32, 64, 4)
    page.keyboard.press("Control+z")
    first, second = easel.run("both")
    assert first.strokes is not None and second.strokes is None
    easel.open()
    easel.draw((50, 150), (200, 150))
    page.keyboard.press("Control+z")
    strokes = easel.sent().strokes
    assert strokes[50, 120, 3] == 255 and strokes[150, 120, 3] == 0


@pytest.mark.browser
def test_python_sets_a_picture_exactly_and_undo_brings_the_former_back(easel: Easel) -> None:
    easel.draw((50, 50), (200, 50))
    before = easel.sent()
    easel.show("picture")
    seen = easel.sent()
    assert np.array_equal(seen.picture, NOISE), "no lossy format on the way"
    assert (seen.sketch.width, seen.sketch.height) == (128, 96)
    assert seen.strokes is not None and seen.strokes[18, 64, 3] == 255, "the stroke came along"
    easel.page.keyboard.press("Control+z")
    after = easel.sent()
    assert after.picture is None and np.array_equal(after.strokes, before.strokes)


@pytest.mark.browser
def test_python_clears_only_what_it_does_not_keep(easel: Easel) -> None:
    easel.draw((50, 50), (200, 50))
    easel.show("mask")
    seen = easel.sent()
    assert np.all(seen.mask == 128) and seen.strokes is not None
    easel.show("result")
    seen = easel.sent()
    assert seen.picture is not None and seen.strokes is None and np.all(seen.mask == 128)
    easel.show("strokes")
    seen = easel.sent()
    assert seen.picture is None and seen.mask is None
    assert seen.strokes[48, 32].tolist() == [10, 20, 30, 255] and seen.strokes[48, 100, 3] == 0
    easel.show("picture")
    easel.show("picture")
    easel.press("Undo")
    assert easel.sent().picture is not None, "the same update twice acts twice"


@pytest.mark.browser
def test_what_python_sets_aside_comes_back_even_after_a_reload(easel: Easel) -> None:
    easel.draw((50, 50), (200, 50))
    before = easel.sent()
    easel.show("accepted")
    easel.draw((10, 10), (100, 10))
    easel.show("accepted")  # what was set aside first stays that
    easel.press("Mask")
    easel.draw((64, 20), (64, 80))
    masked = easel.sent()
    assert masked.picture is not None and masked.strokes is None
    easel.root.locator(".pm-canvas[data-kept=true]").wait_for()
    easel.page.reload()
    easel.open()
    easel.page.get_by_role("button", name="show stranger").click()
    easel.show("former")
    back = easel.sent()
    assert back.picture is None and (back.sketch.width, back.sketch.height) == (256, 256)
    assert np.array_equal(back.strokes, before.strokes)
    assert np.count_nonzero(back.mask) > np.count_nonzero(masked.mask)  # on a larger sheet
    easel.press("Undo")
    assert easel.sent().picture is not None


@pytest.mark.browser
def test_each_finished_stroke_is_told_once_and_what_python_did_is_not(easel: Easel) -> None:
    easel.show("picture")
    easel.draw((20, 50), (100, 50), (20, 90))
    value = easel.house.strokes.get(timeout=15)
    assert Seen.of(value).strokes[50, 60, 3] == 255
    easel.sent()
    assert easel.house.strokes.empty()


# Pictures from outside


def photo(width: int, height: int, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


DROP = """([type, bytes, mime]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], "x", {type: mime}));
    const target = document.querySelector("#canvas-first .pm-view");
    const options = {bubbles: true, cancelable: true};
    target.dispatchEvent(type === "drop"
        ? new DragEvent("drop", {...options, dataTransfer: transfer})
        : new ClipboardEvent("paste", {...options, clipboardData: transfer}));
}"""


@pytest.mark.browser
@pytest.mark.parametrize("way", ["open", "drop", "paste"])
def test_a_picture_from_outside_is_sent_untouched(easel: Easel, way: str) -> None:
    content = photo(3000, 1500)
    easel.draw((50, 128), (200, 128))
    if way == "open":
        file = {"name": "../x.jpg", "mimeType": "image/jpeg", "buffer": content}
        easel.root.get_by_label("Picture file").set_input_files(file)
    else:
        easel.page.evaluate(DROP, [way, list(content), "image/jpeg"])
    easel.root.get_by_text("2048 × 1024").wait_for()
    seen = easel.sent()
    assert seen.content == content
    assert seen.strokes.shape == (1024, 2048, 4) and seen.strokes[512, 1024, 3] == 255
    assert seen.file.name == "picture", "what it was called stays with its owner"


@pytest.mark.browser
def test_a_file_that_is_no_picture_changes_nothing_and_is_said(easel: Easel) -> None:
    easel.draw((50, 50), (200, 50))
    easel.page.evaluate(DROP, ["drop", list(b"no picture"), "image/png"])
    easel.root.get_by_text("That file is not a picture").wait_for()
    seen = easel.sent()
    assert seen.picture is None and seen.strokes[50, 120, 3] == 255


@pytest.mark.browser
def test_a_picture_too_heavy_to_be_sent_is_refused_when_it_comes(
    easel: Easel, tmp_path: Path
) -> None:
    heavy = tmp_path / "heavy.png"
    heavy.write_bytes(photo(40, 30, "PNG"))
    os.truncate(heavy, MAX_BYTES + 1)  # behind its end: it can be read
    easel.draw((50, 50), (200, 50))
    easel.root.get_by_label("Picture file").set_input_files(heavy)
    easel.root.get_by_text("That file has 257 MB; 256 MB is the most.").wait_for()
    seen = easel.sent()
    assert seen.picture is None and seen.strokes.shape == (256, 256, 4)
    assert seen.strokes[50, 120, 3] == 255


@pytest.mark.browser
def test_a_new_canvas_has_the_chosen_size_and_colour(easel: Easel) -> None:
    easel.draw((50, 128), (200, 128))
    easel.press("New canvas")
    for label, value in (("Width", "120"), ("Height", "60"), ("Paper colour", "#203040")):
        easel.root.get_by_label(label, exact=True).fill(value)
    easel.press("Resize, keep strokes")
    seen = easel.sent()
    assert seen.picture.shape == (60, 120, 3) and np.all(seen.picture == [32, 48, 64])
    assert seen.strokes[30, 60, 3] == 255
    easel.press("New canvas")
    easel.press("Start blank")
    assert easel.sent().strokes is None


# On a phone


@pytest.mark.browser
def test_a_finger_paints_two_fingers_move_and_all_fits_a_phone(browser: Any, house: House) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with (
        contextlib.closing(browser.new_context(device_scale_factor=2, **phone)) as context,
        opened(context, house) as page,
    ):
        easel = Easel(page, house)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = [each.bounding_box() for each in easel.root.locator("button, label").all()]
        assert min(min(box["width"], box["height"]) for box in boxes if box) >= 36

        fingers = page.context.new_cdp_session(page)

        def touch(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        easel.root.locator(".pm-view").scroll_into_view_if_needed()
        touch("touchStart", easel.at(60, 128))
        touch("touchMove", easel.at(120, 128))
        touch("touchMove", easel.at(200, 128))
        touch("touchEnd")
        strokes = easel.sent().strokes
        assert strokes[128, 130, 3] == 255

        easel.root.locator(".pm-view").scroll_into_view_if_needed()
        before = easel.sheet.bounding_box()["width"]
        a, b = easel.at(110, 200), easel.at(150, 200)
        touch("touchStart", a)
        touch("touchMove", (a[0] - 9, a[1]))
        touch("touchStart", (a[0] - 9, a[1]), b)
        touch("touchMove", (a[0] - 40, a[1]), (b[0] + 40, b[1]))
        touch("touchEnd")
        assert easel.sheet.bounding_box()["width"] > before * 1.5
        assert np.array_equal(easel.sent().strokes, strokes), "pinching painted nothing"


# The reader


@pytest.fixture
def stored() -> Path:
    """A file as Gradio stores uploads."""
    folder = Path(get_upload_folder()) / "a1b2"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "strokes.png"
    path.write_bytes(b"bytes")
    return path


def message(**changes: object) -> dict[str, object]:
    return {"width": 8, "height": 8, "picture": None, "strokes": None, "mask": None, **changes}


def test_read_gives_back_what_was_sent(stored: Path) -> None:
    sketch = read(json.loads(json.dumps(message(strokes=str(stored)))))
    assert sketch == Sketch(None, stored.resolve(), None, 8, 8)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "x" * 100,
        [],
        {},
        7,
        {"canvas": "first"},
        message(extra=1),
        {"width": 8, "height": 8},
        *(
            message(width=side)
            for side in (0, -1, MAX_SIDE + 1, 8.0, float("nan"), True, "8", None)
        ),
        message(height=10**30),
        *(message(strokes=path) for path in (True, 1, [], {}, "", ".", "/", "strokes.png", "a\0b")),
        message(picture="/etc/passwd"),
        message(picture="/proc/self/environ"),
        message(picture="http://127.0.0.1/x.png"),
        message(picture="file:///etc/passwd"),
        message(mask="\ud800"),
        message(mask="x" * 100_000),
        message(mask="/" + "a/" * 5000),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_read_refuses(value: object) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z][^\n]+\.$") as refusal:
        read(value)
    assert type(refusal.value) is ValueError
    assert len(str(refusal.value)) < 120, "a sentence of ours, nothing of theirs"


def test_read_refuses_paths_that_lead_out(stored: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    outside.write_bytes(b"secret")
    link, inner, loop = (stored.with_name(name) for name in ("link", "inner", "loop"))
    for path, target in ((link, outside), (inner, stored), (loop, loop)):
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    root = Path(get_upload_folder())
    beside = root.with_name(root.name + "-beside")
    beside.mkdir(exist_ok=True)
    (beside / "x.png").write_bytes(b"x")
    dotted = f"{stored.parent}/../a1b2/strokes.png"
    relative = os.path.relpath(stored)
    paths = (outside, link, inner, loop, beside / "x.png", dotted, relative, root, stored.parent)
    for path in paths:
        with pytest.raises(ValueError, match="did not arrive"):
            read(message(picture=str(path)))


def test_read_refuses_what_is_empty_or_too_large(stored: Path) -> None:
    stored.write_bytes(b"")
    with pytest.raises(ValueError, match="empty"):
        read(message(mask=str(stored)))
    os.truncate(stored, MAX_BYTES + 1)
    with pytest.raises(ValueError, match="larger than 256 MB"):
        read(message(mask=str(stored)))
