"""What a tab, or a program, may ask for: the verbs of one method, each checked before it acts."""

import asyncio
import logging
import secrets
import shutil
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, Final

from PIL import Image

from components.contract.events import Event
from components.contract.sketch import Line, Region, Sketch
from pipelines.pictures import read_mask, read_picture
from pipelines.request import Request, hints
from studio.inputs import outlines, sketches, validation
from studio.inputs.picture_files import Layers
from studio.inputs.sketches import Guide
from studio.models.loaded import Models
from studio.runs import recipes
from studio.runs.engine import Engine, Method, Order
from studio.runs.finished import finished
from studio.runs.history import History
from studio.runs.jobs import Jobs

# What of a request is neither a number, nor words, nor a choice: the guide, and whatever else.
Gather = Callable[[Guide, Mapping[str, Any]], Mapping[str, Any]]

log = logging.getLogger(__name__)

NO_ROOM: Final = "The strokes could not be kept: the disk is full. Free some space, then try again."
SWEEP: Final = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # strengths, from the strokes towards the words


def whole(guide: Guide, _values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The guide as most requests take it."""
    return {"image": guide.image, "mask_image": guide.mask}


class Desk:
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
        gather: Gather = whole,
    ) -> None:
        self._name = name
        self._request_type = request_type
        self._method = method
        self._jobs = jobs
        self._engine = engine
        self._history = history
        self._models = models
        self._scratch = scratch
        self._gather = gather

    def start(
        self, sketch: Sketch, values: Mapping[str, Any], visitor: str, parent: str | None = None
    ) -> str:
        """Queue what is on the canvas; returns the job's id, which becomes the edit's."""
        only = values.get("only", sketches.EVERYTHING)
        return self.order(sketches.layers(sketch, only), values, visitor, parent)

    def order(
        self, layers: Layers, values: Mapping[str, Any], visitor: str, parent: str | None = None
    ) -> str:
        """Queue an edit of files that wait undecoded; what can be refused already, is."""
        self._history.check_room()
        layers.check_budget()
        request = self._request(sketches.stand_in(layers), values)
        edit_id = self._history.new_id()
        folder = self._scratch / f"order-{edit_id}"
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
        few = {**values, **bundle.student.defaults, "num_images": 1, "repeats": 1, "sweep": False}
        layers = sketches.layers(sketch, values.get("only", sketches.EVERYTHING))
        request = self._request(sketches.guide(layers), few)
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

    def converted(self, convert: Callable[[Image.Image], Image.Image], sketch: Sketch) -> Path:
        """The picture on the canvas after `convert`, as a PNG; ValueError with a sentence."""
        if sketch.picture is None:
            raise ValueError("Drop a picture on the canvas first.")
        picture = read_picture(sketch.picture)
        picture.thumbnail((sketch.width, sketch.height), Image.Resampling.LANCZOS)
        path = self._scratch / f"{secrets.token_hex(12)}.png"
        painted = recipes.png(convert(picture))
        try:
            path.write_bytes(painted)
        except OSError as error:
            log.warning("Strokes cannot be kept (%s)", error)
            raise ValueError(NO_ROOM) from error
        return path

    def outlined(self, region: Region, grow: int, feather: int) -> Mapping[str, Sequence[Line]]:
        """The lines of the mask as the method will use it; none where nothing is masked."""
        for name, value in (("grow", grow), ("feather", feather)):
            hints(self._request_type)[name].check(value)
        if region.mask is None:
            return {}
        mask = read_mask(region.mask)
        if mask.size != (region.width, region.height):
            raise ValueError("The mask is not of the canvas's size. Reload the page.")
        return outlines.lines(mask, grow, feather, region.scale)

    def _request(self, guide: Guide, values: Mapping[str, Any]) -> Request:
        safe = validation.fields(self._request_type, values)
        if safe.get("seed") is None:
            safe["seed"] = secrets.randbelow(validation.MAX_SEED + 1)
        if values.get("sweep") is True:
            safe |= {"strengths": SWEEP, "num_images": 1}
        safe |= self._gather(guide, values)
        known = {each.name for each in fields(self._request_type)}
        return self._request_type(**{name: safe[name] for name in safe if name in known})
