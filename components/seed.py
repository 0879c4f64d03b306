"""The seed with its dice and its lock.

A seed that is new, because somebody typed or rolled it or an example brought it, is used. One that
a run has already used is replaced by another for the next run, unless it is locked.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr

from components.form import Form, form
from components.traffic import AT_ONCE
from pipelines.request import Request

SEEDS = 2**32

_ROLL = f"() => Math.floor(Math.random() * {SEEDS})"


@dataclass(frozen=True, slots=True)
class Seed:
    number: gr.Number
    lock: gr.Checkbox
    used: gr.State  # the seed of the last run

    @property
    def form(self) -> Form:
        return Form({"seed": self.number, "lock": self.lock})


def next_seed(shown: Any, locked: bool, used: Any) -> Any:
    """The seed of the run that begins. `shown` is as it was sent: the studio checks it."""
    return shown if locked or shown != used else secrets.randbelow(SEEDS)


def seed(request_type: type[Request], defaults: Mapping[str, Any]) -> Seed:
    with gr.Row(elem_classes="pt-seed", equal_height=False):
        number = cast(gr.Number, form(request_type, ["seed"], defaults).widgets["seed"])
        roll = gr.Button("Roll", size="sm", elem_classes="pt-roll", min_width=64, scale=0)
        lock = gr.Checkbox(
            False, label="Keep this seed", elem_classes="pt-lock", min_width=120, scale=0
        )
    roll.click(None, outputs=number, js=_ROLL, **AT_ONCE)
    return Seed(number, lock, gr.State(None))
