"""Laws of a training's beginning: weights that fit are taken, others are refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from training import autoencoder, export, start
from training.denoiser import Pupil, build

WIDTHS = (16, 16, 32)
HERE = torch.device("cpu")


def tensors(pupil: Pupil) -> dict[str, torch.Tensor]:
    parts = {
        "unet.": pupil.denoiser.unet,
        "te.": pupil.denoiser.text_encoder,
        "head.": pupil.head,
    }
    return {
        prefix + name: tensor.half()
        for prefix, module in parts.items()
        for name, tensor in module.state_dict().items()
    }


def test_it_begins_from_nothing_where_there_is_nothing(tmp_path: Path):
    _, fresh = start.begin(WIDTHS, tmp_path, None, HERE)
    assert fresh


def test_a_file_brings_every_network(tmp_path: Path):
    told = Pupil(build(WIDTHS))
    save_file(tensors(told), tmp_path / "weights.safetensors")
    found, fresh = start.begin(WIDTHS, tmp_path, tmp_path / "weights.safetensors", HERE)
    assert not fresh
    for mine, other in zip(told.parameters(), found.parameters(), strict=True):
        assert torch.equal(mine.half().float(), other)


def test_an_exported_model_brings_all_but_the_head(tmp_path: Path):
    told = build(WIDTHS)
    export.write(autoencoder.build(), told, tmp_path)
    found, fresh = start.begin(WIDTHS, tmp_path, None, HERE)
    assert not fresh
    for mine, other in zip(told.parameters(), found.denoiser.parameters(), strict=True):
        assert torch.equal(mine.half().float(), other)
    _, fresh = start.begin((16, 32, 32), tmp_path, None, HERE)
    assert fresh, "a model of another size is no beginning"


@pytest.mark.parametrize("fault", ["missing", "rubbish", "narrow", "headless"])
def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path: Path, fault: str):
    path = tmp_path / "weights.safetensors"
    if fault == "rubbish":
        path.write_bytes(b"no weights at all")
    elif fault == "narrow":
        save_file(tensors(Pupil(build((16, 16, 16)))), path)
    elif fault == "headless":
        told = tensors(Pupil(build(WIDTHS)))
        save_file({name: each for name, each in told.items() if "head" not in name}, path)
    with pytest.raises(ValueError, match=r"weights\.safetensors .*[.]$"):
        start.read(path, Pupil(build(WIDTHS)))
