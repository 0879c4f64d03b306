"""The denoiser's own error: how far the velocity that it says is from the true one, by noise."""

from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler
from PIL import Image

from benchmarks.quality.job import Figures
from benchmarks.quality.lab import Lab
from pipelines.core import noise
from training import album
from training.captions import caption
from training.world import render

BANDS = 5  # of equally many times each, from little noise to much


@torch.no_grad()
def losses(lab: Lab, number: int) -> Figures:
    """Mean squared error of v in each band on the first held-out postcards, and on average.

    Unweighted; one time and one noise for each band and picture, canonical captions. The times of
    all pictures are spread evenly over a band, since the error rises steeply where noise is least.
    """
    bundle = lab.bundle
    scheduler: Any = DDIMScheduler.from_config(bundle.scheduler_config)
    signal: torch.Tensor = scheduler.alphas_cumprod
    width = len(signal) // BANDS
    spread = (np.random.default_rng(0).permutation(number) + 0.5) / number * width
    errors: list[np.ndarray] = []
    for index in range(number):
        scene = album.scene_of(index, held_out=True)
        image = Image.fromarray(render(scene).image)
        clean = bundle.encode(image, lab.generators(0)).cpu()
        t = torch.from_numpy(spread[index] + width * np.arange(BANDS)).long()
        e = noise.draw(lab.generators(BANDS * index, BANDS), clean.shape[1:])
        level = signal[t].view(-1, 1, 1, 1)
        noisy = (level.sqrt() * clean + (1 - level).sqrt() * e).to(bundle.device)
        words = bundle.embed(caption(scene), image.size).rows(BANDS)
        told = bundle.predict(noisy, t.to(bundle.device), words).cpu()
        truth = level.sqrt() * e - (1 - level).sqrt() * clean
        errors.append((told - truth).square().mean((1, 2, 3)).numpy())
    means = np.mean(errors, 0).tolist()
    edges = [f"{width * band}–{width * (band + 1)}" for band in range(BANDS)]
    return dict(zip(edges, means, strict=True)) | {"on average": float(np.mean(means))}
