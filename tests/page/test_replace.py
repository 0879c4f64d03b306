"""The Replace tab in a real browser: over a studio without a model, and at the end with one."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops

from tests.page.conftest import Open
from tests.page.painter import Painter
from tests.page.pretend import EXAMPLES, Job, Pretend

ACROSS = (((0.3, 0.6), (0.6, 0.6)),)

PIXEL = """([selector, x, y]) => Array.from(
  document.querySelector(selector).getContext("2d").getImageData(x, y, 1, 1).data)"""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (256, 256), (90, 90, 90)).save(path)
    return path


@pytest.fixture
def painter(opened: Open, pretend_url: str, pretend: Pretend) -> Painter:
    pretend.go.set()
    return opened(pretend_url, "Replace")


@pytest.fixture
def masked(painter: Painter, photo: Path) -> Painter:
    """A picture is open, and a part of it is masked."""
    painter.open_picture(photo)
    painter.paint(ACROSS)
    return painter


def finished(painter: Painter, pretend: Pretend) -> Job:
    name = pretend.next_name
    painter.run.click()
    painter.until_saved(name)
    return pretend.jobs[name]


def pixel(painter: Painter, x: int, y: int, layer: str = "picture") -> list[int]:
    return painter.page.evaluate(PIXEL, [f"#canvas-{painter.key} .pm-{layer}", x, y])


def resulting(painter: Painter, spot: tuple[int, int]) -> list[int]:
    """A pixel of the result as the canvas would hold it."""
    return [*np.asarray(painter.picture())[spot[1], spot[0]].tolist(), 255]


def until_pixel(painter: Painter, x: int, y: int, colour: list[int]) -> None:
    painter.page.wait_for_function(
        f"([selector, x, y, colour]) => String(({PIXEL})([selector, x, y])) === colour",
        arg=[f"#canvas-{painter.key} .pm-picture", x, y, ",".join(map(str, colour))],
    )


def until(painter: Painter, met: Callable[[], bool]) -> None:
    """Let the page go on until something is so on the server's side."""
    for _ in range(600):
        if met():
            return
        painter.page.wait_for_timeout(100)
    raise AssertionError("It did not come about within a minute.")


def thumbs(painter: Painter) -> Any:
    return painter.stage.locator(".pt-thumb")


def lines(painter: Painter) -> Any:
    return painter.canvas.locator(".pm-outline path")


def test_without_a_mask_it_says_what_to_do_and_loses_nothing(painter: Painter, photo: Path) -> None:
    painter.open_picture(photo)
    painter.write("a blue boat")
    painter.run.click()
    painter.until("failed")
    assert painter.message == "Paint a mask over what is to change."
    assert painter.words.input_value() == "a blue boat"
    assert pixel(painter, 10, 240) == [90, 90, 90, 255]


def test_the_brush_paints_the_mask_and_the_strokes_beneath_are_part_of_the_picture(
    masked: Painter, pretend: Pretend
) -> None:
    assert masked.marks() == 0 and masked.marks("mask") > 0
    masked.press("Paint")
    masked.paint(ACROSS)
    sketch = finished(masked, pretend).sketch
    assert sketch.picture is not None and sketch.strokes is not None and sketch.mask is not None


def test_candidates_stand_best_first_with_one_line_of_truth(
    masked: Painter, pretend: Pretend
) -> None:
    masked.number("Candidates", 3)
    job = finished(masked, pretend)
    assert job.values["num_images"] == 3
    labels = ["agreement 0.22", "agreement 0.21", "agreement 0.20"]
    assert thumbs(masked).all_inner_texts() == labels
    assert masked.stage.locator(".pt-truth").inner_text() == (
        "Changed inside the mask: 97 %, outside: 0 pixels."
    )
    masked.until_shown("-3.png$")
    assert f"seed {job.values['seed'] + 2}" in masked.caption
    thumbs(masked).nth(1).click()
    masked.until_shown("-2.png$")


def test_the_mask_stays_after_a_run_new_words_other_tabs_and_a_reload(
    masked: Painter, pretend: Pretend
) -> None:
    marks = masked.marks("mask")
    finished(masked, pretend)
    masked.write("a red house")
    masked.turn_to("Paint")
    masked.page.wait_for_selector("#canvas-paint canvas")
    masked.turn_to("Replace")
    assert masked.marks("mask") == marks
    masked.page.wait_for_selector("#canvas-replace [data-kept=true]")
    masked.page.reload()
    masked.page.wait_for_selector("#canvas-replace [data-ready]")  # the tab that was open
    masked.until_marks(marks, "mask")
    lines(masked).first.wait_for(state="attached")
    assert finished(masked, pretend).sketch.mask is not None


def stroked_and_run(painter: Painter, pretend: Pretend) -> tuple[int, int, list[int], list[int]]:
    """Marks of the mask and of the strokes, and a pixel before the run and of its result."""
    painter.press("Paint")
    painter.paint((((0.1, 0.9), (0.2, 0.9)),))
    marks, strokes = painter.marks("mask"), painter.marks()
    former = pixel(painter, 110, 154)
    finished(painter, pretend)
    return marks, strokes, former, resulting(painter, (110, 154))


def test_accept_makes_the_result_the_picture_and_discard_brings_the_former_back(
    masked: Painter, pretend: Pretend
) -> None:
    marks, strokes, former, result = stroked_and_run(masked, pretend)
    assert result != former
    masked.press("Accept")
    until_pixel(masked, 110, 154, result)
    assert masked.marks("mask") == marks and masked.marks() == 0
    masked.press("Discard")
    until_pixel(masked, 110, 154, former)
    assert masked.marks("mask") == marks and masked.marks() == strokes


def reload(painter: Painter, candidates: int = 1) -> None:
    """Once the canvas is kept; until it is back, and the last result as well."""
    painter.page.wait_for_selector(f"#canvas-{painter.key} [data-kept=true]")
    painter.reload()
    painter.until("done")
    painter.page.wait_for_function(
        "([key, count]) => document.querySelectorAll(`#stage-${key} .pt-thumb`).length === count",
        arg=[painter.key, candidates if candidates > 1 else 0],
    )


def test_after_a_reload_discard_still_brings_the_former_picture_and_its_strokes_back(
    masked: Painter, pretend: Pretend
) -> None:
    marks, strokes, former, result = stroked_and_run(masked, pretend)
    masked.press("Accept")
    until_pixel(masked, 110, 154, result)
    reload(masked)
    assert pixel(masked, 110, 154) == result and masked.marks() == 0
    assert masked.stage.get_by_role("button", name="Accepted").is_disabled()
    masked.press("Discard")
    until_pixel(masked, 110, 154, former)
    assert masked.marks("mask") == marks and masked.marks() == strokes
    reload(masked)
    masked.press("Accept")  # and once more: the way is not used up
    until_pixel(masked, 110, 154, result)
    masked.press("Discard")
    until_pixel(masked, 110, 154, former)
    assert masked.marks() == strokes


def test_a_mask_painted_on_an_accepted_result_stays_when_that_is_discarded(
    masked: Painter, pretend: Pretend
) -> None:
    former = pixel(masked, 110, 154)
    finished(masked, pretend)
    masked.press("Accept")
    until_pixel(masked, 110, 154, resulting(masked, (110, 154)))
    masked.paint((((0.3, 0.2), (0.6, 0.2)),))
    marks = masked.marks("mask")
    masked.press("Discard")
    until_pixel(masked, 110, 154, former)
    assert masked.marks("mask") == marks and pixel(masked, 110, 51, "mask")[3] == 255


@pytest.fixture
def rivals(masked: Painter, pretend: Pretend) -> tuple[int, int]:
    """Two candidates, and the pixel in which they differ most."""
    masked.number("Candidates", 2)
    finished(masked, pretend)
    pictures = []
    for thumb, name in ((1, "-1.png$"), (0, "-2.png$")):
        thumbs(masked).nth(thumb).click()
        masked.until_shown(name)
        pictures.append(np.asarray(masked.picture(), dtype=int))
    distance = abs(pictures[1] - pictures[0]).sum(2)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    assert distance[y, x] > 60
    return int(x), int(y)


def test_another_accepted_candidate_takes_the_place_of_the_first(
    masked: Painter, rivals: tuple[int, int]
) -> None:
    former = pixel(masked, *rivals)
    masked.press("Accept")
    until_pixel(masked, *rivals, resulting(masked, rivals))
    thumbs(masked).nth(1).click()
    masked.until_shown("-1.png$")
    masked.press("Accept")
    until_pixel(masked, *rivals, resulting(masked, rivals))
    masked.press("Discard")
    until_pixel(masked, *rivals, former)


def test_after_a_reload_the_accepted_candidate_is_shown_and_another_may_take_its_place(
    masked: Painter, rivals: tuple[int, int]
) -> None:
    former = pixel(masked, *rivals)
    thumbs(masked).nth(1).click()
    masked.until_shown("-1.png$")
    masked.press("Accept")
    until_pixel(masked, *rivals, resulting(masked, rivals))
    reload(masked, candidates=2)
    masked.until_shown("-1.png$")
    assert thumbs(masked).nth(1).get_attribute("data-verdict") == "accept"
    thumbs(masked).nth(0).click()
    masked.until_shown("-2.png$")
    masked.press("Accept")
    until_pixel(masked, *rivals, resulting(masked, rivals))
    masked.press("Discard")
    until_pixel(masked, *rivals, former)


def test_of_verdicts_in_quick_succession_the_last_one_counts(
    masked: Painter, rivals: tuple[int, int]
) -> None:
    former = pixel(masked, *rivals)
    slow = {"offline": False, "latency": 600, "downloadThroughput": -1, "uploadThroughput": -1}
    masked.page.context.new_cdp_session(masked.page).send("Network.emulateNetworkConditions", slow)
    with masked.page.expect_request("**/run/**"):
        masked.press("Accept")  # and the next one does not wait for the answer
    thumbs(masked).nth(1).click()
    masked.press("Accept")
    masked.until_shown("-1.png$")
    until_pixel(masked, *rivals, resulting(masked, rivals))
    thumbs(masked).nth(0).click()
    masked.press("Accept")
    masked.press("Discard")
    until_pixel(masked, *rivals, former)


def test_a_discarded_candidate_is_kept_and_changes_nothing(
    masked: Painter, pretend: Pretend
) -> None:
    former = pixel(masked, 110, 154)
    masked.number("Candidates", 2)
    finished(masked, pretend)
    masked.press("Discard")
    masked.until_shown("-1.png$")
    assert thumbs(masked).nth(0).get_attribute("data-verdict") == "discard"
    assert pixel(masked, 110, 154) == former
    thumbs(masked).nth(0).click()
    masked.stage.get_by_role("button", name="Discarded").wait_for()
    masked.press("Accept")
    masked.stage.get_by_role("button", name="Accepted").wait_for()
    assert thumbs(masked).nth(0).get_attribute("data-verdict") == "accept"


def extended(painter: Painter, pretend: Pretend) -> None:
    """A result with 64 pixels more at its left; the toy extends nothing, so they come by hand."""
    painter.more()
    slider = painter.room.get_by_label("range slider for Left", exact=True)
    painter.number("Left", 64)
    painter.page.wait_for_function("side => side.value === '64'", arg=slider.element_handle())
    assert finished(painter, pretend).values["left"] == 64
    path = pretend.folder / f"job-{pretend.begun - 1}" / "0.png"
    wide = Image.new("RGB", (320, 256), "blue")
    with Image.open(path) as image:
        wide.paste(image, (64, 0))
    wide.save(path)


def test_the_frame_grows_once_and_the_mask_moves_with_the_picture(
    masked: Painter, pretend: Pretend
) -> None:
    extended(masked, pretend)
    marks = masked.marks("mask")
    masked.press("Accept")
    until_pixel(masked, 10, 10, [0, 0, 255, 255])
    masked.until_marks(marks, "mask")
    assert pixel(masked, 77 + 64, 154, "mask")[3] == 255 and pixel(masked, 50, 154, "mask")[3] == 0
    left = masked.page.get_by_label("number input for Left")
    masked.page.wait_for_function("box => box.value === '0'", arg=left.element_handle())
    reload(masked)
    masked.more()
    assert left.input_value() == "0"
    masked.press("Discard")
    masked.page.wait_for_function("box => box.value === '64'", arg=left.element_handle())
    masked.page.wait_for_function(
        "document.querySelector('#canvas-replace .pm-picture').width === 256"
    )
    masked.until_marks(marks, "mask")
    assert pixel(masked, 77, 154, "mask")[3] == 255


def test_the_outline_follows_the_mask_and_what_is_done_to_it(
    masked: Painter, pretend: Pretend
) -> None:
    lines(masked).first.wait_for(state="attached")
    was = lines(masked).first.get_attribute("d")
    masked.number("Grow", 9)
    masked.page.wait_for_function(
        "was => document.querySelector('#canvas-replace .pm-outline path')"
        ".getAttribute('d') !== was",
        arg=was,
    )
    until(masked, lambda: pretend.outlines[-1] == (9, 8))
    masked.press("Clear mask")
    lines(masked).first.wait_for(state="detached")
    masked.press("Undo")
    lines(masked).first.wait_for(state="attached")


def test_strokes_and_resting_hands_ask_for_no_outline(masked: Painter, pretend: Pretend) -> None:
    lines(masked).first.wait_for(state="attached")
    asked = -1
    while asked != len(pretend.outlines):  # until what the mask has asked for has come
        asked = len(pretend.outlines)
        masked.page.wait_for_timeout(1000)
    masked.press("Paint")
    masked.paint((((0.1, 0.1), (0.2, 0.1)), ((0.1, 0.2), (0.2, 0.2))))
    finished(masked, pretend)
    assert len(pretend.outlines) == asked


def test_a_mask_is_saved_and_opened(masked: Painter, tmp_path: Path) -> None:
    marks = masked.marks("mask")
    with masked.page.expect_download() as download:
        masked.press("Save the mask")
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    with Image.open(saved) as mask:
        gray = np.asarray(mask.convert("L"))
    assert gray.shape == (256, 256) and np.count_nonzero(gray > 48) == marks
    masked.press("Clear mask")
    masked.until_marks(0, "mask")
    masked.canvas.get_by_label("Mask file").set_input_files(saved)
    masked.until_marks(marks, "mask")
    masked.press("Undo")
    masked.until_marks(0, "mask")


@pytest.mark.parametrize(
    ("size", "colour", "sentence"),
    [
        ((300, 100), "white", "That mask has 300 × 100 pixels, this sheet 256 × 256."),
        ((256, 256), "black", "That mask is black everywhere."),
    ],
)
def test_a_mask_that_fits_not_is_a_sentence_and_nothing_is_lost(
    masked: Painter, tmp_path: Path, size: tuple[int, int], colour: str, sentence: str
) -> None:
    marks = masked.marks("mask")
    path = tmp_path / "mask.png"
    Image.new("RGB", size, colour).save(path)
    masked.canvas.get_by_label("Mask file").set_input_files(path)
    masked.canvas.locator(".pm-notice", has_text=sentence).wait_for()
    assert masked.marks("mask") == marks


def test_a_mask_of_another_size_and_the_same_shape_stays_hard(
    painter: Painter, photo: Path, tmp_path: Path
) -> None:
    painter.open_picture(photo)
    small = Image.new("L", (64, 64))
    small.paste(255, (16, 16, 32, 48))
    small.save(tmp_path / "mask.png")
    painter.canvas.get_by_label("Mask file").set_input_files(tmp_path / "mask.png")
    painter.until_marks(64 * 128, "mask")
    assert pixel(painter, 64, 64, "mask")[3] == 255 and pixel(painter, 63, 64, "mask")[3] == 0


def test_the_difference_is_black_where_nothing_changed(masked: Painter, pretend: Pretend) -> None:
    finished(masked, pretend)
    masked.until_shown("-1.png$")
    masked.press("Difference")
    shot = masked.stage.locator(".pt-pictures").screenshot(animations="disabled")
    seen = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB").resize((256, 256), 0))
    assert seen[200:250, 20:240].max() <= 2
    assert seen[150:158, 90:140].max() > 60
    masked.press("Before / after")
    assert masked.page.get_by_role("button", name="Difference").get_attribute("aria-pressed") == (
        "false"
    )


def test_a_result_goes_from_tab_to_tab_with_its_mask(masked: Painter, pretend: Pretend) -> None:
    marks = masked.marks("mask")
    finished(masked, pretend)
    result = resulting(masked, (110, 154))
    masked.press("Paint on this result")
    masked.tab = "Paint"
    masked.page.wait_for_selector("#canvas-paint [data-ready]")
    until_pixel(masked, 110, 154, result)
    masked.until_marks(marks, "mask")
    masked.paint()
    name = pretend.next_name
    masked.run.click()
    masked.until_saved(name)
    painted = resulting(masked, (128, 159))
    masked.press("Replace in this result")
    masked.tab = "Replace"
    until_pixel(masked, 128, 159, painted)
    assert masked.marks("mask") == marks


@pytest.mark.parametrize("accepts", [False, True])
def test_over_an_extended_result_the_mask_lies_where_its_picture_does(
    masked: Painter, pretend: Pretend, accepts: bool
) -> None:
    marks = masked.marks("mask")
    extended(masked, pretend)
    if accepts:  # then the mask has moved already
        masked.press("Accept")
        until_pixel(masked, 10, 10, [0, 0, 255, 255])
        left = masked.page.get_by_label("number input for Left")
        masked.page.wait_for_function("box => box.value === '0'", arg=left.element_handle())
    masked.press("Paint on this result")
    masked.tab = "Paint"
    masked.page.wait_for_selector("#canvas-paint [data-ready]")
    until_pixel(masked, 10, 10, [0, 0, 255, 255])
    masked.until_marks(marks, "mask")
    assert pixel(masked, 77 + 64, 154, "mask")[3] == 255 and pixel(masked, 50, 154, "mask")[3] == 0


def test_an_example_fills_picture_mask_and_form(painter: Painter, pretend: Pretend) -> None:
    painter.room.locator(".pt-examples button", has_text=EXAMPLES[3]).click()
    painter.until_marks(130 * 100, "mask")
    values = finished(painter, pretend).values
    assert (values["seed"], values["grow"], values["num_images"]) == (3, 3, 1)


def test_stop_and_a_reload_in_the_middle_of_a_run(masked: Painter, pretend: Pretend) -> None:
    pretend.go.clear()
    masked.run.click()
    masked.until_said("One edit is before yours.")
    masked.page.wait_for_selector("#canvas-replace [data-kept=true]")
    masked.page.reload()
    masked.page.wait_for_selector("#canvas-replace [data-ready]")
    masked.until_said("One edit is before yours.")
    masked.press("Stop")
    pretend.go.set()
    masked.until("stopped")
    assert masked.marks("mask") > 0


def test_two_tabs_run_at_once_and_both_end(masked: Painter, pretend: Pretend) -> None:
    for _ in range(3):
        begun = pretend.begun
        masked.turn_to("Paint")
        if masked.marks() == 0:
            masked.paint()
        masked.run.click()
        masked.turn_to("Replace")
        masked.run.click()
        until(masked, lambda was=begun: pretend.begun == was + 2)
        masked.page.wait_for_function(
            "() => ['paint', 'replace'].every(key =>"
            " !document.querySelector(`#run-${key}`).disabled"
            " && document.querySelector(`#stage-${key} .pt-stage`).dataset.phase === 'done')"
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(opened: Open, pretend_url: str, scheme: str) -> None:
    phone = opened(
        pretend_url,
        "Replace",
        viewport={"width": 390, "height": 844},
        has_touch=True,
        color_scheme=scheme,
    )
    assert phone.cut_off() == []
    phone.room.locator(".pt-examples button").first.click()
    phone.until_marks(130 * 100, "mask")
    phone.number("Candidates", 4)
    phone.run.click()
    phone.until("done")
    phone.more()
    assert phone.cut_off() == []


# With the model


@pytest.fixture
def real(opened: Open, studio_url: str) -> Iterator[Painter]:
    painter = opened(studio_url, "Replace")
    yield painter
    if painter.stage.get_attribute("data-phase") in ("waiting", "running"):
        painter.press("Stop")
        painter.until("stopped", "done")


def test_only_the_mask_changes_at_the_pictures_own_size(real: Painter, tmp_path: Path) -> None:
    photo = Image.effect_noise((400, 300), 60).convert("RGB")
    photo.save(tmp_path / "photo.png")
    real.open_picture(tmp_path / "photo.png")
    real.paint((((0.4, 0.5), (0.6, 0.5)),))
    real.canvas.locator(".pm-outline .pm-edge").wait_for(state="attached")
    real.write("a red house")
    real.more()
    real.number("Steps", 4)
    real.number("Candidates", 2)
    real.run.click()
    real.until("done")
    real.until_shown(r"-\d.png$")
    truth = real.stage.locator(".pt-truth").inner_text()
    assert re.fullmatch(r"Changed inside the mask: \d+ %, outside: 0 pixels\.", truth)
    box = ImageChops.difference(real.picture(), photo).getbbox()
    assert box is not None and box[0] > 100 and box[1] > 80 and box[2] < 300 and box[3] < 220


def test_a_single_pixel_is_replaced_and_all_else_is_not(real: Painter, tmp_path: Path) -> None:
    Image.new("RGB", (256, 256), "green").save(tmp_path / "photo.png")
    mask = Image.new("L", (256, 256))
    mask.putpixel((100, 100), 255)
    mask.save(tmp_path / "mask.png")
    real.open_picture(tmp_path / "photo.png")
    real.canvas.get_by_label("Mask file").set_input_files(tmp_path / "mask.png")
    real.until_marks(1, "mask")
    real.more()
    real.number("Steps", 2)
    real.run.click()
    real.until("done")
    real.until_shown(r"-1.png$")
    found = ImageChops.difference(real.picture(), Image.open(tmp_path / "photo.png")).getbbox()
    assert found in (None, (100, 100, 101, 101))


def test_the_way_back_from_a_grown_frame_survives_a_reload(real: Painter, tmp_path: Path) -> None:
    wide = "width => document.querySelector('#canvas-replace .pm-picture').width === width"
    Image.new("RGB", (256, 256), "green").save(tmp_path / "photo.png")
    real.open_picture(tmp_path / "photo.png")
    real.paint(ACROSS)
    marks = real.marks("mask")
    real.more()
    real.number("Steps", 2)
    real.number("Left", 64)
    real.run.click()
    real.until("done")
    real.press("Accept")
    real.page.wait_for_function(wide, arg=320)
    reload(real)
    assert real.marks("mask") == marks and pixel(real, 77 + 64, 154, "mask")[3] == 255
    real.press("Discard")
    real.page.wait_for_function(wide, arg=256)
    assert real.marks("mask") == marks and pixel(real, 77, 154, "mask")[3] == 255
    real.more()
    left = real.page.get_by_label("number input for Left")
    real.page.wait_for_function("box => box.value === '64'", arg=left.element_handle())


def test_the_examples_run(real: Painter) -> None:
    buttons = real.room.locator(".pt-examples button")
    assert buttons.count() >= 6
    buttons.nth(1).click()
    real.page.wait_for_function("document.querySelector('#words-replace textarea').value !== ''")
    assert real.page.locator("#heard-replace p").is_hidden()  # it knows its own words
    real.more()
    real.number("Steps", 3)
    real.run.click()
    real.until("done")
