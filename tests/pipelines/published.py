"""Prompt-to-Prompt as published, written plainly: every map of every layer is made and edited.

The reference that the method is held to. One source and one target in one batch, guided, over
diffusers' own scheduler; mappers and tokens are given as literals, so nothing of ours takes part
but the networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler
from torch import Tensor

from pipelines import Bundle


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

    source: str
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


class Controller:
    """Edits the maps of the conditional half in place, and adds up those of words."""

    def __init__(self, recipe: Recipe, steps: int, length: int) -> None:
        self.recipe, self.steps, self.length = recipe, steps, length
        self.step = 0
        self.stored: dict[int, Tensor] = {}  # layer → [2, heads, pixels, L], summed over the steps
        self.window = torch.zeros(steps + 1, length, dtype=torch.float64)
        self._open(recipe.cross, list(range(length)))
        for token, share in recipe.cross_by_token.items():
            self._open(share, [token])

    def _open(self, share: tuple[float, float], tokens: list[int]) -> None:
        start, end = int(share[0] * (self.steps + 1)), int(share[1] * (self.steps + 1))
        for step in range(self.steps + 1):
            self.window[step, tokens] = float(start <= step < end)

    def __call__(self, maps: Tensor, layer: int, cross: bool) -> None:
        """`maps` [2, heads, pixels, L or pixels], of source and target."""
        recipe, pixels = self.recipe, maps.shape[2]
        source, target = maps[0].clone(), maps[1].clone()
        if cross:
            window = self.window[self.step]
            maps[1] = self._replaced(source, target) * window + target * (1 - window)
            if pixels == recipe.map_pixels:
                self.stored[layer] = self.stored.get(layer, 0) + maps.clone()
            return
        start, end = (int(share * self.steps) for share in recipe.layout)
        if start <= self.step < end and pixels <= recipe.layout_pixels:
            maps[1] = source

    def _replaced(self, source: Tensor, target: Tensor) -> Tensor:
        recipe = self.recipe
        if recipe.mapper is not None:
            found = torch.einsum("hpw,wn->hpn", source, recipe.mapper)
        elif recipe.index is not None:
            known = torch.tensor([float(each != -1) for each in recipe.index], dtype=torch.float64)
            found = source[:, :, recipe.index] * known + target * (1 - known)
        else:
            found = source
        weights = torch.ones(self.length, dtype=torch.float64)
        for token, weight in recipe.equalizer.items():
            weights[token] = weight
        return found * weights

    def blended(self, x: Tensor) -> Tensor:
        blend = self.recipe.blend
        self.step += 1
        if blend is None or self.step <= int(blend.start * self.steps):
            return x
        maps = torch.cat([each for each in self.stored.values()], dim=1)
        mask = self._mask(maps, blend.tokens, x, pooled=True)
        if any(blend.subtract):
            mask = mask & ~self._mask(maps, blend.subtract, x, pooled=False)
        return x[:1] + mask * (x - x[:1])

    def _mask(self, maps: Tensor, tokens: Sequence[list[int]], x: Tensor, pooled: bool) -> Tensor:
        assert self.recipe.blend is not None
        rows = [row[:, :, its].sum(-1).mean(0) for row, its in zip(maps, tokens, strict=True)]
        side = int(self.recipe.map_pixels**0.5)
        mask = torch.stack(rows).reshape(2, 1, side, side)
        if pooled:
            mask = F.max_pool2d(mask, 3, 1, padding=1)
        mask = F.interpolate(mask, size=x.shape[2:])
        mask = mask / mask.amax((2, 3), keepdim=True)
        mask = mask > self.recipe.blend.threshold
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
    bundle: Bundle, recipe: Recipe, steps: int, guidance_scale: float, seed: int
) -> list[Tensor]:
    """The latents [source, target] after each step, in the networks' own precision."""
    unet, size = bundle.unet, (bundle.size, bundle.size)
    controller = Controller(recipe, steps, bundle.tokenizers[0].model_max_length)
    words = [bundle.embed(text, size).tokens for text in ("", "", recipe.source, recipe.target)]
    scheduler: Any = DDIMScheduler.from_config(dict(bundle.scheduler_config))
    scheduler.set_timesteps(steps)
    side = bundle.size // bundle.cell
    noise = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(seed))
    x = noise.to(bundle.dtype).expand(2, -1, -1, -1)
    own = dict(unet.attn_processors)
    every = {name: Explicit(controller, i) for i, name in enumerate(own)}
    latents: list[Tensor] = []
    unet.set_attn_processor(every)
    try:
        for t in scheduler.timesteps:
            output = unet(torch.cat([x, x]), t, encoder_hidden_states=torch.cat(words)).sample
            without, conditional = output.chunk(2)
            guided = without + guidance_scale * (conditional - without)
            x = controller.blended(scheduler.step(guided, t, x).prev_sample)
            latents.append(x)
    finally:
        unet.set_attn_processor(own)
    return latents
