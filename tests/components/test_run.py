"""A run: what the page does with a job's events, and which job it knows after a reload."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from components.actions import Actions, visitor
from components.contract.events import BROKEN, Event, Failed, Finished, Stepped, Stopped, Waiting
from components.run import NOBODY, Run, run
from components.stage import Stage, stage

DONE = Finished(edit_id="edit", pictures=())
REQUEST: Any = SimpleNamespace(username="ann", session_hash="s")


@dataclass
class Studio:
    """Jobs that tell prepared events; an unknown one is refused."""

    jobs: Mapping[str, list[Event]]
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def watch(self, job: str, who: str) -> AsyncIterator[Event]:
        self.asked.append(("watch", job, who))
        if job not in self.jobs:
            raise ValueError("That edit is no longer here.")
        for event in self.jobs[job]:
            yield event

    def stop(self, job: str, who: str) -> None:
        self.asked.append(("stop", job, who))
        if job not in self.jobs:
            raise ValueError("That edit is no longer here.")

    def actions(self) -> Actions:
        unused: Any = None
        return Actions(unused, self.watch, self.stop, unused, unused)


@pytest.fixture
def studio() -> Studio:
    steps: list[Event] = [Waiting(1), Stepped("denoising", 1, 2, 1.0)]
    return Studio(
        {
            "good": [*steps, DONE],
            "bad": [*steps, Failed("It broke.")],
            "stopped": [*steps, Stopped(1, 2)],
            "old": [DONE],
        }
    )


@pytest.fixture
def action(blocks: gr.Blocks, studio: Studio) -> Run:
    return run("test", stage("test", "Paint.", 256), studio.actions())


def told(updates: AsyncIterator[Any]) -> list[Any]:
    async def collect() -> list[Any]:
        return [update async for update in updates]

    return asyncio.run(collect())


def phases(action: Run, updates: list[Any]) -> list[str]:
    plates = [update[action.stage.plate] for update in updates if action.stage.plate in update]
    return [plate["phase"] for plate in plates]


def known(action: Run, updates: list[Any]) -> Any:
    return [update[action.known] for update in updates if action.known in update][-1]


@pytest.mark.parametrize(
    ("job", "end", "after"),
    [
        ("good", "done", {"now": "", "last": "good"}),
        ("bad", "failed", {"now": "", "last": "old"}),
        ("stopped", "stopped", {"now": "", "last": "old"}),
    ],
)
def test_a_job_is_followed_to_its_end(action: Run, job: str, end: str, after: Any) -> None:
    updates = told(action.follow(job, {"now": "", "last": "old"}, REQUEST))
    assert phases(action, updates) == ["waiting", "running", end]
    assert known(action, updates) == after
    assert updates[0][action.button].interactive is False
    assert updates[-1][action.button].interactive is True


def test_a_click_that_began_nothing_changes_nothing(action: Run, studio: Studio) -> None:
    assert told(action.follow("", NOBODY, REQUEST)) == [gr.skip()]
    assert studio.asked == []


def test_a_job_lost_on_the_way_is_said(action: Run) -> None:
    updates = told(action.follow("gone", NOBODY, REQUEST))
    assert phases(action, updates) == ["failed"]
    assert updates[-1][action.button].interactive is True


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("Paint something first."), "Paint something first."),
        (FileNotFoundError(2, "No such file", "/home/ann/a.png"), BROKEN),
    ],
)
def test_a_run_that_cannot_begin_is_a_sentence_and_no_job(
    action: Run, blocks: gr.Blocks, error: Exception, sentence: str
) -> None:
    def begin(*_sent: Any) -> Any:
        raise error

    action.on([action.button.click], begin, set(), [], "")
    start: Any = next(each.fn for each in blocks.fns.values() if each.name == "start")
    update = start({}, REQUEST)
    assert update[action.stage.plate] == {"phase": "failed", "text": sentence}
    assert update[action.begun] == "" and update[action.button].interactive is True


def test_what_cannot_be_shown_ends_with_a_sentence(
    action: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_event: Finished) -> Any:
        raise OSError(28, "No space left on device", "/home/ann/cache")

    monkeypatch.setattr(Stage, "show", _but_finished(full))
    for updates in (
        told(action.follow("good", NOBODY, REQUEST)),
        told(action.resume({"now": "good", "last": ""}, REQUEST)),
    ):
        assert updates[-1][action.stage.plate] == {"phase": "failed", "text": BROKEN}
        assert updates[-1][action.button].interactive is True
    assert caplog.text.count("A run could not be shown") == 2 and "No space" in caplog.text


def _but_finished(instead: Callable[[Finished], Any]) -> Callable[[Stage, Event], Any]:
    show = Stage.show
    return lambda stage, event: (
        instead(event) if isinstance(event, Finished) else show(stage, event)
    )


@pytest.mark.parametrize(
    ("stored", "watched"),
    [
        ({"now": "good", "last": "old"}, ["good"]),
        ({"now": "", "last": "old"}, ["old"]),
        ({"now": "gone", "last": "old"}, ["gone", "old"]),
        (NOBODY, []),
        (None, []),
        ("tampered", []),
        ({"now": ["good"], "last": 3}, []),
    ],
)
def test_a_reload_watches_what_there_is(
    action: Run, studio: Studio, stored: Any, watched: list[str]
) -> None:
    updates = told(action.resume(stored, REQUEST))
    assert [job for _, job, _ in studio.asked] == watched
    assert {who for _, _, who in studio.asked} <= {"ann"}
    assert phases(action, updates)[-1:] == (["done"] if watched else [])


def test_a_reload_says_nothing_of_a_forgotten_job(action: Run) -> None:
    assert told(action.resume({"now": "gone", "last": "gone too"}, REQUEST)) == [gr.skip()]


def test_stop_names_the_job_and_forgives_one_that_has_ended(action: Run, studio: Studio) -> None:
    action.stop("", {"now": "good", "last": ""}, REQUEST)
    action.stop("bad", NOBODY, REQUEST)
    action.stop("", {"now": "gone", "last": ""}, REQUEST)
    assert [job for _, job, _ in studio.asked] == ["good", "bad", "gone"]
    assert {who for _, _, who in studio.asked} == {"ann"}


@pytest.mark.parametrize(
    ("username", "session", "who"), [("ann", "s", "ann"), (None, "s", "s"), (None, None, "")]
)
def test_a_visitor_is_whom_the_studio_knows(username: Any, session: Any, who: str) -> None:
    request: Any = SimpleNamespace(username=username, session_hash=session)
    assert visitor(request) == who
