"""The index of the history, in SQLite. The folders are the truth: it can be made anew from them."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from studio import disk

log = logging.getLogger(__name__)

VERSION = 0  # as `pragma user_version` has it
COMPANIONS = ("-wal", "-shm")  # files beside it
PATIENCE = 5.0  # seconds to wait for another program that has it locked

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
create table if not exists set_aside (id, visitor, parent, created, recipe, missing);
"""


def open_index(path: Path) -> sqlite3.Connection:
    """The index; one that cannot be used is set aside, and made anew from the folders."""
    for _ in range(2):
        try:
            return _opened(path)
        except sqlite3.Error as error:
            parts = [Path(f"{path}{ending}") for ending in ("", *COMPANIONS)]
            if not disk.is_damage(error) and not any(part.is_dir() for part in parts):
                raise
            aside = disk.set_aside(path, COMPANIONS)
            log.warning("The history's index cannot be used (%s); it is kept as %s.", error, aside)
    raise sqlite3.DatabaseError(f"{path} cannot be used")


def _opened(path: Path) -> sqlite3.Connection:
    index = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
    index.text_factory = _text
    try:
        if index.execute("pragma user_version").fetchone()[0] > VERSION:
            raise sqlite3.DatabaseError("a newer version made it")
        index.execute("pragma journal_mode = wal")
        index.execute("pragma synchronous = full")
        if index.execute("pragma quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("quick_check found damage")
        index.executescript(_SCHEMA)
        with closing(sqlite3.connect(":memory:")) as ours:
            ours.executescript(_SCHEMA)
            if _shape(index) != _shape(ours):
                raise sqlite3.DatabaseError("another version made it")
    except sqlite3.Error:
        index.close()
        raise
    return index


def _text(content: bytes) -> str:
    """What is no UTF-8 makes a row odd, not the index unreadable."""
    return content.decode("utf-8", "surrogateescape")


def _shape(index: sqlite3.Connection) -> object:
    """Names, types and keys of the columns, and what could act on them."""
    tables = ("edits", "set_aside")
    acting = "type in ('view', 'trigger') or name in (?, ?) order by name"
    return [
        index.execute(f"select type, name from sqlite_master where {acting}", tables).fetchall(),
        *(index.execute(f"pragma table_info({table})").fetchall() for table in tables),
    ]
