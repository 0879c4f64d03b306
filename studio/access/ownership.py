"""Who owns which name: sessions, events, and files, as the server itself has handed them out.

Gradio trusts whoever knows a session's hash, an event's id or a file's path. Here a name belongs to
the visitor who used it first (sessions) or to whom the server told it (events, files), and is of no
use to anybody else.

What is remembered is bounded for each share (see `shares`). A session that is forgotten is
anybody's, so who has too many gets no more, and others lose none to them. An event or a file that
is forgotten is nobody's, so there the visitor's own oldest ones go.
"""

import json
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

from studio.shares import Bounds, Share, Tally

MEMORY = 24 * 3600.0  # seconds after its last use at which a name is forgotten
SESSIONS: Final = Bounds(each=8_000, newcomers=48_000, total=64_000)
GRANTS: Final = Bounds(each=8_000, newcomers=96_000, total=128_000)  # events and files
MANY: Final = 200  # sessions, more than any person opens in a day
LONGEST = 4096  # bytes of a path
FULL: Final = "Too many pages have been opened from here today. Close some, or try again tomorrow."

_EVENT = re.compile(rb'"event_id":\s*"([^"\\]{1,200})"')


class Ownership:
    """`roots` are the folders whose files need a grant; they are never served without one."""

    def __init__(
        self,
        roots: Sequence[Path],
        clock: Callable[[], float] = time.monotonic,
        share: Callable[[str], Share] = lambda visitor: Share(visitor, False),
    ) -> None:
        real = [os.path.realpath(root) for root in roots]
        written = {text for root in (*map(str, roots), *real) for text in (root, _escaped(root))}
        self._roots = tuple(root + os.sep for root in real)
        starts = b"|".join(re.escape(text.encode()) for text in sorted(written))
        named = b'"((?:' + starts + rb')(?:[^"\\]|\\.)+)"'
        self._path = re.compile(rb'"path":\s*' + named)
        self._uploaded = re.compile(named)
        self._clock = clock
        self._share = share
        self._sessions: dict[str, tuple[str, Share, float]] = {}  # name → whose, last use
        self._grants: dict[str, OrderedDict[str, tuple[Share, float]]] = {}  # visitor → names
        self._events: dict[str, str] = {}  # event → whose
        self._held = Tally(SESSIONS)
        self._granted = Tally(GRANTS)
        self._swept = clock()

    # -- sessions and events

    def claim(self, name: str, visitor: str) -> bool:
        """Whether the visitor may use the session: it is theirs, or was nobody's until now.

        PermissionError with a sentence where there is no room for another one of theirs.
        """
        owner, share, _ = self._sessions.get(name, ("", None, 0.0))
        if share is None:
            share = self._share(visitor)
            self._sweep(soon=not self._held.room(share))
            if not self._held.room(share):
                self._thin_out(share)
            if not self._held.room(share):
                raise PermissionError(FULL)
            self._held.add(share)
        elif owner != visitor:
            return False
        self._sessions[name] = (visitor, share, self._clock())
        return True

    def owns(self, event: str, visitor: str) -> bool:
        return self._uses(f"event:{event}", visitor)

    # -- files

    def may_read(self, path: str, visitor: str) -> bool:
        try:
            real = os.path.realpath(path)
        except (OSError, ValueError):  # NUL, or half a character: no path at all
            return False
        return self._uses(real, visitor)

    def may_name(self, value: object, visitor: str) -> bool:
        """Whether all files that a message names have been told to the visitor."""
        return all(self.may_read(path, visitor) for path in self.named(value))

    def named(self, value: object) -> Iterator[str]:
        """The files that a JSON value names, however deep.

        A "path" always names one, wherever it leads: Gradio would fetch it, from the net as well.
        Any other text does if it leads into one of the roots.
        """
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if isinstance(each, dict):
                inner = cast("dict[str, Any]", each)
                if isinstance(path := inner.get("path"), str):
                    yield path
                waiting.extend(inner.values())
            elif isinstance(each, list):
                waiting.extend(cast("list[Any]", each))
            elif isinstance(each, str) and self._inside(each):
                yield each

    def _inside(self, text: str) -> bool:
        if os.sep not in text or len(text) > LONGEST:
            return False
        try:
            return os.path.realpath(text).startswith(self._roots)
        except (OSError, ValueError):  # NUL, or half a character: no path at all
            return False

    # -- what the server tells

    def told(self, visitor: str, message: bytes, uploaded: bool = False) -> None:
        """Grant the visitor every event and file that the server names in a message to them.

        A file stands as a "path": any other text may be what they typed, and comes back. Only the
        answer to an upload is a bare list of files.
        """
        for found in _EVENT.finditer(message):
            event = "event:" + found[1].decode("utf-8", "replace")
            if self._events.setdefault(event, visitor) == visitor:
                self._grant(event, visitor)
        for found in (self._uploaded if uploaded else self._path).finditer(message):
            try:
                path = os.path.realpath(json.loads(b'"' + found[1] + b'"'))
            except (OSError, ValueError):
                continue
            if path.startswith(self._roots):
                self._grant(path, visitor)

    # -- memory

    def _uses(self, name: str, visitor: str) -> bool:
        grants = self._grants.get(visitor, OrderedDict())
        if name not in grants:
            return False
        grants[name] = (grants[name][0], self._clock())
        grants.move_to_end(name)
        return True

    def _grant(self, name: str, visitor: str) -> None:
        if self._uses(name, visitor):
            return
        share = self._share(visitor)
        self._sweep(soon=not self._granted.room(share))
        if not self._granted.room(share):
            self._forget(visitor)
        if self._granted.room(share):
            self._grants.setdefault(visitor, OrderedDict())[name] = (share, self._clock())
            self._granted.add(share)
        else:
            self._events.pop(name, None)

    def _forget(self, visitor: str) -> None:
        """The visitor's oldest event or file."""
        if grants := self._grants.get(visitor):
            name, (share, _) = grants.popitem(last=False)
            self._granted.add(share, -1)
            self._events.pop(name, None)
        if not grants:
            self._grants.pop(visitor, None)

    def _thin_out(self, share: Share) -> None:
        """Where others take the room: forget the oldest sessions of who has by far the most."""
        heavy = self._held.heaviest()
        if heavy is None or heavy == share or self._held.of(heavy) <= MANY:
            return
        theirs = [(at, name) for name, (_, whose, at) in self._sessions.items() if whose == heavy]
        for _, name in sorted(theirs)[:MANY]:
            del self._sessions[name]
            self._held.add(heavy, -1)

    def _sweep(self, soon: bool) -> None:
        """Forget what was not used for long; once an hour, or a minute where room is short."""
        now = self._clock()
        if now - self._swept <= (60 if soon else 3600):
            return
        self._swept, oldest = now, now - MEMORY
        for name in [n for n, (_, _, at) in self._sessions.items() if at <= oldest]:
            self._held.add(self._sessions.pop(name)[1], -1)
        for visitor, grants in list(self._grants.items()):
            while grants and next(iter(grants.values()))[1] <= oldest:
                self._forget(visitor)


def _escaped(path: str) -> str:
    """The path as it stands inside JSON."""
    return json.dumps(path)[1:-1]
