"""A few-step student: latent consistency distillation (Luo et al., arXiv:2310.04378).

The student maps a noisy latent at any time straight to its clean end. It is taught to agree with
itself: what it says at time t must be what its own slow average says a little further down the
teacher's guided path (one DDIM step of the teacher). Guidance is part of what it learns, so it
paints without: one network call a step, two to four steps.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import LCMScheduler, UNet2DConditionModel
from torch import nn

from training import texts
from training.denoiser import Denoiser, schedule
from training.lessons import Lessons, Piece
from training.run import Run

GUIDANCE = 3.0  # of the teacher's path
GRID = 20  # times are GRID - 1, 2 GRID - 1, … 999, as LCMScheduler's with 50 original steps
STRIDE = 2 * GRID  # how far one step of the teacher goes
HUBER = 0.03  # where the loss turns from square to absolute


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


class Pupil(nn.Module):
    """The student's U-Net. Time in, clean estimate out."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.unet = unet


@dataclass(frozen=True, slots=True)
class Teacher:
    """The trained denoiser, and the steps along its guided path."""

    networks: Denoiser
    signal: torch.Tensor  # squared signal level at each of the 1000 times
    empty: torch.Tensor  # [1, 32], the tokens of no words

    @torch.no_grad()
    def words(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.networks.text_encoder(tokens).last_hidden_state

    @torch.no_grad()
    def step(
        self, x: torch.Tensor, t: torch.Tensor, hidden: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [n, 4, h, w] at times t [n], one stride down the guided path: (x, times).

        A time below zero is the clean end.
        """
        without = self.words(self.empty).expand(len(x), -1, -1)
        both = self.networks.unet(
            torch.cat([x, x]), torch.cat([t, t]), torch.cat([without, hidden])
        ).sample
        free, told = both.chunk(2)
        velocity = free + GUIDANCE * (told - free)
        level = self.level(t)
        clean = level.sqrt() * x - (1 - level).sqrt() * velocity
        noise = level.sqrt() * velocity + (1 - level).sqrt() * x
        below = self.level(t - STRIDE)
        return below.sqrt() * clean + (1 - below).sqrt() * noise, t - STRIDE

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
        level = self.level(t)
        velocity = unet(x, t.clamp(min=0), hidden).sample
        clean = level.sqrt() * x - (1 - level).sqrt() * velocity
        return torch.where((t >= 0).view(-1, 1, 1, 1), clean, x)

    def lesson(
        self, student: UNet2DConditionModel, slow: UNet2DConditionModel, piece: Piece
    ) -> torch.Tensor:
        """How far the student, at random times of the grid, is from its average further down."""
        clean, tokens, focus, _ = piece
        t = torch.randint(1, 1000 // GRID + 1, (len(clean),), device=clean.device) * GRID - 1
        level, noise = self.level(t), torch.randn_like(clean)
        x = level.sqrt() * clean + (1 - level).sqrt() * noise
        x = x.contiguous(memory_format=torch.channels_last)
        hidden = self.words(tokens)
        below, u = self.step(x, t, hidden)
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
    start: UNet2DConditionModel,
) -> UNet2DConditionModel:
    """Distil `taught` into `start` on whole pictures; returns the averaged student."""
    device = next(taught.parameters()).device
    taught = taught.eval().requires_grad_(False)
    empty = torch.from_numpy(texts.empty()).long()[None].to(device)
    teacher = Teacher(taught, schedule().alphas_cumprod.to(device), empty)
    pupil = Pupil(start.requires_grad_(True))
    slow = deepcopy(pupil).requires_grad_(False)
    cast("Any", slow).to(memory_format=torch.channels_last)  # a fast order for convolutions
    run = Run(pupil, state / "student.pt", minutes, _rate, plan.workers, 0.97)
    batches = lessons.batches(plan.batch, plan.pieces, run.step, device)
    for _, pieces in zip(run.steps(), batches, strict=False):
        run.averaged(slow)
        run.descend([partial(teacher.lesson, pupil.unet, slow.unet, piece) for piece in pieces])
    return run.averaged(slow).unet


def _rate(fraction: float) -> float:
    """3e-4 after a short warm-up, straight to zero from half of the time on."""
    return 3e-4 * min(1.0, 0.05 + fraction / 0.05, max(0.0, 1 - fraction) / 0.5)
