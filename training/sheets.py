"""Pictures of pictures: what the networks make of held-out postcards, on one sheet to look at.

`python -m training.sheets` draws those of the model card with the exported model.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from diffusers import (
    AutoencoderTiny,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)
from PIL import Image

from training import album
from training.autoencoder import reconstruct
from training.captions import caption
from training.examples import SKETCHES, Example, example_of, paint

STRENGTHS = (0.4, 0.6, 0.75)  # of the strokes' sheet, from the strokes to the words


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
    save(tile(np.concatenate([truth, reconstruct(vae, truth)]), count), path)


def samples(
    pipeline: StableDiffusionPipeline, path: Path, size: int, count: int = 10, steps: int = 12
) -> list[str]:
    """Pictures for held-out captions, five in a row; returns the captions in order."""
    captions = [caption(album.scene_of(index, held_out=True)) for index in range(count)]
    pictures = [draw(pipeline, text, seed, size, steps) for seed, text in enumerate(captions)]
    save(tile(np.stack(pictures), 5), path)
    return captions


def draw(
    pipeline: StableDiffusionPipeline, text: str, seed: int, size: int = 256, steps: int = 20
) -> np.ndarray:
    """One picture [size, size, 3] uint8 by the stock pipeline."""
    pipeline.set_progress_bar_config(disable=True)
    result = cast("Any", pipeline)(
        text,
        height=size,
        width=size,
        num_inference_steps=steps,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    )
    return (result.images[0] * 255).round().astype(np.uint8)


def strokes(pipeline: StableDiffusionPipeline, path: Path) -> None:
    """The strokes of the examples above what the stock image-to-image pipeline makes of them.

    One row for each of STRENGTHS.
    """
    painted = [paint(sketch) for sketch in SKETCHES]
    rows = [
        refine(pipeline, picture, replace(example_of(sketch), strength=strength))
        for strength in STRENGTHS
        for picture, sketch in zip(painted, SKETCHES, strict=True)
    ]
    save(tile(album.reduce(np.stack([*painted, *rows]), 144), len(painted)), path)


def refine(pipeline: StableDiffusionPipeline, picture: np.ndarray, example: Example) -> np.ndarray:
    """One picture [256, 256, 3] uint8 begun from strokes, with an example's settings."""
    image_to_image = StableDiffusionImg2ImgPipeline(**pipeline.components)
    image_to_image.set_progress_bar_config(disable=True)
    result = cast("Any", image_to_image)(
        example.prompt,
        image=Image.fromarray(picture),
        strength=example.strength,
        num_inference_steps=example.num_inference_steps,
        guidance_scale=example.guidance_scale,
        generator=torch.Generator().manual_seed(example.seed),
        output_type="np",
    )
    return (result.images[0] * 255).round().astype(np.uint8)


def save(sheet: Image.Image, path: Path) -> None:
    """Write a sheet as JPEG, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=82)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.sheets")
    parser.add_argument("--model", type=Path, default=Path("assets/models/postcard"))
    model = parser.parse_args().model
    pipeline = cast("Any", StableDiffusionPipeline).from_pretrained(model)
    reconstructions(pipeline.vae.eval(), model / "sheets" / "autoencoder.jpg")
    for text in samples(pipeline, model / "sheets" / "samples.jpg", 256, count=10, steps=20):
        print(text)
    strokes(pipeline, model / "sheets" / "strokes.jpg")


if __name__ == "__main__":
    main()
