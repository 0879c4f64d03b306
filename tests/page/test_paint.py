"""Painting from end to end: the real studio and its own model, a browser, and a mouse."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from tests.page.conftest import Open, Pace
from tests.page.painter import Painter


@pytest.fixture
def painter(opened: Open, studio_url: str, pace: Pace) -> Iterator[Painter]:
    painter = opened(studio_url)
    yield painter
    pace.go_on()
    if painter.stage.get_attribute("data-phase") in ("waiting", "running"):
        painter.press("Stop")  # the next test wants the device
        painter.until("stopped", "done")


def run_held(painter: Painter, pace: Pace) -> None:
    """Begin a run that stays at its third step."""
    painter.paint()
    pace.hold(3)
    painter.run.click()
    painter.until("running")


def step(painter: Painter) -> int:
    return int(painter.caption.split()[1])


def test_strokes_become_a_picture_while_one_watches(painter: Painter, pace: Pace) -> None:
    painter.write("a red house on a meadow at sunset")
    run_held(painter, pace)
    painter.until_shown("^data:image/jpeg")
    first = painter.shown.get_attribute("src")
    pace.go_on()
    painter.page.wait_for_function(
        "first => document.querySelector('.pt-now').src !== first", arg=first
    )
    painter.until("done")
    painter.until_shown("-1.png$")
    picture = painter.picture()
    assert picture.size == (256, 256)
    assert ImageChops.difference(picture, painter.picture(".pt-before")).getbbox() is not None
    assert 2 <= painter.room.locator(".pt-frames img").count() <= 14


def test_stop_frees_the_device_and_keeps_the_strokes(painter: Painter, pace: Pace) -> None:
    run_held(painter, pace)
    marks = painter.marks()
    painter.press("Stop")
    pace.go_on()
    painter.until("stopped")
    assert painter.marks() == marks > 0
    assert painter.run.is_enabled()
    painter.more()
    painter.number("Steps", 2)
    painter.run.click()  # it would wait for ever were the device still busy
    painter.until("done")


def test_a_reload_finds_the_run_where_it_is_by_now(painter: Painter, pace: Pace) -> None:
    painter.write("a blue boat on a lake")
    run_held(painter, pace)
    seen = step(painter)
    painter.reload()
    painter.until("running")
    assert step(painter) >= seen
    assert painter.words.input_value() == "a blue boat on a lake"
    assert painter.marks() > 0
    painter.press("Stop")
    pace.go_on()
    painter.until("stopped")


def test_who_comes_second_waits_and_sees_the_place(
    painter: Painter, opened: Open, pace: Pace
) -> None:
    run_held(painter, pace)
    second = opened(painter.page.url)
    second.paint()
    second.run.click()
    second.until("waiting")
    second.until_said("You are next.")
    painter.press("Stop")
    pace.go_on()
    second.until("done")


def test_an_empty_canvas_is_answered_with_a_sentence(painter: Painter) -> None:
    painter.write("a red house")
    painter.run.click()
    painter.until("failed")
    assert painter.message.endswith(".")
    assert "Traceback" not in painter.message and "None" not in painter.message
    assert painter.words.input_value() == "a red house"


def test_unknown_words_are_named_before_and_after(painter: Painter) -> None:
    painter.write("a zeppelin")
    line = painter.page.locator("#heard-paint p")
    line.wait_for()
    assert line.inner_text() == "1 word is unknown to this model: zeppelin."
    painter.paint()
    painter.run.click()
    painter.until("done")
    assert "zeppelin" in painter.message


def test_only_the_mask_changes(painter: Painter, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    Image.fromarray(noise).save(photo)
    painter.open_picture(photo)
    painter.press("Mask")
    painter.paint((((0.2, 0.2), (0.4, 0.2)),))
    painter.page.get_by_role("radio", name="the mask").check()
    painter.run.click()
    painter.until("done")
    painter.until_shown("-1.png$")
    result = np.asarray(painter.picture())
    assert np.array_equal(result[128:], noise[128:])
    assert not np.array_equal(result[:128], noise[:128])


def test_the_examples_fill_the_page_and_run(painter: Painter) -> None:
    buttons = painter.room.locator(".pt-examples button")
    assert buttons.count() >= 6
    for index in range(buttons.count()):
        former = painter.words.input_value()
        buttons.nth(index).click()
        painter.page.wait_for_function(
            "former => document.querySelector('#words-paint textarea').value !== former",
            arg=former,
        )
        assert painter.page.locator("#heard-paint p").is_hidden()  # it knows its own words
    painter.run.click()
    painter.until("done")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(opened: Open, studio_url: str, scheme: str) -> None:
    phone = opened(
        studio_url, viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme
    )
    assert phone.cut_off() == []
    phone.more()
    assert phone.cut_off() == []


LINE = (((0.2, 0.3), (0.8, 0.3)),)


def test_each_stroke_is_refined_at_once_while_live_is_on(painter: Painter) -> None:
    painter.write("a red house on a meadow at sunset")
    painter.room.get_by_label("Live", exact=True).check()
    painter.paint()
    painter.until("live")
    painter.until_shown("^data:image/jpeg")
    first = painter.shown.get_attribute("src")
    painter.paint(LINE)
    painter.page.wait_for_function(
        "first => document.querySelector('#stage-paint .pt-now').src !== first", arg=first
    )
    painter.run.click()
    painter.until("done")
    painter.until_shown("-1.png$")
