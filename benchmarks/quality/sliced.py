"""Sliced Wasserstein distance of Laplacian-pyramid patches: how alike two sets of pictures look.

By Karras et al. (arXiv:1710.10196), section 5: at each level patches are taken from both sets,
projected onto random directions, and their sorted projections compared. The finest level holds
noise and edges, the coarsest the layout. Each channel is divided by the reference's own deviation
at that level.
"""

from collections.abc import Sequence

import cv2
import numpy as np

SIDES = (256, 128, 64, 32)  # of the levels, in pixels; the last one is no difference
PATCHES = 96  # of a picture and level
SIDE = 7  # of a patch, in pixels
DIRECTIONS = 256


def distances(pictures: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> dict[int, float]:
    """1000 times the distance at each of SIDES, of pictures [256, 256, 3] uint8."""
    sets = [[pyramid(picture) for picture in each] for each in (pictures, reference)]
    rng = np.random.default_rng(0)
    found: dict[int, float] = {}
    for level, side in enumerate(SIDES):
        ours, theirs = (_patches([each[level] for each in some], rng) for some in sets)
        deviation = theirs.std((0, 1))
        flat = [(each / deviation).reshape(len(each), -1) for each in (ours, theirs)]
        directions = rng.standard_normal((flat[0].shape[1], DIRECTIONS)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=0)
        a, b = (np.sort(each @ directions, axis=0) for each in flat)
        found[side] = 1000 * float(np.abs(a - b).mean())
    return found


def pyramid(picture: np.ndarray) -> list[np.ndarray]:
    """What each level adds to the next, and the last level itself; float32."""
    here = picture.astype(np.float32) / 255
    found: list[np.ndarray] = []
    for _ in SIDES[1:]:
        below = cv2.pyrDown(here)
        found.append(here - cv2.pyrUp(below))
        here = below
    return [*found, here]


def _patches(level: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """[pictures · PATCHES, 49, 3] from random places."""
    found: list[np.ndarray] = []
    for picture in level:
        places = rng.integers(0, np.array(picture.shape[:2]) - SIDE + 1, (PATCHES, 2))
        found += [picture[y : y + SIDE, x : x + SIDE] for y, x in places]
    return np.stack(found).reshape(len(found), SIDE * SIDE, 3)
