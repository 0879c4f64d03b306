"""What was typed and set survives a reload: the form's values, kept for each browser tab.

Another model has other good settings, so where the form began with different ones than when the
values were kept, only the words come back.
"""

import hashlib
import json
from typing import Any

import gradio as gr

from components.assets import called
from components.form import Form
from components.traffic import AT_ONCE
from pipelines.request import MAX_WORDS_LENGTH


def remember(page: gr.Blocks, form: Form, key: str) -> None:
    """Keep the form's values as they change, without asking the server, and put them back on load.

    What somebody has typed by then stays. A kept value that does not fit its widget is left out,
    since the browser's store may be older than the form.

    Both names are fixed: with Gradio's random ones a restart of the studio would lose everything.
    In the page assets/page/tab.js makes of the key one for each browser tab.
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

    fields = json.dumps([_field(name, widget) for name, widget in form.widgets.items()])
    given = f"'{start}', {fields}, kept, values"
    page.load(
        None,
        inputs=[store, *widgets],
        outputs=widgets,
        js=f"async (kept, ...values) => {called('page/memory', 'restored', given)}",
        **AT_ONCE,
    )


def _field(name: str, widget: Any) -> dict[str, Any]:
    """What of a widget the page has to know to put a value back into it."""
    field: dict[str, Any] = {"name": name, "first": getattr(widget, "value", None)}
    match widget:
        case gr.Checkbox():
            field["among"] = [True, False]
        case gr.Textbox():
            field["longest"] = MAX_WORDS_LENGTH
        case gr.Dropdown() | gr.Radio():
            field["among"] = [key for _, key in widget.choices]
        case gr.Slider() | gr.Number():
            field["between"] = [widget.minimum, widget.maximum]
        case _:
            pass
    return field


def _start(form: Form) -> str:
    """What the form holds at first, in short."""
    values = {name: getattr(widget, "value", None) for name, widget in form.widgets.items()}
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:16]
