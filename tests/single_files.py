"""Checkpoints in one file, under the names that the families were published with.

Full architecture, random weights, small widths: the way back from diffusers' names to those of the
original code, so that a loader can be compared with what was saved.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from pipelines.networks.single_file import CONFIGS

Weights = dict[str, Tensor]

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
EDGES = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def small_configs(folder: Path) -> Path:
    """The configurations of the studio with narrow networks; everything else as it is."""
    shutil.copytree(CONFIGS, folder)
    for family in ("sd1", "sd2", "sdxl"):
        levels = 3 if family == "sdxl" else 4
        wide = {"sd1": 32, "sd2": 64, "sdxl": 96}[family]
        unet = {
            "block_out_channels": [8, 16, 16, 16][:levels],
            "norm_num_groups": 4,
            "attention_head_dim": 2,
            "cross_attention_dim": wide,
            "sample_size": 16,
        }
        if family == "sdxl":
            unet |= {"addition_embed_type": "text_time", "addition_time_embed_dim": 8}
            unet |= {"projection_class_embeddings_input_dim": 6 * 8 + 64}
            unet |= {"transformer_layers_per_block": [1, 1, 2]}
        _change(folder / family / "unet", unet)
        vae = {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4}
        _change(folder / family / "vae", vae)
        _change(folder / family / "text_encoder", _text(64 if family == "sd2" else 32))
        if family == "sdxl":
            _change(folder / family / "text_encoder_2", _text(64))
    return folder


def write(
    path: Path, family: str, configs: Path, in_channels: int = 4, extra: Weights | None = None
) -> Weights:
    """Save a checkpoint of random weights; what diffusers calls them comes back.

    `extra` are further tensors. Keys of the result are "unet.…", "vae.…", "text_encoder.…".
    """
    torch.manual_seed(in_channels)
    parts = networks(configs / family, in_channels)
    named = published(parts, parts["unet"].config.layers_per_block)
    named |= {"alphas_cumprod": torch.ones(1000), "model_ema.decay": torch.ones(())}  # ballast
    named |= extra or {}
    save_file({key: value.contiguous() for key, value in named.items()}, path)
    return {f"{p}.{k}": v for p, network in parts.items() for k, v in network.state_dict().items()}


def networks(folder: Path, in_channels: int = 4) -> dict[str, Any]:
    """The networks of a family's folder of configurations, with new weights."""

    def text(make: Any, name: str) -> Any:
        return make(CLIPTextConfig.from_pretrained(str(folder / name)))

    unet: Any = UNet2DConditionModel.load_config(str(folder / "unet"))
    vae: Any = AutoencoderKL.load_config(str(folder / "vae"))
    made = {
        "unet": UNet2DConditionModel.from_config({**unet, "in_channels": in_channels}),
        "vae": AutoencoderKL.from_config(vae),
        "text_encoder": text(CLIPTextModel, "text_encoder"),
    }
    if (folder / "text_encoder_2").is_dir():
        made["text_encoder_2"] = text(CLIPTextModelWithProjection, "text_encoder_2")
    return made


def published(parts: dict[str, Any], per_block: int) -> Weights:
    """The tensors of a family's networks under the names of a single file."""
    unet, vae = parts["unet"].state_dict(), parts["vae"].state_dict()
    text = parts["text_encoder"].state_dict()
    named: Weights = {}
    for key, value in unet.items():
        named[f"model.diffusion_model.{unet_name(key, unet, per_block)}"] = value
    for key, value in vae.items():
        named[f"first_stage_model.{vae_name(key)}"] = as_convolution(key, value)
    if parts["text_encoder"].config.hidden_act == "gelu":  # OpenCLIP's; OpenAI's is "quick_gelu"
        return named | open_clip(text, "cond_stage_model.model.")
    large = "text_encoder_2" in parts
    prefix = "conditioner.embedders.0." if large else "cond_stage_model."
    named |= {f"{prefix}transformer.text_model.{_bare(k)}": v for k, v in text.items()}
    if large:
        second = parts["text_encoder_2"].state_dict()
        named |= open_clip(second, "conditioner.embedders.1.model.")
    return named


def unet_name(key: str, names: Weights, per_block: int) -> str:
    for ours, theirs in EDGES.items():
        if key.startswith(f"{ours}."):
            return theirs + key.removeprefix(ours)
    side, rest = key.split(".", 1)
    if side == "mid_block":
        kind, number, rest = rest.split(".", 2)
        place = 1 if kind == "attentions" else 2 * int(number)
        return f"middle_block.{place}.{_inner(rest)}"
    block, kind, number, rest = rest.split(".", 3)
    first = int(block) * (per_block + 1)
    down = side == "down_blocks"
    if kind == "downsamplers":
        return f"input_blocks.{first + per_block + 1}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        attends = any(each.startswith(f"up_blocks.{block}.attentions") for each in names)
        return f"output_blocks.{first + per_block}.{2 if attends else 1}.{rest}"
    place = first + int(number) + (1 if down else 0)
    kind = "1" if kind == "attentions" else "0"
    return f"{'input' if down else 'output'}_blocks.{place}.{kind}.{_inner(rest)}"


def vae_name(key: str) -> str:
    def block(found: re.Match[str]) -> str:
        side, number, kind, index = found[1], int(found[2]), found[3], found[4]
        number = number if side == "down" else 3 - number
        tail = f"block.{index}" if kind == "resnets" else f"{side}sample"
        return f"{side}.{number}.{tail}"

    key = re.sub(r"(down|up)_blocks\.(\d)\.(resnets|downsamplers|upsamplers)\.(\d)", block, key)
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    if "mid_block.attentions.0." in key:
        key = key.replace("mid_block.attentions.0.", "mid.attn_1.")
        for ours, theirs in ATTENTION.items():
            key = key.replace(f"attn_1.{ours}.", f"attn_1.{theirs}.")
    return key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")


def open_clip(weights: Weights, prefix: str) -> Weights:
    """OpenCLIP's names: query, key and value in one matrix, and one layer more than is used."""
    named: Weights = {}
    for key, value in weights.items():
        bare = _bare(key)
        if bare == "text_projection.weight":
            named["text_projection"] = value.T
        elif bare.startswith("embeddings.token"):
            named["token_embedding.weight"] = value
        elif bare.startswith("embeddings.position"):
            named["positional_embedding"] = value
        elif bare.startswith("final_layer_norm"):
            named[bare.replace("final_layer_norm", "ln_final")] = value
        elif ".q_proj." in bare:
            whole = [
                weights[key.replace("q_proj", each)] for each in ("q_proj", "k_proj", "v_proj")
            ]
            layer, kind = bare.split(".")[2], bare.rsplit(".", 1)[1]
            name = f"transformer.resblocks.{layer}.attn.in_proj_{kind}"
            named[name] = torch.cat(whole)
        elif ".k_proj." not in bare and ".v_proj." not in bare:
            name = bare.replace("encoder.layers", "transformer.resblocks")
            for ours, theirs in OPEN_CLIP.items():
                name = name.replace(ours, theirs)
            named[name] = value
    return {prefix + name: value for name, value in named.items()}


def _inner(rest: str) -> str:
    head, _, tail = rest.partition(".")
    return f"{RESNET[head]}.{tail}" if head in RESNET else rest


def _bare(key: str) -> str:
    return key.removeprefix("text_model.")


def as_convolution(key: str, value: Tensor) -> Tensor:
    """The original autoencoder's attention is made of 1 x 1 convolutions."""
    attends = re.search(r"attentions\.0\.to_", key) and value.ndim == 2
    return value[:, :, None, None] if attends else value


def _text(width: int) -> dict[str, int]:
    sizes = {"hidden_size": width, "intermediate_size": 2 * width, "projection_dim": width}
    return {**sizes, "num_hidden_layers": 2, "num_attention_heads": 4}


def _change(folder: Path, changes: dict[str, Any]) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
