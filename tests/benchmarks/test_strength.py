"""The change from the strokes grows along the strength, also where steps are few."""

import pytest
from PIL import Image

from benchmarks.quality import strength
from benchmarks.quality.strength import STRENGTHS, Curve, curve, table
from pipelines import Bundle
from pipelines.core import solvers
from tests import toys

OFFERED = [name for name in solvers.CLASSES if name in solvers.offered(toys.V_ZERO)]


def test_a_curve_tells_its_deepest_fall_and_its_rises() -> None:
    rising = Curve([float(k) for k in range(10)])
    assert (rising.fall, rising.rises, rising.kept) == (0.0, 9, True)
    uneven = Curve([0, 1, 2, 3, 2.5, 4, 5, 6, 7, 8])
    assert (uneven.fall, uneven.rises, uneven.kept) == (0.5, 8, True)
    assert not Curve([0, 1, 2, 3, 1.9, 4, 5, 6, 7, 8]).kept  # falls by more than 1
    assert not Curve([0, 1, 1, 3, 3, 4, 5, 6, 7, 8]).kept  # rises in 7 of 9
    assert "| ddim | 4 | 0.0 |" in table({("ddim", 4): rising})


def test_the_strengths_and_seeds_are_the_promised_ones() -> None:
    assert STRENGTHS == (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
    assert len(strength.SEEDS) == 2 and strength.STEPS == (1, 2, 4, 8, 20)


@pytest.mark.parametrize("name", [*OFFERED, "student"])
def test_the_change_rises_with_the_strength(
    monkeypatch: pytest.MonkeyPatch, postcard: Bundle, name: str
) -> None:
    """At a seventh of the pixels; `python -m benchmarks.quality.strength` is the whole of it."""
    monkeypatch.setattr(type(postcard), "size", 96)
    strokes = Image.new("RGB", (96, 96), "#e2705c")
    strokes.paste("#488c38", (0, 56, 96, 96))
    strokes.paste("#d02a28", (40, 48, 64, 72))
    student = postcard.student
    assert student is not None
    for steps in (1, 4):
        if name == "student":
            found = curve(student, strokes, "a red house at sunset", "default", steps, 1.0)
        else:
            found = curve(postcard, strokes, "a red house at sunset", name, steps)
        assert found.fall <= 1, (steps, found.changes)
        assert found.rises >= 8, (steps, found.changes)
