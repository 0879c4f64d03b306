"""Regions to begin with: pictures, masks and words for the Replace tab.

Postcards of the split that training never sees, with masks as a person would paint them, and one
picture like a photograph, drawn by `photograph` (a misty lake: fractal ridges, haze, grain), so
that nothing here has another author. `training.examples` writes them into the model's folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from training.palette import COLOURS, rgb
from training.scene import Scene, Thing
from training.world import SIZE, Postcard, render

Mask = Callable[[Postcard], np.ndarray]  # -> [256, 256] bool


def around(part: str, reach: int) -> Mask:
    """A part of the picture, with its trace, and `reach` pixels more."""

    def mask(card: Postcard) -> np.ndarray:
        region = card.masks[part] | (card.masks["trace"] if part == "object" else False)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        return cv2.dilate(region.astype(np.uint8), disc) > 0

    return mask


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    """A rounded patch."""

    def mask(_card: Postcard) -> np.ndarray:
        patch = np.zeros((SIZE, SIZE), np.uint8)
        middle = ((left + right) // 2, (top + bottom) // 2)
        axes = ((right - left) // 2, (bottom - top) // 2)
        cv2.ellipse(patch, middle, axes, 0, 0, 360, 1, -1)
        return patch > 0

    return mask


@dataclass(frozen=True, slots=True)
class Region:
    """What is there, where it is masked, and what is to come instead."""

    name: str
    scene: Scene
    mask: Mask | None  # None: the frame is extended instead
    prompt: str
    settings: dict[str, Any] = field(default_factory=dict)  # fields of the request
    scribble: tuple[str, tuple[int, int, int]] | None = None  # colour; centre and radius


REGIONS = (
    Region(
        "A balloon comes in",
        Scene("sunset", "lake", "blue mountains", None, False, False, 160),
        box(60, 0, 200, 112),
        "a yellow balloon above a lake near blue mountains at sunset",
        {"seed": 2},
    ),
    Region(
        "From house to tree",
        Scene("day", "meadow", "snowy mountains", Thing("house", "red"), False, False, 32),
        around("object", 10),
        "a green pine tree on a meadow near snowy mountains by day",
        {"seed": 6},
    ),
    Region(
        "Nobody was here",
        Scene("dawn", "snow", "blue mountains", Thing("tower", "purple"), False, False, 48),
        around("object", 10),
        "snow near blue mountains at dawn",
        {"seed": 1},
    ),
    Region(
        "A painted hint",
        Scene("day", "field", "none", None, False, False, 64),
        box(66, 4, 190, 132),
        "a red balloon above a wheat field by day",
        {"strength": 0.7, "seed": 4},
        ("red", (128, 58, 34)),
    ),
    Region(
        "The sun goes down",
        Scene("day", "lake", "none", Thing("lighthouse", "red"), False, False, 80),
        around("sky", 0),
        "a lake at sunset",
        {"feather": 2},
    ),
    Region(
        "A wider view",
        Scene("dawn", "sand", "red cliffs", Thing("house", "blue"), False, False, 96),
        None,
        "a blue house on sand near red cliffs at dawn",
        {"left": 64, "right": 64, "seed": 5},
    ),
)


def photograph(width: int = 640, height: int = 480) -> np.ndarray:
    """A misty lake as a camera might see it, [height, width, 3] uint8."""
    rng = np.random.default_rng(7)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture = np.array([0.50, 0.60, 0.70], np.float32) + rows * np.array(
        [0.34, 0.26, 0.18], np.float32
    )
    picture = np.repeat(picture, width, 1)
    shore = round(height * 0.62)
    for depth in range(4):
        rise = _ridge(rng, width)
        top = shore - (0.30 - 0.07 * depth) * height * (0.45 + 0.9 * rise)
        haze = 0.72 - 0.2 * depth
        rock = np.array([0.16, 0.22, 0.24], np.float32) + 0.04 * depth
        shade = rock + haze * (np.array([0.78, 0.82, 0.86], np.float32) - rock)
        ys = np.arange(height)[:, None]
        cover = np.clip(ys - top[None], 0, 1)[..., None] * (ys[..., None] < shore)
        mist = np.clip((ys - top[None]) / (0.2 * height), 0, 1)[..., None] * 0.35
        picture = picture + cover * (shade + mist * (1 - shade) - picture)
    mirror = picture[shore - (height - shore) : shore][::-1]
    sway = cv2.GaussianBlur(
        rng.normal(0, 1, mirror.shape[:2]).astype(np.float32), (0, 0), 6, sigmaY=1
    )
    water = 0.82 * mirror + 0.03 + 0.35 * sway[..., None]
    picture[shore:] = cv2.GaussianBlur(water.astype(np.float32), (0, 0), 2.5, sigmaY=1)
    grain = cv2.GaussianBlur(rng.normal(0, 0.03, picture.shape).astype(np.float32), (0, 0), 0.7)
    ys, xs = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1 - 0.16 * (xs**2 + ys**2)[..., None]
    return (np.clip(picture * vignette + grain, 0, 1) * 255).round().astype(np.uint8)


def _ridge(rng: np.random.Generator, width: int) -> np.ndarray:
    """A skyline in [0, 1], from waves that halve."""
    xs = np.linspace(0, 1, width)
    waves = [
        np.interp(xs * 3 * 2**n, np.arange(3 * 2**n + 2), rng.random(3 * 2**n + 2)) / 2**n
        for n in range(7)
    ]
    line = np.sum(waves, 0)
    return ((line - line.min()) / (line.max() - line.min())).astype(np.float32)


def write(out: Path) -> list[dict[str, Any]]:
    """Draw every region into `out` and list them in replace.json."""
    out.mkdir(parents=True, exist_ok=True)
    examples = [_postcard(each, out) for each in REGIONS]
    examples.append(_photographed(out))
    (out / "replace.json").write_text(json.dumps(examples, indent=2) + "\n")
    return examples


def _postcard(region: Region, out: Path) -> dict[str, Any]:
    card = render(region.scene)
    stem = f"replace-{region.name.lower().replace(' ', '-')}"
    files = {"image": f"{stem}.png"}
    Image.fromarray(card.image).save(out / files["image"], optimize=True)
    if region.mask is not None:
        files["mask"] = f"{stem}-mask.png"
        _save(region.mask(card), out / files["mask"])
    if region.scribble is not None:
        files["strokes"] = f"{stem}-strokes.png"
        colour, disc = region.scribble
        _scribble((SIZE, SIZE), colour, disc, out / files["strokes"])
    return _example(region.name, files, region.prompt, region.settings)


def _photographed(out: Path) -> dict[str, Any]:
    stem = "replace-misty-lake"
    files = {"image": f"{stem}.jpg", "mask": f"{stem}-mask.png", "strokes": f"{stem}-strokes.png"}
    picture = photograph()
    Image.fromarray(picture).save(out / files["image"], quality=90)
    patch = np.zeros(picture.shape[:2], np.uint8)
    cv2.ellipse(patch, (430, 118), (62, 84), 0, 0, 360, 1, -1)
    _save(patch > 0, out / files["mask"])
    _scribble(picture.shape[:2], "red", (430, 100, 52), out / files["strokes"])
    words = "a red balloon above a lake near blue mountains at dawn"
    return _example("A balloon in the mist", files, words, {"strength": 0.6})


def _scribble(shape: tuple[int, ...], colour: str, disc: tuple[int, int, int], path: Path) -> None:
    """A disc of paint: its centre and radius, in pixels."""
    paint = np.zeros((*shape, 4), np.uint8)
    x, y, radius = disc
    shade = tuple((rgb(COLOURS[colour]) * 255).round().astype(int).tolist())
    cv2.circle(paint, (x, y), radius, (*shade, 255), -1)
    Image.fromarray(paint).save(path, optimize=True)


def _save(mask: np.ndarray, path: Path) -> None:
    Image.fromarray(mask.astype(np.uint8) * 255).save(path, optimize=True)


def _example(
    name: str, files: dict[str, str], prompt: str, settings: dict[str, Any]
) -> dict[str, Any]:
    chosen = {"prompt": prompt, "seed": 1, "guidance_scale": 3.0, "num_inference_steps": 20}
    return {"name": name, **files, **chosen, **settings}
