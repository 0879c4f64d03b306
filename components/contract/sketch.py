"""What is on a canvas, as the page hands it over: files that have been received, not decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LAYERS: Final = ("picture", "strokes", "mask")

Swatch = tuple[str, str]  # a name for people, a colour as "#rrggbb"
Line = Sequence[tuple[float, float]]  # a closed line, its points in the sheet's pixels


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is on a canvas, as files that Gradio received; nothing has been decoded yet.

    `strokes` (RGBA) and `mask` (gray, white = edit) are `width` x `height`. `picture` is the user's
    own file, untouched, of the same aspect but perhaps larger. A blank white canvas has none.
    """

    picture: Path | None
    strokes: Path | None
    mask: Path | None
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Region:
    """The mask alone, as far as it is on the sheet: None where nothing is masked.

    `scale` is how many pixels of the sheet one pixel of the picture's own file takes, at most 1.
    """

    mask: Path | None
    width: int
    height: int
    scale: float
