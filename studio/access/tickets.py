"""Tickets of a login that were ended before their time, kept so that a restart opens none again."""

import asyncio
import json
import logging
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from studio import disk

log = logging.getLogger(__name__)

MOST: Final = 16 * 2**20  # bytes


class Ended:
    """Digests of ended tickets, in `file` if it is given; each until it would have run out."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._until: dict[str, float] = {} if file is None else _read(file)
        self._next = asyncio.Event()  # set when one more is ended
        self._writing = asyncio.Lock()

    def __contains__(self, digest: object) -> bool:
        return digest in self._until

    async def add(self, digest: str, until: float, now: float) -> None:
        kept = {each: at for each, at in self._until.items() if at > now}
        self._until = {**kept, digest: until}
        self._next.set()
        self._next = asyncio.Event()
        if self._file is None:
            return
        try:
            async with self._writing:  # so that the last of them writes what holds now
                content = json.dumps(self._until).encode()
                await asyncio.to_thread(disk.replace, self._file, content, 0o600)
        except OSError as error:  # ended all the same, until a restart
            log.warning("The end of a login cannot be kept (%s)", error)

    async def wait(self, digest: str) -> None:
        """Return once this ticket has been ended."""
        while digest not in self:
            await self._next.wait()


def _read(file: Path) -> dict[str, float]:
    """What the file holds; one that cannot be read is set aside, so that it is not overwritten."""
    try:
        if not os.path.lexists(file):
            return {}
        if not file.is_file() or file.stat().st_size > MOST:
            raise ValueError("it is no small file")
        told: Any = json.loads(file.read_text("utf-8"))
        until = {str(digest): float(at) for digest, at in told.items()}
        if not all(map(math.isfinite, until.values())):
            raise ValueError("a time is no number")
        return until
    except OSError as error:
        log.warning("The logins that were ended cannot be read: %s.", disk.reason(error))
    except (ValueError, TypeError, ArithmeticError, AttributeError, RecursionError):
        kept = "left as it is"
        with suppress(OSError):
            kept = f"kept as {disk.set_aside(file)}"
        log.warning("The logins that were ended cannot be read; the file is %s.", kept)
    return {}
