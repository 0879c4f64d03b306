"""Blended Latent Diffusion: words for a masked region (Avrahami et al., arXiv:2206.02779).

    x = e, or q(z0, t0, e)                  pure noise at strength 1, below it the noised source
    for each step from t to u:              t0 down to 0
        x = solver(x, t, u)
        x = m x + (1 - m) q(z0, u, e)       the kept part at the level just reached, z0 at the end

z0 is the latent of the picture, m the mask on its cells (1 = edit), e one noise per candidate,
drawn in the order of diffusers' inpainting, so that a seed means the same there. Gray is strength
by region: a cell of gray g is kept up to the first step that starts at no more noise than a run of
strength g times `strength` would, and is edited from there on (as in Levin & Fried,
arXiv:2306.00950). If every step starts higher, it stays as it was.

A UNet of 9 channels is told the mask and the latent of the kept picture instead (as in diffusers);
it is blended only where the mask is gray.

Where we depart from the official code: two of its three variants blend at the level t *before* the
step, one too noisy; the background's noise is drawn anew each step; and thin masks are narrowed
down to the mask itself at any number of steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pipelines.blended import background
from pipelines.blended.tuning import tuned
from pipelines.core import crop, masks, noise, outline, preview, sizes, solvers
from pipelines.core.crop import Window
from pipelines.core.guidance import guided
from pipelines.core.sampling import Moment, Predict, Revise, Run, Views, walk
from pipelines.core.schedule import noised
from pipelines.edit import Edit, Make, Report, Result, made
from pipelines.networks.protocol import Networks
from pipelines.request import Choice, Picture, Range, Request, check_mask
from pipelines.words.prompt import Prompt, unknown_words

BACKGROUNDS = {
    "paste": "the original's own pixels",
    "poisson": "Poisson blending",
    "tune": "decoder tuning",
    "none": "as decoded",
}
CROPS = {
    "auto": "where it pays",
    "on": "always",
    "quick": "always, no finer than the whole",
    "off": "never",
}
VISIBLE = 1024  # pixels on the longer side of a step's view


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blended(Request):
    """Replace a region by what the words say (Blended Latent Diffusion)."""

    image: Annotated[
        Image.Image | None, Picture("Picture", about="What is to be changed.", required=True)
    ] = None
    mask_image: Annotated[
        Image.Image | None,
        Picture("Mask", mode="L", about="White: replaced. Gray: changed that far. Black: stays."),
    ] = None
    strength: Annotated[
        float,
        Range(0.0, 1.0, 0.01, "Strength", "1 draws anew; less keeps more of what lies there."),
    ] = 1.0
    num_images: Annotated[int, Range(1, 8, 1, "Candidates", "To choose from; seeds in a row.")] = 1
    grow: Annotated[
        int, Range(-64, 64, 1, "Grow", "Pixels the mask is grown by; below 0 it shrinks.")
    ] = 0
    feather: Annotated[
        int, Range(0, 64, 1, "Feather", "Pixels of soft edge, inwards from the mask's rim.")
    ] = 8
    shrink_steps: Annotated[
        int, Range(0, 4, 1, "Room for thin masks", "How often the mask is widened at first.")
    ] = 0
    background: Annotated[
        str, Choice(BACKGROUNDS, "Background", "What stands outside the mask.")
    ] = "paste"
    crop: Annotated[
        str,
        Choice(
            CROPS,
            "Crop to the mask",
            "Works on the masked part alone: finer, or no finer and quicker.",
        ),
    ] = "auto"
    left: Annotated[int, Range(0, 1024, 8, "Left", "Pixels added on the left.")] = 0
    top: Annotated[int, Range(0, 1024, 8, "Top", "Pixels added at the top.")] = 0
    right: Annotated[int, Range(0, 1024, 8, "Right", "Pixels added on the right.")] = 0
    bottom: Annotated[int, Range(0, 1024, 8, "Bottom", "Pixels added at the bottom.")] = 0
    eta: Annotated[
        float, Range(0.0, 1.0, 0.05, "Eta", "DDIM only: 0 is deterministic, 1 draws new noise.")
    ] = 0.0

    def __post_init__(self) -> None:
        Request.__post_init__(self)
        if self.image is None:
            raise ValueError("Give a picture to change.")
        if self.mask_image is None and not any(self.border):
            raise ValueError("Mark what to replace: paint a mask, or extend the frame.")
        check_mask(self.mask_image, self.image)
        if self.eta and self.scheduler not in ("ddim", "default"):
            raise ValueError("Eta is for DDIM; set it to 0 or choose DDIM as the scheduler.")

    @property
    def border(self) -> outline.Box:
        """Pixels added on the left, at the top, on the right, at the bottom."""
        return self.left, self.top, self.right, self.bottom


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendedReport(Report):
    steps: int = 0
    ranking: Sequence[int] | None = None  # rows by their agreement with the words, best first
    crop: outline.Box | None = None  # what was worked on, in pixels; None where it is all


def blended(networks: Networks, request: Blended) -> Run[BlendedReport]:
    """Replace what lies under the mask, yielding each step.

    Returns one picture per seed, of the original's size and any border added. With the background
    "paste" or "poisson" the pixels outside the mask are the original's, bit for bit.
    """
    original = request.image
    assert original is not None  # the request saw to it
    seeds = noise.seeds(request.seed, request.num_images)
    canvas = crop.extended(original, request.border)
    painted = request.mask_image or Image.new("L", original.size)
    mask = crop.framed(outline.grown(painted, request.grow), request.border)
    views = {"before": canvas, "mask": mask}
    masked = outline.box(mask)
    prompt, negative = networks.read(request.prompt), networks.read(request.negative_prompt)
    report = _report(networks, request, [prompt, negative])
    if masked is None or request.strength == 0:
        why = "The mask is empty" if masked is None else "The strength is 0"
        untouched = made([canvas.copy for _ in seeds], canvas.size)
        results = _results(untouched, seeds, canvas, mask)
        return Edit(results, replace(report, note=f"{why}, so nothing changed."), views)

    box = crop.choose(request.crop, masked, canvas.size, networks.size)
    native = crop.side(request.crop, box, canvas.size, networks.size)
    size = sizes.fit((box[2] - box[0], box[3] - box[1]), native, networks.multiple)
    near = mask.crop(box)
    cells = masks.cells(near, size[1] // networks.cell, size[0] // networks.cell).to(
        networks.device
    )
    small_mask = masks.picture(masks.cells(near, size[1], size[0]))
    surroundings, remarks = _surroundings(request.background, small_mask)
    window = Window(canvas, box, _alpha(surroundings, mask, request.feather))
    guide = window.seen().resize(size, Image.Resampling.LANCZOS)

    generators = noise.generators(seeds)
    blends = not (networks.inpaints and masks.hard(cells))
    source = None
    if blends or request.strength < 1:
        source = networks.encode(guide, generators)  # [B, C, h, w]
    e = noise.draw(generators, (networks.channels, *cells.shape[-2:]), networks.device)
    words, without = networks.embed(prompt, size), networks.embed(negative, size, negative=True)
    predict = guided(networks, words, without, request.guidance_scale)
    if networks.inpaints:
        hidden = (cells > 0).float()
        predict = _told(predict, hidden, networks.encode(guide, generators, hidden))
    elif networks.posterior:  # here diffusers encodes the kept picture, which draws
        noise.draw(generators, e.shape[1:])

    solver = solvers.make(
        request.scheduler,
        networks.scheduler_config,
        request.num_inference_steps,
        request.strength,
        generators=generators,
        eta=request.eta,
        corrector=masks.hard(cells) and request.shrink_steps == 0,
        device=networks.device,
    )
    revise = None if source is None or not blends else _blend(request, solver, cells, source, e)
    if source is None or request.strength == 1:
        x = solver.prior(e)
    else:
        x = noised(source, e, solver.moments[0].here)

    visible = window.reduced(VISIBLE)

    def shown(pictures: Sequence[Image.Image]) -> Views:
        return {str(row): visible.filled(each) for row, each in enumerate(pictures)}

    def view(clean: Tensor) -> Views:
        return shown(preview.pictures(networks, clean))

    latents = yield from walk(x, predict, solver, revise, view=view)
    if surroundings == "tune":
        drawn = yield from tuned(networks, latents, guide, small_mask, shown)
    else:
        drawn = networks.decode(latents)
    if surroundings == "paste":
        edited = masks.picture(F.interpolate((cells > 0).float(), size=size[::-1]))
        drawn = [background.toned(each, guide, edited) for each in drawn]
    elif surroundings == "poisson":
        drawn = [background.cloned(each, guide, small_mask) for each in drawn]
    make = made([partial(window.filled, each) for each in drawn], canvas.size)
    agreement = _agreement(networks, prompt, make, mask)
    results = _results(make, seeds, canvas, mask, agreement)
    if networks.inpaints and request.shrink_steps:
        remarks.append("This model is told the mask itself, so no room was made around it.")
    report = replace(
        report,
        steps=len(solver.moments),
        ranking=_ranking(agreement),
        crop=None if box == (0, 0, *canvas.size) else box,
        note=" ".join(filter(None, [report.note, *remarks])),
    )
    return Edit(results, report, views)


def _blend(
    request: Blended, solver: solvers.Scheduled, cells: Tensor, source: Tensor, e: Tensor
) -> Revise:
    """Cells that are not edited, or not yet, at the level just reached; the source at the end."""
    stages = masks.shrinking(cells, request.shrink_steps)

    def steps_of(gray: float) -> int:
        return solver.steps_from(gray * request.strength)

    steps = [masks.steps_of(each, steps_of).to(source.device) for each in stages]

    def revise(x: Tensor, moment: Moment) -> Tensor:
        left = moment.total - moment.index
        stage = min(moment.index * len(stages) // moment.total, len(stages) - 1)
        kept = noised(source, e, moment.next) if left else source
        return torch.where(steps[stage] > left, x, kept)

    return revise


def _told(predict: Predict, hidden: Tensor, kept: Tensor) -> Predict:
    """An inpainting UNet sees x, the mask [1, 1, h, w] and the kept picture [B, C, h, w]."""

    def told(x: Tensor, moment: Moment) -> Tensor:
        return predict(torch.cat([x, hidden.expand(len(x), -1, -1, -1), kept], dim=1), moment)

    return told


def _surroundings(asked: str, mask: Image.Image) -> tuple[str, list[str]]:
    """The background that is possible, and a sentence where it is not the one asked for."""
    if asked == "poisson" and not background.solvable(mask):
        return "paste", [
            "Poisson blending needs a mask with a rim, at least 7 pixels wide; "
            "the original was pasted around it instead."
        ]
    if asked == "tune" and mask.getextrema()[0] != 0:
        return "none", ["The mask covers all, so there was no background to tune the decoder to."]
    return asked, []


def _alpha(surroundings: str, mask: Image.Image, feather: int) -> Image.Image | None:
    """What shows of the edit: the mask with a soft edge, the mask, or all that was decoded."""
    if surroundings == "paste":
        return outline.feathered(mask, feather)
    return mask if surroundings == "poisson" else None


def _report(networks: Networks, request: Blended, prompts: Sequence[Prompt]) -> BlendedReport:
    ran, note = solvers.resolve(request.scheduler, networks.scheduler_config)
    return BlendedReport(scheduler=ran, unknown_words=unknown_words(prompts), note=note)


def _results(
    make: Sequence[Make],
    seeds: Sequence[int],
    before: Image.Image,
    mask: Image.Image,
    agreement: Sequence[float] = (),
) -> list[Result]:
    results: list[Result] = []
    for row, (each, seed) in enumerate(zip(make, seeds, strict=True)):
        inside, outside = masks.changed(before, each(), mask)
        agrees = agreement[row] if agreement else None
        results.append(
            Result(
                make=each,
                seed=seed,
                agreement=agrees,
                changed_inside=inside,
                changed_outside=outside,
            )
        )
    return results


def _ranking(agreement: Sequence[float]) -> Sequence[int] | None:
    return sorted(range(len(agreement)), key=lambda row: -agreement[row]) or None


def _agreement(
    networks: Networks, prompt: Prompt, make: Sequence[Make], mask: Image.Image
) -> Sequence[float]:
    """How well each picture agrees with the words; empty where nothing can tell."""
    words = prompt.plain.strip()  # a CLIP would take the marks for words
    if networks.ranker is None or not words:
        return ()
    return networks.ranker.agreement((each() for each in make), mask, words)
