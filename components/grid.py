"""The grid: a source and its edits side by side, while they are drawn and when they are done.

It is a stage whose plate holds many pictures (assets/page/grid.js): two of them can be held against
each other, all against the source, and the map of a word can lie over each.
"""

from collections.abc import Sequence
from typing import Any, Final

import gradio as gr
from PIL import Image

from components.assets import mounted
from components.contract.events import Change, Finished
from components.served import served
from components.stage import Stage, remarks, staged

LONG: Final = 2 / 3  # a box that is longer than this share of a side is nowhere in particular on it
ACROSS: Final = ("left", "", "right")
DOWN: Final = ("top", "", "bottom")

_EVENTS: Final = ("stop", "choose")

Box = Sequence[int]  # left, top, right, bottom


def grid(key: str, empty: str, size: int) -> Stage:
    """Build the grid with the sentence `empty` on it; `size` as for a stage."""
    plate = gr.HTML(
        {"phase": "empty"},
        elem_id=f"stage-{key}",
        elem_classes="pm-host",
        html_template='<div class="pt-stage pt-grid" data-phase="empty"></div>',
        js_on_load=mounted("grid", {"stage": key, "empty": empty, "size": size}, _EVENTS),
        apply_default_css=False,
    )
    return staged(key, plate, compared)


def compared(event: Finished) -> dict[str, Any]:
    """A comparison as the grid draws it."""
    with Image.open(event.images[0]) as source:
        size = source.size
    pictures: list[dict[str, Any]] = []
    for row, each in enumerate(event.pictures):
        change = each.change
        pictures.append(
            {
                "file": served(each.path, f"pentimento-{event.edit_id}-{row + 1}.png"),
                "title": f"Edit {row}" if row else "Source",
                "words": each.words,
                "said": change.said if change else "",
                "figure": _figure(change, size) if change else "",
                "box": change.where if change else None,
            }
        )
    seed = f"seed {event.seeds[0]} · " if event.before is None else ""
    return {
        "pictures": pictures,
        "size": list(size),
        "before": served(event.before) if event.before else None,
        "caption": f"{seed}{event.seconds:.1f} s",
        "text": " ".join(filter(None, [_faithfulness(event), remarks(event)])),
        "sheets": list(event.sheets),
        "attention": _attention(event),
    }


def _figure(change: Change, size: tuple[int, int]) -> str:
    """How much has changed, and where."""
    if change.where is None:
        return "Nothing changed that can be seen."
    share = f"{100 * change.changed:.0f} %" if change.changed >= 0.01 else "Less than 1 %"
    return f"{share} changed, {place(change.where, size)}."


def place(box: Box, size: tuple[int, int]) -> str:
    """Where in a picture of this size a box lies, in words."""
    left, top, right, bottom = box
    width, height = size
    wide, tall = right - left > LONG * width, bottom - top > LONG * height
    across = ACROSS[min(2, int(3 * (left + right) / 2 / width))]
    down = DOWN[min(2, int(3 * (top + bottom) / 2 / height))]
    if wide and tall:
        return "here and there all over"
    if wide:
        return f"across the {down or 'middle'}"
    if tall:
        return f"along the {across or 'middle'}"
    return f"at the {' '.join(filter(None, [down, across]))}" if across or down else "in the middle"


def _faithfulness(event: Finished) -> str:
    """How near the source came to the picture that was given."""
    if event.reconstruction_psnr is None or event.ceiling_psnr is None:
        return ""
    return (
        f"The source comes back at {event.reconstruction_psnr:.1f} dB (PSNR); "
        f"the model's autoencoder can reach {event.ceiling_psnr:.1f} dB."
    )


def _attention(event: Finished) -> dict[str, Any] | None:
    """The maps of the words, where they were collected."""
    legend = event.attention
    names = [f"attention/{row}" for row in range(len(event.pictures))]
    if legend is None or any(name not in event.views for name in names):
        return None
    return {
        "files": [served(event.views[name]) for name in names],
        "words": legend.words,
        "size": list(legend.size),
        "steps": legend.steps,
    }
