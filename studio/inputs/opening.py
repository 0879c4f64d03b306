"""A file as the canvas shows it: by the reader, and within the limits, of the run that follows."""

from pathlib import Path
from typing import Final

from PIL import Image

from pipelines.pictures import read_mask, read_picture, read_strokes
from studio.inputs.sketches import check_size

MAX_RATIO: Final = 4096  # of a picture's sides: the canvas must show more than a line


def read(path: Path, layer: str) -> Image.Image:
    """The pixels of a file for a layer of the canvas; ValueError with a sentence otherwise."""
    if layer == "mask":
        return read_mask(path)
    if layer == "strokes":
        return read_strokes(path)
    picture = read_picture(path)
    check_size(picture.size)
    if max(picture.size) > MAX_RATIO * min(picture.size):
        raise ValueError(
            f"That picture is {picture.width}×{picture.height} pixels, which is too narrow. "
            "Crop it first."
        )
    return picture
