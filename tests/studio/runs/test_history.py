"""Edits are there whole or not at all, and nothing is ever deleted."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from studio.runs import index as index_module
from studio.runs.history import History, Unsaved

ROOT = Path(__file__).resolve().parents[3]
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
from studio.runs import history as module
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


# -- what is odd is adopted or set aside


def odd(**named: object) -> dict[str, object]:
    return {"id": "odd", "visitor": "ada", "created": 1.0, **named}


ODD = {
    "deep": "[" * 100_000,
    "a list": "[]",
    "a text": '"odd"',
    "nothing": "",
    "null": "null",
    "not UTF-8": b"\xff\xfe{",
    "half a character": json.dumps(odd(request={"prompt": "\ud800"})),
    "a visitor of half a character": json.dumps(odd(visitor="\udfff")),
    "a parent that is a list": json.dumps(odd(parent=["one"])),
    "created never": json.dumps(odd(created=None)),
    "created NaN": json.dumps(odd(created=float("nan"))),
    "created infinity": json.dumps(odd(created=float("inf"))),
    "created true": json.dumps(odd(created=True)),
    "created far too late": json.dumps(odd(created=10**400)),
    "seeds that are a number": json.dumps(odd(seeds=7)),
    "seconds that are words": json.dumps(odd(seconds="many")),
    "notes that are a list": json.dumps(odd(notes=[])),
    "a request that is a text": json.dumps(odd(request="a house")),
    "another id": json.dumps(odd(id="../one")),
    "no visitor": json.dumps({"id": "odd", "created": 1}),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_recipe_is_left_as_it_is(kind: str, history: History) -> None:
    save(history, "one")
    home, content = history.edits / "odd", ODD[kind]
    home.mkdir()
    (home / "request.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = everything(history.edits)
    reopened = again(history)
    assert [edit.id for edit in reopened.list("ada")] == ["one"]
    assert everything(history.edits) == before


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link", "too large"])
def test_a_recipe_that_is_no_small_file_is_left_as_it_is(
    kind: str, history: History, tmp_path: Path
) -> None:
    path = history.edits / "odd" / "request.json"
    path.parent.mkdir()
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a link":
        (tmp_path / "elsewhere").write_text(json.dumps(odd()))
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_text(json.dumps(odd(words="a" * 9 * 2**20)))
    assert again(history).list("ada") == [] and os.path.lexists(path)


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_row_is_set_aside_in_the_index_and_its_folder_adopted(
    kind: str, history: History
) -> None:
    saved = save(history, "odd")
    lost = save(history, "lost")
    shutil.rmtree(history.edits / "lost")
    history.close()
    path = history.edits.parent / "index.sqlite"
    content = ODD[kind]
    with closing(sqlite3.connect(path)) as other, other:
        if isinstance(content, bytes):
            other.execute("update edits set recipe = cast(? as text)", (content,))
        else:
            other.execute("update edits set recipe = ?", (content,))
    reopened = History(history.edits.parent, Ticking())
    assert reopened.read("odd", "ada") == saved, "from its folder, which is whole"
    assert reopened.read(lost.id, "ada") is None
    reopened.close()
    with closing(sqlite3.connect(path)) as other:
        other.text_factory = bytes
        assert other.execute("select id from set_aside order by id").fetchall() == [
            (b"lost",), (b"odd",)
        ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        "visitor = 'mallory'",
        "created = 'today'",
        "id = '../odd'",
        "id = x'ff00'",
        "id = null",
        "recipe = x'00'",
        "recipe = 7",
    ],
)
def test_an_odd_column_is_set_aside_too(change: str, history: History) -> None:
    saved = save(history, "odd")
    history.close()
    path = history.edits.parent / "index.sqlite"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(f"update edits set {change}")
    reopened = History(history.edits.parent, Ticking())
    assert reopened.read("odd", "ada") == saved and reopened.list("mallory") == []
    reopened.close()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("select count(*) from set_aside").fetchone() == (1,)


def test_a_row_that_turns_odd_while_the_studio_runs_is_passed_over(history: History) -> None:
    save(history, "one")
    save(history, "two")
    with closing(sqlite3.connect(history.edits.parent / "index.sqlite")) as other, other:
        other.execute("update edits set recipe = '{' where id = 'two'")
    assert [edit.id for edit in history.list("ada")] == ["one"]
    assert history.read("two", "ada") is None
    assert history.read("\ud800", "ada") is None


def test_odd_files_in_an_edit_are_none_of_its_pictures(history: History) -> None:
    saved = save(history, "one")
    home = history.edits / "one"
    for name in ("3.txt", "x.png", "٣.png", "step-x.jpg", "step-1.txt", "view-a.txt", ".4.png"):
        (home / name).write_bytes(b"odd")
    (home / "5.png").mkdir()
    (home / "view-.png").write_bytes(b"odd")
    assert history.read("one", "ada") == saved


def test_links_lead_nowhere_out_of_an_edit(history: History, tmp_path: Path) -> None:
    saved = save(history, "one")
    save(history, "two", visitor="bob")
    outside = tmp_path / "secret.png"
    outside.write_bytes(b"secret")
    home = history.edits / "one"
    (home / "11.png").symlink_to(outside)
    (home / "12.png").symlink_to(history.edits / "two" / "0.png")
    (home / "13.png").symlink_to("13.png")
    (home / "step-009.jpg").symlink_to("/etc/hostname")
    (home / "view-a.png").symlink_to(tmp_path / "nowhere")
    (home / "before.png").unlink()
    (home / "before.png").symlink_to(outside)
    found = history.read("one", "ada")
    assert found is not None and found.before is None and found.views == {}
    assert (found.images, found.frames) == (saved.images, saved.frames)
    (home / "14.png").symlink_to("0.png")  # within the edit
    assert len((history.read("one", "ada") or saved).images) == len(saved.images) + 1


def test_a_folder_that_is_a_link_is_not_adopted(history: History, tmp_path: Path) -> None:
    elsewhere = tmp_path / "odd"
    elsewhere.mkdir()
    (elsewhere / "request.json").write_text(json.dumps(odd()))
    (elsewhere / "0.png").write_bytes(b"secret")
    (history.edits / "odd").symlink_to(elsewhere)
    saved = save(history, "one")
    (history.edits / "one").rename(tmp_path / "one")
    (history.edits / "one").symlink_to(tmp_path / "one")
    reopened = again(history)
    assert reopened.read("odd", "ada") is None
    missing = reopened.read("one", "ada")
    assert missing is not None and missing.missing and missing.images == ()
    (history.edits / "one").unlink()
    (tmp_path / "one").rename(history.edits / "one")
    assert again(reopened).read("one", "ada") == saved


# -- faults of the place


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "mine.txt").write_text("mine")


def of_a_newer_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("create table edits (id, soul)")
        other.execute("pragma user_version = 7")


def of_other_columns(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("create table edits (id text primary key, visitor, created)")


def a_view(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("create table set_aside (id)")
        other.execute("create view edits as select * from set_aside")


def cut_off(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("create table edits (id text)")
        other.executemany("insert into edits values (?)", [("x" * 3000,)] * 20)
    os.truncate(path, 10_000)


@pytest.mark.parametrize("spoil", [a_folder, of_a_newer_version, of_other_columns, a_view, cut_off])
def test_an_index_that_is_none_of_ours_is_set_aside(
    spoil: Callable[[Path], None], history: History
) -> None:
    saved = save(history, "one")
    history.close()
    path = history.edits.parent / "index.sqlite"
    for _ in range(2):
        for part in history.edits.parent.glob("index.sqlite*"):
            if "damaged" not in part.name:
                part.unlink()
        spoil(path)
        reopened = History(history.edits.parent, Ticking())
        assert reopened.read("one", "ada") == saved
        save(reopened, "later")
        reopened.close()
        shutil.rmtree(history.edits / "later")
    asides = {each.name for each in history.edits.parent.glob("*damaged*")}
    kept = {name for name in asides if not name.endswith(("-wal", "-shm"))}
    assert len(kept) == 2, "the second one does not take the place of the first"


@pytest.mark.parametrize("name", ["data", "data/edits"])
def test_a_file_in_the_place_of_a_folder_is_one_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"used: a file is in its way\. Mend .*--data\.$"):
        History(tmp_path / "data")
    assert path.read_text() == "mine"


def test_an_index_that_is_locked_is_one_sentence(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.close()
    monkeypatch.setattr(index_module, "PATIENCE", 0.05)
    with closing(sqlite3.connect(history.edits.parent / "index.sqlite")) as other:
        other.execute("pragma locking_mode = exclusive")
        other.execute("begin exclusive")
        with pytest.raises(ValueError, match=r"another program has its index locked\. .*\.$"):
            History(history.edits.parent)
    assert not list(history.edits.parent.glob("*damaged*")), "it is whole"


FAULTS = [errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EIO]
CALLS = ("mkdir", "open", "scandir", "fsync", "replace")


def failing(monkeypatch: pytest.MonkeyPatch, name: str, turn: int, code: int) -> list[int]:
    """The `turn`-th call of a function of `os` fails; returns what counts down to it."""
    left, original = [turn], getattr(os, name)

    def call(*given: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(code, os.strerror(code), "somewhere")
        return original(*given, **named)

    monkeypatch.setattr(os, name, call)
    return left


@pytest.mark.parametrize("code", FAULTS)
@pytest.mark.parametrize("name", CALLS)
def test_whatever_fails_at_the_start_is_one_sentence_and_loses_nothing(
    name: str, code: int, history: History, tmp_path: Path
) -> None:
    saved = save(history, "one")
    history.close()
    before = everything(history.edits)
    turn = 0
    for turn in range(1, 20):
        with pytest.MonkeyPatch.context() as patch:
            left = failing(patch, name, turn, code)
            try:
                History(tmp_path, Ticking()).close()
            except ValueError as refusal:
                told = str(refusal)
                assert "cannot be used" in told and told.endswith(".") and "Errno" not in told
        assert everything(history.edits) == before
        if left[0] > 0:
            break
    assert turn < 19
    assert History(tmp_path, Ticking()).read("one", "ada") == saved


class Failing(sqlite3.Connection):
    """Its `turn`-th statement fails."""

    left, message = 0, ""

    def _count(self) -> None:
        Failing.left -= 1
        if Failing.left == 0:
            raise sqlite3.OperationalError(Failing.message)

    def execute(self, *given: Any) -> Any:
        self._count()
        return super().execute(*given)

    def executescript(self, *given: Any) -> Any:
        self._count()
        return super().executescript(*given)

    def executemany(self, *given: Any) -> Any:
        self._count()
        return super().executemany(*given)


MESSAGES = ["database is locked", "attempt to write a readonly database", "disk I/O error"]


@pytest.mark.parametrize("message", MESSAGES)
def test_whatever_statement_fails_is_one_sentence_and_loses_nothing(
    message: str, history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save(history, "one")
    history.close()
    Failing.message, connect = message, sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **n: connect(*a, factory=Failing, **n))
    turn = 0
    for turn in range(1, 40):
        Failing.left = turn
        try:
            opened = History(tmp_path, Ticking())
        except ValueError as refusal:
            assert str(refusal).endswith(".") and message in str(refusal)
            continue
        try:
            assert opened.read("one", "ada") == saved
            save(opened, f"edit-{turn}")
        except ValueError as refusal:
            assert str(refusal).endswith(".") and message in str(refusal)
        except Unsaved as unsaved:
            assert message in str(unsaved)
        opened.close()
        if Failing.left > 0:
            break
    assert turn < 39
    monkeypatch.undo()
    assert History(tmp_path, Ticking()).read("one", "ada") == saved
    assert not list(tmp_path.glob("*damaged*"))


def test_a_folder_that_goes_while_the_studio_runs_is_one_sentence(
    history: History, tmp_path: Path
) -> None:
    saved = save(history, "one")
    history.edits.rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"No edit can be kept in .*: it is not there\. .*\.$"):
        history.check_room()
    with pytest.raises(Unsaved, match=r"cannot be written \(it is not there\)$"):
        save(history, "two")
    gone = history.read("one", "ada")
    assert gone is not None and gone.images == ()
    (tmp_path / "elsewhere").rename(history.edits)
    history.check_room()
    assert history.read("one", "ada") == saved


def test_a_folder_that_turns_read_only_is_one_sentence(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_given: False)
    with pytest.raises(ValueError, match=r"No edit can be kept in .*: it is read-only\. .*\.$"):
        history.check_room()


def test_an_index_that_breaks_while_the_studio_runs_is_one_sentence(history: History) -> None:
    save(history, "one")
    with closing(sqlite3.connect(history.edits.parent / "index.sqlite")) as other:
        other.execute("drop table edits")
    for ask in (history.list, lambda who: history.read("one", who)):
        with pytest.raises(ValueError, match=r"^The history cannot be read: .*again\.$"):
            ask("ada")
    with pytest.raises(Unsaved):
        save(history, "two", parent="one")


# -- what a kill has left


def long_ago(seconds: float) -> tuple[float, float]:
    at = time.time() - seconds
    return at, at


def test_drafts_of_killed_runs_go_after_a_day(history: History, tmp_path: Path) -> None:
    day = 24 * 3600
    old, fresh, growing = (history.edits / f".{name}.writing" for name in ("old", "new", "grows"))
    for draft in (old, fresh, growing):
        draft.mkdir()
        (draft / "0.png").write_bytes(b"half")
        os.utime(draft / "0.png", long_ago(day + 60))
    os.utime(old, long_ago(day + 60))
    os.utime(growing, long_ago(day + 60))
    os.utime(growing / "0.png")
    other = history.edits / ".mine"
    other.mkdir()
    link = history.edits / ".link.writing"
    link.symlink_to(tmp_path)
    loose = tmp_path / ".secret.0123.writing"
    loose.write_bytes(b"half")
    for each in (other, loose):
        os.utime(each, long_ago(9 * day))
    os.utime(link, long_ago(9 * day), follow_symlinks=False)
    save(history, "one")
    history.sweep_drafts()
    assert not old.exists() and not loose.exists()
    assert fresh.exists() and growing.exists() and other.exists() and tmp_path.exists()
    assert link.is_symlink() and history.read("one", "ada") is not None
    os.utime(fresh, long_ago(day + 60))
    again(history)
    assert not fresh.exists(), "at the start as well"


def test_a_draft_that_is_being_written_stays(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the clock has jumped."""
    replace = os.replace

    def slow(draft: Path, home: Path) -> None:
        for each in (draft, *Path(draft).iterdir()):
            os.utime(each, (0, 0))
        history.sweep_drafts()
        replace(draft, home)

    monkeypatch.setattr(os, "replace", slow)
    assert len(save(history, "one").images) == 3
