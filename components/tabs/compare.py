"""Compare: a source's words and other words for it on the left, their pictures on the right.

Prompt-to-Prompt: every edit is drawn together with the source and keeps of it what it is told to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from components.actions import Actions
from components.canvas import Canvas, canvas, read
from components.contract.facts import ModelFacts
from components.edits import Edits, edits
from components.examples import Example, examples
from components.form import Form, defaults_of, form
from components.grid import grid
from components.more import more
from components.notice import aloud, notice
from components.run import Sent, run
from components.seed import seed
from components.served import cached
from components.stage import Result, Update, result_at
from components.tab import Tab
from components.traffic import AT_ONCE
from components.words import box_of, chips, words
from pipelines.request import Request, Rows, hints

KEY = "compare"
PLACEHOLDER = "Say what the source shows: a red house on a meadow by day"
HINT = "Drop the picture here, or open one; paint over it where alone edits may change it"
EMPTY = (
    "The source and its edits appear here, side by side. Say what the source shows, "
    "change some of its words below, and press Run."
)
SOURCES = {"Drawn from a seed": "seed", "A given picture": "picture"}
MORE = ("negative_prompt", "num_inference_steps", "guidance_scale", "scheduler")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare(Tab):
    canvas: Canvas
    key: str = KEY
    invitation: str = "Compare from this result"
    edits: Edits

    @property
    def settled(self) -> Sequence[Component]:
        return [self.form.widgets[name] for name in ("source", "prompt")]

    def settle(self, words: str) -> Mapping[Component, Any]:
        """A result that arrives is the given picture, and its words describe it."""
        return self.form.fill({"source": "picture", "prompt": words})

    def begin(self, sent: Sent, visitor: str) -> tuple[str, Update]:
        """Run the source and all edits."""
        values = {**self.values(sent), "edits": sent[self.edits.component]}
        given, within = values.pop("source") == "picture", values.pop("within")
        sketch = read(sent[self.canvas.component])
        if not given:
            mask = sketch.mask if within else None
            sketch = replace(sketch, by_seed=True, mask=mask, needs_mask=bool(within))
        return self.start(sketch, values, visitor)

    def start_from(self, results: list[Result], chosen: int) -> Any:
        """The picture that was clicked last becomes the given one, with its own words."""
        result = result_at(results, chosen)
        shown = self.canvas.show(picture=result.picture, keep=[])
        return {self.canvas.component: shown, **self.settle(result.words)}

    def mask(self, results: list[Result]) -> Update:
        """The source lies on the canvas, to be masked; its seed and words draw it again."""
        source = result_at(results, 0)
        shown = self.canvas.show(picture=source.picture, keep=["mask"])
        again = {"source": "seed", "within": True, "prompt": source.words}
        again |= {"seed": source.seed, "lock": True}
        return {self.canvas.component: shown, **self.form.fill(again)}

    def check(self, sent: object) -> str:
        """The first sentence about words of the rows that the model will not hear."""
        written = sent if isinstance(sent, list) else []
        for number, row in enumerate(written, start=1):
            prompt = row.get("prompt") if isinstance(row, dict) else None
            said = self.run.actions.check_words(prompt) if isinstance(prompt, str) else ""
            if said:
                return f"Edit {number}: {said}"
        return ""

    def fill(self, example: Example) -> Update:
        """Everything as the example was made; what it does not name is as it was at first."""
        update: Update = {
            self.edits.component: self.edits.show(example["edits"]),
            **self.form.fill({**self.defaults, "source": "seed", "within": False, **example}),
            self.seed.used: None,  # the example's seed is to run, even if another had the same
        }
        if example.get("picture"):
            picture = cached(Path(example["picture"]))
            update |= {self.canvas.component: self.canvas.show(picture=picture, keep=[])}
        return update


def compare(request_type: type[Request], model: ModelFacts, actions: Actions) -> Compare:
    """Build the tab where the caller stands in the layout."""
    defaults = defaults_of(request_type, model.defaults_for(KEY))
    rows = hints(request_type)["edits"]
    assert isinstance(rows, Rows)
    shelf = gr.Row(elem_classes="pt-shelf")
    with gr.Row(elem_classes="pt-desk pt-desk-compare", equal_height=False):
        with gr.Column(elem_classes="pt-give", min_width=320):
            source = gr.Radio(
                list(SOURCES.items()), value="seed", label="Source", elem_classes="pt-only"
            )
            within = gr.Checkbox(
                False,
                label="Edits change only inside the mask",
                info="Paint it over the source. Its seed is kept.",
                elem_classes="pt-within",
            )
            with gr.Column(elem_classes="pt-given"):
                paper = canvas(
                    key=KEY,
                    read=actions.read,
                    swatches=model.swatches,
                    size=(model.size, model.size),
                    hint=HINT,
                    layer="mask",
                )
                with gr.Column(elem_classes="pt-inversion"):
                    inversion = form(request_type, ["inversion"], defaults)
            given, button = words(KEY, request_type, defaults, actions.check_words, PLACEHOLDER)
            if model.vocabulary:
                chips(box_of(KEY), model.vocabulary, ".pt-edit textarea")
            heard = notice(f"heard-{KEY}-edits")
            changes = edits(KEY, rows)
            attention = form(request_type, ["attention"], defaults)
            with more(KEY):
                rest = form(request_type, MORE, defaults)
                chance = seed(request_type, defaults)
        with gr.Column(elem_classes="pt-get", min_width=320):
            plate = grid(KEY, EMPTY, model.size)
            with plate.onward:
                start_from = gr.Button("Start from this picture", size="md", min_width=0)
                masking = gr.Button(
                    "Mask the source", size="md", min_width=0, elem_classes="pt-masking"
                )
    with button:
        action = run(KEY, plate, actions)
    own = Form({"source": source, "within": within})
    fields = own | attention | given | inversion | rest | chance.form
    tab = Compare(
        canvas=paper, form=fields, edits=changes, seed=chance, run=action, defaults=defaults
    )
    with shelf:
        filled = [paper.component, changes.component, chance.used, *fields.widgets.values()]
        given_edits = (each for each in model.examples.get(KEY, ()) if _has_edits(each))
        examples([*given_edits], tab.fill, filled)
    _wire(tab, heard, start_from, masking)
    return tab


def _has_edits(example: Example) -> bool:
    return isinstance(example.get("edits"), list)


def _wire(tab: Compare, heard: gr.HTML, start_from: gr.Button, masking: gr.Button) -> None:
    paper, rows, widgets = tab.canvas, tab.edits, tab.form.widgets
    inputs: set[Component] = {paper.component, rows.component, tab.seed.used, *widgets.values()}
    tab.run.on(
        [tab.run.button.click], tab.begin, inputs, [tab.seed.number, tab.seed.used], paper.js
    )
    prompt: Any = widgets["prompt"]
    prompt.change(None, inputs=prompt, js=rows.heard, **AT_ONCE)
    written: dict[str, Any] = {"trigger_mode": "always_last", **AT_ONCE}
    rows.component.written(tab.check, rows.component, heard, **written)
    start_from.click(
        aloud(tab.start_from),
        [tab.stage.results, tab.stage.chosen],
        [paper.component, *tab.settled],
        **AT_ONCE,
    )
    drawn = ("source", "within", "prompt", "seed", "lock")
    masking.click(
        aloud(tab.mask),
        tab.stage.results,
        [paper.component, *(widgets[name] for name in drawn)],
        **AT_ONCE,
    )
