"""Pictures and words in one space: a tiny CLIP (Radford et al., arXiv:2103.00020) of this world.

It ranks candidates by how well they agree with the words. Half of what it sees are whole postcards
with their captions, half the surroundings of the things with the words for them alone, since a
replacement is judged by its region. Beside the contrast of pictures and words the attributes of
the scene are read off the picture's side: with some hundred thousand pictures and not some hundred
millions, that is what teaches it to see. Those readers are thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPVisionConfig

from training import album, denoiser
from training import tokenizer as words
from training.autoencoder import to_tensor
from training.captions import caption, phrase, things_alone
from training.progress import say
from training.run import Run, adamw
from training.scene import ATTRIBUTES, Scene, attributes
from training.world import SIZE, places

SIDE = 128  # pixels of what it looks at
PATCH = 16
WIDTH = 160
REGIONS = 0.4  # the share of pictures that are cut to their things


@dataclass(frozen=True, slots=True)
class Plan:
    """How a batch is shared out. Every piece is a contrast by itself."""

    batch: int
    pieces: int
    workers: int
    device: str


def build(text_encoder: CLIPTextModel | None = None) -> CLIPModel:
    """The network, untrained but for its word side, where one is given to begin with."""
    text = cast("CLIPTextConfig", denoiser.build_text_encoder().config)
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=4,
        num_attention_heads=5,
        image_size=SIDE,
        patch_size=PATCH,
        projection_dim=denoiser.TEXT_WIDTH,
    )
    config = CLIPConfig(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        projection_dim=denoiser.TEXT_WIDTH,
    )
    model = CLIPModel(config)
    if text_encoder is not None:
        own = cast("Any", model.text_model)
        taken = cast("Any", getattr(text_encoder, "text_model", text_encoder))
        own.load_state_dict(taken.state_dict())
    return model


class Pupil(nn.Module):
    """The CLIP, and beside it a reader for each attribute of a scene."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.clip: CLIPModel = clip
        self.readers = nn.ModuleList(nn.Linear(WIDTH, len(v)) for v in ATTRIBUTES.values())

    def lesson(
        self, pictures: torch.Tensor, tokens: torch.Tensor, same: torch.Tensor, truth: torch.Tensor
    ) -> torch.Tensor:
        """Contrast and reading for pictures [n, 3, s, s], tokens [n, 32], truth [n, attributes].

        `same` [n, n] says which captions are equal: neither is wrong for the other's picture.
        A truth of -1 is not asked for.
        """
        seen = self.clip.vision_model(pixel_values=pictures).pooler_output
        read = self.clip.text_model(input_ids=tokens).pooler_output
        image = F.normalize(self.clip.visual_projection(seen), dim=-1)
        text = F.normalize(self.clip.text_projection(read), dim=-1)
        logits = self.clip.logit_scale.exp().clamp(max=50) * image @ text.T
        target = same / same.sum(1, keepdim=True)
        contrast = F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)
        reading = [
            F.cross_entropy(reader(seen), truth[:, i], ignore_index=-1)
            for i, reader in enumerate(self.readers)
        ]
        return contrast / 2 + torch.stack(reading).nan_to_num().sum() / 2


def train(
    folder: Path, state: Path, minutes: float, plan: Plan, text_encoder: CLIPTextModel
) -> CLIPModel:
    """Train on the album in `folder`; returns the averaged network."""
    device = torch.device(plan.device)
    pupil = Pupil(build(text_encoder)).to(device)
    optimizers = [adamw(pupil.parameters(), weight_decay=0.05)]
    run = Run(pupil, state / "ranker.pt", minutes, _rate, plan.workers, optimizers=optimizers)
    teaching = Teaching(album.load(folder / "postcard"), np.random.default_rng(run.step))
    for step in run.steps():
        parts = [teaching.batch(plan.batch // plan.pieces) for _ in range(plan.pieces)]
        run.descend([partial(pupil.lesson, *(each.to(device) for each in part)) for part in parts])
        if step % 500 == 499:
            say(f"ranker: {retrieval(_averaged(run, device), rounds=2):.1%} of captions found")
    return _averaged(run, device)


def _averaged(run: Run, device: torch.device) -> CLIPModel:
    return run.averaged(Pupil(build()).to(device)).clip


class Teaching:
    """Batches of pictures and true words for them."""

    def __init__(self, shards: Sequence[np.ndarray], rng: np.random.Generator) -> None:
        self.shards, self.rng = shards, rng
        self.tokenizer = words.build()

    def batch(self, count: int) -> tuple[torch.Tensor, ...]:
        """Pictures, tokens, which captions are equal, and what the readers should say."""
        rng = self.rng
        indices = rng.integers(sum(map(len, self.shards)), size=count)
        drawn = [self._example(int(index)) for index in indices]
        pictures = np.stack([picture for picture, _, _ in drawn])
        texts = [text for _, text, _ in drawn]
        same = torch.tensor([[float(a == b) for b in texts] for a in texts])
        truth = torch.tensor([numbers for _, _, numbers in drawn])
        return to_tensor(pictures), tokens(self.tokenizer, texts), same, truth

    def _example(self, index: int) -> tuple[np.ndarray, str, list[int]]:
        picture = self.shards[index // album.SHARD][index % album.SHARD]
        scene = album.scene_of(index)
        numbers = [v.index(attributes(scene)[name]) for name, v in ATTRIBUTES.items()]
        if scene.thing and self.rng.random() < REGIONS:
            told = ("kind", "colour", "other kind", "other colour")
            numbers = [n if a in told else -1 for a, n in zip(ATTRIBUTES, numbers, strict=True)]
            text = things_alone(scene, self.rng)
            picture = surroundings(picture, scene, self.rng)
        else:
            text = phrase(scene, self.rng)
        picture = cv2.resize(np.asarray(picture), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return _weathered(picture, self.rng), text, numbers


def surroundings(picture: np.ndarray, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """A square around the things of a scene, with some of what is about them."""
    boxes = places(scene)
    left, right = min(b.left for b in boxes), max(b.left + b.height for b in boxes)
    top, foot = min(b.top for b in boxes), max(b.foot for b in boxes)
    side = int(min(SIZE, max(right - left, foot - top) * rng.uniform(1.05, 1.6)))
    x, y = (
        int(np.clip((a + b - side) / 2 + rng.normal(0, 6), 0, SIZE - side))
        for a, b in ((left, right), (top, foot))
    )
    return picture[y : y + side, x : x + side]


def _weathered(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A little softer, noisier, brighter: a generated picture is none of ours."""
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.2))
    noisy = picture * rng.uniform(0.92, 1.08) + rng.normal(0, rng.uniform(0, 6), picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def tokens(tokenizer: Any, texts: Sequence[str]) -> torch.Tensor:
    """Token numbers [n, 32]."""
    coded = tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt")
    return coded.input_ids


@torch.no_grad()
def agreement(model: CLIPModel, pictures: np.ndarray, texts: Sequence[str]) -> torch.Tensor:
    """The cosine of every picture with every text, [pictures, texts]."""
    small = album.reduce(pictures, SIDE)
    device = next(model.parameters()).device
    seen = model.vision_model(pixel_values=to_tensor(small).to(device)).pooler_output
    read = model.text_model(input_ids=tokens(words.build(), texts).to(device)).pooler_output
    image = F.normalize(model.visual_projection(seen), dim=-1)
    return image @ F.normalize(model.text_projection(read), dim=-1).T


def retrieval(model: CLIPModel, rounds: int = 8, among: int = 64) -> float:
    """How often a held-out postcard finds its own caption among `among`, over all rounds."""
    found = 0
    for number in range(rounds):
        scenes = [album.scene_of(number * among + i, held_out=True) for i in range(among)]
        pictures = album.held_out(among, number * among)
        texts = [caption(scene) for scene in scenes]
        best = agreement(model, pictures, texts).argmax(1).tolist()
        found += sum(texts[guess] == texts[i] for i, guess in enumerate(best))
    return found / (rounds * among)


def _rate(fraction: float) -> float:
    """1e-3 after a warm-up, straight to zero from a third of the time on."""
    return 1e-3 * min(1.0, 0.02 + fraction / 0.04, max(0.0, 1 - fraction) / 0.67)
