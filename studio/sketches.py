"""What is on a canvas, as a method wants it: one picture, and a mask of where it may change."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from components.canvas import Sketch
from pipelines.pictures import read_mask, read_picture, read_strokes
from pipelines.request import check_mask

EVERYTHING: Final = "everything"
NOTHING: Final = "nothing"  # of the canvas is wanted: the seed draws the picture
STROKES: Final = "strokes"
MASK: Final = "mask"
MASK_ALONE: Final = "mask alone"  # the seed draws the picture that it lies on
REGION: Final = "region"  # the mask where there is one; the request knows whether it needs one

EMPTY: Final = "Paint something first, or drop a picture on the canvas."
NO_MASK: Final = "Paint a mask where the picture may change, or let it change everywhere."
NO_STROKES: Final = "Paint a stroke first: the picture is to change only around the strokes."
SMALLEST: Final = 8  # pixels on a side: one latent cell
ASPECT: Final = 0.02  # by how much the sides of picture and strokes may disagree


@dataclass(frozen=True, slots=True)
class Guide:
    """The picture to start from, and where it may change (None: everywhere)."""

    image: Image.Image | None  # RGB; None: the seed draws it
    mask: Image.Image | None  # gray, white = edit, of the picture's size


def guide(sketch: Sketch, only: str = EVERYTHING) -> Guide:
    """Picture and strokes put together; ValueError with a sentence where nothing is there."""
    if only == NOTHING:
        return Guide(None, None)
    if only == MASK_ALONE:
        return Guide(None, _needed(_mask(sketch, (sketch.width, sketch.height))))
    painted = read_strokes(sketch.strokes) if sketch.strokes else None
    if painted is not None and not painted.getchannel("A").getbbox():
        painted = None
    if painted is None and sketch.picture is None:
        raise ValueError(EMPTY)

    if sketch.picture is None:
        image = Image.new("RGB", (sketch.width, sketch.height), "white")
    else:
        image = read_picture(sketch.picture)
    _check_size(image)
    if painted is not None:
        painted = _fit(painted, image.size, "strokes")
        image.paste(painted, mask=painted.getchannel("A"))

    if only == STROKES:
        if painted is None:
            raise ValueError(NO_STROKES)
        return Guide(image, _around(painted.getchannel("A")))
    if only in (MASK, REGION):
        mask = _mask(sketch, image.size)
        return Guide(image, _needed(mask) if only == MASK else mask)
    if only != EVERYTHING:
        raise ValueError("The picture may change everywhere, around the strokes, or in the mask.")
    return Guide(image, None)


def _mask(sketch: Sketch, size: tuple[int, int]) -> Image.Image | None:
    """The mask at the picture's size, or None where nothing is masked."""
    if sketch.mask is None:
        return None
    mask = _fit(read_mask(sketch.mask), size, "mask")
    return mask if mask.getbbox() else None


def _needed(mask: Image.Image | None) -> Image.Image:
    if mask is None:
        raise ValueError(NO_MASK)
    return mask


def given(image: Image.Image, mask: Image.Image | None) -> Guide:
    """A picture and a mask that came as two files, say from a program."""
    _check_size(image)
    check_mask(mask, image)
    return Guide(image, mask)


def _check_size(image: Image.Image) -> None:
    if min(image.size) < SMALLEST:
        raise ValueError(
            f"That picture is {image.width}×{image.height} pixels; "
            f"each side needs at least {SMALLEST}."
        )


def _fit(layer: Image.Image, size: tuple[int, int], name: str) -> Image.Image:
    """A layer at the picture's own size; it must have the picture's shape."""
    if layer.size == size:
        return layer
    across, down = size[0] / layer.width, size[1] / layer.height
    rounding = 1 / min(layer.size)  # a side of the layer was rounded to whole pixels
    if abs(across / down - 1) > ASPECT + rounding:
        raise ValueError(
            f"The {name} are {layer.width}×{layer.height} pixels, which does not fit a picture of "
            f"{size[0]}×{size[1]}. Reload the page and run again."
        )
    return layer.resize(size, Image.Resampling.BILINEAR)


def _around(alpha: Image.Image) -> Image.Image:
    """Where paint is, and 1/32 of the picture more: it must be able to close around a stroke."""
    solid = Image.fromarray(((np.asarray(alpha) > 0) * 255).astype(np.uint8))
    small = solid.reduce(max(1, max(solid.size) // 512)).point(lambda value: 255 if value else 0)
    for _ in range(max(1, round(max(small.size) / 128))):
        small = small.filter(ImageFilter.MaxFilter(9))  # 4 pixels each way
    return small.resize(alpha.size, Image.Resampling.NEAREST)
