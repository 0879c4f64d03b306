"""Numbers and words from outside become values here, or one sentence saying why not.

They are only made safe to look at; their ranges are the request's own affair. Pictures are read by
`pipelines.pictures`; what Pillow may open at all is limited here.
"""

import math
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from PIL import Image

from pipelines.pictures import FORMATS, MAX_PIXELS
from pipelines.request import (
    MAX_WORDS_LENGTH,
    Choice,
    Picture,
    Range,
    Request,
    Row,
    Rows,
    Several,
    Switch,
    Words,
    hints,
)

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
            case Choice() | Switch() | Several():
                safe[name] = value
            case Rows():
                safe[name] = rows(hint, value)
            case Picture():
                pass
    return safe


def rows(hint: Rows, value: object) -> list[Row]:
    """Rows out of a list of dictionaries; ValueError with a sentence that says which is wrong."""
    label = hint.label
    if not isinstance(value, list | tuple):
        raise ValueError(f"The {label.lower()}s could not be read: send a list of dictionaries.")
    sent = cast("Sequence[Any]", value)
    if len(sent) > hint.most:
        raise ValueError(
            f"At most {hint.most} {label.lower()}s run at once, not {len(sent)}; take some away."
        )
    return [_row(hint, each, f"{label} {number}") for number, each in enumerate(sent, start=1)]


def _row(hint: Rows, sent: object, name: str) -> Row:
    if not isinstance(sent, dict):
        raise ValueError(f"{name} must be a dictionary.")
    row = dict(cast("dict[Any, Any]", sent))
    try:
        for each, own in hints(hint.row).items():
            if isinstance(own, Words) and isinstance(row.get(each), str):
                row[each] = words(row[each], own.label)
        return hint.row.read(row)
    except ValueError as refusal:
        raise ValueError(f"{name}: {refusal}") from None
