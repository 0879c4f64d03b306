"""From tab to tab: a result goes on in another one, and its mask with it."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from components.canvas import Canvas
from components.notice import aloud
from components.run import Sent
from components.stage import result_at
from components.tab import Tab
from components.traffic import AT_ONCE


def passages(tabs: Mapping[str, Tab], bar: gr.Tabs) -> None:
    """A button under each tab's result for every other tab."""
    for here in tabs.values():
        given = [here.canvas.component] if here.canvas else []
        for name, there in tabs.items():
            if there is here or there.canvas is None:
                continue
            with here.stage.onward:
                button = gr.Button(there.invitation, size="md", min_width=0)
            button.click(
                aloud(_carry(here, there, there.canvas, name, bar)),
                {here.stage.results, here.stage.chosen, *given, *here.form.widgets.values()},
                [there.canvas.component, bar, *there.settled],
                js=here.canvas.js if here.canvas else None,
                **AT_ONCE,
            )


def _carry(here: Tab, there: Tab, canvas: Canvas, name: str, bar: gr.Tabs) -> Callable[[Sent], Any]:
    def carry(sent: Sent) -> Any:
        """The picture, and the mask if there is one; without one the mask over there stays."""
        result = result_at(sent[here.stage.results], sent[here.stage.chosen])
        mask = here.mask_over(result, sent)
        return {
            canvas.component: canvas.show(picture=result.picture, mask=mask, keep=["mask"]),
            bar: gr.Tabs(selected=name),
            **there.settle(result.words),
        }

    return carry
