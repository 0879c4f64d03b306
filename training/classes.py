"""What stands in each cell of a postcard: the map that the auxiliary head learns to draw.

One class a cell of 8 pixels, as latents have them: of what covers the cell, that with the largest
share. Small things would lose to what surrounds them, and a shadow would hide the ground it lies
on, so the shares are weighted first.
"""

from __future__ import annotations

import numpy as np

from training.scene import KINDS, Scene
from training.world import SIZE, Masks

GRID = 32  # cells along a side
PARTS = {"sky": 1.0, "light": 1.5, "mountains": 1.0, "ground": 1.0, "trace": 0.8}
THING = 1.2  # the weight of each kind of thing
CLASSES = (*PARTS, *KINDS)


def class_map(scene: Scene, masks: Masks) -> np.ndarray:
    """The class [32, 32] uint8 of each cell, a place in CLASSES, from the masks of a rendering."""
    shares = [weight * _shares(masks[part]) for part, weight in PARTS.items()]
    for kind in KINDS:
        standing = np.zeros((SIZE, SIZE), bool)
        for name, thing in (("first", scene.thing), ("other", scene.other)):
            if thing is not None and thing.kind == kind:
                standing |= masks[name]
        shares.append(THING * _shares(standing))
    return np.argmax(shares, 0).astype(np.uint8)


def _shares(mask: np.ndarray) -> np.ndarray:
    """How much of each cell a mask [256, 256] covers, [32, 32] in 0..1."""
    side = SIZE // GRID
    return mask.reshape(GRID, side, GRID, side).mean((1, 3))
