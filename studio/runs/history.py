"""Edits on disk, and the index that finds them: a tree, since an edit can name its parent.

    <data>/edits/<id>/{before.png, 0.png…, step-NN.jpg, view-NAME.png, request.json}
    <data>/index.sqlite

The folders are the truth and the index can be made anew from them. An edit is written into a
hidden folder, flushed to the disk, and renamed into place, so a folder with a proper name is whole;
the row comes last. Opening the history adopts folders that have no row and marks rows that have no
folder. What cannot be read is set aside, and nothing is ever deleted but what a killed run left
half-written, after a day.
"""

import errno
import json
import logging
import os
import re
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
from typing import Any, cast

from studio import disk
from studio.runs.index import open_index

log = logging.getLogger(__name__)

MINIMUM_FREE = 500 * 2**20  # bytes; below that no new edit is begun
RECIPE = "request.json"
BEFORE = "before.png"
VIEW = "view-"
LONGEST = 8 * 2**20  # bytes of a recipe

_ID = re.compile(r"\w[\w.-]{0,199}")
_PICTURE = re.compile(r"[0-9]{1,9}\.png")
_FRAME = re.compile(r"step-[0-9]{1,9}\.jpg")
_VIEW = re.compile(rf"{VIEW}.+\.png")


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
    """Opens what is in `folder`; ValueError with a sentence where it cannot be used."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.edits = folder / "edits"
        self._clock = clock
        self._lock = threading.Lock()
        self._drafts: set[str] = set()  # that are being written here
        disk.folder(self.edits, "--data")
        try:
            self._index = open_index(folder / "index.sqlite")
        except (OSError, sqlite3.Error) as error:
            raise ValueError(disk.cannot(folder, error, "--data")) from error
        try:
            self._reconcile()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise ValueError(disk.cannot(folder, error, "--data")) from error
        self.sweep_drafts()

    def close(self) -> None:
        with self._lock:
            self._index.close()

    # -- writing

    def check_room(self) -> None:
        """ValueError where another edit might not fit on the disk, or could not be written."""
        try:
            free = shutil.disk_usage(self.edits).free
            if not os.access(self.edits, os.W_OK):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        except OSError as error:
            raise ValueError(
                f"No edit can be kept in {self.edits}: {disk.reason(error)}. "
                "Mend that, then run again."
            ) from error
        if free < MINIMUM_FREE:
            raise ValueError(
                f"Only {free // 2**20} MB are left on the disk. Free some space, then run again."
            )

    def sweep_drafts(self) -> None:
        """Remove what killed runs left half-written a day ago or earlier."""
        for place in (self.edits, self.edits.parent):
            disk.sweep_drafts(place, self._drafts)

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
        home, draft = self.edits / edit_id, self.edits / f".{edit_id}{disk.DRAFT}"
        self._drafts.add(draft.name)
        try:
            known = parent and self._rows("id = ? and visitor = ?", (parent, visitor))
            facts = {"id": edit_id, "visitor": visitor, "created": self._clock()}
            record = {**recipe, **facts, "parent": parent if known else None}
            text = json.dumps(record, indent=1, ensure_ascii=False)
            draft.mkdir()
            for name, content in files.items():
                disk.write(draft / name, content)
            disk.write(draft / RECIPE, text.encode("utf-8", "replace"))
            disk.flush(draft)
            os.replace(draft, home)
            disk.flush(self.edits)
            with self._changing() as index:
                _insert(index, record)
        except (OSError, sqlite3.Error) as error:
            shutil.rmtree(draft, ignore_errors=True)  # our own half-written one
            why = disk.reason(error)
            full = why == "the disk is full"
            raise Unsaved(
                "The disk is full" if full else f"The disk cannot be written ({why})"
            ) from error
        finally:
            self._drafts.discard(draft.name)
        return self._saved(record, missing=False)

    # -- reading

    def read(self, edit_id: str, visitor: str) -> Saved | None:
        """One edit of this visitor, or None."""
        rows = self._found("id = ? and visitor = ?", (edit_id, visitor))
        return next(iter(rows), None)

    def list(self, visitor: str, count: int = 50, before: float | None = None) -> Sequence[Saved]:
        """The visitor's edits, youngest first; `before` a time, to read on."""
        limit = self._clock() + 1e9 if before is None else before
        where = "visitor = ? and created < ? order by created desc, id desc limit ?"
        return self._found(where, (visitor, limit, count))

    def children(self, edit_id: str, visitor: str) -> Sequence[Saved]:
        """The edits that were made from a result of this one, oldest first."""
        return self._found("parent = ? and visitor = ? order by created", (edit_id, visitor))

    def _found(self, where: str, values: Sequence[object]) -> Sequence[Saved]:
        """The rows, or ValueError with a sentence where the index cannot be read."""
        try:
            return self._rows(where, values)
        except UnicodeError:  # half a character from outside, which no row has
            return []
        except sqlite3.Error as error:
            log.warning("The index of the history cannot be read (%s)", error)
            raise ValueError(
                f"The history cannot be read: {disk.reason(error)}. Start the studio again."
            ) from error

    def _rows(self, where: str, values: Sequence[object]) -> Sequence[Saved]:
        with self._lock:
            found = self._index.execute(
                f"select id, recipe, missing from edits where {where}", values
            ).fetchall()
        records = [(_record(recipe, edit_id), missing) for edit_id, recipe, missing in found]
        return [self._saved(record, bool(missing)) for record, missing in records if record]

    def _saved(self, record: Mapping[str, Any], missing: bool) -> Saved:
        home = self.edits / record["id"]
        names = _files(home)
        pictures = sorted(filter(_PICTURE.fullmatch, names), key=lambda name: int(name[:-4]))
        return Saved(
            id=record["id"],
            parent=record.get("parent"),
            created=record["created"],
            recipe=record,
            images=tuple(home / name for name in pictures),
            before=home / BEFORE if BEFORE in names else None,
            frames=tuple(home / name for name in filter(_FRAME.fullmatch, names)),
            views={_view_name(name): home / name for name in filter(_VIEW.fullmatch, names)},
            missing=missing,
        )

    # -- the index

    @contextmanager
    def _changing(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._index:  # the connection commits, or rolls back
            yield self._index

    def _reconcile(self) -> None:
        """Set odd rows aside, adopt folders without a row, and mark rows without a folder."""
        with self._changing() as index:
            known, odd = set[str](), list[tuple[int]]()
            rows = index.execute("select rowid, id, recipe, visitor, created from edits")
            for number, edit_id, recipe, visitor, created in rows:
                record = _record(recipe, edit_id)
                if record and (record["visitor"], record["created"]) == (visitor, created):
                    known.add(edit_id)
                else:
                    odd.append((number,))
            if odd:
                columns = "id, visitor, parent, created, recipe, missing"
                copy = f"insert into set_aside select {columns} from edits where rowid = ?"
                index.executemany(copy, odd)
                index.executemany("delete from edits where rowid = ?", odd)
                log.warning("%d odd rows of the history's index are set aside in it.", len(odd))
            there = _homes(self.edits)
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


def _insert(index: sqlite3.Connection, record: Mapping[str, Any]) -> None:
    columns = "id, visitor, parent, created, recipe"
    index.execute(
        f"insert or replace into edits ({columns}) values (?, ?, ?, ?, ?)",
        (
            record["id"],
            record["visitor"],
            record.get("parent"),
            record["created"],
            json.dumps(record, ensure_ascii=False).encode("utf-8", "replace").decode(),
        ),
    )


def _homes(edits: Path) -> set[str]:
    """The folders that may be edits; a link leads who knows where, so it is none."""
    with os.scandir(edits) as entries:
        named = [each for each in entries if not each.name.startswith(".")]
        return {each.name for each in named if each.is_dir(follow_symlinks=False)}


def _files(home: Path) -> Sequence[str]:
    """The names of an edit's files, sorted; a link that leads out of its folder is none."""
    try:
        if home.is_symlink():
            return []
        with os.scandir(home) as entries:
            return sorted(each.name for each in entries if _lies_in(home, each))
    except OSError:  # gone, or shut
        return []


def _lies_in(home: Path, entry: os.DirEntry[str]) -> bool:
    try:
        plain = entry.is_file(follow_symlinks=False)
        return plain or (entry.is_file() and Path(entry.path).resolve().parent == home.resolve())
    except (OSError, RuntimeError):  # a link in a circle
        return False


def _recipe(home: Path) -> Mapping[str, Any] | None:
    """The recipe of a folder that has no row, if it is one of ours."""
    path, record = home / RECIPE, None
    try:
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= LONGEST:
            record = _record(path.read_text("utf-8"), home.name)
    except (OSError, ValueError) as error:
        log.debug("%s cannot be read (%s)", path, error)
    if record is None:
        log.warning("%s is no edit that could be read; it is left as it is.", home)
    return record


def _record(text: object, edit_id: object) -> Mapping[str, Any] | None:
    """A recipe of the edit with this id; None where it is not whole."""
    if not (isinstance(text, str) and isinstance(edit_id, str) and _ID.fullmatch(edit_id)):
        return None
    try:
        text.encode()
        told: object = json.loads(text)
        if "\\ud" in text.lower():  # perhaps half a character, which nobody could be shown
            json.dumps(told, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    record = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    parent, seeds = record.get("parent"), record.get("seeds", [])
    whole = (
        record.get("id") == edit_id
        and isinstance(record.get("visitor"), str)
        and (parent is None or isinstance(parent, str))
        and is_number(record.get("created"))
        and is_number(record.get("seconds", 0))
        and isinstance(seeds, list)
        and all(map(is_number, cast("list[object]", seeds)))
        and all(isinstance(record.get(name, {}), dict) for name in ("request", "notes"))
    )
    return record if whole else None


def is_number(value: object) -> bool:
    """Whether it is a finite number of a size that a database holds."""
    return type(value) in (int, float) and -1e15 < cast("float", value) < 1e15
