"""Strokes to begin with: pictures as a person would paint them in a minute with a broad brush.

`python -m training.examples` writes them into the model's folder, with the words and the settings
that turn each into a postcard (chosen by looking at what the model makes of them), and the regions
to replace of `training.replacing` beside them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from training import comparisons, palette, replacing
from training.palette import Triple
from training.world import HORIZON, SIZE

Points = Sequence[tuple[float, float]]


@dataclass(slots=True)
class Easel:
    """A sheet and a hand that trembles a little."""

    sheet: np.ndarray  # [256, 256, 3] uint8
    hand: np.random.Generator

    def stroke(self, colour: Triple, brush: int, points: Points) -> None:
        """One stroke through `points` with a round brush."""
        path = np.asarray(points, np.float32) + self.hand.normal(0, 1.5, (len(points), 2))
        cv2.polylines(self.sheet, [path.round().astype(np.int32)], False, colour, brush)

    def scrub(self, colour: Triple, brush: int, top: float, bottom: float) -> None:
        """Cover a band from edge to edge, back and forth."""
        rows = np.arange(top, bottom + brush / 2, brush * 0.6)
        for row in rows:
            self.stroke(
                colour, brush, [(-20, row), (130, row + self.hand.normal(0, 2)), (276, row)]
            )

    def blob(self, colour: Triple, points: Points) -> None:
        """A filled patch with a trembling outline."""
        path = np.asarray(points, np.float32) + self.hand.normal(0, 1.5, (len(points), 2))
        cv2.fillPoly(self.sheet, [path.round().astype(np.int32)], colour)


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is painted, and what it is meant to become."""

    name: str
    prompt: str
    strength: float
    seed: int
    sky: str
    ground: str
    mountains: str | None
    thing: str
    colour: str
    at: tuple[int, int]  # the foot of the thing
    light: tuple[int, int] | None = None
    sweep: bool = False  # whether to begin with several strengths at once


SKETCHES = (
    Sketch(
        "Sailing home",
        "a white boat on a lake near blue mountains at sunset",
        0.6, 1, "sunset", "lake", "blue mountains", "boat", "white", (140, 210),
    ),
    Sketch(
        "Over the wheat",
        "a purple balloon above a wheat field near green hills by day",
        0.6, 1, "day", "field", "green hills", "balloon", "purple", (150, 128),
        sweep=True,
    ),
    Sketch(
        "First snow",
        "a green pine tree on snow near blue mountains at dawn",
        0.6, 1, "dawn", "snow", "blue mountains", "pine tree", "green", (120, 206),
    ),
    Sketch(
        "A house under the peaks",
        "a red house on a meadow near snowy mountains with the sun by day",
        0.6, 1, "day", "meadow", "snowy mountains", "house", "red", (110, 208), (206, 44),
    ),
    Sketch(
        "Weathering it",
        "a red lighthouse on a lake in a storm",
        0.6, 1, "storm", "lake", None, "lighthouse", "red", (130, 206),
    ),
    Sketch(
        "The old tree",
        "a yellow round tree on a meadow near green hills with the sun at sunset",
        0.6, 1, "sunset", "meadow", "green hills", "round tree", "yellow", (110, 208), (204, 70),
    ),
    Sketch(
        "The tower by night",
        "a red tower on snow near snowy mountains with the moon at night",
        0.6, 2, "night", "snow", "snowy mountains", "tower", "red", (150, 208), (60, 44),
    ),
    Sketch(
        "Desert morning",
        "a blue house on sand near red cliffs at dawn",
        0.6, 1, "dawn", "sand", "red cliffs", "house", "blue", (150, 208),
    ),
    Sketch(
        "Mirror lake",
        "a yellow balloon above a lake near snowy mountains by day",
        0.6, 1, "day", "lake", "snowy mountains", "balloon", "yellow", (110, 130),
    ),
)  # fmt: skip


def paint(sketch: Sketch) -> np.ndarray:
    """The strokes of one sketch, [256, 256, 3] uint8."""
    easel = Easel(np.full((SIZE, SIZE, 3), 255, np.uint8), np.random.default_rng(sketch.seed))
    zenith, middle, horizon = palette.SKIES[sketch.sky]
    easel.scrub(zenith, 34, 0, 50)
    easel.scrub(middle, 34, 50, 104)
    easel.scrub(horizon, 34, 112, HORIZON)
    if sketch.light:
        x, y = sketch.light
        cv2.circle(easel.sheet, (x, y), 17, palette.LIGHTS[sketch.sky], -1)
    if sketch.mountains:
        _mountains(easel, sketch.mountains, sketch.sky)
    far, near = (_tinted(colour, sketch.sky) for colour in palette.GROUNDS[sketch.ground])
    easel.scrub(far, 30, HORIZON + 15, HORIZON + 24)
    easel.scrub(near, 36, HORIZON + 52, SIZE)
    STROKES[sketch.thing](easel, palette.COLOURS[sketch.colour], *sketch.at)
    return easel.sheet


def _mountains(easel: Easel, kind: str, sky: str) -> None:
    rock, top = (_tinted(colour, sky) for colour in palette.MOUNTAINS[kind])
    skyline = [(-6, 122), (28, 96), (62, 118), (100, 90), (142, 116), (186, 84), (228, 112)]
    outline = [*skyline, (262, 96), (262, HORIZON + 4), (-6, HORIZON + 4)]
    easel.blob(rock, outline)
    if kind == "snowy mountains":
        for x, y in ((28, 98), (100, 92), (186, 86)):
            easel.stroke(top, 11, [(x - 13, y + 14), (x, y + 2), (x + 13, y + 14)])


def _house(easel: Easel, colour: Triple, x: int, y: int) -> None:
    easel.blob(colour, [(x - 44, y), (x + 46, y), (x + 46, y - 48), (x - 44, y - 48)])
    easel.blob(
        palette.SLATE, [(x - 54, y - 44), (x + 56, y - 44), (x + 28, y - 88), (x - 24, y - 88)]
    )
    easel.stroke(palette.WOOD, 14, [(x - 18, y - 4), (x - 18, y - 22)])


def _boat(easel: Easel, colour: Triple, x: int, y: int) -> None:
    easel.blob(colour, [(x - 52, y - 24), (x + 52, y - 24), (x + 36, y), (x - 36, y)])
    easel.blob(colour, [(x + 4, y - 30), (x + 4, y - 104), (x + 42, y - 30)])
    easel.blob(colour, [(x - 6, y - 30), (x - 6, y - 92), (x - 36, y - 30)])
    easel.stroke(palette.WOOD, 4, [(x, y - 26), (x, y - 106)])


def _balloon(easel: Easel, colour: Triple, x: int, y: int) -> None:
    cv2.circle(easel.sheet, (x, y - 66), 36, colour, -1)
    easel.blob(colour, [(x - 26, y - 44), (x + 26, y - 44), (x, y - 16)])
    easel.stroke(palette.WOOD, 12, [(x - 2, y - 6), (x + 2, y - 6)])


def _tower(easel: Easel, colour: Triple, x: int, y: int) -> None:
    easel.stroke(colour, 44, [(x, y - 22), (x, y - 70)])
    easel.stroke(colour, 20, [(x - 20, y - 92), (x + 20, y - 92)])
    for step in (-22, 0, 22):
        easel.stroke(colour, 10, [(x + step, y - 100), (x + step, y - 104)])


def _pine_tree(easel: Easel, colour: Triple, x: int, y: int) -> None:
    easel.stroke(palette.WOOD, 12, [(x, y - 2), (x, y - 20)])
    easel.blob(colour, [(x - 40, y - 16), (x + 40, y - 16), (x, y - 108)])


def _round_tree(easel: Easel, colour: Triple, x: int, y: int) -> None:
    easel.stroke(palette.WOOD, 12, [(x, y - 4), (x, y - 48)])
    cv2.circle(easel.sheet, (x, y - 70), 40, colour, -1)


def _lighthouse(easel: Easel, colour: Triple, x: int, y: int) -> None:
    pale = palette.COLOURS["white"]
    for number in range(5):
        shade = pale if number % 2 else colour
        low = y - 8 - 17 * number
        easel.stroke(shade, 17, [(x - 11 + number, low), (x + 11 - number, low)])
    easel.stroke(palette.SLATE, 14, [(x - 2, y - 96), (x + 2, y - 96)])


STROKES: dict[str, Callable[[Easel, Triple, int, int], None]] = {
    "house": _house,
    "boat": _boat,
    "balloon": _balloon,
    "tower": _tower,
    "pine tree": _pine_tree,
    "round tree": _round_tree,
    "lighthouse": _lighthouse,
}


def _tinted(colour: Triple, time: str) -> Triple:
    red, green, blue = (
        min(255, round(value * tint))
        for value, tint in zip(colour, palette.TINTS[time], strict=True)
    )
    return red, green, blue


@dataclass(frozen=True, slots=True)
class Example:
    """One entry of paint.json: what the studio fills its form with."""

    name: str
    image: str  # beside the file
    prompt: str
    strength: float
    seed: int
    guidance_scale: float = 3.0
    num_inference_steps: int = 20
    sweep: bool = False  # several strengths at once, from the strokes to realistic


def example_of(sketch: Sketch) -> Example:
    """The entry of one sketch."""
    image = f"{sketch.name.lower().replace(' ', '-')}.png"
    return Example(
        sketch.name, image, sketch.prompt, sketch.strength, sketch.seed, sweep=sketch.sweep
    )


def write(out: Path) -> list[Example]:
    """Paint every sketch into `out` and list them in paint.json; returns these."""
    out.mkdir(parents=True, exist_ok=True)
    examples = []
    for sketch in SKETCHES:
        example = example_of(sketch)
        Image.fromarray(paint(sketch)).save(out / example.image, optimize=True)
        examples.append(example)
    listing = [asdict(example) for example in examples]
    (out / "paint.json").write_text(json.dumps(listing, indent=2) + "\n")
    replacing.write(out)
    comparisons.write(out)
    return examples


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m training.examples")
    parser.add_argument("--out", type=Path, default=Path("assets/models/postcard/examples"))
    write(parser.parse_args().out)
