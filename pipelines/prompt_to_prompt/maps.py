"""Maps of words: as the mask of a local blend, and as pictures for a page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pipelines.core import attention
from pipelines.core.attention import Watch
from pipelines.networks.protocol import Networks
from pipelines.words.prompt import Prompt, columns


@dataclass(frozen=True, slots=True)
class Legend:
    """What stands where in the atlases of a comparison."""

    words: Sequence[Sequence[str]]  # of each row, one per column of its atlas
    size: tuple[int, int]  # (width, height) of one map
    steps: int  # bands below the mean
    peaks: Sequence[Sequence[float]]  # the maximum of each word's mean map


def region(maps: Tensor, size: Sequence[int], threshold: float, *, pooled: bool = True) -> Tensor:
    """Where `maps` [B, h, w] exceed a share of their own maximum: bool [B, *size].

    As the official local blend does it: with `pooled` each cell takes the largest of the 3 × 3
    around it, then the nearest cell is taken. A map of zeros has no region.
    """
    wide = maps[:, None]
    if pooled:
        wide = F.max_pool2d(wide, 3, stride=1, padding=1)
    wide = F.interpolate(wide, size=(size[0], size[1]))[:, 0]
    return wide / wide.amax((1, 2), keepdim=True) > threshold


def watch(networks: Networks, prompts: Sequence[Prompt], shape: Sequence[int]) -> Watch:
    """Looks at every word of every prompt, where the network has the halves and quarters."""
    length = max(each.length for each in prompts)
    picked = [columns(each.words, length, networks.device) for each in prompts]
    most = max(1, *(each.shape[-1] for each in picked))
    padded = [F.pad(each, (0, most - each.shape[-1])) for each in picked]
    layers = networks.attention_layers
    there = {each.reduction for each in layers if each.kind == "cross"} & {2, 4}
    return Watch(torch.cat(padded), sorted(there) or [attention.readable(layers, shape)])


def atlas(steps: Sequence[Tensor]) -> list[Image.Image]:
    """The maps of S steps, [B, K, h, w] each, as one "L" picture per row.

    A column per word; in the uppermost band the mean over the steps, below it a band per step. The
    mean is scaled to its own maximum, the steps of a word to the largest among them. The map of a
    word with a negative weight is shown by its size.
    """
    every = torch.stack(list(steps)).float().abs().cpu()  # [S, B, K, h, w]
    mean = every.mean(0)
    bright = mean / mean.amax((2, 3), keepdim=True).clamp(min=1e-8)
    each = every / every.amax((0, 3, 4), keepdim=True).clamp(min=1e-8)
    bands = torch.cat([bright[None], each]).permute(1, 0, 3, 2, 4)  # [B, 1 + S, h, K, w]
    pixels = (bands.flatten(3).flatten(1, 2) * 255).round().byte().numpy()
    return [Image.fromarray(np.ascontiguousarray(row)) for row in pixels]


def cell(atlas: Image.Image, size: tuple[int, int], word: int, step: int = 0) -> Image.Image:
    """One map of an atlas whose maps have `size` (width, height); step 0 is the mean."""
    width, height = size
    left, top = word * width, step * height
    return atlas.crop((left, top, left + width, top + height))


def legend(prompts: Sequence[Prompt], watch: Watch) -> Legend:
    """What stands where in the atlases of what `watch` saw."""
    mean = watch.mean()
    words = [[word.text for word in each.words] for each in prompts]
    peaks = mean.amax((2, 3)).tolist()
    return Legend(
        words=words,
        size=(mean.shape[-1], mean.shape[-2]),
        steps=len(watch.steps),
        peaks=[row[: len(its)] for row, its in zip(peaks, words, strict=True)],
    )
