"""What a tab, or a program, may ask of one method; everything is checked before it acts."""

import asyncio
import secrets
import shutil
import weakref
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from components.contract.events import Event
from components.contract.sketch import Sketch
from pipelines.request import Request, hints
from studio.inputs import sketches, validation
from studio.inputs.picture_files import Layers
from studio.inputs.sketches import Guide
from studio.models.loaded import Models
from studio.runs import recipes
from studio.runs.engine import Engine, Method, Order
from studio.runs.finished import finished
from studio.runs.history import History
from studio.runs.jobs import Jobs

MANY: Final = ("num_images", "repeats", "strengths")  # what makes several pictures, or a slow one


class Service:
    """One method with the queue, the device and the history behind it."""

    def __init__(
        self,
        name: str,
        request_type: type[Request],
        method: Method,
        jobs: Jobs,
        engine: Engine,
        history: History,
        models: Models,
        scratch: Path,
    ) -> None:
        self._name = name
        self._request_type = request_type
        self._method = method
        self._jobs = jobs
        self._engine = engine
        self._history = history
        self._models = models
        self.scratch = scratch

    def start(
        self, sketch: Sketch, values: Mapping[str, Any], visitor: str, parent: str | None = None
    ) -> str:
        """Queue what is on the canvas; returns the job's id, which becomes the edit's."""
        return self.order(sketches.layers(self._wanted(sketch)), values, visitor, parent)

    def order(
        self, layers: Layers, values: Mapping[str, Any], visitor: str, parent: str | None = None
    ) -> str:
        """Queue an edit of files that wait undecoded; what can be refused already, is."""
        self._history.check_room()
        layers.check_budget()
        request = self._request(sketches.stand_in(layers), values)
        edit_id = self._history.new_id()
        folder = self.scratch / f"order-{edit_id}"
        try:
            order = Order(
                id=edit_id,
                name=self._name,
                values={**values, "seed": request.seed},
                layers=layers.kept(folder),
                visitor=visitor,
                model=self._models.choice,
                parent=parent,
            )
            work = partial(self._carry_out, order)
            self._jobs.submit(order.id, visitor, work)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(work, shutil.rmtree, folder, ignore_errors=True)  # however the job ends
        return order.id

    def _carry_out(self, order: Order) -> Generator[Event, None, None]:
        def make() -> Request:
            return self._request(sketches.guide(order.layers), order.values)

        return self._engine.run(order, self._method, make)

    async def watch(self, job_id: str, visitor: str) -> AsyncGenerator[Event, None]:
        """What happens to the job; an edit of long ago is told from the history."""
        if not self._jobs.knows(job_id, visitor):
            saved = await asyncio.to_thread(self._history.read, job_id, visitor)
            if saved is not None and saved.images:
                yield finished(saved)
                return
        async with aclosing(self._jobs.watch(job_id, visitor)) as events:
            async for event in events:
                yield event

    def stop(self, job_id: str, visitor: str) -> None:
        self._jobs.stop(job_id, visitor)

    def glimpse(self, sketch: Sketch, values: Mapping[str, Any]) -> bytes | None:
        """What the canvas becomes in a few steps, as a JPEG; None while something else runs.

        Nothing is kept. While the model loads, or on an empty canvas, there is nothing to see.
        """
        bundle = self._models.loaded
        if bundle is None or bundle.student is None or not (sketch.picture or sketch.strokes):
            return None
        single = {name: value for name, value in values.items() if name not in MANY}
        layers = sketches.layers(self._wanted(sketch))
        request = self._request(sketches.guide(layers), {**single, **bundle.student.defaults})
        seen = self._engine.glimpse(self._method, request)
        return recipes.jpeg(seen) if seen else None

    def check_words(self, text: str) -> str:
        """A sentence about words that the model cannot hear, or "" (also while it still loads)."""
        bundle = self._models.loaded
        try:
            clean = validation.words(text, "Words")
            unknown = bundle.read(clean).unknown if bundle is not None and clean else ()
        except ValueError as refusal:
            return str(refusal)
        if not unknown:
            return ""
        count = "1 word is" if len(unknown) == 1 else f"{len(unknown)} words are"
        return f"{count} unknown to this model: {', '.join(unknown)}."

    def _wanted(self, sketch: Sketch) -> Sketch:
        """The sketch without what the method does not take."""
        taken = hints(self._request_type)
        return replace(
            sketch,
            by_seed=sketch.by_seed or "image" not in taken,
            mask=sketch.mask if "mask_image" in taken else None,
        )

    def _request(self, guide: Guide, values: Mapping[str, Any]) -> Request:
        safe = validation.fields(self._request_type, values)
        if safe.get("seed") is None:
            safe["seed"] = secrets.randbelow(validation.MAX_SEED + 1)
        given: dict[str, Any] = {"image": guide.image, "mask_image": guide.mask}
        taken = hints(self._request_type)
        pictures = {name: image for name, image in given.items() if name in taken}
        return self._request_type(**safe, **pictures)
