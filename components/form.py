"""A request's fields as widgets, by name: the one place where a hint becomes a component.

What a field is called, where its values lie and what it means is said once, in the request; the
form asks the same hints that the request validates itself by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.request import (
    MAX_WORDS_LENGTH,
    Choice,
    Hint,
    Picture,
    Range,
    Request,
    Rows,
    Several,
    Switch,
    Words,
    hints,
)

MAX_SLIDER_STEPS = 10_000  # beyond that nobody can aim: a number is typed


@dataclass(frozen=True, slots=True)
class Form:
    """Widgets by the name of the field that each one fills."""

    widgets: Mapping[str, Component]

    def __or__(self, other: "Form") -> "Form":
        return Form({**self.widgets, **other.widgets})

    def values(self, sent: Mapping[Component, Any]) -> dict[str, Any]:
        """Field name -> value, out of what an event with `inputs={...}` delivers."""
        return {name: sent[widget] for name, widget in self.widgets.items()}

    def fill(self, values: Mapping[str, Any]) -> dict[Component, Any]:
        """Updates that put `values` into the widgets; names and values that do not fit are left.

        They come from an example's file or the browser's store, which may be older than the form.
        """
        return {
            widget: values[name]
            for name, widget in self.widgets.items()
            if name in values and _fits(widget, values[name])
        }


def defaults_of(request_type: type[Request], told: Mapping[str, Any]) -> dict[str, Any]:
    """What each field of the request holds at first: what a model's folder has `told`.

    Where that is nothing, or nothing that the request would take, the request's own default.
    """
    own = {each.name: each.default for each in fields(request_type)}
    taken = {
        name: hint.clean(told[name])
        for name, hint in hints(request_type).items()
        if name in told and _passes(hint, told[name])
    }
    return own | taken


def _passes(hint: Hint, value: Any) -> bool:
    try:
        hint.check(value)
    except ValueError:
        return False
    return True


def form(
    request_type: type[Request],
    names: Sequence[str],
    defaults: Mapping[str, Any],
    explained: bool = True,
) -> Form:
    """Widgets for the named fields, in this order, where the caller stands in the layout.

    `explained` says below the label what the field means, where the layout does not.
    """
    described = hints(request_type)
    return Form({name: _widget(described[name], defaults[name], explained) for name in names})


def _widget(hint: Hint, value: Any, explained: bool) -> Component:
    about: dict[str, Any] = {"label": hint.label, "info": (explained and hint.about) or None}
    match hint:
        case Range(low, high, step) if (high - low) / step > MAX_SLIDER_STEPS:
            return gr.Number(value, minimum=low, maximum=high, precision=0, **about)
        case Range(low, high, step):
            return gr.Slider(low, high, value, step=step, buttons=[], **about)
        case Choice(options):
            return gr.Dropdown(
                [(label, key) for key, label in options.items()], value=value, **about
            )
        case Words():
            return gr.Textbox(value, lines=2, max_lines=6, max_length=MAX_WORDS_LENGTH, **about)
        case Switch():
            return gr.Checkbox(value, **about)
        case Picture() | Several() | Rows():
            raise TypeError(f"{hint.label} is no single value that a form can hold.")


def _fits(widget: Component, value: Any) -> bool:
    match widget:
        case gr.Checkbox():
            return isinstance(value, bool)
        case gr.Textbox():
            return isinstance(value, str) and len(value) <= MAX_WORDS_LENGTH
        case gr.Dropdown() | gr.Radio():
            return value in [key for _, key in widget.choices]
        case gr.Slider() | gr.Number():
            low, high = widget.minimum, widget.maximum
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and low is not None and high is not None and low <= value <= high
        case _:
            return False
