"""Edits are there whole or not at all, and nothing is ever deleted."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from studio.history import History, Unsaved

ROOT = Path(__file__).resolve().parents[2]
FILES = {"0.png": b"zero", "10.png": b"ten", "2.png": b"two", "before.png": b"was"}
FRAMES = {"step-001.jpg": b"one", "step-004.jpg": b"four"}
RECIPE = {"method": "Paint", "request": {"prompt": "a red house"}}


class Ticking:
    """A clock that never stands still, so that edits have an order."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path, Ticking())


def save(history: History, edit_id: str, visitor: str = "ada", parent: str | None = None) -> Any:
    return history.save(edit_id, visitor, RECIPE, FILES | FRAMES, parent)


def again(history: History) -> History:
    """The studio was ended and started anew."""
    history.close()
    return History(history.edits.parent, Ticking())


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_saved_is_read_back(history: History) -> None:
    saved = save(history, "one")
    assert saved == history.read("one", "ada")
    assert [path.name for path in saved.images] == ["0.png", "2.png", "10.png"]
    assert saved.before is not None and saved.before.read_bytes() == b"was"
    assert [path.read_bytes() for path in saved.frames] == [b"one", b"four"]
    assert saved.recipe["request"] == {"prompt": "a red house"}
    assert json.loads((history.edits / "one" / "request.json").read_text())["visitor"] == "ada"


def test_another_visitor_reads_nothing(history: History) -> None:
    save(history, "one")
    assert history.read("one", "mallory") is None
    assert history.list("mallory") == []
    assert history.children("one", "mallory") == []


def test_the_list_begins_with_the_youngest_and_can_be_read_on(history: History) -> None:
    for name in ("one", "two", "three"):
        save(history, name)
    assert [edit.id for edit in history.list("ada")] == ["three", "two", "one"]
    first = history.list("ada", count=2)
    assert [edit.id for edit in first] == ["three", "two"]
    assert [e.id for e in history.list("ada", before=first[-1].created)] == ["one"]


def test_edits_form_a_tree(history: History) -> None:
    save(history, "root")
    save(history, "left", parent="root")
    save(history, "right", parent="root")
    assert [edit.id for edit in history.children("root", "ada")] == ["left", "right"]
    assert save(history, "own", visitor="bob", parent="root").parent is None, "not bob's to name"
    assert save(history, "lost", parent="never was").parent is None


def test_ids_sort_by_time_and_are_not_guessed(history: History) -> None:
    ids = [history.new_id() for _ in range(50)]
    assert ids == sorted(ids) and len({name[-16:] for name in ids}) == 50


def test_it_survives_a_restart(history: History) -> None:
    saved = save(history, "one")
    save(history, "two", parent="one")
    reopened = again(history)
    assert reopened.read("one", "ada") == saved
    assert [edit.id for edit in reopened.children("one", "ada")] == ["two"]


def test_a_folder_without_a_row_is_adopted(history: History) -> None:
    save(history, "root")
    saved = save(history, "one", parent="root")
    history.close()
    for part in history.edits.parent.glob("index.sqlite*"):
        part.unlink()
    reopened = History(history.edits.parent, Ticking())
    assert reopened.read("one", "ada") == saved
    assert [edit.id for edit in reopened.children("root", "ada")] == ["one"]


def test_a_row_without_a_folder_is_marked_and_kept(history: History, tmp_path: Path) -> None:
    save(history, "one")
    history.edits.joinpath("one").rename(tmp_path / "elsewhere")
    reopened = again(history)
    missing = reopened.read("one", "ada")
    assert missing is not None and missing.missing and missing.images == ()
    (tmp_path / "elsewhere").rename(history.edits / "one")
    found = again(reopened).read("one", "ada")
    assert found is not None and not found.missing and len(found.images) == 3


def test_opening_never_deletes(history: History) -> None:
    save(history, "one")
    strange = history.edits / "holiday"
    strange.mkdir()
    (strange / "photo.jpg").write_bytes(b"mine")
    torn = history.edits / "torn"
    torn.mkdir()
    (torn / "request.json").write_text('{"id": "torn", ')
    lying = history.edits / "lying"
    lying.mkdir()
    (lying / "request.json").write_text('{"id": "one", "visitor": "mallory", "created": 1}')
    half = history.edits / ".two.writing"
    half.mkdir()
    (half / "0.png").write_bytes(b"half")
    (history.edits / "note.txt").write_text("a file")
    before = everything(history.edits)
    reopened = again(history)
    assert everything(history.edits) == before
    assert [edit.id for edit in reopened.list("ada")] == ["one"]
    assert reopened.list("mallory") == []


def test_a_damaged_index_is_put_aside_and_made_anew(history: History) -> None:
    saved = save(history, "one")
    history.close()
    index = history.edits.parent / "index.sqlite"
    index.write_bytes(b"no database at all" * 300)
    reopened = History(history.edits.parent, Ticking())
    assert reopened.read("one", "ada") == saved
    (aside,) = history.edits.parent.glob("index.sqlite.damaged-*")
    assert aside.read_bytes().startswith(b"no database")


KILLED = """
import os, signal, sys
from pathlib import Path
from studio import history as module
kind, count = sys.argv[2], int(sys.argv[3])
left = count
def deadly(original):
    def call(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)
    return call
home = module.History(Path(sys.argv[1]))
home.save("safe", "ada", {}, {"0.png": b"safe"})
if kind == "insert":
    module._insert = deadly(module._insert)
else:
    setattr(os, kind, deadly(getattr(os, kind)))
home.save("next", "ada", {}, {"0.png": b"a" * 9999, "1.png": b"b", "step-001.jpg": b"c"})
print("lived")
"""


@pytest.mark.parametrize(
    ("kind", "count", "there"),
    [
        ("fsync", 1, False),  # in the middle of the files
        ("fsync", 3, False),
        ("fsync", 5, False),  # all files are written, the folder is not named yet
        ("replace", 1, False),
        ("fsync", 6, True),  # named, but nothing in the index
        ("insert", 1, True),
    ],
)
def test_a_kill_at_any_moment_leaves_whole_edits_only(
    kind: str, count: int, there: bool, tmp_path: Path
) -> None:
    script = [sys.executable, "-c", KILLED, str(tmp_path), kind, str(count)]
    run = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode < 0 and "lived" not in run.stdout, run.stderr
    history = History(tmp_path)
    names = [edit.id for edit in history.list("ada")]
    assert names == (["next", "safe"] if there else ["safe"])
    assert history.list("ada")[-1].images[0].read_bytes() == b"safe"
    if there:
        images = history.list("ada")[0].images
        assert [path.read_bytes() for path in images] == [b"a" * 9999, b"b"]


@pytest.mark.parametrize("moment", range(1, 7))
def test_a_full_disk_at_any_moment_is_said_and_leaves_no_half_edit(
    history: History, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(history, "safe")
    left, sync = moment, os.fsync

    def fsync(handle: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(Unsaved, match="The disk is full"):
        history.save("next", "ada", RECIPE, {"0.png": b"0", "1.png": b"1", "2.png": b"2"})
    monkeypatch.undo()
    assert not list(history.edits.glob(".*"))
    assert [edit.id for edit in history.list("ada")] == ["safe"]
    save(history, "later")
    assert [edit.id for edit in history.list("ada")] == ["later", "safe"]


def test_an_index_that_cannot_be_written_is_said(history: History) -> None:
    with closing(sqlite3.connect(history.edits.parent / "index.sqlite")) as other:
        other.execute("drop table edits")
    with pytest.raises(Unsaved):
        save(history, "one")
    reopened = again(history)
    assert reopened.read("one", "ada") is not None, "the folder was whole, so it is adopted"


def test_too_little_room_is_one_sentence(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.check_room()
    usage = shutil.disk_usage(history.edits)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=3 * 2**20))
    with pytest.raises(ValueError, match="Only 3 MB are left"):
        history.check_room()


def test_the_index_is_written_through(history: History) -> None:
    index = history._index  # pyright: ignore[reportPrivateUsage]: only it knows its level
    (mode,) = index.execute("pragma journal_mode").fetchone()
    (level,) = index.execute("pragma synchronous").fetchone()
    assert (mode, level) == ("wal", 2), "FULL: a row is on the disk before the page hears of it"
    save(history, "one")
    with closing(sqlite3.connect(history.edits.parent / "index.sqlite")) as other:
        assert other.execute("select id from edits").fetchall() == [("one",)]
