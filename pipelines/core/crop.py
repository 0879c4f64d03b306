"""Which part of a picture is worked on, and how it comes back into the whole."""

import math
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from PIL import Image, ImageFilter

from pipelines.core.outline import Box

STRIP = 512  # rows of pixels
FILL = 64  # pixels on the longer side of the small picture that a new border is made of


@dataclass(frozen=True, slots=True)
class Window:
    """A box of a picture and what shows through it."""

    picture: Image.Image  # RGB
    box: Box  # in pixels of `picture`
    alpha: Image.Image | None  # "L" of the picture's size; None: all of the box shows

    def seen(self) -> Image.Image:
        """What of the picture lies in the box."""
        whole = self.box == (0, 0, *self.picture.size)
        return self.picture if whole else self.picture.crop(self.box)

    def filled(self, drawn: Image.Image) -> Image.Image:
        """A copy of the picture with `drawn`, of any size, in the box.

        Where alpha is 0, and outside the box, the copy equals the picture bit for bit.
        """
        left, top, right, bottom = self.box
        whole = self.picture.copy()
        down = bottom - top
        for first in range(top, bottom, STRIP):  # a picture may be large
            strip = (left, first, right, min(first + STRIP, bottom))
            size = (right - left, strip[3] - first)
            begin, end = ((row - top) * drawn.height / down for row in (first, strip[3]))
            part = (0, begin, drawn.width, end)
            fitted = drawn.resize(size, Image.Resampling.LANCZOS, part)
            alpha = None if self.alpha is None else self.alpha.crop(strip)
            whole.paste(fitted, strip[:2], alpha)
        return whole

    def reduced(self, side: int) -> Self:
        """The same at most `side` pixels wide and high, for looking at."""
        scale = side / max(self.picture.size)
        if scale >= 1:
            return self
        size = (
            max(round(self.picture.width * scale), 1),
            max(round(self.picture.height * scale), 1),
        )
        left, top = int(self.box[0] * scale), int(self.box[1] * scale)
        right = min(max(round(self.box[2] * scale), left + 1), size[0])
        bottom = min(max(round(self.box[3] * scale), top + 1), size[1])
        small = self.picture.resize(size, Image.Resampling.BOX, reducing_gap=2)
        alpha = None if self.alpha is None else self.alpha.resize(size, Image.Resampling.BOX)
        return type(self)(small, (left, top, right, bottom), alpha)


def choose(way: str, masked: Box, size: tuple[int, int], native: int) -> Box:
    """The part of a picture of `size` (width, height) to work on: a padded square, or all of it.

    The square is centred on the mask's box `masked`, twice as long as its longer side, but not
    shorter than the model's own `native` side or half the picture's longer side, whichever is
    less; it is moved and cut to lie within the picture. "on" and "quick" always take it, "off"
    never, and "auto" where that makes the work finer: the picture is larger than the model's own
    size, and the square at most half of it.
    """
    width, height = size
    whole = (0, 0, width, height)
    if way == "off":
        return whole
    left, top, right, bottom = masked
    side = max(2 * max(right - left, bottom - top), min(native, max(size) // 2))
    across, down = min(side, width), min(side, height)
    x = min(max((left + right - across) // 2, 0), width - across)
    y = min(max((top + bottom - down) // 2, 0), height - down)
    pays = width * height > native**2 and 2 * across * down <= width * height
    return (x, y, x + across, y + down) if way in ("on", "quick") or pays else whole


def side(way: str, box: Box, size: tuple[int, int], native: int) -> int:
    """The side of a square with as many pixels as the part `box` is worked on at.

    That is the model's own `native` side; with "quick" its share of it, so that the part is as
    fine as it would be with all of the picture of `size` (width, height), and its cost is its area.
    """
    if way != "quick":
        return native
    left, top, right, bottom = box
    share = (right - left) * (bottom - top) / (size[0] * size[1])
    return round(native * math.sqrt(share))


def extended(picture: Image.Image, border: Box) -> Image.Image:
    """An RGB picture with `border` pixels (left, top, right, bottom) more on its sides.

    The border continues the picture's edge in soft tones; the picture itself is not touched.
    """
    left, top, right, bottom = border
    if not any(border):
        return picture
    edged = Image.fromarray(
        cv2.copyMakeBorder(np.asarray(picture), top, bottom, left, right, cv2.BORDER_REPLICATE)
    )
    small = edged.copy()
    small.thumbnail((FILL, FILL), Image.Resampling.BOX)
    soft = small.filter(ImageFilter.GaussianBlur(1)).resize(edged.size, Image.Resampling.BICUBIC)
    soft.paste(picture, (left, top))
    return soft


def framed(mask: Image.Image, border: Box) -> Image.Image:
    """A mask "L" with a white border of that many pixels (left, top, right, bottom)."""
    left, top, right, bottom = border
    if not any(border):
        return mask
    wide = Image.new("L", (mask.width + left + right, mask.height + top + bottom), 255)
    wide.paste(mask, (left, top))
    return wide
