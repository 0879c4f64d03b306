"""Pictures of latents for nearly nothing, by whichever autoencoder is loaded.

A full decode costs as much as a step or more. A TAESD draws them for a tenth of that, where there
is one. Else a linear map does, for about a thousandth: one 3x3 convolution from the latent to the
pixels of each cell, found by least squares on a few drawn pictures.
"""

from weakref import WeakKeyDictionary

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from pipelines.core.noise import generators
from pipelines.networks.protocol import Networks

SIDE = 192  # pixels of a drawn picture; small, so that the fit takes a moment on any autoencoder
PICTURES = 6
RIDGE = 1e-2  # holds the map still where the drawn pictures say nothing

_maps: "WeakKeyDictionary[object, Tensor]" = WeakKeyDictionary()  # latent space → its map


@torch.no_grad()
def pictures(networks: Networks, latents: Tensor) -> list[Image.Image]:
    """Latents [B, C, h, w] → RGB pictures of the decoder's size, roughly as it would draw them."""
    drawn = networks.preview(latents)
    if drawn is not None:
        return drawn
    space = networks.latent_space
    if space not in _maps:
        _maps[space] = _fit(networks)
    flat = _neighbourhoods(latents.float().cpu()) @ _maps[space]  # [B, h*w, 3*cell*cell]
    height, width = latents.shape[-2:]
    patches = flat.transpose(1, 2).unflatten(2, (height, width))
    pixels = F.pixel_shuffle(patches, networks.cell)  # [B, 3, H, W]
    levels = (pixels.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(each) for each in levels]


def _fit(networks: Networks) -> Tensor:
    """Ridge regression from latent neighbourhoods to pixel cells, [9 C + 1, 3 cell^2]."""
    side = max(SIDE // networks.multiple, 1) * networks.multiple
    drawn = [_dead_leaves(seed, side) for seed in range(PICTURES)]
    latents = torch.cat([networks.encode(each, generators([0])).cpu() for each in drawn])
    pixels = torch.stack([torch.from_numpy(np.array(each, np.float32) / 255) for each in drawn])
    cells = F.pixel_unshuffle(pixels.permute(0, 3, 1, 2), networks.cell)
    known = _neighbourhoods(latents).flatten(0, 1)
    wanted = cells.flatten(2).transpose(1, 2).flatten(0, 1)
    square = known.T @ known + RIDGE * len(known) * torch.eye(known.shape[1])
    return torch.linalg.solve(square, known.T @ wanted)


def _neighbourhoods(latents: Tensor) -> Tensor:
    """[B, C, h, w] → the 3x3 cells around each cell and a constant, [B, h*w, 9 C + 1]."""
    around = F.unfold(F.pad(latents, (1, 1, 1, 1), mode="replicate"), 3).transpose(1, 2)
    return F.pad(around, (0, 1), value=1.0)


def _dead_leaves(seed: int, side: int) -> Image.Image:
    """Discs of every size and colour over each other: the edges and tones of pictures at large."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (side, side), tuple(rng.integers(0, 256, 3)))
    draw = ImageDraw.Draw(picture)
    for radius in sorted(side / rng.uniform(2, 30, 150), reverse=True):
        x, y = rng.uniform(0, side, 2)
        draw.ellipse(
            [x - radius, y - radius, x + radius, y + radius], tuple(rng.integers(0, 256, 3))
        )
    return picture
