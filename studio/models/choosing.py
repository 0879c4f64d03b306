"""Choosing another model while the former one serves: fetch it if need be, load it, change over.

The same for what is to be on top of it, which is the choice of a model with other add-ons.

One choice at a time, for everybody who uses the studio. It lives in the event loop's thread; what
takes long runs in another one. A failure is one sentence, and leaves the former model serving.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from components.contract.installed import HEAVIEST, AddOn, InstalledModel, Offer, Progress
from pipelines.networks import adapters, checkpoint
from studio.models.chosen import NOTHING, OnTop
from studio.models.hub import ID, Cancelled, Hub
from studio.models.installed import Installed, look, ordered
from studio.models.loaded import Models
from studio.models.memory import out_of_memory

log = logging.getLogger(__name__)

PEEK: Final = 0.1  # seconds between two looks at how far it is
SOON: Final = 1.0  # seconds that the first list may take; then what has been read by then shows
EVERY: Final = 0.5  # seconds between two lists while the rest is read
LONGEST: Final = 1000  # characters of a path
BUSY: Final = "Another model is on its way. Wait for it, or cancel it."
EMPTY: Final = "Type the id of a model on the hub, as in owner/name, or the path of one here."
NOWHERE: Final = "There is no model at {}. Type a hub id, as in owner/name, or a whole path."
NO_MEMORY: Final = "There is not enough memory for {} on this machine."
GONE: Final = "{} is not in the models folder any more."
TOO_HEAVY: Final = f"The weight of {{}} must be a number from -{HEAVIEST:g} to {HEAVIEST:g}."
BROKEN: Final = "{} could not be loaded; the log says why. The former model serves on."


class Choice:
    """`changed` is awaited when another model serves, say to build its page."""

    def __init__(
        self, models: Models, installed: Installed, hub: Hub, changed: Callable[[], Awaitable[None]]
    ) -> None:
        self._models = models
        self._installed = installed
        self._hub = hub
        self._changed = changed
        self._progress = Progress()
        self._cancelled = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._offer = Offer()
        self._reading = threading.Lock()  # held by whoever looks at or changes the next two
        self._reader: threading.Thread | None = None
        self._stale = False  # whether to read once more

    async def look(self) -> AsyncGenerator[tuple[Progress, Offer]]:
        """How far a choice is and what is installed, until nothing is under way and all is read.

        A choice that had been made before is no news.
        """
        former = self._progress if self._progress.phase == "chosen" else None
        self._read_anew()
        until = time.monotonic() + SOON
        while not self._offer.whole and time.monotonic() < until:
            await asyncio.sleep(PEEK / 10)
        told = None
        while True:
            progress = Progress() if self._progress is former else self._progress
            if told and told[0] != progress and progress.phase in ("failed", "chosen"):
                self._read_anew()
            busy = self._busy or not self._offer.whole
            now = progress, self._offer
            if now != told:
                told = now
                yield now
            if not busy:
                return
            await asyncio.sleep(PEEK)

    def choose(self, wanted: str) -> None:
        """Begin with a model: a path on this machine, or the id of one on the hub."""
        self._begin(wanted.strip(), {})

    def lay(self, weights: Mapping[str, float]) -> None:
        """Begin with the model that serves and exactly these on top of it: path → weight."""
        for path, weight in weights.items():
            if not -HEAVIEST <= weight <= HEAVIEST:
                raise ValueError(TOO_HEAVY.format(adapters.called(path)))
        self._begin(self._serving, weights)

    def _begin(self, wanted: str, weights: Mapping[str, float]) -> None:
        if self._busy:
            raise ValueError(BUSY)
        path = _path(wanted)
        if path is None and not ID.fullmatch(wanted):
            raise ValueError(NOWHERE.format(wanted[:80]) if wanted else EMPTY)
        name = wanted if path is None else checkpoint.title(path)
        self._progress = Progress("loading", name)
        self._cancelled = threading.Event()
        carried = self._carry(name, path, weights, self._cancelled, self._task)
        self._task = asyncio.create_task(carried)

    def cancel(self) -> None:
        """Leave a download; what has arrived is kept. A model that loads already is not stopped."""
        if self._progress.phase == "downloading":
            self._cancelled.set()
            self._progress = Progress()

    def tell_failure(self, sentence: str) -> None:
        """Something to be read when the picker is opened next."""
        self._progress = Progress("failed", sentence)

    def _read_anew(self) -> None:
        """Have what lies there read, in a thread; one that reads already begins again after it."""
        with self._reading:
            self._stale = True
            self._offer = replace(self._offer, whole=False)
            if self._reader is None:
                self._reader = threading.Thread(target=self._read, name="models", daemon=True)
                self._reader.start()

    def _read(self) -> None:
        while True:
            with self._reading:
                if not self._stale:
                    self._offer = replace(self._offer, whole=True)
                    self._reader = None
                    return
                self._stale = False
            try:
                self._read_all()
            except Exception:
                log.exception("The models folder could not be read to its end")

    def _read_all(self) -> None:
        """What was there before shows until it has been read again."""
        before = {each.source: each for each in (*self._offer.installed, *self._offer.add_ons)}
        serving = self._serving
        model = _path(serving) or self._installed.find(serving) or Path(serving)
        found: dict[str, InstalledModel | AddOn] = {}
        last = time.monotonic()
        for row in self._installed.read(model, [str(model), *self._models.on_top.files]):
            found[row.source] = row
            if time.monotonic() > last + EVERY:
                last = time.monotonic()
                self._offer = self._offered({**before, **found}.values())
        self._offer = self._offered(found.values())

    def _offered(self, rows: Collection[InstalledModel | AddOn]) -> Offer:
        """These, with what serves now and what is on top of it."""
        serving, on_top = self._serving, self._models.on_top
        weights = {**dict(on_top.loras), **dict.fromkeys(on_top.embeddings, 1.0)}
        held = {each.source: each for each in rows if isinstance(each, AddOn)}
        for path in weights.keys() - held.keys():
            held[path] = AddOn(adapters.called(path), path in on_top.embeddings, 0, path)
        models = ordered(each for each in rows if isinstance(each, InstalledModel))
        bundle = self._models.loaded
        note, unused = ("", {}) if bundle is None else (bundle.note, bundle.unused)
        return Offer(
            [
                replace(each, serving=True, note=note)
                if serving in (each.source, each.name)
                else each
                for each in models
            ],
            [
                replace(each, weight=weights[path], remark=unused.get(each.name, ""))
                if path in weights
                else each
                for path, each in sorted(held.items())
            ],
        )

    @property
    def _serving(self) -> str:
        """The model that serves: where it lies, or its hub id."""
        path = Path(self._models.source).expanduser().absolute()
        return str(path) if path.exists() else self._models.source

    @property
    def _busy(self) -> bool:
        return self._progress.phase in ("downloading", "loading")

    async def _carry(
        self,
        name: str,
        path: Path | None,
        weights: Mapping[str, float],
        cancelled: threading.Event,
        former: asyncio.Task[None] | None,
    ) -> None:
        if former is not None:
            await asyncio.wait([former])  # a cancelled download may still wait for the hub
        try:
            if path is None:
                path = await asyncio.to_thread(self._obtain, name, cancelled)
            found = await asyncio.to_thread(look, path, "")
            if found.refusal:
                raise ValueError(found.refusal)
            name = found.name
            self._progress = Progress("loading", name)
            on_top = await asyncio.to_thread(self._on_top, path, weights) if weights else NOTHING
            await self._change(str(path), on_top)
        except Cancelled:
            return
        except Exception as error:
            if cancelled.is_set():
                return
            self.tell_failure(_sentence(error, name, path))
        else:
            self._progress = Progress("chosen", name)

    async def _change(self, source: str, on_top: OnTop) -> None:
        """Load it and change over; where there can be no page of it, back to the former one."""
        former = self._models.choice
        await asyncio.to_thread(self._models.choose, source, on_top)
        try:
            await self._changed()
        except Exception:
            await asyncio.to_thread(self._models.choose, *former)
            raise

    def _on_top(self, model: Path, weights: Mapping[str, float]) -> OnTop:
        """What these paths are on top of a model; ValueError with a sentence where one is not."""
        offered = {each.source: each for each in self._installed.add_ons(model, weights.keys())}
        for path in weights:
            if path not in offered:
                raise ValueError(GONE.format(Path(path).name))
            if refusal := offered[path].refusal:
                raise ValueError(refusal)
        wanted = [each for each in offered.values() if each.source in weights]
        loras = ((each.source, weights[each.source]) for each in wanted if not each.words)
        return OnTop(tuple(loras), tuple(each.source for each in wanted if each.words))

    def _obtain(self, name: str, cancelled: threading.Event) -> Path:
        """Where the model of this id lies, fetched if it is not here yet."""
        if (held := self._installed.find(name)) is not None:
            return held

        def tell(done: int, total: int) -> None:
            if not cancelled.is_set():
                self._progress = Progress("downloading", name, done, total)

        tell(0, 0)
        return self._hub.fetch(name, tell, cancelled.is_set)


def _path(wanted: str) -> Path | None:
    """Where somebody's words lead on this machine; None where they name nothing there."""
    try:
        path = Path(wanted).expanduser()
        found = len(wanted) <= LONGEST and path.is_absolute() and path.exists()
    except (OSError, RuntimeError, ValueError):  # too long, no such user, NUL
        return None
    return path if found else None


def _sentence(error: Exception, name: str, path: Path | None) -> str:
    """What went wrong, by the model's name; of a library's reasons the first line."""
    if isinstance(error, ValueError) and str(error):
        text = str(error).splitlines()[0].replace(str(path), name)[:LONGEST]
        return text if text.endswith(".") else f"{text}."
    if out_of_memory(error):
        log.warning("%s did not fit into the memory", name)
        return NO_MEMORY.format(name)
    log.error("%s could not be loaded", name, exc_info=error)
    return BROKEN.format(name)
