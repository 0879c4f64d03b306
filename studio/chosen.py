"""Which model was chosen last: one line in the data folder, for the next start."""

import logging
from pathlib import Path

log = logging.getLogger(__name__)

FILE = "model.txt"


def read(data: Path) -> str | None:
    """The path of the model that was chosen last; None where none was."""
    try:
        return (data / FILE).read_text("utf-8").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        log.warning("The last choice of a model cannot be read (%s)", error)
        return None


def write(data: Path, source: str) -> None:
    try:
        (data / FILE).write_text(source + "\n", "utf-8")
    except OSError as error:  # the model serves all the same
        log.warning("The choice of a model cannot be kept (%s)", error)
