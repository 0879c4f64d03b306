"""Which model was chosen last, and what on top of it: a small file in the data folder."""

import asyncio
import json
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from studio import disk

log = logging.getLogger(__name__)

FILE = "model.json"
MOST = 2**20  # bytes


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
    """The model that was chosen last, and what on top of it; None where none was.

    What cannot be read is set aside, so that the next choice does not overwrite it.
    """
    path = data / FILE
    try:
        if not os.path.lexists(path):
            return None
        if not path.is_file() or path.stat().st_size > MOST:
            raise ValueError("it is no small file")
        return _read(json.loads(path.read_bytes().decode("utf-8", "surrogatepass")))
    except OSError as error:
        log.warning("The model chosen last cannot be read: %s.", disk.reason(error))
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError):
        kept = "left as it is"
        try:
            kept = f"kept as {disk.set_aside(path)}"
        except OSError as error:
            log.debug("%s cannot be renamed: %s", path, disk.reason(error))
        log.warning("The model chosen last cannot be read; the file is %s.", kept)
    return None


async def write(data: Path, source: str, on_top: OnTop = NOTHING) -> None:
    """Keep the choice for the next start; where that cannot be, the model serves all the same."""
    told = {"model": source, "loras": dict(on_top.loras), "embeddings": on_top.embeddings}
    text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    try:  # a path need not be UTF-8
        content = text.encode("utf-8", "surrogatepass")
        await asyncio.to_thread(disk.replace, data / FILE, content)
    except OSError as error:
        log.warning("The choice of a model cannot be kept: %s.", disk.reason(error))


def _read(told: Any) -> Chosen:
    loras = tuple((path, float(weight)) for path, weight in told["loras"].items())
    on_top = OnTop(loras, tuple(told["embeddings"]))
    texts = (told["model"], *on_top.files)
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError("a path is no text")
    if not all(math.isfinite(weight) for _, weight in loras):
        raise ValueError("a weight is no number")
    return told["model"], on_top
