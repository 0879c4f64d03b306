"""Decoder tuning: the background as it was, by a few steps on a copy of the decoder's weights.

Avrahami et al., Blended Latent Diffusion (arXiv:2206.02779), background reconstruction: minimise
MSE(m D(z), m edited) + 100 MSE((1 - m) D(z), (1 - m) source) over the decoder's weights with Adam.
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch import Tensor

from pipelines.core.sampling import Moment, Step, Views
from pipelines.core.schedule import CLEAN
from pipelines.networks.protocol import Networks

STEPS = 75  # for each picture
RATE = 1e-4
WEIGHT = 100.0  # of the background

Decode = Callable[[Tensor], Tensor]  # latents → pixels [B, 3, H, W] in [-1, 1]
Shown = Callable[[Sequence[Image.Image]], Views]


def tuned(
    networks: Networks, latents: Tensor, source: Image.Image, mask: Image.Image, shown: Shown
) -> Generator[Step, None, list[Image.Image]]:
    """Decode each row of `latents` [B, C, h, w] by a decoder tuned to it; yields each step.

    `source` (RGB) and `mask` ("L", above 0 = edited) are of the decoded size. `shown` makes a
    step's views of the pictures so far. Each row begins with a fresh copy of the decoder: the
    one that was loaded is never touched, also where the generator is closed half-way.
    """
    kept = torch.from_numpy((np.asarray(mask) == 0).astype(np.float32)).to(latents.device)
    pixels = torch.from_numpy(np.array(source, np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    pictures = networks.decode(latents)
    total = STEPS * len(latents)
    for row in range(len(latents)):
        z = latents[row : row + 1]
        decoder = networks.decoder_copy()
        optimizer = torch.optim.Adam(decoder.weights, RATE)
        with torch.no_grad():
            wanted = torch.where(kept > 0, pixels.to(z.device), decoder(z).clamp(-1, 1))
        for step in range(1, STEPS + 1):
            _descend(decoder, z, wanted, kept, optimizer)
            moment = Moment(row * STEPS + step, total, torch.tensor(0), CLEAN, CLEAN)
            yield Step(
                "tuning", moment, latents, latents, partial(_view, decoder, z, row, pictures, shown)
            )
        pictures[row] = _picture(decoder, z)
    return pictures


@torch.enable_grad()
def _descend(
    decode: Decode, z: Tensor, wanted: Tensor, kept: Tensor, optimizer: torch.optim.Optimizer
) -> None:
    optimizer.zero_grad(set_to_none=True)
    drawn = decode(z)
    edited = F.mse_loss(drawn * (1 - kept), wanted * (1 - kept))
    loss = edited + WEIGHT * F.mse_loss(drawn * kept, wanted * kept)
    loss.backward()
    optimizer.step()


@torch.no_grad()
def _picture(decode: Decode, z: Tensor) -> Image.Image:
    processed: Any = VaeImageProcessor().postprocess(decode(z), output_type="pil")
    return processed[0]


def _view(
    decode: Decode, z: Tensor, row: int, pictures: Sequence[Image.Image], shown: Shown
) -> Views:
    return shown([*pictures[:row], _picture(decode, z), *pictures[row + 1 :]])
