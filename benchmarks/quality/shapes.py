"""What the eye sees first: the outlines of things, and how many lights stand in the sky."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from training import things
from training.palette import LIGHTS, rgb
from training.scene import Scene, Thing
from training.world import HORIZON

SCALES = np.linspace(0.8, 1.2, 17)  # of a drawing, about the height of what is compared with it
SMALLEST = 60  # pixels that a part of a mask must have to be a thing
TALL = 200  # pixels of a drawing before it is scaled
TOLERANCE = 16 / 255  # how far a light's colour may be off, in the channel that is most
DISC = (250, 1600)  # pixels of a disc; the world's have 800 to 1260
ROUND = 0.6  # the share of its box that a disc fills at least, where a whole one fills π/4
SQUARE = 1.6  # how much wider than high its box may be, or higher than wide


def silhouettes(mask: np.ndarray, scene: Scene) -> list[float]:
    """For each thing of a scene, how its part of a mask [256, 256] bool has its kind's outline.

    The intersection over union with the drawing of the kind, moved and scaled to fit best; 0 where
    there is nothing. Of two things, the first is the part that is farther left.
    """
    told = [thing for thing in (scene.thing, scene.other) if thing is not None]
    parts = _parts(mask, len(told))
    return [fit(part, thing) for part, thing in zip(parts, told, strict=True)]


def fit(part: np.ndarray, thing: Thing) -> float:
    """The largest IoU of a mask [h, w] bool and a thing's drawing, wherever and however large."""
    rows = np.flatnonzero(part.any(1))
    if not len(rows):
        return 0.0
    height, best = rows[-1] - rows[0] + 1, 0.0
    padded = np.pad(part, 64).astype(np.float32)
    for scale in SCALES:
        drawing = _outline(thing.kind, max(4, round(height * scale)))
        inside = cv2.matchTemplate(padded, drawing, cv2.TM_CCORR)
        best = max(best, float((inside / (part.sum() + drawing.sum() - inside)).max()))
    return best


def lights(picture: np.ndarray, mask: np.ndarray, time: str) -> int:
    """How many discs of the sun's or the moon's colour stand in the sky of [256, 256, 3] uint8.

    `mask` says where the things are, whose lit windows do not count.
    """
    if time not in LIGHTS:
        return 0
    near = np.abs(picture / 255 - rgb(LIGHTS[time])).max(-1) < TOLERANCE
    near[HORIZON:] = False
    near &= cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    _, _, found, _ = cv2.connectedComponentsWithStats(near.astype(np.uint8))
    return sum(_disc(*each) for each in found[1:].tolist())


def _disc(_left: int, _top: int, width: int, height: int, area: int) -> bool:
    square = max(width, height) / min(width, height) <= SQUARE
    return DISC[0] <= area <= DISC[1] and area / (width * height) >= ROUND and square


def _parts(mask: np.ndarray, number: int) -> list[np.ndarray]:
    """The mask in so many parts, from left to right; a missing one is empty."""
    if number == 1:
        return [mask]
    _, labels, found, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    large = [i for i in np.argsort(found[1:, 4])[::-1] + 1 if found[i, 4] >= SMALLEST][:number]
    large.sort(key=lambda i: centres[i, 0])
    empty = np.zeros_like(mask)
    return [*(labels == i for i in large), *(empty for _ in range(number - len(large)))]


@cache
def _outline(kind: str, height: int) -> np.ndarray:
    """The drawing of a kind, `height` pixels tall, as float32 0 or 1, without what is around it."""
    _, cover = things.draw(kind, "red", TALL, False)
    whole = cover[..., 0] > 0.5
    rows, columns = (np.flatnonzero(whole.any(axis)) for axis in (1, 0))
    cut = cover[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0]
    width = max(1, round(cut.shape[1] * height / cut.shape[0]))
    small = cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA)
    return (small > 0.5).astype(np.float32)


def share(found: Sequence[float]) -> float:
    """A mean, or NaN of nothing."""
    return float(np.mean(found)) if found else float("nan")
