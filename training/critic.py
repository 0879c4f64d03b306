"""The critic: reads the attributes of a postcard, and finds where its things are.

A convolutional network on pictures halved to 128 pixels. Every attribute looks for itself: it has
two learnt queries, which attend to the 8x8 cells of the last level, and a linear layer on what they
find there. The mask climbs back to 64x64 cells of 4 pixels. Lessons blur, shift, tint and dirty the
pictures, since what is judged later was drawn by a denoiser, not by the renderer.

It serves the bench and the tests only: an editing method never asks it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from math import cos, pi
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from training import album
from training.autoencoder import to_tensor
from training.masks import cached, unpacked
from training.progress import say
from training.run import Run
from training.scene import ATTRIBUTES, attributes
from training.world import SIZE, render

WEIGHTS = Path(__file__).with_name("critic.safetensors")
SEEN = SIZE // 2  # the side of what the network looks at, in pixels
WIDTHS = (16, 32, 64, 128)  # channels at 64x64, 32x32, 16x16 and 8x8
LOOKS = 2  # queries of an attribute
AT_ONCE = 16  # pictures read together

Pictures = Sequence[Image.Image] | np.ndarray  # the array is [n, h, w, 3] uint8


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the critic sees in one picture."""

    attributes: dict[str, str]  # a value for each of ATTRIBUTES
    mask: np.ndarray  # [256, 256] bool: the things


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pictures are learnt from, and how a batch is shared out."""

    masked: int  # of the album's first pictures, whose masks are drawn
    batch: int
    pieces: int
    workers: int
    autocast: Callable[[], AbstractContextManager[object]]


class Block(nn.Module):
    """Two convolutions around what they leave as it is, at first all."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip
        for part in self.layers[-1].parameters():
            nn.init.zeros_(part)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _down(inner: int, outer: int) -> nn.Conv2d:
    return nn.Conv2d(inner, outer, 4, stride=2, padding=1)


class Eye(nn.Module):
    """The network: pictures [n, 3, 128, 128] in -1..1 → one row of scores per attribute, a mask."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse, last = WIDTHS
        self.fine = nn.Sequential(_down(3 + 2, fine), Block(fine))  # colours, and where they are
        self.middle = nn.Sequential(_down(fine, middle), Block(middle))
        self.coarse = nn.Sequential(_down(middle, coarse), Block(coarse), Block(coarse))
        self.last = nn.Sequential(
            _down(coarse, last), Block(last), nn.GroupNorm(8, last), nn.SiLU()
        )
        self.queries = nn.Parameter(torch.randn(len(ATTRIBUTES), LOOKS, last))
        self.scores = nn.ModuleList(
            [nn.Linear(LOOKS * last, len(values)) for values in ATTRIBUTES.values()]
        )
        self.climb = nn.ModuleList(
            [nn.Conv2d(last, coarse, 1), nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)]
        )
        self.mend = nn.ModuleList([Block(coarse), Block(middle), nn.SiLU()])
        self.outline = nn.Conv2d(fine, 4, 3, padding=1)
        line = torch.linspace(-1, 1, SEEN)
        self.register_buffer("place", torch.stack(torch.meshgrid(line, line, indexing="ij")), False)

    def forward(self, picture: Tensor) -> tuple[list[Tensor], Tensor]:
        """Scores [n, values] of each attribute, and the mask's [n, 1, 128, 128]; above 0 is yes."""
        levels = self.levels(picture)
        return self.tell(levels[-1]), self.trace(levels)

    def levels(self, picture: Tensor) -> list[Tensor]:
        place = cast("Tensor", self.place).expand(len(picture), -1, -1, -1)
        found = [self.fine(torch.cat([picture, place], 1))]
        for level in (self.middle, self.coarse, self.last):
            found.append(level(found[-1]))
        return found

    def tell(self, last: Tensor) -> list[Tensor]:
        cells = last.flatten(2)  # [n, 128, 64]
        weight = torch.einsum("alc,ncp->nalp", self.queries, cells) * last.shape[1] ** -0.5
        looks = torch.einsum("nalp,ncp->nalc", weight.softmax(-1), cells).flatten(2)
        return [score(looks[:, i]) for i, score in enumerate(self.scores)]

    def trace(self, levels: list[Tensor]) -> Tensor:
        x = levels[-1]
        for climb, mend, level in zip(self.climb, self.mend, levels[-2::-1], strict=True):
            x = mend(level + F.interpolate(climb(x), scale_factor=2.0, mode="nearest"))
        return F.pixel_shuffle(self.outline(x), 2)


class Critic:
    """A trained eye."""

    def __init__(self, eye: Eye) -> None:
        self.eye = eye.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> Critic:
        """The weights of `path`. ValueError where they were trained to read other attributes."""
        with safe_open(path, "pt") as file:
            told = json.loads((file.metadata() or {}).get("attributes", "null"))
            if told != _table():
                raise ValueError(
                    f"The critic in {path} reads other attributes than training.scene names; "
                    "train it again."
                )
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        eye = Eye()
        eye.load_state_dict(weights)
        return cls(eye)

    def save(self, path: Path = WEIGHTS) -> None:
        """Half precision, with the table of attributes it reads."""
        halves = {name: part.half().contiguous() for name, part in self.eye.state_dict().items()}
        save_file(halves, path, {"attributes": json.dumps(_table())})

    @torch.no_grad()
    def read(self, pictures: Pictures) -> list[Reading]:
        """The attributes and the mask of each picture, whatever its size."""
        readings: list[Reading] = []
        for part in _parts(pictures):
            scores, masks = self.eye(part)
            best = np.stack([score.argmax(1).numpy() for score in scores], 1)
            large = F.interpolate(masks, (SIZE, SIZE), mode="bilinear")[:, 0] > 0
            for row, mask in zip(best, large.numpy(), strict=True):
                named = zip(ATTRIBUTES.items(), row, strict=True)
                readings.append(Reading({name: values[i] for (name, values), i in named}, mask))
        return readings

    @torch.no_grad()
    def features(self, pictures: Pictures) -> np.ndarray:
        """The last level's means, [n, 128] float32: the space in which sets are compared."""
        parts = [self.eye.levels(part)[-1].mean((2, 3)) for part in _parts(pictures)]
        return torch.cat(parts).numpy()

    @torch.no_grad()
    def cells(self, pictures: Pictures) -> np.ndarray:
        """The 16x16 level, [n, 256, 64] float32: how the parts of a picture are alike."""
        parts = [self.eye.levels(part)[-2].flatten(2) for part in _parts(pictures)]
        return torch.cat(parts).transpose(1, 2).numpy()


def begin(path: Path = WEIGHTS) -> Eye:
    """The network to learn on: that of `path` if it reads today's attributes, or a new one."""
    try:
        eye = Critic.load(path).eye
    except (OSError, ValueError):
        return Eye()
    return eye.requires_grad_(True)


def train(lessons: Lessons, state: Path, minutes: float, plan: Plan, eye: Eye) -> Critic:
    """Train `eye` on `lessons`; returns the averaged network."""
    run = Run(eye, state / "critic.pt", minutes, _rate, plan.workers)

    def lesson(step: int, piece: int) -> Tensor:
        batch = lessons.batch(np.random.default_rng([step, piece]), plan.batch // plan.pieces)
        with plan.autocast():
            scores, masks = eye(batch.pictures.contiguous(memory_format=torch.channels_last))
        return loss_of([score.float() for score in scores], masks.float(), batch)

    for step in run.steps():
        run.descend([partial(lesson, step, piece) for piece in range(plan.pieces)])
        if step % 500 == 499:
            say(f"critic: {summary(exam(Critic(run.averaged(Eye())), 40))}")
    return Critic(run.averaged(Eye()))


def exam(critic: Critic, count: int) -> dict[str, float]:
    """The share of right answers by attribute on the first held-out scenes, and "mask" (IoU).

    "all" is the share of pictures of which every attribute is right. The IoU is the mean over the
    pictures that have a thing.
    """
    scenes = [album.scene_of(i, held_out=True) for i in range(count)]
    postcards = [render(scene) for scene in scenes]
    readings = critic.read(np.stack([postcard.image for postcard in postcards]))
    truths = [attributes(scene) for scene in scenes]
    right = np.array(
        [[reading.attributes[name] == truth[name] for name in ATTRIBUTES]
         for reading, truth in zip(readings, truths, strict=True)]
    )  # fmt: skip
    masks = [postcard.masks["object"] for postcard in postcards]
    overlaps = [
        (reading.mask & mask).sum() / (reading.mask | mask).sum()
        for reading, mask in zip(readings, masks, strict=True)
        if mask.any()
    ]
    shares = dict(zip(ATTRIBUTES, right.mean(0).tolist(), strict=True))
    return {**shares, "all": float(right.all(1).mean()), "mask": float(np.mean(overlaps))}


def summary(marks: dict[str, float]) -> str:
    """An exam in one line."""
    return ", ".join(f"{name} {mark:.1%}" for name, mark in marks.items())


# --- lessons --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures with their truth."""

    pictures: Tensor  # [n, 3, 128, 128] in -1..1
    answers: Tensor  # [n, attributes] int64, the place of the right value
    masks: Tensor  # [n, 1, 128, 128], 0..1
    masked: Tensor  # [n] bool: whether the mask is known


class Lessons:
    """The album's postcards with their attributes, and the masks of the first `masked` of them."""

    def __init__(self, folder: Path, state: Path, masked: int) -> None:
        self.shards = album.load(folder)
        count = sum(len(shard) for shard in self.shards)
        if not count:
            raise ValueError(f"There are no pictures in {folder}; draw the album first.")
        self.starts = np.cumsum([0, *(len(shard) for shard in self.shards)])
        places = [{value: i for i, value in enumerate(values)} for values in ATTRIBUTES.values()]
        found = [attributes(album.scene_of(i)).values() for i in range(count)]
        self.answers = np.array(
            [[place[value] for place, value in zip(places, row, strict=True)] for row in found]
        )
        self.seldom = album.seldom(count)
        self.masks = cached(state, min(masked, count))

    def batch(self, rng: np.random.Generator, count: int) -> Batch:
        """Half of it pictures whose mask is known, the other half such as are rarely seen."""
        known, half = len(self.masks), count // 2
        seldom = self.seldom[rng.integers(len(self.seldom), size=count - half)]
        indices = np.append(rng.integers(known, size=half), seldom)
        rng.shuffle(indices)
        pairs = [spoiled(rng, self._picture(i), self._mask(i)) for i in indices.tolist()]
        pictures = np.stack([picture for picture, _ in pairs])
        masks = np.stack([mask for _, mask in pairs])
        return Batch(
            to_tensor(pictures),
            torch.from_numpy(self.answers[indices]),
            torch.from_numpy(masks)[:, None] / 255,
            torch.from_numpy(indices < known),
        )

    def _picture(self, index: int) -> np.ndarray:
        shard = int(np.searchsorted(self.starts, index, "right")) - 1
        return _halved(self.shards[shard][index - self.starts[shard]])

    def _mask(self, index: int) -> np.ndarray:
        if index >= len(self.masks):
            return np.zeros((SEEN, SEEN), np.uint8)
        return _halved(unpacked(self.masks[index]) * 255)


def spoiled(
    rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A picture [128, 128, 3] as a weak painter leaves it, and its mask moved with it."""
    scale, (x, y) = rng.uniform(0.94, 1.06), rng.uniform(-6, 6, 2)
    middle = SEEN / 2 * (1 - scale)
    move = np.array([[scale, 0, middle + x], [0, scale, middle + y]])
    picture, mask = (
        cv2.warpAffine(each, move, (SEEN, SEEN), borderMode=cv2.BORDER_REPLICATE)
        for each in (picture, mask)
    )
    if rng.random() < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9))
    light = picture * rng.uniform(0.95, 1.05, 3) + rng.uniform(-8, 8)
    if rng.random() < 0.4:
        cells = rng.normal(0, rng.uniform(2, 12), (16, 16, 3))
        light += cv2.resize(cells, (SEEN, SEEN), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.4:
        light += rng.standard_normal(light.shape, np.float32) * rng.uniform(1, 10)
    return np.clip(light, 0, 255).astype(np.uint8), mask


def _halved(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SEEN, SEEN), interpolation=cv2.INTER_AREA)


def _parts(pictures: Pictures) -> list[Tensor]:
    seen = np.stack([_halved(_whole(picture)) for picture in pictures])
    return list(to_tensor(seen).split(AT_ONCE))


def _whole(picture: Image.Image | np.ndarray) -> np.ndarray:
    """A picture of any size as [256, 256, 3] uint8."""
    rgb = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture.convert("RGB")
    return np.asarray(rgb if rgb.size == (SIZE, SIZE) else rgb.resize((SIZE, SIZE)))


def loss_of(scores: list[Tensor], masks: Tensor, batch: Batch) -> Tensor:
    """Cross entropy of each attribute; of the mask's pixels, and Dice's overlap of the whole."""
    asked = zip(scores, batch.answers.T, strict=True)
    loss = torch.stack([F.cross_entropy(score, answer) for score, answer in asked]).sum()
    known = batch.masked.float()
    if not known.any():
        return loss + 0 * masks.sum()
    truth, guess = batch.masks, masks.sigmoid()
    pixels = F.binary_cross_entropy_with_logits(masks, truth, reduction="none").mean((1, 2, 3))
    overlap = 2 * (guess * truth).sum((1, 2, 3)) + 1
    dice = 1 - overlap / ((guess + truth).sum((1, 2, 3)) + 1)
    return loss + ((8 * pixels + 2 * dice) * known).sum() / known.sum()


def _rate(fraction: float) -> float:
    """2e-3 after a short warm-up, to zero by cosine."""
    return 2e-3 * min(1.0, 0.05 + fraction / 0.03) * (0.5 + 0.5 * cos(pi * fraction))


def _table() -> dict[str, list[str]]:
    return {name: list(values) for name, values in ATTRIBUTES.items()}
