"""The stage: where a run is watched and its result looked at.

`Stage.show` is the only place where an event becomes updates of widgets. What the plate shows is
one value, `{"phase": …}`, drawn by assets/page/stage.js: frames travel inside it as small JPEGs,
since a 256-pixel frame is some 10 KB and a fetch per frame costs more than it saves.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components import Component

from components.assets import mounted
from components.contract.events import Event, Failed, Finished, Stepped, Stopped, Waiting
from components.filmstrip import Filmstrip, filmstrip
from components.served import cached, served
from components.traffic import AT_ONCE

Widget = Component | BlockContext  # what an event may write to
Update = dict[Widget, Any]
Done = Callable[[Finished], Mapping[str, Any]]  # a result as the plate's script draws it

_EVENTS = ("stop", "choose", "judge")


@dataclass(frozen=True, slots=True)
class Result:
    """A picture that the page may go on from; kept in the session, so that no client names it."""

    path: str
    seed: int
    strength: float | None
    number: int = 1  # among those of its run, in the order of the seeds
    agreement: float | None = None  # with the words, where the model folder has a judge
    inside: float | None = None  # share of the mask's pixels that changed
    outside: int | None = None  # pixels that changed elsewhere
    words: str = ""  # what it was asked to show
    edit: str = ""  # id of the edit that it belongs to
    asked: Mapping[str, Any] = field(default_factory=dict)  # its request, as its recipe tells it

    @property
    def picture(self) -> Path:
        """A copy that the page can fetch; ValueError with a sentence where there can be none."""
        return cached(Path(self.path))


@dataclass(frozen=True, slots=True)
class Stage:
    """The plate, the strip of steps below it, and a place for what can be done with a result.

    The strip and the buttons belong to the last result: the style sheet shows them while the plate
    does, and not while another run is on it.
    """

    plate: gr.HTML
    film: Filmstrip
    after: gr.Column
    onward: gr.Row  # in it, the buttons that go on from the result
    results: gr.State  # list[Result] of the last finished run, the best first
    chosen: gr.State  # which of them is on the plate
    done: Done

    @property
    def outputs(self) -> list[Widget]:
        return [self.plate, self.film.component, self.after, self.results, self.chosen]

    def show(self, event: Event) -> Update:
        """What changes on the page when `event` comes."""
        match event:
            case Waiting(place, what):
                return self._plate("waiting", text=what or _queue(place))
            case Stepped(_, index, total, _, frame, _):
                text = _progress(event)
                return self._plate(
                    "running",
                    index=index,
                    total=total,
                    text=text,
                    frame=_data_url(frame),
                    pictures=event.pictures,
                )
            case Failed(sentence):
                return self._plate("failed", text=sentence)
            case Stopped(0, _):
                return self._plate("stopped", text="Stopped before the first step.")
            case Stopped(index, total):
                text = f"Stopped at step {index} of {total}. What you gave is as you left it."
                return self._plate("stopped", text=text)
            case Finished():
                return {
                    **self._plate("done", **self.done(event)),
                    **self.film.show(event.frames),
                    self.after: gr.Column(visible=True),
                    self.results: _results(event),
                    self.chosen: 0,
                }

    def glimpse(self, frame: bytes) -> Update:
        """A picture made while somebody paints; it is kept nowhere."""
        return self._plate("live", frame=_data_url(frame), text="Live; Run makes it whole.")

    def starting(self) -> Update:
        """The moment between the click and the first event."""
        return self._plate("waiting", text="Starting …")

    def _plate(self, phase: str, **what: Any) -> Update:
        return {self.plate: {"phase": phase, **what}}


def stage(key: str, empty: str, size: int, judged: bool = False) -> Stage:
    """Build the plate with the sentence `empty` on it; fill `Stage.onward` with buttons.

    `size` is that of the pictures to come, in pixels, so that the page is laid out for them. Where
    results are `judged`, each can be accepted or discarded: `plate.judge` comes when another one is
    accepted, or none any more, and `accepted` reads which from the plate's value.
    """
    plate = gr.HTML(
        {"phase": "empty"},
        elem_id=f"stage-{key}",
        elem_classes="pm-host",
        html_template='<div class="pt-stage" data-phase="empty"></div>',
        js_on_load=mounted(
            "stage",
            {"stage": key, "empty": empty, "size": size, "judged": judged},
            _EVENTS,
        ),
        apply_default_css=False,
    )
    return staged(key, plate, _done)


def staged(key: str, plate: gr.HTML, done: Done) -> Stage:
    """What belongs around a plate: the strip of steps, and the place to go on from a result."""
    film = filmstrip(key)
    with gr.Column(visible=False, elem_classes="pt-after") as after:
        onward = gr.Row(elem_classes="pt-next")
    built = Stage(plate, film, after, onward, gr.State([]), gr.State(0), done)
    # Each click counts, also those that come before the last one is answered.
    plate.choose(_chosen, outputs=built.chosen, trigger_mode="multiple", **AT_ONCE)
    return built


async def _chosen(event: gr.EventData) -> int:  # in the order of the clicks, so not in threads
    """Which result the plate speaks of; whatever else a page may send is the first."""
    return _index(getattr(event, "index", None)) or 0


def accepted(value: object) -> int | None:
    """Which result is accepted, as the plate's value says; None for none."""
    return _index(value.get("accepted")) if isinstance(value, dict) else None


def _index(given: object) -> int | None:
    return given if type(given) is int and 0 <= given < 64 else None


def result_at(results: Sequence[Result], index: int) -> Result:
    """The result that is looked at; `index` comes from the page, so it may be anything."""
    if not results:
        raise ValueError("There is no result to go on from. Press Run first.")
    return results[min(index, len(results) - 1)]


def _queue(place: int) -> str:
    before = place - 1
    if before < 0:
        return "Starting …"
    if before == 0:
        return "You are next."
    return f"{before} edits are before yours." if before > 1 else "One edit is before yours."


def _progress(event: Stepped) -> str:
    left = round(event.seconds_left)
    phase = "" if event.phase == "denoising" else f"{event.phase}: "
    rest = (
        "nearly done" if left < 1 else f"{left} s left" if left < 90 else f"{left // 60} min left"
    )
    return f"{phase}step {event.index} of {event.total} · {rest}"


def _data_url(frame: bytes | None) -> str | None:
    return f"data:image/jpeg;base64,{base64.b64encode(frame).decode()}" if frame else None


def _results(event: Finished) -> list[Result]:
    """What may be gone on from, the best first where the pictures are ranked."""
    results = [
        Result(
            path=str(each.path),
            seed=each.seed,
            strength=each.strength,
            number=number,
            agreement=each.agreement,
            inside=each.changed_inside,
            outside=each.changed_outside,
            words=each.words,
            edit=event.edit_id,
            asked=event.asked,
        )
        for number, each in enumerate(event.pictures, start=1)
    ]
    return [results[row] for row in event.ranking or range(len(results))]


def _done(event: Finished) -> dict[str, Any]:
    results = _results(event)
    swept = len({each.strength for each in results}) > 1
    pictures: list[dict[str, Any]] = []
    for place, each in enumerate(results, start=1):
        seed, strength = f"seed {each.seed}", f"strength {each.strength or 0:.2f}"
        agreement = f"agreement {each.agreement or 0:.2f}"
        facts = [seed, strength] if each.strength is not None else [seed]
        facts += [agreement] if each.agreement is not None else []
        pictures.append(
            {
                "file": served(Path(each.path), f"pentimento-{event.edit_id}-{each.number}.png"),
                "label": strength if swept else agreement if each.agreement is not None else seed,
                "caption": " · ".join([*facts, f"{event.seconds:.1f} s"]),
                "truth": _truth(each),
                "alt": f"Result {place} of {len(results)}" if len(results) > 1 else "The result",
            }
        )
    before = served(event.before) if event.before else None
    return {
        "edit": event.edit_id,
        "pictures": pictures,
        "before": before,
        "text": remarks(event),
    }


def _truth(result: Result) -> str:
    """What has really changed, where a mask said what may."""
    if result.inside is None or result.outside is None:
        return ""
    pixels = "pixel" if result.outside == 1 else "pixels"
    inside = f"{100 * result.inside:.0f} %"
    return f"Changed inside the mask: {inside}, outside: {result.outside:,} {pixels}."


def remarks(event: Finished) -> str:
    """What the run has to say: words that the model could not hear, and its own note."""
    unknown = ", ".join(event.unknown_words)
    lost = f"Unknown to this model, so not in the picture: {unknown}." if unknown else ""
    return " ".join(filter(None, [lost, event.note]))
