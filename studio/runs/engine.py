"""Runs one method on the device and tells it as events: steps, frames, the saved result.

A run is a generator, so whoever iterates it decides when it stops: closing it between two steps
frees the device at once. Everything that goes wrong ends as `Failed` with one sentence.
"""

import logging
import shutil
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from components.contract.events import BROKEN, Event, Failed, Finished, Stepped, Waiting
from pipelines.core.sampling import Run, Step, drain
from pipelines.edit import Edit, Report, Result
from pipelines.networks.bundle import Bundle
from pipelines.request import Request
from studio.inputs.picture_files import Layers
from studio.models.chosen import Chosen
from studio.models.loaded import Models
from studio.models.memory import give_back, out_of_memory
from studio.runs import recipes
from studio.runs.finished import finished
from studio.runs.frames import Frames
from studio.runs.history import BEFORE, History, Saved, Unsaved, view_file

log = logging.getLogger(__name__)

Method = Callable[[Bundle, Any], Run[Report]]
Make = Callable[[], Request]  # ValueError with a sentence where it cannot be made

KEPT_VIEWS = ("attention/",)  # of an edit's further pictures, those that are worth their place

NOT_FINITE = (
    "The model lost its way (a value was not a number), so nothing was saved. "
    "Try a lower guidance, another scheduler, or start the studio with --dtype float32."
)
NO_MEMORY = (
    "There was not enough memory for this edit. "
    "Try fewer pictures at once, or a smaller picture with a mask."
)
ANOTHER = "Drawn with {}, which was chosen while this waited."
SPARED = "Memory was short, so it was drawn a part at a time."
UNSAVED = "{reason}, so this result is not in the history: save it now."
LOST = "{reason}, so this result could not be kept. Free some space, then run again."


@dataclass(frozen=True, slots=True)
class Order:
    """One edit that somebody wants: plain data, which pickles and compares by value."""

    id: str  # of the job, and later of the edit
    name: str  # of the method, as the history calls it
    values: Mapping[str, Any]  # what was filled in, the seed among it
    layers: Layers
    visitor: str
    model: Chosen  # that served when it was ordered
    parent: str | None = None  # the edit whose result this one goes on from


@dataclass(frozen=True, slots=True)
class Files(Mapping[str, bytes]):
    """Files by name, each made when it is looked at: of large ones only one is in memory."""

    make: dict[str, Callable[[], bytes]] = field(default_factory=dict[str, Callable[[], bytes]])

    def __getitem__(self, name: str) -> bytes:
        return self.make[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.make)

    def __len__(self) -> int:
        return len(self.make)


class NotFinite(Exception):
    """The latents went astray."""


class Engine:
    def __init__(
        self,
        models: Models,
        history: History,
        aside: Sequence[Path],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = models
        self._history = history
        self._aside = aside  # folders, tried in turn, for results that the history has no room for
        self._clock = clock
        self._device = models.working

    def run(self, order: Order, method: Method, make: Make) -> Generator[Event, None, None]:
        """Carry out an order; the last event is Finished or Failed.

        `make` makes its request, and so decodes its pictures, now that its turn has come.
        """
        with self._device:
            try:
                yield from self._attempts(order, method, make())
            except NotFinite:
                log.warning("%s gave values that are no numbers", order.name)
                yield Failed(NOT_FINITE)
            except Exception as error:
                if out_of_memory(error):
                    log.warning("%s ran out of memory twice", order.name)
                    yield Failed(NO_MEMORY)
                elif is_sentence(error):
                    yield Failed(str(error))
                else:
                    log.exception("%s failed", order.name)
                    yield Failed(BROKEN)

    def glimpse(self, method: Method, request: Request) -> Image.Image | None:
        """The first picture of a run on the student, kept nowhere.

        None while a run has the device. ValueError with a sentence where there is no student,
        or not enough memory.
        """
        if not self._device.acquire(blocking=False):
            return None
        try:
            student = self._models.bundle().student
            if student is None:
                raise ValueError("This model has no student, so nothing can be painted live.")
            return drain(method(student, request)).results[0].image
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise ValueError(NO_MEMORY) from error
        finally:
            self._device.release()

    def _attempts(
        self, order: Order, method: Method, request: Request
    ) -> Generator[Event, None, None]:
        """Once, and once more, in parts, where the memory did not suffice."""
        if self._models.loaded is None:
            yield Waiting(0, "The model is loading")
        bundle = self._models.bundle()
        other = ANOTHER.format(bundle.name) if order.model != self._models.choice else ""
        try:
            return (yield from self._once(bundle, order, method, request, other))
        except Exception as error:
            if not out_of_memory(error):
                raise
        # Only here are the run's tensors free: the exception held them.
        log.warning("%s ran out of memory; trying once more, in parts", order.name)
        give_back()
        return (yield from self._once(bundle.sparing(), order, method, request, other))

    def _once(
        self, bundle: Bundle, order: Order, method: Method, request: Request, other: str
    ) -> Generator[Event, None, None]:
        begun = self._clock()
        frames = Frames(self._clock)
        pace = Pace(self._clock)
        run = method(bundle, request)
        try:
            while True:
                try:
                    step = next(run)
                except StopIteration as end:
                    edit: Edit[Report] = end.value
                    break
                yield self._stepped(step, frames, pace)
        finally:
            run.close()
        if said := _said(bundle, edit, other):
            edit = replace(edit, report=replace(edit.report, note=said))
        yield self._finished(order, request, bundle, edit, frames, self._clock() - begun)

    def _stepped(self, step: Step, frames: Frames, pace: "Pace") -> Stepped:
        if not bool(torch.isfinite(step.latents).all()):
            raise NotFinite
        moment = step.moment
        left = pace.left(moment.index, moment.total)
        frame = frames.take(step.view)
        pictures = frames.counts[-1] if frames.counts else 1
        return Stepped(step.phase, moment.index, moment.total, left, frame, pictures)

    def _finished(
        self,
        order: Order,
        request: Request,
        bundle: Bundle,
        edit: Edit[Report],
        frames: Frames,
        seconds: float,
    ) -> Finished:
        recipe = recipes.of(order.name, bundle.name, request)
        notes = {**recipes.notes(edit), "sheets": frames.counts}
        recipe |= {"loras": dict(bundle.loras), "embeddings": list(bundle.words)}
        recipe |= {"seeds": edit.seeds, "notes": notes, "seconds": round(seconds, 3)}
        files = Files()
        for n, result in enumerate(edit.results):
            files.make[f"{n}.png"] = partial(_png, result, recipe, n)
        if (before := edit.views.get("before")) is not None:
            files.make[BEFORE] = partial(recipes.png, before)
        for n, frame in frames.kept.items():
            files.make[f"step-{n:03}.jpg"] = partial(bytes, frame)
        for name in edit.views:
            if name.startswith(KEPT_VIEWS):
                files.make[view_file(name)] = partial(recipes.png, edit.views[name])
        edit_id = order.id
        try:
            saved = self._history.save(edit_id, order.visitor, recipe, files, order.parent)
        except Unsaved as error:
            log.exception("An edit could not be saved")
            notes["note"] = UNSAVED.format(reason=error)
            results = [f"{n}.png" for n in range(len(edit.results))]
            kept = [name for name in (*results, BEFORE) if name in files.make]
            aside = Files({name: files.make[name] for name in kept})
            paths = self._set_aside(edit_id, aside, str(error))
            images = tuple(paths[name] for name in results)
            saved = Saved(edit_id, None, 0.0, recipe, images, paths.get(BEFORE), (), {})
        return finished(saved)

    def _set_aside(
        self, edit_id: str, files: Mapping[str, bytes], reason: str
    ) -> Mapping[str, Path]:
        """Files where the page can still show them, for as long as the studio runs.

        ValueError with a sentence where there is no room for them anywhere.
        """
        for folder in (each / edit_id for each in self._aside):
            try:
                folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.mkdir()
                for name, content in files.items():
                    (folder / name).write_bytes(content)
                return {name: folder / name for name in files}
            except OSError as error:
                log.warning("A result cannot be set aside in %s (%s)", folder, error)
                shutil.rmtree(folder, ignore_errors=True)  # our own half-written one
        raise ValueError(LOST.format(reason=reason))


def _png(result: Result, recipe: Mapping[str, Any], n: int) -> bytes:
    return recipes.png(result.image, recipe, n)


def _said(bundle: Bundle, edit: Edit[Report], other: str) -> str:
    """What the method has to say of its run, and what there is to say of the networks."""
    spared = SPARED if bundle.spares else ""
    compiling = bundle.compiled.remark if bundle.compiled else ""
    said = [edit.report.note, other, *bundle.unused.values(), spared, compiling]
    return " ".join(filter(None, said))


def is_sentence(error: BaseException) -> bool:
    """Methods refuse with a ValueError for the person; a library's own has no full stop."""
    return isinstance(error, ValueError) and str(error).endswith(".")


class Pace:
    """Seconds left, from the time between steps; the first step is left out, since it sets up."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun = self._last = clock()
        self._spans: list[float] = []

    def left(self, index: int, total: int) -> float:
        now = self._clock()
        if index > 1:
            self._spans.append(now - self._last)
        span = statistics.median(self._spans[-9:]) if self._spans else now - self._begun
        self._last = now
        return max(0.0, span * (total - index))
