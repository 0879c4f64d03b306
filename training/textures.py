"""Noise for the world, and generic pictures: what keeps the autoencoder honest about photographs.

A network that only ever saw postcards would fail on a user's photograph. A share of its diet is
therefore pictures with the statistics of photographs and none of their content: dead leaves
(occlusion, edges at all scales), smooth gradients (skies, walls), fractal textures (stone, bark).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np


def fractal(
    rng: np.random.Generator, size: int, cells: tuple[int, int], octaves: int = 5
) -> np.ndarray:
    """Fractal noise [size, size] in 0..1, `cells` (down, across) coarse features per side."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        grid = rng.random((cells[0] * 2**octave + 3, cells[1] * 2**octave + 3), np.float32)
        layer = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        total += (layer - 0.5) * 0.5**octave
    return np.clip(0.5 + total * 0.8, 0, 1)


def line(
    rng: np.random.Generator, size: int, cells: Sequence[int], weights: Sequence[float]
) -> np.ndarray:
    """A wandering line [size], in 0..1: a skyline before it is given a height."""
    total = np.zeros(size, np.float32)
    for cell, weight in zip(cells, weights, strict=True):
        grid = rng.random((1, cell + 3), np.float32)
        stretched = cv2.resize(grid, (size, 1), interpolation=cv2.INTER_CUBIC)[0]
        total += weight * stretched
    return np.clip(total / sum(weights), 0, 1)


def generic(rng: np.random.Generator, size: int) -> np.ndarray:
    """One generic picture [size, size, 3] uint8."""
    picture = (leaves, gradient, stone)[rng.choice(3, p=(0.6, 0.15, 0.25))](rng, size)
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 2.5))
    picture = picture + rng.normal(0, rng.choice([0, 0.01, 0.02]), picture.shape)
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)


def leaves(rng: np.random.Generator, size: int) -> np.ndarray:
    """Dead leaves: discs and polygons of power-law size that cover one another, some textured."""
    picture = np.empty((size, size, 3), np.float32)
    picture[:] = rng.random(3)
    grain = fractal(rng, size, (12, 12))[..., None] - 0.5
    for _ in range(150):
        radius = min(size * 0.5, 3.0 / (1 - rng.random()) ** 0.9)
        centre = rng.integers(size, size=2)
        left, top = np.maximum(centre - int(radius) - 1, 0)
        right, bottom = centre + int(radius) + 2
        window = picture[top:bottom, left:right]
        cover = _leaf(rng, window.shape[:2], centre - (left, top), radius)[..., None]
        colour = np.clip(rng.random() + rng.normal(0, 0.22, 3), 0, 1)
        texture = colour + rng.choice([0, 0.3, 0.7]) * grain[top:bottom, left:right]
        window += cover * (texture - window)
    return picture


def _leaf(
    rng: np.random.Generator, shape: tuple[int, int], centre: np.ndarray, radius: float
) -> np.ndarray:
    """How much of each pixel one leaf covers, float32 in 0..1."""
    mask = np.zeros(shape, np.uint8)
    if rng.random() < 0.4:
        axes = (int(radius) + 1, int(radius * rng.uniform(0.3, 1)) + 1)
        middle = (int(centre[0]), int(centre[1]))
        cv2.ellipse(mask, middle, axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
    else:
        turns = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 6)))
        points = centre + radius * np.stack([np.cos(turns), np.sin(turns)], 1)
        cv2.fillPoly(mask, [points.round().astype(np.int32)], 255, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def gradient(rng: np.random.Generator, size: int) -> np.ndarray:
    """A smooth field of colour between four corners."""
    corners = rng.random((2, 2, 3), np.float32)
    return cv2.resize(corners, (size, size), interpolation=cv2.INTER_CUBIC)


def stone(rng: np.random.Generator, size: int) -> np.ndarray:
    """Fractal grain between two colours."""
    low, high = rng.random((2, 3))
    grain = fractal(rng, size, tuple(rng.integers(2, 20, 2)), octaves=6)[..., None]
    return low + grain * (high - low)
