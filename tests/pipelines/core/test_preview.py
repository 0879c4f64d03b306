"""Pictures of steps: by the tiny autoencoder that belongs to a model, else by the fitted map."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderTiny

from pipelines import Bundle
from pipelines.core import preview
from pipelines.networks import autoencoder
from tests import toys
from tests.pictures import same


def test_a_tiny_autoencoder_draws_where_there_is_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tiny: Any = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    tiny.requires_grad_(False)
    tiny.save_pretrained(tmp_path / "model" / "taesd")
    toys.tiny_pipeline(tmp_path / "words").save_pretrained(tmp_path / "model")
    bundle, latents = Bundle.load(tmp_path / "model"), torch.randn(2, 4, 16, 16)
    drawn = preview.pictures(bundle, latents)
    assert all(map(same, drawn, autoencoder.decode(tiny, latents)))
    bundle = Bundle.load(tmp_path / "model")
    bundle.sketcher_folder = None
    fitted = preview.pictures(bundle, latents)
    assert [each.size for each in fitted] == [each.size for each in drawn]
    assert not any(map(same, fitted, drawn))


def test_one_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    bundle = Bundle.of(toys.tiny_pipeline(tmp_path / "words"))
    bundle.sketcher_folder = tmp_path
    with pytest.raises(ValueError, match="could not be loaded as a TAESD"):
        preview.pictures(bundle, torch.zeros(1, 4, 16, 16))
