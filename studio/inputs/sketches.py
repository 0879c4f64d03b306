"""What is on a canvas, as a method wants it: one picture, and a mask of where it may change.

At the click a canvas becomes `Layers`: files with their size and hash, checked by their headers and
by what was painted. When its turn comes they are decoded into a `Guide`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageFilter

from components.contract.sketch import Sketch
from pipelines.pictures import STRIP, read_mask, read_picture, read_strokes
from pipelines.request import check_sizes
from studio.inputs.picture_files import Layers, PictureFile, Size, refer

EMPTY: Final = "Paint something first, or drop a picture on the canvas."
NO_MASK: Final = "Paint a mask where the picture may change, or let it change everywhere."
NO_STROKES: Final = "Paint a stroke first: the picture is to change only around the strokes."
SMALLEST: Final = 8  # pixels on a side: one latent cell
ASPECT: Final = 0.02  # by how much the sides of picture and strokes may disagree
FAINT: Final = 8  # the alpha up to which paint may be a browser's noise


@dataclass(frozen=True, slots=True)
class Guide:
    """The picture to start from, and where it may change (None: everywhere)."""

    image: Image.Image | None  # RGB; None: the seed draws it
    mask: Image.Image | None  # gray, white = edit, of the picture's size


def layers(sketch: Sketch) -> Layers:
    """What of a canvas a run needs; ValueError with a sentence where nothing is there.

    Of the picture only the header is read; strokes and mask are decoded to see what is painted.
    """
    strokes = None if sketch.by_seed else _painted(sketch)
    picture = None if sketch.by_seed or sketch.picture is None else refer(sketch.picture)
    if strokes is None and picture is None and not sketch.by_seed:
        raise ValueError(EMPTY)
    size = (sketch.width, sketch.height) if picture is None else picture.size
    if not sketch.by_seed:
        check_size(size)
    if strokes is not None:
        _check_shape(strokes.size, size, "strokes have")
    if sketch.around_strokes:
        if strokes is None:
            raise ValueError(NO_STROKES)
        return Layers(picture, strokes, None, size, around=True)
    mask = _masked(sketch, size)
    if sketch.needs_mask and mask is None:
        raise ValueError(NO_MASK)
    return Layers(picture, strokes, mask, size)


def given(picture: Path | None, mask: Path | None) -> Layers:
    """A picture and a mask that came as two files, say from a program, by their headers."""
    named = None if picture is None else refer(picture)
    masked = None if mask is None else refer(mask)
    if named is not None:
        check_size(named.size)
        if masked is not None:
            check_sizes(masked.size, named.size)
    size = named.size if named else masked.size if masked else (SMALLEST, SMALLEST)
    return Layers(named, None, masked, size)


def stand_in(layers: Layers) -> Guide:
    """A guide of one pixel, to check by it what else a request holds before anything is decoded."""
    drawn = layers.picture is None and layers.strokes is None
    masked = layers.around or layers.mask is not None
    return Guide(
        None if drawn else Image.new("RGB", (1, 1)),
        Image.new("L", (1, 1), 255) if masked else None,
    )


def guide(layers: Layers) -> Guide:
    """The layers decoded and put together; ValueError with a sentence where a file has gone."""
    mask = None
    if layers.mask is not None:
        mask = _fit(read_mask(layers.mask.whole()), layers.size)
    if layers.picture is None and layers.strokes is None:
        return Guide(None, mask)
    if layers.picture is None:
        image = Image.new("RGB", layers.size, "white")
    else:
        image = read_picture(layers.picture.whole())
    if layers.strokes is not None:
        paint = read_strokes(layers.strokes.whole())
        _lay(image, paint)
        if layers.around:
            mask = _around(_fit(paint.getchannel("A"), layers.size))
    return Guide(image, mask)


def check_size(size: Size) -> None:
    """ValueError with a sentence where a picture is too small to be edited."""
    if min(size) < SMALLEST:
        raise ValueError(
            f"That picture is {size[0]}×{size[1]} pixels; each side needs at least {SMALLEST}."
        )


def _painted(sketch: Sketch) -> PictureFile | None:
    """The strokes, or None where nothing is painted; a browser may add noise to what it reads."""
    if sketch.strokes is None:
        return None
    file = refer(sketch.strokes)
    alpha = read_strokes(file.path).getchannel("A")
    return file if alpha.point(_PAINTED).getbbox() else None


def _masked(sketch: Sketch, size: Size) -> PictureFile | None:
    """The mask, or None where nothing is masked; it must have the shape of `size`."""
    if sketch.mask is None:
        return None
    file = refer(sketch.mask)
    _check_shape(file.size, size, "mask has")
    return file if read_mask(file.path).getbbox() else None


def _check_shape(layer: Size, size: Size, has: str) -> None:
    across, down = size[0] / layer[0], size[1] / layer[1]
    rounding = 1 / min(layer)  # a side of the layer was rounded to whole pixels
    if abs(across / down - 1) > ASPECT + rounding:
        raise ValueError(
            f"The {has} {layer[0]}×{layer[1]} pixels, which does not fit a picture of "
            f"{size[0]}×{size[1]}. Open the picture once more, then paint again."
        )


def _fit(layer: Image.Image, size: Size) -> Image.Image:
    """A layer of the picture's shape at its own size."""
    return layer if layer.size == size else layer.resize(size, Image.Resampling.BILINEAR)


def _lay(image: Image.Image, paint: Image.Image) -> None:
    """Lay strokes of the picture's shape over it, in strips: a picture may be large."""
    if paint.size == image.size:
        image.paste(paint, mask=paint.getchannel("A"))
        return
    for top, bottom in _strips(image.size):
        begin, end = (row * paint.height / image.height for row in (top, bottom))
        size, box = (image.width, bottom - top), (0, begin, paint.width, end)
        strip = paint.resize(size, Image.Resampling.BILINEAR, box)
        image.paste(strip, (0, top), strip.getchannel("A"))


def _strips(size: Size) -> Iterator[tuple[int, int]]:
    rows = max(STRIP // size[0], 1)
    for top in range(0, size[1], rows):
        yield top, min(top + rows, size[1])


def _around(alpha: Image.Image) -> Image.Image:
    """Where paint is, and 1/32 of the picture more: it must be able to close around a stroke."""
    solid = alpha.point(_PAINTED)
    small = solid.reduce(max(1, max(solid.size) // 512)).point(lambda value: 255 if value else 0)
    for _ in range(max(1, round(max(small.size) / 128))):
        small = small.filter(ImageFilter.MaxFilter(9))  # 4 pixels each way
    return small.resize(alpha.size, Image.Resampling.NEAREST)


_PAINTED: Final = [255 if alpha > FAINT else 0 for alpha in range(256)]
