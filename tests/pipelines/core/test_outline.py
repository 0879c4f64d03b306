"""The shape of a mask: each law against a plain count of pixels."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.core import outline


def spot(size: tuple[int, int], box: outline.Box, value: int = 255) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(value, box)
    return mask


def blobs() -> Image.Image:
    """A disc, a thin arm on it, a line of one pixel, and one pixel alone at the frame."""
    mask = Image.new("L", (90, 70))
    draw = ImageDraw.Draw(mask)
    draw.ellipse((10, 10, 44, 44), fill=255)
    draw.rectangle((40, 25, 75, 29), fill=255)
    draw.line((5, 60, 80, 60), fill=255)
    mask.putpixel((89, 0), 255)
    return mask


def inside(mask: Image.Image) -> np.ndarray:
    return np.asarray(mask) > 0


def distances(mask: Image.Image) -> np.ndarray:
    """To the nearest pixel outside, by trying them all."""
    outside = np.argwhere(~inside(mask))
    found = np.zeros(inside(mask).shape)
    for y, x in np.argwhere(inside(mask)):
        found[y, x] = np.sqrt(((outside - (y, x)) ** 2).sum(1).min())
    return found


def test_growing_reaches_as_far_as_said_and_shrinking_takes_it_back() -> None:
    mask = spot((60, 50), (20, 15, 40, 35))
    wide = outline.grown(mask, 7)
    assert outline.box(wide) == (13, 8, 47, 42)
    assert not inside(wide)[8, 13]  # round corners
    assert outline.box(outline.grown(wide, -7)) == (20, 15, 40, 35)
    assert outline.grown(mask, 0).tobytes() == mask.tobytes()


def test_a_grown_pixel_takes_the_gray_beside_it() -> None:
    mask = spot((40, 20), (5, 5, 10, 15), 90)
    mask.paste(200, (25, 5, 30, 15))
    wide = outline.grown(mask, 3)
    assert wide.getpixel((12, 10)) == 90
    assert wide.getpixel((23, 10)) == 200


@pytest.mark.parametrize("pixels", [-1, -8, -64])
def test_shrinking_loses_no_part(pixels: int) -> None:
    mask = blobs()
    small = outline.grown(mask, pixels)
    assert (inside(small) <= inside(mask)).all()
    assert inside(small)[60].any()  # the line
    assert small.getpixel((89, 0)) == 255
    assert inside(small)[10:45, 10:45].any()


def test_the_frame_is_no_edge() -> None:
    half = spot((40, 20), (0, 0, 20, 20))
    assert outline.box(outline.grown(half, -5)) == (0, 0, 15, 20)
    full = Image.new("L", (40, 20), 255)
    for shaped in (outline.grown(full, -9), outline.grown(full, 9), outline.feathered(full, 9)):
        assert shaped.tobytes() == full.tobytes()


@pytest.mark.parametrize("feather", [0, 1, 3, 8, 64])
def test_the_feather_stays_inside_and_every_part_keeps_an_opaque_middle(feather: int) -> None:
    mask = blobs()
    alpha = outline.feathered(mask, feather)
    assert (inside(alpha) == inside(mask)).all()
    assert inside(mask)[60].any() and (np.asarray(alpha)[60, 5:81] == 255).all()
    assert alpha.getpixel((89, 0)) == 255
    assert np.asarray(alpha)[20:35, 20:35].max() == 255
    assert (np.asarray(alpha)[27, 60:73] == 255).all()  # the arm


@pytest.mark.parametrize("feather", [3, 8, 20])
def test_the_feather_is_never_wider_than_half_the_local_thickness(feather: int) -> None:
    """A disc or square around some centre, as deep as the rise is wide, holds the pixel."""
    mask = blobs()
    alpha, depth = np.asarray(outline.feathered(mask, feather)), distances(mask)
    assert (alpha[depth >= feather] == 255).all()
    partly = np.argwhere((alpha > 0) & (alpha < 255))
    assert len(partly)
    centres = np.argwhere(depth > 0)
    for y, x in partly:
        width = depth[y, x] / (alpha[y, x] + 1) * 255  # at least this wide is the rise here
        apart = np.abs(centres - (y, x)).max(1)
        reached = depth[centres[:, 0], centres[:, 1]]
        assert ((reached >= width - 0.5) & (apart <= width + 1)).any(), (x, y, width)


def test_a_large_mask_is_measured_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = spot((200, 160), (10, 10, 150, 141))
    mask.paste(255, (150, 60, 190, 65))  # an arm
    fine = np.asarray(outline.feathered(mask, 16), int)
    monkeypatch.setattr(outline, "LARGE", 3_000)
    coarse = np.asarray(outline.feathered(mask, 16), int)
    assert ((coarse > 0) == inside(mask)).all()
    assert (coarse[distances(mask) >= 16] == 255).all()
    assert (coarse[62, 154:190] == 255).all()
    assert (np.abs(fine - coarse) <= 32).mean() > 0.97


def test_the_feather_rises_evenly() -> None:
    alpha = np.asarray(outline.feathered(spot((60, 60), (10, 10, 50, 50)), 8))
    assert [int(value) for value in alpha[30, 9:18]] == [255 * i // 8 for i in range(9)]


def test_contours_go_around_the_mask_and_its_holes() -> None:
    mask = spot((60, 50), (10, 10, 40, 40))
    mask.paste(0, (20, 20, 30, 30))
    outer, hole = outline.contours(mask)
    assert set(outer) == {(10, 10), (39, 10), (39, 39), (10, 39)}
    assert len(hole) >= 4
    assert outline.contours(Image.new("L", (8, 8))) == []


def test_an_empty_mask_stays_empty() -> None:
    mask = Image.new("L", (30, 20))
    assert outline.box(mask) is None
    for still in (outline.feathered(mask, 9), outline.grown(mask, 9), outline.grown(mask, -3)):
        assert outline.box(still) is None
        assert still.size == mask.size


def drawn(lines: list[list[tuple[float, float]]], size: tuple[int, int]) -> np.ndarray:
    """What the lines go around, themselves included; holes are left out."""
    seen = np.zeros(size[::-1], np.uint8)
    rounded = [np.array(line).round().astype(np.int32) for line in lines]
    cv2.drawContours(seen, rounded, -1, 1, cv2.FILLED)
    return seen > 0


def test_the_lines_of_a_plain_mask_are_exact_however_large_it_is() -> None:
    mask = Image.new("L", (2048, 2048))
    ImageDraw.Draw(mask).ellipse((200, 150, 1800, 1900), fill=255)
    found, _ = cv2.findContours(
        inside(mask).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    assert outline.contours(mask) == [[(x, y) for x, y in line[:, 0].tolist()] for line in found]
    assert (drawn(outline.contours(mask), mask.size) == inside(mask)).all()
    assert outline.plain(mask) == (mask, 1)


def test_lines_of_very_many_points_are_true_to_a_pixel() -> None:
    mask = Image.new("L", (2048, 2048))
    draw = ImageDraw.Draw(mask)
    for y in range(8, 2000, 90):
        draw.ellipse((10, y, 2030, y + 80), fill=255)
    found, _ = cv2.findContours(
        inside(mask).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    assert sum(map(len, found)) > 5_000, "or this shows nothing"
    lines = outline.contours(mask)
    assert len(lines) == len(found) and sum(map(len, lines)) <= 5_000
    wrong = (drawn(lines, mask.size) != inside(mask)).astype(np.uint8)
    edge = cv2.dilate(inside(mask).astype(np.uint8), np.ones((5, 5)))
    edge -= cv2.erode(inside(mask).astype(np.uint8), np.ones((5, 5)))
    assert not (wrong & (edge == 0)).any()


@pytest.mark.parametrize(
    ("kind", "side"),
    [
        ("checkerboard", 2048),
        ("noise", 2048),
        ("dots", 699),
        ("holes", 699),
        ("comb", 699),
        ("lattice", 699),
    ],
)
def test_no_mask_has_lines_without_end(kind: str, side: int) -> None:
    y, x = np.mgrid[:side, :side]
    chance = np.random.default_rng(0).random((side, side))
    pixels = {
        "checkerboard": (x + y) % 2 == 0,
        "noise": chance < 0.5,
        "dots": chance < 0.02,
        "holes": chance > 0.02,
        "comb": (x % 2 == 0) | (y < 4),
        "lattice": (x % 3 > 0) & (y % 3 > 0),
    }[kind]
    mask = Image.fromarray((pixels * 255).astype(np.uint8))
    lines = outline.contours(mask)
    assert 0 < sum(map(len, lines)) <= 5_000
    assert all(0 <= x < side and 0 <= y < side for line in lines for x, y in line)
    near = cv2.dilate(drawn(lines, mask.size).astype(np.uint8), np.ones((65, 65)))
    assert near[pixels].all(), "nothing that is masked is left outside by more than a block"
    within = drawn(outline.contours(mask, within=True), mask.size)
    assert within.mean() <= pixels.mean() + 0.02


def test_a_mask_like_noise_loses_nothing_in_blocks() -> None:
    pixels = np.random.default_rng(0).random((701, 900)) < 0.1
    mask = Image.fromarray((pixels * 255).astype(np.uint8))
    coarse, block = outline.plain(mask)
    assert block > 1
    large = np.asarray(coarse).repeat(block, 0).repeat(block, 1)[:701, :900]
    assert (large[pixels] == 255).all()
