"""The word side and the denoiser: a small CLIP text encoder and a U-Net, trained together.

v-prediction under a scaled-linear schedule with zero terminal SNR. The loss of the velocity counts
in full up to a signal-to-noise ratio of 5 and less beyond: words are learnt where noise is high,
and plain min-SNR weights (Hang et al., arXiv:2303.09556) would vanish there. The noise of a sample
is the nearest of four draws ("immiscible" diffusion, arXiv:2406.12303); captions are dropped 10 %
of the time for guidance. The box of the thing counts three times: it is small, and much is said of
it. Half of a batch shows what few pictures do (weather, a second thing, clouds at dawn), whose
words would be learnt last. The first part of the time goes to pictures half the size, which cost a
quarter and teach the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from training import tokenizer as words
from training.album import scene_of, seldom
from training.captions import phrase
from training.run import Run
from training.scene import Scene
from training.world import SIZE, places

TEXT_WIDTH = 128
FOCUS = 3.0  # how much more the thing counts than what is around it
DROPPED = 0.1  # the share of captions replaced by the empty one
DRAWS = 4  # of noise, the nearest is taken
SNR_CAP = 5.0
SMALL, WHOLE = 128, 256  # sizes of the pictures learnt from, in pixels
SMALL_UNTIL = 0.5  # the fraction of the time spent on pictures half the size


# noisy latents, times, tokens -> velocity
Predict = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
Piece = tuple[torch.Tensor, ...]  # of a batch: clean latents, tokens, focus


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


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something to do with the averaged networks every so many minutes."""

    minutes: float
    action: Callable[[Denoiser, float], None]  # networks, fraction of the time used


@dataclass(frozen=True, slots=True)
class Plan:
    """How large the U-Net is, and how its batches are shared out."""

    widths: tuple[int, int, int]  # channels at 32x32, 16x16 and 8x8
    batches: tuple[int, int]  # of small pictures, of whole ones
    pieces: int
    workers: int
    autocast: Callable[[], AbstractContextManager[object]]


def train(
    latents: Callable[[int], np.ndarray],  # picture size -> [n, 4, h, w] float16
    state: Path,
    minutes: float,
    plan: Plan,
    start: Denoiser,
    milestone: Milestone,
) -> Denoiser:
    """Train `start` on cached latents of the album; returns the averaged networks."""
    device = next(start.parameters()).device
    lesson = Lesson(words.build(), schedule().alphas_cumprod.to(device), plan.autocast)
    run = Run(start, state / "denoiser.pt", minutes, _rate, plan.workers)
    spare = build(plan.widths).to(device)
    reached = run.elapsed
    for pieces in lesson.batches(latents, plan, run, device):
        run.descend([partial(lesson.loss, start, *piece) for piece in pieces])
        if run.elapsed - reached > milestone.minutes * 60:
            reached = run.elapsed
            milestone.action(run.averaged(spare), run.fraction)
    return run.averaged(spare)


class Lesson:
    """What one batch teaches: noise it, say what it shows, compare velocities."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        signal: torch.Tensor,
        autocast: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.tokenizer = tokenizer
        self.signal = signal  # squared signal level at each of the 1000 times
        self.autocast = autocast
        self.rng = np.random.default_rng()

    def batches(
        self,
        latents: Callable[[int], np.ndarray],
        plan: Plan,
        run: Run,
        device: torch.device,
    ) -> Iterator[list[Piece]]:
        """A batch for each step of `run`, in the plan's pieces; small pictures first."""
        small = run.fraction < SMALL_UNTIL
        drawn = _batches(latents(SMALL if small else WHOLE), plan.batches[not small], run.step)
        for _ in run.steps():
            if small and run.fraction >= SMALL_UNTIL:
                small = False
                drawn = _batches(latents(WHOLE), plan.batches[1], run.step)
            indices, latent = next(drawn)
            clean = torch.from_numpy(latent).to(device).float()
            scenes = [scene_of(int(index)) for index in indices]
            whole = (clean, self.captions(scenes).to(device), focuses(scenes, clean).to(device))
            yield list(zip(*(part.chunk(plan.pieces) for part in whole), strict=True))

    def captions(self, scenes: Sequence[Scene]) -> torch.Tensor:
        """Tokens [n, 32] of one phrasing for each scene; some are empty."""
        texts = ["" if self.rng.random() < DROPPED else phrase(s, self.rng) for s in scenes]
        return self.tokenizer(
            texts, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids

    def loss(
        self, model: Predict, clean: torch.Tensor, tokens: torch.Tensor, focus: torch.Tensor
    ) -> torch.Tensor:
        """Weighted squared error of the velocity at random times; latents are [n, 4, h, w]."""
        count = len(clean)
        # one time in each of n equal strata: the batch always spans the schedule
        t = ((torch.arange(count) + torch.rand(count)) / count * len(self.signal)).long()
        t = t.clamp(max=len(self.signal) - 1).to(clean.device)  # the last row may round up to 1000
        signal = self.signal[t].view(-1, 1, 1, 1)
        noise = _nearest_noise(clean)
        noisy = signal.sqrt() * clean + (1 - signal).sqrt() * noise
        velocity = signal.sqrt() * noise - (1 - signal).sqrt() * clean
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        with self.autocast():
            predicted = model(noisy, t, tokens)
        error = focus * (predicted.float() - velocity) ** 2
        snr = self.signal[t] / (1 - self.signal[t])
        weight = SNR_CAP / snr.clamp(min=SNR_CAP)
        return (weight * error.mean((1, 2, 3))).mean()


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


def _nearest_noise(clean: torch.Tensor) -> torch.Tensor:
    """For each latent, the nearest of a few draws of noise."""
    draws = torch.randn(DRAWS, *clean.shape, device=clean.device)
    nearest = (draws - clean).pow(2).flatten(2).sum(2).argmin(0)
    return draws[nearest, torch.arange(len(clean), device=clean.device)]


def _rate(fraction: float) -> float:
    """A short warm-up, then 1e-3 until 35 % of the time, then straight to zero."""
    return 1e-3 * min(1.0, 0.02 + fraction / 0.02, max(0.0, 1 - fraction) / 0.65)


def _batches(latents: np.ndarray, size: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Endless batches (indices [n], latents [n, 4, h, w]), one half from all, one from `seldom`."""
    rng = np.random.default_rng(seed)
    rare = _endless(seldom(len(latents)), size - size // 2, rng)
    for some, few in zip(_endless(np.arange(len(latents)), size // 2, rng), rare, strict=False):
        indices = rng.permutation(np.append(some, few))
        yield indices, np.asarray(latents[indices])


def _endless(indices: np.ndarray, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Parts of `size` of the indices, every epoch in a new order."""
    while True:
        order = rng.permutation(indices)
        yield from (order[start : start + size] for start in range(0, len(order) - size + 1, size))
