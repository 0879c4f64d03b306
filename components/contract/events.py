"""What a running edit tells the page, one frozen value per moment: the stage's whole vocabulary.

The studio fills these, the stage shows them; neither sees the other's types.
"""

from collections.abc import Mapping
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
class Finished:
    """The edit is done and saved."""

    edit_id: str
    images: tuple[Path, ...]  # PNG, one per picture, in seed order
    seeds: tuple[int, ...]
    before: Path | None  # what it started from, PNG at the result's size
    frames: tuple[Path, ...]  # JPEG of each step, the filmstrip
    notes: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    views: Mapping[str, Path] = field(default_factory=dict)  # PNG, further pictures by name
    asked: Mapping[str, Any] = field(default_factory=dict)  # the request, as its recipe tells it


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
