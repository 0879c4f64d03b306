"""Every method passes the contract: through the library, an endpoint and the page.

One toy model serves them all. Optional inputs are given once, and left out once; a method that
cannot do without one of them says so in a sentence.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from PIL import Image, ImageDraw

from pipelines import Bundle, drain
from pipelines.request import Picture, Range, Rows, Several, Switch, Words, hints
from studio.catalog import Entry, entries
from studio.models.loaded import Models
from tests.page.painter import Painter
from tests.studio.conftest import serving
from tests.toy_method import Redraw, redraw

ROOT = Path(__file__).resolve().parent.parent
METHODS = (*entries(), Entry("Redraw", "A toy · tests/toy_method.py", Redraw, redraw))
NEEDED = {"Replace": "Mark what to replace"}  # what is said where all that is optional is left out

every = pytest.mark.parametrize("entry", METHODS, ids=lambda entry: entry.name)
either = pytest.mark.parametrize("full", [True, False], ids=["full", "bare"])


def picture() -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    return Image.fromarray(pixels)


def mask() -> Image.Image:
    drawn = Image.new("L", (64, 64))
    ImageDraw.Draw(drawn).rectangle((16, 16, 47, 47), fill=255)
    return drawn


def values(entry: Entry, full: bool) -> dict[str, Any]:
    """What a program sends: all that is required, and `full` also what is optional."""
    sent: dict[str, Any] = {"num_inference_steps": 2, "seed": 5}
    for name, hint in hints(entry.request).items():
        required = isinstance(hint, Picture | Words | Rows) and hint.required
        if not (required or full):
            continue
        match hint:
            case Picture():
                sent[name] = mask() if hint.mode == "L" else picture()
            case Words():
                sent[name] = "a red house"
            case Rows():
                sent[name] = [{"prompt": "a blue house"}]
            case Switch():
                sent[name] = True
            case Several():
                sent[name] = [hint.each.high, hint.each.high / 2]
            case Range():
                pass
            case _:
                pass
    return sent


def request(entry: Entry, full: bool) -> Any:
    sent = values(entry, full)
    for name, hint in hints(entry.request).items():
        if isinstance(hint, Rows) and name in sent:
            sent[name] = [hint.row.read(row) for row in sent[name]]
    return entry.request(**sent)


def weights(bundle: Bundle) -> Mapping[str, torch.Tensor]:
    return {name: each.clone() for name, each in bundle.denoiser.state_dict().items()}


@pytest.fixture(scope="module")
def folder(toy_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("models") / "toy")


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def studio(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real studio with all methods, over the toy model."""
    models = Models(str(folder), "cpu", "float32")
    with serving(tmp_path_factory.mktemp("data"), METHODS, models) as live:
        yield live.url


@every
@either
def test_through_the_library(entry: Entry, full: bool, bundle: Bundle) -> None:
    if not full and entry.name in NEEDED:
        with pytest.raises(ValueError, match=NEEDED[entry.name]) as refusal:
            request(entry, full)
        assert str(refusal.value).endswith(".")
        return
    before = weights(bundle)
    run = entry.method(bundle, request(entry, full))
    moments: list[tuple[int, int]] = []
    try:
        while True:
            step = next(run)
            moments.append((step.moment.index, step.moment.total))
            assert step.latents.isfinite().all() and step.view()
            assert not bundle.controlled, "between two steps the networks are as they were loaded"
    except StopIteration as end:
        edit = end.value
    assert moments and moments[-1][0] == moments[-1][1]
    assert all(torch.equal(before[name], now) for name, now in weights(bundle).items())
    assert [each.mode for each in edit.images] == ["RGB"] * len(edit.seeds)
    assert edit.report.note == "" or edit.report.note.endswith(".")
    again = drain(entry.method(bundle, request(entry, full)))
    most = entry.name == "Compare"  # it keeps its source's run: a row alone equals its batch nearly
    for one, other in zip(edit.images, again.images, strict=True):
        gap = np.asarray(one, int) - np.asarray(other, int)
        assert np.abs(gap).max() <= most, "the same request draws the same picture"


@every
def test_outside_the_mask_are_the_originals_own_pixels(entry: Entry, bundle: Bundle) -> None:
    taken = hints(entry.request)
    if "mask_image" not in taken or any(isinstance(each, Rows) for each in taken.values()):
        return  # edits of a source keep what is the source's: their own tests say so
    outside = np.asarray(mask()) == 0
    for image in drain(entry.method(bundle, request(entry, True))).images:
        assert (np.asarray(image)[outside] == np.asarray(picture())[outside]).all()


@every
@either
def test_through_its_endpoint(entry: Entry, full: bool, studio: str, tmp_path: Path) -> None:
    sent = values(entry, full)
    for name in ("image", "mask_image"):
        if name in sent:
            path = tmp_path / f"{name}.png"
            sent[name].save(path)
            sent[name] = handle_file(path)
    client = Client(studio, verbose=False, download_files=tmp_path)
    job = client.submit(**sent, api_name=f"/{entry.name.lower()}")
    if not full and entry.name in NEEDED:
        with pytest.raises(Exception, match=NEEDED[entry.name]):
            job.result(timeout=60)
        return
    last: Any = job.result(timeout=60)
    assert last["status"] == "finished" and last["images"]
    told: Any = job.outputs()
    assert {each["status"] for each in told} <= {"waiting", "step", "finished"}
    for each in last["images"]:
        with Image.open(each) as image:
            assert image.format == "PNG" and "pentimento" in image.info


class Visitor(Painter):
    """Somebody who comes to any tab."""

    def ready(self) -> None:
        self.turn_to(self.tab)
        for part in (f"#stage-{self.key} .pt-plate", f"#run-{self.key}", f"#words-{self.key}"):
            self.page.wait_for_selector(part)
        if self.page.locator(f"#canvas-{self.key}").count():
            self.page.wait_for_selector(f"#canvas-{self.key} [data-ready]", state="attached")


@every
@either
def test_through_the_page(
    entry: Entry, full: bool, studio: str, browser: Any, tmp_path: Path
) -> None:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    visitor = Visitor(context.new_page(), studio, entry.name)
    taken, key = hints(entry.request), entry.name.lower()
    needs_picture = isinstance(taken.get("image"), Picture) and taken["image"].required  # pyright: ignore
    if (full or needs_picture) and visitor.canvas.is_visible():
        picture().resize((256, 256)).save(tmp_path / "picture.png")
        visitor.open_picture(tmp_path / "picture.png")
        if "mask_image" in taken and entry.name == "Replace" and full:
            visitor.paint()
    visitor.write("a red house")
    if visitor.page.locator(f"#edits-{key}").count():
        visitor.page.locator(f"#edits-{key} textarea").first.fill("a blue house")
    visitor.more()
    visitor.number("Steps", 2)
    visitor.run.click()
    phase = visitor.until("done", "failed")
    if not full and entry.name in NEEDED:
        assert phase == "failed" and NEEDED[entry.name] in visitor.message
    else:
        assert phase == "done", visitor.message
    assert visitor.errors == []
    context.close()


def test_contributing_shows_the_toy_method_as_it_is() -> None:
    """What is read there runs: it is the file that the other tests run."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    method, line = re.findall(r"```python\n(.*?)```", text, re.S)
    assert (ROOT / "tests" / "toy_method.py").read_text("utf-8").endswith(method)
    assert eval(line) == METHODS[-1]
