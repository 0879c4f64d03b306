"""The methods on offer: the one place where a method of `pipelines` meets its tab."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from components.actions import Actions, Painting
from components.contract.facts import ModelFacts
from components.tab import Tab
from components.tabs.compare import compare
from components.tabs.paint import paint
from components.tabs.replace import replace
from pipelines.blended import Blended, blended
from pipelines.prompt_to_prompt import (
    MAX_EDITS,
    PromptEdit,
    PromptToPrompt,
    Sources,
    prompt_to_prompt,
)
from pipelines.prompt_to_prompt.local_blend import LocalBlend
from pipelines.request import Picture, Request
from pipelines.sdedit import SDEdit, halved, sdedit, strokes
from studio.desk import Desk, Gather, whole
from studio.endpoint import Spoken
from studio.inputs import opening
from studio.inputs.comparisons import gathered
from studio.runs.engine import Method

PAINT = Spoken("Refine strokes or a photo into what the words say (SDEdit).")
REPLACE = Spoken("Replace a region by what the words say (Blended Latent Diffusion).")
COMPARE = Spoken(
    """Draw a source and edits of its words side by side (Prompt-to-Prompt).

The pictures are the source and then each edit. An edit is a dictionary with its own prompt and,
where wanted, cross_replace_steps (an end, [start, end], or either by word), self_replace_steps (an
end or [start, end]), self_replace_reduction, weights (word: strength) and local_blend (source,
target, subtract: words; threshold, subtract_threshold, start_blend).""",
    first=("prompt", "edits"),
    further={
        "edits": (
            list[dict[str, Any]],
            'Up to 8, such as {"prompt": "a blue house", "weights": {"blue": 1.5}}.',
        ),
        "mask_image": Picture("Mask", about="White: the edits may change it. Black: stays."),
        "attention": (bool, 'Whether to keep the maps of words, as atlases under "views".'),
    },
)


@dataclass(frozen=True, slots=True)
class Entry:
    name: str  # the word on the tab
    paper: str
    request: type[Request]
    method: Method
    tab: Callable[[ModelFacts, Desk], Tab]  # builds the tab where the caller stands
    spoken: Spoken  # the same for programs
    gather: Gather = whole


def entries() -> Sequence[Entry]:
    kept = Sources()  # a second edit of a source pays for itself only
    latent = "Blended Latent Diffusion · Avrahami et al., 2023"
    return (
        Entry("Paint", "SDEdit · Meng et al., 2022", SDEdit, sdedit, _paint, PAINT),
        Entry("Replace", latent, Blended, blended, _replace, REPLACE),
        Entry(
            "Compare",
            "Prompt-to-Prompt · Hertz et al., 2023",
            PromptToPrompt,
            partial(prompt_to_prompt, sources=kept),
            _compare,
            COMPARE,
            gathered,
        ),
    )


def _actions(desk: Desk) -> Actions:
    return Actions(
        start=desk.start,
        watch=desk.watch,
        stop=desk.stop,
        check_words=desk.check_words,
        read=opening.read,
    )


def _paint(model: ModelFacts, desk: Desk) -> Tab:
    painting = Painting(
        to_strokes=partial(desk.converted, strokes), halve=halved, glimpse=desk.glimpse
    )
    return paint(SDEdit, model, _actions(desk), painting)


def _replace(model: ModelFacts, desk: Desk) -> Tab:
    return replace(Blended, model, _actions(desk), desk.outlined)


def _compare(model: ModelFacts, desk: Desk) -> Tab:
    return compare(PromptToPrompt, PromptEdit, LocalBlend, MAX_EDITS, model, _actions(desk))
