"""Who owns which name: sessions, events, and files, as the server itself has handed them out.

Gradio trusts whoever knows a session's hash, an event's id or a file's path. Here a name belongs to
the visitor who used it first (sessions) or to whom the server told it (events, files), and is of no
use to anybody else.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

MEMORY = 24 * 3600.0  # seconds after its last use at which a name is forgotten
CAPACITY = 200_000  # names; when full, new ones are refused: dropping old ones would free them
LONGEST = 4096  # bytes of a path

_EVENT = re.compile(rb'"event_id":\s*"([^"\\]{1,200})"')


class Ledger:
    """`roots` are the folders whose files need a grant; they are never served without one."""

    def __init__(self, roots: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> None:
        real = [os.path.realpath(root) for root in roots]
        written = {text for root in (*map(str, roots), *real) for text in (root, _escaped(root))}
        self._roots = tuple(root + os.sep for root in real)
        starts = b"|".join(re.escape(text.encode()) for text in sorted(written))
        named = b'"((?:' + starts + rb')(?:[^"\\]|\\.)+)"'
        self._path = re.compile(rb'"path":\s*' + named)
        self._uploaded = re.compile(named)
        self._clock = clock
        self._owners: dict[str, tuple[str, float]] = {}  # "session:…" or "event:…" → visitor
        self._files: dict[tuple[str, str], float] = {}  # (visitor, path) → last use
        self._swept = clock()

    # -- sessions and events

    def claim(self, name: str, visitor: str) -> bool:
        """Whether the visitor may use the session: it is theirs, or was nobody's until now."""
        return self._own(f"session:{name}", visitor)

    def owns(self, event: str, visitor: str) -> bool:
        owner = self._owners.get(f"event:{event}")
        return owner is not None and owner[0] == visitor

    # -- files

    def may_read(self, path: str, visitor: str) -> bool:
        try:
            key = (visitor, os.path.realpath(path))
        except (OSError, ValueError):  # NUL, or half a character: no path at all
            return False
        if key not in self._files:
            return False
        self._files[key] = self._clock()
        return True

    def may_name(self, value: object, visitor: str) -> bool:
        """Whether all files that a message names have been told to the visitor."""
        return all(self.may_read(path, visitor) for path in self._named(value))

    def _named(self, value: object) -> Iterator[str]:
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
            self._own("event:" + found[1].decode("utf-8", "replace"), visitor)
        for found in (self._uploaded if uploaded else self._path).finditer(message):
            try:
                path = os.path.realpath(json.loads(b'"' + found[1] + b'"'))
            except (OSError, ValueError):
                continue
            if path.startswith(self._roots) and self._room():
                self._files[visitor, path] = self._clock()

    # -- memory

    def _own(self, name: str, visitor: str) -> bool:
        owner = self._owners.get(name)
        if owner is None and not self._room():
            return False
        if owner is not None and owner[0] != visitor:
            return False
        self._owners[name] = (visitor, self._clock())
        return True

    def _room(self) -> bool:
        now = self._clock()
        full = len(self._owners) + len(self._files) >= CAPACITY
        if now - self._swept > (60 if full else 3600):
            self._swept, oldest = now, now - MEMORY
            self._owners = {n: kept for n, kept in self._owners.items() if kept[1] > oldest}
            self._files = {key: at for key, at in self._files.items() if at > oldest}
            full = len(self._owners) + len(self._files) >= CAPACITY
        return not full


def _escaped(path: str) -> str:
    """The path as it stands inside JSON."""
    return json.dumps(path)[1:-1]
