"""The speed benchmark compares equal work, and its arithmetic is right."""

from pathlib import Path

import pytest

from benchmarks import speed
from benchmarks.speed import Spread, asked_steps, measure, parse, table
from pipelines.core import solvers
from tests.toys import tiny_pipeline


@pytest.mark.parametrize(
    ("running", "strength", "asked"), [(20, 1.0, 20), (20, 0.7, 29), (14, 0.7, 20), (1, 0.5, 1)]
)
def test_as_many_steps_run_as_were_wanted(running: int, strength: float, asked: int) -> None:
    assert asked_steps(running, strength) == asked
    assert solvers.count(asked, strength) == running


def test_a_spread_is_the_median_and_the_ends() -> None:
    assert Spread.of([3.0, 1.0, 9.0]) == Spread(3.0, 1.0, 9.0)


def test_all_sides_draw_one_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "PROMPT", "a cat, by")  # within a window: diffusers cuts the rest
    tiny_pipeline(tmp_path / "words").save_pretrained(tmp_path / "model")
    wanted = ["--pairs", "2", "--steps", "2", "--device", "cpu", "--dtype", "float32"]
    report = measure(parse([*wanted, "--model", str(tmp_path / "model")]))
    assert report.pairs == 2
    assert report.largest_difference.keys() == report.ratio.keys() == report.seconds.keys()
    assert max(report.largest_difference.values()) <= 1
    assert report.ratio["diffusers"] == Spread(1.0, 1.0, 1.0)
    assert all(spread.low > 0 for spread in report.step_ms.values())
    assert "| the studio, previews on, saved |" in table(report)
