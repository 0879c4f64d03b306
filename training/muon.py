"""Muon: momentum whose update is made orthogonal, for the matrices of hidden layers.

Jordan et al., kellerjordan.github.io/posts/muon: each update is the nearest orthogonal matrix to
the momentum, found by five Newton–Schulz steps, so that every direction a matrix can move in moves
alike. Scaled as by Liu et al. (arXiv:2502.16982), it shares AdamW's learning rate and weight decay.
torch.optim.Muon takes no convolutions, and computes in bfloat16 where a processor is slow at it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from math import sqrt

import torch
from torch import nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of x, x³ and x⁵ in a Newton–Schulz step
ITERATIONS = 5
RMS = 0.2  # of AdamW's updates, which an update is scaled to


class Muon(torch.optim.Optimizer):
    """SGD with Nesterov momentum and orthogonal updates, for parameters of two or more dimensions.

    A convolution counts as the matrix [out, in · height · width]. Weight decay is decoupled.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
        autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)
        self.autocast = autocast  # of the orthogonalisation

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - momentum)
                ahead = weight.grad.lerp(state["momentum"], momentum)
                matrix = ahead.flatten(1)
                with self.autocast():
                    update = orthogonal(matrix)
                weight.mul_(1 - lr * group["weight_decay"])
                scale = RMS * sqrt(max(matrix.shape))
                weight.add_(update.view(ahead.shape), alpha=-lr * scale)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """About U·Vᵀ of a matrix U·S·Vᵀ [rows, columns]; its singular values lie between 0.6 and 1.3.

    Those that are smaller than a thousandth of the matrix's norm may stay smaller.
    """
    a, b, c = COEFFICIENTS
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / wide.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    found = x if wide is matrix else x.T
    return found.to(matrix.dtype)


def split(module: nn.Module, apart: Iterable[str]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters of a module that Muon moves, and the others.

    Muon moves those of two or more dimensions; not the embeddings, nor what belongs to a part whose
    name is in `apart`.
    """
    apart = set(apart)
    embeddings = {id(each.weight) for each in module.modules() if isinstance(each, nn.Embedding)}
    hidden: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, weight in module.named_parameters():
        fits = weight.ndim >= 2 and id(weight) not in embeddings
        (hidden if fits and not apart & set(name.split(".")) else others).append(weight)
    return hidden, others
