"""What the denoiser is told besides x and the time."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Conditioning:
    """The words of each row of a batch.

    Rows of different lengths lie side by side in one tensor; `heard` then keeps the network from
    attending to what fills up the shorter ones, so that each row is what it is alone.
    """

    tokens: Tensor  # [B, length, width], one vector a token
    pooled: Tensor | None = None  # [B, width], SDXL's summary of the words
    ids: Tensor | None = None  # [B, 6], SDXL's original size, crop and target size
    heard: Tensor | None = None  # [B, length] of zeros and ones; None where all is heard

    def rows(self, count: int) -> "Conditioning":
        """One row, shared by `count` rows."""
        return self._each(lambda part: part.expand(count, *part.shape[1:]))

    def over(self, below: "Conditioning") -> "Conditioning":
        """These rows, then those of `below`."""

        def stack(mine: Tensor | None, other: Tensor | None) -> Tensor | None:
            return None if mine is None or other is None else torch.cat([mine, other])

        length = max(self.tokens.shape[1], below.tokens.shape[1])
        both = [self._filled(length), below._filled(length)]
        whole = all(each.heard is None and each.tokens.shape[1] == length for each in (self, below))
        return Conditioning(
            torch.cat([tokens for tokens, _ in both]),
            stack(self.pooled, below.pooled),
            stack(self.ids, below.ids),
            None if whole else torch.cat([heard for _, heard in both]),
        )

    def at(self, rows: list[int]) -> "Conditioning":
        """Some of the rows."""
        return self._each(lambda part: part[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Conditioning":
        def changed(part: Tensor | None) -> Tensor | None:
            return None if part is None else change(part)

        others = (changed(part) for part in (self.pooled, self.ids, self.heard))
        return Conditioning(change(self.tokens), *others)

    def _filled(self, length: int) -> tuple[Tensor, Tensor]:
        """`tokens` and `heard` at that length."""
        more = length - self.tokens.shape[1]
        whole = torch.ones(self.tokens.shape[:2], device=self.tokens.device)
        heard = whole if self.heard is None else self.heard
        return F.pad(self.tokens, (0, 0, 0, more)), F.pad(heard, (0, more))
