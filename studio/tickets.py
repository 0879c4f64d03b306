"""Tickets of a login that were ended before their time, kept so that a restart opens none again."""

import asyncio
import json
import logging
import os
import secrets
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class Ended:
    """Digests of ended tickets, in `file` if it is given; each until it would have run out."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._until: dict[str, float] = {} if file is None else _read(file)
        self._next = asyncio.Event()  # set when one more is ended

    def __contains__(self, digest: object) -> bool:
        return digest in self._until

    def add(self, digest: str, until: float, now: float) -> None:
        kept = {each: at for each, at in self._until.items() if at > now}
        self._until = {**kept, digest: until}
        self._next.set()
        self._next = asyncio.Event()
        if self._file is None:
            return
        partial = self._file.with_name(f".{self._file.name}-{secrets.token_hex(4)}")
        try:
            partial.write_text(json.dumps(self._until), "utf-8")
            os.replace(partial, self._file)
        except OSError as error:  # ended all the same, until a restart
            log.warning("The end of a login cannot be kept (%s)", error)

    async def wait(self, digest: str) -> None:
        """Return once this ticket has been ended."""
        while digest not in self:
            await self._next.wait()


def _read(file: Path) -> dict[str, float]:
    try:
        told: Any = json.loads(file.read_text("utf-8"))
        return {str(digest): float(until) for digest, until in told.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        log.warning("The logins that were ended cannot be read (%s)", error)
        return {}
