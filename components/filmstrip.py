"""The steps of a run, side by side, scrubbed with a slider; the stage shows where it stands.

Scrubbing happens in the page (assets/page/filmstrip.js) and costs no traffic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from components.assets import mounted
from components.served import served


@dataclass(frozen=True, slots=True)
class Filmstrip:
    component: gr.HTML

    def show(self, frames: Sequence[Path]) -> dict[gr.HTML, list[dict[str, Any]]]:
        """Put these frames, first step first, on the strip; fewer than two leave it empty.

        A frame's name tells its step, `step-007.jpg`: of many steps in a second not all are kept.
        """
        told = [{"file": served(frame), "step": _step(frame)} for frame in frames]
        return {self.component: told}


def filmstrip(stage: str) -> Filmstrip:
    """An empty strip whose frames show on the stage with this key."""
    return Filmstrip(
        gr.HTML(
            [],
            elem_classes="pm-host",
            html_template='<div class="pt-filmstrip" hidden></div>',
            js_on_load=mounted("filmstrip", stage),
            apply_default_css=False,
        )
    )


def _step(frame: Path) -> int:
    return int(frame.stem.removeprefix("step-"))
