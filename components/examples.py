"""Something to begin with: a strip of painted examples, each one click from a filled page."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from components.stage import Update
from components.traffic import AT_ONCE

Example = Mapping[str, Any]  # "name", "image" (a path), and fields of the request


def examples(
    given: Sequence[Example],
    fill: Callable[[Example], Update],
    outputs: Sequence[Component],
) -> None:
    """One button per example, its picture on it; a click does what `fill` says."""
    if not given:
        return
    with gr.Row(elem_classes="pt-examples"):
        gr.HTML("<p>Begin with one of these</p>", elem_classes="pt-examples-label", padding=False)
        buttons = [
            gr.Button(str(each["name"]), icon=Path(each["image"]), size="sm", min_width=0)
            for each in given
        ]
    for button, each in zip(buttons, given, strict=True):
        if button.icon is not None:
            button.keep_in_cache.add(button.icon["path"])  # else it is swept away one day
        button.click(
            partial(fill, each),
            outputs=list(outputs),
            **AT_ONCE,
        )
