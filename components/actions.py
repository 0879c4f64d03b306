"""What a tab may ask of the studio, and what it knows about the model: all that crosses the border.

The view imports neither the studio nor the methods, so both come in here as plain callables and
plain facts. Every action raises `ValueError` with one sentence for a person; the tab shows it.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from components.canvas import Sketch, Swatch
from components.events import Event

Towards = Literal["strokes", "realistic"]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the page says and offers about the model that is loaded."""

    name: str
    device: str
    size: int  # the sides it draws best, in pixels
    defaults: Mapping[str, Any] = field(default_factory=dict)  # field of the request -> value
    vocabulary: Mapping[str, Sequence[str]] = field(default_factory=dict)  # group -> its words
    swatches: Sequence[Swatch] = ()
    examples: Sequence[Mapping[str, Any]] = ()  # name, image (a path), and fields of the request


@dataclass(frozen=True, slots=True)
class Actions:
    """The studio's verbs, as a tab sees them."""

    start: Callable[[Sketch, Mapping[str, Any], str], str]  # sketch, values, visitor -> job id
    watch: Callable[[str, str], AsyncIterator[Event]]  # from where it is now to its end
    stop: Callable[[str, str], None]
    check_words: Callable[[str], str]  # "" or one sentence about words that will not be heard
    to_strokes: Callable[[Sketch], Path]
    halve: Callable[[float, float, float, Towards], tuple[float, float, float]]


def visitor(request: gr.Request) -> str:
    """Who asks: whom the studio took them for, or at least this one page."""
    return str(request.username or request.session_hash or "")
