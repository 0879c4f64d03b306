"""The words: a box, the model's vocabulary as chips below it, and what it will not understand.

Chips are for models with a small vocabulary; a click puts the word where the caret stands. Words
that the model does not know are named while they are written, since it would ignore them silently.
"""

from collections.abc import Callable, Mapping, Sequence

import gradio as gr

from components.theme import script
from components.traffic import AT_ONCE


def chips(box: str, vocabulary: Mapping[str, Sequence[str]]) -> gr.HTML:
    """Chips that write into the text box with this elem_id."""
    return gr.HTML(
        [{"name": name, "words": list(words)} for name, words in vocabulary.items()],
        elem_classes="pm-host",
        html_template='<div class="pt-chips"></div>',
        head=script("stage", "page"),
        js_on_load="window.pentimentoPage.chips(element, {props, watch})",
        apply_default_css=False,
        box=box,
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
