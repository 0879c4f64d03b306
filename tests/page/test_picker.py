"""Another model is chosen on the page of the real studio, which becomes that model's page."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import huggingface_hub.constants
import pytest
from PIL import Image

from studio.models import chosen
from studio.models.chosen import NOTHING, OnTop
from studio.models.hub import Hub
from studio.models.installed import Installed
from studio.settings import POSTCARD, Settings
from tests.addons import lora, lora_of_width, word
from tests.page.conftest import Open, serving
from tests.page.painter import Painter
from tests.studio.hub_server import HubServer, hub_server

ADDED = "ada/harbours"


@dataclass
class Studio:
    url: str
    data: Path
    hub: HubServer


def landscapes(folder: Path, title: str = "Landscapes") -> Path:
    """Give a model a face of its own."""
    told: dict[str, Any] = {"title": title, "size": 64, "family": "Small pictures"}
    told |= {"defaults": {"num_inference_steps": 3, "guidance_scale": 2.0}}
    told |= {"vocabulary": {"Land": ["moor", "fen"]}, "swatches": [["moss", "#506030"]]}
    (folder / "studio.json").write_text(json.dumps(told))
    (folder / "examples").mkdir()
    Image.new("RGB", (64, 64), "olive").save(folder / "examples" / "moor.png")
    listed = [{"name": "The moor", "image": "moor.png", "prompt": "moor"}]
    (folder / "examples" / "paint.json").write_text(json.dumps(listed))
    return folder


@pytest.fixture
def studio(
    tmp_path: Path,
    postcard: Any,
    toy_model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Studio]:
    from pipelines import Bundle
    from studio.app import create
    from studio.models.loaded import Models

    def load(source: str, **given: Any) -> Bundle:
        alone = source == str(POSTCARD) and not given["loras"] and not given["embeddings"]
        return postcard if alone else Bundle.load(source, **given)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    models = tmp_path / "models"
    landscapes(toy_model(models / "land"))
    landscapes(toy_model(models / "broken", block_out_channels=[8]), "Broken")
    (models / "cut.safetensors").write_bytes(bytes(20))
    with hub_server() as hub, socket.create_server(("127.0.0.1", 0)) as listener:
        hub.models[ADDED] = landscapes(toy_model(tmp_path / "remote"), "Harbours")
        port = str(listener.getsockname()[1])
        arguments = ["--port", port, "--device", "cpu", "--models", str(models)]
        settings = Settings.read([*arguments, "--data", str(tmp_path), "--no-browser"], {})
        loaded = Models(settings.model, "cpu", "float32", load=load)
        app = create(settings, loaded, hub=Hub(models, endpoint=hub.url))
        with serving(app, listener):
            yield Studio(settings.url, tmp_path, hub)


@pytest.fixture
def painter(opened: Open, studio: Studio) -> Painter:
    return opened(studio.url)


def pill(painter: Painter) -> Any:
    return painter.page.locator(".pt-pill")


def look(painter: Painter) -> Any:
    """Open the picker, and wait until it has its list."""
    pill(painter).click()
    dialog = painter.page.get_by_role("dialog", name="Models")
    dialog.get_by_text("in use").wait_for()
    return dialog


def becomes(painter: Painter, name: str, act: Callable[[], object]) -> None:
    """Wait until the page has come back as that of this model."""
    act()
    painter.page.wait_for_function(
        "name => document.querySelector('.pt-pill')?.textContent.startsWith(name)", arg=name
    )
    painter.ready()


def until_written(painter: Painter, words: str) -> None:
    """Wait until the words are in their box: after a load they come back a moment later."""
    painter.page.wait_for_function(
        "words => document.querySelector('#words-paint textarea').value === words", arg=words
    )


def test_another_models_page(painter: Painter, studio: Studio) -> None:
    painter.paint()
    marks = painter.marks()
    painter.write("a red house")
    painter.more()
    painter.number("Steps", 7)
    dialog = look(painter)
    assert dialog.locator("li[aria-current]").inner_text().startswith("Postcard")
    assert "Small pictures" in dialog.locator("li", has_text="Landscapes").inner_text()
    assert dialog.get_by_text("One more cannot be used").is_visible()

    becomes(painter, "Landscapes", dialog.get_by_role("button", name="Use Landscapes").click)
    room = painter.room
    room.get_by_role("button", name="The moor").wait_for()
    assert room.get_by_role("button", name="Sailing home").count() == 0
    assert room.locator(".pt-chip").all_inner_texts() == ["moor", "fen"]
    painter.until_marks(marks)
    until_written(painter, "a red house")
    painter.more()
    assert room.get_by_label("number input for Steps").input_value() == "3"
    painter.run.click()
    painter.until("done")
    assert chosen.read(studio.data) == (str(studio.data / "models" / "land"), NOTHING)

    room.get_by_role("button", name="The moor").click()
    until_written(painter, "moor")


def test_a_model_that_fails_leaves_the_former_one(painter: Painter, studio: Studio) -> None:
    dialog = look(painter)
    said = dialog.get_by_role("status")
    dialog.get_by_role("button", name="Use Broken").click()
    painter.page.wait_for_function(
        "() => document.querySelector('.pt-progress').dataset.phase === 'failed'"
    )
    assert said.inner_text().endswith(".") and "Traceback" not in said.inner_text()
    field = dialog.get_by_label("Another one")
    for wanted, sentence in (
        ("/no/where", "There is no model at /no/where."),
        ("no/such", "The hub has no model called no/such"),
        (str(studio.data / "models" / "cut.safetensors"), "cut.safetensors is cut off"),
    ):
        field.fill(wanted)
        field.press("Enter")
        said.get_by_text(sentence).wait_for()
    dialog.get_by_role("button", name="Close").click()
    assert pill(painter).inner_text().startswith("Postcard")
    assert chosen.read(studio.data) is None
    painter.paint()
    painter.run.click()
    painter.until("done")


def test_one_is_added_cancelled_and_added_again(painter: Painter, studio: Studio) -> None:
    studio.hub.go.clear()
    dialog = look(painter)
    dialog.get_by_label("Another one").fill(ADDED)
    dialog.get_by_role("button", name="Add").click()
    dialog.get_by_text(f"Fetching {ADDED}: ").wait_for()
    assert studio.hub.held.wait(10)
    assert dialog.get_by_role("button", name="Use Landscapes").is_disabled()

    painter.reload()  # what is under way is found again
    dialog = look(painter)
    dialog.get_by_text(f"Fetching {ADDED}: ").wait_for()
    dialog.get_by_role("button", name="Cancel").click()
    painter.page.wait_for_function("() => document.querySelector('.pt-progress').hidden")
    assert not (studio.data / "models" / "ada").exists()

    studio.hub.go.set()
    dialog.get_by_label("Another one").fill(ADDED)
    becomes(painter, "Harbours", dialog.get_by_role("button", name="Add").click)
    begun = [file for file, start in studio.hub.asked if start == 0]
    assert len(begun) == len(set(begun))  # what had arrived was not fetched again
    dialog = look(painter)
    assert dialog.locator("li[aria-current]").inner_text().startswith("Harbours")


def test_another_tab_is_told_and_can_go_on(painter: Painter, studio: Studio, opened: Open) -> None:
    other = opened(studio.url)
    other.paint()
    other.write("a house")
    marks = other.marks()
    dialog = look(painter)
    becomes(painter, "Landscapes", dialog.get_by_role("button", name="Use Landscapes").click)
    other.run.click()
    bar = other.page.get_by_role("alert")
    bar.get_by_text("The studio serves another model now.").wait_for()
    becomes(other, "Landscapes", bar.get_by_role("button", name="Reload").click)
    other.until_marks(marks)
    until_written(other, "a house")
    other.run.click()
    other.until("done")


def test_what_is_ticked_goes_on_top_and_comes_off(
    painter: Painter, studio: Studio, postcard: Any
) -> None:
    dialog = look(painter)
    assert dialog.locator(".pt-over").is_hidden()
    models = studio.data / "models"
    style = lora(models / "style.safetensors", postcard.denoiser)
    barn = word(models / "barn.safetensors", 128)
    lora_of_width(models / "other.safetensors", 2048)

    painter.reload()
    dialog = look(painter)
    dialog.get_by_role("heading", name="On top of Postcard").wait_for()
    dialog.get_by_text("2 more cannot be used").click()
    assert dialog.get_by_text("other.safetensors is a LoRA for Stable Diffusion XL").is_visible()
    apply = dialog.get_by_role("button", name="Apply")
    weight = dialog.get_by_label("Weight of style")
    assert apply.is_disabled() and weight.is_disabled()
    dialog.get_by_role("checkbox", name="style").focus()
    painter.page.keyboard.press("Space")
    dialog.get_by_text("a word for prompts").click()
    for wrong in ("", "2.5"):
        weight.fill(wrong)
        assert apply.is_disabled()
    weight.fill("0.65")
    dialog.get_by_label("Another one").fill("no/such")
    dialog.get_by_role("button", name="Add").click()
    dialog.get_by_role("status").get_by_text("The hub has no model").wait_for()
    assert weight.input_value() == "0.65"  # what is told meanwhile leaves it alone

    becomes(painter, "Postcard + 2", apply.click)
    on_top = OnTop(((str(style), 0.65),), (str(barn),))
    assert chosen.read(studio.data) == (str(POSTCARD), on_top)
    assert "style × 0.65, barn" in pill(painter).get_attribute("title")
    painter.paint()
    painter.room.get_by_role("button", name="Taught").click()
    painter.write("a red house")
    painter.room.get_by_role("button", name="barn", exact=True).click()
    until_written(painter, "a red house barn")
    painter.more()
    painter.number("Steps", 3)
    painter.run.click()
    painter.until("done")
    (recipe,) = (studio.data / "edits").glob("*/request.json")
    told = json.loads(recipe.read_text())
    assert (told["model"], told["loras"]) == ("postcard", {"style": 0.65})
    assert told["embeddings"] == ["barn"]

    dialog = look(painter)
    assert dialog.get_by_label("Weight of style").input_value() == "0.65"
    apply = dialog.get_by_role("button", name="Apply")
    dialog.get_by_role("checkbox", name="style").uncheck()
    assert apply.is_enabled()
    dialog.get_by_role("checkbox", name="style").check()
    assert apply.is_disabled()  # as it serves
    for name in ("style", "barn"):
        dialog.get_by_role("checkbox", name=name).uncheck()
    becomes(painter, "Postcard ·", apply.click)
    assert chosen.read(studio.data) == (str(POSTCARD), NOTHING)
    assert painter.room.get_by_role("button", name="Taught").count() == 0


def test_a_look_that_ends_after_the_click_does_not_bring_the_page_back(
    painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is still being read when a model is chosen, and the click is slow to arrive."""
    read = Installed.read
    listed = Event()
    clicks: list[Any] = []

    def slowly(installed: Installed, *given: Any) -> Iterator[Any]:
        yield from read(installed, *given)
        assert listed.wait(60)

    becomes(painter, "Landscapes", look(painter).get_by_role("button", name="Use Landscapes").click)
    monkeypatch.setattr(Installed, "read", slowly)
    dialog = look(painter)
    reading = dialog.get_by_text("Reading what else lies there")
    reading.wait_for()
    painter.page.evaluate("window.former = true")
    painter.page.route("**/queue/join*", lambda route: clicks.append(route))
    use = dialog.get_by_role("button", name="Use Postcard")
    use.click()
    listed.set()
    reading.wait_for(state="hidden")
    painter.page.wait_for_timeout(500)  # for a reload that would be too early
    assert painter.page.evaluate("window.former")
    assert dialog.get_by_role("status").inner_text().startswith("Loading Postcard")
    assert use.is_disabled()
    for click in clicks:  # and any other that was held with it
        click.continue_()
    painter.page.unroute("**/queue/join*")
    becomes(painter, "Postcard", lambda: None)


def test_what_fails_on_top_leaves_the_ticks(painter: Painter, studio: Studio) -> None:
    lora_of_width(studio.data / "models" / "lost.safetensors", 128)
    dialog = look(painter)
    dialog.get_by_role("checkbox", name="lost").check()
    dialog.get_by_label("Weight of lost").fill("-1.5")
    dialog.get_by_label("Weight of lost").press("Enter")
    dialog.get_by_role("status").get_by_text("lost.safetensors").wait_for()
    assert dialog.get_by_role("checkbox", name="lost").is_checked()
    assert dialog.get_by_label("Weight of lost").input_value() == "-1.5"
    assert dialog.get_by_role("button", name="Apply").is_enabled()
    assert pill(painter).inner_text().startswith("Postcard ·")
    assert chosen.read(studio.data) is None
