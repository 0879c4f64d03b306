"""Strided bfloat16 convolutions of narrow inputs, where this machine gets them wrong.

On CPUs with AMX, torch 2.13's convolution of 3x3 with stride 2 and padding 1 reads memory beyond
an input that is 1 or 2 wide (pytorch#169688), as the inner levels of a U-Net are for a picture of
1:30: another result each time, or no number. A check of a few milliseconds finds out; where it
fails, such a layer works in float32 on all that is narrow.
"""

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NARROW = 8  # cells; with room above what was seen, since so small an input costs nothing
WIDTHS = (1, 2, 3)  # of the inputs that are tried
CHANNELS = (64, 128)
OFF = 2**-5  # of the largest number; bfloat16 itself rounds to 2**-9

Convolve = Callable[..., Tensor]


class _Exact(nn.Conv2d):
    """A convolution that works in float32 where its bfloat16 input on the CPU is narrow."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        wide = min(input.shape[-2:]) > NARROW
        if wide or input.dtype != torch.bfloat16 or input.device.type != "cpu":
            return super()._conv_forward(input, weight, bias)
        exact = None if bias is None else bias.float()
        return super()._conv_forward(input.float(), weight.float(), exact).to(input.dtype)


def mended(network: nn.Module) -> nn.Module:
    """The network itself, its strided convolutions made right where this machine needs it."""
    strided = [
        each
        for each in network.modules()
        if type(each) is nn.Conv2d and each.weight.dtype == torch.bfloat16 and max(each.stride) > 1
    ]
    if strided and wrong():
        for each in strided:
            each.__class__ = _Exact
    return network


@cache
def wrong() -> bool:
    """Whether this machine fails the check."""
    return torch.backends.mkldnn.is_available() and reads_beyond(F.conv2d)


@torch.no_grad()
def reads_beyond(convolve: Convolve) -> bool:
    """Whether a bfloat16 convolution of a narrow input is not what it is in float32.

    The input lies between numbers that are none, and so does what the allocator gives out next.
    """
    generator = torch.Generator().manual_seed(0)
    options: dict[str, Any] = {"stride": 2, "padding": 1}
    for channels, width in product(CHANNELS, WIDTHS):
        shape = (1, channels, 5, width)
        size = channels * 5 * width
        around = torch.full((3 * size,), torch.nan, dtype=torch.bfloat16)
        x = around[size : 2 * size].view(shape)
        x.copy_(torch.randn(shape, generator=generator))
        weight = torch.randn(channels, channels, 3, 3, generator=generator).bfloat16()
        exact = F.conv2d(x.float(), weight.float(), **options)
        for power in range(6, 15):
            torch.full((2**power,), torch.nan)  # freed at once, for the convolution to be given
        error = (convolve(x, weight, **options).float() - exact).abs().max()
        if not error <= OFF * exact.abs().max():  # nor where it is no number
            return True
    return False
