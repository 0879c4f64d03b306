"""One run as events: what ends well is saved, and what goes wrong is one sentence and no file."""

import gc
import json
import math
import weakref
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from components.contract.events import Event, Failed, Finished, Stepped, Waiting
from pipelines.core.sampling import Step
from pipelines.edit import Edit, Report
from pipelines.request import Request
from studio.inputs.picture_files import Layers
from studio.runs import engine as module
from studio.runs.engine import Engine, Method, Order, Pace, out_of_memory
from studio.runs.history import History, Unsaved
from tests.studio import full, pretend


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "data")


@pytest.fixture
def engine(tmp_path: Path, history: History) -> Engine:
    return Engine(pretend.models(tmp_path), history, [tmp_path / "scratch"])


def begun(
    engine: Engine, method: Method, name: str = "edit-1", **named: Any
) -> Generator[Event, None, None]:
    """What somebody wants of the model that serves."""
    model = engine._models.choice  # pyright: ignore[reportPrivateUsage]
    layers = Layers(None, None, None, (16, 16))
    order = Order(name, "Paint", {}, layers, "ada", model, **named)
    return engine.run(order, method, lambda: Request(prompt="a red house", seed=7))


def run(engine: Engine, method: Method) -> list[Event]:
    return list(begun(engine, method))


def test_a_run_is_its_steps_and_its_saved_result(engine: Engine, history: History) -> None:
    *told, last = run(engine, pretend.steps(3))
    assert told[0] == Waiting(0, "The model is loading")
    assert [(e.index, e.total) for e in told[1:] if isinstance(e, Stepped)] == [
        (1, 3),
        (2, 3),
        (3, 3),
    ]
    assert isinstance(last, Finished)
    assert (last.edit_id, last.seeds) == ("edit-1", (7,))
    saved = history.read("edit-1", "ada")
    assert saved is not None and saved.images == last.images and saved.before == last.before
    with Image.open(last.images[0]) as image:
        assert image.size == (16, 16) and image.format == "PNG"
    assert not isinstance(run(engine, pretend.steps(1))[0], Waiting), "it is loaded by now"


def test_a_picture_carries_its_recipe_and_nothing_private(engine: Engine) -> None:
    last = run(engine, pretend.steps(2))[-1]
    assert isinstance(last, Finished)
    with Image.open(last.images[0]) as image:
        assert set(image.info) == {"pentimento", "parameters"}
        told = json.loads(image.info["pentimento"])
        first, settings = image.info["parameters"].split("\n")
    assert told["request"]["prompt"] == first == "a red house"
    assert told["seeds"] == [7] and "visitor" not in told and "ada" not in json.dumps(told)
    assert "Seed: 7" in settings and "Size: 16x16" in settings and "Model: pretend" in settings
    assert last.before is not None
    with Image.open(last.before) as before:
        assert not before.info


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("at", [1, 3])
def test_latents_that_are_no_numbers_end_the_run_and_save_nothing(
    engine: Engine, history: History, bad: float, at: int
) -> None:
    *told, last = run(engine, pretend.steps(3, [0.0] * (at - 1) + [bad]))
    assert last == Failed(module.NOT_FINITE)
    assert sum(isinstance(event, Stepped) for event in told) == at - 1
    assert history.list("ada") == [] and list(history.edits.iterdir()) == []


def test_a_sentence_of_the_method_reaches_the_person(engine: Engine) -> None:
    def method(_bundle: Any, _request: Request) -> Generator[Step, None, Edit[Report]]:
        yield pretend.step(1, 2)
        raise ValueError("The words are too odd.")

    assert run(engine, method)[-1] == Failed("The words are too odd.")


@pytest.mark.parametrize("kind", [ZeroDivisionError, ValueError, RuntimeError])
def test_anything_unforeseen_is_one_sentence_and_a_line_in_the_log(
    engine: Engine, kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    def method(_bundle: Any, _request: Request) -> Generator[Step, None, Edit[Report]]:
        yield pretend.step(1, 2)
        raise kind("secret detail")

    last = run(engine, method)[-1]
    assert last == Failed(module.BROKEN)
    assert "secret detail" in caplog.text and "Traceback" in caplog.text
    assert isinstance(run(engine, pretend.steps(1))[-1], Finished), "the device is free again"


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu", "python"])
@pytest.mark.parametrize("at", [0, 2])
def test_out_of_memory_is_tried_once_more(engine: Engine, error: Exception, at: int) -> None:
    tries: list[bool] = []

    def method(bundle: Any, _request: Request) -> Generator[Step, None, Edit[Report]]:
        tries.append(bundle.spares)
        for index in range(3):
            if index == at and len(tries) == 1:
                raise error
            yield pretend.step(index + 1, 3)
        return pretend.edit()

    last = run(engine, method)[-1]
    assert isinstance(last, Finished)
    assert last.note == module.SPARED
    assert tries == [False, True]


def test_out_of_memory_twice_is_one_sentence_and_the_next_run_works(engine: Engine) -> None:
    tries: list[int] = []

    def method(_bundle: Any, _request: Request) -> Generator[Step, None, Edit[Report]]:
        tries.append(1)
        yield pretend.step(1, 2)
        raise torch.OutOfMemoryError

    assert run(engine, method)[-1] == Failed(module.NO_MEMORY)
    assert len(tries) == 2
    assert isinstance(run(engine, pretend.steps(1))[-1], Finished)


def test_the_second_try_begins_when_the_first_ones_memory_is_free(engine: Engine) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    freed: list[bool] = []

    def method(_bundle: Any, _request: Request) -> Generator[Step, None, Edit[Report]]:
        if held:
            gc.collect()
            freed.append(held[0]() is None)
        big = torch.zeros(100)
        held.append(weakref.ref(big))
        yield pretend.step(1, 2)
        if len(held) == 1:
            raise torch.OutOfMemoryError(str(big.sum()))
        return pretend.edit()

    assert isinstance(run(engine, method)[-1], Finished)
    assert freed == [True]


def test_a_runtime_error_is_not_taken_for_memory() -> None:
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert all(map(out_of_memory, OUT_OF_MEMORY))


def test_closing_between_two_steps_closes_the_method_and_frees_the_device(
    engine: Engine, history: History
) -> None:
    closed: list[str] = []

    def method(_bundle: Any, _request: Request) -> Generator[Step, None, Edit[Report]]:
        try:
            for index in range(1, 100):
                yield pretend.step(index, 99)
        finally:
            closed.append("closed")
        return pretend.edit()

    held: list[Generator[Step, None, Edit[Report]]] = []  # so that only `close` can end it

    def holding(bundle: Any, request: Request) -> Generator[Step, None, Edit[Report]]:
        held.append(method(bundle, request))
        return held[0]

    running = begun(engine, holding)
    assert isinstance(next(running), Waiting)
    assert isinstance(next(running), Stepped)
    running.close()
    assert closed == ["closed"]
    assert history.list("ada") == []
    assert isinstance(run(engine, pretend.steps(1))[-1], Finished)


def test_a_model_that_does_not_load_is_its_sentence(tmp_path: Path, history: History) -> None:
    def load(*_arguments: Any, **_named: Any) -> Any:
        raise ValueError("It could not be loaded.")

    engine = Engine(pretend.models(tmp_path, load), history, [tmp_path])
    assert run(engine, pretend.steps(1))[-1] == Failed("It could not be loaded.")


def test_a_result_that_cannot_be_saved_is_still_shown(
    engine: Engine, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_arguments: Any, **_named: Any) -> Any:
        raise Unsaved("The disk is full")

    monkeypatch.setattr(history, "save", save)
    last = run(engine, pretend.steps(2))[-1]
    assert isinstance(last, Finished)
    assert "The disk is full" in last.note and "save it now" in last.note
    assert all(path.is_file() for path in last.images)
    assert last.before is not None and last.before.is_file()


def test_a_result_for_which_one_disk_has_no_room_lies_on_another(
    tmp_path: Path, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = tmp_path / "spare"
    engine = Engine(pretend.models(tmp_path), history, [tmp_path / "data" / "scratch", spare])
    full.fill(monkeypatch, tmp_path / "data")
    last = run(engine, pretend.steps(2))[-1]
    assert isinstance(last, Finished)
    assert "The disk is full" in last.note and "save it now" in last.note
    assert {path.parent for path in last.images} == {spare / "edit-1"}
    assert spare.stat().st_mode & 0o777 == 0o700, "it lies among other people's files"
    with Image.open(last.images[0]) as image:
        assert image.size == (16, 16)
    assert list((tmp_path / "data" / "scratch").iterdir()) == []


def test_a_result_for_which_there_is_no_room_at_all_is_said(
    tmp_path: Path, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(pretend.models(tmp_path), history, [tmp_path / "one", tmp_path / "two"])
    full.fill(monkeypatch, tmp_path)
    assert run(engine, pretend.steps(2))[-1] == Failed(
        "The disk is full, so this result could not be kept. Free some space, then run again."
    )


@pytest.mark.parametrize("remark", ["It is being compiled.", ""])
def test_that_a_model_is_being_compiled_is_told(
    remark: str, tmp_path: Path, history: History
) -> None:
    bundle = pretend.PretendBundle()
    bundle.compiled = SimpleNamespace(remark=remark)
    models = pretend.models(tmp_path, lambda *_given, **_named: bundle)
    last = run(Engine(models, history, [tmp_path]), pretend.steps())[-1]
    assert isinstance(last, Finished)
    assert last.note == remark


def test_what_of_a_lora_is_not_used_is_told(tmp_path: Path, history: History) -> None:
    bundle = pretend.PretendBundle()
    bundle.unused = {"style": "style: 1 of 2 layers is of other shapes."}
    models = pretend.models(tmp_path, lambda *_given, **_named: bundle)
    last = run(Engine(models, history, [tmp_path]), pretend.steps())[-1]
    assert isinstance(last, Finished) and last.note == bundle.unused["style"]


def test_the_parent_is_kept(engine: Engine, history: History) -> None:
    run(engine, pretend.steps(1))
    list(begun(engine, pretend.steps(1), "edit-2", parent="edit-1"))
    assert [edit.id for edit in history.children("edit-1", "ada")] == ["edit-2"]


def test_seconds_left_come_from_the_time_between_steps() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    left: list[float] = []
    for index, at in enumerate([5.0, 6.0, 7.0, 8.0], 1):
        now = at
        left.append(pace.left(index, 10))
    assert left == [45.0, 8.0, 7.0, 6.0], "the first step, which sets up, counts only at first"
