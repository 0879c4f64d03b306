"""Laws of the networks' lessons: what goes in is what is asked back."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training import album, textures, tokenizer
from training.autoencoder import Shelves, psnr, to_pictures, to_tensor
from training.autoencoder import build as build_autoencoder
from training.denoiser import Lesson, focuses, schedule
from training.world import render


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
    assert len(first) == 3
    gone = tmp_path / "postcard" / "000002.npy"
    before = np.load(gone)
    gone.unlink()
    album.fill(tmp_path, postcards=4, generics=2, processes=1)
    assert np.array_equal(np.load(gone), before)
    second = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert [path for path in first if first[path] != second[path]] == [gone]


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
    """Knows the clean latents, so it can tell the velocity from the noisy ones."""

    def __init__(self, clean: torch.Tensor, signal: torch.Tensor) -> None:
        super().__init__()
        self.clean, self.signal = clean, signal

    def forward(self, noisy: torch.Tensor, t: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        signal = self.signal[t].view(-1, 1, 1, 1)
        return (signal.sqrt() * noisy - self.clean) / (1 - signal).sqrt()


def test_the_true_velocity_costs_nothing():
    clean = torch.randn(16, 4, 8, 8)
    signal = schedule().alphas_cumprod
    lesson = Lesson(tokenizer.build(), signal, nullcontext)
    scenes = [album.scene_of(i) for i in range(16)]
    truth = (clean, lesson.captions(scenes), focuses(scenes, clean))
    assert lesson.loss(Knowing(clean, signal), *truth).item() == pytest.approx(0, abs=1e-4)
    assert lesson.loss(Knowing(clean * 0, signal), *truth).item() > 0.1


def test_the_highest_draw_is_a_time_of_the_schedule(monkeypatch: pytest.MonkeyPatch):
    """Next to 511 in float32, the largest number below 1 is 1."""
    times: list[torch.Tensor] = []

    def model(noisy: torch.Tensor, t: torch.Tensor, _tokens: torch.Tensor) -> torch.Tensor:
        times.append(t)
        return noisy

    monkeypatch.setattr(torch, "rand", lambda count: torch.full((count,), 1 - 2**-24))
    lesson = Lesson(tokenizer.build(), schedule().alphas_cumprod, nullcontext)
    clean = torch.zeros(512, 4, 1, 1)
    lesson.loss(model, clean, torch.zeros(512, 32), torch.ones(512, 1, 1, 1))
    assert times[0].max() == 999


def test_the_focus_lies_on_the_thing():
    scenes = [album.scene_of(i) for i in range(12)]
    focus = focuses(scenes, torch.zeros(12, 4, 32, 32))
    assert torch.allclose(focus.mean((1, 2, 3)), torch.ones(12))
    for weight, scene in zip(focus[:, 0].numpy(), scenes, strict=True):
        mask = render(scene).masks["object"]
        cells = mask.reshape(32, 8, 32, 8).mean((1, 3))
        assert not scene.thing or np.all(weight[cells > 0.9] > 1.5)
        assert np.median(weight) <= 1


def test_captions_are_tokens_of_full_length_and_some_are_dropped():
    lesson = Lesson(tokenizer.build(), schedule().alphas_cumprod, nullcontext)
    tokens = lesson.captions([album.scene_of(i) for i in range(300)])
    assert tokens.shape == (300, tokenizer.LENGTH)
    end = torch.tensor(lesson.tokenizer.get_vocab()[tokenizer.END])
    dropped = tokens[:, 1].eq(end).float().mean().item()
    assert 0.03 < dropped < 0.2
