"""How much of the disk uploads take: of one visitor, of all newcomers, of everybody.

Who has no room left loses the uploads that were not used for longest; where newcomers have none
left together, so does the one who has most. None goes that was used within the last minute, and
none at all while an edit of theirs is on its way, since it may need them.
"""

import asyncio
import errno
import json
import logging
import os
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from studio.access.asgi import Refused
from studio.shares import Bounds, Share, Tally

log = logging.getLogger(__name__)

GB: Final = 2**30
BYTES: Final = Bounds(each=GB // 2, newcomers=GB * 3 // 2, total=2 * GB)
LEFT: Final = 500 * 2**20  # bytes that an upload leaves free on the disk
LEAST: Final = 2**16  # bytes that a file counts for at least, so that their number ends as well
YOUNG: Final = 60.0  # seconds
FULL: Final = "The disk is full. Free some space, then try again."
TOO_MUCH: Final = (
    "Uploads may take {} MB for each visitor, and that is used up. "
    "Wait until your edits are done, then try again."
)
CROWDED: Final = "The studio has no room for another upload just now. Try again soon."


class Listed(set[str]):
    """Gradio's own list of uploads, which it goes through once an hour to delete the old ones.

    It does so in a thread while others are added, and would keep the names of all that were ever
    uploaded; here the names go of files that are not there any more.
    """

    def __iter__(self) -> Iterator[str]:
        for path in list(super().__iter__()):
            if os.path.lexists(path):
                yield path
            else:
                self.discard(path)


class Uploads:
    """`busy` says whether an edit is on its way whose place is counted on a share.

    Whoever writes into the folder holds `writing`: what is deleted there must not be what has just
    been written.
    """

    def __init__(
        self,
        folder: Path,
        share: Callable[[str], Share],
        busy: Callable[[Share], bool],
        bounds: Bounds = BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.writing = asyncio.Lock()
        self._share = share
        self._busy = busy
        self._clock = clock
        self._held = Tally(bounds)
        self._files: dict[Path, tuple[Share, int, float]] = {}  # whose, bytes, last use

    @asynccontextmanager
    async def reserved(self, visitor: str, length: int) -> AsyncGenerator[None]:
        """Room for an upload that is under way; Refused with a sentence where there is none."""
        share = self._share(visitor)
        if self._held.room(share) < length:
            async with self.writing:
                await self._make_room(share, length)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise _unwritten(error) from None
        if free < length + LEFT:
            raise Refused(507, FULL)
        self._held.add(share, length)
        try:
            yield
        except OSError as error:
            raise _unwritten(error) from None
        finally:
            self._held.add(share, -length)

    def clear(self) -> None:
        """Delete what Gradio has left of an upload, files for which it had no use."""
        for path in self.folder.glob("tmp*"):
            with suppress(OSError):
                if path.is_file():
                    path.unlink()

    def stored(self, visitor: str, answer: bytes) -> None:
        """Count the files that an upload was answered with."""
        try:
            paths = [Path(each) for each in json.loads(answer)]
        except (ValueError, TypeError):
            return
        share = self._share(visitor)
        for path in paths:
            if path in self._files:  # the same content lies there once
                self.used(path)
                continue
            with suppress(OSError):
                size = max(path.stat().st_size, LEAST)
                self._files[path] = (share, size, self._clock())
                self._held.add(share, size)

    def used(self, path: Path) -> None:
        if path in self._files:
            share, size, _ = self._files[path]
            self._files[path] = (share, size, self._clock())

    async def _make_room(self, share: Share, length: int) -> None:
        """Delete what may go, oldest first, until there is room for `length` bytes."""
        for path in await asyncio.to_thread(_gone, list(self._files)):
            self._forget(path)  # it was swept
        surplus = self._surplus(share, share, length)
        heavy = self._held.heaviest()
        if heavy is not None and self._held.of(heavy) > self._held.of(share) + length:
            surplus += self._surplus(heavy, share, length)
        await asyncio.to_thread(_delete, surplus)
        if self._held.room(share) < length:
            each = self._held.bounds.each
            full = self._held.of(share) + length > each
            raise Refused(507, TOO_MUCH.format(each // 2**20) if full else CROWDED)

    def _surplus(self, whose: Share, share: Share, length: int) -> list[Path]:
        """Forget what of theirs has to go; returns where it lies."""
        oldest = self._clock() - YOUNG
        theirs = [
            (used, path)
            for path, (owner, _, used) in self._files.items()
            if owner.name == whose.name and used < oldest
        ]
        surplus: list[Path] = []
        for _, path in sorted(theirs):
            if self._held.room(share) >= length or self._busy(whose):
                break
            surplus.append(path)
            self._forget(path)
        return surplus

    def _forget(self, path: Path) -> None:
        if path in self._files:
            share, size, _ = self._files.pop(path)
            self._held.add(share, -size)


def _gone(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if not os.path.exists(path)]


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()
            path.parent.rmdir()  # made for this content; others may lie there


def _unwritten(error: OSError) -> Refused:
    log.warning("An upload cannot be kept (%s)", error)
    if error.errno == errno.ENAMETOOLONG:
        return Refused(400, "The name of that file is too long. Rename it, then try again.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused(507, FULL)
    return Refused(507, "The upload could not be kept on the disk. See what the studio's log says.")
