"""An autoencoder between pictures and latents, in the format that it can bear."""

import copy
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

import torch
import torch.nn.functional as F
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch import Tensor

TINY = ("taesd", "taesdxl")  # folders of tiny autoencoders: of Stable Diffusion 1 and 2, of XL


@dataclass(frozen=True, slots=True)
class Decoder:
    """A decoder of its own, whose weights may be trained."""

    vae: Any

    @classmethod
    def of(cls, vae: Any) -> Self:
        """A copy in float32; nothing but the decoder's own weights asks for a gradient."""
        copied = copy.deepcopy(vae).float().requires_grad_(False)
        copied.decoder.requires_grad_(True)
        return cls(copied)

    @property
    def weights(self) -> list[torch.nn.Parameter]:
        return list(self.vae.decoder.parameters())

    def __call__(self, latents: Tensor) -> Tensor:
        """Latents [B, C, h, w] → pixels [B, 3, H, W], about -1 to 1."""
        return self.vae.decode(latents / self.vae.config.scaling_factor, return_dict=False)[0]


def cell(vae: Any) -> int:
    """Pixels on the side of one latent cell."""
    return 2 ** (len(vae.config.block_out_channels) - 1)  # each level but one halves it


def encode(
    vae: Any,
    picture: Image.Image,
    generators: Sequence[torch.Generator],
    hidden: Tensor | None = None,
) -> Tensor:
    """An RGB picture → latents [B, C, h, w] in float32; as `Networks.encode`."""
    pixels = _processor(vae).preprocess(picture)
    if hidden is not None:
        pixels = pixels * (1 - F.interpolate(hidden.cpu(), size=pixels.shape[-2:]))
    coded = vae.encode(pixels.to(vae.device, vae.dtype))
    if hasattr(coded, "latent_dist"):
        rows = [coded.latent_dist.sample(generator) for generator in generators]
        rows = rows or [coded.latent_dist.mode()]  # one row, the mean, without generators
    else:
        rows = [coded.latents] * max(len(generators), 1)
    return torch.cat(rows).float() * vae.config.scaling_factor


def decode(vae: Any, latents: Tensor) -> list[Image.Image]:
    """Latents [B, C, h, w] → RGB pictures; as `Networks.decode`."""
    pixels = _pixels(vae, latents)
    if vae.dtype != torch.float32 and _overflowed(pixels):
        with _exact(vae):
            pixels = _pixels(vae, latents)
    if not pixels.isfinite().all():
        raise ValueError("The model gave no picture (not a number); try other settings or float32.")
    return cast("list[Image.Image]", _processor(vae).postprocess(pixels, output_type="pil"))


@contextmanager
def in_parts(vae: Any) -> Generator[None, None, None]:
    """One picture at a time, in tiles where it is larger than the network was made for."""
    vae.enable_slicing()
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.disable_tiling()
        vae.disable_slicing()


@contextmanager
def _exact(vae: Any) -> Generator[None, None, None]:
    """In float32 for a while."""
    dtype = vae.dtype
    vae.to(torch.float32)
    try:
        yield
    finally:
        vae.to(dtype)


def _processor(vae: Any) -> VaeImageProcessor:
    return VaeImageProcessor(vae_scale_factor=cell(vae))


def _pixels(vae: Any, latents: Tensor) -> Tensor:
    scaled = latents / vae.config.scaling_factor
    return vae.decode(scaled.to(vae.dtype), return_dict=False)[0].float()


def _overflowed(pixels: Tensor) -> bool:
    """Whether a picture of [B, 3, H, W] in [-1, 1] is no number somewhere, or black everywhere."""
    black = (pixels.amax((1, 2, 3)) <= -1).any()
    return bool(black or not pixels.isfinite().all())
