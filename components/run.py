"""A run as the page lives it: the button, the watching of its job, Stop, and finding it again.

The job belongs to the studio and lives on without the page. The page knows two ids, kept for its
browser tab: the job under way, and the last one that finished; after a reload it watches whichever
there is, from where it is by then.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from components.actions import Actions, visitor
from components.contract.events import BROKEN, Event, Failed, Finished, Stopped
from components.stage import Stage, Update, Widget
from components.traffic import AT_ONCE, STREAMED

log = logging.getLogger(__name__)

Sent = dict[Component, Any]  # what a click delivers
Begin = Callable[[Sent, str], tuple[str, Update]]  # what was sent, visitor -> job id, updates
Known = dict[str, str]  # {"now": id of the job under way, "last": id of the last that finished}

NOBODY: Known = {"now": "", "last": ""}


@dataclass(frozen=True, slots=True)
class Run:
    """One Run button with everything that happens after it was pressed."""

    button: gr.Button
    stage: Stage
    actions: Actions
    known: gr.BrowserState
    begun: gr.State  # id of the job that a click has just started, "" if it could not

    def on(
        self,
        triggers: Sequence[Any],
        begin: Begin,
        inputs: set[Component],
        outputs: Sequence[Widget],
        js: str | None,
    ) -> None:
        """Let `triggers` start a run: `begin` makes the job, then the stage follows it."""

        def start(sent: Sent, request: gr.Request) -> Update:
            try:
                job, updates = begin(sent, visitor(request))
            except ValueError as refusal:
                return {**self._end(Failed(str(refusal))), self.begun: ""}
            except Exception:
                log.exception("A run could not begin")
                return {**self._end(Failed(BROKEN)), self.begun: ""}
            known = {"now": job, "last": _ids(sent[self.known])["last"]}
            shown = {**updates, **self.stage.starting(), **self._busy()}
            return {self.known: known, **shown, self.begun: job}

        watched = [self.stage.plate, self.button, self.begun]
        gr.on(
            triggers,
            start,
            inputs={*inputs, self.known},
            outputs=[self.known, *dict.fromkeys([*outputs, *watched])],
            js=js,
            trigger_mode="once",
            **AT_ONCE,
        ).then(
            self.follow,
            inputs=[self.begun, self.known],
            outputs=self._outputs,
            **STREAMED,
        )

    def attach(self, page: gr.Blocks) -> None:
        """Stop, and finding the job again when the page loads."""
        self.stage.plate.stop(self.stop, inputs=[self.begun, self.known], **AT_ONCE)
        page.load(
            self.resume,
            inputs=self.known,
            outputs=self._outputs,
            **STREAMED,
        )

    async def follow(
        self, job: str, known: Known, request: gr.Request
    ) -> AsyncIterator[Update | dict[str, Any]]:
        """Watch a job that has just begun, to its end."""
        if not job:
            yield gr.skip()
            return
        try:
            async for update in self._watch(job, _ids(known)["last"], visitor(request)):
                yield update
        except ValueError as refusal:
            yield self._end(Failed(str(refusal)))
        except Exception:
            log.exception("A run could not be shown")
            yield self._end(Failed(BROKEN))

    async def resume(
        self, known: Known, request: gr.Request
    ) -> AsyncIterator[Update | dict[str, Any]]:
        """Watch what the browser remembers; that the studio has forgotten a job is no news."""
        ids = _ids(known)
        for job in filter(None, (ids["now"], ids["last"])):
            try:
                async for update in self._watch(job, ids["last"], visitor(request)):
                    yield update
                return
            except ValueError:
                continue
            except Exception:
                log.exception("A run could not be shown")
                yield self._end(Failed(BROKEN))
                return
        yield gr.skip()

    def stop(self, begun: str, known: Known, request: gr.Request) -> None:
        """Stop the job under way: after a reload only the browser knows it."""
        try:
            self.actions.stop(_ids(known)["now"] or begun, visitor(request))
        except ValueError:
            return  # it has ended by itself in the meantime

    async def _watch(self, job: str, last: str, who: str) -> AsyncIterator[Update]:
        async for event in self.actions.watch(job, who):
            match event:
                case Finished():
                    yield {**self._end(event), self.known: {"now": "", "last": job}}
                case Failed() | Stopped():
                    yield {**self._end(event), self.known: {"now": "", "last": last}}
                case _:
                    yield {**self.stage.show(event), **self._busy()}

    def _end(self, event: Event) -> Update:
        return {**self.stage.show(event), self.button: gr.Button("Run", interactive=True)}

    def _busy(self) -> Update:
        return {self.button: gr.Button("Running …", interactive=False)}

    @property
    def _outputs(self) -> list[Widget]:
        """What the browser is to remember stands first: Gradio writes them one after another, and
        somebody who sees that the run has begun may reload.
        """
        return [self.known, *self.stage.outputs, self.button]


def run(key: str, stage: Stage, actions: Actions) -> Run:
    """The large button, where the caller stands in the layout."""
    known = gr.BrowserState(NOBODY, storage_key=f"pentimento-job-{key}", secret="pentimento")
    button = gr.Button(
        "Run", variant="primary", size="lg", elem_id=f"run-{key}", elem_classes="pt-run"
    )
    return Run(button, stage, actions, known, gr.State(""))


def _ids(known: object) -> Known:
    """What the browser's store holds, or nothing where it was tampered with."""
    if not isinstance(known, dict):
        return NOBODY
    return {name: v if isinstance(v := known.get(name), str) else "" for name in NOBODY}
