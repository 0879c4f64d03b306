"""How two pictures of one size differ, in figures."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

SEEN = 16  # levels of 255 in some channel: a change of a pixel that can be seen beside the other


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one picture to another."""

    changed: float  # the share of pixels that visibly changed, in [0, 1]
    distance: float  # root mean square over pixels and channels, in [0, 1]
    where: tuple[int, int, int, int] | None  # left, top, right, bottom of nearly all changed pixels


def between(before: Image.Image, after: Image.Image) -> Difference:
    """The box leaves out the outermost hundredth on each side, so specks do not stretch it."""
    gap = np.abs(_levels(before) - _levels(after))
    changed = gap.max(axis=-1) >= SEEN
    rows, columns = changed.nonzero()
    where = None
    if len(rows):
        left, right = np.quantile(columns, (0.01, 0.99), method="nearest")
        top, bottom = np.quantile(rows, (0.01, 0.99), method="nearest")
        where = (int(left), int(top), int(right) + 1, int(bottom) + 1)
    distance = math.sqrt(float((gap**2).mean())) / 255
    return Difference(float(changed.mean()), distance, where)


def psnr(before: Image.Image, after: Image.Image) -> float:
    """Peak signal-to-noise ratio in decibels; 100 for equal pictures."""
    error = float(((_levels(before) - _levels(after)) ** 2).mean())
    return 100.0 if error == 0 else min(100.0, 10 * math.log10(255**2 / error))


def _levels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), np.float64)
