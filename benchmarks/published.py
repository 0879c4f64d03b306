"""Prompt-to-Prompt as published, written plainly: every map of every layer is made and edited.

The reference that the method is held to, step by step in tests, and in what it costs and gives in
benchmarks. One source and its targets in one batch, guided, over diffusers' own DDIM; mappers and
tokens are given as literals, so nothing of ours takes part but the networks. As in the official
code every map of at most 32 × 32 places is kept and added up over the steps, whether or not a local
blend wants it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler
from torch import Tensor

from pipelines import Bundle
from pipelines.networks.conditioning import Conditioning

STORED = 32 * 32  # the largest maps that are kept, in places


@dataclass
class Blend:
    """Tokens by prompt (source, target), as in the authors' null-text notebook."""

    tokens: tuple[list[int], list[int]]
    subtract: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    threshold: float = 0.3
    start: float = 0.2


@dataclass
class Recipe:
    """One edit. `mapper` [L, L] for a swap, or `index` [L] (-1: new token) for a refinement."""

    target: str
    mapper: Tensor | None = None
    equalizer: dict[int, float] = field(default_factory=dict)  # token → weight
    cross: tuple[float, float] = (0.0, 0.8)
    cross_by_token: dict[int, tuple[float, float]] = field(default_factory=dict)
    layout: tuple[float, float] = (0.0, 0.4)
    layout_pixels: int = 8 * 8
    index: list[int] | None = None
    blend: Blend | None = None
    map_pixels: int = 8 * 8

    def windows(self, steps: int, length: int) -> Tensor:
        """1 where a token's map is the source's, [steps + 1, length]."""
        windows = torch.zeros(steps + 1, length)
        every = dict.fromkeys(range(length), self.cross)
        for token, share in {**every, **self.cross_by_token}.items():
            start, end = (int(each * (steps + 1)) for each in share)
            windows[:, token] = 0
            windows[start:end, token] = 1
        return windows

    def replaced(self, source: Tensor, target: Tensor) -> Tensor:
        """Maps [heads, pixels, L] inside the window."""
        found = source
        if self.mapper is not None:
            found = torch.einsum("hpw,wn->hpn", source, self.mapper.to(source))
        elif self.index is not None:
            known = source.new_tensor([float(each != -1) for each in self.index])
            found = source[:, :, self.index] * known + target * (1 - known)
        weights = source.new_ones(source.shape[-1])
        for token, weight in self.equalizer.items():
            weights[token] = weight
        return found * weights


class Controller:
    """Edits the maps of the conditional half in place, and adds up the small ones."""

    def __init__(self, recipes: Sequence[Recipe], steps: int, length: int) -> None:
        self.recipes, self.steps = recipes, steps
        self.windows = [recipe.windows(steps, length) for recipe in recipes]
        self.step = 0
        self.seen: dict[tuple[int, bool], Tensor] = {}  # (layer, cross) → maps of this step
        self.stored: dict[tuple[int, bool], Tensor] = {}  # the same, summed over the steps

    def __call__(self, maps: Tensor, layer: int, cross: bool) -> None:
        """`maps` [1 + targets, heads, pixels, L or pixels], the source first."""
        pixels, source = maps.shape[2], maps[0]
        for row, (recipe, windows) in enumerate(zip(self.recipes, self.windows, strict=True), 1):
            if cross:
                window = windows[self.step].to(maps)
                edited = recipe.replaced(source, maps[row])
                maps[row] = edited * window + maps[row] * (1 - window)
                continue
            start, end = (int(share * self.steps) for share in recipe.layout)
            if start <= self.step < end and pixels <= recipe.layout_pixels:
                maps[row] = source
        if pixels <= STORED:
            self.seen[layer, cross] = maps

    def blended(self, x: Tensor) -> Tensor:
        """What becomes of latents [1 + targets, C, h, w] after a step."""
        for key, maps in self.seen.items():
            self.stored[key] = self.stored[key] + maps if key in self.stored else maps.clone()
        self.seen.clear()
        self.step += 1
        rows = [x[:1]]
        for row, recipe in enumerate(self.recipes, 1):
            rows.append(self._blended(x[[0, row]], recipe, row)[1:])
        return torch.cat(rows)

    def _blended(self, pair: Tensor, recipe: Recipe, row: int) -> Tensor:
        blend = recipe.blend
        if blend is None or self.step <= int(blend.start * self.steps):
            return pair
        wanted = [
            each[[0, row]]
            for (_, cross), each in self.stored.items()
            if cross and each.shape[2] == recipe.map_pixels
        ]
        maps = torch.cat(wanted, dim=1)
        mask = _mask(maps, blend, blend.tokens, pair, pooled=True)
        if any(blend.subtract):
            mask = mask & ~_mask(maps, blend, blend.subtract, pair, pooled=False)
        return pair[:1] + mask * (pair - pair[:1])


def _mask(
    maps: Tensor, blend: Blend, tokens: Sequence[list[int]], pair: Tensor, pooled: bool
) -> Tensor:
    rows = [row[:, :, its].sum(-1).mean(0) for row, its in zip(maps, tokens, strict=True)]
    side = int(maps.shape[2] ** 0.5)
    mask = torch.stack(rows).reshape(2, 1, side, side)
    if pooled:
        mask = F.max_pool2d(mask, 3, 1, padding=1)
    mask = F.interpolate(mask, size=pair.shape[2:])
    mask = mask / mask.amax((2, 3), keepdim=True)
    mask = mask > blend.threshold
    return mask[:1] | mask


class Explicit:
    """An attention processor that makes its maps."""

    def __init__(self, controller: Controller, layer: int) -> None:
        self.controller, self.layer = controller, layer

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        cross = encoder_hidden_states is not None
        there = encoder_hidden_states if cross else hidden_states

        def heads(x: Tensor) -> Tensor:
            return x.reshape(len(x), -1, attn.heads, x.shape[-1] // attn.heads).transpose(1, 2)

        q, k, v = heads(attn.to_q(hidden_states)), heads(attn.to_k(there)), heads(attn.to_v(there))
        maps = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        self.controller(maps[len(maps) // 2 :], self.layer, cross)
        return attn.to_out[0]((maps @ v).transpose(1, 2).reshape(hidden_states.shape))


@torch.no_grad()
def prompt_to_prompt(
    bundle: Bundle,
    source: str,
    recipes: Sequence[Recipe],
    steps: int,
    guidance_scale: float,
    seed: int,
) -> list[Tensor]:
    """The latents [source, *targets] after each step, in float32 or the networks' own if finer."""
    unet, size = bundle.denoiser, (bundle.size, bundle.size)
    controller = Controller(recipes, steps, bundle.tokenizers[0].model_max_length)
    prompts = [source, *(recipe.target for recipe in recipes)]
    nothing = [bundle.embed("", size, negative=True)] * len(prompts)
    words = reduce(Conditioning.over, [*nothing, *(bundle.embed(each, size) for each in prompts)])
    scheduler: Any = DDIMScheduler.from_config(dict(bundle.scheduler_config))
    scheduler.set_timesteps(steps)
    shape = (1, bundle.channels, *(each // bundle.cell for each in size))
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    exact = torch.promote_types(bundle.dtype, torch.float32)
    x = noise.to(bundle.device, exact).expand(len(prompts), -1, -1, -1)
    own = dict(unet.attn_processors)
    latents: list[Tensor] = []
    unet.set_attn_processor({name: Explicit(controller, i) for i, name in enumerate(own)})
    try:
        for t in scheduler.timesteps:
            without, conditional = bundle.predict(torch.cat([x, x]), t, words).chunk(2)
            guided = without + guidance_scale * (conditional - without)
            x = controller.blended(scheduler.step(guided, t, x).prev_sample)
            latents.append(x)
    finally:
        unet.set_attn_processor(own)
    return latents


def refinement(source: Sequence[int], target: Sequence[int]) -> list[int]:
    """For each token of the target its place in the source, -1 where it is new.

    Needleman-Wunsch with gap 0, match 1, mismatch -1, as in the official aligner.
    """
    n, m = len(source), len(target)
    score = np.zeros((n + 1, m + 1), int)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            paired = score[i - 1, j - 1] + (1 if source[i - 1] == target[j - 1] else -1)
            score[i, j] = max(score[i, j - 1], score[i - 1, j], paired)
    places = [-1] * m
    i, j = n, m
    while i and j:
        if score[i, j] == score[i, j - 1]:
            j -= 1
        elif score[i, j] == score[i - 1, j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            places[j] = i if source[i] == target[j] else -1
    return places


def refined(tokenizer: Any, source: str, target: str) -> list[int]:
    """A recipe's `index`: the target's tokens in the source, what pads them being itself."""
    mine, other = (tokenizer(text).input_ids for text in (source, target))
    return [*refinement(mine, other), *range(len(other), tokenizer.model_max_length)]
