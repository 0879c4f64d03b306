"""What was typed and set survives a reload: the form's values, kept for each browser tab.

Another model has other good settings, so where the form began with different ones than when the
values were kept, only the words come back.
"""

import hashlib
import json
from typing import Any

import gradio as gr

from components.form import Form
from components.traffic import AT_ONCE


def remember(page: gr.Blocks, form: Form, key: str) -> None:
    """Keep the form's values as they change, without asking the server, and put them back on load.

    Both names are fixed: with Gradio's random ones a restart of the studio would lose everything.
    In the page assets/tab.js makes of the key one for each browser tab.
    """
    store = gr.BrowserState(None, storage_key=f"pentimento-form-{key}", secret="pentimento")
    widgets: list[Any] = list(form.widgets.values())
    names, start = json.dumps(list(form.widgets)), _start(form)
    gr.on(
        [widget.change for widget in widgets],
        None,
        inputs=widgets,
        outputs=store,
        js=f"(...values) => ({{start: '{start}', values: "
        f"Object.fromEntries({names}.map((name, i) => [name, values[i]]))}})",
        **AT_ONCE,
    )

    def restore(kept: object) -> dict[Any, Any]:
        values = kept.get("values") if isinstance(kept, dict) else None
        if not isinstance(kept, dict) or not isinstance(values, dict):
            return gr.skip()
        if kept.get("start") != start:
            words = {k for k, widget in form.widgets.items() if isinstance(widget, gr.Textbox)}
            values = {name: value for name, value in values.items() if name in words}
        return form.fill(values) or gr.skip()

    page.load(
        restore,
        inputs=store,
        outputs=widgets,
        **AT_ONCE,
    )


def _start(form: Form) -> str:
    """What the form holds at first, in short."""
    values = {name: getattr(widget, "value", None) for name, widget in form.widgets.items()}
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:16]
