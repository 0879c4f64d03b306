"""A tab: what is given on its left, what becomes of it on its right, and how a run begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from components.canvas import Canvas, Layer, read
from components.contract.sketch import Sketch
from components.form import Form
from components.memory import remember
from components.run import Run, Sent
from components.seed import Seed, next_seed
from components.stage import Result, Stage, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A tab's components, and what its buttons do."""

    key: str
    invitation: str  # what the button that leads here says in other tabs
    canvas: Canvas | None  # None where the method takes no picture
    form: Form
    seed: Seed
    run: Run
    defaults: Mapping[str, Any]  # what the form holds at first, by field

    @property
    def stage(self) -> Stage:
        return self.run.stage

    @property
    def settled(self) -> Sequence[Component]:
        """What else is set when a result arrives from another tab."""
        return ()

    def settle(self, words: str) -> Mapping[Component, Any]:
        """How it is set, where `words` led to the result; here they are for something else."""
        return {}

    def mask_over(self, result: Result, sent: Sent) -> Layer | None:
        """The canvas's mask as it lies over a result; None where nothing is masked."""
        return None if self.canvas is None else read(sent[self.canvas.component]).mask

    def attach(self, page: gr.Blocks) -> None:
        """What happens when the page loads: what was typed comes back, and so does the run."""
        remember(page, self.form, self.key)
        self.run.attach(page)

    def values(self, sent: Sent) -> dict[str, Any]:
        """What the form holds, with the seed of the run that begins."""
        values = self.form.values(sent)
        values["seed"] = next_seed(values["seed"], values.pop("lock"), sent[self.seed.used])
        return values

    def start(self, sketch: Sketch, values: Mapping[str, Any], visitor: str) -> tuple[str, Update]:
        """Run what is on the canvas; the updates show the seed, which is used by then."""
        job = self.run.actions.start(sketch, values, visitor)
        return job, {self.seed.number: values["seed"], self.seed.used: values["seed"]}
