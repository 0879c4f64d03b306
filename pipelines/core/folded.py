"""Attention of which some rows are partly their source's: the arithmetic of core/attention.py."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.core.tape import Looking

Fold = tuple[Tensor, Tensor]  # [E, 1, L, L] of the source's map, [E, 1, L, 1] of the own


def lengthened(fold: Fold, length: int) -> Fold:
    """The fold for sequences that longer negative words filled up; nobody attends to that part."""
    mapper, own = fold
    more = length - mapper.shape[-1]
    return (F.pad(mapper, (0, more, 0, more)), F.pad(own, (0, 0, 0, more))) if more else fold


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    fold: Fold | None,
    bias: Tensor | None = None,
    source: Looking | None = None,
) -> Tensor:
    """[B, heads, N, d] queries, keys and values → [B, heads, N, d]; the last E rows folded.

    `source` is what they fold in; without it, the row before them. `bias` [B, 1, 1, L] is added to
    the scores.
    """
    if fold is None:
        return F.scaled_dot_product_attention(q, k, v, bias)
    mapper, own = fold
    edits = len(mapper)
    told = torch.cat([v[:-edits], own * v[-edits:]])
    out = F.scaled_dot_product_attention(q, k, told, bias)
    source = source or Looking(q, k, bias).row(len(q) - edits - 1)
    source_q, source_k = (each.expand(edits, -1, -1, -1) for each in (source.q, source.k))
    taken = mapper @ v[-edits:]
    out[-edits:] += F.scaled_dot_product_attention(source_q, source_k, taken, source.bias)
    return out


def projected(attn: Any, hidden: Tensor, looked_at: Tensor) -> tuple[Tensor, ...]:
    """Queries, keys and values, [B, heads, N, d] each."""
    if looked_at is not hidden and attn.norm_cross:
        looked_at = attn.norm_encoder_hidden_states(looked_at)
    linear = (attn.to_q(hidden), attn.to_k(looked_at), attn.to_v(looked_at))
    q, k, v = (each.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for each in linear)
    q = q if attn.norm_q is None else attn.norm_q(q)
    k = k if attn.norm_k is None else attn.norm_k(k)
    return q, k, v


def merged(attn: Any, out: Tensor) -> Tensor:
    return attn.to_out[1](attn.to_out[0](out.transpose(1, 2).flatten(2)))
