"""Masks: float in [0, 1], 1 = edit; as a PIL "L" picture, white = edit."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pipelines.request import check_mask

STRIP = 512  # rows of pixels


def empty(mask: Image.Image) -> bool:
    """Whether nothing is to be edited."""
    return mask.convert("L").getextrema()[1] == 0


def hard(mask: Tensor) -> bool:
    """Whether every cell is either kept or edited."""
    return bool(((mask == 0) | (mask == 1)).all())


def cells(mask: Image.Image, height: int, width: int) -> Tensor:
    """The mask on the latent grid [1, 1, height, width]: each cell takes its largest pixel.

    The largest, not the nearest or the mean, so that a one-pixel mask still edits its cell and
    the cell is edited as far as the pixel was meant to be.
    """
    pixels = np.asarray(mask.convert("L"))
    rows = np.stack([pixels[part].max(0) for part in _parts(mask.height, height)])
    both = np.stack([rows[:, part].max(1) for part in _parts(mask.width, width)], axis=1)
    return torch.from_numpy(both.astype(np.float32) / 255)[None, None]


def _parts(pixels: int, cells: int) -> list[slice]:
    """Which of a side's pixels each cell covers, as in torch's adaptive pooling."""
    return [slice(i * pixels // cells, -(-(i + 1) * pixels // cells)) for i in range(cells)]


def picture(mask: Tensor) -> Image.Image:
    """A mask [1, 1, h, w] as a PIL "L" picture."""
    return Image.fromarray((mask[0, 0].cpu() * 255).round().byte().numpy())


def dilated(mask: Tensor, size: int) -> Tensor:
    """Cells [1, 1, h, w] with each the largest of the square of `size` (odd) cells around it."""
    return F.max_pool2d(mask, size, stride=1, padding=size // 2)


def shrinking(mask: Tensor, steps: int) -> list[Tensor]:
    """The mask [1, 1, h, w] under squares of 2 `steps` + 1, …, 5, 3 cells, and at last as it is.

    Blended Latent Diffusion's masks for thin regions (arXiv:2206.02779, section 4.3): the edit
    begins with room for itself and is narrowed down.
    """
    return [dilated(mask, 3 + 2 * i) for i in reversed(range(steps))] + [mask]


def steps_of(mask: Tensor, steps: Callable[[float], int]) -> Tensor:
    """How many of the last steps each cell is edited in; `steps` says it of a gray in [0, 1]."""
    grays, cells = mask.cpu().unique(return_inverse=True)
    return torch.tensor([float(steps(gray)) for gray in grays.tolist()])[cells].to(mask)


def changed(before: Image.Image, after: Image.Image, mask: Image.Image) -> tuple[float, int]:
    """(share of the mask's pixels that differ, number of pixels outside that differ).

    All three are of one size. Rows are taken in strips, since a picture may be large.
    """
    inside = within = outside = 0
    for top in range(0, before.height, STRIP):
        strip = (0, top, before.width, min(top + STRIP, before.height))
        differs = (np.asarray(before.crop(strip)) != np.asarray(after.crop(strip))).any(-1)
        masked = np.asarray(mask.crop(strip)) > 0
        inside += int((differs & masked).sum())
        within += int(masked.sum())
        outside += int((differs & ~masked).sum())
    return inside / max(within, 1), outside


def paste(original: Image.Image, edited: Image.Image, mask: Image.Image) -> Image.Image:
    """`edited` inside the mask over `original`, at the original's own size.

    Where the mask is black the result is the original bit for bit. Raises ValueError where the
    mask is not of the original's size.
    """
    check_mask(mask, original)
    mask = mask.convert("L")
    pasted = original.copy()
    for top in range(0, original.height, STRIP):
        bottom = min(top + STRIP, original.height)
        size, box = (original.width, bottom - top), (0, top, original.width, bottom)
        begin, end = (row * edited.height / original.height for row in (top, bottom))
        part = (0, begin, edited.width, end)
        strip = edited.resize(size, Image.Resampling.LANCZOS, part)
        pasted.paste(strip, box[:2], mask.crop(box))
    return pasted
