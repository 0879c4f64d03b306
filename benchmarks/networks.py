"""The networks that benchmarks run on, and diffusers' own pipelines over the very same."""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipelines import Bundle
from pipelines.core import solvers

ASSETS = Path(__file__).resolve().parent.parent / "assets"
POSTCARD = str(ASSETS / "models" / "postcard")
FULL_WIDTH = "sd15"  # stands for a Stable Diffusion 1.5 of random weights, made on the spot


def load(source: str, device: str, dtype: torch.dtype) -> Bundle:
    """A model by its folder or name, or FULL_WIDTH."""
    if source == FULL_WIDTH:
        return _full_width(device, dtype)
    return Bundle.load(source, device=device, dtype=dtype)


def peer(bundle: Bundle, name: str) -> Any:
    """diffusers' pipeline of that name over the bundle's networks and its scheduler."""
    own, _ = solvers.resolve("default", bundle.scheduler_config)
    scheduler = getattr(diffusers, solvers.CLASSES[own])
    pipe = getattr(diffusers, name)(
        vae=bundle.vae,
        text_encoder=bundle.text_encoders[0],
        tokenizer=bundle.tokenizers[0],
        unet=bundle.unet,
        scheduler=scheduler.from_config(bundle.scheduler_config),
        safety_checker=None,
        feature_extractor=None,
        image_encoder=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _full_width(device: str, dtype: torch.dtype) -> Bundle:
    """Its denoiser (860 M parameters) and text encoder, with a narrow autoencoder and DDIM.

    What is measured on it is the denoiser: the pictures mean nothing.
    """
    folder = ASSETS / "configs" / "sd1"
    torch.manual_seed(0)
    with torch.device(device):
        unet: Any = UNet2DConditionModel.from_config(_read(folder / "unet"))
        text_encoder = CLIPTextModel(CLIPTextConfig(**_read(folder / "text_encoder")))
        vae: Any = AutoencoderKL.from_config(
            {**_read(folder / "vae"), "block_out_channels": [32] * 4}
        )
    tokenizer = CLIPTokenizer.from_pretrained(
        str(ASSETS / "configs" / "tokenizer"), local_files_only=True
    )
    schedule = _read(folder / "scheduler")
    kept = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "steps_offset")
    ddim = DDIMScheduler(**{name: schedule[name] for name in kept}, clip_sample=False)
    config = {**ddim.config, "_class_name": "DDIMScheduler"}
    for network in (vae, unet, text_encoder):
        torch.nn.Module.to(network, dtype)  # diffusers' own warns of nothing at length
    return Bundle(vae, unet, [tokenizer], [text_encoder], config, name=FULL_WIDTH)


def _read(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("*.json")
    return json.loads(file.read_text("utf-8"))
