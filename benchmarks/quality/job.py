"""A job: its cases, the rows that do it, and what is measured of each result."""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
from PIL import Image

from benchmarks.quality.cases import Exhibits
from benchmarks.quality.lab import Lab

Pictures = Sequence[Image.Image]
Figures = dict[str, float]


class Case(Protocol):
    """What the runner and the sheet ask of a case."""

    @property
    def prompt(self) -> str: ...

    @property
    def exhibits(self) -> Exhibits: ...


C = TypeVar("C", bound=Case)


@dataclass(frozen=True, slots=True)
class Job(Generic[C]):
    """One thing to do, done by every row to every case."""

    name: str
    about: str
    cases: Sequence[C]
    rows: Mapping[str, Callable[[Lab, C], Pictures]]  # ours first
    measure: Callable[[Lab, C, Pictures], Figures]
    merit: str  # the figure by which the best and the worst cases are found
    over_all: Callable[[Lab, Sequence[C], Sequence[Pictures]], Figures] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one row made of all cases."""

    pictures: list[Pictures]  # by case
    each: list[Figures]  # by case
    figures: Figures  # means over the cases where a figure is defined, and figures of the whole
    seconds: float  # a case


@dataclass(frozen=True, slots=True)
class Result:
    """What all rows made of a job."""

    name: str
    about: str
    merit: str
    cases: Sequence[Case]
    outcomes: dict[str, Outcome] = field(default_factory=dict)  # by row


def run(job: Job[C], lab: Lab) -> Result:
    result = Result(job.name, job.about, job.merit, job.cases)
    for row, method in job.rows.items():
        print(f"{job.name}: {row}", file=sys.stderr)
        begun = time.perf_counter()
        pictures = [method(lab, case) for case in job.cases]
        seconds = (time.perf_counter() - begun) / len(job.cases)
        each = [job.measure(lab, *pair) for pair in zip(job.cases, pictures, strict=True)]
        figures = means(each)
        if job.over_all is not None:
            figures |= job.over_all(lab, job.cases, pictures)
        result.outcomes[row] = Outcome(pictures, each, figures, seconds)
    return result


def means(each: Sequence[Figures]) -> Figures:
    """The mean of each figure over those that have it; what is undefined everywhere is left out."""
    names = list(dict.fromkeys(name for figures in each for name in figures))
    found: Figures = {}
    for name in names:
        values = [figures[name] for figures in each if not math.isnan(figures.get(name, math.nan))]
        if values:
            found[name] = float(np.mean(values))
    return found
