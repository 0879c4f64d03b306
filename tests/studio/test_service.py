"""The verbs that a tab is given, with a toy method behind them."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from components.contract.events import Event, Failed, Finished
from components.contract.sketch import Sketch
from pipelines.sdedit import SDEdit
from studio.inputs.picture_files import Layers
from studio.inputs.sketches import EMPTY
from studio.runs.engine import NO_MEMORY, Engine, Order
from studio.runs.history import History
from studio.runs.jobs import GONE, Jobs
from studio.service import Service
from tests.studio import pretend

WHITE = Image.new("RGB", (32, 32), "white")


class Place:
    """A service, and the requests that reached its method."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[Any] = []
        self.bundles: list[Any] = []
        self.values: list[float] = []  # of the latents
        self.history = History(folder / "data")
        self.open()

    def open(self) -> None:
        """As after a new start: the history is there, the jobs are not."""
        self.jobs = Jobs()
        self.jobs.open()
        self.models = models = pretend.models(self.folder)
        self.engine = engine = Engine(models, self.history, [self.folder])
        self.service = Service(
            "Paint", SDEdit, self.method, self.jobs, engine, self.history, models, self.folder
        )

    def method(self, bundle: Any, request: Any) -> Any:
        self.requests.append(request)
        self.bundles.append(bundle)
        return pretend.steps(2, self.values)(bundle, request)

    def run(self, sketch: Sketch, values: dict[str, Any]) -> Event:
        job = self.service.start(sketch, values, "ada")
        return self.last(job)

    def last(self, job: str, visitor: str = "ada") -> Event:
        async def all_of() -> list[Event]:
            return [event async for event in self.service.watch(job, visitor)]

        return asyncio.run(asyncio.wait_for(all_of(), 10))[-1]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.jobs.close()
    place.history.close()


@pytest.fixture
def sketch(tmp_path: Path) -> Sketch:
    path = tmp_path / "picture.png"
    Image.new("RGB", (40, 32), "blue").save(path)
    return Sketch(path, None, None, 40, 32)


def test_a_form_becomes_a_request(place: Place, sketch: Sketch) -> None:
    values = {"prompt": "a  house", "strength": 0.5, "seed": 3}
    assert isinstance(place.run(sketch, values), Finished)
    (request,) = place.requests
    assert (request.prompt, request.strength, request.seed) == ("a house", 0.5, 3)
    assert request.image.size == (40, 32) and request.mask_image is None
    assert request.strengths == ()


def test_several_strengths_have_one_seed(place: Place, sketch: Sketch) -> None:
    place.run(sketch, {"strengths": [0.4, 0.8], "num_images": 1, "seed": 3})
    assert place.requests[0].strengths == (0.4, 0.8)


def test_without_a_seed_there_is_a_new_one(place: Place, sketch: Sketch) -> None:
    for _ in range(2):
        place.run(sketch, {"seed": None})
    first, second = place.requests
    assert first.seed != second.seed


def test_bad_values_never_become_a_job(place: Place, sketch: Sketch) -> None:
    empty = Sketch(None, None, None, 40, 32)
    with pytest.raises(ValueError) as refusal:
        place.service.start(empty, {}, "ada")
    assert str(refusal.value) == EMPTY
    for values in ({"strength": float("nan")}, {"strengths": "all"}, {"prompt": "x" * 3000}):
        with pytest.raises(ValueError):
            place.service.start(sketch, values, "ada")
    assert place.requests == []


def test_the_job_is_the_edit_and_is_told_from_the_history_when_it_is_old(
    place: Place, sketch: Sketch
) -> None:
    job = place.service.start(sketch, {"seed": 3}, "ada")
    told = place.last(job)
    assert isinstance(told, Finished) and told.edit_id == job
    place.jobs.close()
    place.open()
    again = place.last(job)
    assert isinstance(again, Finished)
    assert (again.images, again.seeds, again.before) == (told.images, told.seeds, told.before)
    with pytest.raises(ValueError, match=GONE):
        place.last(job, "mallory")


def test_a_full_disk_is_said_before_the_run(
    place: Place, sketch: Sketch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room() -> None:
        raise ValueError("Only 3 MB are left.")

    monkeypatch.setattr(place.history, "check_room", no_room)
    with pytest.raises(ValueError, match="Only 3 MB"):
        place.service.start(sketch, {}, "ada")


def test_a_region_may_be_a_mask_or_not(place: Place, tmp_path: Path) -> None:
    files = {"picture": Image.new("RGB", (40, 32)), "mask": Image.new("L", (40, 32), 255)}
    for name, image in files.items():
        image.save(tmp_path / f"{name}.png")
    picture, mask = (tmp_path / f"{name}.png" for name in files)
    place.run(Sketch(picture, None, mask, 40, 32), {})
    place.run(Sketch(picture, None, None, 40, 32), {})
    masked, whole = place.requests
    assert masked.mask_image.size == (40, 32) and whole.mask_image is None


def test_words_are_not_judged_before_the_model_is_there(place: Place) -> None:
    assert place.service.check_words("anything at all") == ""


def test_words_are_judged_while_they_are_written(
    place: Place, postcard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.service, "_models", SimpleNamespace(loaded=postcard))
    said = place.service.check_words
    assert said("a (red:1.3) house" + " by day" * 20) == ""
    assert said("(a zeppelin") == "1 word is unknown to this model: zeppelin."
    assert "is too long" in said("by day " * 200)
    assert "2001 characters are too many" in said("x" * 2001)
    assert said("(red:99) house") == "Words count from -10 to 10 times, not 99."


def test_an_edit_that_waited_while_another_model_was_chosen_says_so(
    place: Place, sketch: Sketch, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()

    def held(bundle: Any, request: Any) -> Any:
        begun.set()
        go.wait(10)
        return place.method(bundle, request)

    monkeypatch.setattr(place.service, "_method", held)
    jobs = [place.service.start(sketch, {"seed": 3}, "ada") for _ in range(2)]
    assert begun.wait(10)
    place.models.choose("another/model")
    go.set()
    running, waiting = map(place.last, jobs)
    assert isinstance(running, Finished) and running.note == "", "it had begun"
    assert isinstance(waiting, Finished)
    assert waiting.note == "Drawn with pretend, which was chosen while this waited."


def test_a_failure_ends_the_watching(place: Place, sketch: Sketch) -> None:
    place.values = [float("nan")]
    assert isinstance(place.run(sketch, {}), Failed)


FEW = {"scheduler": "lcm", "num_inference_steps": 4, "guidance_scale": 1.0}


@pytest.fixture
def student(place: Place, monkeypatch: pytest.MonkeyPatch) -> pretend.PretendBundle:
    """Something that paints in a few steps, beside the model that is loaded."""
    few = pretend.PretendBundle()
    few.defaults = FEW
    place.models.bundle()
    monkeypatch.setattr(pretend.PretendBundle, "student", few)
    return few


def test_a_glimpse_takes_few_steps_and_is_kept_nowhere(
    place: Place, sketch: Sketch, student: pretend.PretendBundle
) -> None:
    values = {"prompt": "a house", "seed": 3, "num_images": 4, "num_inference_steps": 50}
    frame = place.service.glimpse(sketch, values)
    assert frame and frame.startswith(b"\xff\xd8")
    (request,) = place.requests
    assert {name: getattr(request, name) for name in FEW} == FEW
    assert (request.num_images, request.seed) == (1, 3)
    assert place.bundles == [student]
    assert place.history.list("ada") == []


def test_there_is_no_glimpse_while_a_run_has_the_device(
    place: Place, sketch: Sketch, student: pretend.PretendBundle
) -> None:
    layers = Layers(None, None, None, WHITE.size)
    order = Order("x", "Paint", {}, layers, "ada", place.models.choice)
    running = place.engine.run(order, place.method, lambda: SDEdit(image=WHITE))
    next(running)
    assert place.service.glimpse(sketch, {"prompt": "a house"}) is None
    running.close()
    assert place.service.glimpse(sketch, {"prompt": "a house"})


@pytest.mark.usefixtures("student")
def test_a_glimpse_for_which_the_memory_is_short_is_a_sentence(
    place: Place, sketch: Sketch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(_bundle: Any, _request: Any) -> Any:
        raise MemoryError
        yield

    monkeypatch.setattr(place.service, "_method", short)
    with pytest.raises(ValueError, match=NO_MEMORY):
        place.service.glimpse(sketch, {})
    monkeypatch.undo()
    assert isinstance(place.run(sketch, {}), Finished), "the device is free again"


@pytest.mark.parametrize("loaded", [False, True])
def test_there_is_no_glimpse_without_a_student(place: Place, sketch: Sketch, loaded: bool) -> None:
    if loaded:
        place.models.bundle()
    assert place.service.glimpse(sketch, {"prompt": "a house"}) is None
    assert place.requests == []


def test_an_index_that_waits_for_the_disk_keeps_nobody_else_waiting(
    place: Place, sketch: Sketch, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place.service.start(sketch, {"seed": 3}, "ada")
    place.last(job)
    place.jobs.close()
    place.open()
    read, came_round = place.history.read, threading.Event()

    def slow(*asked: str) -> Any:
        assert came_round.wait(5), "the event loop stands while the index is asked"
        return read(*asked)

    async def beside() -> list[Event]:
        asyncio.get_running_loop().call_later(0.01, came_round.set)
        return [event async for event in place.service.watch(job, "ada")]

    monkeypatch.setattr(place.history, "read", slow)
    assert isinstance(asyncio.run(beside())[-1], Finished)
