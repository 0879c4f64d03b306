"""How alike the fine detail of two pictures is: a sliced Wasserstein distance, place by place.

As `benchmarks.quality.sliced` (Karras et al., arXiv:1710.10196, section 5), but differentiable and
local: patches are compared within cells of 32 pixels, so that grain belongs where the truth has it,
and need not be the same grain.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

LEVELS = 2  # of the Laplacian pyramid, the finest ones
SIDE = 7  # of a patch, in pixels
STRIDE = 2  # between patches
DIRECTIONS = 32
CELL = 14  # patches across a cell, some 32 pixels
DEVIATIONS = (0.0469, 0.0533)  # of held-out postcards at each level, in -1..1
_BINOMIAL = torch.tensor([1.0, 4, 6, 4, 1]) / 16


def distance(drawn: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Distance of pictures [n, 3, s, s] in -1..1 over random directions, in deviations."""
    total = drawn.new_zeros(())
    shift = int(torch.randint(STRIDE, ()))
    for deviation, *levels in zip(DEVIATIONS, pyramid(drawn), pyramid(truth), strict=True):
        directions = torch.randn(DIRECTIONS, 3, SIDE, SIDE, device=drawn.device)
        directions /= directions.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        ours, theirs = (
            _sorted(F.conv2d(level[..., shift:, shift:], directions, stride=STRIDE) / deviation)
            for level in levels
        )
        total = total + (ours - theirs).abs().mean()
    return total


def pyramid(picture: torch.Tensor) -> list[torch.Tensor]:
    """What each of the finest LEVELS of [n, c, s, s] adds to the next, as OpenCV's pyrDown has it.

    Two pixels next to the border differ from OpenCV's.
    """
    found: list[torch.Tensor] = []
    here = picture
    for _ in range(LEVELS):
        below = _blur(here)[..., ::2, ::2]
        spread = torch.zeros_like(here)
        spread[..., ::2, ::2] = 4 * below
        found.append(here - _blur(spread))
        here = below
    return found


def _blur(picture: torch.Tensor) -> torch.Tensor:
    channels = picture.shape[1]
    kernel = _BINOMIAL.to(picture).expand(channels, 1, 1, -1)
    wide = F.conv2d(F.pad(picture, (2, 2, 0, 0), "reflect"), kernel, groups=channels)
    tall = kernel.transpose(2, 3)
    return F.conv2d(F.pad(wide, (0, 0, 2, 2), "reflect"), tall, groups=channels)


def _sorted(projected: torch.Tensor) -> torch.Tensor:
    """Projections [n, d, h, w], in order within each cell."""
    high, wide = (min(CELL, side) for side in projected.shape[2:])
    cells = projected.unfold(2, high, high).unfold(3, wide, wide)
    return cells.flatten(-2).sort(dim=-1).values
