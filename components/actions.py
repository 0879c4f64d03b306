"""What a tab may ask of the studio, and what it knows about the model: all that crosses the border.

The view imports neither the studio nor the methods, so both come in here as plain callables and
plain facts. Every action raises `ValueError` with one sentence for a person; the tab shows it.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from components.canvas import Line, Reader, Region, Sketch, Swatch
from components.events import Event

Towards = Literal["strokes", "realistic"]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the page says and offers about the model that is loaded."""

    name: str
    device: str
    size: int  # the sides it draws best, in pixels
    on_top: Sequence[str] = ()  # what was added to it: LoRAs with their weights, taught words
    defaults: Mapping[str, Any] = field(default_factory=dict)  # field -> value; tab -> its own
    vocabulary: Mapping[str, Sequence[str]] = field(default_factory=dict)  # group -> its words
    swatches: Sequence[Swatch] = ()
    # Of each tab: name, image (and perhaps mask, strokes: paths), and fields of the request.
    examples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    live: bool = False  # whether it can paint in a few steps, while the hand still moves

    def defaults_for(self, tab: str) -> Mapping[str, Any]:
        """What the fields hold at first in one tab: what is said for it, over what is for all."""
        all_tabs = {
            k: value for k, value in self.defaults.items() if not isinstance(value, Mapping)
        }
        own = self.defaults.get(tab)
        return {**all_tabs, **(own if isinstance(own, Mapping) else {})}


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
