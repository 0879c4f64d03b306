"""A disk without room."""

import errno
from pathlib import Path
from typing import Any

import pytest


def fill(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """No file below these folders can be written from now on."""
    opened = Path.open

    def open_if_there_is_room(path: Path, mode: str = "r", *given: Any, **named: Any) -> Any:
        if "w" in mode and any(path.is_relative_to(folder) for folder in folders):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return opened(path, mode, *given, **named)

    monkeypatch.setattr(Path, "open", open_if_there_is_room)
