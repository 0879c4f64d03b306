"""Laws of the few-step student: what is already true teaches nothing, and its times are met."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import nn

from pipelines import Bundle
from training import autoencoder, denoiser, export, lora, student
from training.lessons import Lessons, Piece
from training.student import GRID, STRIDE, WHOLE, Teacher

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


@pytest.mark.parametrize("t", [999, 499, 119, 99, 59, 19])
@pytest.mark.parametrize("stride", [40, 100, 1000])
def test_a_step_of_the_teacher_follows_the_path(t: int, stride: int):
    clean, noise = torch.randn(1, 4, 8, 8), torch.randn(3, 4, 8, 8)
    one = teacher(clean)
    times = torch.full((3,), t)
    level = one.level(times)
    x = level.sqrt() * clean + (1 - level).sqrt() * noise
    below, u = one.step(x, times, torch.zeros(3, 32, denoiser.TEXT_WIDTH), stride)
    assert u.eq(t - stride).all()
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
    for stride in (STRIDE, WHOLE):
        assert one.lesson(wise, wise, stride, piece).item() == pytest.approx(0, abs=1e-3)
        assert one.lesson(foolish, wise, stride, piece).item() > 0.5
    # a whole step asks nobody but the teacher
    assert one.lesson(wise, foolish, WHOLE, piece).item() == pytest.approx(0, abs=1e-3)
    assert one.lesson(wise, foolish, STRIDE, piece).item() > 0.5


@pytest.mark.parametrize("steps", [2, 3, 4, 8])
def test_its_scheduler_asks_at_times_that_were_taught(steps: int):
    scheduler = student.scheduler()
    scheduler.set_timesteps(steps)
    assert len(scheduler.timesteps) == steps
    assert scheduler.timesteps.add(1).remainder(GRID).eq(0).all()
    assert scheduler.timesteps[0] == 999


def changed() -> tuple[UNet2DConditionModel, UNet2DConditionModel]:
    """A U-Net, and the same with a random change of each of its layers."""
    unet = denoiser.build((16, 16, 32)).unet.eval()
    other = deepcopy(unet)
    for change in lora.add(other, 4):
        torch.nn.init.normal_(cast("lora.LowRank", change).up, std=0.05)
    return unet, other


def velocity(unet: torch.nn.Module) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, 16, 16, generator=generator)
    hidden = torch.randn(2, 32, denoiser.TEXT_WIDTH, generator=generator)
    with torch.no_grad():
        return unet(x, torch.tensor([999, 399]), hidden).sample


def test_a_change_begins_as_none_and_only_it_learns():
    unet = denoiser.build((16, 16, 32)).unet.eval()
    other = deepcopy(unet)
    changes = lora.add(other)
    assert torch.equal(velocity(unet), velocity(other))
    learning = [each for each in other.parameters() if each.requires_grad]
    assert {id(each) for each in learning} == {id(each) for each in changes.parameters()}
    layers = [each for each in unet.modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    assert len(changes) == len(layers)


def test_a_change_is_a_product_of_the_rank():
    layer = nn.Conv2d(24, 12, 3)
    before = layer.weight.detach().clone()
    (change,) = lora.add(layer, 2)
    torch.nn.init.normal_(cast("lora.LowRank", change).up)
    moved = (layer.weight - before).flatten(1)
    assert moved.abs().max() > 0.1
    assert torch.linalg.matrix_rank(moved, atol=1e-4) == 2


def test_it_is_exported_as_a_lora_that_diffusers_adds_alike(tmp_path: Path):
    torch.manual_seed(0)
    unet, other = changed()
    encoder = denoiser.build_text_encoder()
    export.write(autoencoder.build(), denoiser.Denoiser(encoder, unet), tmp_path)
    export.write_fast(other, tmp_path)
    export.write_fast(other, tmp_path)  # over an older one
    written = {str(file.relative_to(tmp_path / "fast")) for file in tmp_path.glob("fast/**/*.*")}
    assert written == {"pytorch_lora_weights.safetensors", "scheduler/scheduler_config.json"}
    pipe = cast("Any", StableDiffusionPipeline).from_pretrained(tmp_path)
    plain = velocity(pipe.unet)
    pipe.load_lora_weights(tmp_path / "fast")
    theirs, wanted = velocity(pipe.unet), velocity(other)
    assert (plain - wanted).abs().max() > 0.1
    assert torch.allclose(theirs, wanted, atol=2e-2)
    ours = Bundle.load(tmp_path).student
    assert ours is not None
    assert torch.allclose(velocity(ours.denoiser), theirs, atol=1e-4)
    scheduler = cast("Any", LCMScheduler).from_pretrained(tmp_path / "fast" / "scheduler")
    assert scheduler.config["prediction_type"] == "v_prediction"
    assert scheduler.config["rescale_betas_zero_snr"]


def test_what_was_exported_is_gone_on_with_where_it_fits(tmp_path: Path):
    unet, other = changed()
    path = tmp_path / lora.FILE
    lora.save(other, path)
    again, wider = deepcopy(unet), deepcopy(unet)
    lora.add(again, 4)
    lora.add(wider, 6)
    assert lora.load(again, path) and torch.allclose(velocity(again), velocity(other), atol=1e-2)
    assert not lora.load(wider, path) and torch.equal(velocity(wider), velocity(unet))


def test_that_of_the_shipped_size_is_small(tmp_path: Path):
    unet = denoiser.build(denoiser.WIDTHS).unet
    lora.add(unet)
    lora.save(unet, tmp_path / lora.FILE)
    assert (tmp_path / lora.FILE).stat().st_size <= 3e6


@pytest.mark.usefixtures("ticking")
def test_it_leaves_its_teacher_alone_and_resumes(tmp_path: Path):
    torch.manual_seed(0)
    taught = denoiser.build((16, 16, 32))
    before = [each.clone() for each in taught.parameters()]
    latents = np.random.default_rng(0).normal(size=(8, 4, 16, 16)).astype(np.float16)
    tokens = np.full((8, 12, 32), 2, np.uint8)
    lessons = Lessons(latents, tokens, np.zeros((8, 32, 32), np.uint8))
    given = lessons, tmp_path, 2.0, student.Plan(4, 2, 2), taught, tmp_path / "none"
    found = student.train(*given)
    assert all(torch.equal(a, b) for a, b in zip(before, taught.parameters(), strict=True))
    assert not torch.equal(velocity(found), velocity(taught.unet))
    kept = velocity(found)
    assert torch.equal(velocity(student.train(*given)), kept)  # resumed, its time used up
