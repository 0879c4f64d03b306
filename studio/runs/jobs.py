"""A job lives apart from the page that watches it: queue, fairness, place, stop, re-attach.

One worker thread runs one job at a time, a step at a time. A job's work is any generator of events
that ends with `Finished` or `Failed`; this file knows nothing of pictures or networks.

A job that nobody watches keeps its place for the grace time. After that, waiting, it is dropped;
running, it stops if somebody else waits, else it finishes into the history.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from components.contract.events import BROKEN, Event, Failed, Finished, Stepped, Stopped, Waiting
from studio.shares import STRANGERS, Bounds, Share, Tally

log = logging.getLogger(__name__)

Work = Callable[[], Generator[Event, None, None]]

GONE = "That edit is no longer here. Run it again."
DROPPED = "Nobody was watching this edit any more, so its place went to the next. Run it again."
STARTING = "Starting …"
CLOSING = "The studio is closing. Start it again, then run this once more."
CROWDED = (
    "{} edits of visitors without a cookie are here already. "
    "Open the studio in a browser that keeps cookies, or try again soon."
)
PEEK = 0.5  # seconds after which a watcher looks whether its place has changed


@dataclass(frozen=True, slots=True)
class Limits:
    grace: float = 60.0  # seconds without a watcher
    per_visitor: int = 4
    total: int = 24  # of newcomers; that they take every place keeps nobody else out
    kept: int = 4  # places more, for visitors who have been here before
    memory: float = 3600.0  # seconds for which a finished job can be asked about


@dataclass(slots=True, eq=False)
class Job:
    """One edit on its way. Every field is guarded by the lock of `Jobs`."""

    id: str
    visitor: str
    share: Share  # on which its place is counted
    work: Work | None  # None once it has ended: it holds pictures
    unwatched_since: float | None  # None while somebody watches
    running: bool = False
    stopping: bool = False
    event: Event | None = None  # the newest; None while it waits for its turn
    frame: bytes | None = None  # the newest picture, which may be older than `event`
    news: int = 0  # counts events
    frame_news: int = 0  # `news` when `frame` came
    ended_at: float | None = None
    bells: set["Bell"] = field(default_factory=set["Bell"])


class Bell:
    """Wakes one watcher, from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def ring(self) -> None:
        with suppress(RuntimeError):  # the loop has closed, and its watchers with it
            self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # wait_for of Python 3.11 can lose a cancellation
                await self._rung.wait()
        self._rung.clear()


class Jobs:
    """All jobs, and the worker thread that runs them.

    `prepare` runs first in the worker thread (say, to load the model); until it is done, everybody
    waits for `preparing`. If it raises ValueError, its sentence is every job's answer.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        prepare: Callable[[], object] | None = None,
        preparing: str = "",
        clock: Callable[[], float] = time.monotonic,
        share: Callable[[str], Share] = lambda visitor: Share(visitor, False),
    ) -> None:
        self._limits = limits or Limits()
        self._share = share
        self._prepare = prepare
        self._preparing = preparing if prepare else ""
        self._refusal: str | None = None  # why no job can run
        self._clock = clock
        self._jobs: dict[str, Job] = {}  # in the order of submission
        self._turns: dict[str, int] = {}  # share → number of the last job that was begun
        self._begun = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="device", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self, seconds: float = 10.0) -> None:
        """Stop at the next step and let the worker thread end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def serve_again(self) -> None:
        """What could not be prepared is there after all: another model, say."""
        with self._changed:
            self._refusal = None

    # -- what a page asks for

    def submit(self, job_id: str, visitor: str, work: Work) -> None:
        """Queue a job under an id that nobody can guess. ValueError where there is no room."""
        share, limits = self._share(visitor), self._limits
        bounds = Bounds(limits.per_visitor, limits.total, limits.total + limits.kept)
        with self._changed:
            self._tidy()
            alive = [job.share for job in self._jobs.values() if job.ended_at is None]
            held = Tally(bounds, alive)
            if (mine := held.of(share)) >= bounds.each:
                if share == STRANGERS:
                    raise ValueError(CROWDED.format(mine))
                raise ValueError(f"You already have {mine} edits here. Let one finish or stop it.")
            if not held.room(share):
                raise ValueError(f"The studio is full: {len(alive)} edits wait. Try again soon.")
            job = Job(job_id, visitor, share, work, self._clock())
            self._jobs[job.id] = job
            self._changed.notify_all()

    async def watch(self, job_id: str, visitor: str) -> AsyncGenerator[Event, None]:
        """The present state at once, then what happens, newest only; ends with the job."""
        bell = Bell()
        with self._changed:
            job = self._find(job_id, visitor)
            job.bells.add(bell)
            job.unwatched_since = None
        try:
            seen, told = 0, None
            while True:
                event, news = self._present(job, seen)
                if event is not None and event != told:
                    seen, told = news, event
                    yield event
                    if isinstance(event, Finished | Failed | Stopped):
                        return
                else:
                    await bell.wait(PEEK)
        finally:
            with self._changed:
                job.bells.discard(bell)
                if not job.bells:
                    job.unwatched_since = self._clock()

    def knows(self, job_id: str, visitor: str) -> bool:
        with self._changed:
            job = self._jobs.get(job_id)
            return job is not None and job.visitor == visitor

    def busy(self, share: Share) -> bool:
        """Whether a job is on its way whose place is counted on the share."""
        with self._changed:
            alive = (job.share for job in self._jobs.values() if job.ended_at is None)
            return any(each.name == share.name for each in alive)

    def stop(self, job_id: str, visitor: str) -> None:
        """Waiting, the job leaves at once; running, it ends before its next step."""
        with self._changed:
            job = self._find(job_id, visitor)
            if job.ended_at is None:
                job.stopping = True
                if not job.running:
                    self._publish(job, Stopped(0, 0))
                    self._tell_places()

    # -- under the lock

    def _find(self, job_id: str, visitor: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None or job.visitor != visitor:
            raise ValueError(GONE)
        return job

    def _present(self, job: Job, seen: int) -> tuple[Event | None, int]:
        """What a watcher who knows of `seen` events should be told, if anything, and the count."""
        with self._changed:
            if job.event is None:
                return self._waiting(job), 0
            if job.news <= seen:
                return None, seen
            event = job.event
            if isinstance(event, Stepped) and event.frame is None and job.frame_news > seen:
                event = replace(event, frame=job.frame)  # a frame that this watcher has missed
            return event, job.news

    def _waiting(self, job: Job) -> Waiting:
        if job.running:
            return Waiting(0, STARTING)
        return Waiting(self._place(job), self._preparing)

    def _place(self, job: Job) -> int:
        return next((n for n, other in enumerate(self._order(), 1) if other is job), 1)

    def _order(self) -> list[Job]:
        """The waiting jobs as they will begin: whose last turn is longest ago comes first."""
        waiting = [j for j in self._jobs.values() if j.ended_at is None and not j.running]
        turns, begun, order = dict(self._turns), self._begun, list[Job]()
        while waiting:
            job = min(waiting, key=lambda job: turns.get(job.share.name, -1))
            waiting.remove(job)
            order.append(job)
            begun += 1
            turns[job.share.name] = begun
        return order

    def _late(self, job: Job) -> bool:
        since = job.unwatched_since
        return since is not None and self._clock() - since > self._limits.grace

    def _tidy(self) -> None:
        """Drop waiting jobs whose page is gone, and forget what ended long ago."""
        now = self._clock()
        for job in list(self._jobs.values()):
            if job.ended_at is None and not job.running and self._late(job):
                self._publish(job, Failed(DROPPED))
            elif job.ended_at is not None and now - job.ended_at > self._limits.memory:
                del self._jobs[job.id]
        if all(job.ended_at is not None for job in self._jobs.values()):
            self._turns.clear()

    def _publish(self, job: Job, event: Event) -> None:
        job.event = event
        job.news += 1
        if isinstance(event, Stepped) and event.frame is not None:
            job.frame, job.frame_news = event.frame, job.news
        if isinstance(event, Finished | Failed | Stopped):
            job.ended_at, job.running = self._clock(), False
            job.work = job.frame = None
        for bell in job.bells:
            bell.ring()

    def _tell_places(self) -> None:
        for job in self._jobs.values():
            if job.event is None:
                for bell in job.bells:
                    bell.ring()

    # -- the worker thread

    def _serve(self) -> None:
        if self._prepare is not None:
            refusal: str | None = None
            try:
                self._prepare()
            except ValueError as error:
                refusal = str(error)
            except Exception:
                log.exception("Preparing failed")
                refusal = BROKEN
            with self._changed:
                self._refusal, self._preparing = refusal, ""
                self._tell_places()
        while (job := self._next()) is not None:
            self._run(job)

    def _next(self) -> Job | None:
        with self._changed:
            while True:
                self._tidy()
                order = self._order()
                if self._closing:
                    for job in order:
                        self._publish(job, Failed(CLOSING))
                    return None
                if order:
                    job = order[0]
                    job.running = True
                    self._begun += 1
                    self._turns[job.share.name] = self._begun
                    self._tell_places()
                    return job
                self._changed.wait()

    def _run(self, job: Job) -> None:
        index = total = 0
        if self._refusal is not None:
            return self._end(job, Failed(self._refusal))
        assert job.work is not None
        work = job.work()
        try:
            while True:
                verdict = self._verdict(job, index, total)
                if verdict is not None:
                    return self._end(job, verdict)
                event = next(work)
                if isinstance(event, Finished | Failed | Stopped):
                    return self._end(job, event)
                if isinstance(event, Stepped):
                    index, total = event.index, event.total
                with self._changed:
                    self._publish(job, event)
        except Exception:  # StopIteration too: work must end with an event of its own
            log.exception("The work of a job failed")
            self._end(job, Failed(BROKEN))
        finally:
            work.close()

    def _verdict(self, job: Job, index: int, total: int) -> Event | None:
        """Asked before each step: why the job should end now, if it should."""
        with self._changed:
            self._tidy()
            if job.stopping:
                return Stopped(index, total)
            if self._closing:
                return Failed(CLOSING)
            others = (j for j in self._jobs.values() if j.ended_at is None and not j.running)
            if self._late(job) and any(other.visitor != job.visitor for other in others):
                return Failed(DROPPED)
            return None

    def _end(self, job: Job, event: Event) -> None:
        with self._changed:
            self._publish(job, event)
            self._tell_places()
