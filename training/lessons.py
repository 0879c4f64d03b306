"""What the denoiser learns from: latents, true words, the map of the scene, and where to look.

Each batch takes a third of its pictures from those that show what few do (weather, a second thing,
clouds at dawn), whose words would be learnt last. Things count four times as much as what is around
them: they are small, and much is said of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from training import album, texts
from training.scene import Scene
from training.world import SIZE, places

DROPPED = 0.1  # the share of captions replaced by the empty one
FOCUS = 4.0  # how much more a thing counts than what is around it
RARE = 3  # one picture in so many is a seldom one


class Piece(NamedTuple):
    """A part of a batch."""

    clean: torch.Tensor  # latents [n, 4, h, w]
    tokens: torch.Tensor  # [n, 32]
    focus: torch.Tensor  # [n, 1, h, w], how much each cell counts; 1 on average
    classes: torch.Tensor  # [n, 32, 32] int64, what stands in each cell: places in CLASSES


@dataclass(frozen=True, slots=True)
class Lessons:
    """The first pictures of the album at one size, in every wording."""

    latents: np.ndarray  # [n, 4, h, w] float16
    tokens: np.ndarray  # [n, 12, 32] uint8
    classes: np.ndarray  # [n, 32, 32] uint8

    @classmethod
    def of(cls, folder: Path, latents: np.ndarray) -> Lessons:
        """Those of the album in `folder` that were encoded."""
        count = len(latents)
        classes = np.concatenate(album.load(folder / "map")[: -(-count // album.SHARD)])[:count]
        return cls(latents, texts.cached(folder, count), classes)

    def batches(
        self, size: int, pieces: int, seed: int, device: torch.device
    ) -> Iterator[list[Piece]]:
        """Endless batches of `size` pictures, cut into pieces."""
        rng = np.random.default_rng(seed)
        every = _endless(np.arange(len(self.latents)), size - size // RARE, rng)
        rare = _endless(album.seldom(len(self.latents)), size // RARE, rng)
        for some, few in zip(every, rare, strict=False):
            whole = self._batch(rng.permutation(np.append(some, few)), rng)
            parts = zip(*(part.to(device).chunk(pieces) for part in whole), strict=True)
            yield [Piece(*part) for part in parts]

    def _batch(self, indices: np.ndarray, rng: np.random.Generator) -> Piece:
        clean = torch.from_numpy(np.asarray(self.latents[indices])).float()
        wording = rng.integers(self.tokens.shape[1], size=len(indices))
        tokens = np.array(self.tokens[indices, wording])
        tokens[rng.random(len(indices)) < DROPPED] = texts.empty()
        return Piece(
            clean,
            torch.from_numpy(tokens).long(),
            focuses([album.scene_of(int(index)) for index in indices], clean),
            torch.from_numpy(self.classes[indices]).long(),
        )


def focuses(scenes: Sequence[Scene], clean: torch.Tensor) -> torch.Tensor:
    """How much each cell of the latents [n, 4, h, w] counts: [n, 1, h, w], 1 on average."""
    weight = torch.ones(len(clean), 1, *clean.shape[2:])
    cell = SIZE / clean.shape[3]  # pixels of a whole postcard
    for one, scene in zip(weight, scenes, strict=True):
        for where in places(scene):
            top, foot = round(where.top / cell), round(where.foot / cell)
            left, right = round(where.left / cell), round((where.left + where.height) / cell)
            one[:, max(0, top) : foot, max(0, left) : right] = FOCUS
    return weight / weight.mean((2, 3), keepdim=True)


def _endless(indices: np.ndarray, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Parts of `size` of the indices, every epoch in a new order; too few are taken repeatedly."""
    enough = np.resize(indices, max(size, len(indices)))
    while True:
        order = rng.permutation(enough)
        yield from (order[start : start + size] for start in range(0, len(order) - size + 1, size))
