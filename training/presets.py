"""How much of everything: one preset for two cores of a laptop, one for a GPU."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from training import autoencoder, critic, denoiser, student


@dataclass(frozen=True, slots=True)
class Preset:
    """The sizes and times of one way to train the whole model."""

    device: str
    postcards: int  # pictures drawn
    generics: int
    encoded: tuple[int, int]  # postcards the denoiser learns from, small ones and whole ones
    autoencoder: autoencoder.Plan
    autoencoder_minutes: float
    estimated: int  # postcards whose latents the denoiser leaves for the decoder
    decoder_minutes: float  # the decoder alone, once latents and denoiser are settled
    denoiser: denoiser.Plan
    denoiser_minutes: float
    critic: critic.Plan
    critic_minutes: float
    ranker: tuple[int, int, int]  # batch, pieces, workers
    ranker_minutes: float
    student: student.Plan
    student_minutes: float
    milestone_minutes: float  # between exports while the denoiser trains


def on_cpu() -> AbstractContextManager[object]:
    """bfloat16 where the processor computes in it; elsewhere it is slower than float32."""
    if torch.cpu.get_capabilities().get("avx512_bf16", False):
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


def on_gpu() -> AbstractContextManager[object]:
    """bfloat16 throughout; the weights stay float32."""
    return torch.autocast("cuda", torch.bfloat16)


CPU = Preset(
    device="cpu",
    postcards=30_000,
    generics=2_000,
    encoded=(15_000, 30_000),
    autoencoder=autoencoder.Plan(crop=64, batch=8, whole_batch=2, pieces=2, workers=2),
    autoencoder_minutes=30,
    estimated=200,
    decoder_minutes=60,
    denoiser=denoiser.Plan(
        widths=denoiser.WIDTHS, batches=(96, 64), pieces=2, workers=2, autocast=on_cpu
    ),
    denoiser_minutes=240,
    critic=critic.Plan(masked=4_000, batch=32, pieces=2, workers=2, autocast=on_cpu),
    critic_minutes=12,
    ranker=(96, 2, 2),
    ranker_minutes=12,
    student=student.Plan(batch=16, pieces=2, workers=2),
    student_minutes=30,
    milestone_minutes=15,
)
GPU = Preset(
    device="cuda",
    postcards=60_000,
    generics=8_000,
    encoded=(60_000, 60_000),
    autoencoder=autoencoder.Plan(crop=96, batch=96, whole_batch=48, pieces=1, workers=1),
    autoencoder_minutes=8,
    estimated=4_000,
    decoder_minutes=3,
    denoiser=denoiser.Plan(
        widths=denoiser.WIDTHS, batches=(512, 256), pieces=1, workers=1, autocast=on_gpu
    ),
    denoiser_minutes=20,
    critic=critic.Plan(masked=8_000, batch=64, pieces=8, workers=8, autocast=on_cpu),
    critic_minutes=3,
    ranker=(512, 1, 1),
    ranker_minutes=3,
    student=student.Plan(batch=256, pieces=1, workers=1),
    student_minutes=5,
    milestone_minutes=5,
)
PRESETS = {"cpu": CPU, "gpu": GPU}
