"""Comparing from end to end: the real studio and its own model, in a browser."""

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.page.conftest import Open, Pace
from tests.page.painter import Painter

SOURCE = "a red house on a meadow by day"

PIXELS = """selector => {
  const layer = document.querySelector(selector);
  const { data } = layer.getContext("2d").getImageData(0, 0, layer.width, layer.height);
  return [...data.filter((_, i) => i % 4 < 3)];
}"""


CHANGES = """([row, words]) => {
  const edit = document.querySelectorAll("#edits-compare .pt-edit")[row];
  const line = edit.querySelector(".pt-changes");
  const marked = [...line.querySelectorAll(".pt-gone, .pt-added, .pt-swapped")];
  const said = marked.map((each) => (each.tagName === "DEL" ? "-" : "+") + each.textContent);
  return said.join() === words.join();
}"""


class Comparer(Painter):
    """Somebody at Compare: writes rows, and looks at the grid."""

    def ready(self) -> None:
        self.turn_to(self.tab)
        self.page.wait_for_selector("#canvas-compare [data-ready]", state="attached")
        for part in ("#stage-compare .pt-plate", "#edits-compare .pt-add", "#run-compare"):
            self.page.wait_for_selector(part)

    @property
    def rows(self) -> Any:
        return self.page.locator("#edits-compare .pt-edit")

    @property
    def cells(self) -> Any:
        return self.stage.locator(".pt-cell")

    def reword(self, row: int, words: str) -> None:
        self.rows.nth(row).locator("textarea").fill(words)

    def until_changes(self, row: int, words: list[str]) -> None:
        """Wait until these words of a row differ from the source's: +new, -old."""
        self.page.wait_for_function(CHANGES, arg=[row, words])

    def asked(self) -> Any:
        """What the method was asked for, as the source's file tells it."""
        address = self.cells.nth(0).locator(".pt-now").evaluate("node => node.src")
        told = Image.open(io.BytesIO(self.page.request.get(address).body())).info["pentimento"]
        return json.loads(told)["request"]

    def pull(self, slider: str, value: float) -> None:
        self.room.get_by_role("slider", name=slider, exact=True).fill(str(value))

    def steps(self, number: int) -> None:
        self.more()
        self.number("Steps", number)


@pytest.fixture
def comparer(opened: Open, studio_url: str, browser: Any) -> Iterator[Comparer]:
    painter = opened(studio_url, "Compare", kind=Comparer)
    assert isinstance(painter, Comparer)
    yield painter


def test_a_source_and_its_edits_are_drawn_side_by_side(comparer: Comparer, pace: Pace) -> None:
    comparer.write(SOURCE)
    comparer.reword(0, "a blue house on a meadow by day")
    comparer.until_changes(0, ["-red", "+blue"])
    comparer.press("Add an edit")
    assert comparer.rows.nth(1).locator("textarea").input_value() == SOURCE, "to be changed"
    comparer.room.get_by_role("checkbox", name="Maps of words").check()
    comparer.steps(4)
    pace.hold(2)
    comparer.run.click()
    comparer.until("running")
    comparer.stage.locator(".pt-live").nth(2).wait_for()
    pace.go_on()
    comparer.until("done")
    comparer.stage.locator("xpath=.").and_(comparer.page.locator("[data-maps=ready]")).wait_for()
    source, blue, same = (comparer.picture(f".pt-cell >> nth={n} >> .pt-now") for n in range(3))
    apart = np.asarray(source, dtype=int) - np.asarray(same, dtype=int)
    assert abs(apart).max() <= 1, "equal words, equal pictures, up to the rounding of a row"
    assert not np.array_equal(np.asarray(source), np.asarray(blue))
    assert "changed" in comparer.cells.nth(1).locator(".pt-figure").inner_text()
    assert "same picture" in comparer.cells.nth(2).locator(".pt-said").inner_text()

    comparer.cells.nth(1).get_by_role("button", name="blue", exact=True).click()
    shown = comparer.stage.locator(".pt-map:not([hidden])")
    assert shown.count() == 2, "over the edit, and over the source at the word it replaced"
    assert comparer.cells.nth(0).locator(".pt-looked").inner_text() == "red"

    comparer.cells.nth(0).locator(".pt-picture").click()
    comparer.cells.nth(1).locator(".pt-picture").click()
    comparer.stage.locator(".pt-pair .pt-tag-after", has_text="Edit 1").wait_for()
    comparer.press("Start from this picture")
    comparer.page.wait_for_selector("#canvas-compare .pm-canvas:not([data-empty=true])")
    comparer.page.wait_for_function(
        "() => document.querySelector('#words-compare textarea').value.startsWith('a blue house')"
    )


def test_what_was_typed_survives_a_reload_and_a_refusal(comparer: Comparer) -> None:
    comparer.write(SOURCE)
    comparer.reword(0, "a red house")
    comparer.until_changes(0, ["-on a meadow by day"])
    comparer.rows.nth(0).get_by_role("button", name="red", exact=True).click()
    comparer.page.get_by_label("Strength of red").fill("-1.5")
    for _ in range(7):
        comparer.press("Add an edit")
    assert comparer.room.get_by_role("button", name="Add an edit").is_disabled(), "8 are the most"
    comparer.reword(7, "")
    comparer.run.click()
    comparer.until("failed")
    assert "Edit 8: no words yet" in comparer.message
    comparer.page.get_by_role("button", name="Remove edit 8").click()
    comparer.reload()
    assert comparer.rows.count() == 7
    assert comparer.rows.nth(0).locator("textarea").input_value() == "a red house"
    assert comparer.rows.nth(0).locator(".pt-word b").inner_text().strip() == "×−1.5"
    assert comparer.words.input_value() == SOURCE


def test_an_edit_of_unknown_words_is_told_at_once(comparer: Comparer) -> None:
    comparer.reword(0, "a red zeppelin")
    notice = comparer.page.locator("#heard-compare-edits p")
    notice.filter(has_text="Edit 1: 1 word is unknown to this model: zeppelin.").wait_for()


def test_all_that_an_edit_has_is_set_in_its_row(comparer: Comparer) -> None:
    comparer.write(SOURCE)
    comparer.reword(0, "a blue house on a meadow by day")
    row = comparer.rows.nth(0)
    row.get_by_role("button", name="blue, swapped for red").click()
    comparer.pull("Strength of blue", 1.5)
    comparer.pull("blue binds until", 0.4)
    comparer.pull("blue binds from", 0.1)
    row.locator("summary").click()
    comparer.pull("Words bind from", 0.2)
    comparer.pull("Layout from", 0.5)
    assert "0.50–0.50" in row.locator(".pt-slider-name", has_text="Layout").first.inner_text()
    comparer.pull("Layout", 0.3)  # both ends were pulled along
    for line, word in (("in the source", "house"), ("but never at", "meadow")):
        row.get_by_role("group", name=line).get_by_role("button", name=word).click()
    comparer.pull("Threshold", 0.4)
    comparer.pull("Threshold to leave out", 0.6)
    comparer.pull("Blend from", 0.0)
    row.get_by_label("Detail of the layout").select_option("1/4 of the latent’s sides, and coarser")
    comparer.steps(1)
    comparer.run.click()
    comparer.until("done")
    (edit,) = comparer.asked()["edits"]
    expected = {
        "prompt": "a blue house on a meadow by day",
        "cross_replace_steps": {"default_": [0.2, 0.8], "blue": [0.1, 0.4]},
        "self_replace_steps": [0.3, 0.3],
        "self_replace_reduction": 4,
        "weights": {"blue": 1.5},
        "local_blend": {
            "source": ["house"],
            "target": [],
            "subtract": ["meadow"],
            "threshold": 0.4,
            "subtract_threshold": 0.6,
            "start_blend": 0,
        },
        "mask_image": None,
    }
    assert edit == expected
    comparer.reload()
    row.get_by_role("button", name="blue, swapped for red, strength 1.5, binds 0.10–0.40").click()
    row.get_by_role("button", name="As the other words").click()
    row.get_by_role("button", name="blue, swapped for red", exact=True).wait_for()
    assert "0.20–0.80" in row.locator(".pt-slider-name", has_text="Words bind").inner_text()


def test_edits_of_what_a_seed_draws_stay_inside_a_mask(comparer: Comparer) -> None:
    comparer.write(SOURCE)
    comparer.reword(0, "a red house on a meadow at night")
    comparer.steps(2)
    comparer.run.click()
    comparer.until("done")
    source = comparer.picture(".pt-cell >> nth=0 >> .pt-now")
    comparer.press("Mask the source")
    comparer.page.wait_for_selector("#canvas-compare .pm-canvas:not([data-empty=true])")
    comparer.paint([((0.1, 0.3), (0.3, 0.3))])
    comparer.run.click()
    comparer.until("waiting", "running")
    comparer.until("done")
    again, edit = (
        np.asarray(comparer.picture(f".pt-cell >> nth={n} >> .pt-now"), int) for n in range(2)
    )
    assert np.array_equal(np.asarray(source), again), "the same seed draws the same source"
    changed = np.abs(again - edit).max(-1) > 0
    assert changed[:, :128].any() and not changed[:, 128:].any()
    comparer.room.get_by_label("Edits change only inside the mask").uncheck()
    assert not comparer.canvas.is_visible(), "there is nothing to paint on any more"


def test_after_a_reload_a_result_goes_on_in_another_tab(comparer: Comparer) -> None:
    comparer.write(SOURCE)
    comparer.reword(0, "a blue house on a meadow by day")
    comparer.steps(1)
    comparer.run.click()
    comparer.until("done")
    comparer.reload()
    comparer.until("done")
    edit = comparer.cells.nth(1).locator(".pt-picture")
    edit.click()
    expected = np.asarray(comparer.picture(".pt-cell >> nth=1 >> .pt-now"))
    comparer.press("Replace in this result")
    comparer.page.wait_for_selector("#canvas-replace .pm-canvas:not([data-empty=true])")
    shown = comparer.page.evaluate(PIXELS, "#canvas-replace .pm-picture")
    assert np.array_equal(np.asarray(shown, np.uint8).reshape(expected.shape), expected)


def test_a_given_picture_stays_itself(comparer: Comparer, tmp_path: Any) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGB", (256, 256), "#7ab6ec").save(path)
    comparer.room.get_by_label("A given picture").check()
    comparer.open_picture(path)
    comparer.write("a meadow by day")
    comparer.reword(0, "a meadow at night")
    comparer.steps(3)
    comparer.run.click()
    comparer.until("done")
    assert "dB (PSNR)" in comparer.message
    assert comparer.cells.count() == 2


def test_a_phone_shows_all_of_it(opened: Open, studio_url: str, browser: Any) -> None:
    comparer = opened(
        studio_url, "Compare", kind=Comparer, viewport={"width": 390, "height": 844}, has_touch=True
    )
    assert comparer.cut_off() == []
