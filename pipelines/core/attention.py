"""Attention to words and places, edited and looked at, for one network call at a time.

What Prompt-to-Prompt does to a target's maps (Hertz et al., arXiv:2208.01626, section 3) is linear
over the tokens, so it folds into the values and no map has to be made. With P_s, P_t the maps of
source and target, M the mapper from source tokens to target tokens, al = 1 where a target token has
a counterpart (else 0), W = 1 inside a token's window of steps, c its weight:

    P = (P_s M) c W + P_t ((1 - W) + c W (1 - al))               the edited map
    P V = P_s (M (c W V)) + P_t (((1 - W) + c W (1 - al)) V)     two fused attentions

Self-attention is replaced by giving the target the source's queries and keys, and a map is seen by
attending to one-hot columns in place of the values. Row 0 of a batch is the source, the others are
its targets; of a guided batch only the conditional half, its last rows, is touched. A target needs
no more of its source than queries and keys, so a source that was kept (core/tape.py) plays them
back, and its row is not run again.

To see where a plain run of n pictures looks for each word of its prompt:

    prompt = networks.read("a red house")
    watch = Watch(columns(prompt.words, prompt.length, networks.device))
    predict = watched(networks, guided(networks, embedded, without, guidance_scale), watch)
    ... walk(x, predict, solver) to its end ...
    watch.mean()                                    # [n, words, h/2, w/2], in [0, 1]
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.core.folded import Fold, attend, lengthened, merged, projected
from pipelines.core.sampling import Moment, Predict
from pipelines.core.tape import Call, Looking, Tape
from pipelines.networks.protocol import AttentionLayer, Networks

Rows = list[int]  # of a batch [source, *targets]
FEWEST_CELLS = 128  # a map of 8 × 8 says little, one of 16 × 16 (or its like) enough


def readable(layers: Sequence[AttentionLayer], latent: Sequence[int]) -> int:
    """The reduction whose maps of words say most: the coarsest that has enough cells.

    16 × 16 for Stable Diffusion at 512 pixels and for latents of 32 × 32, as in the official code.
    Raises ValueError for a network that does not attend to words.
    """
    cells = {each.reduction: _area(each.grid(latent)) for each in layers if each.kind == "cross"}
    if not cells:
        raise ValueError("This model does not attend to words, so there is nothing to control.")
    return max((each for each in cells if cells[each] >= FEWEST_CELLS), default=min(cells))


@dataclass(slots=True)
class Watch:
    """How much every place looks at chosen tokens, gathered step by step while a network runs.

    `columns` [B or 1, L, K], of zeros and ones, picks tokens; the attention to the tokens of one
    column is summed. Looked at are the layers of the given `reductions`; their mean is taken on the
    finest grid among them. Of a map that is edited the edited one is seen.
    """

    columns: Tensor
    reductions: Sequence[int] = (2,)
    steps: list[Tensor] = field(default_factory=list)  # [B, K, h, w] each, mean of layers and heads

    def mean(self) -> Tensor:
        """The mean over the steps so far, [B, K, h, w] in [0, 1]."""
        return torch.stack(self.steps).mean(0)


@dataclass(frozen=True, slots=True)
class Control:
    """What becomes of the targets' attention, for E edits of one source, S steps, L tokens."""

    mapper: Tensor  # [E, L, L], M: source token (row) → target token (column)
    taken: Tensor  # [S, E, L], c W: how much of the source's map a target token gets
    own: Tensor  # [S, E, L], (1 - W) + c W (1 - al): how much of its own map it keeps
    words: Sequence[Sequence[bool]]  # [S][E], whether any token is inside its window
    places: Sequence[Sequence[bool]]  # [S][E], whether the source's self-attention is taken
    coarse: Sequence[int]  # [E], self-attention is taken at this reduction and coarser ones

    @property
    def finest(self) -> int:
        """The smallest reduction at which self-attention is ever taken."""
        return min(self.coarse)

    def at(self, step: int, rows: Rows, reductions: Iterable[int]) -> "_Now":
        """For the part `rows` of the batch, of which the first is the source."""
        edits = [row - 1 for row in rows[1:]]
        fold = None
        if any(self.words[step][edit] for edit in edits):
            mapper, taken = self.mapper[edits], self.taken[step, edits]
            fold = (mapper * taken[:, None])[:, None], self.own[step, edits][:, None, :, None]
        sources: dict[int, Tensor] = {}
        for reduction in reductions:
            shared = [
                place
                for place, edit in enumerate(edits)
                if self.places[step][edit] and reduction >= self.coarse[edit]
            ]
            if shared:
                sources[reduction] = torch.tensor(shared, device=self.mapper.device)
        return _Now(fold, sources)


@dataclass(frozen=True, slots=True)
class _Now:
    """What a control asks of R rows at one step."""

    fold: Fold | None = None
    sources: Mapping[int, Tensor] = field(default_factory=dict)  # reduction → the targets in it


def watched(networks: Networks, predict: Predict, watch: Watch) -> Predict:
    """`predict` unchanged, with `watch` looking on."""

    def look(x: Tensor, moment: Moment) -> Tensor:
        whole = [(list(range(len(x))), predict)]
        return controlled(networks, whole, None, [watch])(x, moment)

    return look


def controlled(
    networks: Networks,
    parts: Sequence[tuple[Rows, Predict]],
    control: Control | None,
    watches: Sequence[Watch] = (),
    tape: Tape | None = None,
) -> Predict:
    """A `predict` for [source, *targets] under attention control.

    `parts` cuts a batch that would be too large: rows, beginning with row 0, and what predicts
    them. The network has our processors during a call of a part's predict, and its own ones again
    before this returns, also by an exception.

    A `tape` keeps what the source does. One that plays stands for the source: a part's predict then
    gets its rows without the first.
    """
    every = networks.attention_layers
    reductions = {layer.reduction for layer in every}
    plays = tape is not None and tape.plays
    finest = control.finest if control else 1

    def predict(x: Tensor, moment: Moment) -> Tensor:
        outputs: list[Tensor] = []
        seen: list[list[Tensor]] = [[] for _ in watches]
        call = tape.call() if tape else None
        for rows, predict_rows in parts:
            now = control.at(moment.index - 1, rows, reductions) if control else _Now()
            columns = [watch.columns.expand(len(x), -1, -1)[rows] for watch in watches]
            looks = [_Look(*each) for each in zip(columns, watches, strict=True)]
            there = rows[1:] if plays else rows
            source = _Source(len(there), len(rows) - 1, call, plays, finest)
            with _installed(_processors(every, now, looks, source)):
                output = predict_rows(x[there], moment)
            outputs.append(torch.cat([call.output, output]) if call and plays else output)
            for kept, look in zip(seen, looks, strict=True):
                kept.append(look.mean(x.shape))
        for watch, kept in zip(watches, seen, strict=True):
            watch.steps[moment.index - 1 :] = [_joined(kept)]  # Heun's second look replaces
        if tape and call and not plays:
            tape.keep(call, outputs[0][:1])
        return _joined(outputs)

    return predict


@dataclass(frozen=True, slots=True)
class _Source:
    """The source row of one call: in the batch, perhaps to be kept, or played back."""

    rows: int  # conditional rows in the batch
    targets: int
    call: Call | None
    plays: bool
    finest: int

    def kept(self, layer: AttentionLayer) -> bool:
        """Whether a layer's part is kept although nothing is edited there in this step."""
        wanted = layer.kind == "cross" or layer.reduction >= self.finest
        return self.call is not None and not self.plays and wanted

    def own(self, layer: int, conditional: Looking) -> Looking:
        """Its queries, keys and bias in a layer, given those of the conditional rows."""
        if self.call is not None and self.plays:
            return self.call.looking[layer]
        found = conditional.row(0)
        if self.call is not None:
            self.call.looking[layer] = found.copy()
        return found


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """The rows of all parts; the source is in each, and the first one's is taken."""
    return torch.cat([parts[0], *(part[1:] for part in parts[1:])])


class _Look:
    """What one watch sees of R rows during one call."""

    def __init__(self, columns: Tensor, watch: Watch) -> None:
        self.columns = columns  # [R, L, K]
        self.reductions = watch.reductions
        self.maps: list[tuple[AttentionLayer, Tensor]] = []  # [R, N, K] each

    def mean(self, latent: Sequence[int]) -> Tensor:
        """Of the layers, [R, K, h, w]."""
        if not self.maps:
            raise ValueError("This model does not attend to words at the size asked for.")
        grid = max((layer.grid(latent) for layer, _ in self.maps), key=_area)
        maps = [each.mT.unflatten(2, layer.grid(latent)) for layer, each in self.maps]
        return torch.stack([_enlarged(each, grid) for each in maps]).mean(0)


def _area(grid: Sequence[int]) -> int:
    return grid[0] * grid[1]


def _enlarged(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    return maps if maps.shape[-2:] == grid else F.interpolate(maps, grid, mode="bilinear")


@contextmanager
def _installed(processors: Iterable[tuple[AttentionLayer, Any]]) -> Generator[None]:
    own: list[tuple[AttentionLayer, Any]] = []
    try:
        for layer, processor in processors:
            own.append((layer, layer.processor))
            layer.set_processor(processor)
        yield
    finally:
        for layer, processor in own:
            layer.set_processor(processor)


def _processors(
    every: Iterable[AttentionLayer], now: _Now, looks: Sequence[_Look], source: _Source
) -> Iterator[tuple[AttentionLayer, Any]]:
    """The layers that need another processor for this call, each with the one it needs."""
    for place, layer in enumerate(every):
        if layer.kind == "self":
            shared = now.sources.get(layer.reduction)
            if shared is not None or source.kept(layer):
                yield layer, _ToPlaces(place, shared, source)
            continue
        its = [look for look in looks if layer.reduction in look.reductions]
        if now.fold is not None or its or source.kept(layer):
            yield layer, _ToWords(place, layer, now.fold, its, source)


@dataclass(frozen=True, slots=True)
class _ToPlaces:
    """Self-attention in which targets may use their source's queries and keys."""

    place: int  # of the layer
    shared: Tensor | None  # which targets do
    source: _Source

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        q, k, v = projected(attn, hidden_states, hidden_states)
        first = len(q) - self.source.rows  # the unconditional rows before it stay
        source = self.source.own(self.place, Looking(q[first:], k[first:]))
        if self.shared is not None:
            rows = self.shared + (len(q) - self.source.targets)
            for mine, theirs in ((q, source.q), (k, source.k)):
                mine[rows] = theirs.clone()  # torch refuses to copy within one memory
        return merged(attn, F.scaled_dot_product_attention(q, k, v))


@dataclass(frozen=True, slots=True)
class _ToWords:
    """Cross-attention, edited in its last rows where there is a fold, and looked at."""

    place: int
    layer: AttentionLayer
    fold: Fold | None
    looks: Sequence[_Look]
    source: _Source

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        q, k, v = projected(attn, hidden_states, encoder_hidden_states)
        bias = None if attention_mask is None else attention_mask[:, None].to(q)  # [B, 1, 1, L]
        fold = None if self.fold is None else lengthened(self.fold, k.shape[2])
        first = len(q) - self.source.rows
        conditional = Looking(q[first:], k[first:], None if bias is None else bias[first:])
        source = self.source.own(self.place, conditional)
        for look in self.looks:
            whole = source.over(conditional) if self.source.plays else conditional
            look.maps.append((self.layer, self._maps(whole, look.columns, fold)))
        return merged(attn, attend(q, k, v, fold, bias, source))

    def _maps(self, rows: Looking, columns: Tensor, fold: Fold | None) -> Tensor:
        """The attention to the columns, mean over the heads: [R, N, K] in float32 or better."""
        q, k = rows.q, rows.k
        heads, width = q.shape[1], q.shape[-1]
        found: list[Tensor] = []
        for some in columns.to(q).split(width, dim=-1):  # fused kernels want values of this width
            fill = (0, width - some.shape[-1], 0, k.shape[2] - some.shape[1])
            values = F.pad(some, fill)[:, None].expand(-1, heads, -1, -1)
            seen = attend(q, k, values, fold, rows.bias, rows.row(0))
            found.append(seen[..., : some.shape[-1]].mean(1))
        maps = torch.cat(found, dim=-1)
        return maps.to(torch.promote_types(maps.dtype, torch.float32))
