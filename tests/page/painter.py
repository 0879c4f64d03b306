"""Somebody at a tab of the page: draws with the mouse, presses buttons, and looks at what comes."""

import io
from pathlib import Path
from typing import Any

from PIL import Image

HOUSE = (((0.3, 0.62), (0.7, 0.62)), ((0.42, 0.45), (0.58, 0.45), (0.58, 0.56)))

MARKS = """selector => {
  const layer = document.querySelector(selector);
  const { data } = layer.getContext("2d").getImageData(0, 0, layer.width, layer.height);
  const least = selector.endsWith("mask") ? 48 : 0; // a mask that is nearly black is read as black
  return data.filter((value, i) => i % 4 === 3 && value > least).length;
}"""

CUT_OFF = """() => [...document.querySelectorAll(".gradio-container .wrap *")].filter((node) => {
  if (!node.checkVisibility() || node.getBoundingClientRect().right <= innerWidth + 1) return false;
  for (let up = node.parentElement; !up.matches(".gradio-container"); up = up.parentElement)
    if (getComputedStyle(up).overflowX !== "visible") return false;
  return true;
}).map((node) => node.outerHTML.slice(0, 120))"""


class Painter:
    """One page in a browser, at one tab. `errors` collects what went wrong in its scripts."""

    def __init__(self, page: Any, url: str, tab: str = "Paint") -> None:
        self.page, self.tab = page, tab
        self.errors: list[str] = []
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(url)
        self.ready()

    def ready(self) -> None:
        """Until the page can be used, after a reload as well."""
        self.turn_to(self.tab)
        self.page.wait_for_selector(f"#canvas-{self.key} [data-ready]")
        self.page.wait_for_selector(f"#stage-{self.key} .pt-plate")
        self.page.wait_for_selector(f"#run-{self.key}")

    def turn_to(self, tab: str) -> None:
        self.tab = tab
        self.page.get_by_role("tab", name=tab, exact=True).click()

    @property
    def key(self) -> str:
        return self.tab.lower()

    @property
    def room(self) -> Any:
        """All that belongs to the tab."""
        return self.page.locator(f"#tab-{self.key}")

    @property
    def canvas(self) -> Any:
        return self.page.locator(f"#canvas-{self.key} .pm-canvas")

    def reload(self) -> None:
        self.page.reload()
        self.ready()

    # What is given

    def paint(self, lines: Any = HOUSE) -> None:
        """Draw lines, their points in fractions of the sheet."""
        sheet = self.canvas.locator(".pm-page")
        sheet.scroll_into_view_if_needed()
        box = sheet.bounding_box()
        for line in lines:
            points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in line]
            self.page.mouse.move(*points[0])
            self.page.mouse.down()
            for point in points[1:]:
                self.page.mouse.move(*point, steps=6)
            self.page.mouse.up()

    def open_picture(self, path: Path) -> None:
        """Choose a file for the canvas, and wait until it is there."""
        self.canvas.get_by_label("Picture file").set_input_files(path)
        self.page.wait_for_function(
            "key => document.querySelector(`#canvas-${key} .pm-canvas`).dataset.empty !== 'true'",
            arg=self.key,
        )

    def write(self, words: str) -> None:
        self.words.fill(words)
        self.words.blur()

    @property
    def words(self) -> Any:
        return self.page.locator(f"#words-{self.key} textarea")

    @property
    def run(self) -> Any:
        return self.page.locator(f"#run-{self.key}")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def more(self) -> None:
        self.room.locator(".pt-more-head button").click()
        self.room.get_by_label("Keep this seed").wait_for()

    def number(self, label: str, value: float) -> None:
        """Type into the number that belongs to a slider."""
        box = self.room.get_by_label(f"number input for {label}", exact=True)
        box.fill(str(value))
        box.press("Tab")

    # What comes

    @property
    def stage(self) -> Any:
        return self.page.locator(f"#stage-{self.key} .pt-stage")

    @property
    def caption(self) -> str:
        return self.stage.locator(".pt-caption").inner_text()

    @property
    def message(self) -> str:
        return self.stage.locator(".pt-message span").first.inner_text()

    @property
    def shown(self) -> Any:
        """The picture on the plate, as an <img>."""
        return self.stage.locator(".pt-now")

    def until(self, *phases: str) -> str:
        """Wait until the stage is in one of these phases; returns it."""
        handle = self.page.wait_for_function(
            "([key, phases]) => {"
            " const at = document.querySelector(`#stage-${key} .pt-stage`).dataset.phase;"
            " return phases.includes(at) && at; }",
            arg=[self.key, list(phases)],
        )
        return handle.json_value()

    def until_said(self, caption: str) -> None:
        self.stage.locator(".pt-caption", has_text=caption).wait_for()

    def until_saved(self, edit: str) -> None:
        """Wait until the result of this edit is on the plate."""
        self.stage.locator(f".pt-save[href*='/pentimento-{edit}-']").wait_for()

    def until_shown(self, pattern: str) -> None:
        """Wait until the plate's picture has a source that matches."""
        self.page.wait_for_function(
            "([key, pattern]) =>"
            " new RegExp(pattern).test(document.querySelector(`#stage-${key} .pt-now`).src)",
            arg=[self.key, pattern],
        )

    def picture(self, image: str = ".pt-now") -> Image.Image:
        """The result that an <img> of the stage shows; until it has come, it shows a frame."""
        saved = self.page.wait_for_function(
            "node => !node.src.startsWith('data:') && node.src",
            arg=self.stage.locator(image).element_handle(),
        )
        address = saved.json_value()
        response = self.page.request.get(address)
        assert response.ok, response.status
        return Image.open(io.BytesIO(response.body())).convert("RGB")

    def marks(self, layer: str = "strokes") -> int:
        """How many pixels of a layer are painted."""
        return self.page.evaluate(MARKS, f"#canvas-{self.key} .pm-{layer}")

    def until_marks(self, count: int, layer: str = "strokes") -> None:
        self.page.wait_for_function(
            f"([selector, count]) => ({MARKS})(selector) === count",
            arg=[f"#canvas-{self.key} .pm-{layer}", count],
        )

    def cut_off(self) -> list[str]:
        """What stands beyond the window's right edge and cannot be scrolled into it."""
        return self.page.evaluate(CUT_OFF)
