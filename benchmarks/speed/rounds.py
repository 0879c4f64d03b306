"""Sides that do the same work, timed one after another in rounds of changing order."""

import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

Side = Callable[[], object]
Seconds = dict[str, list[float]]  # side → of each round


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of one thing."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def __format__(self, form: str) -> str:
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def now(device: torch.device) -> float:
    """The clock, once the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def timed(side: Side, device: torch.device) -> float:
    """Seconds that it takes."""
    gc.collect()
    begun = now(device)
    side()
    return now(device) - begun


def order(names: Sequence[str], number: int) -> list[str]:
    """Who goes when in a round: each goes first in turn, then all of it backwards."""
    lap, turn = divmod(number, len(names))
    turned = [*names[turn:], *names[:turn]]
    return turned if lap % 2 == 0 else turned[::-1]


def interleaved(
    sides: Mapping[str, Side], rounds: int, device: torch.device, about: str = ""
) -> Seconds:
    """What each side took in each round, so that all share what else the machine does."""
    seconds: Seconds = {name: [] for name in sides}
    for number in range(rounds):
        for name in order(list(sides), number):
            seconds[name].append(timed(sides[name], device))
        print(f"\r{about}: {number + 1} of {rounds} rounds", end="", file=sys.stderr)
    print(file=sys.stderr)
    return seconds


def ratio(seconds: Seconds, side: str, peer: str) -> Spread:
    """A side's seconds over its peer's of the same round."""
    pairs = zip(seconds[side], seconds[peer], strict=True)
    return Spread.of([mine / other for mine, other in pairs])


Picture = Image.Image | Path  # or the file that it was saved in


def differ(mine: Sequence[Picture], other: Sequence[Picture]) -> int:
    """The largest difference between pictures, of 255."""
    pairs = zip(mine, other, strict=True)
    return max(int(np.abs(_levels(a) - _levels(b)).max()) for a, b in pairs)


class Unequal(AssertionError):
    """The sides of a benchmark do different work, so their times say nothing."""


def agreed(
    drawn: Mapping[str, Sequence[Picture]], peer: str, dtype: torch.dtype, allowed: int = 1
) -> dict[str, int]:
    """By how much each side's pictures differ from the peer's, of 255.

    Raises Unequal where it is more than `allowed` in float32. In half precision kernels that round
    otherwise may draw visibly other pictures, so there it is only told.
    """
    found = {side: differ(pictures, drawn[peer]) for side, pictures in drawn.items()}
    for side, difference in found.items():
        if difference > allowed and dtype == torch.float32:
            raise Unequal(f"{side} and {peer} differ by {difference} of 255: not the same work.")
    return found


def _levels(picture: Picture) -> np.ndarray:
    if isinstance(picture, Path):
        with Image.open(picture) as saved:
            return np.array(saved.convert("RGB"), np.int16)
    return np.array(picture, np.int16)
