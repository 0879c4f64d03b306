"""Networks to an ordinary diffusers folder, and back: half precision, small shards, safetensors."""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel

from training import examples, tokenizer
from training.captions import chips
from training.denoiser import Denoiser, schedule
from training.palette import swatches

SHARD_SIZE = "14MB"


def assemble(vae: AutoencoderTiny, denoiser: Denoiser) -> StableDiffusionPipeline:
    """The stock pipeline around our networks."""
    return cast("Any", StableDiffusionPipeline)(  # it is typed for other parts than it takes
        vae=vae,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer.build(),
        unet=denoiser.unet,
        scheduler=schedule(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def write(vae: AutoencoderTiny, denoiser: Denoiser, out: Path) -> None:
    """Save the model at `out`. Whoever loads it meanwhile finds the old parts or the new ones."""
    fresh = out / ".fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    pipeline = assemble(deepcopy(vae).half(), deepcopy(denoiser).half())
    pipeline.save_pretrained(fresh, safe_serialization=True, max_shard_size=SHARD_SIZE)
    _mend(fresh)
    (fresh / "studio.json").write_text(json.dumps(_card(), indent=2) + "\n")
    examples.write(fresh / "examples")
    for part in sorted(fresh.iterdir()):
        target = out / part.name
        if target.is_dir():
            shutil.rmtree(target)
        part.rename(target)
    fresh.rmdir()


def exists(out: Path) -> bool:
    """Whether a model has been exported to `out`."""
    return (out / "model_index.json").exists()


def read(out: Path, device: torch.device) -> tuple[AutoencoderTiny, Denoiser]:
    """The networks of an exported model in float32: where training continues without its state."""
    vae = AutoencoderTiny.from_pretrained(out / "vae", torch_dtype=torch.float32)
    unet = UNet2DConditionModel.from_pretrained(out / "unet", torch_dtype=torch.float32)
    text_encoder = CLIPTextModel.from_pretrained(out / "text_encoder", dtype=torch.float32)
    return cast("Any", vae).to(device), Denoiser(text_encoder, unet).to(device)


def _mend(folder: Path) -> None:
    """Make the folder load alike for everyone who may read it.

    Unless told a dtype, diffusers loads its networks in float32 and transformers what the config
    says: it must say float32 too, or the halves of a pipeline do not fit together.
    """
    config = folder / "text_encoder" / "config.json"
    told = json.loads(config.read_text()) | {"dtype": "float32"}
    config.write_text(json.dumps(told, indent=2) + "\n")
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)


def _card() -> dict[str, object]:
    """What the studio shows of this model: good defaults, its words, its colours."""
    return {
        "title": "Postcard",
        "about": (
            "Picture postcards of 256 pixels: a sky, mountains, a ground and one coloured thing. "
            "Small enough to run anywhere; it knows only the words below."
        ),
        "size": 256,
        "defaults": {
            "num_inference_steps": 20,
            "guidance_scale": 3.0,
            "scheduler": "ddim",
            "paint": {"strength": 0.6},
        },
        "vocabulary": chips(),
        "swatches": swatches(),
    }
