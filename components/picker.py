"""The picker: the models that are installed, one click from use, and a field for another one.

A dialog behind the model's name in the header, drawn by assets/picker.js. What is under way belongs
to the studio: a page that was away, or a second one, sees it when it opens the picker.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import gradio as gr

from components.theme import call, script
from components.traffic import AT_ONCE, STREAMED

_EVENTS = ("look", "pick", "halt")


@dataclass(frozen=True, slots=True)
class Shelved:
    """Something that lies where models lie."""

    name: str
    family: str
    size: int  # bytes on the disk
    place: str  # where it lies, for a person
    source: str  # what it is chosen by: its path
    refusal: str = ""  # one sentence, where it cannot be used
    serving: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the choice of another model is."""

    phase: Literal["idle", "downloading", "loading", "failed", "chosen"] = "idle"
    text: str = ""  # the model's name; for "failed" a sentence
    done: int = 0  # bytes
    total: int = 0


@dataclass(frozen=True, slots=True)
class Choosing:
    """What the picker may ask of the studio."""

    shelf: Callable[[], Sequence[Shelved]]
    choose: Callable[[str], None]  # a path or a hub id; ValueError with a sentence
    cancel: Callable[[], None]
    watch: Callable[[], AsyncIterator[Progress]]  # from where it is now, until nothing is under way


@dataclass(frozen=True, slots=True)
class Picker:
    dialog: gr.HTML
    choosing: Choosing

    async def look(self) -> AsyncIterator[dict[str, Any]]:
        """What is installed, then what is under way, to its end."""
        shelf = await asyncio.to_thread(self.choosing.shelf)
        async for progress in self.choosing.watch():
            if progress.phase in ("failed", "chosen"):
                shelf = await asyncio.to_thread(self.choosing.shelf)
            yield _value(progress, shelf)

    async def pick(self, event: gr.EventData) -> AsyncIterator[dict[str, Any]]:
        """Begin with a model, then the same."""
        try:
            self.choosing.choose(str(event.wanted))
        except ValueError as refusal:
            shelf = await asyncio.to_thread(self.choosing.shelf)
            yield _value(Progress("failed", str(refusal)), shelf)
            return
        async for value in self.look():
            yield value


def picker(choosing: Choosing) -> Picker:
    """Build the dialog; nothing of it shows until the header opens it."""
    dialog = gr.HTML(
        {},
        elem_id="picker",
        elem_classes="pm-host",
        html_template='<dialog class="pt-dialog pt-picker" aria-label="Models"></dialog>',
        head=script("plate", "picker"),
        js_on_load=call("pentimentoPage.picker", _EVENTS),
        apply_default_css=False,
    )
    built = Picker(dialog, choosing)
    dialog.look(built.look, outputs=dialog, trigger_mode="multiple", **STREAMED)
    dialog.pick(built.pick, outputs=dialog, trigger_mode="multiple", **STREAMED)
    dialog.halt(choosing.cancel, **AT_ONCE)
    return built


def _value(progress: Progress, shelf: Sequence[Shelved]) -> dict[str, Any]:
    return {"progress": asdict(progress), "shelf": [asdict(each) for each in shelf]}
