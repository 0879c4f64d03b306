"""HTTP as uvicorn speaks it, with an end to connections on which no request comes."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD: Final = 15.0  # seconds for a request's head to come, from the connection or the last answer


class Connection(H11Protocol):
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

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
