"""A choice of another model: one at a time, told as it goes, and the former serves on."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from components.contract.installed import Offer, Progress
from studio import app
from studio.models.choosing import BROKEN, BUSY, Choice
from studio.models.chosen import NOTHING, OnTop
from studio.models.hub import Cancelled
from studio.models.installed import Installed
from studio.models.loaded import Models
from studio.settings import Settings
from tests.conftest import POSTCARD


class PretendHub:
    """Brings the model at `folder` once `go` is set; "no/such" it does not have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.go = threading.Event()
        self.begun = threading.Event()
        self.fetched: list[str] = []

    def fetch(self, name: str, tell: Callable[[int, int], Any], cancelled: Any) -> Path:
        self.fetched.append(name)
        if name == "no/such":
            raise ValueError("The hub has no model called no/such.")
        tell(1, 2)
        self.begun.set()
        while not self.go.wait(0.01):
            if cancelled():
                time.sleep(0.2)  # until the hub answers
                self.fetched.append("left")
                raise Cancelled
        return self.folder


class Networks(str):
    note = ""
    unused: ClassVar[dict[str, str]] = {}


class House:
    """A studio as far as a choice goes."""

    def __init__(self, tmp_path: Path, land: Path) -> None:
        self.land = land
        self.hub = PretendHub(self.land)
        self.error: Exception | None = None
        self.turning: Exception | None = None  # why there can be no page
        self.loads: list[str] = []
        self.before: list[str] = []  # what the hub was asked before the last load
        self.served: list[str] = []  # the model for which a page was built
        self.models = Models(str(POSTCARD), "cpu", "float32", self.load, lambda _: None)
        self.models.bundle()
        installed = Installed(POSTCARD, tmp_path / "models", tmp_path / "cache")
        hub: Any = self.hub
        self.choice = Choice(self.models, installed, hub, self.changed)

    def load(self, source: str, **_: Any) -> Any:
        if self.error is not None:
            raise self.error
        self.loads.append(source)
        self.before = list(self.hub.fetched)
        return Networks(f"networks of {source}")

    async def changed(self) -> None:
        if self.turning is not None:
            raise self.turning
        self.served.append(self.models.source)

    def offer(self) -> Offer:
        """What there is to choose from, all of it."""

        async def last() -> Offer:
            offers = [offer async for _, offer in self.choice.look()]
            return offers[-1]

        return asyncio.run(last())

    async def end(self) -> Progress:
        last = Progress()
        async for progress, _ in self.choice.look():
            last = progress
        return last


@pytest.fixture
def house(tmp_path: Path, toy_model: Callable[..., Path]) -> House:
    return House(tmp_path, toy_model(tmp_path / "models" / "land"))


def serving(house: House) -> list[str]:
    return [each.name for each in house.offer().installed if each.serving]


def test_a_path_is_loaded_and_served(house: House) -> None:
    async def choose() -> list[Progress]:
        house.choice.choose(f" {house.land} ")
        return [progress async for progress, _ in house.choice.look()]

    assert serving(house) == ["Postcard"]
    told = asyncio.run(choose())
    phases = [each.phase for each in told]
    assert phases == sorted(phases, reverse=True) and {*phases} <= {"loading", "chosen"}
    assert (told[-1].phase, told[-1].text) == ("chosen", "land")
    assert house.served == [house.models.source] == [str(house.land)]
    assert serving(house) == ["land"]


def test_a_choice_that_was_made_before_is_no_news(house: House) -> None:
    """Else a page that has asked for the next one would take it for that, and come back early."""

    async def phases() -> tuple[list[str], list[str]]:
        house.choice.choose(str(house.land))
        seen = [progress.phase async for progress, _ in house.choice.look()]
        return seen, [progress.phase async for progress, _ in house.choice.look()]

    first, second = asyncio.run(phases())
    assert first[-1] == "chosen" and {*second} == {"idle"}


@pytest.mark.parametrize(
    "wanted", ["", "land", "/no/where", "a/b/c", "../x", "~nobody/x", "\0", "/x" * 999]
)
def test_what_names_nothing_is_refused_at_once(wanted: str, house: House) -> None:
    async def choose() -> None:
        with pytest.raises(ValueError, match=r"hub.*\.$"):
            house.choice.choose(wanted)

    asyncio.run(choose())
    assert house.hub.fetched == [] and house.loads == [str(POSTCARD)]


def test_one_choice_at_a_time(house: House) -> None:
    async def choose() -> Progress:
        house.choice.choose("ada/land")
        with pytest.raises(ValueError, match=BUSY):
            house.choice.choose(str(house.land))
        house.hub.go.set()
        return await house.end()

    assert asyncio.run(choose()).phase == "chosen"
    assert house.hub.fetched == ["ada/land"]


def test_a_model_that_is_here_is_not_fetched(house: House) -> None:
    async def choose() -> Progress:
        house.choice.choose("models/land")
        return await house.end()

    own = house.land.parent / "models"
    own.mkdir()
    house.land.rename(own / "land")
    assert asyncio.run(choose()).phase == "chosen"
    assert house.hub.fetched == [] and house.models.source == str(own / "land")


def test_cancel_is_told_at_once_and_another_choice_follows(house: House) -> None:
    async def choose() -> Progress:
        house.choice.choose("ada/land")
        await asyncio.to_thread(house.hub.begun.wait, 10)
        house.choice.cancel()
        assert (await house.end()).phase == "idle"
        house.choice.choose(str(house.land))
        return await house.end()

    assert asyncio.run(choose()).phase == "chosen"
    assert house.loads == [str(POSTCARD), str(house.land)]
    assert house.before == ["ada/land", "left"]  # never two of them in one folder


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("It does not fit."), "It does not fit."),
        (ValueError("{path} is odd\nTraceback"), "land is odd."),
        (torch.OutOfMemoryError(), "There is not enough memory for land"),
        (MemoryError(), "There is not enough memory for land"),
        (RuntimeError("CUDA error"), "land could not be loaded; the log says why."),
        (OSError(5, "Input/output error"), "land could not be loaded; the log says why."),
    ],
)
def test_a_failure_is_a_sentence_and_the_former_serves(
    error: Exception, sentence: str, house: House
) -> None:
    async def choose() -> Progress:
        house.choice.choose(str(house.land))
        return await house.end()

    texts = (str(each).replace("{path}", str(house.land)) for each in error.args[:1])
    house.error = type(error)(*texts, *error.args[1:])
    told = asyncio.run(choose())
    assert told.phase == "failed" and told.text.startswith(sentence) and told.text.endswith(".")
    assert house.models.bundle() == f"networks of {POSTCARD}"
    assert house.served == [] and serving(house) == ["Postcard"]


def test_a_model_whose_page_cannot_be_built_gives_way_to_the_former(house: House) -> None:
    async def choose() -> Progress:
        house.choice.choose(str(house.land))
        return await house.end()

    house.turning = KeyError("name")
    told = asyncio.run(choose())
    assert (told.phase, told.text) == ("failed", BROKEN.format("land"))
    assert "The former model serves on." in told.text
    assert house.models.bundle() == f"networks of {POSTCARD}"
    assert serving(house) == ["Postcard"]


def test_what_is_not_whole_is_not_tried(house: House) -> None:
    async def choose() -> Progress:
        house.choice.choose(str(house.land))
        return await house.end()

    (house.land / "unet" / "config.json").unlink()
    assert asyncio.run(choose()).text.startswith("The unet of land is not all there")
    assert house.loads == [str(POSTCARD)]


def test_a_hub_without_the_model(house: House) -> None:
    async def choose() -> Progress:
        house.choice.choose("no/such")
        return await house.end()

    assert asyncio.run(choose()).text == "The hub has no model called no/such."


def test_a_last_choice_that_fails_on_top_alone_is_the_same_model_without(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(source: str, loras: dict[str, float], **_: Any) -> Any:
        if loras:
            raise ValueError("style is broken.")
        return Networks(f"networks of {source}")

    turned: list[bool] = []
    pages: Any = SimpleNamespace(turn_soon=lambda: turned.append(True))
    on_top = OnTop((("/a/style.safetensors", 1.0),))
    models = Models(str(house.land), "cpu", "float32", load, lambda _: None, on_top)
    app.prepare(models, replace(Settings.read([], {}), asked=False), house.choice, pages)
    said = "The model with what is on top of it did not load. style is broken."
    assert capsys.readouterr().err == f"{said}\n"
    assert asyncio.run(house.end()).text == said
    assert (models.bundle(), models.on_top, turned) == (
        f"networks of {house.land}",
        NOTHING,
        [True],
    )


@pytest.mark.parametrize("asked", [False, True])
def test_a_last_choice_that_cannot_be_loaded_gives_way_to_the_embedded_model(
    asked: bool, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    class NoPages:
        turned = 0

        def turn_soon(self) -> None:
            self.turned += 1

    def load(source: str, **_: Any) -> Any:
        if source == str(house.land):
            raise ValueError("land is broken.")
        return "networks"

    pages: Any = NoPages()
    models = Models(str(house.land), "cpu", "float32", load, lambda _: None)
    settings = replace(Settings.read([], {}), asked=asked)
    if asked:
        with pytest.raises(ValueError, match=r"^land is broken\.$"):
            app.prepare(models, settings, house.choice, pages)
    else:
        app.prepare(models, settings, house.choice, pages)
    told = asyncio.run(house.end())
    assert capsys.readouterr().err == "The model did not load. land is broken.\n"
    assert (models.source, pages.turned, told.text) == (
        (str(house.land), 0, "")
        if asked
        else (str(POSTCARD), 1, "The model did not load. land is broken.")
    )
