"""A tab that is derived from its request: canvas, words and fields, without a line of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import gradio as gr
from gradio.components import Component

from components.actions import Actions
from components.canvas import Canvas, canvas, read
from components.contract.facts import ModelFacts
from components.contract.sketch import Sketch
from components.edits import Edits, edits
from components.examples import Example, examples
from components.form import defaults_of, form
from components.grid import grid
from components.more import more
from components.run import Sent, run
from components.seed import seed
from components.served import cached
from components.stage import Update, stage
from components.tab import Tab
from components.words import box_of, chips, words
from pipelines.request import Hint, Picture, Request, Rows, Several, hints, required

HINT = "Drop a picture here, or open one"
EMPTY = "Your picture appears here. Say in words what it should show, and press Run."


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived(Tab):
    rows: Mapping[str, Edits]  # field → its rows
    taken: Mapping[str, Hint]  # what the request takes

    def begin(self, sent: Sent, visitor: str) -> tuple[str, Update]:
        """Run what is given."""
        values = self.values(sent)
        values |= {name: sent[each.component] for name, each in self.rows.items()}
        return self.start(self._sketch(sent), values, visitor)

    def _sketch(self, sent: Sent) -> Sketch:
        if self.canvas is None:
            return Sketch(None, None, None, 0, 0, by_seed=True)
        sketch = read(sent[self.canvas.component])
        blank = sketch.picture is None and sketch.strokes is None
        return replace(
            sketch,
            by_seed=blank and not required(self.taken.get("image")),
            needs_mask=required(self.taken.get("mask_image")),
        )

    def fill(self, example: Example) -> Update:
        """Everything as the example was made; what it does not name is as it was at first."""
        update: Update = {**self.form.fill({**self.defaults, **example})}
        update |= {each.component: each.show(example.get(n, ())) for n, each in self.rows.items()}
        if self.canvas is not None:
            picture, strokes, mask = (
                cached(Path(example[n])) if example.get(n) else None
                for n in ("image", "strokes", "mask")
            )
            shown = self.canvas.show(picture=picture, strokes=strokes, mask=mask, keep=[])
            update[self.canvas.component] = shown
        return update


def derived(name: str, request_type: type[Request], model: ModelFacts, actions: Actions) -> Derived:
    """Build the tab where the caller stands in the layout.

    The request's own fields stand in view, those of every request behind More.
    """
    key, taken = name.lower(), hints(request_type)
    defaults = defaults_of(request_type, model.defaults_for(key))
    single = [
        each for each, hint in taken.items() if not isinstance(hint, Picture | Rows | Several)
    ]
    usual = [each for each in single if each in hints(Request) and each not in ("prompt", "seed")]
    own = [each for each in single if each not in hints(Request)]
    shelf = gr.Row(elem_classes="pt-shelf")
    with gr.Row(elem_classes="pt-desk", equal_height=False):
        with gr.Column(elem_classes="pt-give", min_width=320):
            paper = _paper(key, taken, model, actions)
            with gr.Column(elem_classes="pt-dock"):
                about = taken["prompt"].about
                given, button = words(key, request_type, defaults, actions.check_words, about)
            if model.vocabulary:
                chips(box_of(key), model.vocabulary)
            rows = {n: edits(key, hint) for n, hint in taken.items() if isinstance(hint, Rows)}
            given |= form(request_type, own, defaults)
            with more(key):
                given |= form(request_type, usual, defaults)
                chance = seed(request_type, defaults)
        with gr.Column(elem_classes="pt-get", min_width=320):
            plate = (grid if rows else stage)(key, EMPTY, model.size)
    with button:
        action = run(key, plate, actions)
    tab = Derived(
        key=key,
        invitation=f"{name} with this result",
        canvas=paper,
        form=given | chance.form,
        seed=chance,
        run=action,
        defaults=defaults,
        rows=rows,
        taken=taken,
    )
    shown: list[Component] = [*(each.component for each in rows.values())]
    shown += [paper.component] if paper else []
    with shelf:
        widgets = [*shown, *tab.form.widgets.values()]
        examples(model.examples.get(key, ()), tab.fill, widgets)
    inputs = {*widgets, chance.used}
    js = paper.js if paper else None
    action.on([action.button.click], tab.begin, inputs, [chance.number, chance.used], js)
    return tab


def _paper(
    key: str, taken: Mapping[str, Hint], model: ModelFacts, actions: Actions
) -> Canvas | None:
    """A canvas where the request takes a picture or a mask."""
    if not {"image", "mask_image"} & taken.keys():
        return None
    return canvas(
        key=key,
        read=actions.read,
        swatches=model.swatches,
        size=(model.size, model.size),
        hint=HINT,
        layer="mask" if "mask_image" in taken else "strokes",
    )
