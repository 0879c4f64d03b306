"""What the canvas shows is what is edited, for every file; and whatever comes does something."""

import base64
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from components.contract.sketch import Sketch
from studio.inputs.sketches import guide, layers
from tests.page.conftest import Open
from tests.page.painter import Painter
from tests.page.pretend import Pretend
from tests.picture_files import PLACES, bomb, corners, encoded

CLOSE = 2  # of 255: what the eye saw is what is edited

# Bring files to the page, by mouse or clipboard; says whether the browser was kept from acting.
BRING = """([kind, selector, files, texts]) => {
    const transfer = new DataTransfer();
    for (const [name, content] of files) {
        const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
        transfer.items.add(new File([bytes], name));
    }
    for (const [type, text] of Object.entries(texts)) transfer.setData(type, text);
    const options = {bubbles: true, cancelable: true};
    const event = kind === "paste"
        ? new ClipboardEvent("paste", {...options, clipboardData: transfer})
        : new DragEvent(kind, {...options, dataTransfer: transfer});
    return !document.querySelector(selector).dispatchEvent(event);
}"""
SHEET = "#canvas-replace .pm-view"
# Open one file, and tell what the canvas shows then, or the sentence.
SHOWN = """async ([name, content]) => {
    const root = document.querySelector("#canvas-replace .pm-canvas");
    const input = root.querySelector("[aria-label='Picture file']");
    const notice = root.querySelector(".pm-notice");
    notice.textContent = "";
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
    input.files = transfer.files;
    const answer = new Promise((done) => {
        root.addEventListener("pentimento:stroke", () => done(""), {once: true});
        new MutationObserver(() => {
            const said = notice.textContent;
            if (said && !said.startsWith("Opening")) done(said);
        }).observe(notice, {childList: true});
    });
    input.dispatchEvent(new Event("change"));
    const said = await answer;
    return said || root.querySelector(".pm-picture").toDataURL("image/png");
}"""


@pytest.fixture
def painter(opened: Open, pretend_url: str, pretend: Pretend) -> Painter:
    pretend.go.set()
    return opened(pretend_url, "Replace")


def coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def shown(painter: Painter, content: bytes) -> np.ndarray[Any, Any]:
    """What the canvas shows of a file."""
    answer = painter.page.evaluate(SHOWN, ["picture", coded(content)])
    assert answer.startswith("data:image/png;base64,"), answer
    picture = Image.open(io.BytesIO(base64.b64decode(answer.partition(",")[2])))
    return np.asarray(picture.convert("RGB")).astype(int)


def edited(folder: Path, content: bytes) -> np.ndarray[Any, Any]:
    """What a run takes of it."""
    path = folder / "file"
    path.write_bytes(content)
    image = guide(layers(Sketch(path, None, None, 1, 1))).image
    assert image is not None
    return np.asarray(image).astype(int)


def animated(form: str) -> bytes:
    """A red picture that turns blue."""
    frames = [Image.new("RGB", (40, 24), colour) for colour in ("red", "blue", "blue")]
    named: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    return encoded(
        frames[0], form, save_all=True, append_images=frames[1:], duration=40, loop=0, **named
    )


def see_through() -> Image.Image:
    picture = corners(4).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def deep() -> Image.Image:
    values = np.linspace(0, 65535, 64 * 32).reshape(32, 64).astype(np.uint16)
    return Image.fromarray(values)


def profiled() -> bytes:
    """A file whose profile takes red for green, as no browser's canvas would by chance."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")
    return encoded(corners(4), "PNG", icc_profile=swapped)


KINDS: dict[str, Callable[[], bytes]] = {
    "GIF animated": lambda: animated("GIF"),
    "WebP animated": lambda: animated("WEBP"),
    "APNG": lambda: animated("PNG"),
    "AVIF animated": lambda: animated("AVIF"),
    "PNG alpha": lambda: encoded(see_through(), "PNG"),
    "WebP alpha": lambda: encoded(see_through(), "WEBP", lossless=True),
    "AVIF alpha": lambda: encoded(see_through(), "AVIF", quality=95),
    "GIF see-through": lambda: encoded(corners(4).quantize(4), "GIF", transparency=1),
    "PNG palette": lambda: encoded(corners(4).quantize(4), "PNG", transparency=b"\xff\x80\x00\xff"),
    "PNG gray with alpha": lambda: encoded(see_through().convert("LA"), "PNG"),
    "PNG 1 bit": lambda: encoded(corners(4).convert("1"), "PNG"),
    "PNG 16 bit": lambda: encoded(deep(), "PNG"),
    "PNG with a profile": profiled,
    "JPEG gray": lambda: encoded(corners(4).convert("L"), "JPEG", quality=90),
    "JPEG CMYK": lambda: encoded(corners(4).convert("CMYK"), "JPEG", quality=90),
    "JPEG progressive": lambda: encoded(corners(4), "JPEG", progressive=True),
    "BMP": lambda: encoded(corners(4), "BMP"),
    "BMP with alpha": lambda: encoded(see_through(), "BMP"),
    "PNG small": lambda: encoded(Image.new("RGB", (8, 9), "teal"), "PNG"),
}


def test_the_canvas_shows_what_is_edited_however_the_file_is_turned(
    painter: Painter, tmp_path: Path
) -> None:
    wrong: list[str] = []
    for place, make in PLACES.items():
        for turn in range(1, 9):
            content = make(corners(4), turn)
            seen, taken = shown(painter, content), edited(tmp_path, content)
            if seen.shape != taken.shape:
                wrong.append(f"{place} {turn}: {seen.shape} is seen, {taken.shape} edited")
            elif (far := int(abs(seen - taken).max())) > CLOSE:
                wrong.append(f"{place} {turn}: {far} of 255")
    assert wrong == []


def test_the_canvas_shows_what_is_edited_of_every_kind(painter: Painter, tmp_path: Path) -> None:
    wrong: list[str] = []
    for kind, make in KINDS.items():
        content = make()
        seen, taken = shown(painter, content), edited(tmp_path, content)
        if seen.shape != taken.shape or abs(seen - taken).max() > CLOSE:
            wrong.append(f"{kind}: {seen[0, 0]} is seen, {taken[0, 0]} is edited")
    assert wrong == []


def test_a_large_picture_is_shown_smaller_and_edited_whole(
    painter: Painter, pretend: Pretend, tmp_path: Path
) -> None:
    content = encoded(corners(250), "JPEG", quality=95)
    seen = shown(painter, content)
    assert seen.shape == (1024, 2048, 3)
    whole = Image.fromarray(edited(tmp_path, content).astype(np.uint8))
    smaller = whole.resize((2048, 1024), Image.Resampling.LANCZOS)
    assert abs(seen - np.asarray(smaller).astype(int)).max() <= CLOSE
    painter.paint()
    name = pretend.next_name
    painter.run.click()
    painter.until_saved(name)
    picture = pretend.jobs[name].sketch.picture
    assert picture is not None and picture.read_bytes() == content


# -- what is refused when it comes


REFUSED: list[tuple[bytes, str]] = [
    (bomb(8001, 8000), "64 million is the most"),
    (encoded(Image.new("RGB", (40, 7)), "PNG"), "each side needs at least 8"),
    (encoded(Image.new("RGB", (40_000, 8)), "PNG"), "too narrow"),
    (encoded(corners(4), "PNG")[:60], "That file is not a picture"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "That file is not a picture"),
    (b"", "That file is empty."),
]


def test_what_a_run_would_refuse_is_refused_when_it_is_opened(painter: Painter) -> None:
    painter.paint((((0.2, 0.5), (0.8, 0.5)),))
    marks = painter.marks("mask")
    for content, sentence in REFUSED:
        assert sentence in painter.page.evaluate(SHOWN, ["picture", coded(content)])
    assert painter.marks("mask") == marks > 0
    painter.press("Undo")
    assert painter.marks("mask") == 0, "the stroke is the last step there is"


# -- pasting and dropping


def bring(
    painter: Painter,
    kind: str,
    files: int = 0,
    texts: dict[str, str] | None = None,
    at: str = SHEET,
    content: bytes | None = None,
) -> bool:
    """Whether the page took it upon itself, instead of leaving it to the browser."""
    given = coded(content or encoded(corners(4), "PNG"))
    named = [[f"{number}.png", given] for number in range(files)]
    return painter.page.evaluate(BRING, [kind, at, named, texts or {}])


def until_size(painter: Painter, size: str) -> None:
    painter.canvas.locator(".pm-caption", has_text=size).wait_for()


@pytest.fixture
def masked(painter: Painter) -> Iterator[Painter]:
    painter.paint()
    marks = painter.marks("mask")
    yield painter
    assert painter.marks("mask") >= marks > 0, "nothing of what was on the canvas is lost"


def test_a_picture_comes_wherever_the_caret_or_the_mouse_is(painter: Painter) -> None:
    painter.write("a red house")
    places = [
        (k, at) for k in ("paste", "drop") for at in ("#words-replace textarea", "#header", SHEET)
    ]
    assert bring(painter, "dragover", 1, at="#header"), "else the browser would show the file"
    for number, (kind, at) in enumerate(places, start=2):
        assert bring(painter, kind, 1, at=at, content=encoded(corners(number), "PNG"))
        until_size(painter, f"{16 * number} × {8 * number}")
    assert painter.words.input_value() == "a red house"


def test_words_go_into_words(painter: Painter) -> None:
    words, written = "#words-replace textarea", {"text/plain": "a red house"}
    assert not bring(painter, "drop", texts=written, at=words)
    assert not bring(painter, "paste", texts=written, at=words)
    assert not bring(painter, "paste", 1, written, at=words), "some programs add a picture of them"


NOT_TAKEN: list[tuple[str, int, dict[str, str], str]] = [
    ("drop", 0, {"text/uri-list": "https://example.org/a.png"}, "picture of another site"),
    ("drop", 0, {"text/plain": "a red house"}, "There is no picture in that."),
    ("drop", 0, {"text/uri-list": "http://[/"}, "picture of another site"),
    ("drop", 3, {}, "Those are 3 files."),
    ("drop", 0, {"text/uri-list": "/studio/nothing.png"}, "leads to no picture"),
    ("drop", 0, {}, "There is no picture in that."),
    ("paste", 0, {"text/plain": "a red house"}, "no picture on the clipboard"),
    ("paste", 2, {}, "Those are 2 files."),
    ("paste", 0, {}, "no picture on the clipboard"),
]


def test_what_cannot_be_taken_is_a_sentence(masked: Painter) -> None:
    for kind, files, texts, sentence in NOT_TAKEN:
        assert bring(masked, kind, files, texts)
        masked.canvas.locator(".pm-notice", has_text=sentence).wait_for()


def test_a_picture_of_this_page_can_be_dropped(masked: Painter) -> None:
    address = masked.page.locator(".pt-examples img").first.get_attribute("src")
    assert address is not None
    assert bring(masked, "drop", texts={"text/uri-list": f"# an example\r\n{address}"})
    masked.page.wait_for_function(
        "document.querySelector('#canvas-replace .pm-canvas').dataset.empty !== 'true'"
    )


def test_a_folder_or_an_unreadable_file_is_a_sentence(masked: Painter) -> None:
    masked.page.evaluate(
        "() => { File.prototype.arrayBuffer = () => Promise.reject(new DOMException('gone')); }"
    )
    bring(masked, "drop", 1)
    masked.canvas.locator(".pm-notice", has_text="cannot be read: it may be a folder").wait_for()
    masked.page.evaluate(
        "() => { DataTransferItem.prototype.webkitGetAsEntry = () => ({isDirectory: true}); }"
    )
    bring(masked, "drop", 1)
    masked.canvas.locator(".pm-notice", has_text="That is a folder.").wait_for()


def test_a_server_that_cannot_be_reached_is_a_sentence(painter: Painter) -> None:
    painter.paint()
    marks = painter.marks("mask")
    for number, route in enumerate(("upload", "component_server"), start=2):
        broken = re.compile(f"/gradio_api/{route}")
        painter.page.route(broken, lambda each: each.abort())
        bring(painter, "drop", 1)
        painter.canvas.locator(".pm-notice", has_text="Nothing was changed: try again.").wait_for()
        assert painter.marks("mask") == marks > 0
        painter.page.unroute(broken)
        bring(painter, "drop", 1, content=encoded(corners(number), "PNG"))
        until_size(painter, f"{16 * number} × {8 * number}")
        painter.press("Undo")


def test_behind_a_dialog_a_picture_waits(painter: Painter) -> None:
    painter.page.keyboard.press("?")
    painter.page.get_by_role("dialog").wait_for()
    bring(painter, "paste", 1, at="dialog[open]")
    painter.page.get_by_text("Close this window first").wait_for()


# -- a file is sent once


# What is uploaded from now on, by its layer.
UPLOADS = """() => {
    window.uploads = [];
    const fetched = window.fetch;
    window.fetch = (target, options) => {
        if (String(target.url ?? target).includes("/gradio_api/upload"))
            window.uploads.push(options.body.get("files").name);
        return fetched(target, options);
    };
}"""


def test_a_picture_is_uploaded_once_and_a_result_never(painter: Painter, pretend: Pretend) -> None:
    painter.page.evaluate(UPLOADS)
    content = encoded(corners(250), "JPEG", quality=95)
    shown(painter, content)
    painter.paint()

    def run() -> Path:
        name = pretend.next_name
        painter.run.click()
        painter.until_saved(name)
        picture = pretend.jobs[name].sketch.picture
        assert picture is not None
        return picture

    first, second = run(), run()
    assert first == second and first.read_bytes() == content
    result = pretend.folder / f"job-{pretend.begun - 1}" / "0.png"
    painter.press("Accept")
    until_size(painter, "256 × 256")
    assert run().read_bytes() == result.read_bytes()
    sent = painter.page.evaluate("window.uploads")
    assert sent.count("picture") == 1 and sent.count("mask") >= 3


def test_a_picture_that_the_server_has_lost_is_sent_again(
    painter: Painter, pretend: Pretend, tmp_path: Path
) -> None:
    content = encoded(corners(4), "PNG")
    shown(painter, content)
    painter.paint()
    name = pretend.next_name
    painter.run.click()
    painter.until_saved(name)
    picture = pretend.jobs[name].sketch.picture
    assert picture is not None
    picture.unlink()
    painter.reload()
    name = pretend.next_name
    painter.run.click()
    painter.until_saved(name)
    again = pretend.jobs[name].sketch.picture
    assert again is not None
    assert np.array_equal(edited(tmp_path, again.read_bytes()), edited(tmp_path, content))
