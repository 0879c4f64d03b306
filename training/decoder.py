"""The decoder by itself, once latents and denoiser are settled: it gains detail, latents stay.

It learns from encoded pictures and from what the denoiser leaves (`training.estimates`). Both are
held to the truth pixel by pixel and, in the finest detail, as a texture (`training.detail`). Of an
encoded picture the truth is known, so pixels count most there. What a denoiser draws has no pixels
to be true to beyond what its latents say, so texture does.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial
from math import cos, pi
from pathlib import Path
from typing import cast
from zlib import crc32

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from torch import nn

from training import album, detail
from training.autoencoder import Plan, Shelves, build, checksum, psnr, to_tensor
from training.progress import say
from training.run import Run

RATE = 5e-4
NOISE = 0.03  # on encoded latents
SQUARED = 20.0  # how much the squared error counts beside the absolute one
TEXTURE = {"encoded": 0.03, "estimated": 0.2}  # how much the detail's distance counts
MARGIN = 8  # pixels at a crop's border, where latents have no neighbours, that do not count


@dataclass(frozen=True, slots=True)
class Estimates:
    """What the denoiser left of the album's first postcards."""

    latents: np.ndarray  # [n, 4, 32, 32] float16

    def crops(
        self, rng: np.random.Generator, pictures: list[np.ndarray], count: int, size: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops of latents [count, 4, size/8, size/8], and of their pictures in -1..1."""
        cells, shard = size // 8, len(pictures[0])
        latents: list[np.ndarray] = []
        truths: list[np.ndarray] = []
        for index in rng.integers(len(self.latents), size=count):
            top, left = rng.integers(self.latents.shape[2] - cells + 1, size=2)
            latents.append(self.latents[index, :, top : top + cells, left : left + cells])
            picture = pictures[index // shard][index % shard]
            truths.append(picture[8 * top :, 8 * left :][:size, :size])
        return torch.from_numpy(np.stack(latents)).float(), to_tensor(np.stack(truths))


def train(
    folder: Path,
    state: Path,
    minutes: float,
    plan: Plan,
    settled: AutoencoderTiny,
    estimates: Estimates,
) -> AutoencoderTiny:
    """Train the decoder of `settled` on; returns the autoencoder with the averaged one."""
    model = deepened(settled)
    decoder = model.decoder
    run = Run(decoder, checkpoint(state, model), minutes, _rate, plan.workers)
    rng = np.random.default_rng([run.step, 1])
    shelves = Shelves(folder)
    truth = album.held_out(16)
    share = plan.batch // 2

    def encoded(picture: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            latent = model.encoder(picture.contiguous(memory_format=torch.channels_last))
        drawn = decoder(latent + NOISE * torch.randn_like(latent))
        return loss(drawn, picture, TEXTURE["encoded"])

    def estimated(latent: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        return loss(decoder(latent), picture, TEXTURE["estimated"])

    for step in run.steps():
        crops = to_tensor(shelves.crops(rng, plan.batch - share, plan.crop)).to(model.device)
        latents, pictures = (
            part.to(model.device)
            for part in estimates.crops(rng, shelves.postcards, share, plan.crop)
        )
        run.descend([partial(encoded, crops), partial(estimated, latents, pictures)])
        if step % 500 == 499:
            aside = copy.deepcopy(model)
            run.averaged(aside.decoder)
            say(f"decoder: held-out PSNR {psnr(aside, truth):.2f}")
    run.averaged(decoder)
    return model.eval()


def resumed(state: Path, settled: AutoencoderTiny) -> AutoencoderTiny:
    """The autoencoder with the decoder as far as it has been trained under `state`, if it has."""
    model = deepened(settled)
    path = checkpoint(state, model)
    if not path.exists():
        return settled
    Run(model.decoder, path, 0, _rate, 1).averaged(model.decoder)
    return model.eval()


def checkpoint(state: Path, model: AutoencoderTiny) -> Path:
    """The file of a decoder in training: another encoder or another depth, another file."""
    depth = bytes(model.config["num_decoder_blocks"])
    return state / f"decoder-{crc32(depth, checksum(model)):08x}.pt"


def deepened(settled: AutoencoderTiny) -> AutoencoderTiny:
    """The same autoencoder with today's number of blocks; what is new changes nothing yet.

    A block ends in ReLU, so one behind it that adds zero is the identity. Raises ValueError where
    the decoder of `settled` is the deeper one.
    """
    with settled.device:
        model = build()
    model.encoder.load_state_dict(settled.encoder.state_dict())
    old, new = (list(each.decoder.layers) for each in (settled, model))
    for layer in new:
        if old and type(old[0]) is type(layer):
            layer.load_state_dict(old.pop(0).state_dict())
        elif isinstance(layer, AutoencoderTinyBlock):
            last = cast("nn.Sequential", layer.conv)[-1]
            for parameter in last.parameters():
                nn.init.zeros_(parameter)
    if old:
        raise ValueError("The decoder has more blocks than the one that is trained here.")
    return model.eval()


def loss(drawn: torch.Tensor, truth: torch.Tensor, texture: float) -> torch.Tensor:
    """Of pictures [n, 3, s, s] in -1..1, their borders left out."""
    inner = slice(MARGIN, -MARGIN)
    drawn, truth = drawn[..., inner, inner], truth[..., inner, inner]
    error = drawn - truth
    pixels = error.abs().mean() + SQUARED * (error**2).mean()
    tone = F.avg_pool2d(error, 8).abs().mean()
    return pixels + 2 * tone + texture * detail.distance(drawn, truth)


def _rate(fraction: float) -> float:
    """5e-4 after a short warm-up, to zero by cosine."""
    return RATE * min(1.0, 0.05 + fraction / 0.05) * (0.5 + 0.5 * cos(pi * fraction))
