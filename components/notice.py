"""A sentence under a widget that may repeat what a person typed, so it is text and never HTML.

Gradio's HTML templates evaluate what they render; here the template is constant and the words are
set as text content.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import gradio as gr

from components.assets import mounted

P = ParamSpec("P")
R = TypeVar("R")


def notice(elem_id: str) -> gr.HTML:
    """An empty line; a string as its value shows, and is read aloud, politely.

    The style sheet puts an empty line out of sight. It is never hidden, for what comes with the
    element that says it is not heard.
    """
    return gr.HTML(
        "",
        elem_id=elem_id,
        elem_classes="pt-notice",
        html_template='<p role="status" aria-live="polite"></p>',
        js_on_load=mounted("notice"),
        apply_default_css=False,
    )


def aloud(handler: Callable[P, R]) -> Callable[P, R]:
    """`handler`, whose refusals (ValueError with a sentence) show in a corner of the page.

    Of errors that are not its own, Gradio tells the page nothing (studio/app.py).
    """

    @wraps(handler)
    def told(*given: P.args, **named: P.kwargs) -> R:
        try:
            return handler(*given, **named)
        except ValueError as refusal:
            raise gr.Error(str(refusal), print_exception=False) from None

    return told
