"""The networks that benchmarks run on, and diffusers' own pipelines over the very same."""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from transformers import CLIPTextConfig, CLIPTokenizer

from pipelines import Bundle
from pipelines.core import solvers
from pipelines.networks.unet import StableDiffusion

ASSETS = Path(__file__).resolve().parent.parent / "assets"
POSTCARD = str(ASSETS / "models" / "postcard")
FULL_WIDTH = {"sd15": "sd1", "sdxl": "sdxl"}  # stand for models of random weights, made on the spot
NARROW = {"block_out_channels": [32] * 4}  # an autoencoder, on a CPU


def load(source: str, device: str, dtype: torch.dtype, cells: int | None = None) -> Bundle:
    """A model by its folder or name, or one of FULL_WIDTH, made for pictures of so many cells."""
    if source in FULL_WIDTH:
        return _random(source, device, dtype, {} if cells is None else {"sample_size": cells})
    return Bundle.load(source, device=device, dtype=dtype)


def peer(bundle: Bundle, name: str) -> Any:
    """diffusers' pipeline of that name over the bundle's networks and its scheduler.

    `name` is that of Stable Diffusion 1; of a bundle with two text encoders, XL's own is taken.
    """
    assert isinstance(bundle, StableDiffusion)  # as the pipeline is
    own, _ = solvers.resolve("default", bundle.scheduler_config)
    scheduler = getattr(diffusers, solvers.CLASSES[own])
    parts: dict[str, Any] = {
        "vae": bundle.vae,
        "unet": bundle.denoiser,
        "scheduler": scheduler.from_config(bundle.scheduler_config),
        "text_encoder": bundle.text_encoders[0],
        "tokenizer": bundle.tokenizers[0],
        "feature_extractor": None,
        "image_encoder": None,
    }
    if len(bundle.text_encoders) == 2:
        name = name.replace("StableDiffusion", "StableDiffusionXL")
        parts |= {
            "text_encoder_2": bundle.text_encoders[1],
            "tokenizer_2": bundle.tokenizers[1],
            "force_zeros_for_empty_prompt": bundle.zero_negative,
            "add_watermarker": False,
        }
    else:
        parts |= {"safety_checker": None, "requires_safety_checker": False}
    pipe = getattr(diffusers, name)(**parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _random(source: str, device: str, dtype: torch.dtype, small: dict[str, Any]) -> Bundle:
    """Networks of the published sizes; on a CPU the autoencoder is narrow."""
    folder = ASSETS / "configs" / FULL_WIDTH[source]
    index = _read(folder / "model_index.json")
    encoders = [part for part in index if part.startswith("text_encoder")]

    def made(part: str, changes: dict[str, Any]) -> Any:
        library, name = index[part]
        config = _read(folder / part / "config.json") | changes
        with torch.device(device):
            if library == "diffusers":
                network = getattr(diffusers, name).from_config(config)
            else:
                network = getattr(transformers, name)(CLIPTextConfig(**config))
        return torch.nn.Module.to(network, dtype)  # diffusers' own warns of nothing at length

    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(
        str(ASSETS / "configs" / "tokenizer"), local_files_only=True
    )
    return StableDiffusion(
        made("vae", NARROW if device == "cpu" else {}),
        made("unet", small),
        [tokenizer] * len(encoders),
        [made(each, {}) for each in encoders],
        _read(folder / "scheduler" / "scheduler_config.json"),
        name=source,
        zero_negative=index.get("force_zeros_for_empty_prompt", False),
    )


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text("utf-8"))
