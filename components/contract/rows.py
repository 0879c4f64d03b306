"""The rows of a comparison's edits, as the page and programs send them.

`read` is their only reader, and trusts nothing in them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

MAX_ROWS: Final = 1_000  # looked at; how many may run is the request's affair
FIELDS: Final = (
    "prompt",
    "self_replace_steps",
    "cross_replace_steps",
    "self_replace_reduction",
    "weights",
    "local_blend",
)
BLEND_WORDS: Final = ("source", "target", "subtract")
BLEND_NUMBERS: Final = ("threshold", "start_blend", "subtract_threshold")
BLEND: Final = (*BLEND_WORDS, *BLEND_NUMBERS)

UNREADABLE: Final = "The edits could not be read. Reload the page and run again."

Row = Mapping[str, Any]


def read(value: object) -> list[Row]:
    """The rows, each with known names and of the right make; ValueError with a sentence otherwise.

    Their numbers are as they came: the request that is made of them knows the ranges.
    """
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise ValueError(UNREADABLE)
    rows = cast("Sequence[Any]", value)
    if len(rows) > MAX_ROWS:
        raise ValueError(f"{len(rows)} edits are far too many; take some away.")
    return [_row(each, f"Edit {number}") for number, each in enumerate(rows, start=1)]


def _row(value: object, name: str) -> Row:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a dictionary with a prompt.")
    row = _known(cast("dict[Any, Any]", value), FIELDS, name)
    prompt = row.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError(f"{name} has no words yet: write what it should show, or remove it.")
    steps = row.get("cross_replace_steps")
    if isinstance(steps, dict):
        row["cross_replace_steps"] = _by_word(steps, f"{name}: words bind")
    if "weights" in row:
        row["weights"] = _by_word(row["weights"], f"{name}: the strength of words")
    if row.get("local_blend") is not None:
        row["local_blend"] = _blend(row["local_blend"], f"{name}: the local blend")
    return row


def _known(given: Mapping[Any, Any], names: Sequence[str], name: str) -> dict[str, Any]:
    for each in given:
        if each not in names:
            raise ValueError(f"{name} takes {', '.join(names)}, but not {str(each)!r:.40}.")
    return {each: given[each] for each in names if each in given}


def _by_word(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(word, str) for word in value):
        raise ValueError(f"{name} must be given by word, such as {{'tree': 2.0}}.")
    return cast("dict[str, Any]", value)


def _blend(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a dictionary, such as {{'source': ['house']}}.")
    blend = _known(cast("dict[Any, Any]", value), BLEND, name)
    for each in BLEND_WORDS:
        words = blend.get(each, ())
        words = (words,) if isinstance(words, str) else words
        if not isinstance(words, list | tuple) or not all(isinstance(w, str) for w in words):
            raise ValueError(f"{name} takes words under {each!r}, such as ['house'].")
        blend[each] = tuple(words)
    return blend
