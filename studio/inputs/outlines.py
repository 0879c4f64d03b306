"""The mask as a method will use it, in lines that the canvas can draw over the painted one."""

from collections.abc import Mapping, Sequence

from PIL import Image

from components.contract.sketch import Line, Region
from pipelines.core import outline
from pipelines.pictures import read_mask
from pipelines.request import Request, hints


def of_region(
    request_type: type[Request], region: Region, grow: int, feather: int
) -> Mapping[str, Sequence[Line]]:
    """The lines of what is masked on a canvas, none where nothing is.

    ValueError with a sentence where the request would refuse `grow` or `feather`.
    """
    for name, value in (("grow", grow), ("feather", feather)):
        hints(request_type)[name].check(value)
    if region.mask is None:
        return {}
    mask = read_mask(region.mask)
    if mask.size != (region.width, region.height):
        raise ValueError("The mask is not of the canvas's size. Reload the page.")
    return lines(mask, grow, feather, region.scale)


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
