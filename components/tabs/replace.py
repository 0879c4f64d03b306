"""Replace: a mask and words on the left, candidates on the right (Blended Latent Diffusion)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from components.actions import Actions, Outlined
from components.canvas import Canvas, Layer, canvas, read, read_mask
from components.contract.facts import ModelFacts
from components.examples import Example, examples
from components.form import Form, defaults_of, form
from components.more import more
from components.notice import notice
from components.run import Sent, run
from components.seed import seed
from components.served import cached
from components.stage import Result, Update, accepted, result_at, stage
from components.tab import Tab
from components.traffic import AT_ONCE
from components.words import box_of, chips, words
from pipelines.request import Request

KEY = "replace"
PLACEHOLDER = "Say what belongs there: a red house on a meadow at sunset"
HINT = "Drop a picture here, or open one; then paint over what is to change"
EMPTY = (
    "The candidates appear here. Paint over a part of your picture, "
    "say in words what belongs there, and press Run."
)
SHAPE = ("grow", "feather")
SIDES = ("left", "top", "right", "bottom")
MORE = (
    "negative_prompt",
    "background",
    "crop",
    "num_inference_steps",
    "guidance_scale",
    "shrink_steps",
    "scheduler",
    "eta",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace(Tab):
    canvas: Canvas
    key: str = KEY
    invitation: str = "Replace in this result"
    refused: gr.HTML
    outlined: Outlined

    def begin(self, sent: Sent, visitor: str) -> tuple[str, Update]:
        """Run what is given."""
        job, seeded = self.start(read(sent[self.canvas.component]), self.values(sent), visitor)
        return job, {**seeded, self.refused: ""}

    def judge(self, sent: Sent) -> Update:
        """The canvas holds the accepted result, or what was there before; the mask stays."""
        index = accepted(sent[self.stage.plate])
        try:
            return self._restore(sent) if index is None else self._accept(sent, index)
        except ValueError as refusal:
            return {self.refused: str(refusal)}

    def mask_over(self, result: Result, sent: Sent) -> Layer | None:
        """Moved with its picture where the frame has grown; that of an accepted one has moved."""
        mask = read(sent[self.canvas.component]).mask
        return _moved(mask, self.form.values(sent), result) or mask

    def _accept(self, sent: Sent, index: int) -> Update:
        """The result becomes the canvas's picture, under the same mask; the frame has grown."""
        result = result_at(sent[self.stage.results], index)
        region = read_mask(sent[self.canvas.component])
        shown = self.canvas.show(
            picture=result.picture,
            mask=_moved(region.mask, self.form.values(sent), result),
            keep=["mask"],
            aside=result.edit,
        )
        return {
            self.canvas.component: shown,
            self.refused: "",
            **self.form.fill(dict.fromkeys(SIDES, 0)),
        }

    def _restore(self, sent: Sent) -> Update:
        """What was there before a result was accepted; in a smaller frame with its own mask."""
        result = result_at(sent[self.stage.results], 0)
        sides = {name: result.asked.get(name, 0) for name in SIDES}
        return {
            self.canvas.component: self.canvas.back(
                result.edit, keep=[] if any(sides.values()) else ["mask"]
            ),
            self.refused: "",
            **self.form.fill(sides),
        }

    def outline(self, sent: object, grow: int, feather: int) -> Any:
        """The mask as it will be used, drawn over the one that was painted."""
        try:
            region = read_mask(sent)
            return self.canvas.outline(region, **self.outlined(region, grow, feather))
        except ValueError:
            return gr.skip()  # Run says why, when it matters

    def fill(self, example: Example) -> Update:
        """Everything as the example was made; what it does not name is as it was at first."""
        picture, strokes, mask = (_file(example, name) for name in ("image", "strokes", "mask"))
        shown = self.canvas.show(picture=picture, strokes=strokes, mask=mask, keep=[])
        return {
            self.canvas.component: shown,
            **self.form.fill({**self.defaults, **example}),
        }


def replace(
    request_type: type[Request], model: ModelFacts, actions: Actions, outlined: Outlined
) -> Replace:
    """Build the tab where the caller stands in the layout."""
    defaults = defaults_of(request_type, model.defaults_for(KEY))
    shelf = gr.Row(elem_classes="pt-shelf")
    with gr.Row(elem_classes="pt-desk", equal_height=False):
        with gr.Column(elem_classes="pt-give", min_width=320):
            paper = canvas(
                key=KEY,
                read=actions.read,
                swatches=model.swatches,
                size=(model.size, model.size),
                hint=HINT,
                layer="mask",
            )
            with gr.Row(elem_classes="pt-shape"):
                shape = form(request_type, SHAPE, defaults, explained=False)
            refused = notice(f"refused-{KEY}")
            with gr.Column(elem_classes="pt-dock"):
                given, button = words(KEY, request_type, defaults, actions.check_words, PLACEHOLDER)
            if model.vocabulary:
                chips(box_of(KEY), model.vocabulary)
            given |= _how_far(request_type, defaults)
            with more(KEY):
                rest = form(request_type, MORE, defaults)
                gr.HTML("<p>Extend the frame, by pixels</p>", elem_classes="pt-group")
                sides = form(request_type, SIDES, defaults, explained=False)
                chance = seed(request_type, defaults)
        with gr.Column(elem_classes="pt-get", min_width=320):
            plate = stage(KEY, EMPTY, model.size, judged=True)
    with button:
        action = run(KEY, plate, actions)
    fields = shape | given | rest | sides | chance.form
    tab = Replace(
        canvas=paper,
        form=fields,
        seed=chance,
        run=action,
        refused=refused,
        outlined=outlined,
        defaults=defaults,
    )
    with shelf:
        examples(model.examples.get(KEY, ()), tab.fill, [paper.component, *fields.widgets.values()])
    _wire(tab)
    return tab


def _how_far(request_type: type[Request], defaults: Mapping[str, Any]) -> Form:
    with gr.Row(elem_classes="pt-shape"):
        with gr.Column(elem_classes="pt-strength", min_width=200):
            strength = form(request_type, ["strength"], defaults, explained=False)
            gr.HTML(
                "<span>what is there</span><span>the words alone</span>", elem_classes="pt-ends"
            )
        with gr.Column(min_width=200):
            candidates = form(request_type, ["num_images"], defaults, explained=False)
    return strength | candidates


def _wire(tab: Replace) -> None:
    stage, paper, widgets = tab.stage, tab.canvas, tab.form.widgets
    inputs: set[Component] = {paper.component, *widgets.values(), tab.seed.used}
    filled = [tab.seed.number, tab.seed.used, tab.refused]
    tab.run.on([tab.run.button.click], tab.begin, inputs, filled, paper.js)
    judged = inputs | {stage.plate, stage.results}
    changed = [paper.component, tab.refused, *(widgets[name] for name in SIDES)]
    newest: dict[str, Any] = {"trigger_mode": "always_last", **AT_ONCE}
    stage.plate.judge(tab.judge, judged, changed, js=paper.mask_js, **newest)
    shaping: list[Any] = [widgets[name] for name in SHAPE]
    drawn: dict[str, Any] = {
        "fn": tab.outline,
        "inputs": [paper.component, *shaping],
        "outputs": paper.component,
        "js": paper.mask_js,
        **newest,
    }
    paper.component.mask(**drawn)  # the canvas waits until the hand rests
    gr.on([widget.change for widget in shaping], **drawn)


def _file(example: Example, name: str) -> Path | None:
    return cached(Path(example[name])) if example.get(name) else None


def _moved(path: Path | None, values: Mapping[str, Any], result: Result) -> Image.Image | None:
    """The mask where its picture now lies in a frame that has grown; None where it stays."""
    left, top, right, bottom = sides = [int(values[name] or 0) for name in SIDES]
    if path is None or not any(sides):
        return None
    with Image.open(result.path) as picture, Image.open(path) as mask:
        inner = picture.width - left - right, picture.height - top - bottom
        if min(inner) < 1:  # the sides are no longer those of the run
            return None
        moved = Image.new("L", picture.size)
        moved.paste(mask.convert("L").resize(inner), (left, top))
        return moved
