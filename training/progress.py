"""One line of progress at a time, with the clock, on the screen and in the log."""

from __future__ import annotations

import logging
import time
from pathlib import Path

PROGRESS_SECONDS = 30.0  # between two reports of a stage

_log = logging.getLogger("training")


def open_log(folder: Path) -> None:
    """Send progress to the screen and to `folder/training.log`."""
    folder.mkdir(parents=True, exist_ok=True)
    layout = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
    layout.converter = time.gmtime
    for handler in (logging.StreamHandler(), logging.FileHandler(folder / "training.log")):
        handler.setFormatter(layout)
        _log.addHandler(handler)
    _log.setLevel(logging.INFO)


def say(line: str) -> None:
    """Report one line."""
    _log.info(line)
