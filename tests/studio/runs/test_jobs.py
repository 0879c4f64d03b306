"""The queue, with toy work: who is next, who is told what, and how a job ends."""

import asyncio
import threading
from collections.abc import Callable, Generator

import pytest

from components.contract.events import Event, Failed, Stepped, Stopped, Waiting
from studio.runs.jobs import BROKEN, CLOSING, GONE, Jobs, Limits
from studio.shares import STRANGERS, Share
from tests.studio.queue import DONE, PATIENCE, Clock, Toy, all_of, ended, opened, present, until


def test_a_job_runs_to_its_end_and_tells_its_last_event() -> None:
    with opened() as jobs:
        jobs.submit("a", "ada", Toy(free=True))
        assert ended(jobs, "a") == DONE
        assert present(jobs, "a") == DONE, "asked again, it still knows"


def test_one_at_a_time_and_the_others_see_their_place() -> None:
    with opened() as jobs:
        toys = {name: Toy() for name in "abc"}
        for name, toy in toys.items():
            jobs.submit(name, f"visitor {name}", toy)
        assert toys["a"].begun.wait(PATIENCE)
        assert present(jobs, "b", "visitor b") == Waiting(1)
        assert present(jobs, "c", "visitor c") == Waiting(2)
        assert not toys["b"].begun.is_set()
        toys["a"].let(9)
        assert toys["b"].begun.wait(PATIENCE)
        assert toys["a"].closed.is_set(), "the next begins when the former is over"
        assert present(jobs, "c", "visitor c") == Waiting(1)
        assert not toys["c"].begun.is_set()
        for toy in toys.values():
            toy.let(9)


def test_turns_go_round_the_visitors() -> None:
    begun: list[str] = []

    def noting(name: str) -> Callable[[], Generator[Event, None, None]]:
        def work() -> Generator[Event, None, None]:
            begun.append(name)
            yield DONE

        return work

    with opened() as jobs:
        gate = Toy(1)
        jobs.submit("A0", "a", gate)
        assert gate.begun.wait(PATIENCE)
        for name in ("A1", "A2", "A3", "B1", "C1", "C2"):
            jobs.submit(name, name[0].lower(), noting(name))
        assert [present(jobs, n, n[0].lower()) for n in ("B1", "C1", "A1", "C2", "A2", "A3")] == [
            Waiting(n) for n in range(1, 7)
        ]
        gate.let()
        ended(jobs, "A3", "a")
    assert begun == ["B1", "C1", "A1", "C2", "A2", "A3"]


def test_one_visitor_cannot_take_all_places() -> None:
    with opened(Limits(per_visitor=4, total=6)) as jobs:
        gate = Toy(1)
        jobs.submit("0", "ada", gate)
        for name in "123":
            jobs.submit(name, "ada", Toy(free=True))
        with pytest.raises(ValueError, match="You already have 4 edits"):
            jobs.submit("4", "ada", Toy())
        jobs.submit("5", "bob", Toy(free=True))
        jobs.submit("6", "cleo", Toy(free=True))
        with pytest.raises(ValueError, match="The studio is full: 6 edits"):
            jobs.submit("7", "dora", Toy())
        gate.let()
        ended(jobs, "3")
        jobs.submit("8", "ada", Toy(free=True))
        assert ended(jobs, "8") == DONE


def test_newcomers_leave_places_for_those_who_were_here_before() -> None:
    def share(visitor: str) -> Share:
        return STRANGERS if visitor.startswith("s") else Share(visitor, visitor == "ada")

    with opened(Limits(per_visitor=4, total=24, kept=4), share=share) as jobs:
        gate = Toy(1)
        jobs.submit("0", "s", gate)
        for n in range(1, 4):
            jobs.submit(f"s{n}", f"s{n}", Toy(free=True))
        with pytest.raises(ValueError, match="4 edits of visitors without a cookie"):
            jobs.submit("s4", "s4", Toy())
        for n in range(20):  # a new cookie for each
            jobs.submit(f"new {n}", f"new {n}", Toy(free=True))
        with pytest.raises(ValueError, match="The studio is full: 24 edits"):
            jobs.submit("new", "new", Toy())
        for n in range(4):
            jobs.submit(f"ada {n}", "ada", Toy(free=True))
        with pytest.raises(ValueError, match="You already have 4"):
            jobs.submit("ada", "ada", Toy())
        assert jobs.busy(STRANGERS) and jobs.busy(Share("ada", False))
        assert not jobs.busy(Share("bob", False))
        gate.let()
        assert ended(jobs, "ada 3") == DONE


def test_visitors_without_a_cookie_take_one_turn_in_a_round() -> None:
    def share(visitor: str) -> Share:
        return STRANGERS if visitor.startswith("s") else Share(visitor, False)

    with opened(share=share) as jobs:
        gate = Toy(1)
        jobs.submit("0", "ada", gate)
        assert gate.begun.wait(PATIENCE)
        for name in ("s1", "s2", "s3", "bob"):
            jobs.submit(name, name, Toy(free=True))
        assert present(jobs, "bob", "bob") == Waiting(2)
        gate.let()
        assert ended(jobs, "s3", "s3") == DONE


def test_stop_acts_before_the_next_step() -> None:
    held: list[Generator[Event, None, None]] = []  # so that only `close` can end it

    def work() -> Generator[Event, None, None]:
        held.append(toy())
        return held[0]

    with opened() as jobs:
        toy = Toy(total=50)
        jobs.submit("a", "ada", work)
        toy.let(3)
        until(lambda: toy.done == 3)
        jobs.stop("a", "ada")
        toy.let(1)  # the step that was under way
        assert ended(jobs, "a") in (Stopped(3, 50), Stopped(4, 50))
        assert toy.closed.is_set()
        assert toy.done <= 4


def test_stop_of_a_waiting_job_acts_at_once() -> None:
    with opened() as jobs:
        first, second = Toy(), Toy()
        jobs.submit("a", "ada", first)
        jobs.submit("b", "bob", second)
        assert first.begun.wait(PATIENCE)
        jobs.stop("b", "bob")
        assert ended(jobs, "b", "bob") == Stopped(0, 0)
        first.let(9)
        assert ended(jobs, "a") == DONE
        assert not second.begun.is_set()
        jobs.stop("b", "bob")  # once more does no harm


def test_two_watchers_and_one_that_comes_late_see_the_same_end() -> None:
    async def scene(jobs: Jobs, toy: Toy) -> list[list[Event]]:
        early = [asyncio.create_task(all_of(jobs, "a")) for _ in range(2)]
        toy.let(2)
        while toy.done < 2:
            await asyncio.sleep(0.002)
        late = asyncio.create_task(all_of(jobs, "a"))
        await asyncio.sleep(0.02)
        toy.let(9)
        return await asyncio.gather(*early, late)

    with opened() as jobs:
        toy = Toy(total=4)
        jobs.submit("a", "ada", toy)
        told = asyncio.run(scene(jobs, toy))
    assert all(events[-1] == DONE for events in told)
    assert isinstance(told[2][0], Stepped) and told[2][0].index == 2


def test_a_watcher_that_attaches_gets_the_present_state_with_its_picture() -> None:
    def work() -> Generator[Event, None, None]:
        yield Stepped("denoising", 1, 3, 2.0, b"picture")
        yield Stepped("denoising", 2, 3, 1.0, None)
        gate.wait(PATIENCE)
        yield DONE

    gate = threading.Event()
    with opened() as jobs:
        jobs.submit("a", "ada", work)
        until(lambda: getattr(present(jobs, "a"), "index", 0) == 2)
        assert present(jobs, "a") == Stepped("denoising", 2, 3, 1.0, b"picture")
        gate.set()


@pytest.mark.parametrize("turns", range(6))
def test_a_watcher_that_is_cancelled_as_news_comes_leaves(turns: int) -> None:
    """However many turns of the loop lie between the two: Stop waits for the watcher's end."""

    async def watched(jobs: Jobs, toy: Toy) -> list[Event]:
        told: list[Event] = []

        async def watch() -> None:
            async for event in jobs.watch("a", "ada"):
                told.append(event)

        watcher = asyncio.create_task(watch())
        while not told:
            await asyncio.sleep(0.01)
        toy.let()
        while (before := jobs._jobs["a"].news) == 0:  # pyright: ignore[reportPrivateUsage]
            pass  # the bell has rung, and the loop has not yet heard it
        for _ in range(turns):
            await asyncio.sleep(0)
        watcher.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(watcher), PATIENCE)
        assert jobs._jobs["a"].news == before  # pyright: ignore[reportPrivateUsage]
        return told

    with opened() as jobs:
        toy = Toy()
        jobs.submit("a", "ada", toy)
        assert toy.begun.wait(PATIENCE)
        assert asyncio.run(watched(jobs, toy))[0] == Waiting(0, "Starting …")
        toy.let(9)


def test_a_job_is_nobody_elses() -> None:
    with opened() as jobs:
        jobs.submit("a", "ada", Toy(free=True))
        with pytest.raises(ValueError, match=GONE):
            present(jobs, "a", "mallory")
        with pytest.raises(ValueError, match=GONE):
            jobs.stop("a", "mallory")
        with pytest.raises(ValueError, match=GONE):
            present(jobs, "unheard of")
        assert jobs.knows("a", "ada") and not jobs.knows("a", "mallory")
        ended(jobs, "a")


def test_work_that_breaks_is_one_sentence_and_the_next_job_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> Generator[Event, None, None]:
        yield Stepped("denoising", 1, 2, 0.0)
        raise ZeroDivisionError

    def endless() -> Generator[Event, None, None]:
        yield Stepped("denoising", 1, 1, 0.0)

    with opened() as jobs:
        jobs.submit("a", "ada", broken)
        jobs.submit("b", "ada", endless)
        jobs.submit("c", "ada", Toy(free=True))
        assert ended(jobs, "a") == Failed(BROKEN)
        assert ended(jobs, "b") == Failed(BROKEN), "work without an end of its own"
        assert ended(jobs, "c") == DONE
    assert "ZeroDivisionError" in caplog.text


def test_what_is_prepared_first_is_waited_for() -> None:
    gate = threading.Event()
    with opened(prepare=lambda: gate.wait(PATIENCE), preparing="The model is loading") as jobs:
        jobs.submit("a", "ada", Toy(free=True))
        assert present(jobs, "a") == Waiting(1, "The model is loading")
        gate.set()
        assert ended(jobs, "a") == DONE


def test_a_preparation_that_fails_answers_every_job_with_its_sentence() -> None:
    def prepare() -> None:
        raise ValueError("There is no such model.")

    with opened(prepare=prepare, preparing="The model is loading") as jobs:
        jobs.submit("a", "ada", Toy(free=True))
        assert ended(jobs, "a") == Failed("There is no such model.")


def test_closing_stops_what_runs_and_answers_what_waits() -> None:
    jobs = Jobs()
    jobs.open()
    running = Toy(total=1000)
    jobs.submit("a", "ada", running)
    jobs.submit("b", "bob", Toy())
    assert running.begun.wait(PATIENCE)

    def go_on() -> None:
        while not running.closed.wait(0.02):
            running.let(1)

    threading.Thread(target=go_on, daemon=True).start()
    jobs.close(PATIENCE)
    assert running.closed.is_set()
    assert present(jobs, "a") == Failed(CLOSING)
    assert present(jobs, "b", "bob") == Failed(CLOSING)


def test_what_ended_long_ago_is_forgotten() -> None:
    clock = Clock()
    with opened(Limits(memory=3600), clock=clock) as jobs:
        jobs.submit("a", "ada", Toy(free=True))
        ended(jobs, "a")
        clock.now += 3601
        jobs.submit("b", "ada", Toy(free=True))
        assert not jobs.knows("a", "ada")
        assert ended(jobs, "b") == DONE
