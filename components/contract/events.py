"""What a running edit tells the page, one frozen value per moment: the stage's whole vocabulary.

The studio fills these, the stage shows them; neither sees the other's types.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

BROKEN: Final = "Something went wrong inside the studio; its log says what. Try again."


@dataclass(frozen=True, slots=True)
class Waiting:
    """The edit waits; `place` 1 is next. `what` says for what, where it is not the queue."""

    place: int
    what: str = ""


@dataclass(frozen=True, slots=True)
class Stepped:
    """One step is done. `frame` is a JPEG of the clean estimate, None when none was due."""

    phase: str
    index: int  # 1..total
    total: int
    seconds_left: float
    frame: bytes | None = None
    pictures: int = 1  # on the frame; several lie in a grid, row by row


@dataclass(frozen=True, slots=True)
class Change:
    """What one edit of a comparison did to its source."""

    said: str  # in a sentence or two
    changed: float  # the share of pixels that visibly changed, in [0, 1]
    where: tuple[int, int, int, int] | None  # left, top, right, bottom of nearly all of them


@dataclass(frozen=True, slots=True)
class FinishedPicture:
    """One picture of a finished edit; a figure is None where its method has none."""

    path: Path  # PNG
    seed: int
    words: str = ""  # what it was asked to show
    strength: float | None = None
    agreement: float | None = None  # cosine with the words, in [-1, 1]
    changed_inside: float | None = None  # the share of the mask's pixels that changed
    changed_outside: int | None = None  # pixels that changed elsewhere
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Attention:
    """What stands where in the views "attention/<row>": a column per word, a band per step."""

    words: Sequence[Sequence[str]]  # of each picture
    size: tuple[int, int]  # (width, height) of one map
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The edit is done and saved."""

    edit_id: str
    pictures: tuple[FinishedPicture, ...]  # in the order of their seeds
    before: Path | None = None  # what it started from, PNG at the result's size
    frames: tuple[Path, ...] = ()  # JPEG of each step, the filmstrip
    sheets: tuple[int, ...] = ()  # how many pictures are on each of them
    views: Mapping[str, Path] = field(default_factory=dict[str, Path])  # PNG, further pictures
    seconds: float = 0.0
    ranking: tuple[int, ...] = ()  # pictures by their agreement with the words, best first
    unknown_words: tuple[str, ...] = ()  # that the model does not know
    note: str = ""  # sentences about the run
    reconstruction_psnr: float | None = None  # of a source beside the picture given, in dB
    ceiling_psnr: float | None = None  # what the autoencoder alone reaches
    attention: Attention | None = None
    asked: Mapping[str, Any] = field(default_factory=dict[str, Any])  # the request, for programs
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])  # all figures, for programs

    @property
    def images(self) -> tuple[Path, ...]:
        return tuple(each.path for each in self.pictures)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(each.seed for each in self.pictures)


@dataclass(frozen=True, slots=True)
class Failed:
    """One sentence that says what happened and what to do."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The user stopped it at this step."""

    index: int
    total: int


Event = Waiting | Stepped | Finished | Failed | Stopped
