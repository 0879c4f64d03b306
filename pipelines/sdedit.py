"""SDEdit: noise the painting part of the way, then denoise (Meng et al., arXiv:2108.01073).

    x = q(x0, t0, e)                        the guide at the level of `strength`
    for each step from t to u:              t0 down to 0
        x = solver(x, t, u)
        x = m x + (1 - m) q(x0, u, e)       with a mask: the kept part at the level just reached

x0 is the latent of the guide (strokes, a photo with strokes or a pasted patch), m the mask
(1 = edit), e one noise per picture. A cell of gray g is kept up to the first step that starts at no
more noise than a run of strength g times `strength` would, and is edited from there on. With
`repeats` K the whole is done K times, each pass from the result of the former (Algorithm 4). Where
we depart from the official code: there the kept part is put back at the level t *before* the step,
one too noisy; and here it ends as x0 itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipelines.core import masks, noise, preview, sizes, solvers
from pipelines.core.guidance import guided
from pipelines.core.sampling import Moment, Predict, Revise, Run, Views, Walk, walk
from pipelines.core.schedule import Level, noised
from pipelines.edit import Edit, Report, Result, made
from pipelines.networks.protocol import Networks
from pipelines.request import Picture, Range, Request, Several, check_mask
from pipelines.words.prompt import unknown_words


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SDEdit(Request):
    """Refine strokes or a photo into what the words say (SDEdit)."""

    image: Annotated[
        Image.Image | None, Picture("Picture", about="Strokes, or a photo.", required=True)
    ] = None
    mask_image: Annotated[
        Image.Image | None, Picture("Mask", mode="L", about="White: may change. Black: stays.")
    ] = None
    strength: Annotated[
        float, Range(0.0, 1.0, 0.01, "Strength", "0 keeps the strokes, 1 follows the words alone.")
    ] = 0.7
    eta: Annotated[
        float, Range(0.0, 1.0, 0.05, "Eta", "DDIM only: 0 is deterministic, 1 draws new noise.")
    ] = 0.0
    repeats: Annotated[
        int, Range(1, 8, 1, "Repeats", "Each pass starts from the result of the former.")
    ] = 1
    num_images: Annotated[int, Range(1, 8, 1, "Pictures", "Variations with seeds in a row.")] = 1
    strengths: Annotated[
        tuple[float, ...],
        Several(
            Range(0.0, 1.0, 0.01, "Strength"),
            8,
            "Strengths",
            "Several at once, one picture each, in place of the one strength.",
        ),
    ] = ()

    def __post_init__(self) -> None:
        Request.__post_init__(self)
        if self.image is None:
            raise ValueError("Give a picture: paint something first, or choose a photo.")
        check_mask(self.mask_image, self.image)
        if self.strengths and self.num_images > 1:
            raise ValueError("Several strengths or several pictures, not both at once.")
        if self.eta and self.scheduler not in ("ddim", "default"):
            raise ValueError("Eta is for DDIM; set it to 0 or choose DDIM as the scheduler.")


def sdedit(networks: Networks, request: SDEdit) -> Run[Report]:
    """Refine `request.image`, yielding each step.

    Returns one picture per seed (or per strength of the sweep). Without a mask it has the size
    the model works at; with one, the original's size, and the original's pixels outside the mask.
    """
    original, mask = request.image, request.mask_image
    assert original is not None  # the request saw to it
    strengths = request.strengths or (request.strength,) * request.num_images
    seeds = noise.seeds(request.seed, request.num_images)
    if request.strengths:  # a sweep's rows share one seed
        seeds *= len(strengths)
    if mask is not None and masks.empty(mask):
        untouched = made([original.copy for _ in seeds], original.size)
        results = [Result(make=each, seed=n) for each, n in zip(untouched, seeds, strict=True)]
        return Edit(results, Report(note="The mask is empty, so nothing changed."))

    size = sizes.fit(original.size, networks.size, networks.multiple)
    guide = original.resize(size, Image.Resampling.LANCZOS)
    before = guide if mask is None else original
    small_mask = None if mask is None else mask.resize(size, Image.Resampling.BOX)

    generators = noise.generators(seeds)
    source = networks.encode(guide, generators)  # [B, C, h, w]
    cells = None if mask is None else masks.cells(mask, *source.shape[-2:]).to(source.device)
    prompt, negative = networks.read(request.prompt), networks.read(request.negative_prompt)
    words, without = networks.embed(prompt, size), networks.embed(negative, size, negative=True)
    predict = guided(networks, words, without, request.guidance_scale)

    def view(rows: Sequence[int], clean: Tensor) -> Views:
        drawn = preview.pictures(networks, clean)
        if small_mask is not None:
            drawn = [masks.paste(guide, each, small_mask) for each in drawn]
        return {str(row): each for row, each in zip(rows, drawn, strict=True)}

    edited = None if cells is None else [_edited(networks, request, cells, s) for s in strengths]
    latents = source
    for number in range(1, request.repeats + 1):
        refining = _Pass(
            phase="denoising" if request.repeats == 1 else f"pass {number} of {request.repeats}",
            request=request,
            scheduler_config=networks.scheduler_config,
            predict=predict,
            start=latents,
            source=source,
            e=noise.draw(generators, source.shape[1:], source.device),
            generators=generators,
            cells=cells,
            edited=edited,
            view=view,
        )
        latents = yield from refining.run(strengths)

    make = [
        before.copy
        if strength == 0
        else picture.copy
        if mask is None
        else partial(masks.paste, original, picture, mask)
        for picture, strength in zip(networks.decode(latents), strengths, strict=True)
    ]
    ran, note = solvers.resolve(request.scheduler, networks.scheduler_config)
    results = [
        Result(
            make=each,
            seed=n,
            strength=strength,
            steps=_steps(networks, request, ran, strength),
            distance_to_guide=_distance(guide, each()),
        )
        for each, n, strength in zip(made(make, before.size), seeds, strengths, strict=True)
    ]
    unknown = unknown_words([prompt, negative])
    report = Report(scheduler=ran, unknown_words=unknown, note=note)
    return Edit(results, report, {"before": before})


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass from noise to picture, for rows that may start at different levels."""

    phase: str
    request: SDEdit
    scheduler_config: solvers.Config
    predict: Predict
    start: Tensor  # [B, C, h, w], what is noised
    source: Tensor  # [B, C, h, w], what is kept outside the mask
    e: Tensor  # [B, C, h, w], the noise
    generators: noise.Generators
    cells: Tensor | None  # [1, 1, h, w], 1 = edit
    edited: Sequence[Tensor] | None  # of each row [1, 1, h, w]: the last steps that edit a cell
    view: Callable[[Sequence[int], Tensor], Views]

    def run(self, strengths: Sequence[float]) -> Walk:
        """Returns all rows, in order; a row of strength 0 as it was."""
        done = self.start.clone()
        falling = sorted(set(strengths) - {0.0}, reverse=True)
        if not falling:
            return done
        rows_at = {s: [i for i, each in enumerate(strengths) if each == s] for s in falling}
        first = self._solver(falling[0], rows_at[falling[0]])
        if first.multistep:  # what a step remembers is its own row's: one strength after another
            for strength in falling:
                rows = rows_at[strength]
                solver = self._solver(strength, rows)
                phase = self.phase if len(falling) == 1 else f"strength {strength:g}"
                x = self._noised(rows, solver.start.level)
                done[rows] = yield from self._walk(x, solver, rows, phase)
            return done

        rows: list[int] = []  # one batch; each strength joins where the walk reaches its level
        x = self.start[:0]
        total, at = len(first.moments), 0
        for strength in falling:
            joining = rows_at[strength]
            solver = first if not rows else self._solver(strength, joining).last_of(total)
            apart = solver.start.t is not None  # its first step is shorter than that of the others
            joins = total - len(solver.moments) + apart
            x = yield from self._together(x, first, at, joins, rows)
            entering = self._noised(joining, solver.start.level)
            if apart:
                entry = solver.part(0, 1, solver.generators)
                entering = yield from self._walk(entering, entry, joining, self.phase)
            x, rows, at = torch.cat([x, entering]), rows + joining, joins
        done[rows] = yield from self._together(x, first, at, total, rows)
        return done

    def _together(
        self, x: Tensor, solver: solvers.Scheduled, begin: int, end: int, rows: Sequence[int]
    ) -> Walk:
        """The solver's steps `begin`..`end` for all rows that have joined."""
        if not rows:
            return x
        part = solver.part(begin, end, [self.generators[row] for row in rows])
        return (yield from self._walk(x, part, rows, self.phase))

    def _solver(self, strength: float, rows: Sequence[int]) -> solvers.Scheduled:
        return solvers.make(
            self.request.scheduler,
            self.scheduler_config,
            self.request.num_inference_steps,
            strength,
            generators=[self.generators[row] for row in rows],
            eta=self.request.eta,
            corrector=self.cells is None or masks.hard(self.cells),
            device=self.start.device,
        )

    def _noised(self, rows: Sequence[int], level: Level) -> Tensor:
        return noised(self.start[rows], self.e[rows], level)

    def _walk(self, x: Tensor, solver: solvers.Scheduled, rows: Sequence[int], phase: str) -> Walk:
        return walk(x, self.predict, solver, self._revise(rows), phase, partial(self.view, rows))

    def _revise(self, rows: Sequence[int]) -> Revise | None:
        """The kept part at the level just reached, and the source itself at the end."""
        if self.edited is None:
            return None
        source, drawn = self.source[rows], self.e[rows]
        edited = torch.cat([self.edited[row] for row in rows])

        def revise(x: Tensor, moment: Moment) -> Tensor:
            left = moment.total - moment.index
            kept = noised(source, drawn, moment.next) if left else source
            return torch.where(edited > left, x, kept)

        return revise


def _edited(networks: Networks, request: SDEdit, cells: Tensor, strength: float) -> Tensor:
    """In how many of the last steps each cell is edited, in a run of this strength."""
    steps = request.num_inference_steps
    solver = solvers.make(request.scheduler, networks.scheduler_config, steps, strength)
    return masks.steps_of(cells, lambda gray: solver.steps_from(gray * strength))


def _steps(networks: Networks, request: SDEdit, ran: str, strength: float) -> int:
    """How many steps a row takes from `strength`, in all repeats."""
    steps = request.num_inference_steps
    solver = solvers.make(ran, networks.scheduler_config, steps, strength)
    return len(solver.moments) * request.repeats


def _distance(guide: Image.Image, picture: Image.Image) -> float:
    """L2 between two pictures in [0, 1], summed over pixels: the paper's faithfulness."""
    small = picture if picture.size == guide.size else picture.resize(guide.size)
    difference = np.asarray(guide, np.float32) - np.asarray(small, np.float32)
    return float(np.linalg.norm(difference) / 255)


def strokes(image: Image.Image, kernel: int = 23, colors: int = 6) -> Image.Image:
    """A picture as somebody would paint it with a broad brush (the paper's stroke simulator).

    A median filter of `kernel` pixels (for a 256-pixel picture; it grows with the picture), then a
    palette of `colors`.
    """
    rgb = image.convert("RGB")
    wide = max(1, round(kernel * math.sqrt(rgb.width * rgb.height) / 256)) | 1  # odd
    smooth = cv2.medianBlur(np.asarray(rgb), wide)
    return Image.fromarray(smooth).quantize(colors, dither=Image.Dither.NONE).convert("RGB")


def halved(
    strength: float, low: float, high: float, towards: Literal["strokes", "realistic"]
) -> tuple[float, float, float]:
    """The user's binary search for t0: the next strength, and what is left of [low, high].

    "strokes" keeps what lies below the present strength, "realistic" what lies above.
    """
    low, high = (low, strength) if towards == "strokes" else (strength, high)
    return (low + high) / 2, low, high
