"""LoRAs and taught words of random numbers, for a model that is at hand."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

ELSEWHERE = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


def lora(path: Path, unet: Any, rank: int = 2) -> Path:
    """For every cross-attention's keys and values, in kohya's names."""
    generator = torch.Generator().manual_seed(5)
    held = {}
    for name, module in unet.named_modules():
        if name.endswith(("attn2.to_k", "attn2.to_v")):
            height, width = module.weight.shape
            called = f"lora_unet_{name.replace('.', '_')}"
            held[f"{called}.lora_up.weight"] = torch.randn(height, rank, generator=generator)
            held[f"{called}.lora_down.weight"] = torch.randn(rank, width, generator=generator)
            held[f"{called}.alpha"] = torch.tensor(0.5)
    return saved(path, held)


def lora_of_width(path: Path, width: int) -> Path:
    """For some model whose words have this width; one layer, which may be nowhere."""
    held = {f"{ELSEWHERE}.lora_up.weight": torch.zeros(8, 2)}
    return saved(path, {**held, f"{ELSEWHERE}.lora_down.weight": torch.zeros(2, width)})


def word(path: Path, width: int, count: int = 2) -> Path:
    """As many vectors as a word of that many tokens has."""
    generator = torch.Generator().manual_seed(6)
    return saved(path, {"emb_params": torch.randn(count, width, generator=generator)})


def saved(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path
