"""Masks: float in [0, 1], 1 = edit; as a PIL "L" picture, white = edit."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


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
    pixels = torch.from_numpy(np.asarray(mask.convert("L"), dtype=np.float32) / 255)
    return F.adaptive_max_pool2d(pixels[None, None], (height, width))


def paste(original: Image.Image, edited: Image.Image, mask: Image.Image) -> Image.Image:
    """`edited` inside the mask over `original`, at the original's own size.

    Where the mask is black the result is the original bit for bit. Raises ValueError where the
    mask is not of the original's size.
    """
    if mask.size != original.size:
        raise ValueError(
            f"The mask is {mask.width}×{mask.height} pixels and the picture "
            f"{original.width}×{original.height}; they must be of one size."
        )
    if edited.size != original.size:
        edited = edited.resize(original.size, Image.Resampling.LANCZOS)
    return Image.composite(edited, original, mask.convert("L"))
