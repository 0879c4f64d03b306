"""Pure formulas of diffusion: `x = signal * clean + noise_level * noise`, for any two numbers.

Variance-preserving models have signal = sqrt(A) and noise = sqrt(1 - A), with A the product of
(1 - beta) up to a time; rectified flow has signal = 1 - sigma and noise = sigma. Everything here is
elementwise and knows neither networks nor schedulers.
"""

import math
from typing import Literal, NamedTuple, Self

from torch import Tensor

Prediction = Literal["epsilon", "v_prediction", "sample", "flow_prediction"]  # as diffusers' own


class Level(NamedTuple):
    """How much of the clean picture and how much noise a latent holds."""

    signal: float  # 1 = all of the clean picture, 0 = nothing of it is left
    noise: float

    @classmethod
    def of_alpha(cls, alpha: float) -> Self:
        """From A, the cumulated alpha in [0, 1]; the squares of the two sum to 1."""
        return cls(math.sqrt(alpha), math.sqrt(1 - alpha))

    @classmethod
    def of_sigma(cls, sigma: float) -> Self:
        """From the variance-exploding level sigma = noise / signal >= 0; the squares sum to 1."""
        return cls(1 / math.hypot(1, sigma), sigma / math.hypot(1, sigma))

    @classmethod
    def of_flow(cls, sigma: float) -> Self:
        """From the time sigma in [0, 1] of rectified flow (Liu et al., arXiv:2209.03003)."""
        return cls(1 - sigma, sigma)


CLEAN = Level(1.0, 0.0)


def noised(clean: Tensor, noise: Tensor, level: Level) -> Tensor:
    """Forward noising q(clean, level, noise)."""
    return level.signal * clean + level.noise * noise


def split(x: Tensor, output: Tensor, level: Level, prediction: Prediction) -> tuple[Tensor, Tensor]:
    """`x` at `level` and the network's own output → (clean estimate, noise estimate).

    The one place that tells the parametrisations apart. All but epsilon are defined where the
    signal is zero; epsilon is not (there it holds nothing of the picture), and `solvers.make`
    refuses such a schedule.
    """
    signal, noise = level
    if prediction == "v_prediction":  # v = signal * noise - noise_level * clean (2202.00512, eq. 9)
        squares = signal**2 + noise**2  # 1 where the variance is preserved
        return (signal * x - noise * output) / squares, (signal * output + noise * x) / squares
    if prediction == "flow_prediction":  # u = noise - clean (2209.03003, eq. 1)
        both = signal + noise  # 1 for rectified flow
        return (x - noise * output) / both, (x + signal * output) / both
    if prediction == "sample":
        return output, (x - signal * output) / noise
    return (x - noise * output) / signal, output
