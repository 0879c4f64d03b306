"""HTTP as uvicorn speaks it, with an end to connections on which no request comes.

Each connection takes one of the files that the system lets a process have open. Beyond a third of
them a new one takes the place of the one that has waited longest for its request.
"""

import asyncio
import math
import sys
from typing import Any, Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

FILES: Final = 4096  # of which the studio itself needs some 100
MOST: Final = 800
BACKLOG: Final = 64  # taken from the system at once, before any of them can be closed
HEAD: Final = 15.0  # seconds for a request's head to come, from the connection or the last answer


def ask_for_files() -> None:
    """Let this process have FILES files open, as far as the system allows."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most() -> int:
    """Connections at once: fewer than uvicorn answers with 503, and than would take all files."""
    if sys.platform == "win32":
        return MOST
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if files == resource.RLIM_INFINITY else min(MOST, files // 3)


class Connection(H11Protocol):
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect()
        connections = cast("set[Connection]", self.connections)
        # One that has been aborted stays among them until the loop comes round.
        held = [each for each in connections if not each.transport.is_closing()]
        if len(held) > most():
            min(held, key=lambda each: each.due).transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def send_400_response(self, msg: str) -> None:
        """Answer a message that is no HTTP; within another answer there is no place for that.

        Whoever answers the request that it belongs to comes too late.
        """
        cycle: Any = self.cycle
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    @property
    def due(self) -> float:
        """When it is closed if no head has come; infinite while a request is answered."""
        return math.inf if self._patience is None else self._patience.when()

    def _expect(self) -> None:
        """Start to count where a head is to come, and stop where it has come."""
        cycle: Any = self.cycle  # None until the first head has come
        if cycle is not None and not cycle.response_complete:
            self._stop()
        elif self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(HEAD, self.transport.close)

    def _stop(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
