"""A file of the studio's as the page fetches it: a copy in Gradio's cache, byte for byte.

Gradio's picture components re-encode, and refuse paths outside the working folder; a `FileData`
that lies in the cache already is served as it is, at whatever address the app is mounted. (Only
from queued events: in others Gradio 6.31 leaves the address that the app is mounted at out; the
canvas, which is shown to at once, makes the address itself.)
"""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gradio.data_classes import FileData
from gradio.processing_utils import hash_file
from gradio.utils import get_upload_folder, is_static_file

GONE: Final = "This picture is not on the disk any more. Run again, or take another one."
ELSEWHERE: Final = "This picture is a link that leads out of its folder, so it is not shown."


def cached(path: Path, name: str | None = None) -> Path:
    """A copy of `path` in the cache, under a name that a download would keep.

    Where Gradio serves the file as it is, the file: it may be there because the disk is full.
    ValueError with a sentence where the file is gone, cannot be copied, or is a link out of there.
    """
    cache = Path(get_upload_folder())
    try:
        if is_static_file(path):
            return path
        if path.is_relative_to(cache):
            if not path.resolve().is_relative_to(cache.resolve()):
                raise ValueError(ELSEWHERE)
            return path
        if not path.is_file():
            raise ValueError(GONE)
        copy = cache / hash_file(path) / (name or path.name)
        if copy.exists():
            os.utime(copy)  # it is handed out again, so it is not old
            return copy
        return _copied(path, copy)
    except FileNotFoundError:
        raise ValueError(GONE) from None
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "it cannot be read"
        raise ValueError(f"This picture cannot be shown ({why}). Look at the disk.") from error


def _copied(path: Path, copy: Path) -> Path:
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial = copy.with_name(f".{secrets.token_hex(8)}")
    try:
        shutil.copyfile(path, partial)
        return partial.replace(copy)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def served(path: Path, name: str | None = None) -> dict[str, Any]:
    """`{"path", "url", …}` of that copy; Gradio fills the url in on the way to the page."""
    return FileData(path=str(cached(path, name))).model_dump()
