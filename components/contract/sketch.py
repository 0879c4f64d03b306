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
    own file, untouched, of the same aspect but perhaps larger. A blank white canvas has none. What
    of them an edit takes, the last three say.
    """

    picture: Path | None
    strokes: Path | None
    mask: Path | None
    width: int
    height: int
    by_seed: bool = False  # the seed draws the picture: neither this one nor the strokes count
    needs_mask: bool = False  # where nothing is masked, it is refused
    around_strokes: bool = False  # the picture may change only around the strokes


@dataclass(frozen=True, slots=True)
class Region:
    """The mask alone, as far as it is on the sheet: None where nothing is masked.

    `scale` is how many pixels of the sheet one pixel of the picture's own file takes, at most 1.
    """

    mask: Path | None
    width: int
    height: int
    scale: float
