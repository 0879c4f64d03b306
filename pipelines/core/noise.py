"""Randomness that is the same anywhere: one generator per picture, drawn on the CPU in float32."""

from collections.abc import Sequence

import torch
from torch import Tensor

Generators = Sequence[torch.Generator]


def seeds(seed: int, count: int) -> list[int]:
    """Picture i of a run uses seed + i (mod 2^32)."""
    return [(seed + i) % 2**32 for i in range(count)]


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def draw(
    generators: Generators, shape: Sequence[int], device: torch.device | str = "cpu"
) -> Tensor:
    """Standard normal noise [B, *shape], row i from generator i alone."""
    rows = [torch.randn(1, *shape, generator=each, dtype=torch.float32) for each in generators]
    return torch.cat(rows).to(device)
