"""Low-rank changes of a network's weights (LoRA, Hu et al., arXiv:2106.09685).

Each linear layer and convolution gets one: its weight W becomes W + up · down. Files are named and
shaped as by diffusers and PEFT, so that any program that adds a LoRA adds these.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import parametrize

RANK = 16
FILE = "pytorch_lora_weights.safetensors"  # as diffusers calls it
DOWN, UP = "lora_A.weight", "lora_B.weight"


class LowRank(nn.Module):
    """W [out, in, …] to W + up · down; up begins at zero, so that nothing is changed at first."""

    def __init__(self, weight: torch.Tensor, rank: int) -> None:
        super().__init__()
        out, *rest = weight.shape
        self.down = nn.Parameter(torch.empty(rank, *rest, device=weight.device))
        self.up = nn.Parameter(torch.zeros(out, rank, device=weight.device))
        nn.init.kaiming_uniform_(self.down, a=sqrt(5))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + (self.up @ self.down.flatten(1)).view(weight.shape)


def add(network: nn.Module, rank: int = RANK) -> nn.ModuleList:
    """Freeze a network and give each of its layers a low-rank change; returns the changes."""
    network.requires_grad_(False)
    layers = [each for each in network.modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    changes = nn.ModuleList()
    for layer in layers:
        change = LowRank(layer.weight, rank)
        parametrize.register_parametrization(layer, "weight", change)
        changes.append(change)
    return changes


def save(network: nn.Module, path: Path) -> None:
    """Write the changes of a U-Net that went through `add`, in half precision."""
    tensors = {name: part.detach().half().contiguous() for name, part in _named(network)}
    save_file(tensors, path, metadata={"format": "pt"})


def load(network: nn.Module, path: Path) -> bool:
    """Set the changes of a U-Net that went through `add`; returns whether the file fits it.

    Where it does not fit, nothing is changed.
    """
    tensors = load_file(path)
    parts = dict(_named(network))
    if {name: part.shape for name, part in parts.items()} != {
        name: tensor.shape for name, tensor in tensors.items()
    }:
        return False
    with torch.no_grad():
        for name, part in parts.items():
            part.copy_(tensors[name])
    return True


def _named(network: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Each factor under its name in a file, in a shape of its layer's kind."""
    for name, module in network.named_modules():
        if not parametrize.is_parametrized(module, "weight"):
            continue
        change = module.get_submodule("parametrizations.weight.0")
        assert isinstance(change, LowRank)
        yield f"unet.{name}.{DOWN}", change.down
        spatial = (1,) * (change.down.ndim - 2)  # of a convolution
        yield f"unet.{name}.{UP}", change.up.view(*change.up.shape, *spatial)
