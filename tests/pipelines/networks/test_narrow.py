"""A bfloat16 convolution that reads beyond a narrow input is found out and gone round."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from pipelines import Bundle, SDEdit, drain, sdedit
from pipelines.networks import narrow
from tests import toys
from tests.pictures import same


def reading_beyond(x: Tensor, weight: Tensor, *bias: Any, **options: Any) -> Tensor:
    """What torch 2.13 does on CPUs with AMX: the column beside a narrow input is foreign memory."""
    found = F.conv2d(x, weight, *bias, **options)
    if x.dtype != torch.bfloat16 or x.shape[-1] > 2:
        return found
    after = x.storage_offset() + x.numel()
    foreign = torch.as_strided(x, (x.shape[2],), (1,), after).clone()
    column = foreign.view(1, 1, -1, 1).expand(*x.shape[:3], 1)
    return F.conv2d(torch.cat([x, column], dim=-1), weight, *bias, **options)[
        ..., : found.shape[-1]
    ]


def test_a_convolution_that_reads_foreign_memory_is_found_out() -> None:
    assert narrow.reads_beyond(reading_beyond)


def test_one_that_is_wrong_in_numbers_alone_is_found_out() -> None:
    assert narrow.reads_beyond(lambda x, weight, **options: 1.2 * F.conv2d(x, weight, **options))


def test_a_right_one_passes() -> None:
    assert not narrow.reads_beyond(
        lambda x, weight, **options: F.conv2d(x.float(), weight.float(), **options).bfloat16()
    )


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (9, 2), (2, 9), (8, 8), (9, 9)])
@pytest.mark.parametrize("bias", [True, False])
def test_what_is_mended_is_float32_where_it_is_narrow(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], bias: bool
) -> None:
    monkeypatch.setattr(narrow, "wrong", lambda: True)
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=bias).bfloat16()
    plain = nn.Conv2d(16, 24, 3, padding=1).bfloat16()
    network = nn.Sequential(layer, plain)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert narrow.mended(network) is network and type(plain) is nn.Conv2d
    x = torch.randn(1, 16, *size).bfloat16()
    exact = F.conv2d(
        x.float(),
        layer.weight.float(),
        None if layer.bias is None else layer.bias.float(),
        stride=2,
        padding=1,
    )
    if min(size) <= 8:
        assert torch.equal(layer(x), exact.bfloat16())
    else:
        torch.testing.assert_close(layer(x).float(), exact, atol=0.05, rtol=0.02)
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_nothing_is_touched_where_the_machine_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "wrong", lambda: False)
    layer = nn.Conv2d(8, 8, 3, stride=2).bfloat16()
    assert type(narrow.mended(nn.Sequential(layer))) is nn.Sequential
    assert type(layer) is nn.Conv2d


def test_float32_is_not_even_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> bool:
        raise AssertionError("checked")

    monkeypatch.setattr(narrow, "wrong", asked)
    narrow.mended(nn.Conv2d(8, 8, 3, stride=2))


def test_a_narrow_picture_is_the_same_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a convolution that adds new noise to what is narrow, as foreign memory does."""

    def foreign(self: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        found = F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        broken = x.dtype == torch.bfloat16 and x.shape[-1] <= 2 and max(self.stride) > 1
        return found + torch.randn_like(found) if broken else found

    monkeypatch.setattr(nn.Conv2d, "_conv_forward", foreign)
    asked: dict[str, Any] = {"image": Image.new("RGB", (4, 128), "teal"), "prompt": "a house"}
    asked |= {"num_inference_steps": 2, "strength": 1.0}
    pipe = toys.tiny_pipeline(tmp_path).to(torch.bfloat16)

    def twice(bundle: Bundle) -> list[Image.Image]:
        return [drain(sdedit(bundle, SDEdit(**asked))).images[0] for _ in range(2)]

    monkeypatch.setattr(narrow, "wrong", lambda: False)
    assert not same(*twice(Bundle.of(pipe)))
    monkeypatch.setattr(narrow, "wrong", lambda: True)
    assert same(*twice(Bundle.of(pipe)))
