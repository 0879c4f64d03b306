"""The picture side: a tiny autoencoder, 256 pixels to 32x32 latents of 4 channels and back.

Losses: L1 of pixels; L1 of image gradients at three scales (edges); L1 of pooled pictures (tone),
most of all over the 8x8 pixels of one latent. A linear map from each latent to that mean colour is
learnt beside: without it, edges win, and a hue as rare as purple is lost. The latent is pulled
weakly to mean 0 and variance 1 per channel, so the scaling factor stays 1, and carries noise while
training, so that what a denoiser leaves behind still decodes. Later the decoder learns on by itself
(`training.decoder`): cached latents stay good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import cos, pi
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from torch import nn

from training import album
from training.progress import say
from training.run import Run

WIDTH = 32
DECODER_BLOCKS = (3, 4, 4, 0)  # at 32, 64, 128 and 256 pixels
LATENT_NOISE = 0.06
POSTCARDS, HALVED, GENERIC = 0.62, 0.18, 0.20  # the shares of a batch
RECOLOURED = 0.35  # the share of crops whose channels are exchanged, so that every hue is seen


@dataclass(frozen=True, slots=True)
class Plan:
    """How a batch is made and shared out."""

    crop: int  # pixels of a crop's side; 128 in the last fifth of the time
    batch: int
    whole_batch: int  # of crops of 128
    pieces: int
    workers: int


def build() -> AutoencoderTiny:
    """The network, untrained. Its full-resolution level is linear: there a block costs the most."""
    return AutoencoderTiny(
        encoder_block_out_channels=(WIDTH,) * 4,
        decoder_block_out_channels=(WIDTH,) * 4,
        num_encoder_blocks=(0, 1, 2, 2),
        num_decoder_blocks=DECODER_BLOCKS,
        latent_channels=4,
        scaling_factor=1.0,
    )


class Pupil(nn.Module):
    """The autoencoder, and beside it the shortest way from a latent to the colour of its cell."""

    def __init__(self, autoencoder: AutoencoderTiny) -> None:
        super().__init__()
        self.autoencoder: AutoencoderTiny = autoencoder
        self.tone = nn.Conv2d(4, 3, 1)

    def lesson(self, picture: torch.Tensor) -> torch.Tensor:
        """The loss on a batch of crops [n, 3, s, s]."""
        picture = picture.contiguous(memory_format=torch.channels_last)
        latent = self.autoencoder.encoder(picture)
        noisy = latent + LATENT_NOISE * torch.randn_like(latent)
        drawn = self.autoencoder.decoder(noisy)
        tone = F.l1_loss(self.tone(noisy), F.avg_pool2d(picture, 8))
        return _loss(drawn, picture) + tone + 0.01 * _pull(latent)


def train(
    folder: Path, state: Path, minutes: float, plan: Plan, start: AutoencoderTiny
) -> AutoencoderTiny:
    """Train on the album in `folder`; returns the averaged network."""
    device = start.device
    pupil = Pupil(start).to(device)
    run = Run(pupil, state / "autoencoder.pt", minutes, _rate, plan.workers)
    rng = np.random.default_rng(run.step)
    shelves = Shelves(folder)
    truth = album.held_out(16)
    for step in run.steps():
        size, count = (plan.crop, plan.batch) if run.fraction < 0.8 else (128, plan.whole_batch)
        crops = to_tensor(shelves.crops(rng, count, size)).to(device)
        run.descend([partial(pupil.lesson, piece) for piece in crops.chunk(plan.pieces)])
        if step % 500 == 499:
            say(f"autoencoder: held-out PSNR {psnr(_averaged(run, device), truth):.2f}")
    return _averaged(run, device)


def checksum(model: AutoencoderTiny) -> int:
    """Of the encoder, which decides what latents are."""
    weights = [
        parameter.detach().cpu().numpy().tobytes() for parameter in model.encoder.parameters()
    ]
    return crc32(b"".join(weights))


def _averaged(run: Run, device: torch.device) -> AutoencoderTiny:
    with device:
        return run.averaged(Pupil(build())).autoencoder


class Shelves:
    """The drawn shards, from which crops are taken at random."""

    def __init__(self, folder: Path) -> None:
        self.postcards = album.load(folder / "postcard")
        self.generics = album.load(folder / "generic")

    def crops(self, rng: np.random.Generator, count: int, size: int) -> np.ndarray:
        """`count` crops [count, size, size, 3] uint8: postcards, postcards halved, generic ones."""
        kinds = rng.choice(3, size=count, p=(POSTCARDS, HALVED, GENERIC))
        crops = [self._crop(rng, kind, size) for kind in kinds]
        hues = [rng.permutation(3) if rng.random() < RECOLOURED else [0, 1, 2] for _ in kinds]
        return np.stack([crop[..., hue] for crop, hue in zip(crops, hues, strict=True)])

    def _crop(self, rng: np.random.Generator, kind: int, size: int) -> np.ndarray:
        if kind == 2:
            return np.rot90(_window(rng, self.generics, size), int(rng.integers(4)))
        if kind == 1:
            whole = _window(rng, self.postcards, size * 2)
            return cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA)
        return _window(rng, self.postcards, size)


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """Pictures [n, h, w, 3] uint8 as float32 [n, 3, h, w] in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))) / 127.5 - 1


def to_pictures(tensor: torch.Tensor) -> np.ndarray:
    """The way back, clipped."""
    scaled = (tensor.float().clamp(-1, 1) + 1) * 127.5
    return scaled.round().byte().permute(0, 2, 3, 1).cpu().numpy()


@torch.no_grad()
def reconstruct(model: AutoencoderTiny, pictures: np.ndarray) -> np.ndarray:
    """Encode and decode, four at a time; through 8 bits, as a user would see it."""
    parts = [to_tensor(pictures[i : i + 4]).to(model.device) for i in range(0, len(pictures), 4)]
    return np.concatenate([to_pictures(model.decoder(model.encoder(part))) for part in parts])


def psnr(model: AutoencoderTiny, pictures: np.ndarray) -> float:
    """Mean over pictures of the peak signal-to-noise ratio of a round trip, in dB."""
    error = reconstruct(model, pictures).astype(np.float64) - pictures
    mean_square = np.maximum((error**2).mean((1, 2, 3)), 1e-9)
    return float((10 * np.log10(255**2 / mean_square)).mean())


def _rate(fraction: float) -> float:
    """2e-3 after a short warm-up, to zero by cosine."""
    return 2e-3 * min(1.0, 0.05 + fraction / 0.02) * (0.5 + 0.5 * cos(pi * fraction))


def _loss(drawn: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    loss = F.l1_loss(drawn, truth)
    for scale in range(3):
        error = F.avg_pool2d(drawn - truth, 2**scale) if scale else drawn - truth
        loss = loss + 0.5 * error.diff(dim=2).abs().mean() + 0.5 * error.diff(dim=3).abs().mean()
        if scale:
            loss = loss + 0.5 * error.abs().mean()
    return loss + 2.0 * F.avg_pool2d(drawn - truth, 8).abs().mean()


def _pull(latent: torch.Tensor) -> torch.Tensor:
    """How far each channel is from mean 0 and variance 1."""
    flat = latent.transpose(0, 1).flatten(1)
    return (flat.mean(1) ** 2).sum() + ((flat.var(1) - 1) ** 2).sum()


def _window(rng: np.random.Generator, shards: Sequence[np.ndarray], size: int) -> np.ndarray:
    shard = shards[int(rng.integers(len(shards)))]
    picture = shard[rng.integers(len(shard))]
    top, left = rng.integers(0, np.array(picture.shape[:2]) - size + 1)
    return picture[top : top + size, left : left + size]
