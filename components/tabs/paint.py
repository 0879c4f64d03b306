"""Paint: strokes and words on the left, the picture they become on the right (SDEdit)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import gradio as gr

from components.actions import Actions, Painting, Towards
from components.canvas import Canvas, canvas, read
from components.contract.events import Failed
from components.contract.facts import ModelFacts
from components.contract.sketch import Sketch
from components.examples import Example, examples
from components.form import Form, defaults_of, form
from components.more import more
from components.notice import aloud, notice
from components.run import Sent, run
from components.seed import seed
from components.served import cached
from components.stage import Result, Update, result_at, stage
from components.tab import Tab
from components.traffic import AT_ONCE
from components.words import box_of, chips, words
from pipelines.request import Request

KEY = "paint"
PLACEHOLDER = "Say what it is: a red house on a meadow at sunset"
EMPTY = "Your picture appears here. Paint a few strokes, say in words what they are, and press Run."
ONLY = {"everything": "everything", "around my strokes": "strokes", "the mask": "mask"}
MORE = (
    "num_inference_steps",
    "guidance_scale",
    "negative_prompt",
    "num_images",
    "repeats",
    "scheduler",
    "eta",
)
SWEEP = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # strengths, from the strokes towards the words
WHOLE = (0.0, 1.0)  # where the strength that is searched for may lie, to begin with


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint(Tab):
    canvas: Canvas
    key: str = KEY
    invitation: str = "Paint on this result"
    search: gr.State  # (low, high): where the strength that is searched for must lie
    painting: Painting

    def begin(self, sent: Sent, visitor: str) -> tuple[str, Update]:
        """Run what is given; the search for a strength starts over."""
        sketch = read(sent[self.canvas.component])
        job, seeded = self.start(*_wanted(sketch, self.values(sent)), visitor)
        return job, {**seeded, self.search: WHOLE}

    def again(self, towards: Towards, sent: Sent, visitor: str) -> tuple[str, Update]:
        """Run once more with the result's seed, halfway to the end of what is left to search."""
        values = self.values(sent)
        shown = result_at(sent[self.stage.results], sent[self.stage.chosen])
        start = values["strength"] if shown.strength is None else shown.strength
        low, high = sent[self.search]
        strength, low, high = self.painting.halve(start, low, high, towards)
        strength = round(strength, 3)  # a person reads it
        values |= {"strength": strength, "seed": shown.seed, "sweep": False, "num_images": 1}
        sketch = read(sent[self.canvas.component])
        job, seeded = self.start(*_wanted(sketch, values), visitor)
        return job, {**self.form.fill(values), **seeded, self.search: (low, high)}

    def paint_on(self, results: list[Result], chosen: int) -> gr.HTML:
        """The result becomes the picture to paint on; a mask stays."""
        return self.canvas.show(picture=result_at(results, chosen).picture, keep=["mask"])

    def live(self, on: bool, sent: object, *given: Any) -> Update | dict[str, Any]:
        """What the strokes become at once; nothing where live painting is off, or there is none."""
        if not on:
            return gr.skip()
        values = dict(zip(self.form.widgets, given, strict=True))
        values.pop("lock")
        try:
            frame = self.painting.glimpse(*_wanted(read(sent), values))
        except ValueError as refusal:
            return self.stage.show(Failed(str(refusal)))
        return self.stage.glimpse(frame) if frame else gr.skip()

    def to_strokes(self, sent: object) -> tuple[Any, str]:
        """The picture as somebody would paint it; the sentence says why not."""
        try:
            painted = self.painting.to_strokes(read(sent))
        except ValueError as refusal:
            return gr.skip(), str(refusal)
        return self.canvas.show(strokes=cached(painted), keep=["picture", "mask"]), ""

    def fill(self, example: Example) -> Update:
        """Everything as the example was made; what it does not name is as it was at first."""
        strokes = cached(Path(example["image"]))
        values = {**self.defaults, "sweep": False, "only": "everything", **example}
        return {
            self.canvas.component: self.canvas.show(strokes=strokes, keep=[]),
            **self.form.fill(values),
        }


def _wanted(sketch: Sketch, values: Mapping[str, Any]) -> tuple[Sketch, dict[str, Any]]:
    """What of the canvas is to count, and the values of the request."""
    wanted = {name: value for name, value in values.items() if name not in ("only", "sweep")}
    if values["sweep"] is True:
        wanted |= {"strengths": SWEEP, "num_images": 1}
    match values["only"]:
        case "everything":
            return replace(sketch, mask=None), wanted
        case "strokes":
            return replace(sketch, around_strokes=True), wanted
        case "mask":
            return replace(sketch, needs_mask=True), wanted
        case _:
            raise ValueError(f"Change only must be one of {', '.join(ONLY)}.")


def paint(
    request_type: type[Request], model: ModelFacts, actions: Actions, painting: Painting
) -> Paint:
    """Build the tab where the caller stands in the layout."""
    defaults = defaults_of(request_type, model.defaults_for(KEY))
    shelf = gr.Row(elem_classes="pt-shelf")
    with gr.Row(elem_classes="pt-desk", equal_height=False):
        with gr.Column(elem_classes="pt-give", min_width=320):
            size = (model.size, model.size)
            paper = canvas(key=KEY, read=actions.read, swatches=model.swatches, size=size)
            with gr.Row(elem_classes="pt-aside"):
                turn = gr.Button("Turn this picture into strokes", size="sm", scale=0)
                live = gr.Checkbox(
                    False, label="Live", visible=model.live, scale=0, min_width=0, container=False
                )
            refused = notice("strokes-refused")
            with gr.Column(elem_classes="pt-dock"):
                given, button = words(KEY, request_type, defaults, actions.check_words, PLACEHOLDER)
            if model.vocabulary:
                chips(box_of(KEY), model.vocabulary)
            given |= _how_far(request_type, defaults)
            with more(KEY):
                sweep = gr.Checkbox(
                    False,
                    label="Several strengths at once",
                    info="From your strokes to realistic, to choose from.",
                )
                rest = form(request_type, MORE, defaults) | Form({"sweep": sweep})
                chance = seed(request_type, defaults)
        with gr.Column(elem_classes="pt-get", min_width=320):
            plate = stage(KEY, EMPTY, model.size)
            with plate.onward:
                paint_on = gr.Button("Paint on this result", size="md", min_width=0)
                closer = gr.Button("Closer to my strokes", size="md", min_width=0)
                further = gr.Button("More realistic", size="md", min_width=0)
    with button:
        action = run(KEY, plate, actions)
    tab = Paint(
        canvas=paper,
        form=given | rest | chance.form,
        seed=chance,
        run=action,
        search=gr.State(WHOLE),
        painting=painting,
        defaults=defaults,
    )
    with shelf:
        examples(
            model.examples.get(KEY, ()), tab.fill, [paper.component, *tab.form.widgets.values()]
        )
    _wire(tab, turn, refused, paint_on, closer, further)
    if model.live:
        _watch(tab, live)
    return tab


def _how_far(request_type: type[Request], defaults: Mapping[str, Any]) -> Form:
    with gr.Column(elem_classes="pt-strength"):
        strength = form(request_type, ["strength"], defaults, explained=False)
        gr.HTML("<span>my strokes</span><span>realistic</span>", elem_classes="pt-ends")
    only = gr.Radio(
        list(ONLY.items()), value="everything", label="Change only", elem_classes="pt-only"
    )
    return strength | Form({"only": only})


def _wire(
    tab: Paint,
    turn: gr.Button,
    refused: gr.HTML,
    paint_on: gr.Button,
    closer: gr.Button,
    further: gr.Button,
) -> None:
    stage, paper = tab.stage, tab.canvas
    inputs = {paper.component, *tab.form.widgets.values(), tab.seed.used}
    filled = [*tab.form.widgets.values(), tab.seed.used, tab.search]
    tab.run.on([tab.run.button.click], tab.begin, inputs, filled, paper.js)
    shown = inputs | {stage.results, stage.chosen, tab.search}
    tab.run.on([closer.click], partial(tab.again, "strokes"), shown, filled, paper.js)
    tab.run.on([further.click], partial(tab.again, "realistic"), shown, filled, paper.js)
    paint_on.click(aloud(tab.paint_on), [stage.results, stage.chosen], paper.component, **AT_ONCE)
    turn.click(
        tab.to_strokes,
        paper.component,
        [paper.component, refused],
        js=paper.js,
        **AT_ONCE,
    )


def _watch(tab: Paint, live: gr.Checkbox) -> None:
    """Paint live while the switch is on; of strokes in quick succession the newest one counts."""
    paper, widgets = tab.canvas, tab.form.widgets
    words, strength = cast(gr.Textbox, widgets["prompt"]), cast(gr.Slider, widgets["strength"])
    seen: dict[str, Any] = {
        "fn": tab.live,
        "inputs": [live, paper.component, *widgets.values()],
        "outputs": tab.stage.plate,
        "js": paper.js_if,
        "trigger_mode": "always_last",
        **AT_ONCE,
    }
    paper.component.stroke(**seen)
    gr.on([live.change, words.blur, words.submit, strength.release], **seen)
