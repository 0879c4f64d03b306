"""The things that stand on a postcard, drawn as polygons four times too large and averaged down.

A drawing function gets an `Easel` whose coordinates are a child's: x from -1 to 1, y upwards from
the foot at 0 to the top at 2. Each is lit from the left: the right side is the shaded one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from training import palette
from training.palette import rgb

OVERSAMPLING = 4


@dataclass(slots=True)
class Easel:
    """A transparent canvas, `height` pixels for the two units of y once averaged down."""

    height: int
    paint: np.ndarray  # [4·height, 4·height, 4] uint8, colour premultiplied by coverage
    lamps: bool  # whether windows are lit

    @classmethod
    def blank(cls, height: int, lamps: bool) -> Easel:
        side = height * OVERSAMPLING
        return cls(height, np.zeros((side, side, 4), np.uint8), lamps)

    def polygon(self, points: Sequence[tuple[float, float]], colour: np.ndarray) -> None:
        cv2.fillPoly(self.paint, [self._pixels(points)], self._ink(colour))

    def box(self, left: float, bottom: float, right: float, top: float, colour: np.ndarray) -> None:
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: np.ndarray) -> None:
        centre = self._pixels([(x, y)])[0]
        axes = (round(rx * self._unit), round(ry * self._unit))
        cv2.ellipse(
            self.paint, (int(centre[0]), int(centre[1])), axes, 0, 0, 360, self._ink(colour), -1
        )

    def window(self, left: float, bottom: float, right: float, top: float) -> None:
        """A pane of glass, lit by night."""
        self.box(left, bottom, right, top, rgb(palette.LAMP if self.lamps else palette.GLASS))

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Premultiplied colour [h, h, 3] and coverage [h, h, 1], float32 in 0..1."""
        small = cv2.resize(self.paint, (self.height, self.height), interpolation=cv2.INTER_AREA)
        small = small.astype(np.float32) / 255.0
        return small[..., :3], small[..., 3:]

    @property
    def _unit(self) -> float:
        return self.paint.shape[0] / 2.0

    def _pixels(self, points: Sequence[tuple[float, float]]) -> np.ndarray:
        side = self.paint.shape[0]
        grid = np.asarray(points, np.float32) * self._unit
        return np.stack([side / 2 + grid[:, 0], side - 1 - grid[:, 1]], 1).round().astype(np.int32)

    @staticmethod
    def _ink(colour: np.ndarray) -> tuple[int, int, int, int]:
        red, green, blue = (int(value) for value in np.clip(colour * 255, 0, 255).round())
        return red, green, blue, 255


def draw(kind: str, colour: str, height: int, lamps: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw one thing `height` pixels tall; returns premultiplied colour and coverage."""
    easel = Easel.blank(height, lamps)
    DRAWINGS[kind](easel, rgb(palette.COLOURS[colour]))
    return easel.finish()


def house(easel: Easel, colour: np.ndarray) -> None:
    roof = rgb(palette.SLATE)
    easel.box(0.1, 0.0, 0.95, 0.85, colour * 0.72)
    easel.polygon([(-0.85, 0), (0.1, 0), (0.1, 0.85), (-0.375, 1.5), (-0.85, 0.85)], colour)
    easel.polygon([(-0.375, 1.62), (0.55, 1.62), (1.0, 0.8), (0.12, 0.8)], roof)
    easel.polygon([(-0.375, 1.62), (-0.28, 1.62), (-0.86, 0.74), (-0.98, 0.78)], roof * 0.8)
    easel.box(0.42, 1.45, 0.6, 1.95, rgb(palette.ROCK))
    easel.box(-0.5, 0.0, -0.24, 0.5, rgb(palette.WOOD) * 0.8)
    easel.window(-0.5, 0.76, -0.24, 1.04)
    easel.window(0.28, 0.34, 0.5, 0.62)
    easel.window(0.62, 0.34, 0.84, 0.62)


def pine_tree(easel: Easel, colour: np.ndarray) -> None:
    easel.box(-0.1, 0.0, 0.1, 0.4, rgb(palette.WOOD))
    for bottom, top, half in ((0.3, 1.05, 0.68), (0.75, 1.5, 0.54), (1.2, 1.98, 0.4)):
        easel.polygon([(-half, bottom), (0, top), (half, bottom)], colour)
        easel.polygon([(0.08, bottom), (0, top), (half, bottom)], colour * 0.7)


def round_tree(easel: Easel, colour: np.ndarray) -> None:
    easel.polygon([(-0.13, 0), (0.13, 0), (0.08, 0.9), (-0.08, 0.9)], rgb(palette.WOOD))
    for x, y, radius, light in (
        (0.36, 1.02, 0.42, 0.68),
        (-0.34, 1.04, 0.44, 0.9),
        (0.2, 1.45, 0.46, 0.8),
        (-0.16, 1.45, 0.48, 1.0),
    ):
        easel.ellipse(x, y, radius, radius, colour * light)


def boat(easel: Easel, colour: np.ndarray) -> None:
    easel.box(-0.05, 0.3, 0.03, 1.98, rgb(palette.WOOD))
    easel.polygon([(0.06, 0.5), (0.06, 1.92), (0.78, 0.5)], colour * 0.8 + 0.2)
    easel.polygon([(-0.08, 0.5), (-0.08, 1.7), (-0.66, 0.5)], colour * 0.65 + 0.1)
    easel.polygon([(-0.95, 0.42), (0.95, 0.42), (0.68, 0), (-0.7, 0)], colour)
    easel.polygon([(-0.86, 0.27), (0.88, 0.27), (0.68, 0), (-0.7, 0)], colour * 0.7)


def balloon(easel: Easel, colour: np.ndarray) -> None:
    easel.polygon([(-0.5, 0.86), (0.5, 0.86), (0.14, 0.36), (-0.14, 0.36)], colour * 0.62)
    easel.ellipse(0.0, 1.28, 0.7, 0.7, colour * 0.78)
    easel.ellipse(-0.08, 1.28, 0.52, 0.7, colour)
    easel.ellipse(-0.12, 1.28, 0.24, 0.7, colour * 0.7 + 0.3)
    easel.box(-0.15, 0.02, 0.15, 0.26, rgb(palette.WOOD))
    for x in (-0.14, 0.11):
        easel.box(x, 0.24, x + 0.03, 0.4, rgb(palette.WOOD) * 0.7)


def lighthouse(easel: Easel, colour: np.ndarray) -> None:
    pale = np.array([0.95, 0.94, 0.9] if colour.min() < 0.8 else [0.62, 0.62, 0.66], np.float32)
    for band in range(5):
        low, high = band * 0.29, band * 0.29 + 0.29
        left, right = 0.36 - low * 0.11, 0.36 - high * 0.11
        shade = pale if band % 2 else colour
        easel.polygon([(-left, low), (left, low), (right, high), (-right, high)], shade)
        easel.polygon([(0.08, low), (left, low), (right, high), (0.07, high)], shade * 0.74)
    easel.box(-0.3, 1.45, 0.3, 1.52, rgb(palette.SLATE))
    easel.window(-0.17, 1.52, 0.17, 1.76)
    easel.polygon([(-0.26, 1.76), (0.26, 1.76), (0, 1.98)], colour * 0.85)


def tower(easel: Easel, colour: np.ndarray) -> None:
    easel.box(-0.4, 0, 0.4, 1.5, colour)
    easel.box(0.08, 0, 0.4, 1.5, colour * 0.72)
    easel.box(-0.52, 1.42, 0.52, 1.68, colour * 0.9)
    for left in (-0.52, -0.24, 0.04, 0.32):
        easel.box(left, 1.66, left + 0.2, 1.92, colour * (0.95 if left < 0 else 0.7))
    easel.ellipse(-0.16, 0.3, 0.13, 0.13, rgb(palette.WOOD) * 0.7)
    easel.box(-0.29, 0, -0.03, 0.3, rgb(palette.WOOD) * 0.7)
    easel.window(-0.24, 0.7, -0.08, 0.98)
    easel.window(0.14, 1.06, 0.28, 1.3)


DRAWINGS: dict[str, Callable[[Easel, np.ndarray], None]] = {
    "house": house,
    "pine tree": pine_tree,
    "round tree": round_tree,
    "boat": boat,
    "balloon": balloon,
    "lighthouse": lighthouse,
    "tower": tower,
}
