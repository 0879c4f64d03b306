"""The one loop over diffusion times, and the values that leave it."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import torch
from PIL import Image
from torch import Tensor

from pipelines.core.schedule import Level
from pipelines.edit import Edit, ReportT


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of a run: from level `here` to level `next`."""

    index: int  # 1..total
    total: int
    t: Tensor  # scalar, what the network is told, as the scheduler made it
    here: Level
    next: Level


Views = dict[str, Image.Image]


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is done: `latents` stand at `moment.next`, `clean` is the estimate of the end."""

    phase: str
    moment: Moment
    latents: Tensor  # [B, C, h, w]
    clean: Tensor  # [B, C, h, w]
    view: Callable[[], Views]  # pictures of the estimate by name, made when called


Predict = Callable[[Tensor, Moment], Tensor]  # x at moment.here → the network's own output
Revise = Callable[[Tensor, Moment], Tensor]  # x at moment.next → x at moment.next
View = Callable[[Tensor], Views]
Walk = Generator[Step, None, Tensor]
Run = Generator[Step, None, Edit[ReportT]]
R = TypeVar("R")


class Solver(Protocol):
    """A fresh object per run. It calls the network, so two calls in one step fit as well as one."""

    @property
    def moments(self) -> Sequence[Moment]: ...

    def __call__(self, predict: Predict, x: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
        """`x` at `moment.here` → (x at `moment.next`, the clean estimate)."""
        ...


def _nothing(_clean: Tensor) -> Views:
    return {}


@torch.no_grad()  # as a decorator: a `with` inside a generator would leak between threads
def walk(
    x: Tensor,
    predict: Predict,
    solver: Solver,
    revise: Revise | None = None,
    phase: str = "denoising",
    view: View = _nothing,
) -> Walk:
    """Carry `x` [B, C, h, w] through the solver's moments, yielding each step.

    Returns the final latents. What `revise` returns is where the next step starts. Close the
    generator to cancel.
    """
    for moment in solver.moments:
        x, clean = solver(predict, x, moment)
        if revise is not None:
            x = revise(x, moment)
        yield Step(phase, moment, x, clean, partial(view, clean))
    return x


def drain(run: Generator[Step, None, R]) -> R:
    """Run to the end without looking at the steps; what the run, or a walk, returns."""
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value
