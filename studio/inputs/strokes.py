"""The picture on a canvas as somebody would paint it, to be refined again."""

import logging
import secrets
from pathlib import Path
from typing import Final

from PIL import Image

from components.contract.sketch import Sketch
from pipelines.pictures import read_picture
from pipelines.sdedit import strokes

log = logging.getLogger(__name__)

NO_ROOM: Final = "The strokes could not be kept: the disk is full. Free some space, then try again."


def painted(folder: Path, sketch: Sketch) -> Path:
    """A PNG in `folder`; ValueError with a sentence where there is no picture, or no room."""
    if sketch.picture is None:
        raise ValueError("Drop a picture on the canvas first.")
    picture = read_picture(sketch.picture)
    picture.thumbnail((sketch.width, sketch.height), Image.Resampling.LANCZOS)
    path = folder / f"{secrets.token_hex(12)}.png"
    try:
        with path.open("wb") as file:
            strokes(picture).save(file, "PNG", compress_level=4)
    except OSError as error:
        log.warning("Strokes cannot be kept (%s)", error)
        path.unlink(missing_ok=True)
        raise ValueError(NO_ROOM) from error
    return path
