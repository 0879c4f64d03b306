"""The rows of edits: other words for one picture, and how closely each stays with it.

The rows live in the page (assets/edits.js): they show what changes while one types, keep themselves
in the browser, and are the component's value, a list of what `read` gives. Programs send the same
list. `read` is the only reader of it, and trusts nothing in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, cast

import gradio as gr

from components.theme import call, script
from pipelines.request import Choice, Range, hints

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
WINDOWS: Final = ("self_replace_steps", "cross_replace_steps")
ENDS: Final = {  # what a slider's ends mean
    "self_replace_steps": ("free", "as the source"),
    "cross_replace_steps": ("loosely", "tightly"),
    "threshold": ("more of it", "the core"),
    "subtract_threshold": ("more of it", "the core"),
    "start_blend": ("the first step", "the last"),
}

UNREADABLE: Final = "The edits could not be read. Reload the page and run again."

Row = Mapping[str, Any]

_EVENTS: Final = ("written",)


@dataclass(frozen=True, slots=True)
class Edits:
    """The rows on the page: `component` goes among the inputs."""

    component: gr.HTML
    key: str

    @property
    def heard(self) -> str:
        """Script for when the source's words change, by hand or not: the rows compare with them."""
        return f"(words) => window.pentimentoPage.heard({self.key!r}, words)"

    def show(self, rows: Sequence[Row]) -> gr.HTML:
        """An update that puts these rows in place of those that are there."""
        return gr.HTML(value=list(rows))


def edits(key: str, edit_type: type[Any], blend_type: type[Any], most: int) -> Edits:
    """Build the rows, one empty one at first; `most` is how many there may be."""
    known, blended = hints(edit_type), hints(blend_type)
    defaults = {name: getattr(edit_type(), name) for name in FIELDS}
    blend = {each.name: each.default for each in fields(blend_type)}
    about: dict[str, Any] = {
        "key": key,
        "most": most,
        "defaults": {**defaults, "weights": {}, "local_blend": None},
        "blend": {name: blend[name] for name in BLEND},
        "windows": [_slider(name, known[name]) for name in WINDOWS],
        "shares": [_slider(name, blended[name]) for name in BLEND_NUMBERS],
        "reductions": _options(known["self_replace_reduction"]),
    }
    component = gr.HTML(
        None,
        elem_id=f"edits-{key}",
        elem_classes="pm-host",
        html_template='<div class="pt-edits"></div>',
        head=script("plate", "words", "edits"),
        js_on_load=call("pentimentoPage.edits", about, _EVENTS),
        apply_default_css=False,
    )
    return Edits(component, key)


def _slider(name: str, hint: object) -> dict[str, Any]:
    assert isinstance(hint, Range)
    limits = {"low": hint.low, "high": hint.high, "step": hint.step}
    return {"name": name, "label": hint.label, "about": hint.about, "ends": ENDS[name], **limits}


def _options(hint: object) -> dict[str, Any]:
    assert isinstance(hint, Choice)
    options = [(int(key), label) for key, label in hint.options.items()]
    return {"label": hint.label, "options": options}


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
