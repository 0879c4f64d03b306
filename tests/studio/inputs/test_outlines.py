"""The lines that the canvas draws are those of the mask that the method uses."""

import json
import time

import numpy as np
import pytest
from PIL import Image

from pipelines.core import outline
from studio.inputs import outlines


@pytest.fixture
def mask() -> Image.Image:
    mask = Image.new("L", (64, 48))
    mask.paste(255, (20, 12, 40, 36))
    return mask


def box(lines: object) -> tuple[float, float, float, float]:
    points = [point for line in lines for point in line]  # pyright: ignore
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


@pytest.mark.parametrize("grow", [-4, 0, 5])
def test_the_edge_is_the_grown_masks(mask: Image.Image, grow: int) -> None:
    left, top, right, bottom = outline.box(outline.grown(mask, grow)) or (0, 0, 0, 0)
    assert box(outlines.lines(mask, grow, 0)["edge"]) == (
        left + 0.5, top + 0.5, right - 0.5, bottom - 0.5
    )  # fmt: skip


def test_within_the_full_line_nothing_of_the_original_shows(mask: Image.Image) -> None:
    lines = outlines.lines(mask, 0, 6)
    left, _, _, bottom = (round(each - 0.5) for each in box(lines["full"]))
    shown = outline.feathered(mask, 6)
    assert shown.getpixel((left, 24)) == 255 and shown.getpixel((left - 1, 24)) != 255
    assert shown.getpixel((30, bottom)) == 255 and shown.getpixel((30, bottom + 1)) != 255
    assert "full" not in outlines.lines(mask, 0, 0)


def test_on_a_smaller_canvas_all_is_smaller(mask: Image.Image) -> None:
    large = box(outlines.lines(mask.resize((128, 96), Image.Resampling.NEAREST), 8, 0)["edge"])
    small = box(outlines.lines(mask, 8, 0, scale=0.5)["edge"])
    assert all(abs(a / 2 - b) <= 0.5 for a, b in zip(large, small, strict=True))


def test_where_nothing_is_masked_there_is_no_line() -> None:
    assert outlines.lines(Image.new("L", (8, 8)), 4, 4) == {"edge": [], "full": []}


@pytest.mark.parametrize(
    ("kind", "grow", "feather"),
    [("checkerboard", -8, 16), ("noise", 0, 0), ("noise", -8, 16), ("dots", 64, 64)],
)
def test_the_lines_of_a_busy_mask_are_short_and_soon_there(
    kind: str, grow: int, feather: int
) -> None:
    y, x = np.mgrid[:2048, :2048]
    chance = np.random.default_rng(0).random((2048, 2048))
    pixels = {"checkerboard": (x + y) % 2 == 0, "noise": chance < 0.5, "dots": chance < 0.01}[kind]
    mask = Image.fromarray((pixels * 255).astype(np.uint8))
    begun = time.process_time()
    lines = outlines.lines(mask, grow, feather)
    assert time.process_time() - begun < 10, "it took minutes; half a second on a quiet machine"
    assert lines["edge"] and len(json.dumps(lines)) <= 200_000
    assert all(0 < c < 2048 for each in lines.values() for line in each for p in line for c in p)
