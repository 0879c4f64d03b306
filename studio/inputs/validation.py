"""Numbers and words from outside become values here, or one sentence saying why not.

They are only made safe to look at; their ranges are the request's own affair. Pictures are read by
`pipelines.pictures`; what Pillow may open at all is limited here.
"""

import math
import unicodedata
import warnings
from collections.abc import Mapping
from typing import Any, Final

from PIL import Image

from pipelines.pictures import FORMATS, MAX_PIXELS
from pipelines.request import MAX_WORDS_LENGTH, Choice, Picture, Range, Request, Words, hints

MAX_SEED: Final = 2**32 - 1


def restrict_pillow() -> None:
    """Let Pillow open only what the studio means to read, wherever it is called from.

    Gradio decodes uploads itself, with every plugin there is, among them one that starts
    Ghostscript. Called once, when the studio starts, after everything is imported.
    """
    Image.preinit()
    Image.init()
    for name in [name for name in Image.ID if name not in FORMATS]:
        Image.ID.remove(name)
        Image.OPEN.pop(name, None)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow refuses above twice this, and warns before
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def words(text: object, label: str) -> str:
    """Text that can be stored and shown anywhere: no control characters, no half characters."""
    if not isinstance(text, str):
        raise ValueError(f"{label} must be text, not {type(text).__name__}.")
    if len(text) > MAX_WORDS_LENGTH:
        raise ValueError(
            f"{label}: {len(text)} characters are too many; keep it under {MAX_WORDS_LENGTH}."
        )
    whole = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates become "?"
    clean = "".join(" " if unicodedata.category(each) == "Cc" else each for each in whole)
    return " ".join(clean.split())


def number(value: object, label: str) -> int | float:
    """A number that arithmetic can be trusted with; the request checks its range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{label} must be a number, not {value!r:.40}.")
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise ValueError(f"{label} is far too large.")
    elif not math.isfinite(value):
        raise ValueError(f"{label} must be a number, not {value}.")
    return value


def fields(request_type: type[Request], values: Mapping[str, Any]) -> dict[str, Any]:
    """The request's own hinted fields out of a form's or a client's values, made safe.

    Left out, so that the request's defaults hold: what is not given, names that the request does
    not have, and pictures, which arrive as files.
    """
    safe: dict[str, Any] = {}
    for name, hint in hints(request_type).items():
        value = values.get(name)
        if value is None:
            continue
        match hint:
            case Range():
                safe[name] = number(value, hint.label)
            case Words():
                safe[name] = words(value, hint.label)
            case Choice():
                safe[name] = value
            case Picture():
                pass
    return safe
