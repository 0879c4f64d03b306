"""A few-step student: latent consistency distillation (Luo et al., arXiv:2310.04378) of a LoRA.

The student is the teacher with a low-rank change of its weights. It maps a noisy latent at any time
straight to its clean end, without guidance: one network call a step, two to four steps. First it
learns what the guided teacher says of the clean end. Then it is taught to agree with itself: what
it says at time t must be what its own slow average says further down the teacher's guided path (one
DDIM step of the teacher).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import LCMScheduler, UNet2DConditionModel

from training import lora, texts
from training.denoiser import Denoiser, schedule
from training.lessons import Lessons, Piece
from training.run import Run

GUIDANCE = 3.0  # of the teacher's path
GRID = 20  # times are GRID - 1, 2 GRID - 1, … 999, as LCMScheduler's with 50 original steps
STRIDE = 5 * GRID  # how far one step of the teacher goes, once the student agrees with itself
WHOLE = 1000  # a step to the clean end
GUIDED = 0.5  # the share of the time in which the steps are whole
HUBER = 0.03  # where the loss turns from square to absolute
AVERAGED = 0.95
RATE = 1e-3
CHECKPOINT = "student-lora.pt"


def scheduler() -> LCMScheduler:
    """The way down for a student: few large steps, each to a clean estimate and back up."""
    config = {k: v for k, v in schedule().config.items() if not k.startswith("_")}
    return cast("Any", LCMScheduler).from_config(
        config | {"original_inference_steps": 1000 // GRID}
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """How a batch is shared out."""

    batch: int
    pieces: int
    workers: int


@dataclass(frozen=True, slots=True)
class Teacher:
    """The trained denoiser, and the steps along its guided path."""

    networks: Denoiser
    signal: torch.Tensor  # squared signal level at each of the 1000 times
    empty: torch.Tensor  # [1, 32], the tokens of no words

    @classmethod
    def of(cls, taught: Denoiser) -> Teacher:
        """The trained networks, which from here on learn no more."""
        taught = taught.eval().requires_grad_(False)
        cast("Any", taught.unet).to(memory_format=torch.channels_last)  # fast for convolutions
        device = next(taught.parameters()).device
        empty = torch.from_numpy(texts.empty()).long()[None].to(device)
        return cls(taught, schedule().alphas_cumprod.to(device), empty)

    @torch.no_grad()
    def words(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.networks.text_encoder(tokens).last_hidden_state

    @torch.no_grad()
    def step(
        self, x: torch.Tensor, t: torch.Tensor, hidden: torch.Tensor, stride: int | torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [n, 4, h, w] at times t [n], one stride down the guided path: (x, times).

        A time below zero is the clean end.
        """
        without = self.words(self.empty).expand(len(x), -1, -1)
        both = self.networks.unet(
            torch.cat([x, x]), torch.cat([t, t]), torch.cat([without, hidden])
        ).sample
        uncond, cond = both.chunk(2)
        velocity = uncond + GUIDANCE * (cond - uncond)
        level = self.level(t)
        clean = level.sqrt() * x - (1 - level).sqrt() * velocity
        noise = level.sqrt() * velocity + (1 - level).sqrt() * x
        below = self.level(t - stride)
        return below.sqrt() * clean + (1 - below).sqrt() * noise, t - stride

    def level(self, t: torch.Tensor) -> torch.Tensor:
        """Squared signal levels [n, 1, 1, 1]; 1 below time zero."""
        levels = torch.where(t >= 0, self.signal[t.clamp(min=0)], torch.ones_like(self.signal[:1]))
        return levels.view(-1, 1, 1, 1)

    def end(
        self,
        unet: UNet2DConditionModel,
        x: torch.Tensor,
        t: torch.Tensor,
        hidden: torch.Tensor,
    ) -> torch.Tensor:
        """What a student says the clean end is; at the clean end itself, x."""
        if bool((t < 0).all()):
            return x
        level = self.level(t)
        velocity = unet(x, t.clamp(min=0), hidden).sample
        clean = level.sqrt() * x - (1 - level).sqrt() * velocity
        return torch.where((t >= 0).view(-1, 1, 1, 1), clean, x)

    def lesson(
        self,
        student: UNet2DConditionModel,
        slow: UNet2DConditionModel,
        stride: int,
        piece: Piece,
    ) -> torch.Tensor:
        """How far the student, at random times of the grid, is from its average further down."""
        clean, tokens, focus, _ = piece
        t = torch.randint(1, 1000 // GRID + 1, (len(clean),), device=clean.device) * GRID - 1
        level, noise = self.level(t), torch.randn_like(clean)
        x = level.sqrt() * clean + (1 - level).sqrt() * noise
        x = x.contiguous(memory_format=torch.channels_last)
        hidden = self.words(tokens)
        below, u = self.step(x, t, hidden, stride)
        with torch.no_grad():
            target = self.end(slow, below, u, hidden)
        error = self.end(student, x, t, hidden) - target
        return (focus * ((error**2 + HUBER**2).sqrt() - HUBER)).mean()


def train(
    lessons: Lessons,
    state: Path,
    minutes: float,
    plan: Plan,
    taught: Denoiser,
    start: Path,
) -> UNet2DConditionModel:
    """Distil `taught` on whole pictures; returns its U-Net with the averaged changes.

    They begin as those of the file `start`, where there is one that fits, else at none.
    """
    teacher = Teacher.of(taught)
    device = teacher.signal.device
    student, slow = deepcopy(taught.unet), deepcopy(taught.unet)
    changes, averages = lora.add(student), lora.add(slow).requires_grad_(False)
    if start.exists():
        lora.load(student, start)
    run = Run(changes, state / CHECKPOINT, minutes, _rate, plan.workers, AVERAGED)
    batches = lessons.batches(plan.batch, plan.pieces, run.step, device)
    for _, pieces in zip(run.steps(), batches, strict=False):
        run.averaged(averages)
        stride = WHOLE if run.fraction < GUIDED else STRIDE
        run.descend([partial(teacher.lesson, student, slow, stride, piece) for piece in pieces])
    run.averaged(averages)
    return slow


def _rate(fraction: float) -> float:
    """1e-3 after a short warm-up, straight to zero from half of the time on."""
    return RATE * min(1.0, 0.05 + fraction / 0.05, max(0.0, 1 - fraction) / 0.5)
