"""The shape of a mask on its picture's pixels: grown, shrunk, feathered, and drawn as a line.

Without torch, so that a page can show the very outline a method will use. Masks are PIL "L"
pictures, white = edit; every pixel above 0 belongs to the mask, and gray is kept as it is.
Distances are in pixels; the frame of the picture is no edge of the mask.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two are outside, as in Pillow
Pixels = NDArray[np.uint8]
Distances = NDArray[np.float32]

LARGE = 2_000_000  # pixels of a mask's box above which its thickness is measured in blocks
MOST_CORNERS = 50_000  # of pixels that a shape may have before it is looked at in blocks
MOST_POINTS = 5_000  # of the lines around a mask


def box(mask: Image.Image) -> Box | None:
    """The smallest box around the mask, or None where it is empty."""
    return mask.convert("L").getbbox()


def grown(mask: Image.Image, pixels: int) -> Image.Image:
    """The mask with everything within `pixels` of it; below 0 without its outer `-pixels`.

    A new pixel takes the gray of the nearest old one. Shrinking leaves every separate part of the
    mask at least its innermost pixels.
    """
    mask = mask.convert("L")
    around = _around(mask, max(pixels, 0) + 1)
    if around is None or pixels == 0:
        return mask
    part = np.asarray(mask.crop(around))
    shape = _spread(part, pixels) if pixels > 0 else _eroded(part, -pixels)
    result = Image.new("L", mask.size)
    result.paste(Image.fromarray(shape), around[:2])
    return result


def feathered(mask: Image.Image, feather: int) -> Image.Image:
    """How much of the edit shows, "L": 0 outside, over `feather` pixels inwards up to the gray.

    A pixel of gray g shows at most g. Where the mask is thin the rise is shorter: at most half the
    local thickness, which is the largest disc or upright square within the mask that holds the
    pixel. So the middle of every part shows as much as its gray says.
    """
    mask = mask.convert("L")
    result = Image.new("L", mask.size)
    around = _around(mask, 1)
    if around is None:
        return result
    shown = np.asarray(mask.crop(around))
    inside = (shown > 0).astype(np.uint8)
    if feather > 1 and not inside.all():
        rise = _depth(inside)
        rise /= _half_thickness(inside, feather)
        np.minimum(rise, 1, out=rise)
        rise *= 255
        shown = np.minimum(shown, rise.astype(np.uint8))
    result.paste(Image.fromarray(shown), around[:2])
    return result


def contours(mask: Image.Image, within: bool = False) -> list[list[tuple[float, float]]]:
    """The closed lines around the mask and its holes, as corner points (x, y) in pixels.

    There are at most MOST_POINTS of them: where the exact lines have more, they are true to a
    pixel, and those of a mask like noise go around blocks of 2, 4, 8 … pixels a side. A block
    counts where one of its pixels is masked, or where all are if the lines are to stay `within`.
    """
    inside = (np.asarray(mask.convert("L")) > 0).astype(np.uint8)
    block = 1
    while (lines := _traced(inside)) is None:
        inside, block = _halved(inside, within), 2 * block
    middle, right, bottom = (block - 1) / 2, mask.width - 1, mask.height - 1
    return [
        [(min(x * block + middle, right), min(y * block + middle, bottom)) for x, y in line]
        for line in lines
    ]


def plain(mask: Image.Image) -> tuple[Image.Image, int]:
    """A mask that costs little to grow and to feather, and how many pixels wide its own are.

    That is the mask itself and 1; only one that is like noise is put into blocks, and even then
    nothing that is masked is lost.
    """
    inside = (np.asarray(mask.convert("L")) > 0).astype(np.uint8)
    block = 1
    while _corners(inside) > MOST_CORNERS:
        inside, block = _halved(inside, within=False), 2 * block
    return (mask, 1) if block == 1 else (Image.fromarray(inside * np.uint8(255)), block)


def _traced(inside: Pixels) -> list[list[list[int]]] | None:
    """The lines around what is above 0, and around holes; None where they have too many points."""
    if _corners(inside) > MOST_CORNERS:  # cv2 takes minutes for a checkerboard of 2048 pixels
        return None
    found, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    lines = list(found)
    if sum(map(len, lines)) > MOST_POINTS:
        lines = [cv2.approxPolyDP(line, 1.0, True) for line in lines]
    if sum(map(len, lines)) > MOST_POINTS:
        return None
    return [line[:, 0].tolist() for line in lines]


def _corners(inside: Pixels) -> int:
    """How many corners of pixels the shape has, at least half as many as its lines have points."""
    padded = np.pad(inside, 1)
    a, b, c, d = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    odd = a ^ b ^ c ^ d  # one or three of four pixels
    crossed = (a ^ b) & (a ^ c) & (b ^ d)  # two that only touch
    return int(np.count_nonzero(odd | crossed))


def _halved(inside: Pixels, within: bool) -> Pixels:
    """In blocks of 2×2, which count where one of their pixels does, or `within` where all do."""
    height, width = inside.shape
    padded = np.pad(inside, ((0, height % 2), (0, width % 2)), mode="edge")
    pick = np.minimum if within else np.maximum
    return pick.reduce([padded[i::2, j::2] for i in (0, 1) for j in (0, 1)])


def _around(mask: Image.Image, margin: int) -> Box | None:
    """The mask's box and a margin, within the picture: what lies further costs nothing."""
    found = box(mask)
    if found is None:
        return None
    left, top, right, bottom = found
    return (
        max(left - margin, 0),
        max(top - margin, 0),
        min(right + margin, mask.width),
        min(bottom + margin, mask.height),
    )


def _spread(part: Pixels, pixels: int) -> Pixels:
    found: Any = cv2.distanceTransformWithLabels(
        (part == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    distance, nearest = found
    inside = part > 0
    gray = np.zeros(int(nearest.max()) + 1, np.uint8)
    gray[nearest[inside]] = part[inside]
    return np.where(distance <= pixels, gray[nearest], np.uint8(0))


def _eroded(part: Pixels, pixels: int) -> Pixels:
    inside = (part > 0).astype(np.uint8)
    if inside.all():
        return part
    depth = _depth(inside)
    found: Any = cv2.connectedComponents(inside)
    count, parts = found
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, parts.ravel(), depth.ravel())
    kept = (depth > pixels) | (depth == deepest[parts])
    return np.where(kept & (part > 0), part, np.uint8(0))


def _half_thickness(inside: Pixels, most: float) -> Distances:
    """Half the local thickness up to `most`, at least 1, in steps of the square root of 2.

    Of radius r are the pixels in reach of a centre that lies at least r deep: a morphological
    opening, made of two distance transforms at any r. A large mask is looked at in blocks, of
    which only the full ones count.
    """
    block = math.ceil(math.sqrt(inside.size / LARGE))
    if block > 1:
        height, width = inside.shape
        padded = np.pad(inside, ((0, -height % block), (0, -width % block)), mode="edge")
        rows, columns = (side // block for side in padded.shape)
        full = padded.reshape(rows, block, columns, block).min((1, 3))
        coarse = (_half_thickness(full, most / block + 0.5) - 0.5) * block  # never too wide
        coarse[full == 0] = 1
        return coarse.repeat(block, 0).repeat(block, 1)[:height, :width]
    half = np.ones(inside.shape, np.float32)
    radii = [most]
    while radii[-1] > 1.5:
        radii.append(radii[-1] / 2**0.5)
    depths = [(metric, _depth(inside, metric)) for metric in (cv2.DIST_L2, cv2.DIST_C)]
    for radius in reversed(radii):
        for metric, depth in depths:
            centres = depth >= radius
            if centres.any():
                half[_depth((~centres).astype(np.uint8), metric) < radius] = radius
    return half


def _depth(inside: Pixels, metric: int = cv2.DIST_L2) -> Distances:
    """The distance of every pixel above 0 to the nearest 0."""
    precision: Any = cv2.DIST_MASK_PRECISE if metric == cv2.DIST_L2 else 3
    return cv2.distanceTransform(inside, metric, precision).astype(np.float32, copy=False)
