"""The mask as a method will use it, in lines that the canvas can draw over the painted one."""

from collections.abc import Mapping, Sequence

from PIL import Image

from components.contract.sketch import Line
from pipelines.core import outline


def lines(
    mask: Image.Image, grow: int, feather: int, scale: float = 1.0
) -> Mapping[str, Sequence[Line]]:
    """`edge`: how far the edit reaches. `full`: from where on nothing of the original shows.

    `grow` and `feather` are in pixels of the picture, and `scale` says how many of the mask's each
    of them takes: a mask on a canvas is smaller than a very large picture.
    """
    plain, block = outline.plain(mask)
    reached = outline.grown(plain, round(grow * scale / block))
    found = {"edge": _drawn(outline.contours(reached), block, mask.size)}
    if feather > 1:
        shown = outline.feathered(reached, round(feather * scale / block))
        full = shown.point([0] * 255 + [255])
        found["full"] = _drawn(outline.contours(full, within=True), block, mask.size)
    return found


def _drawn(lines: Sequence[Line], block: int, size: tuple[int, int]) -> list[Line]:
    """Through the middles of the outermost pixels."""
    right, bottom = size[0] - 0.5, size[1] - 0.5
    return [
        [(min((x + 0.5) * block, right), min((y + 0.5) * block, bottom)) for x, y in line]
        for line in lines
    ]
