"""Laws of the decoder's own stage: detail counts as texture, latents stay, and it resumes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from benchmarks.quality import sliced
from training import album, decoder, detail, estimates
from training.autoencoder import Plan, to_tensor
from training.denoiser import schedule
from training.student import Teacher

PLAN = Plan(crop=64, batch=4, whole_batch=2, pieces=2, workers=2)


def speckle(seed: int, contrast: float) -> torch.Tensor:
    """Grey noise [2, 3, 80, 80] in -1..1."""
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * contrast * torch.randn(2, 3, 80, 80, generator=generator)


def shallow() -> AutoencoderTiny:
    torch.manual_seed(0)
    return AutoencoderTiny(
        encoder_block_out_channels=(32,) * 4,
        decoder_block_out_channels=(32,) * 4,
        num_encoder_blocks=(0, 1, 2, 2),
        num_decoder_blocks=(3, 3, 2, 0),
    ).eval()


def test_the_pyramid_is_the_one_that_is_measured() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    levels = detail.pyramid(to_tensor(picture[None]))
    assert len(levels) == 2
    for ours, theirs in zip(levels, sliced.pyramid(picture), strict=False):
        inner = (ours[0].permute(1, 2, 0).numpy() / 2 - theirs)[4:-4, 4:-4]
        assert np.abs(inner).max() < 1e-5


def test_other_grain_of_the_same_kind_is_near_and_none_is_far() -> None:
    truth = speckle(0, 1.0)
    assert detail.distance(truth, truth) == 0
    other, half, flat = (
        float(detail.distance(each, truth))
        for each in (speckle(1, 1.0), speckle(1, 0.5), speckle(1, 0.0))
    )
    assert other < 0.25 * flat
    assert other < 0.5 * half < half < 0.7 * flat


def test_grain_belongs_where_the_truth_has_it() -> None:
    """Exchanged between two halves of a picture it is the same on the whole, and far."""
    truth = torch.cat([speckle(0, 1.0), speckle(1, 0.1)], 3)
    swapped = torch.cat([speckle(2, 0.1), speckle(3, 1.0)], 3)
    same = torch.cat([speckle(2, 1.0), speckle(3, 0.1)], 3)
    assert detail.distance(swapped, truth) > 3 * detail.distance(same, truth)


def test_new_blocks_change_nothing_before_they_have_learnt() -> None:
    old = shallow()
    new = decoder.deepened(old)
    assert tuple(new.config["num_decoder_blocks"]) == (3, 4, 4, 0)
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(new.decoder(latents), old.decoder(latents))
        assert torch.equal(new.encoder(pictures), old.encoder(pictures))
    again = decoder.deepened(new)
    with torch.no_grad():
        assert torch.equal(again.decoder(latents), new.decoder(latents))


def test_a_deeper_decoder_is_not_cut() -> None:
    deep = AutoencoderTiny(
        encoder_block_out_channels=(32,) * 4,
        decoder_block_out_channels=(32,) * 4,
        num_encoder_blocks=(0, 1, 2, 2),
        num_decoder_blocks=(3, 5, 5, 0),
    )
    with pytest.raises(ValueError, match=r"more blocks than the one that is trained here\.$"):
        decoder.deepened(deep)


def test_crops_of_estimates_lie_on_their_pictures() -> None:
    """Latents and pictures both say where each of their cells is, and in which picture."""
    ys, xs = np.mgrid[:32, :32]
    latents = np.stack([np.stack([ys, xs, 0 * ys + i, 0 * ys]) for i in range(4)])
    cells = np.stack([np.stack([ys, xs, 0 * ys + i], -1) for i in range(4)])
    pictures = cells.repeat(8, 1).repeat(8, 2).astype(np.uint8)
    shards = [pictures[:2], pictures[2:]]
    found = decoder.Estimates(latents.astype(np.float16))
    cut, truth = found.crops(np.random.default_rng(0), shards, 20, 64)
    assert cut.shape == (20, 4, 8, 8) and truth.shape == (20, 3, 64, 64)
    shown = ((truth + 1) * 127.5).round()[..., ::8, ::8]
    assert torch.equal(shown, cut[:, :3])
    assert len(cut[:, 2, 0, 0].unique()) == 4


def knowing(clean: torch.Tensor) -> Teacher:
    """A teacher that knows the clean latents."""
    signal = schedule().alphas_cumprod

    def unet(x: torch.Tensor, t: torch.Tensor, _hidden: torch.Tensor) -> Any:
        level = signal[t].view(-1, 1, 1, 1)
        both = torch.cat([clean, clean])
        return SimpleNamespace(sample=(level.sqrt() * x - both) / (1 - level).sqrt())

    def read(tokens: torch.Tensor) -> Any:
        return SimpleNamespace(last_hidden_state=torch.zeros(len(tokens), 32, 8))

    networks: Any = SimpleNamespace(unet=unet, text_encoder=read)
    return Teacher(networks, signal, torch.zeros(1, 32, dtype=torch.long))


def test_who_knows_the_latents_leaves_them_as_they_were() -> None:
    clean = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    tokens = torch.zeros(3, 32, dtype=torch.long)
    found = estimates.estimate(knowing(clean), clean, tokens)
    assert torch.allclose(found, clean, atol=1e-4)
    assert not torch.allclose(estimates.estimate(knowing(0 * clean), clean, tokens), clean)


@pytest.mark.usefixtures("ticking")
def test_a_stage_keeps_the_encoder_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = album.held_out
    monkeypatch.setattr(album, "held_out", lambda count, start=0: held_out(1, start))
    for folder, side in (("postcard", 256), ("generic", 128)):
        (tmp_path / folder).mkdir()
        pictures = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
        np.save(tmp_path / folder / "000000.npy", pictures)
    left = decoder.Estimates(np.zeros((2, 4, 32, 32), np.float16))
    old = shallow()
    trained = decoder.train(tmp_path, tmp_path, 0.5, PLAN, old, left)
    (path,) = tmp_path.glob("*.pt")
    assert path.name.startswith("decoder-")
    assert all(
        torch.equal(a, b)
        for a, b in zip(old.encoder.parameters(), trained.encoder.parameters(), strict=True)
    )
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        drawn = trained.decoder(latents)
        assert not torch.equal(drawn, old.decoder(latents))
        assert torch.equal(decoder.resumed(tmp_path, old).decoder(latents), drawn)
        assert torch.equal(
            decoder.train(tmp_path, tmp_path, 0.5, PLAN, old, left).decoder(latents), drawn
        ), "its time was spent"
    assert decoder.resumed(tmp_path / "elsewhere", old) is old, "it has not been trained there"
