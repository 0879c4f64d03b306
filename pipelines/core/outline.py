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
    """How much of the edit shows, "L": 0 outside, rising inwards over `feather` pixels to 255.

    Where the mask is thin the rise is shorter: at most half the local thickness, which is the
    largest disc or upright square within the mask that holds the pixel. So the middle of every
    part is opaque, and a mask of one pixel as well.
    """
    mask = mask.convert("L")
    result = Image.new("L", mask.size)
    around = _around(mask, 1)
    if around is None:
        return result
    inside = (np.asarray(mask.crop(around)) > 0).astype(np.uint8)
    shown: Pixels = inside * np.uint8(255)
    if feather > 1 and not inside.all():
        depth = _depth(inside)
        width = _half_thickness(inside, feather)
        shown = (np.minimum(depth / width, 1) * 255).astype(np.uint8)
    result.paste(Image.fromarray(shown), around[:2])
    return result


def solid(mask: Image.Image) -> Image.Image:
    """The mask, "L", with all its gray as white."""
    return mask.convert("L").point(lambda gray: 255 if gray else 0)


def contours(mask: Image.Image) -> list[list[tuple[int, int]]]:
    """The closed lines around the mask and its holes, as corner points (x, y) in pixels."""
    inside = (np.asarray(mask.convert("L")) > 0).astype(np.uint8)
    lines, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return [[(int(x), int(y)) for x, y in line[:, 0]] for line in lines]


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
    return cv2.distanceTransform(inside, metric, precision).astype(np.float32)
