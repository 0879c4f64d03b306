"""A classifier two-sample test: can a small network tell two sets of pictures apart?

Lopez-Paz and Oquab (arXiv:1610.06545): it learns on patches of one half of the pictures; its share
of right answers on the other half is 50 % where nothing distinguishes the sets.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from training.autoencoder import to_tensor

SIDE = 64  # of a patch, in pixels
PATCHES = 6  # of a picture
STEPS, BATCH = 200, 32


def told_apart(pictures: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> float:
    """The share of right answers, 0..1; NaN with fewer than four pictures of each set.

    Beside each patch the network sees what is finer than five pixels in it, four times as strong:
    in so few steps it would not find by itself what blurring takes away.
    """
    if min(len(pictures), len(reference)) < 4:
        return float("nan")
    generator = torch.Generator().manual_seed(0)
    rng = np.random.default_rng(0)
    sets = [_sharpened(_patches(each, rng)) for each in (pictures, reference)]
    halves = [(each[: len(each) // 2], each[len(each) // 2 :]) for each in sets]
    seen, unseen = ([half[i] for half in halves] for i in (0, 1))
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        judge = _judge()
    optimizer = torch.optim.AdamW(judge.parameters(), lr=3e-3)
    for _ in range(STEPS):
        parts = [
            each[torch.randint(len(each), (BATCH // 2,), generator=generator)] for each in seen
        ]
        answers = torch.arange(2).repeat_interleave(BATCH // 2).float()
        loss = F.binary_cross_entropy_with_logits(judge(torch.cat(parts))[:, 0], answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        first, second = (judge(each)[:, 0] for each in unseen)
    return float((first < 0).float().mean() + (second > 0).float().mean()) / 2


def _judge() -> nn.Sequential:
    """Four halvings of a patch, and what is left on average."""
    layers: list[nn.Module] = []
    for inner, outer in ((6, 16), (16, 32), (32, 32), (32, 32)):
        layers += [nn.Conv2d(inner, outer, 3, 2, 1), nn.SiLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 1))


def _sharpened(patches: torch.Tensor) -> torch.Tensor:
    """Patches [n, 3, h, w] and their fine detail: [n, 6, h, w]."""
    blurred = F.avg_pool2d(patches, 5, 1, 2, count_include_pad=False)
    return torch.cat([patches, 4 * (patches - blurred)], 1)


def _patches(pictures: Sequence[np.ndarray], rng: np.random.Generator) -> torch.Tensor:
    """Patches [pictures · PATCHES, 3, 64, 64] in -1..1, those of a picture together."""
    found: list[np.ndarray] = []
    for picture in pictures:
        for y, x in rng.integers(0, np.array(picture.shape[:2]) - SIDE + 1, (PATCHES, 2)):
            found.append(picture[y : y + SIDE, x : x + SIDE])
    return to_tensor(np.stack(found))
