"""Which model was chosen last, and what on top of it: a small file in the data folder."""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

log = logging.getLogger(__name__)

FILE = "model.json"


@dataclass(frozen=True, slots=True)
class OnTop:
    """What is loaded on top of a model."""

    loras: tuple[tuple[str, float], ...] = ()  # paths, with their weights
    embeddings: tuple[str, ...] = ()  # paths

    def __bool__(self) -> bool:
        return bool(self.loras or self.embeddings)

    @property
    def files(self) -> tuple[str, ...]:
        return (*(path for path, _ in self.loras), *self.embeddings)

    def only(self, keep: Callable[[str], bool]) -> Self:
        """Of these files, those that `keep` is true of."""
        loras = tuple(each for each in self.loras if keep(each[0]))
        return type(self)(loras, tuple(filter(keep, self.embeddings)))


NOTHING = OnTop()

Chosen = tuple[str, OnTop]  # a model's source, and what is on top of it


def read(data: Path) -> Chosen | None:
    """The model that was chosen last, and what on top of it; None where none was."""
    try:
        return _read(json.loads((data / FILE).read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        log.warning("The last choice of a model cannot be read (%s)", error)
        return None


def write(data: Path, source: str, on_top: OnTop = NOTHING) -> None:
    told = {"model": source, "loras": dict(on_top.loras), "embeddings": on_top.embeddings}
    try:
        (data / FILE).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:  # the model serves all the same
        log.warning("The choice of a model cannot be kept (%s)", error)


def _read(told: Any) -> Chosen:
    loras = tuple((path, float(weight)) for path, weight in told["loras"].items())
    on_top = OnTop(loras, tuple(told["embeddings"]))
    texts = (told["model"], *on_top.files)
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError("a path is no text")
    if not all(math.isfinite(weight) for _, weight in loras):
        raise ValueError("a weight is no number")
    return told["model"], on_top
