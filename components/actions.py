"""What a tab may ask of the studio.

The view imports neither the studio nor the methods, so both come in here as plain callables. Every
action raises `ValueError` with one sentence for a person; the tab shows it.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from components.canvas import Reader
from components.contract.events import Event
from components.contract.sketch import Line, Region, Sketch

Towards = Literal["strokes", "realistic"]


@dataclass(frozen=True, slots=True)
class Actions:
    """The studio's verbs, as every tab sees them."""

    start: Callable[[Sketch, Mapping[str, Any], str], str]  # sketch, values, visitor -> job id
    watch: Callable[[str, str], AsyncIterator[Event]]  # from where it is now to its end
    stop: Callable[[str, str], None]
    check_words: Callable[[str], str]  # "" or one sentence about words that will not be heard
    read: Reader  # what is opened on the canvas, as a run will read it


# The mask, what it grows by and its feather -> closed lines, by the name of their style.
Outlined = Callable[[Region, int, int], Mapping[str, Sequence[Line]]]


@dataclass(frozen=True, slots=True)
class Painting:
    """And what Paint asks besides."""

    to_strokes: Callable[[Sketch], Path]
    halve: Callable[[float, float, float, Towards], tuple[float, float, float]]
    # What the canvas becomes in a few steps, a JPEG; None while there is nothing, or a run is on.
    glimpse: Callable[[Sketch, Mapping[str, Any]], bytes | None]


def visitor(request: gr.Request) -> str:
    """Who asks: whom the studio took them for, or at least this one page."""
    return str(request.username or request.session_hash or "")
