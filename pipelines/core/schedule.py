"""Pure formulas of the variance-preserving diffusion: `x = signal * clean + noise_level * noise`.

A is the product of (1 - beta) up to a time: signal = sqrt(A), noise = sqrt(1 - A). Everything here
is elementwise and knows neither networks nor schedulers.
"""

import math
from typing import Literal, NamedTuple, Self

from torch import Tensor

Prediction = Literal["epsilon", "v_prediction", "sample"]


class Level(NamedTuple):
    """How much of the clean picture and how much noise a latent holds; the squares sum to 1."""

    signal: float  # sqrt(A), 1 = clean, 0 = nothing of the picture is left
    noise: float  # sqrt(1 - A)

    @classmethod
    def of_alpha(cls, alpha: float) -> Self:
        """From A, the cumulated alpha in [0, 1]."""
        return cls(math.sqrt(alpha), math.sqrt(1 - alpha))

    @classmethod
    def of_sigma(cls, sigma: float) -> Self:
        """From the variance-exploding level sigma = noise / signal >= 0."""
        return cls(1 / math.hypot(1, sigma), sigma / math.hypot(1, sigma))


CLEAN = Level(1.0, 0.0)


def noised(clean: Tensor, noise: Tensor, level: Level) -> Tensor:
    """Forward noising q(clean, level, noise)."""
    return level.signal * clean + level.noise * noise


def split(x: Tensor, output: Tensor, level: Level, prediction: Prediction) -> tuple[Tensor, Tensor]:
    """`x` at `level` and the network's own output → (clean estimate, noise estimate).

    The one place that tells the parametrisations apart. v-prediction and sample prediction are
    defined where the signal is zero; epsilon is not (at A = 0 it holds nothing of the picture), and
    `solvers.make` refuses such a schedule.
    """
    signal, noise = level
    if prediction == "v_prediction":  # v = signal * noise - noise_level * clean (2202.00512, eq. 9)
        return signal * x - noise * output, signal * output + noise * x
    if prediction == "sample":
        return output, (x - signal * output) / noise
    return (x - noise * output) / signal, output
