"""Laws of the few-step student: what is already true teaches nothing, and its times are met."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from diffusers import LCMScheduler, UNet2DConditionModel

from training import denoiser, export, student
from training.lessons import Piece
from training.student import GRID, STRIDE, Teacher

SIGNAL = denoiser.schedule().alphas_cumprod


class Knowing(torch.nn.Module):
    """A denoiser of one picture: it knows the clean latents, so it can tell the velocity."""

    def __init__(self, clean: torch.Tensor) -> None:
        super().__init__()
        self.clean = clean  # [1, 4, h, w]

    def forward(self, x: torch.Tensor, t: torch.Tensor, _hidden: torch.Tensor) -> SimpleNamespace:
        level = SIGNAL[t].view(-1, 1, 1, 1)
        return SimpleNamespace(sample=(level.sqrt() * x - self.clean) / (1 - level).sqrt())


def teacher(clean: torch.Tensor) -> Teacher:
    encoder = denoiser.build_text_encoder()
    networks: Any = SimpleNamespace(text_encoder=encoder, unet=Knowing(clean))
    return Teacher(networks, SIGNAL, torch.full((1, 32), 2))


@pytest.mark.parametrize("t", [999, 499, 59, 39, 19])
def test_a_step_of_the_teacher_follows_the_path(t: int):
    clean, noise = torch.randn(1, 4, 8, 8), torch.randn(3, 4, 8, 8)
    one = teacher(clean)
    times = torch.full((3,), t)
    level = one.level(times)
    x = level.sqrt() * clean + (1 - level).sqrt() * noise
    below, u = one.step(x, times, torch.zeros(3, 32, denoiser.TEXT_WIDTH))
    assert u.eq(t - STRIDE).all()
    level = one.level(u)
    assert torch.allclose(below, level.sqrt() * clean + (1 - level).sqrt() * noise, atol=1e-4)


def test_below_time_zero_all_is_clean():
    one = teacher(torch.zeros(1, 4, 8, 8))
    assert one.level(torch.tensor([-1, -21])).eq(1).all()
    x = torch.randn(2, 4, 8, 8)
    unet = cast("UNet2DConditionModel", Knowing(torch.zeros(1, 4, 8, 8)))
    assert torch.equal(one.end(unet, x, torch.tensor([-1, -21]), x), x)


def test_who_knows_the_end_has_nothing_to_learn():
    clean = torch.randn(1, 4, 8, 8)
    one = teacher(clean)
    tokens, focus = torch.full((6, 32), 2), torch.ones(6, 1, 8, 8)
    wise = cast("UNet2DConditionModel", Knowing(clean))
    foolish = cast("UNet2DConditionModel", Knowing(clean + 1))
    piece = Piece(clean.expand(6, -1, -1, -1), tokens, focus, torch.zeros(6, 32, 32))
    assert one.lesson(wise, wise, piece).item() == pytest.approx(0, abs=1e-3)
    assert one.lesson(foolish, wise, piece).item() > 0.5


@pytest.mark.parametrize("steps", [2, 3, 4, 8])
def test_its_scheduler_asks_at_times_that_were_taught(steps: int):
    scheduler = student.scheduler()
    scheduler.set_timesteps(steps)
    assert len(scheduler.timesteps) == steps
    assert scheduler.timesteps.add(1).remainder(GRID).eq(0).all()
    assert scheduler.timesteps[0] == 999


def test_it_is_exported_in_halves_beside_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as larger:
        larger.setattr(export, "SHARD_SIZE", "500KB")
        export.write_fast(denoiser.build((16, 32, 32)).unet, tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) > 1
    unet = denoiser.build((16, 16, 32)).unet
    export.write_fast(unet, tmp_path)
    written = {file.name for file in (tmp_path / "fast" / "unet").iterdir()}
    assert written == {"config.json", "diffusion_pytorch_model.safetensors"}
    assert [each.name for each in tmp_path.iterdir()] == ["fast"]
    loaded = UNet2DConditionModel.from_pretrained(
        tmp_path / "fast" / "unet", torch_dtype=torch.float32
    )
    for mine, other in zip(unet.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(mine.half().float(), other)
    scheduler = cast("Any", LCMScheduler).from_pretrained(tmp_path / "fast" / "scheduler")
    config = scheduler.config
    assert config["prediction_type"] == "v_prediction"
    assert config["rescale_betas_zero_snr"]
