"""From a picture back to the noise that draws it."""

from torch import Tensor

from pipelines.core.sampling import Moment, Predict, Solver, View, Walk, walk


def invert(
    x: Tensor, predict: Predict, solver: Solver, trajectory: list[Tensor], view: View | None = None
) -> Walk:
    """Walk upwards with a solver of `solvers.ascent`; returns the latents at the top.

    `trajectory` receives the latents of every level, the clean ones first: what a walk down can be
    held to (direct inversion, DiffEdit's background).
    """
    trajectory.append(x)

    def record(x: Tensor, _moment: Moment) -> Tensor:
        trajectory.append(x)
        return x

    extra = {} if view is None else {"view": view}
    return (yield from walk(x, predict, solver, record, phase="inverting", **extra))
