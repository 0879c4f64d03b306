"""Laws of Muon: its updates are orthogonal and of AdamW's size, and it moves what is hidden."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import nn

from training.denoiser import BY_ADAMW, Pupil, build
from training.muon import Muon, orthogonal, split


@pytest.mark.parametrize("shape", [(64, 64), (32, 288), (288, 32), (1, 40)])
def test_an_orthogonal_update_has_singular_values_about_one(shape: tuple[int, int]):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape) * 1e-3))
    kept = values[: max(1, len(values) - len(values) // 10)]  # a square's last are almost zero
    assert kept.min() > 0.6
    assert values.max() < 1.3


def test_it_turns_as_the_matrix_does():
    """U·Vᵀ of U·S·Vᵀ, by torch's own decomposition."""
    torch.manual_seed(0)
    matrix = torch.randn(24, 96)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    cosine = nn.functional.cosine_similarity(orthogonal(matrix).flatten(), (u @ v).flatten(), 0)
    assert cosine > 0.98


def test_the_first_step_has_the_size_of_adamws():
    """A root mean square of 0.2 times the rate, whatever the shape and the gradient's size."""
    for shape in ((48, 48), (16, 144), (16, 16, 3, 3), (96, 8, 1, 1)):
        torch.manual_seed(0)
        weight = nn.Parameter(torch.zeros(shape))
        weight.grad = torch.randn(shape) * 1e3
        Muon([weight], lr=0.5).step()
        rms = weight.detach().pow(2).mean().sqrt().item()
        assert rms == pytest.approx(0.2 * 0.5, rel=0.2)


def test_weight_decay_is_decoupled_and_momentum_looks_ahead():
    weight = nn.Parameter(torch.eye(4) * 2)
    optimizer = Muon([weight], lr=0.1, momentum=0.9, weight_decay=0.5)
    weight.grad = torch.zeros(4, 4)
    optimizer.step()
    assert torch.allclose(weight.detach(), torch.eye(4) * 2 * (1 - 0.1 * 0.5))
    push = torch.eye(4)
    weight.grad = push
    optimizer.step()
    momentum = optimizer.state[weight]["momentum"]
    assert torch.allclose(momentum, 0.1 * push)
    expected = orthogonal(0.1 * push + 0.9 * momentum) * 0.2 * sqrt(4)
    assert torch.allclose(weight.detach(), torch.eye(4) * 1.9 * 0.95 - 0.1 * expected, atol=1e-6)


def test_it_moves_what_is_hidden_and_nothing_else():
    pupil = Pupil(build((16, 16, 32)))
    names = {id(weight): name for name, weight in pupil.named_parameters()}
    hidden, others = ([names[id(w)] for w in part] for part in split(pupil, BY_ADAMW))
    assert sorted([*hidden, *others]) == sorted(names.values())
    assert "denoiser.unet.mid_block.resnets.0.conv1.weight" in hidden
    assert "denoiser.unet.time_embedding.linear_1.weight" in hidden
    assert "denoiser.text_encoder.encoder.layers.0.mlp.fc1.weight" in hidden
    apart = ("conv_in", "conv_out", "head", "token_embedding", "position_embedding")
    assert not any(each in name.split(".") for name in hidden for each in apart)
    assert not any(name.endswith("bias") for name in hidden)
    matrices = {name for name, weight in pupil.named_parameters() if weight.ndim >= 2}
    assert all(set(name.split(".")) & set(apart) for name in matrices - set(hidden))
