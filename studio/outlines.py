"""The mask as a method will use it, in lines that the canvas can draw over the painted one."""

from collections.abc import Mapping, Sequence

from PIL import Image

from components.canvas import Line
from pipelines.core import outline


def lines(
    mask: Image.Image, grow: int, feather: int, scale: float = 1.0
) -> Mapping[str, Sequence[Line]]:
    """`edge`: how far the edit reaches. `full`: from where on nothing of the original shows.

    `grow` and `feather` are in pixels of the picture, and `scale` says how many of the mask's each
    of them takes: a mask on a canvas is smaller than a very large picture.
    """
    reached = outline.grown(mask, round(grow * scale))
    found = {"edge": _drawn(reached)}
    if feather > 1:
        shown = outline.feathered(reached, round(feather * scale))
        found["full"] = _drawn(shown.point([0] * 255 + [255]))
    return found


def _drawn(mask: Image.Image) -> list[Line]:
    """Through the middles of the outermost pixels."""
    return [[(x + 0.5, y + 0.5) for x, y in line] for line in outline.contours(mask)]
