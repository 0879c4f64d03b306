"""The picker: the models that are installed, one click from use, and a field for another one.

Beneath them what may go on top of the one that serves: LoRAs, and words that are taught.

A dialog behind the model's name in the header, drawn by assets/page/picker.js. What is under way
belongs to the studio: a page that was away, or a second one, sees it when it opens the picker.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

import gradio as gr

from components.assets import mounted
from components.contract.installed import HEAVIEST, Offer, Progress
from components.traffic import AT_ONCE, STREAMED

UNREADABLE: Final = "What is to be on top could not be read. Reload the page."
_EVENTS = ("look", "pick", "lay", "halt")


@dataclass(frozen=True, slots=True)
class Choosing:
    """What the picker may ask of the studio."""

    choose: Callable[[str], None]  # a path or a hub id; ValueError with a sentence
    # The model that serves with exactly these on top: their paths, with weights. The same refusal.
    lay: Callable[[Mapping[str, float]], None]
    cancel: Callable[[], None]
    # From where both are now, until nothing is under way and all has been read.
    look: Callable[[], AsyncIterator[tuple[Progress, Offer]]]
    folder: str  # where models lie, for a person


@dataclass(frozen=True, slots=True)
class Picker:
    dialog: gr.HTML
    choosing: Choosing

    async def look(self) -> AsyncIterator[dict[str, Any]]:
        """What is installed and what is under way, to the end of both."""
        async for progress, offer in self.choosing.look():
            yield _value(progress, offer)

    async def pick(self, event: gr.EventData) -> AsyncIterator[dict[str, Any]]:
        """Begin with a model, then the same."""
        async for value in self._begun(
            lambda: self.choosing.choose(str(getattr(event, "wanted", "")))
        ):
            yield value

    async def lay(self, event: gr.EventData) -> AsyncIterator[dict[str, Any]]:
        """Begin with what is to be on top, then the same."""
        async for value in self._begun(
            lambda: self.choosing.lay(_weights(getattr(event, "weights", None)))
        ):
            yield value

    async def _begun(self, begin: Callable[[], None]) -> AsyncIterator[dict[str, Any]]:
        try:
            begin()
        except ValueError as refusal:
            async for _, offer in self.choosing.look():
                yield _value(Progress("failed", str(refusal)), offer)
                if offer.whole:
                    break
            return
        async for value in self.look():
            yield value


def _value(progress: Progress, offer: Offer) -> dict[str, Any]:
    return {
        "progress": asdict(progress),
        "shelf": [asdict(each) for each in offer.installed],
        "addOns": [asdict(each) for each in offer.add_ons],
        "whole": offer.whole,
    }


def picker(choosing: Choosing) -> Picker:
    """Build the dialog; nothing of it shows until the header opens it."""
    dialog = gr.HTML(
        {},
        elem_id="picker",
        elem_classes="pm-host",
        html_template='<dialog class="pt-dialog pt-picker" aria-label="Models"></dialog>',
        js_on_load=mounted("picker", {"folder": choosing.folder, "heaviest": HEAVIEST}, _EVENTS),
        apply_default_css=False,
    )
    built = Picker(dialog, choosing)
    dialog.look(built.look, outputs=dialog, trigger_mode="multiple", **STREAMED)
    dialog.pick(built.pick, outputs=dialog, trigger_mode="multiple", **STREAMED)
    dialog.lay(built.lay, outputs=dialog, trigger_mode="multiple", **STREAMED)
    dialog.halt(choosing.cancel, **AT_ONCE)
    return built


def _weights(value: object) -> Mapping[str, float]:
    """Path → weight, from the page; ValueError with a sentence where it is something else."""
    if not isinstance(value, dict):
        raise ValueError(UNREADABLE)
    given = cast("dict[Any, Any]", value)
    if not all(isinstance(weight, int | float) for weight in given.values()):
        raise ValueError(UNREADABLE)
    return {str(path): float(weight) for path, weight in given.items()}
