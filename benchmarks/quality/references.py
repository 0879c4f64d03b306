"""The official algorithms as they were published, where ours differ: what the difference costs.

Each is written from the description of the official code, over our networks and our loop.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks import published
from benchmarks.quality.lab import Lab
from pipelines.core import masks, noise, solvers
from pipelines.core.guidance import guided
from pipelines.core.sampling import Moment, Predict, Revise, walk
from pipelines.core.schedule import noised

SKIPPED = 0.25  # of Blended Latent Diffusion's steps
SELF_PIXELS = 16 * 16  # the largest grid on which Prompt-to-Prompt replaces self-attention


def sdedit(
    lab: Lab, guide: Image.Image, mask: Image.Image, prompt: str, strength: float, seed: int
) -> list[Image.Image]:
    """Masked SDEdit: after each step the kept part is put back at the level *before* it.

    (github.com/ermongroup/SDEdit; one noise for the whole run; at the end the kept part is the
    guide's.)
    """
    bundle, generators = lab.bundle, lab.generators(seed, lab.candidates)
    source = bundle.encode(guide, generators)
    e = noise.draw(generators, source.shape[1:], bundle.device)
    m = masks.cells(mask, *source.shape[-2:]).to(bundle.device)
    solver = _solver(lab, strength)

    def revise(x: Tensor, moment: Moment) -> Tensor:
        return m * x + (1 - m) * noised(source, e, moment.here)

    x = noised(source, e, solver.moments[0].here)
    x = _walked(x, _guided(lab, prompt, guide.size), solver, revise)
    return bundle.decode(m * x + (1 - m) * source)


def blended(
    lab: Lab, image: Image.Image, mask: Image.Image, prompt: str, seed: int
) -> list[Image.Image]:
    """Blended Latent Diffusion's script for Stable Diffusion 2.1 (text_editing_SD2.py).

    A quarter of the steps is skipped, yet it starts from pure noise; each step is followed by a
    blend with the background at the level before it, in fresh noise; nothing is reconstructed. The
    mask is reduced by its nearest pixel.
    """
    bundle, generators = lab.bundle, lab.generators(seed, lab.candidates)
    source = bundle.encode(image, generators)
    height, width = source.shape[-2:]
    nearest = mask.convert("L").resize((width, height), Image.Resampling.NEAREST)
    m = torch.from_numpy(np.asarray(nearest) >= 128).float().to(bundle.device)
    solver = _solver(lab, 1 - SKIPPED)

    def revise(x: Tensor, moment: Moment) -> Tensor:
        fresh = noise.draw(generators, source.shape[1:], bundle.device)
        return m * x + (1 - m) * noised(source, fresh, moment.here)

    x = noise.draw(generators, source.shape[1:], bundle.device)
    return bundle.decode(_walked(x, _guided(lab, prompt, image.size), solver, revise))


def prompt_to_prompt(lab: Lab, prompts: Sequence[str], seed: int) -> list[Image.Image]:
    """Prompt-to-Prompt with explicit attention maps, [source, target], without a local blend.

    Replacement where both prompts have as many words, else refinement with the official aligner.
    """
    source, target = prompts
    swapped = len(source.split()) == len(target.split())
    index = None if swapped else published.refined(lab.bundle.tokenizers[0], source, target)
    recipe = published.Recipe(target, index=index, layout_pixels=SELF_PIXELS)
    latents = published.prompt_to_prompt(
        lab.bundle, source, [recipe], lab.steps, lab.guidance, seed
    )
    return lab.bundle.decode(latents[-1])


def _solver(lab: Lab, strength: float = 1.0) -> solvers.Scheduled:
    config = lab.bundle.scheduler_config
    return solvers.make("default", config, lab.steps, strength, device=lab.bundle.device)


def _guided(lab: Lab, prompt: str, size: tuple[int, int]) -> Predict:
    words, without = lab.bundle.embed(prompt, size), lab.bundle.embed("", size, negative=True)
    return guided(lab.bundle, words, without, lab.guidance)


def _walked(
    x: Tensor, predict: Predict, solver: solvers.Scheduled, revise: Revise | None = None
) -> Tensor:
    for step in walk(x, predict, solver, revise):
        x = step.latents
    return x
