"""Reconstruction: a given picture through the model and back, as every edit of it must begin."""

from functools import partial
from typing import Any

import numpy as np
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler
from PIL import Image
from torch import Tensor

from benchmarks.quality import metrics
from benchmarks.quality.cases import Reconstruction, reconstructions
from benchmarks.quality.job import Figures, Job, Pictures
from benchmarks.quality.lab import Lab
from pipelines import PromptEdit, PromptToPrompt, drain, prompt_to_prompt
from pipelines.core import solvers
from pipelines.core.guidance import guided
from pipelines.core.inversion import invert
from pipelines.core.sampling import walk
from pipelines.prompt_to_prompt import INVERSIONS


def autoencoder(lab: Lab, case: Reconstruction) -> Pictures:
    return lab.bundle.decode(_encoded(lab, case.image))


def inverted(lab: Lab, case: Reconstruction) -> Pictures:
    return _inverted(lab, case, 1.0)


def inverted_and_guided(lab: Lab, case: Reconstruction) -> Pictures:
    return _inverted(lab, case, lab.guidance)


def kept(lab: Lab, case: Reconstruction, inversion: str) -> Pictures:
    """The source as `pipelines.prompt_to_prompt` draws it, with guidance."""
    request = PromptToPrompt(
        image=case.image,
        prompt=case.prompt,
        edits=(PromptEdit(prompt=case.prompt),),
        inversion=inversion,
        **lab.asked(),
    )
    return drain(prompt_to_prompt(lab.bundle, request)).images[:1]


def diffusers(lab: Lab, case: Reconstruction) -> Pictures:
    """diffusers' inverse scheduler up and its DDIM down, without guidance."""
    bundle, config = lab.bundle, lab.bundle.scheduler_config
    words = bundle.embed(case.prompt, case.image.size)
    schedulers: list[Any] = [
        each.from_config(config) for each in (DDIMInverseScheduler, DDIMScheduler)
    ]
    x = _encoded(lab, case.image)
    for scheduler in schedulers:
        scheduler.set_timesteps(lab.steps)
        for t in scheduler.timesteps:
            x = scheduler.step(bundle.predict(x, t, words), t, x).prev_sample
    return bundle.decode(x)


ROWS = {
    "DDIM inversion, back without guidance": inverted,
    "DDIM inversion, back with guidance": inverted_and_guided,
    **{f"{each} inversion, with guidance": partial(kept, inversion=each) for each in INVERSIONS},
    "diffusers, inverse DDIM": diffusers,
    "the autoencoder alone": autoencoder,
}


def measure(lab: Lab, case: Reconstruction, pictures: Pictures) -> Figures:
    result, truth = np.asarray(pictures[0]), np.asarray(case.image)
    return {
        "PSNR": metrics.psnr(result, truth),
        "SSIM": metrics.ssim(result, truth),
        "max": metrics.largest(result, truth),
        "structure": 1000
        * metrics.structure_distance(*lab.critic.cells([pictures[0], case.image])),
    }


def job(number: int) -> Job[Reconstruction]:
    return Job(
        "Reconstruction",
        "Held-out postcards up to pure noise and down again, told by their captions.",
        reconstructions(number),
        ROWS,
        measure,
        "PSNR",
    )


def _encoded(lab: Lab, image: Image.Image) -> Tensor:
    return lab.bundle.encode(image, lab.generators(0))


@torch.no_grad()
def _inverted(lab: Lab, case: Reconstruction, guidance: float) -> Pictures:
    bundle, config, size = lab.bundle, lab.bundle.scheduler_config, case.image.size
    words, without = bundle.embed(case.prompt, size), bundle.embed("", size, negative=True)
    up = solvers.ascent(config, lab.steps, device=bundle.device)
    down = solvers.make("ddim", config, lab.steps, device=bundle.device)
    x = _encoded(lab, case.image)
    for step in invert(x, guided(bundle, words, without, 1.0), up, []):
        x = step.latents
    for step in walk(x, guided(bundle, words, without, guidance), down):
        x = step.latents
    return bundle.decode(x)
