"""What every row works with: one model, one critic, one set of settings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks import networks
from benchmarks.quality.drawer import Drawer
from pipelines import Bundle
from pipelines.core import noise
from training import album
from training.critic import Critic
from training.world import render

REALS = 100_000  # where the held-out pictures begin that KID compares with; no case reaches it
STUDENT_STEPS = 4


@dataclass
class Lab:
    """Our methods and their peers share these networks, steps, guidance and seeds."""

    bundle: Bundle
    critic: Critic
    steps: int = 20  # num_inference_steps
    guidance: float = 3.0
    candidates: int = 4  # of a replacement
    reals: int = 128  # held-out pictures that KID compares with
    pictures: Path = Path("build/quality/pictures")  # where drawings from words are kept
    _pipes: dict[str, Any] = field(default_factory=dict, init=False)

    def peer(self, name: str) -> Any:
        """diffusers' pipeline of that name over the bundle's own networks."""
        if name not in self._pipes:
            self._pipes[name] = networks.peer(self.bundle, name)
        return self._pipes[name]

    @cached_property
    def drawer(self) -> Drawer:
        """Who draws from words with the lab's own settings."""
        return Drawer(self.bundle, "ddim", self.steps, self.guidance, self.pictures)

    @cached_property
    def student(self) -> Drawer | None:
        """The model's few-step student, without guidance; None where it has none."""
        fast = self.bundle.student
        return fast and Drawer(fast, "lcm", STUDENT_STEPS, 1.0, self.pictures)

    def asked(self) -> dict[str, Any]:
        """The settings that every pipeline and request takes by the same names."""
        return {"num_inference_steps": self.steps, "guidance_scale": self.guidance}

    def generators(self, seed: int, count: int = 1) -> list[torch.Generator]:
        return noise.generators(noise.seeds(seed, count))

    def agreement(self, pictures: Sequence[Image.Image], words: str) -> float:
        """100 times the mean cosine of pictures and words in the model's own CLIP, or NaN."""
        ranker = self.bundle.ranker
        if ranker is None:
            return float("nan")
        whole = Image.new("L", pictures[0].size, 255)
        return 100 * float(np.mean(ranker.agreement(pictures, whole, words)))

    def ranked(self, pictures: Sequence[Image.Image], mask: Image.Image, words: str) -> int | None:
        """Which picture the model's own CLIP would show first; None where it has none."""
        ranker = self.bundle.ranker
        if ranker is None:
            return None
        return int(np.argmax(ranker.agreement(pictures, mask, words)))

    @cached_property
    def real_features(self) -> np.ndarray:
        scenes = [album.scene_of(REALS + i, held_out=True) for i in range(self.reals)]
        return self.critic.features(np.stack([render(scene).image for scene in scenes]))
