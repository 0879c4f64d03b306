"""What Gradio keeps for each page that is open, and for how long.

Gradio 6.31 keeps a description of every component with each page's session, for links that the
studio does not offer, and forgets a session only when 10,000 others have come. Here a session holds
the values of the page's `gr.State`s, and goes after its page. Of the components that handlers have
updated the last one is kept, since Gradio reads it back to send it: no update of the studio changes
which values a component takes.
"""

import time
from collections import ChainMap
from collections.abc import Callable
from copy import copy
from typing import Any, Final

import gradio as gr
from gradio.blocks import Block
from gradio.state_holder import SessionState, StateHolder

OPEN: Final = 2_000  # pages; of more, the one that was used longest ago begins anew
CLOSED: Final = 200  # sessions that are kept though their page has gone, for it may come back
CLOSED_AGE: Final = 3600.0  # seconds


class Session(SessionState):
    def __init__(self, blocks: gr.Blocks) -> None:
        common = blocks.default_config
        self.blocks_config = copy(common)
        self._updated: dict[int, Block] = {}
        self.blocks_config.blocks = ChainMap(self._updated, common.blocks)  # pyright: ignore[reportAttributeAccessIssue]
        self.blocks_config.fns = common.fns
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = CLOSED_AGE

    def __setitem__(self, key: int, value: Any) -> None:
        if isinstance(value, gr.HTML):  # an update, with all that it shows; it has been sent
            return
        self._updated.clear()
        super().__setitem__(key, value)
        self.config_values.clear()

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class Sessions(StateHolder):
    """The sessions of one page; once a second Gradio asks it to delete what has expired."""

    def __init__(self, blocks: gr.Blocks, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._closed: dict[str, float] = {}  # in the order in which their pages went
        self.set_blocks(blocks)
        self.capacity = OPEN

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        session = super().__getitem__(session_id)
        if self._closed.pop(session_id, None) is not None:
            session.is_closed = False  # the page was cut off, and is back
        return session

    def delete_all_expired_state(self) -> None:
        super().delete_all_expired_state()
        now = self._clock()
        for name, session in list(self.session_data.items()):
            if session.is_closed:
                self._closed.setdefault(name, now)
        surplus = len(self._closed) - CLOSED
        for number, (name, since) in enumerate(list(self._closed.items())):
            if number < surplus or now - since > CLOSED_AGE:
                self._drop(name)

    def _drop(self, name: str) -> None:
        self.delete_state(name)
        self._closed.pop(name, None)
        self.session_data.pop(name, None)
        self.time_last_used.pop(name, None)
        queue = self.blocks._queue  # pyright: ignore[reportPrivateUsage]
        if not queue.pending_event_ids_session.get(name, True):
            del queue.pending_event_ids_session[name]
            queue.pending_messages_per_session.pop(name, None)
