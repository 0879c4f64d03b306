"""Tokens → what a text encoder makes of them, each as strong as its weight says.

A token of weight w becomes e + w (z - e), with z its own embedding and e that of the same place in
an empty prompt: the rule of ComfyUI, and of compel above 1. Its scale is what a word adds to saying
nothing; 1 changes nothing, 0 silences, and no other token moves. AUTOMATIC1111's web UI instead
multiplies z by w and then everything by the ratio of the tensor's mean before and after. That mean
is next to nothing where an encoder's output is centred (-0.006 beside a deviation of 0.55 in the
embedded model), so the ratio is an accident; for SDXL that UI itself advises against it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pipelines.words.windows import Token, padded


def embedded(
    tokenizer: Any, encoder: Any, windows: Sequence[Sequence[Token]], *, penultimate: bool
) -> tuple[Tensor, Tensor | None]:
    """[1, windows times their length, width], and the first window's summary where there is one.

    The windows are read one by one, so that none depends on how many there are. `penultimate`
    takes the layer before the last, as SDXL does.
    """
    found: list[Tensor] = []
    pooled: Tensor | None = None
    for window in windows:
        tokens, summary = _encoded(tokenizer, encoder, window, penultimate)
        pooled = summary if pooled is None else pooled
        if any(token.weight != 1 for token in window):
            silence, _ = _encoded(tokenizer, encoder, [], penultimate)
            weights = torch.ones_like(tokens[..., :1])
            weights[0, 1 : len(window) + 1, 0] = weights.new_tensor([t.weight for t in window])
            tokens = torch.where(weights == 1, tokens, silence + weights * (tokens - silence))
        found.append(tokens)
    return torch.cat(found, dim=1), pooled


def _encoded(
    tokenizer: Any, encoder: Any, window: Sequence[Token], penultimate: bool
) -> tuple[Tensor, Tensor | None]:
    ids, real = (torch.tensor([each], device=encoder.device) for each in padded(tokenizer, window))
    masked = getattr(encoder.config, "use_attention_mask", False)
    out = encoder(ids, attention_mask=real if masked else None, output_hidden_states=True)
    tokens = out.hidden_states[-2] if penultimate else out.last_hidden_state
    return tokens, out[0] if out[0].ndim == 2 else None
