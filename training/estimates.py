"""Latents as the denoiser leaves them: postcards with noise, brought back to their clean end.

They are smoother than encoded ones, and it is from such latents that pictures are decoded. Noise is
low enough that the picture stays where it was.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from training.denoiser import Denoiser
from training.progress import say
from training.student import WHOLE, Teacher

LEAST, MOST = 100, 400  # times at which the way down begins; it has two steps
AT_ONCE = 10  # pictures
FILE = "estimates.npy"


def cached(
    networks: Denoiser, latents: np.ndarray, tokens: np.ndarray, path: Path, workers: int
) -> np.ndarray:
    """Estimates [n, 4, h, w] float16 of latents [n, 4, h, w]; kept at `path`.

    `tokens` [n, 32] are the captions that guide the denoiser.
    """
    if path.exists() and len(kept := np.load(path)) == len(latents):
        return kept
    teacher = Teacher.of(networks)

    def part(start: int) -> np.ndarray:
        some = slice(start, start + AT_ONCE)
        clean = torch.from_numpy(np.asarray(latents[some])).float().to(teacher.signal.device)
        words = torch.from_numpy(np.array(tokens[some])).long().to(clean.device)
        return estimate(teacher, clean, words).half().cpu().numpy()

    found: list[np.ndarray] = []
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for number, some in enumerate(pool.map(part, range(0, len(latents), AT_ONCE)), 1):
            found.append(some)
            if number % 10 == 0:
                say(f"estimates: {number * AT_ONCE} of {len(latents)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    with aside.open("wb") as file:
        np.save(file, np.concatenate(found))
    aside.rename(path)
    return np.load(path)


@torch.no_grad()
def estimate(teacher: Teacher, clean: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Latents [n, 4, h, w] with noise of a random time, and two guided steps down from there."""
    t = torch.randint(LEAST, MOST, (len(clean),), device=clean.device)
    level, noise = teacher.level(t), torch.randn_like(clean)
    noisy = level.sqrt() * clean + (1 - level).sqrt() * noise
    words = teacher.words(tokens)
    halfway, t = teacher.step(noisy, t, words, t // 2)
    return teacher.step(halfway, t, words, WHOLE)[0]
