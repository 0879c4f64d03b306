"""Edits on disk, and the index that finds them: a tree, since an edit can name its parent.

    <data>/edits/<id>/{before.png, 0.png…, step-NN.jpg, view-NAME.png, request.json}
    <data>/index.sqlite

The folders are the truth and the index can be made anew from them. An edit is written into a
hidden folder, flushed to the disk, and renamed into place, so a folder with a proper name is whole;
the row comes last. Opening the history adopts folders that have no row and marks rows that have no
folder. It never deletes anything.
"""

import errno
import json
import logging
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

MINIMUM_FREE = 500 * 2**20  # bytes; below that no new edit is begun
RECIPE = "request.json"
BEFORE = "before.png"
VIEW = "view-"

_SCHEMA = """
create table if not exists edits (
    id text primary key,
    visitor text not null,
    parent text,
    created real not null,
    recipe text not null,
    missing integer not null default 0
);
create index if not exists edits_of_visitor on edits (visitor, created);
"""


class Unsaved(OSError):
    """An edit could not be written: the disk is full, or gone."""


@dataclass(frozen=True, slots=True)
class Saved:
    """An edit as it lies on the disk."""

    id: str
    parent: str | None
    created: float  # seconds since 1970
    recipe: Mapping[str, Any]  # what was asked for and what came of it
    images: tuple[Path, ...]
    before: Path | None
    frames: tuple[Path, ...]
    views: Mapping[str, Path]  # further pictures by name
    missing: bool = False  # its folder is not there (any more)


class History:
    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.edits = folder / "edits"
        self._clock = clock
        self._lock = threading.Lock()
        self.edits.mkdir(parents=True, exist_ok=True)
        self._index = _open_index(folder / "index.sqlite", clock)
        self._reconcile()

    def close(self) -> None:
        with self._lock:
            self._index.close()

    # -- writing

    def check_room(self) -> None:
        """ValueError where another edit might not fit on the disk."""
        free = shutil.disk_usage(self.edits).free
        if free < MINIMUM_FREE:
            raise ValueError(
                f"Only {free // 2**20} MB are left on the disk. Free some space, then run again."
            )

    def new_id(self) -> str:
        """Sorts by time, readable by a person, not to be guessed."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(8)}"

    def save(
        self,
        edit_id: str,
        visitor: str,
        recipe: Mapping[str, Any],
        files: Mapping[str, bytes],
        parent: str | None = None,
    ) -> Saved:
        """Write an edit so that it is there whole or not at all. Raises Unsaved."""
        parent = parent if parent and self.read(parent, visitor) else None
        created = self._clock()
        facts = {"id": edit_id, "visitor": visitor, "created": created, "parent": parent}
        record = {**recipe, **facts}
        home, draft = self.edits / edit_id, self.edits / f".{edit_id}.writing"
        try:
            draft.mkdir()
            for name, content in files.items():
                _write(draft / name, content)
            _write(draft / RECIPE, json.dumps(record, indent=1, ensure_ascii=False).encode())
            _flush(draft)
            os.replace(draft, home)
            _flush(self.edits)
            with self._changing() as index:
                _insert(index, record)
        except (OSError, sqlite3.OperationalError) as error:
            shutil.rmtree(draft, ignore_errors=True)  # our own half-written one
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise Unsaved("The disk is full" if full else "The disk cannot be written") from error
        return self._saved(record, missing=False)

    # -- reading

    def read(self, edit_id: str, visitor: str) -> Saved | None:
        """One edit of this visitor, or None."""
        rows = self._rows("id = ? and visitor = ?", (edit_id, visitor))
        return next(iter(rows), None)

    def list(self, visitor: str, count: int = 50, before: float | None = None) -> Sequence[Saved]:
        """The visitor's edits, youngest first; `before` a time, to read on."""
        limit = self._clock() + 1e9 if before is None else before
        where = "visitor = ? and created < ? order by created desc, id desc limit ?"
        return self._rows(where, (visitor, limit, count))

    def children(self, edit_id: str, visitor: str) -> Sequence[Saved]:
        """The edits that were made from a result of this one, oldest first."""
        return self._rows("parent = ? and visitor = ? order by created", (edit_id, visitor))

    def _rows(self, where: str, values: Sequence[object]) -> Sequence[Saved]:
        with self._lock:
            found = self._index.execute(
                f"select recipe, missing from edits where {where}", values
            ).fetchall()
        return [self._saved(json.loads(recipe), bool(missing)) for recipe, missing in found]

    def _saved(self, record: Mapping[str, Any], missing: bool) -> Saved:
        home = self.edits / record["id"]
        names = sorted(each.name for each in home.iterdir()) if home.is_dir() else []
        pictures = sorted((n for n in names if n[:-4].isdecimal()), key=lambda name: int(name[:-4]))
        return Saved(
            id=record["id"],
            parent=record.get("parent"),
            created=record["created"],
            recipe=record,
            images=tuple(home / name for name in pictures),
            before=home / BEFORE if BEFORE in names else None,
            frames=tuple(home / name for name in names if name.startswith("step-")),
            views={_view_name(name): home / name for name in names if name.startswith(VIEW)},
            missing=missing,
        )

    # -- the index

    @contextmanager
    def _changing(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._index:  # the connection commits, or rolls back
            yield self._index

    def _reconcile(self) -> None:
        with self._changing() as index:
            known = {row[0] for row in index.execute("select id from edits")}
            there = {each.name for each in self.edits.iterdir() if not each.name.startswith(".")}
            for name in sorted(there - known):
                record = _recipe(self.edits / name)
                if record is not None:
                    _insert(index, record)
            index.execute("update edits set missing = 0")
            index.executemany(
                "update edits set missing = 1 where id = ?", [(name,) for name in known - there]
            )


def view_file(name: str) -> str:
    """The file of a further picture; "attention/0" lies in view-attention-0.png."""
    return f"{VIEW}{name.replace('/', '-')}.png"


def _view_name(file: str) -> str:
    return file.removeprefix(VIEW).removesuffix(".png").replace("-", "/")


def _open_index(path: Path, clock: Callable[[], float]) -> sqlite3.Connection:
    """The index; one that is damaged is put aside, and made anew from the folders."""
    for _ in range(2):
        index = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
        try:
            index.execute("pragma journal_mode = wal")
            index.execute("pragma synchronous = full")
            if index.execute("pragma quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("quick_check found damage")
            index.executescript(_SCHEMA)
            return index
        except sqlite3.OperationalError:
            index.close()
            raise
        except sqlite3.DatabaseError as error:
            index.close()
            aside = f"{path.name}.damaged-{int(clock())}"
            log.warning("The index of the history is damaged (%s); it is kept as %s", error, aside)
            for suffix in ("", "-wal", "-shm"):
                if (part := path.with_name(path.name + suffix)).exists():
                    part.rename(path.with_name(aside + suffix))
    raise sqlite3.DatabaseError(f"{path} cannot be used")


def _insert(index: sqlite3.Connection, record: Mapping[str, Any]) -> None:
    columns = "id, visitor, parent, created, recipe"
    index.execute(
        f"insert or replace into edits ({columns}) values (?, ?, ?, ?, ?)",
        (
            record["id"],
            record["visitor"],
            record.get("parent"),
            record["created"],
            json.dumps(record, ensure_ascii=False),
        ),
    )


def _recipe(home: Path) -> Mapping[str, Any] | None:
    """The recipe of a folder that has no row, if it is one of ours."""
    try:
        record = json.loads((home / RECIPE).read_text("utf-8"))
        whole = record["id"] == home.name and isinstance(record["visitor"], str)
        return record if whole and isinstance(record["created"], float | int) else None
    except (OSError, ValueError, TypeError, KeyError):
        log.warning("%s is no edit that could be read; it is left as it is", home)
        return None


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    """Make the names in a folder durable, where the platform can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
