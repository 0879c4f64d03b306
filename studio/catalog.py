"""The methods on offer: the one place where a method of `pipelines` meets its tab."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from components.actions import Actions, Masking, ModelFacts, Painting
from components.page import Tab
from components.tabs.compare import compare
from components.tabs.paint import paint
from components.tabs.replace import replace
from pipelines.blended import Blended, blended
from pipelines.core.local_blend import LocalBlend
from pipelines.prompt_to_prompt import (
    MAX_EDITS,
    PromptEdit,
    PromptToPrompt,
    Sources,
    prompt_to_prompt,
)
from pipelines.request import Request
from pipelines.sdedit import SDEdit, halved, sdedit, strokes
from studio.comparisons import gathered
from studio.desk import Desk, Gather, whole
from studio.endpoint import compare_endpoint, paint_endpoint, replace_endpoint
from studio.engine import Method


@dataclass(frozen=True, slots=True)
class Entry:
    name: str  # the word on the tab
    paper: str
    request: type[Request]
    method: Method
    tab: Callable[[ModelFacts, Desk], Tab]  # builds the tab where the caller stands
    endpoint: Callable[[Desk], Callable[..., Any]]  # the same for programs
    gather: Gather = whole


def entries() -> Sequence[Entry]:
    kept = Sources()  # a second edit of a source pays for itself only
    latent = "Blended Latent Diffusion · Avrahami et al., 2023"
    return (
        Entry("Paint", "SDEdit · Meng et al., 2022", SDEdit, sdedit, _paint, paint_endpoint),
        Entry("Replace", latent, Blended, blended, _replace, replace_endpoint),
        Entry(
            "Compare",
            "Prompt-to-Prompt · Hertz et al., 2023",
            PromptToPrompt,
            partial(prompt_to_prompt, sources=kept),
            _compare,
            compare_endpoint,
            gathered,
        ),
    )


def _paint(model: ModelFacts, desk: Desk) -> Tab:
    actions = Painting(
        start=desk.start,
        watch=desk.watch,
        stop=desk.stop,
        check_words=desk.check_words,
        to_strokes=partial(desk.converted, strokes),
        halve=halved,
        glimpse=desk.glimpse,
    )
    return paint(SDEdit, model, actions)


def _replace(model: ModelFacts, desk: Desk) -> Tab:
    actions = Masking(
        start=desk.start,
        watch=desk.watch,
        stop=desk.stop,
        check_words=desk.check_words,
        outline=desk.outlined,
    )
    return replace(Blended, model, actions)


def _compare(model: ModelFacts, desk: Desk) -> Tab:
    actions = Actions(
        start=desk.start,
        watch=desk.watch,
        stop=desk.stop,
        check_words=desk.check_words,
    )
    return compare(PromptToPrompt, PromptEdit, LocalBlend, MAX_EDITS, model, actions)
