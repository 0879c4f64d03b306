"""Local blend: an edit only where the chosen words look (Hertz et al., arXiv:2208.01626, 3.2).

    M = maps of the words, in the source or in the edit, where each reaches a share of its maximum
    x = x_s + M (x - x_s)                after each step from the start on

In the form of the authors' later code: with a start, and with words to leave out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from pipelines.core import attention
from pipelines.core.attention import Watch
from pipelines.networks.protocol import Networks
from pipelines.prompt_to_prompt import maps
from pipelines.request import Range, hints
from pipelines.words.prompt import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBlend:
    """Words whose place in the picture may change; everything else stays as in the source."""

    source: tuple[str, ...] = ()  # of the source's prompt
    target: tuple[str, ...] = ()  # of the edit's prompt
    subtract: tuple[str, ...] = ()  # of either: their place stays in any case
    threshold: Annotated[
        float,
        Range(0.0, 1.0, 0.05, "Threshold", "A word is where its map reaches this share."),
    ] = 0.3
    subtract_threshold: Annotated[
        float,
        Range(0.0, 1.0, 0.05, "Threshold to leave out", "The same for words to leave out."),
    ] = 0.3
    start_blend: Annotated[
        float, Range(0.0, 1.0, 0.05, "Blend from", "The share of the steps before it begins.")
    ] = 0.2

    def __post_init__(self) -> None:
        for name in ("source", "target", "subtract"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        if not self.source and not self.target:
            raise ValueError("A local blend needs a word whose place may change.")
        for name, hint in hints(LocalBlend).items():
            hint.check(getattr(self, name))


def watch(
    networks: Networks,
    prompt: Prompt,
    edits: Sequence[tuple[Prompt, LocalBlend | None]],
    shape: Sequence[int],
) -> Watch | None:
    """Looks at what E blends name, each with its edit's prompt; None where there is no blend.

    Edit i has what may change in column 2i and what is left out in 2i + 1. Refuses words that the
    prompts do not have.
    """
    if not any(blend for _, blend in edits):
        return None
    length = max(prompt.length, *(own.length for own, _ in edits))
    columns = torch.zeros(len(edits) + 1, length, 2 * len(edits))
    for i, (own, blend) in enumerate(edits):
        if blend is None:
            continue
        whose = f"edit {i + 1}"
        for word in blend.source:
            columns[0, prompt.named(word, "the source"), 2 * i] = 1
        for word in blend.target:
            columns[i + 1, own.named(word, whose), 2 * i] = 1
        for word in blend.subtract:
            in_source = prompt.find(word)
            columns[0, list(in_source or ()), 2 * i + 1] = 1
            if in_source is None or own.find(word) is not None:
                columns[i + 1, own.named(word, whose), 2 * i + 1] = 1
    return Watch(
        columns.to(networks.device), (attention.readable(networks.attention_layers, shape),)
    )


def region(watch: Watch, edit: int, blend: LocalBlend, size: Sequence[int]) -> Tensor:
    """Where the words of an edit's blend have looked so far: bool [*size]."""
    mean = watch.mean()[[0, edit + 1], 2 * edit :]  # [2, …, h, w]: source and edit
    inside = maps.region(mean[:, 0], size, blend.threshold).any(0)
    if not blend.subtract:
        return inside
    left_out = maps.region(mean[:, 1], size, blend.subtract_threshold, pooled=False)
    return inside & ~left_out.any(0)
