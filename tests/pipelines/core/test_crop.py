"""Which part is worked on, how it comes back, and what an added border begins as."""

import numpy as np
import pytest
from PIL import Image

from pipelines.core import crop
from pipelines.core.crop import Window


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.effect_noise(size, 80).convert("RGB")


@pytest.mark.parametrize(
    ("masked", "size", "way", "box"),
    [
        ((400, 400, 460, 440), (1024, 1024), "auto", (302, 292, 558, 548)),  # the model's own side
        ((0, 0, 200, 100), (1024, 1024), "auto", (0, 0, 400, 400)),  # twice the mask, moved inside
        ((0, 0, 500, 500), (1024, 1024), "auto", (0, 0, 1024, 1024)),  # nearly all: does not pay
        ((40, 40, 60, 60), (256, 256), "auto", (0, 0, 256, 256)),  # fits the model as it is
        ((40, 40, 60, 60), (256, 256), "on", (0, 0, 128, 128)),
        ((40, 40, 60, 60), (256, 256), "quick", (0, 0, 128, 128)),
        ((400, 400, 460, 440), (1024, 1024), "off", (0, 0, 1024, 1024)),
        ((900, 10, 905, 15), (2000, 100), "auto", (774, 0, 1030, 100)),  # cut at the frame
        ((1, 1, 2, 2), (3, 3), "on", (0, 0, 2, 2)),
    ],
)
def test_the_crop(masked: crop.Box, size: tuple[int, int], way: str, box: crop.Box) -> None:
    found = crop.choose(way, masked, size, 256)
    assert found == box
    assert found[0] <= masked[0] and found[1] <= masked[1]
    assert found[2] >= masked[2] and found[3] >= masked[3]


@pytest.mark.parametrize(
    ("way", "box", "size", "side"),
    [
        ("auto", (0, 0, 128, 128), (256, 256), 256),
        ("on", (0, 0, 128, 128), (256, 256), 256),
        ("quick", (0, 0, 128, 128), (256, 256), 128),  # a quarter of the cells
        ("quick", (0, 0, 512, 512), (1024, 1024), 128),
        ("quick", (0, 0, 64, 128), (256, 128), 128),
        ("quick", (0, 0, 40, 40), (40, 40), 256),  # all of it: as fine as ever
    ],
)
def test_a_quick_part_is_as_fine_as_the_whole_would_be(
    way: str, box: crop.Box, size: tuple[int, int], side: int
) -> None:
    assert crop.side(way, box, size, 256) == side


def test_a_window_comes_back_into_its_picture() -> None:
    picture, drawn = noise((50, 40)), noise((10, 10))
    alpha = Image.new("L", picture.size)
    alpha.paste(255, (12, 12, 18, 18))
    for window in (
        Window(picture, (10, 10, 30, 20), None),
        Window(picture, (10, 10, 30, 20), alpha),
    ):
        filled = window.filled(drawn)
        assert filled.size == picture.size
        differs = (np.asarray(filled) != np.asarray(picture)).any(-1)
        rows, columns = np.nonzero(differs)
        assert differs.any()
        shown = (10, 10, 30, 20) if window.alpha is None else (12, 12, 18, 18)
        assert columns.min() >= shown[0] and columns.max() < shown[2]
        assert rows.min() >= shown[1] and rows.max() < shown[3]


def test_a_reduced_window_shows_the_same_in_small() -> None:
    window = Window(Image.new("RGB", (400, 200), "navy"), (100, 50, 300, 150), None).reduced(100)
    filled = window.filled(Image.new("RGB", (8, 8), "gold"))
    assert filled.size == (100, 50)
    assert filled.getpixel((50, 25)) == (255, 215, 0)
    assert filled.getpixel((20, 25)) == (0, 0, 128)
    assert window.reduced(400) is window


@pytest.mark.parametrize("border", [(8, 0, 0, 0), (16, 24, 32, 8), (0, 0, 0, 200)])
def test_a_border_leaves_the_picture_as_it_was(border: crop.Box) -> None:
    picture = noise((30, 20))
    canvas = crop.extended(picture, border)
    left, top, right, bottom = border
    assert canvas.size == (30 + left + right, 20 + top + bottom)
    assert canvas.crop((left, top, left + 30, top + 20)).tobytes() == picture.tobytes()
    mask = crop.framed(Image.new("L", picture.size), border)
    assert mask.size == canvas.size
    assert (np.asarray(mask) == 0).sum() == 30 * 20


def test_a_border_continues_the_edge_in_its_tones() -> None:
    picture = Image.new("RGB", (64, 64), "navy")
    picture.paste("gold", (32, 0, 64, 64))
    canvas = crop.extended(picture, (32, 0, 32, 0))
    assert canvas.getpixel((4, 30)) == (0, 0, 128)
    assert canvas.getpixel((123, 30)) == (255, 215, 0)
