"""What a source did in the network, kept so that its next edit need not run it again.

An edit takes three things of its source: what the network makes of it at each call, which carries
its row down the same way, and the queries and keys of its attention, which is all that
Prompt-to-Prompt replaces, refines and looks at.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import torch
from PIL import Image
from torch import Tensor

MOST = 2**30  # bytes; a source that takes more is run again


@dataclass(frozen=True, slots=True)
class Looking:
    """Who looks at what in one attention, [B, heads, N, d], with what is added to its scores."""

    q: Tensor
    k: Tensor
    bias: Tensor | None = None  # [B, 1, 1, L], 0 or far below

    def row(self, index: int) -> "Looking":
        only = slice(index, index + 1)
        return Looking(self.q[only], self.k[only], None if self.bias is None else self.bias[only])

    def over(self, below: "Looking") -> "Looking":
        """These rows, then those of `below`; both have a bias, or neither."""
        bias = None
        if self.bias is not None and below.bias is not None:
            bias = torch.cat([self.bias, below.bias])
        return Looking(torch.cat([self.q, below.q]), torch.cat([self.k, below.k]), bias)

    def copy(self) -> "Looking":
        """The same without the batch it was a part of."""
        bias = None if self.bias is None else self.bias.clone()
        return Looking(self.q.clone(), self.k.clone(), bias)

    @property
    def bytes(self) -> int:
        parts = [each for each in (self.q, self.k, self.bias) if each is not None]
        return sum(each.numel() * each.element_size() for each in parts)


@dataclass(slots=True)
class Call:
    """The source's part in one call of the network."""

    output: Tensor = field(default_factory=lambda: torch.empty(0))  # [1, C, h, w], as guided
    looking: dict[int, Looking] = field(default_factory=dict[int, Looking])  # by place of the layer


class Tape:
    """The calls of one run in their order, and the picture it came to.

    Kept by a first run, played back to the others.
    """

    def __init__(self, calls: Iterable[Call] = (), picture: Image.Image | None = None) -> None:
        self.calls = list(calls)
        self.picture = picture
        self.plays = bool(self.calls)
        self._next = iter(self.calls)
        self._room = MOST

    def again(self) -> Self:
        """The same from its beginning."""
        return type(self)(self.calls, self.picture)

    def call(self) -> Call | None:
        """The next one; None when there was too much to keep."""
        if self.plays:
            return next(self._next)
        return Call() if self._room > 0 else None

    def keep(self, call: Call, output: Tensor) -> None:
        call.output = output.clone()
        self.calls.append(call)
        self._room -= sum(each.bytes for each in call.looking.values())
        if self._room <= 0:
            self.calls.clear()
