"""The word side and the denoiser: a small CLIP text encoder and a U-Net, trained together.

v-prediction under a scaled-linear schedule with zero terminal SNR. The loss of the velocity counts
in full up to a signal-to-noise ratio of 5 and less beyond: words are learnt where noise is high,
and plain min-SNR weights (Hang et al., arXiv:2303.09556) would vanish there. The noise of a sample
is the nearest of four draws ("immiscible" diffusion, arXiv:2406.12303). An auxiliary head learns to
say from an inner layer what stands in each cell, which teaches shapes sooner; it is thrown away.
Matrices and convolutions are moved by Muon, the rest by AdamW. The rate is constant, then falls to
zero in the last third of the time. A training from nothing begins with pictures half the size,
which cost a quarter and teach the same words.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from training import tokenizer as words
from training.classes import CLASSES
from training.lessons import Lessons, Piece
from training.muon import Muon, split
from training.run import Run, adamw

WIDTHS = (64, 128, 192)  # channels of the U-Net at 32x32, 16x16 and 8x8
TEXT_WIDTH = 128
DRAWS = 4  # of noise, the nearest is taken
SNR_CAP = 5.0
MAPPED = 0.1  # how much the cross-entropy of the map counts beside the velocity
HEAD_WIDTH = 64
RATE = 1.5e-3
WARM_UP = 60  # steps
FALLING = 1 / 3  # the share of the time in which the rate falls
AVERAGED = 0.999
BY_ADAMW = ("conv_in", "conv_out", "head")  # parts whose matrices Muon does not move
FIRST, LAST = "denoiser-small.pt", "denoiser.pt"  # checkpoints, of small and of whole pictures
SMALL, WHOLE = 128, 256  # sizes of the pictures learnt from, in pixels
SMALL_SHARE = 0.12  # of the time of a training from nothing

# noisy latents, times, tokens -> velocity, scores [n, classes, h, w] of the map
Predict = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class Denoiser(nn.Module):
    """Text encoder and U-Net as one module: they learn together."""

    def __init__(self, text_encoder: CLIPTextModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.unet = unet

    def forward(self, latent: torch.Tensor, t: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """The velocity [n, 4, h, w] at noisy `latent`, times `t` [n] and `tokens` [n, 32]."""
        hidden = self.text_encoder(tokens).last_hidden_state
        return self.unet(latent, t, hidden).sample


def build(widths: tuple[int, int, int]) -> Denoiser:
    """The networks, untrained; `widths` are the channels at 32x32, 16x16 and 8x8."""
    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=widths,
        norm_num_groups=16,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,  # the number of heads, in spite of its name
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )
    return Denoiser(build_text_encoder(), unet)


def build_text_encoder() -> CLIPTextModel:
    """The word side, untrained, for today's vocabulary."""
    numbers = words.build().get_vocab()
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(numbers),
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=words.LENGTH,
            bos_token_id=numbers[words.START],
            eos_token_id=numbers[words.END],
            pad_token_id=numbers[words.PAD],
        )
    )


def schedule() -> DDIMScheduler:
    """Levels of noise, and a deterministic way down that ends at level zero."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        set_alpha_to_one=True,
        steps_offset=1,
        clip_sample=False,
    )


class Pupil(nn.Module):
    """The denoiser in training, and the head that says what stands in each cell."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser: Denoiser = denoiser
        inner = denoiser.unet.up_blocks[1]
        width = int(denoiser.unet.config["block_out_channels"][1])
        self.head = nn.Sequential(
            nn.Conv2d(width, HEAD_WIDTH, 1), nn.SiLU(), nn.Conv2d(HEAD_WIDTH, len(CLASSES), 1)
        )
        inner.register_forward_hook(_keep)

    def forward(
        self, latent: torch.Tensor, t: torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The velocity [n, 4, h, w], and the scores [n, classes, h, w] of each cell."""
        velocity = self.denoiser(latent, t, tokens)
        return velocity, self.head(_inner.__dict__.pop("output"))


_inner = threading.local()  # the pieces of a batch go through one network side by side


def _keep(_block: nn.Module, _arguments: object, output: torch.Tensor) -> None:
    _inner.output = output


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something to do with the averaged networks every so many minutes."""

    minutes: float
    action: Callable[[Denoiser, int, float], None]  # networks, size, fraction of its time used


@dataclass(frozen=True, slots=True)
class Plan:
    """How large the U-Net is, and how its batches are shared out."""

    widths: tuple[int, int, int]  # channels at 32x32, 16x16 and 8x8
    batches: tuple[int, int]  # of small pictures, of whole ones
    pieces: int
    workers: int
    autocast: Callable[[], AbstractContextManager[object]]


def train(
    lessons: Callable[[int], Lessons],  # picture size -> what is learnt from
    state: Path,
    minutes: float,
    plan: Plan,
    start: Pupil,
    milestone: Milestone,
    fresh: bool,
) -> Denoiser:
    """Train `start`, untrained networks if `fresh`; returns the averaged ones.

    Small pictures come first where nothing has been learnt yet.
    """
    first, last = state / FIRST, state / LAST
    if fresh and not last.exists():
        start = _stage(lessons(SMALL), first, SMALL_SHARE * minutes, plan, SMALL, start, milestone)
    if first.exists():
        minutes *= 1 - SMALL_SHARE
    return _stage(lessons(WHOLE), last, minutes, plan, WHOLE, start, milestone).denoiser


def _stage(
    lessons: Lessons,
    path: Path,
    minutes: float,
    plan: Plan,
    size: int,
    pupil: Pupil,
    milestone: Milestone,
) -> Pupil:
    """Train on pictures of one size; returns the averaged networks."""
    device = next(pupil.parameters()).device
    signal = schedule().alphas_cumprod.to(device)
    matrices, others = split(pupil, BY_ADAMW)
    optimizers = [Muon(matrices, lr=0.0, autocast=plan.autocast), adamw(others)]
    course = rate if size == WHOLE else _constant
    run = Run(pupil, path, minutes, course, plan.workers, AVERAGED, optimizers, WARM_UP)
    spare = Pupil(build(plan.widths)).to(device)
    reached = run.elapsed
    batches = lessons.batches(plan.batches[size == WHOLE], plan.pieces, run.step, device)
    for _, pieces in zip(run.steps(), batches, strict=False):
        run.descend([partial(loss, pupil, signal, plan.autocast, piece) for piece in pieces])
        if run.elapsed - reached > milestone.minutes * 60:
            reached = run.elapsed
            milestone.action(run.averaged(spare).denoiser, size, run.fraction)
    return run.averaged(spare)


def loss(
    model: Predict,
    signal: torch.Tensor,  # squared signal level at each of the 1000 times
    autocast: Callable[[], AbstractContextManager[object]],
    piece: Piece,
) -> torch.Tensor:
    """Weighted squared error of the velocity at random times, and the map's cross-entropy."""
    clean, tokens, focus, classes = piece
    count = len(clean)
    # one time in each of n equal strata: the batch always spans the schedule
    t = ((torch.arange(count) + torch.rand(count)) / count * len(signal)).long()
    t = t.clamp(max=len(signal) - 1).to(clean.device)  # the last row may round up to 1000
    level = signal[t].view(-1, 1, 1, 1)
    noise = _nearest_noise(clean)
    noisy = level.sqrt() * clean + (1 - level).sqrt() * noise
    velocity = level.sqrt() * noise - (1 - level).sqrt() * clean
    noisy = noisy.contiguous(memory_format=torch.channels_last)
    with autocast():
        predicted, scores = model(noisy, t, tokens)
    error = focus * (predicted.float() - velocity) ** 2
    snr = signal[t] / (1 - signal[t])
    weight = SNR_CAP / snr.clamp(min=SNR_CAP)
    # the map of a small picture has more cells than its latents: each cell is asked for all of its
    side = classes.shape[1:]
    missed = F.cross_entropy(F.interpolate(scores.float(), side), classes, reduction="none")
    mapped = (F.interpolate(focus, side)[:, 0] * missed).mean()
    return (weight * error.mean((1, 2, 3))).mean() + MAPPED * mapped


def _nearest_noise(clean: torch.Tensor) -> torch.Tensor:
    """For each latent, the nearest of a few draws of noise."""
    draws = torch.randn(DRAWS, *clean.shape, device=clean.device)
    nearest = (draws - clean).pow(2).flatten(2).sum(2).argmin(0)
    return draws[nearest, torch.arange(len(clean), device=clean.device)]


def _constant(_fraction: float) -> float:
    return RATE


def rate(fraction: float) -> float:
    """The learning rate on whole pictures: constant, falling to zero in the last third."""
    return RATE * min(1.0, (1 - fraction) / FALLING)
