"""The methods on offer: the one place where a method of `pipelines` meets its tab.

A method needs a name, its paper, its request and its function; page, endpoint and form are derived
from the request. `tab` builds another page where the derived one does not do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from components.actions import Actions, Painting
from components.contract.facts import ModelFacts
from components.tab import Tab
from components.tabs.compare import compare
from components.tabs.derived import derived
from components.tabs.paint import paint
from components.tabs.replace import replace
from pipelines.blended import Blended, blended
from pipelines.prompt_to_prompt import PromptToPrompt, Sources, prompt_to_prompt
from pipelines.request import Request
from pipelines.sdedit import SDEdit, halved, sdedit
from studio.inputs import opening, outlines, strokes
from studio.runs.engine import Method
from studio.service import Service

Build = Callable[[ModelFacts, Service], Tab]  # builds a tab where the caller stands


@dataclass(frozen=True, slots=True)
class Entry:
    name: str  # the word on the tab; in small letters, the endpoint
    paper: str
    request: type[Request]
    method: Method
    tab: Build | None = None  # None: derived from the request

    def build(self, model: ModelFacts, service: Service) -> Tab:
        if self.tab is not None:
            return self.tab(model, service)
        return derived(self.name, self.request, model, actions(service))


def entries() -> Sequence[Entry]:
    kept = Sources()  # a second edit of a source pays for itself only
    compared = partial(prompt_to_prompt, sources=kept)
    latent = "Blended Latent Diffusion · Avrahami et al., 2023"
    words = "Prompt-to-Prompt · Hertz et al., 2023"
    return (
        Entry("Paint", "SDEdit · Meng et al., 2022", SDEdit, sdedit, _paint),
        Entry("Replace", latent, Blended, blended, _replace),
        Entry("Compare", words, PromptToPrompt, compared, _compare),
    )


def actions(service: Service) -> Actions:
    return Actions(
        start=service.start,
        watch=service.watch,
        stop=service.stop,
        check_words=service.check_words,
        read=opening.read,
    )


def _paint(model: ModelFacts, service: Service) -> Tab:
    painting = Painting(
        to_strokes=partial(strokes.painted, service.scratch),
        halve=halved,
        glimpse=service.glimpse,
    )
    return paint(SDEdit, model, actions(service), painting)


def _replace(model: ModelFacts, service: Service) -> Tab:
    return replace(Blended, model, actions(service), partial(outlines.of_region, Blended))


def _compare(model: ModelFacts, service: Service) -> Tab:
    return compare(PromptToPrompt, model, actions(service))
