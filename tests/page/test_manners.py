"""What the page itself promises, in a real browser, over a studio without a model."""

import re
from typing import Any

import httpx
import pytest

from components.contract.events import Stepped
from components.tabs.paint import SWEEP
from tests.components.test_theme import AA_PART, contrast
from tests.page.conftest import Open, forget
from tests.page.painter import Painter
from tests.page.pretend import EXAMPLES, Job, Pretend, jpeg, landscape

# What a node goes through from now on.
HEARD = """node => {
  window.heard = [];
  const hear = () => window.heard.push(node.textContent);
  new MutationObserver(hear).observe(node, { childList: true });
}"""
PHASES = """node => {
  window.phases = [];
  const note = () => window.phases.push(node.dataset.phase);
  new MutationObserver(note).observe(node, { attributeFilter: ["data-phase"] });
}"""


@pytest.fixture
def painter(opened: Open, pretend_url: str, pretend: Pretend) -> Painter:
    pretend.go.set()
    pretend.answering.set()
    return opened(pretend_url)


def finished(painter: Painter, pretend: Pretend, button: str = "Run") -> Job:
    """Press the button and wait for the result of just that run."""
    name = pretend.next_name
    painter.press(button)
    painter.until_saved(name)
    return pretend.jobs[name]


def hexed(colour: str) -> str:
    """A colour as scripts of a page tell it, rgb(…), as the style sheet has it."""
    return "#" + "".join(f"{int(channel):02x}" for channel in re.findall(r"\d+", colour)[:3])


def test_no_test_finds_what_another_one_left(desk: Any, pretend_url: str) -> None:
    left = Painter(desk.new_page(), pretend_url)
    left.paint()
    left.write("a red house")
    left.press("Light or dark")
    left.page.context.add_cookies([{"name": "who", "value": "left", "url": pretend_url}])
    forget(left.page)
    found = Painter(desk.new_page(), pretend_url)
    assert found.marks() == 0 and found.words.input_value() == ""
    assert found.page.evaluate("localStorage.getItem('pentimento-light')") is None
    assert desk.cookies() == []
    forget(found.page)


def test_only_what_streams_waits_in_gradios_queue(painter: Painter, pretend_url: str) -> None:
    events = httpx.get(f"{pretend_url.rstrip('/')}/config").json()["dependencies"]
    queued = [each for each in events if each["backend_fn"] and each["queue"] is not False]
    assert queued
    assert all(each["types"]["generator"] for each in queued)


def test_an_empty_canvas_is_answered_with_a_sentence(painter: Painter, pretend: Pretend) -> None:
    pretend.watched.clear()
    painter.write("a red house")
    painter.run.click()
    painter.until("failed")
    assert painter.message.startswith("The canvas is empty.")
    assert painter.words.input_value() == "a red house"
    name = pretend.next_name
    painter.paint()
    finished(painter, pretend)
    assert pretend.watched == [name]  # and nothing was looked for in between


def test_strokes_become_a_picture(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    painter.write("a red house")
    job = finished(painter, pretend)
    painter.until_shown("-1.png$")
    assert painter.picture().size == (256, 256)
    assert painter.run.is_enabled()
    assert f"seed {job.values['seed']}" in painter.caption
    assert job.values["prompt"] == "a red house"


def test_a_run_that_waits_says_its_place_and_then_its_steps(
    painter: Painter, pretend: Pretend
) -> None:
    painter.paint()
    pretend.go.clear()
    name = pretend.next_name
    painter.run.click()
    painter.until_said("One edit is before yours.")
    assert painter.run.is_disabled()
    pretend.jobs[name].event = Stepped("denoising", 3, 14, 5.2, jpeg(landscape(0)))
    painter.until_said("step 3 of 14 · 5 s left")
    painter.until_shown("^data:image/jpeg")
    assert painter.stage.locator("progress").get_attribute("value") == str(3 / 14)
    pretend.go.set()
    painter.until_saved(name)


def test_stop_keeps_the_strokes_and_the_last_result(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    marks = painter.marks()
    assert marks > 0
    finished(painter, pretend)
    pretend.go.clear()
    name = pretend.next_name
    painter.run.click()
    painter.until_said("One edit is before yours.")
    painter.press("Stop")
    pretend.go.set()
    painter.until("stopped")
    assert pretend.jobs[name].stopped.is_set()
    assert painter.message.startswith("Stopped")
    assert painter.marks() == marks
    closer = painter.page.get_by_role("button", name="Closer to my strokes")
    assert closer.is_hidden()
    painter.press("Back to the last result")
    painter.until_shown("-1.png$")
    closer.wait_for()


def test_a_failure_is_one_sentence_and_run_works_again(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    painter.write("break")
    painter.run.click()
    painter.until("failed")
    assert painter.message == "Something went wrong inside the studio. Try again."
    painter.write("a house")
    finished(painter, pretend)


def test_a_reload_finds_the_run_and_everything_that_was_set(
    painter: Painter, pretend: Pretend
) -> None:
    painter.paint()
    marks = painter.marks()
    painter.write("a blue boat")
    painter.more()
    painter.number("Steps", 7)
    pretend.go.clear()
    name = pretend.next_name
    painter.run.click()
    painter.until_said("One edit is before yours.")
    painter.reload()
    painter.until_said("One edit is before yours.")
    assert painter.run.is_disabled()
    pretend.go.set()
    painter.until_saved(name)
    assert painter.words.input_value() == "a blue boat"
    assert painter.marks() == marks
    painter.more()
    assert painter.page.get_by_label("number input for Steps").input_value() == "7"
    painter.reload()
    painter.until_saved(name)


# Somebody who types the very moment there is something to type into.
FAST = """([opens, box, value]) => new Promise((done) => {
  const type = () => {
    const found = document.querySelector(box);
    if (!found?.checkVisibility({ visibilityProperty: true })) return requestAnimationFrame(type);
    found.value = value;
    found.dispatchEvent(new Event("input", { bubbles: true }));
    setTimeout(() => done(document.querySelector(box).value), 1500);
  };
  document.querySelector(opens).click();
  type();
})"""


@pytest.mark.parametrize(
    ("opens", "box"),
    [
        ("#tab-paint .pt-more-head button", "#more-paint [aria-label='number input for Steps']"),
        ("[role=tab]:nth-of-type(2)", "#tab-replace [aria-label='number input for Strength']"),
    ],
    ids=["More", "a tab"],
)
def test_what_is_typed_while_something_opens_stays(painter: Painter, opens: str, box: str) -> None:
    assert painter.page.evaluate(FAST, [opens, box, "0.5"]) == "0.5"


# The same while the page comes back after a reload.
AT_ONCE = """
const type = () => {
  const box = document.querySelector("#words-paint textarea");
  if (!box) return requestAnimationFrame(type);
  box.value = "a red house";
  box.dispatchEvent(new Event("input", { bubbles: true }));
};
addEventListener("DOMContentLoaded", type);
"""


def test_what_is_typed_while_the_page_comes_back_stays(painter: Painter) -> None:
    painter.write("a blue boat")
    painter.more()
    painter.number("Guidance", 9)
    painter.page.add_init_script(AT_ONCE)
    painter.reload()
    painter.page.wait_for_function(
        "document.querySelector(`[aria-label='number input for Guidance']`).value === '9'"
    )
    painter.page.wait_for_timeout(1000)  # what comes back late would be here by then
    assert painter.words.input_value() == "a red house"


def test_a_job_that_the_studio_forgot_is_no_news(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    finished(painter, pretend)
    pretend.jobs.clear()
    painter.reload()
    finished(painter, pretend)  # the page is not stuck, and said nothing


def test_unknown_words_are_named_and_never_read_as_html(painter: Painter) -> None:
    painter.write("a zeppelin <img/src=x/onerror=window.broken=1>")
    line = painter.page.locator("#heard-paint p")
    line.wait_for()
    assert line.inner_text().startswith("2 words are unknown to this model: zeppelin, <img")
    assert painter.page.evaluate("window.broken") is None
    painter.write("a house")
    line.wait_for(state="hidden")


def test_a_chip_writes_its_word_where_the_caret_is(painter: Painter) -> None:
    painter.words.fill("a at sunset")
    painter.words.evaluate("box => box.setSelectionRange(1, 1)")
    painter.room.locator(".pt-chip", has_text="house").first.click()
    assert painter.words.input_value() == "a house at sunset"
    painter.press("Colours")
    painter.words.evaluate("box => box.setSelectionRange(1, 1)")
    painter.room.locator(".pt-chip", has_text="red").click()
    assert painter.words.input_value() == "a red house at sunset"


def test_an_example_fills_the_canvas_and_the_form(painter: Painter, pretend: Pretend) -> None:
    assert len(EXAMPLES) >= 6
    painter.more()
    painter.number("Repeats", 3)
    painter.room.locator(".pt-examples button", has_text=EXAMPLES[2]).click()
    painter.page.wait_for_function("document.querySelector('#words-paint textarea').value !== ''")
    painter.until_marks(256 * 256)
    values = finished(painter, pretend).values
    assert (values["seed"], values["strength"], values["repeats"]) == (2, 0.6, 1)
    assert finished(painter, pretend).values["seed"] != 2  # the promise is kept once


def test_an_unlocked_seed_changes_and_a_locked_one_stays(
    painter: Painter, pretend: Pretend
) -> None:
    painter.paint()
    seeds = [finished(painter, pretend).values["seed"] for _ in range(2)]
    assert seeds[0] != seeds[1]
    painter.more()
    painter.page.get_by_label("Keep this seed").check()
    assert finished(painter, pretend).values["seed"] == seeds[1]


def test_several_strengths_are_a_sheet_to_choose_from(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    painter.more()
    painter.page.get_by_label("Several strengths at once").check()
    finished(painter, pretend)
    thumbs = painter.stage.locator(".pt-thumb")
    assert thumbs.all_inner_texts() == [f"strength {each:.2f}" for each in SWEEP]
    thumbs.nth(3).click()
    painter.until_shown("-4.png$")
    assert f"strength {SWEEP[3]:.2f}" in painter.caption
    values = finished(painter, pretend, "Closer to my strokes").values
    assert values["strength"] == pytest.approx(SWEEP[3] / 2)
    assert "strengths" not in values


def test_the_search_halves_what_is_left(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    buttons = ("Run", "More realistic", "Closer to my strokes", "Closer to my strokes")
    asked = [finished(painter, pretend, button).values for button in buttons]
    strengths = [each["strength"] for each in asked]
    assert strengths == pytest.approx([0.7, 0.85, 0.775, 0.7375], abs=1e-3)
    assert len({each["seed"] for each in asked}) == 1
    shown = painter.page.get_by_label("number input for Strength").input_value()
    assert shown == str(strengths[-1])
    assert len(shown) <= len("0.738")


def test_before_and_after_is_moved_by_keys(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    finished(painter, pretend)
    painter.press("Before / after")
    cut = painter.page.get_by_label("Before and after")
    cut.focus()
    for _ in range(10):
        painter.page.keyboard.press("ArrowLeft")
    clip = painter.stage.locator(".pt-before").evaluate("node => getComputedStyle(node).clipPath")
    assert clip == "inset(0px 60% 0px 0px)"


def test_the_filmstrip_shows_the_steps_on_the_plate(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    finished(painter, pretend)
    head = painter.page.get_by_label("Step of the run")
    head.focus()
    painter.page.keyboard.press("Home")
    painter.until_shown("/step-001.jpg$")
    assert painter.caption == "step 1"
    painter.page.keyboard.press("ArrowRight")
    painter.until_shown("/step-004.jpg$")
    assert painter.caption == painter.shown.get_attribute("alt") == "step 4"
    assert head.get_attribute("aria-valuetext") == "step 4"
    painter.page.keyboard.press("End")
    painter.until_shown("-1.png$")
    assert head.get_attribute("aria-valuetext") == "the result"
    painter.page.keyboard.press("ArrowLeft")
    painter.until_shown("/step-013.jpg$")


def test_the_result_can_be_painted_on_and_saved(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    name = pretend.next_name
    finished(painter, pretend)
    with painter.page.expect_download() as download:
        painter.stage.get_by_role("link", name="Save as PNG").click()
    assert download.value.suggested_filename == f"pentimento-{name}-1.png"
    assert download.value.path().read_bytes() == (pretend.folder / name / "0.png").read_bytes()
    painter.press("Paint on this result")
    painter.page.wait_for_function(
        "document.querySelector('#canvas-paint .pm-picture').getContext('2d')"
        ".getImageData(4, 250, 1, 1).data[0] !== 255"
    )
    assert painter.marks() == 0
    picture = finished(painter, pretend).sketch.picture
    assert picture is not None and picture.suffix == ".png"


def test_a_picture_is_turned_into_strokes(painter: Painter, pretend: Pretend) -> None:
    painter.press("Turn this picture into strokes")
    refused = painter.page.locator("#strokes-refused p")
    refused.wait_for()
    assert refused.inner_text() == "Drop a picture on the canvas first."
    path = pretend.folder / "photo.png"
    landscape(1).save(path)
    painter.open_picture(path)
    painter.press("Turn this picture into strokes")
    painter.until_marks(256 * 256)
    refused.wait_for(state="hidden")


def test_keys(painter: Painter) -> None:
    painter.paint()
    painter.page.keyboard.press("?")
    dialog = painter.page.get_by_role("dialog")
    dialog.wait_for()
    assert "Ctrl" in dialog.inner_text()
    painter.page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    painter.words.fill("a house?")
    assert painter.words.input_value() == "a house?"
    painter.words.press("Control+Enter")
    painter.until("waiting", "running", "done")


@pytest.mark.parametrize(
    ("key", "code"),
    [("?", "Digit7"), (",", "Slash"), ("?", "Minus"), ("?", "KeyM"), ("٪", "Slash")],
    ids=["Cyrillic", "Cyrillic, by its place", "German", "AZERTY", "another script"],
)
def test_the_list_of_keys_opens_on_any_keyboard(painter: Painter, key: str, code: str) -> None:
    painter.paint()
    place = painter.canvas.locator(".pm-caption").inner_text()
    painter.page.evaluate(
        """([key, code]) => document.body.dispatchEvent(new KeyboardEvent(
            "keydown", {key, code, shiftKey: true, bubbles: true, cancelable: true}))""",
        [key, code],
    )
    painter.page.get_by_role("dialog").wait_for()
    assert painter.canvas.get_attribute("data-layer") == "strokes", "that key has no second meaning"
    assert painter.canvas.locator(".pm-caption").inner_text() == place


def test_space_presses_what_has_the_focus_wherever_the_mouse_rests(painter: Painter) -> None:
    painter.paint()  # the mouse stays on the sheet
    live = painter.room.get_by_label("Live", exact=True)
    live.focus()
    painter.page.keyboard.press(" ")
    assert live.is_checked()
    live.blur()
    painter.page.keyboard.down(" ")
    painter.room.locator(".pm-panning").wait_for()
    painter.page.keyboard.up(" ")


def test_a_dialog_keeps_its_keys_from_the_page_behind_it(
    painter: Painter, pretend: Pretend
) -> None:
    painter.paint()
    marks, begun = painter.marks(), pretend.begun
    painter.page.keyboard.press("?")
    dialog = painter.page.get_by_role("dialog")
    dialog.wait_for()
    dialog.evaluate("dialog => { dialog.tabIndex = -1; dialog.focus(); }")
    for key in ("e", "Control+z", "Control+Enter"):
        painter.page.keyboard.press(key)
    assert dialog.is_visible()
    painter.page.keyboard.press("Escape")
    finished(painter, pretend)
    assert pretend.begun == begun + 1, "the one that was just pressed"
    assert painter.marks() == marks
    brush = painter.canvas.get_by_label("Brush", exact=True)
    assert brush.get_attribute("aria-pressed") == "true"


def test_light_follows_the_system_until_a_person_decides(opened: Open, pretend_url: str) -> None:
    dark = opened(pretend_url, color_scheme="dark")
    paper = "() => getComputedStyle(document.body).backgroundColor"
    assert dark.page.evaluate(paper) == "rgb(26, 24, 22)"
    dark.press("Light or dark")
    assert dark.page.evaluate(paper) == "rgb(250, 247, 240)"
    dark.reload()
    dark.page.wait_for_function(f"({paper})() === 'rgb(250, 247, 240)'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_all(opened: Open, pretend_url: str, scheme: str) -> None:
    phone = opened(
        pretend_url, viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme
    )
    assert phone.cut_off() == []
    phone.paint()
    phone.run.click()
    phone.until("done")
    phone.until_shown("-1.png$")
    assert phone.cut_off() == []
    top, bottom = phone.stage.locator(".pt-plate").evaluate(
        "node => { const { top, bottom } = node.getBoundingClientRect(); return [top, bottom]; }"
    )
    assert bottom > 100 and top < 744  # the page has moved to where something happens


def test_what_happens_is_read_aloud_but_not_each_step(painter: Painter, pretend: Pretend) -> None:
    said = painter.stage.get_by_role("status")
    assert said.count() == 1 and said.inner_text() == ""
    painter.paint()
    painter.more()
    painter.number("Pictures", 4)
    said.evaluate(HEARD)
    finished(painter, pretend)
    painter.write("break")
    painter.run.click()
    painter.until("failed")
    sentence = "Something went wrong inside the studio. Try again."
    heard = painter.page.evaluate("heard")
    assert heard[0] == "Starting …"
    waiting = ("Starting …", "One edit is before yours.")
    rest = [each for each in heard if each not in waiting]
    assert rest == ["Running.", "Done: 4 pictures.", sentence]


def test_a_pressed_tool_of_the_mask_can_be_told_in_the_dark(opened: Open, pretend_url: str) -> None:
    dark = opened(pretend_url, color_scheme="dark")
    dark.press("Mask")
    ink, ground = dark.canvas.get_by_label("Brush", exact=True).evaluate(
        "node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]"
    )
    assert contrast(hexed(ink), hexed(ground)) >= AA_PART


def test_pictures_are_enlarged_sharply(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    finished(painter, pretend)
    painter.until_shown("-1.png$")
    width, rendering = painter.shown.evaluate(
        "node => [node.getBoundingClientRect().width, getComputedStyle(node).imageRendering]"
    )
    assert (width / 256 * 2) % 1 == 0
    assert rendering == "pixelated"


def test_live_painting_is_a_switch(painter: Painter, pretend: Pretend) -> None:
    pretend.glimpses.clear()
    live = painter.room.get_by_label("Live", exact=True)
    painter.write("a red house")
    painter.paint()
    finished(painter, pretend)  # whatever the strokes might have asked for has come by now
    assert pretend.glimpses == []
    live.check()  # shows at once what is there
    painter.until("live")
    painter.write("a blue house")
    painter.paint((((0.2, 0.8), (0.8, 0.8)),))
    finished(painter, pretend)
    assert pretend.glimpses[-1] == "a blue house"
    live.uncheck()
    asked = len(pretend.glimpses)
    painter.paint((((0.2, 0.2), (0.8, 0.2)),))
    finished(painter, pretend)
    assert len(pretend.glimpses) == asked


def test_what_is_painted_live_takes_no_result_away(painter: Painter, pretend: Pretend) -> None:
    painter.paint()
    painter.room.get_by_label("Live", exact=True).check()
    painter.until("live")
    back = painter.page.get_by_role("button", name="Back to the last result")
    assert back.is_hidden()  # there is none
    finished(painter, pretend)
    painter.words.click()
    painter.words.blur()  # which asks for a glimpse
    painter.until("live")
    back.click()
    painter.until_shown("-1.png$")
    painter.stage.get_by_role("link", name="Save as PNG").wait_for()
    assert back.is_hidden()


def test_a_glimpse_that_comes_late_leaves_the_run_its_stop(
    painter: Painter, pretend: Pretend
) -> None:
    painter.paint()
    painter.room.get_by_label("Live", exact=True).check()
    painter.until("live")
    pretend.answering.clear()
    pretend.glimpsing.clear()
    painter.words.focus()
    painter.words.blur()
    assert pretend.glimpsing.wait(30)
    pretend.go.clear()
    name = pretend.next_name
    painter.run.click()
    painter.until_said("One edit is before yours.")
    painter.stage.evaluate(PHASES)
    with painter.page.expect_event("requestfinished", lambda request: "/run/" in request.url):
        pretend.answering.set()
    assert painter.page.get_by_role("button", name="Stop", exact=True).is_visible()
    pretend.go.set()
    painter.until_saved(name)
    assert "live" not in painter.page.evaluate("phases")


def test_what_cannot_be_painted_live_is_a_sentence(painter: Painter, pretend: Pretend) -> None:
    painter.room.get_by_label("Live", exact=True).check()
    painter.write("fail")
    painter.paint()
    painter.until("failed")
    assert painter.message.startswith("The words are too odd.")
    assert painter.marks() > 0
