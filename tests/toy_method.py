"""A method of two fields: the smallest that joins the studio by one file and one line.

CONTRIBUTING.md shows this file, and tests/test_contract.py puts it into the catalogue.
"""

from dataclasses import dataclass
from typing import Annotated

from PIL import Image

from pipelines import Bundle
from pipelines.core import noise, preview, sizes, solvers
from pipelines.core.guidance import guided
from pipelines.core.sampling import Run, walk
from pipelines.core.schedule import noised
from pipelines.edit import Edit, Report, Result, in_memory
from pipelines.request import Picture, Range, Request


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Redraw(Request):
    """Draw a picture once more, as far from what it was as its strength says."""

    image: Annotated[Image.Image | None, Picture("Picture", about="Or none: from noise.")] = None
    strength: Annotated[float, Range(0.0, 1.0, 0.01, "Strength", "1 draws anew.")] = 0.6


def redraw(bundle: Bundle, request: Redraw) -> Run[Report]:
    """Returns one picture, of the size that the model works at."""
    given = request.image or Image.new("RGB", (bundle.size, bundle.size), "gray")
    size = sizes.fit(given.size, bundle.size, bundle.multiple)
    guide = given.resize(size, Image.Resampling.LANCZOS)
    prompt, negative = bundle.read(request.prompt), bundle.read(request.negative_prompt)
    words, uncond = bundle.embed(prompt, size), bundle.embed(negative, size, negative=True)
    predict = guided(bundle, words, uncond, request.guidance_scale)

    generators = noise.generators([request.seed])
    source = bundle.encode(guide, generators)
    solver = solvers.make(
        request.scheduler,
        bundle.scheduler_config,
        request.num_inference_steps,
        1.0 if request.image is None else request.strength,
        generators=generators,
        device=bundle.device,
    )
    x = noised(source, noise.draw(generators, source.shape[1:], bundle.device), solver.start.level)

    x = yield from walk(
        x, predict, solver, view=lambda clean: {"0": preview.pictures(bundle, clean)[0]}
    )
    (picture,) = bundle.decode(x)
    result = Result(make=in_memory(picture), seed=request.seed, strength=request.strength)
    return Edit([result], Report(), {"before": guide})
