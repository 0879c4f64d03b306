"""Laws of outlines that Hypothesis tries on small masks of many shapes, by counting pixels."""

from typing import Any

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from PIL import Image

from pipelines.core import outline

Pixels = NDArray[np.uint8]

shapes = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=16)
hard = arrays(np.uint8, shapes, elements=st.sampled_from([0, 255]))
gray = arrays(np.uint8, shapes, elements=st.sampled_from([0, 0, 1, 90, 200, 255]))


def after(made: Image.Image) -> Pixels:
    return np.asarray(made)


def parts(pixels: Pixels) -> list[NDArray[np.bool_]]:
    """The connected parts, over corners too."""
    found: Any = cv2.connectedComponents((pixels > 0).astype(np.uint8))
    count, labels = found
    return [labels == number for number in range(1, count)]


def distances(pixels: Pixels) -> NDArray[np.float64]:
    """From every pixel to the nearest masked one, by trying them all."""
    masked = np.argwhere(pixels > 0)
    places = np.argwhere(np.ones_like(pixels))
    apart = np.sqrt(((places[:, None] - masked[None]) ** 2).sum(2)).min(1)
    return apart.reshape(pixels.shape)


@given(gray, st.integers(1, 20))
def test_growing_reaches_every_pixel_that_is_near_enough(pixels: Pixels, by: int) -> None:
    grown = after(outline.grown(Image.fromarray(pixels), by))
    if not pixels.any():
        assert not grown.any()
        return
    apart = distances(pixels)
    assert (grown[apart <= 0.97 * by] > 0).all()  # OpenCV counts to within 3 %
    assert not grown[apart > 1.03 * by].any()
    assert np.array_equal(grown[pixels > 0], pixels[pixels > 0])
    assert set(np.unique(grown)) <= {0, *np.unique(pixels)}


@given(gray, st.integers(1, 20))
def test_shrinking_keeps_values_and_something_of_every_part(pixels: Pixels, by: int) -> None:
    shrunk = after(outline.grown(Image.fromarray(pixels), -by))
    assert np.array_equal(shrunk[shrunk > 0], pixels[shrunk > 0])
    assert all(shrunk[part].any() for part in parts(pixels))


@given(hard, st.integers(1, 8))
def test_shrinking_what_has_grown_loses_nothing(pixels: Pixels, by: int) -> None:
    wide = outline.grown(Image.fromarray(np.pad(pixels, 12)), by)
    back = after(outline.grown(wide, -max(by - 1, 0)))[12:-12, 12:-12]
    assert (back[pixels > 0] > 0).all()


@given(gray, st.integers(0, 40))
def test_a_feather_stays_inside_and_below_the_gray(pixels: Pixels, by: int) -> None:
    soft = after(outline.feathered(Image.fromarray(pixels), by))
    assert np.array_equal(soft > 0, pixels > 0)
    assert (soft <= pixels).all()
    if by <= 1:
        assert np.array_equal(soft, pixels)


@given(hard, st.integers(0, 40))
def test_every_part_keeps_an_opaque_middle(pixels: Pixels, by: int) -> None:
    soft = after(outline.feathered(Image.fromarray(pixels), by))
    assert all((soft[part] == 255).any() for part in parts(pixels))


@given(hard)
def test_the_lines_go_around_the_mask_and_nothing_else(pixels: Pixels) -> None:
    mask = Image.fromarray(pixels)
    lines = [np.array(line).round().astype(np.int32) for line in outline.contours(mask)]
    seen = np.zeros_like(pixels)
    cv2.drawContours(seen, lines, -1, 255, cv2.FILLED)
    assert np.array_equal(seen, pixels)
    assert outline.plain(mask) == (mask, 1)


@given(hard, st.booleans())
def test_blocks_lose_nothing_or_add_nothing(pixels: Pixels, within: bool) -> None:
    halved = outline._halved((pixels > 0).astype(np.uint8), within)  # pyright: ignore[reportPrivateUsage]
    large = halved.repeat(2, 0).repeat(2, 1)[: pixels.shape[0], : pixels.shape[1]] > 0
    assert ((pixels > 0)[large] if within else large[pixels > 0]).all()
