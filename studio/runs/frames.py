"""Pictures of a run while it runs: few enough not to slow it, small enough to stream."""

import math
from collections.abc import Callable, Mapping, Sequence

from PIL import Image

from studio.runs.recipes import jpeg

PER_SECOND = 8.0  # more than that no browser paints well
SHARE = 1 / 12  # of the run's time, at most, that goes into making frames
LARGEST = 384  # pixels on a side
SHEET = 576  # of several pictures in a grid


class Frames:
    """Makes a frame when one is due, and keeps each for the filmstrip."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due = -math.inf
        self._pictures: dict[str, Image.Image] = {}  # the newest of each, for the grid
        self._steps = 0
        self.kept: dict[int, bytes] = {}  # number of the step → JPEG
        self.counts: list[int] = []  # pictures on each that was kept

    def take(self, view: Callable[[], Mapping[str, Image.Image]]) -> bytes | None:
        """A JPEG of the step that was just done, or None where it is too early for another."""
        self._steps += 1
        begun = self._clock()
        if begun < self._due:
            return None
        self._pictures.update(view())
        if not self._pictures:
            return None
        frame = jpeg(tile(list(self._pictures.values())))
        cost = self._clock() - begun if self.kept else 0.0  # the first one also sets things up
        self._due = begun + max(1 / PER_SECOND, cost / SHARE)
        self.kept[self._steps] = frame
        self.counts.append(len(self._pictures))
        return frame


def tile(pictures: Sequence[Image.Image]) -> Image.Image:
    """One picture as it is, several as a grid; never larger than a frame or a sheet may be."""
    if len(pictures) == 1:
        return _small(pictures[0], LARGEST)
    across = math.ceil(math.sqrt(len(pictures)))
    down = math.ceil(len(pictures) / across)
    side = SHEET // across
    cells = [_small(each, side) for each in pictures]
    width, height = (max(size) for size in zip(*(cell.size for cell in cells), strict=True))
    sheet = Image.new("RGB", (across * width, down * height), "white")
    for place, cell in enumerate(cells):
        row, column = divmod(place, across)
        sheet.paste(cell, (column * width, row * height))
    return sheet


def _small(picture: Image.Image, side: int) -> Image.Image:
    if max(picture.size) <= side:
        return picture
    copy = picture.copy()
    copy.thumbnail((side, side), Image.Resampling.BILINEAR)
    return copy
