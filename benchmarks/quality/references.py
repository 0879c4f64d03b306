"""The official algorithms as they were published, where ours differ: what the difference costs.

Each is written from the description of the official code, over our networks and our loop.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, cat

from benchmarks.quality.lab import Lab
from pipelines.core import masks, noise, solvers
from pipelines.core.bundle import Bundle
from pipelines.core.conditioning import Conditioning
from pipelines.core.guidance import guided
from pipelines.core.sampling import Moment, Predict, Revise, walk
from pipelines.core.schedule import noised

SKIPPED = 0.25  # of Blended Latent Diffusion's steps
CROSS, SELF = 0.8, 0.4  # Prompt-to-Prompt's windows, as shares of the steps
SELF_PIXELS = 16 * 16  # the largest grid on which self-attention is replaced


def sdedit(
    lab: Lab, guide: Image.Image, mask: Image.Image, prompt: str, strength: float, seed: int
) -> list[Image.Image]:
    """Masked SDEdit: after each step the kept part is put back at the level *before* it.

    (github.com/ermongroup/SDEdit; one noise for the whole run; at the end the kept part is the
    guide's.)
    """
    bundle, generators = lab.bundle, lab.generators(seed, lab.candidates)
    source = bundle.encode(guide, generators)
    e = noise.draw(generators, source.shape[1:], bundle.device)
    m = masks.cells(mask, *source.shape[-2:]).to(bundle.device)
    solver = _solver(lab, strength)

    def revise(x: Tensor, moment: Moment) -> Tensor:
        return m * x + (1 - m) * noised(source, e, moment.here)

    x = noised(source, e, solver.moments[0].here)
    x = _walked(x, _guided(lab, prompt, guide.size), solver, revise)
    return bundle.decode(m * x + (1 - m) * source)


def blended(
    lab: Lab, image: Image.Image, mask: Image.Image, prompt: str, seed: int
) -> list[Image.Image]:
    """Blended Latent Diffusion's script for Stable Diffusion 2.1 (text_editing_SD2.py).

    A quarter of the steps is skipped, yet it starts from pure noise; each step is followed by a
    blend with the background at the level before it, in fresh noise; nothing is reconstructed. The
    mask is reduced by its nearest pixel.
    """
    bundle, generators = lab.bundle, lab.generators(seed, lab.candidates)
    source = bundle.encode(image, generators)
    height, width = source.shape[-2:]
    nearest = mask.convert("L").resize((width, height), Image.Resampling.NEAREST)
    m = torch.from_numpy(np.asarray(nearest) >= 128).float().to(bundle.device)
    solver = _solver(lab, 1 - SKIPPED)

    def revise(x: Tensor, moment: Moment) -> Tensor:
        fresh = noise.draw(generators, source.shape[1:], bundle.device)
        return m * x + (1 - m) * noised(source, fresh, moment.here)

    x = noise.draw(generators, source.shape[1:], bundle.device)
    return bundle.decode(_walked(x, _guided(lab, prompt, image.size), solver, revise))


def prompt_to_prompt(lab: Lab, prompts: Sequence[str], seed: int) -> list[Image.Image]:
    """Prompt-to-Prompt with explicit attention maps, [source, target], without a local blend.

    Replacement where both prompts have as many words, else refinement with the official aligner.
    """
    bundle = lab.bundle
    size = (bundle.size, bundle.size)
    source, target = (_ids(bundle, prompt) for prompt in prompts)
    as_many = len(prompts[0].split()) == len(prompts[1].split())
    places = range(len(source)) if as_many else refinement(source, target)
    editor = MapEditor(places, lab.steps)
    rows = [bundle.embed("", size, negative=True)] * 2 + [bundle.embed(p, size) for p in prompts]
    told = Conditioning(cat([row.tokens for row in rows]))

    def predict(x: Tensor, moment: Moment) -> Tensor:
        editor.step = moment.index - 1
        own = bundle.unet.attn_processors
        bundle.unet.set_attn_processor(editor)
        try:
            without, words = bundle.predict(cat([x, x]), moment.t, told).chunk(2)
        finally:
            bundle.unet.set_attn_processor(dict(own))
        return without + lab.guidance * (words - without)

    solver = _solver(lab)
    shape = (bundle.channels, size[1] // bundle.cell, size[0] // bundle.cell)
    e = noise.draw(lab.generators(seed), shape, bundle.device)
    return bundle.decode(_walked(solver.prior(e).expand(2, *shape), predict, solver))


class MapEditor:
    """An attention processor: the conditional target's maps become the conditional source's.

    The batch is [source, target] without words, then with them. `places` says for each token of
    the target where it stands in the source, -1 where it is new.
    """

    def __init__(self, places: Sequence[int], steps: int) -> None:
        self.step = 0
        self.cross_until = int(CROSS * (steps + 1))
        self.self_until = int(SELF * steps)
        self.places = torch.tensor(places)
        self.known = (self.places >= 0).float()

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_options: Any,
    ) -> Tensor:
        crosses = encoder_hidden_states is not None
        words = encoder_hidden_states if crosses else hidden_states
        query, key, value = (
            attn.head_to_batch_dim(layer(given))
            for layer, given in (
                (attn.to_q, hidden_states), (attn.to_k, words), (attn.to_v, words)
            )
        )  # fmt: skip
        maps = attn.get_attention_scores(query, key, attention_mask)  # [rows·heads, pixels, tokens]
        if len(hidden_states) == 4:
            maps = self.edited(maps.unflatten(0, (4, -1)), crosses).flatten(0, 1)
        out = attn.batch_to_head_dim(torch.bmm(maps, value))
        return attn.to_out[1](attn.to_out[0](out))

    def edited(self, maps: Tensor, crosses: bool) -> Tensor:
        """Maps [4, heads, pixels, tokens] with the last row's replaced in its window."""
        source, target = maps[2], maps[3]
        if crosses and self.step < self.cross_until:
            known = self.known.to(maps)
            taken = source[..., self.places.clamp(min=0).to(maps.device)]
            target = known * taken + (1 - known) * target
        elif not crosses and self.step < self.self_until and maps.shape[2] <= SELF_PIXELS:
            target = source
        return torch.stack([maps[0], maps[1], source, target])


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


def _ids(bundle: Bundle, prompt: str) -> list[int]:
    tokenizer = bundle.tokenizers[0]
    return tokenizer(
        prompt, padding="max_length", max_length=tokenizer.model_max_length, truncation=True
    ).input_ids


def _solver(lab: Lab, strength: float = 1.0) -> solvers.Scheduled:
    config = lab.bundle.scheduler_config
    return solvers.make("default", config, lab.steps, strength, device=lab.bundle.device)


def _guided(lab: Lab, prompt: str, size: tuple[int, int]) -> Predict:
    words, without = lab.bundle.embed(prompt, size), lab.bundle.embed("", size, negative=True)
    return guided(lab.bundle, words, without, lab.guidance)


def _walked(
    x: Tensor, predict: Predict, solver: solvers.Scheduled, revise: Revise | None = None
) -> Tensor:
    for step in walk(x, predict, solver, revise):
        x = step.latents
    return x
