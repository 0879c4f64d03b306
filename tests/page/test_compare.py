"""Comparing from end to end: the real studio and its own model, in a browser."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.page.conftest import Open
from tests.page.painter import Painter

# Gradio 6.31 sums up its own statistics after each event, with options that pandas 3 retires.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")

SOURCE = "a red house on a meadow by day"


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

    def changes(self, row: int) -> list[str]:
        """The words of a row that differ: +new, -old."""
        line = self.rows.nth(row).locator(".pt-changes").first
        marked = line.locator(".pt-gone, .pt-added, .pt-swapped")
        return marked.evaluate_all(
            "all => all.map(each => (each.tagName === 'DEL' ? '-' : '+') + each.textContent)"
        )

    def steps(self, number: int) -> None:
        self.more()
        self.number("Steps", number)


@pytest.fixture
def comparer(opened: Open, studio_url: str, browser: Any) -> Iterator[Comparer]:
    painter = opened(studio_url, "Compare", kind=Comparer)
    assert isinstance(painter, Comparer)
    yield painter


def test_a_source_and_its_edits_are_drawn_side_by_side(comparer: Comparer) -> None:
    comparer.write(SOURCE)
    comparer.reword(0, "a blue house on a meadow by day")
    assert comparer.changes(0) == ["-red", "+blue"]
    comparer.press("Add an edit")
    assert comparer.rows.nth(1).locator("textarea").input_value() == SOURCE, "to be changed"
    comparer.room.get_by_role("checkbox", name="Maps of words").check()
    comparer.steps(4)
    comparer.run.click()
    comparer.until("running")
    comparer.stage.locator(".pt-live").nth(2).wait_for()
    comparer.until("done")
    comparer.stage.locator("xpath=.").and_(comparer.page.locator("[data-maps=ready]")).wait_for()
    source, blue, same = (comparer.picture(f".pt-cell >> nth={n} >> .pt-now") for n in range(3))
    assert np.array_equal(np.asarray(source), np.asarray(same)), "equal words, equal pictures"
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
    assert comparer.changes(0) == ["-on a meadow by day"]
    comparer.rows.nth(0).get_by_role("button", name="red", exact=True).click()
    comparer.page.get_by_label("Strength of red").fill("-1.5")
    for _ in range(7):
        comparer.press("Add an edit")
    assert comparer.room.get_by_role("button", name="Add an edit").is_disabled(), "8 are the most"
    comparer.reword(7, "")
    comparer.run.click()
    comparer.until("failed")
    assert "Edit 8 has no words yet" in comparer.message
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
