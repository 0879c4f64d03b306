"""What was typed and set survives a reload: the form's values, in the browser's own store."""

import json
from typing import Any

import gradio as gr

from components.form import Form
from components.traffic import AT_ONCE


def remember(page: gr.Blocks, form: Form, key: str) -> gr.BrowserState:
    """Keep the form's values as they change, without asking the server, and put them back on load.

    Both names are fixed: with Gradio's random ones a restart of the studio would lose everything.
    """
    store = gr.BrowserState(None, storage_key=f"pentimento-form-{key}", secret="pentimento")
    widgets: list[Any] = list(form.widgets.values())
    names = json.dumps(list(form.widgets))
    gr.on(
        [widget.change for widget in widgets],
        None,
        inputs=widgets,
        outputs=store,
        js=f"(...values) => Object.fromEntries({names}.map((name, i) => [name, values[i]]))",
        **AT_ONCE,
    )

    def restore(values: object) -> dict[Any, Any]:
        return (isinstance(values, dict) and form.fill(values)) or gr.skip()

    page.load(
        restore,
        inputs=store,
        outputs=widgets,
        **AT_ONCE,
    )
    return store
