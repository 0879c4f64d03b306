"""The methods on offer: the one place where a method of `pipelines` meets its tab."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from components.actions import Masking, ModelFacts, Painting
from components.page import Tab
from components.tabs.paint import paint
from components.tabs.replace import replace
from pipelines.blended import Blended, blended
from pipelines.request import Request
from pipelines.sdedit import SDEdit, halved, sdedit, strokes
from studio.desk import Desk
from studio.endpoint import paint_endpoint, replace_endpoint
from studio.engine import Method


@dataclass(frozen=True, slots=True)
class Entry:
    name: str  # the word on the tab
    paper: str
    request: type[Request]
    method: Method
    tab: Callable[[ModelFacts, Desk], Tab]  # builds the tab where the caller stands
    endpoint: Callable[[Desk], Callable[..., Any]]  # the same for programs


def entries() -> Sequence[Entry]:
    latent = "Blended Latent Diffusion · Avrahami et al., 2023"
    return (
        Entry("Paint", "SDEdit · Meng et al., 2022", SDEdit, sdedit, _paint, paint_endpoint),
        Entry("Replace", latent, Blended, blended, _replace, replace_endpoint),
    )


def _paint(model: ModelFacts, desk: Desk) -> Tab:
    actions = Painting(
        start=desk.start,
        watch=desk.watch,
        stop=desk.stop,
        check_words=desk.check_words,
        to_strokes=partial(desk.converted, strokes),
        halve=halved,
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
