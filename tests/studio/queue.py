"""Toy work for the queue, that takes each step when it is let, and ways to watch it."""

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from components.contract.events import Event, Finished, Stepped
from studio.runs.jobs import Jobs, Limits

PATIENCE = 10.0  # seconds; far more than any of this takes
DONE = Finished(edit_id="e", pictures=())


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Toy:
    """Work of `total` steps that takes each one when it is let."""

    def __init__(self, total: int = 3, free: bool = False) -> None:
        self.total = total
        self.done = 0
        self.begun = threading.Event()
        self.closed = threading.Event()
        self._let = threading.Semaphore(10_000 if free else 0)

    def let(self, steps: int = 1) -> None:
        self._let.release(steps)

    def __call__(self) -> Generator[Event, None, None]:
        self.begun.set()
        try:
            for index in range(1, self.total + 1):
                assert self._let.acquire(timeout=PATIENCE)
                self.done = index
                yield Stepped("denoising", index, self.total, 0.0, b"frame %d" % index)
            yield DONE
        finally:
            self.closed.set()


@contextmanager
def opened(limits: Limits | None = None, **named: Any) -> Generator[Jobs]:
    jobs = Jobs(limits, **named)
    jobs.open()
    try:
        yield jobs
    finally:
        jobs.close()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.002)


async def all_of(jobs: Jobs, job: str, visitor: str = "ada") -> list[Event]:
    return [event async for event in jobs.watch(job, visitor)]


async def first_of(jobs: Jobs, job: str, visitor: str) -> Event:
    watching = jobs.watch(job, visitor)
    try:
        return await anext(watching)
    finally:
        await watching.aclose()


def present(jobs: Jobs, job: str, visitor: str = "ada") -> Event:
    return asyncio.run(first_of(jobs, job, visitor))


def ended(jobs: Jobs, job: str, visitor: str = "ada") -> Event:
    return asyncio.run(asyncio.wait_for(all_of(jobs, job, visitor), PATIENCE))[-1]
