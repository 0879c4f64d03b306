"""The places of a scheduler's steps, and which place a strength means.

N steps have N + 1 places: plain generation starts at place 0, and place N is clean. Strength s is
the place N (1 - s). Between two places the training time is interpolated and rounded, where clean
counts as time -1, and the level is the schedule's own at that time. So a strength is one level of
noise, however few the steps are; on a whole place it is where diffusers starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from pipelines.core.schedule import Level

CLEAN_TIME = -1
NEAR = 1e-4  # of a place: as far as a gray in float32, or 50 * 0.58, misses a whole one


class Start(NamedTuple):
    """Where a run begins."""

    place: int  # the first step is the one of this place; N: there is none
    t: int | None  # the training time where it lies below that place, above the next; else None
    level: Level


@dataclass(frozen=True, slots=True)
class Grid:
    """The places of N steps."""

    times: Sequence[float]  # the training time of each step's start, falling
    levels: Sequence[Level]  # of all N + 1 places
    alphas: Tensor  # cumulated alpha by training time

    def start(self, strength: float) -> Start:
        """Where a run of `strength` in [0, 1] begins; above 0 it takes at least one step."""
        steps = len(self.times)
        place = steps - steps * strength
        nearest = round(place)
        if abs(place - nearest) < NEAR and (nearest < steps or strength == 0):
            return self._at(nearest)
        above = min(int(place), steps - 1)
        upper, lower = (*self.times, CLEAN_TIME)[above : above + 2]
        t = max(round(upper + (place - above) * (lower - upper)), 0)
        if t >= upper:
            return self._at(above)
        if t <= lower:
            return self._at(above + 1)
        return Start(above, t, Level.of_alpha(float(self.alphas[t])))

    def _at(self, place: int) -> Start:
        return Start(place, None, self.levels[place])
