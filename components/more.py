"""What is not needed for a first try, behind a button that says "More".

Gradio 6.31 builds the inside of a closed accordion only when it is first opened, and one frame
later writes the values that it was built with once more, over what was typed by then. Here
everything is built with the tab, and only hidden.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import gradio as gr

from components.assets import mounted

LABEL: Final = "More"


@contextmanager
def more(key: str) -> Generator[None]:
    """Put what is built inside behind a button, closed at first; `key` is the tab's."""
    with gr.Column(elem_classes="pt-more"):
        gr.HTML(
            None,
            html_template=(
                f'<button type="button" aria-expanded="false" aria-controls="more-{key}">'
                f"{LABEL}</button>"
            ),
            js_on_load=mounted("more"),
            elem_classes="pt-more-head",
            apply_default_css=False,
        )
        with gr.Column(elem_id=f"more-{key}", elem_classes="pt-more-body"):
            yield
