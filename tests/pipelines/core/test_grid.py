"""A strength is one level of noise, however few the steps are."""

import pytest
import torch

from pipelines.core.grid import Grid, Start
from pipelines.core.schedule import CLEAN, Level

ALPHAS = torch.linspace(0.9999, 0.0047, 1000)


def grid(*times: float) -> Grid:
    levels = [Level.of_alpha(float(ALPHAS[round(t)])) for t in times]
    return Grid(times, [*levels, CLEAN], ALPHAS)


def trailing(steps: int) -> Grid:
    """Steps that end at the multiples of 1000 / steps; clean is time -1."""
    return grid(*(1000 * k // steps - 1 for k in range(steps, 0, -1)))


def time_of(places: Grid, start: Start) -> float:
    return places.times[start.place] if start.t is None else start.t


@pytest.mark.parametrize("steps", [1, 2, 4, 5, 8, 20, 50, 200])
def test_a_strength_is_the_same_time_at_any_number_of_steps(steps: int) -> None:
    """Place N (1 - s), where time falls by 1000 / N a place: time 1000 s - 1."""
    places = trailing(steps)
    for percent in range(1, 101):
        start = places.start(percent / 100)
        assert time_of(places, start) == 10 * percent - 1
        assert start.level == Level.of_alpha(float(ALPHAS[10 * percent - 1]))
        ran = steps - start.place
        assert ran == -(-steps * percent // 100)  # rounded up: the first step is a shorter one


@pytest.mark.parametrize(
    ("steps", "strength", "left"),
    [
        (20, 0.35, 7),
        (20, 0.7, 14),
        (50, 0.58, 29),  # 28.999999999999996 in floats
        (100, 0.07, 7),  # 7.000000000000001
        (10, float(torch.tensor(51 / 255)), 2),  # a gray in float32
        (3, 1 / 3, 1),
        (4, 1.0, 4),
        (4, 0.0, 0),
    ],
)
def test_what_is_whole_but_for_the_floats_starts_on_its_place(
    steps: int, strength: float, left: int
) -> None:
    places = grid(*(997.4 - 4.7 * k for k in range(steps)))  # rounded times would not do
    assert places.start(strength) == Start(steps - left, None, places.levels[steps - left])


@pytest.mark.parametrize(
    ("times", "strength", "expected"),
    [
        ((801, 601, 401, 201, 1), 0.9, 701),  # leading
        ((801, 601, 401, 201, 1), 0.33, 131),  # place 3.35
        ((1,), 0.6, 0),  # 0.2, rounded
        ((0,), 0.5, 0),  # -0.5: time 0 is the least
        ((999,), 1e-300, 0),
    ],
)
def test_times_between_are_interpolated_and_rounded(
    times: tuple[float, ...], strength: float, expected: float
) -> None:
    assert time_of(grid(*times), grid(*times).start(strength)) == expected


def test_the_time_never_leaves_its_interval_and_falls_with_the_strength() -> None:
    """Also where a schedule's times are fractions that lie nearer than whole numbers."""
    places = grid(999, 500.6, 0.9, 0.4, 0.2)
    found = [time_of(places, places.start(k / 1000)) for k in range(1, 1001)]
    assert found == sorted(found)
    assert {0.2, 0.4, 0.9} < set(found)
    assert all(t in places.times or t == int(t) for t in found)
