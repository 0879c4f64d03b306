"""The top of the page: the name, what this is in one line, the model, the light, and the keys."""

from typing import Final

import gradio as gr

from components.assets import mounted
from components.contract.facts import ModelFacts

MISSING: Final = "The scripts of this page did not come. Reload it."  # stands there until they do


def header(
    title: str, explanation: str, model: ModelFacts, choosable: bool = False, login: bool = False
) -> gr.HTML:
    """With `choosable`, the model's name is a button that opens the picker.

    With `login`, there is a button that logs out.
    """
    count = f" + {len(model.on_top)}" if model.on_top else ""
    return gr.HTML(
        {
            "title": title,
            "explanation": explanation,
            "model": f"{model.name}{count}",
            "on_top": ", ".join(model.on_top),
            "device": model.device.upper(),
            "choosable": choosable,
            "login": login,
        },
        elem_id="header",
        elem_classes="pm-host",
        html_template=f'<header class="pt-header"><p>{MISSING}</p></header>',
        js_on_load=mounted("header"),
        apply_default_css=False,
    )
