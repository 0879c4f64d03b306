"""Networks to an ordinary diffusers folder, and back: half precision, small shards, safetensors."""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTextModel, PreTrainedTokenizerFast
from transformers.image_utils import PILImageResampling

from training import examples, lora, ranker, student, tokenizer
from training.captions import chips
from training.denoiser import Denoiser, build_text_encoder, schedule
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
    fresh = _aside(out)
    pipeline = assemble(deepcopy(vae).half(), deepcopy(denoiser).half())
    pipeline.save_pretrained(fresh, safe_serialization=True, max_shard_size=SHARD_SIZE)
    _mend(fresh)
    (fresh / "studio.json").write_text(json.dumps(_card(), indent=2) + "\n")
    examples.write(fresh / "examples")
    _replace(fresh, out)


def write_fast(unet: UNet2DConditionModel, out: Path) -> None:
    """Save the few-step student beside the model, in `fast/`, with the scheduler it is made for.

    It is a LoRA of the model's U-Net, and shares its words and autoencoder.
    """
    fresh = _aside(out)
    student.scheduler().save_pretrained(fresh / "fast" / "scheduler")
    lora.save(unet, fresh / "fast" / lora.FILE)
    _readable(fresh)
    _replace(fresh, out)


def write_ranker(clip: CLIPModel, out: Path) -> None:
    """Save the CLIP beside the model, in `ranker/`, with what it needs to be loaded by itself."""
    fresh = _aside(out)
    folder = fresh / "ranker"
    deepcopy(clip).half().save_pretrained(folder)
    _say_float32(folder / "config.json")
    tokenizer.build().save_pretrained(folder)
    square = {"height": ranker.SIDE, "width": ranker.SIDE}
    CLIPImageProcessorPil(
        size=square,
        resample=PILImageResampling.BILINEAR,
        do_center_crop=False,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    ).save_pretrained(folder)
    _readable(folder)
    _replace(fresh, out)


def exists(out: Path) -> bool:
    """Whether a model has been exported to `out`."""
    return (out / "model_index.json").exists()


def read(out: Path, device: torch.device) -> tuple[AutoencoderTiny, Denoiser]:
    """The networks of an exported model in float32: where training continues without its state.

    Words that the world has learnt since start untrained; those it had keep what they mean.
    """
    vae = AutoencoderTiny.from_pretrained(out / "vae", torch_dtype=torch.float32)
    unet = UNet2DConditionModel.from_pretrained(out / "unet", torch_dtype=torch.float32)
    text_encoder = CLIPTextModel.from_pretrained(out / "text_encoder", dtype=torch.float32)
    old = PreTrainedTokenizerFast.from_pretrained(out / "tokenizer").get_vocab()
    return cast("Any", vae).to(device), Denoiser(_carried(text_encoder, old), unet).to(device)


def _carried(shipped: CLIPTextModel, old: dict[str, int]) -> CLIPTextModel:
    """The shipped encoder, with a row for each of today's words and places."""
    fresh, new = build_text_encoder(), tokenizer.build().get_vocab()
    state, grown = shipped.state_dict(), fresh.state_dict()
    for name, weight in state.items():
        if name.endswith("token_embedding.weight"):
            kept = [word for word in new if word in old]
            grown[name][[new[word] for word in kept]] = weight[[old[word] for word in kept]]
        elif name.endswith("position_embedding.weight"):
            grown[name][: len(weight)] = weight[: len(grown[name])]
        elif not name.endswith("position_ids"):
            grown[name] = weight
    fresh.load_state_dict(grown)
    return fresh


def _aside(out: Path) -> Path:
    """An empty folder beside the parts in `out`, to write new ones in."""
    fresh = out / ".fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


def _replace(fresh: Path, out: Path) -> None:
    """Move the parts in `fresh` to `out`; nothing of an older part of that name is left."""
    for part in sorted(fresh.iterdir()):
        target = out / part.name
        if target.is_dir():
            shutil.rmtree(target)
        part.rename(target)
    fresh.rmdir()


def _mend(folder: Path) -> None:
    """Make the folder load alike for everyone who may read it."""
    _say_float32(folder / "text_encoder" / "config.json")
    _readable(folder)


def _say_float32(config: Path) -> None:
    """Unless told a dtype, diffusers loads in float32 and transformers what the config says.

    It must say float32 too, or the halves of a pipeline do not fit together.
    """
    told = json.loads(config.read_text())
    parts = [told, *(part for part in told.values() if isinstance(part, dict))]
    for part in parts:
        if "dtype" in part or part is told:
            part["dtype"] = "float32"
    config.write_text(json.dumps(told, indent=2) + "\n")


def _readable(folder: Path) -> None:
    """For everybody, and silent about where the weights were read from."""
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)
    for file in folder.rglob("config.json"):
        told = json.loads(file.read_text())
        if told.pop("_name_or_path", None) is not None:
            file.write_text(json.dumps(told, indent=2) + "\n")


def _card() -> dict[str, object]:
    """What the studio shows of this model: good defaults, its words, its colours."""
    return {
        "title": "Postcard",
        "family": "Postcards",
        "about": (
            "Picture postcards of 256 pixels: a sky, mountains, a ground, a coloured thing or two. "
            "Small enough to run anywhere; it knows only the words below."
        ),
        "size": 256,
        "defaults": {
            "num_inference_steps": 20,
            "guidance_scale": 3.0,
            "scheduler": "ddim",
            "paint": {"strength": 0.6},
            "replace": {"feather": 3},  # things are some fifty pixels wide
        },
        "vocabulary": chips(),
        "swatches": swatches(),
    }
