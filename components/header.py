"""The top of the page: the name, what this is in one line, the model, the light, and the keys."""

import gradio as gr

from components.contract.facts import ModelFacts
from components.theme import script

KEYS = (
    ("Painting", (("B", "brush"), ("E", "eraser"), ("G", "fill"), ("I", "pick a colour"))),
    ("", (("[  ]", "smaller, larger brush"), ("Space", "hold to move the sheet"))),
    ("", (("+  -  0", "zoom in, zoom out, fit to view"),)),
    ("", (("Ctrl Z", "undo"), ("Ctrl Shift Z", "redo"), ("Ctrl V", "paste a picture"))),
    ("Mask", (("M", "strokes or mask"), ("R", "rectangle"), ("L", "lasso"))),
    ("Page", (("Ctrl Enter", "run"), ("?", "these keys"))),
)


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
        html_template='<header class="pt-header"></header>',
        head=script("keys", "plate", "page"),
        js_on_load="window.pentimentoPage.header(element, {props})",
        apply_default_css=False,
        keys=[{"name": name, "keys": [list(each) for each in keys]} for name, keys in KEYS],
    )
