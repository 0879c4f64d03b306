"""Laws of the networks' lessons: what goes in is what is asked back."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from training import album, denoiser, textures
from training.autoencoder import Shelves, psnr, to_pictures, to_tensor
from training.autoencoder import build as build_autoencoder
from training.denoiser import Pupil, build, loss, schedule
from training.lessons import Piece


def test_pictures_survive_the_way_to_tensors_and_back():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    tensor = to_tensor(pictures)
    assert tensor.shape == (2, 3, 8, 8)
    assert tensor.min() >= -1 and tensor.max() <= 1
    assert np.array_equal(to_pictures(tensor), pictures)


def test_the_autoencoder_has_eight_pixels_to_a_latent():
    model: Any = build_autoencoder().eval()
    with torch.no_grad():
        latent = model.encode(torch.zeros(1, 3, 64, 64)).latents
        assert latent.shape == (1, 4, 8, 8)
        assert model.decode(latent).sample.shape == (1, 3, 64, 64)


def test_an_untrained_autoencoder_is_a_bad_one():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    assert psnr(build_autoencoder().eval(), pictures) < 15


def test_crops_come_from_every_shelf(tmp_path: Path):
    for folder, shade, side in (("postcard", 10, 256), ("generic", 200, 128)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "000000.npy", np.full((3, side, side, 3), shade, np.uint8))
    crops = Shelves(tmp_path).crops(np.random.default_rng(0), 64, 64)
    assert crops.shape == (64, 64, 64, 3)
    assert set(np.unique(crops)) == {10, 200}
    assert 0.1 < np.mean(crops == 200) < 0.35


def test_the_album_draws_what_is_missing_and_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(album, "SHARD", 2)
    album.fill(tmp_path, postcards=4, generics=2, processes=1)
    first = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert len(first) == 5  # each shard of postcards has one of maps
    gone, beside = (tmp_path / part / "000002.npy" for part in ("map", "postcard"))
    before = np.load(gone)
    gone.unlink()
    album.fill(tmp_path, postcards=4, generics=2, processes=1)
    assert np.array_equal(np.load(gone), before)
    second = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert {path for path in first if first[path] != second[path]} == {gone, beside}


def test_generic_pictures_are_varied_bytes():
    rng = np.random.default_rng(0)
    pictures = [textures.generic(rng, 64) for _ in range(6)]
    assert all(picture.shape == (64, 64, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 6


def test_the_schedule_ends_in_pure_noise_and_begins_in_none():
    signal = schedule().alphas_cumprod
    assert signal[-1] == 0
    assert signal[0] > 0.999
    assert schedule().final_alpha_cumprod == 1


class Knowing(torch.nn.Module):
    """Knows the clean latents, so it can tell the velocity from the noisy ones, and the map."""

    def __init__(self, clean: torch.Tensor, signal: torch.Tensor, scores: torch.Tensor) -> None:
        super().__init__()
        self.clean, self.signal, self.scores = clean, signal, scores

    def forward(
        self, noisy: torch.Tensor, t: torch.Tensor, _tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        signal = self.signal[t].view(-1, 1, 1, 1)
        return (signal.sqrt() * noisy - self.clean) / (1 - signal).sqrt(), self.scores


def piece(clean: torch.Tensor, classes: torch.Tensor | None = None) -> Piece:
    count, _, height, width = clean.shape
    tokens = torch.zeros(count, 32, dtype=torch.long)
    if classes is None:
        classes = torch.zeros(count, 32, 32, dtype=torch.long)
    return Piece(clean, tokens, torch.ones(count, 1, height, width), classes)


def test_the_true_velocity_and_the_true_map_cost_nothing():
    clean = torch.randn(16, 4, 8, 8)
    signal = schedule().alphas_cumprod
    classes = torch.randint(12, (16, 8, 8))
    told = piece(clean, classes)
    scores = 50.0 * F.one_hot(classes, 12).permute(0, 3, 1, 2)

    def cost(clean: torch.Tensor, scores: torch.Tensor) -> float:
        return loss(Knowing(clean, signal, scores), signal, nullcontext, told).item()

    assert cost(clean, scores) == pytest.approx(0, abs=1e-4)
    assert cost(clean * 0, scores) > 0.1
    assert cost(clean, scores * 0) == pytest.approx(0.1 * math.log(12), rel=1e-3)


def test_a_small_picture_answers_for_every_cell_of_the_map():
    """Its latents have a quarter of the cells: each is asked for the four that it covers."""
    clean, signal = torch.randn(3, 4, 16, 16), schedule().alphas_cumprod
    classes = torch.randint(12, (3, 16, 16))
    scores = 50.0 * F.one_hot(classes, 12).permute(0, 3, 1, 2)
    told = piece(clean, classes.repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert loss(Knowing(clean, signal, scores), signal, nullcontext, told) < 1e-4


def test_the_highest_draw_is_a_time_of_the_schedule(monkeypatch: pytest.MonkeyPatch):
    """Next to 511 in float32, the largest number below 1 is 1."""
    times: list[torch.Tensor] = []

    def model(
        noisy: torch.Tensor, t: torch.Tensor, _tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        times.append(t)
        return noisy, torch.zeros(512, 12, 1, 1)

    monkeypatch.setattr(torch, "rand", lambda count: torch.full((count,), 1 - 2**-24))
    loss(model, schedule().alphas_cumprod, nullcontext, piece(torch.zeros(512, 4, 1, 1)))
    assert times[0].max() == 999


def test_the_head_reads_the_layer_of_its_own_piece():
    """Pieces of a batch pass through one network at the same time."""
    torch.manual_seed(0)
    pupil = Pupil(build((16, 16, 32))).eval().requires_grad_(False)
    clean = torch.randn(6, 4, 16, 16)
    t, tokens = torch.full((1,), 300), torch.full((1, 32), 2)
    alone = [pupil(each[None], t, tokens) for each in clean]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda each: pupil(each[None], t, tokens), clean))
    assert alone[0][1].shape == (1, 12, 16, 16)
    for (velocity, scores), (other, others) in zip(alone, together, strict=True):
        assert torch.allclose(velocity, other, atol=1e-5)
        assert torch.allclose(scores, others, atol=1e-5)


@pytest.mark.parametrize(("fraction", "rate"), [(0, 1.5e-3), (0.6, 1.5e-3), (0.9, 4.5e-4), (1, 0)])
def test_the_rate_is_constant_and_falls_to_zero_in_the_last_third(fraction: float, rate: float):
    assert denoiser.rate(fraction) == pytest.approx(rate, abs=1e-9)
