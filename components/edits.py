"""The rows of edits: other words for one picture, and how closely each stays with it.

The rows live in the page (assets/page/edits.js): they show what changes while one types, keep
themselves in the browser, and are the component's value, a list of dictionaries (see
`PromptEdit.read`). Programs send the same list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, get_args, get_type_hints

import gradio as gr

from components.assets import called, mounted
from pipelines.request import Choice, Picture, Range, Rows, hints

BLEND_NUMBERS: Final = ("threshold", "start_blend", "subtract_threshold")
WINDOWS: Final = ("self_replace_steps", "cross_replace_steps")
ENDS: Final = {  # what a slider's ends mean
    "self_replace_steps": ("free", "as the source"),
    "cross_replace_steps": ("loosely", "tightly"),
    "threshold": ("more of it", "the core"),
    "subtract_threshold": ("more of it", "the core"),
    "start_blend": ("the first step", "the last"),
}

_EVENTS: Final = ("written",)


@dataclass(frozen=True, slots=True)
class Edits:
    """The rows on the page: `component` goes among the inputs."""

    component: gr.HTML
    key: str

    @property
    def heard(self) -> str:
        """Script for when the source's words change, by hand or not: the rows compare with them."""
        return f"async (words) => {called('page/edits', 'heard', f'{self.key!r}, words')}"

    def show(self, rows: Sequence[Mapping[str, Any]]) -> gr.HTML:
        """An update that puts these rows in place of those that are there."""
        return gr.HTML(value=list(rows))


def edits(key: str, rows: Rows) -> Edits:
    """Build the rows, one empty one at first."""
    edit_type: type[Any] = rows.row
    blend_type: type[Any] = get_args(get_type_hints(edit_type)["local_blend"])[0]
    known, blended = hints(edit_type), hints(blend_type)
    names = [each.name for each in fields(edit_type)]
    drawn = [name for name in names if not isinstance(known.get(name), Picture)]
    defaults = {name: getattr(edit_type(), name) for name in drawn}
    blend = {each.name: each.default for each in fields(blend_type)}
    about: dict[str, Any] = {
        "key": key,
        "most": rows.most,
        "defaults": {**defaults, "weights": {}, "local_blend": None},
        "blend": blend,
        "windows": [_slider(name, known[name]) for name in WINDOWS],
        "shares": [_slider(name, blended[name]) for name in BLEND_NUMBERS],
        "reductions": _options(known["self_replace_reduction"]),
    }
    component = gr.HTML(
        None,
        elem_id=f"edits-{key}",
        elem_classes="pm-host",
        html_template='<div class="pt-edits"></div>',
        js_on_load=mounted("edits", about, _EVENTS),
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
