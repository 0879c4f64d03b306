"""How far a picture moves from its strokes along the strength, however few the steps are.

    python -m benchmarks.quality.strength [--steps 1 2 4 8 20] [--schedulers ddim lcm …]

For every scheduler that the model is offered, and for its student: the mean change of 255 from the
strokes at ten strengths, over two seeds. Promised is that it never falls by more than 1, and rises
in at least 8 of the 9 intervals.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from benchmarks.networks import POSTCARD
from benchmarks.quality.cases import paintings
from pipelines import Bundle, SDEdit, drain, sdedit
from pipelines.core import solvers
from pipelines.request import Range, hints

STRENGTHS = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
STEPS = (1, 2, 4, 8, 20)
SEEDS = (0, 1)
AT_ONCE = 5  # strengths of a sweep


@dataclass(frozen=True, slots=True)
class Curve:
    """The mean change at each strength, of 255."""

    changes: Sequence[float]

    @property
    def fall(self) -> float:
        """The deepest fall from one strength to the next; 0 where there is none."""
        return max(0.0, *(a - b for a, b in pairwise(self.changes)))

    @property
    def rises(self) -> int:
        return sum(b > a for a, b in pairwise(self.changes))

    @property
    def kept(self) -> bool:
        """Whether the promise is."""
        return self.fall <= 1 and self.rises >= 8


def curve(
    bundle: Bundle,
    strokes: Image.Image,
    prompt: str,
    scheduler: str,
    steps: int,
    guidance_scale: float = 3.0,
) -> Curve:
    """Along STRENGTHS; the strokes must be of the size that the model works at."""
    before = np.asarray(strokes, np.float32)
    found = np.zeros(len(STRENGTHS))
    for seed in SEEDS:
        pictures: list[Image.Image] = []
        for first in range(0, len(STRENGTHS), AT_ONCE):
            asked = SDEdit(
                image=strokes,
                prompt=prompt,
                strengths=STRENGTHS[first : first + AT_ONCE],
                scheduler=scheduler,
                num_inference_steps=steps,
                guidance_scale=guidance_scale,
                seed=seed,
            )
            pictures += drain(sdedit(bundle, asked)).images
        found += [np.abs(np.asarray(each, np.float32) - before).mean() for each in pictures]
    return Curve([float(each) for each in found / len(SEEDS)])


def table(curves: dict[tuple[str, int], Curve]) -> str:
    """Markdown, a row for each scheduler and number of steps."""
    heads = [*(f"{each:g}" for each in STRENGTHS), "deepest fall", "rises", "kept"]
    lines = [f"| scheduler | steps | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    for (scheduler, steps), found in curves.items():
        changes = " | ".join(f"{each:.1f}" for each in found.changes)
        told = f"{found.fall:.2f} | {found.rises} of 9 | {'yes' if found.kept else 'no'}"
        lines.append(f"| {scheduler} | {steps} | {changes} | {told} |")
    return "\n".join(lines)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    limits = hints(SDEdit)["num_inference_steps"]
    assert isinstance(limits, Range)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.strength")
    parser.add_argument("--model", default=POSTCARD, help="[the postcard model]")
    parser.add_argument(
        "--steps", type=limits.argument, nargs="+", default=STEPS, help="[1 2 4 8 20]"
    )
    parser.add_argument("--schedulers", nargs="+", help="or student; [all that are offered]")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    given = parse(arguments)
    bundle = Bundle.load(given.model)
    (case,) = paintings(1)
    drawn = case.strokes, case.prompt
    offered = [each for each in solvers.offered(bundle.scheduler_config) if each != "default"]
    curves: dict[tuple[str, int], Curve] = {}
    for scheduler in given.schedulers or [*offered, "student"]:
        for steps in given.steps:
            if scheduler != "student":
                curves[scheduler, steps] = curve(bundle, *drawn, scheduler, steps)
            elif (student := bundle.student) is not None:
                curves[scheduler, steps] = curve(student, *drawn, "default", steps, 1.0)
    print(table(curves))
    sys.exit(not all(each.kept for each in curves.values()))


if __name__ == "__main__":
    main(sys.argv[1:])
