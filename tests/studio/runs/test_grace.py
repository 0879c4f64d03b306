"""What becomes of a job when its page goes away, and when it comes back."""

import asyncio

from components.contract.events import Event, Failed, Waiting
from studio.runs.jobs import DROPPED, Jobs, Limits
from tests.studio.queue import DONE, PATIENCE, Clock, Toy, all_of, ended, opened, present


def test_within_the_grace_time_nothing_is_lost() -> None:
    clock = Clock()
    with opened(Limits(grace=60), clock=clock) as jobs:
        running, waiting = Toy(total=4), Toy(free=True)
        jobs.submit("a", "ada", running)
        jobs.submit("b", "bob", waiting)
        clock.now += 59
        running.let(9)
        assert ended(jobs, "b", "bob") == DONE
        assert present(jobs, "a") == DONE


def test_after_the_grace_time_a_waiting_job_is_dropped() -> None:
    clock = Clock()
    with opened(Limits(grace=60), clock=clock) as jobs:
        running, waiting = Toy(total=4), Toy(free=True)
        jobs.submit("a", "ada", running)
        jobs.submit("b", "bob", waiting)
        assert running.begun.wait(PATIENCE)
        clock.now += 61
        running.let(9)
        assert running.closed.wait(PATIENCE)
        assert ended(jobs, "b", "bob") == Failed(DROPPED)
        assert ended(jobs, "a") == DONE, "nobody else waited, so it finished"
        assert not waiting.begun.is_set()


def test_after_the_grace_time_a_running_job_yields_to_somebody_who_waits() -> None:
    clock = Clock()

    async def scene(jobs: Jobs) -> list[Event]:
        bob = asyncio.create_task(all_of(jobs, "b", "bob"))
        await asyncio.sleep(0.02)
        clock.now += 61
        running.let(1)
        return await asyncio.wait_for(bob, PATIENCE)

    with opened(Limits(grace=60), clock=clock) as jobs:
        running = Toy(total=1000)
        jobs.submit("a", "ada", running)
        assert running.begun.wait(PATIENCE)
        clock.now += 1000
        assert isinstance(present(jobs, "a"), Waiting), "looked at, and left again"
        jobs.submit("b", "bob", Toy(free=True))
        assert asyncio.run(scene(jobs))[-1] == DONE
        assert ended(jobs, "a") == Failed(DROPPED)
        assert running.closed.is_set() and running.done <= 2


def test_a_watched_job_does_not_yield() -> None:
    clock = Clock()

    async def scene(jobs: Jobs) -> list[Event]:
        ada = asyncio.create_task(all_of(jobs, "a"))
        bob = asyncio.create_task(all_of(jobs, "b", "bob"))
        await asyncio.sleep(0.02)
        clock.now += 1000
        running.let(9)
        return [events[-1] for events in await asyncio.gather(ada, bob)]

    with opened(Limits(grace=60), clock=clock) as jobs:
        running = Toy(total=5)
        jobs.submit("a", "ada", running)
        assert running.begun.wait(PATIENCE)
        jobs.submit("b", "bob", Toy(free=True))
        assert asyncio.run(scene(jobs)) == [DONE, DONE]


def test_leaving_and_coming_back_starts_the_grace_time_anew() -> None:
    clock = Clock()
    with opened(Limits(grace=60), clock=clock) as jobs:
        running = Toy(total=3)
        jobs.submit("a", "ada", running)
        jobs.submit("b", "bob", Toy(free=True))
        assert running.begun.wait(PATIENCE)
        for _ in range(3):
            clock.now += 50
            assert isinstance(present(jobs, "b", "bob"), Waiting)
        running.let(9)
        assert ended(jobs, "b", "bob") == DONE
