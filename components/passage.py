"""From tab to tab: a result goes on in another one, and its mask with it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import gradio as gr
from gradio.components import Component

from components.canvas import Canvas, read
from components.served import cached
from components.stage import Result, Stage, result_at
from components.traffic import AT_ONCE


class Room(Protocol):
    """What a tab must have for results to come and go."""

    @property
    def canvas(self) -> Canvas: ...
    @property
    def stage(self) -> Stage: ...
    @property
    def invitation(self) -> str:
        """What the button that leads here says in other tabs."""
        ...

    @property
    def settled(self) -> Sequence[Component]:
        """What else is set when a result arrives."""
        ...

    def settle(self, words: str) -> Mapping[Component, Any]:
        """How it is set, where `words` led to the result."""
        ...


def passages(rooms: Mapping[str, Room], tabs: gr.Tabs) -> None:
    """A button under each tab's result for every other tab."""
    for here in rooms.values():
        for name, there in rooms.items():
            if there is here:
                continue
            with here.stage.onward:
                button = gr.Button(there.invitation, size="md", min_width=0)
            button.click(
                _carry(there, name, tabs),
                [here.stage.results, here.stage.chosen, here.canvas.component],
                [there.canvas.component, tabs, *there.settled],
                js=here.canvas.js,
                **AT_ONCE,
            )


def _carry(there: Room, name: str, tabs: gr.Tabs) -> Callable[..., Any]:
    def carry(results: list[Result], chosen: int, sent: object) -> Any:
        """The picture, and the mask if there is one; without one the mask over there stays."""
        try:
            result, mask = result_at(results, chosen), read(sent).mask
        except ValueError as refusal:
            raise gr.Error(str(refusal), print_exception=False) from None
        picture = cached(Path(result.path))
        return {
            there.canvas.component: there.canvas.show(picture=picture, mask=mask, keep=["mask"]),
            tabs: gr.Tabs(selected=name),
            **there.settle(result.words),
        }

    return carry
