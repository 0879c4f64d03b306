"""The words: a box with Run beside it, the model's vocabulary as chips, and what is not understood.

Chips are for models with a small vocabulary; a click puts the word where the caret stands. Words
that the model does not know are named while they are written, since it would ignore them silently.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import gradio as gr

from components.assets import mounted
from components.form import Form, form
from components.notice import notice
from components.traffic import AT_ONCE
from pipelines.request import Request


def words(
    key: str,
    request_type: type[Request],
    defaults: Mapping[str, Any],
    check: Callable[[str], str],
    placeholder: str,
) -> tuple[Form, gr.Column]:
    """The box for the words, and beside it the place of the button that runs them."""
    line = notice(f"heard-{key}")
    with gr.Row(elem_classes="pt-say", equal_height=True):
        written = form(request_type, ["prompt"], defaults, explained=False)
        button = gr.Column(scale=0, min_width=0, elem_classes="pt-go")
    box = cast(gr.Textbox, written.widgets["prompt"])
    box.elem_id, box.placeholder = box_of(key), placeholder
    name_unknown(box, check, line)
    return written, button


def box_of(key: str) -> str:
    """The id of a tab's box for the words."""
    return f"words-{key}"


def chips(box: str, vocabulary: Mapping[str, Sequence[str]], others: str = "") -> gr.HTML:
    """Chips that write into the text box with this elem_id.

    Where one of the `others` (a CSS selector) has the caret, they write there.
    """
    return gr.HTML(
        [{"name": name, "words": list(words)} for name, words in vocabulary.items()],
        elem_classes="pm-host",
        html_template='<div class="pt-chips"></div>',
        js_on_load=mounted("chips"),
        apply_default_css=False,
        box=box,
        others=others,
    )


def name_unknown(words: gr.Textbox, check: Callable[[str], str], line: gr.HTML) -> None:
    """Say in `line`, while they are written, which of the words this model cannot hear."""
    gr.on(
        [words.change, words.blur],
        check,
        inputs=words,
        outputs=line,
        trigger_mode="always_last",
        **AT_ONCE,
    )
