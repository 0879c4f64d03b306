"""Pictures of pictures: what the networks make of held-out postcards, on one sheet to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from PIL import Image

from training import album
from training.autoencoder import reconstruct
from training.captions import caption


def tile(pictures: np.ndarray, across: int, gap: int = 4) -> Image.Image:
    """Pictures [n, h, w, 3] uint8 in rows of `across`, on white."""
    count, height, width, _ = pictures.shape
    down = -(-count // across)
    sheet = Image.new(
        "RGB", (across * (width + gap) - gap, down * (height + gap) - gap), (255, 255, 255)
    )
    for index, picture in enumerate(pictures):
        row, column = divmod(index, across)
        sheet.paste(Image.fromarray(picture), (column * (width + gap), row * (height + gap)))
    return sheet


def reconstructions(vae: AutoencoderTiny, path: Path, count: int = 6) -> None:
    """Held-out postcards above what is left of them after encoding and decoding."""
    truth = album.held_out(count)
    _save(tile(np.concatenate([truth, reconstruct(vae, truth)]), count), path)


def samples(
    pipeline: StableDiffusionPipeline, path: Path, size: int, count: int = 10, steps: int = 12
) -> list[str]:
    """Pictures for held-out captions, five in a row; returns the captions in order."""
    captions = [caption(album.scene_of(index, held_out=True)) for index in range(count)]
    pictures = [draw(pipeline, text, seed, size, steps) for seed, text in enumerate(captions)]
    _save(tile(np.stack(pictures), 5), path)
    return captions


def draw(
    pipeline: StableDiffusionPipeline, text: str, seed: int, size: int = 256, steps: int = 20
) -> np.ndarray:
    """One picture [size, size, 3] uint8 by the stock pipeline."""
    pipeline.set_progress_bar_config(disable=True)
    result = pipeline(
        text,
        height=size,
        width=size,
        num_inference_steps=steps,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    )
    return (result.images[0] * 255).round().astype(np.uint8)


def _save(sheet: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=82)
