"""A name belongs to whoever used it first, a file to whom the server told it."""

import json
import os
from pathlib import Path

import pytest

from studio.access import ownership as module
from studio.access.ownership import MEMORY, Ownership
from studio.shares import STRANGERS, Bounds, Share


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def test_a_session_is_its_first_users(root: Path) -> None:
    ownership = Ownership([root])
    assert ownership.claim("abc", "ada") and ownership.claim("abc", "ada")
    assert not ownership.claim("abc", "bob")
    assert ownership.claim("def", "bob")


def test_an_event_is_whom_it_was_told(root: Path) -> None:
    ownership = Ownership([root])
    assert not ownership.owns("e1", "ada"), "nobody knows it yet, so nobody may use it"
    ownership.told("ada", b'data: {"msg":"estimation","event_id":"e1","rank":0}')
    assert ownership.owns("e1", "ada") and not ownership.owns("e1", "bob")
    ownership.told("bob", b'{"event_id": "e1"}')
    assert not ownership.owns("e1", "bob"), "once somebody's, it stays theirs"
    assert not ownership.owns("abc", "ada") and ownership.claim("e1", "bob"), "sessions are apart"


@pytest.mark.parametrize("name", ["a.png", "with space.png", "ünïcode 画.png", 'quo"te.png'])
def test_a_file_is_whom_it_was_told(root: Path, name: str) -> None:
    ownership = Ownership([root])
    for number, ascii in enumerate((True, False)):
        one, other = (str(root / f"x{number}" / where / name) for where in ("up", "down"))
        uploaded = json.dumps([one, one], ensure_ascii=ascii)
        ownership.told("ada", uploaded.encode(), uploaded=True)
        ownership.told("ada", json.dumps({"path": other}, ensure_ascii=ascii).encode())
        for path in (one, other):
            assert ownership.may_read(path, "ada")
            assert not ownership.may_read(path, "bob")


def test_what_somebody_typed_is_not_granted_where_it_comes_back(root: Path) -> None:
    ownership = Ownership([root])
    path = str(root / "x1" / "a.png")
    assert ownership.may_name({"data": [f" {path}"]}, "bob"), "words, to all appearances"
    for text in (path, f'"path": "{path}"', f'", "path": "{path}'):
        for told in ([text], {"prompt": text}, {"value": {"words": [text]}}):
            ownership.told("bob", json.dumps(told).encode())
            assert not ownership.may_read(path, "bob")


def test_only_files_of_the_roots_are_granted(root: Path) -> None:
    ownership = Ownership([root])
    for path in ("/etc/passwd", str(root.parent / "secret"), f"{root}/../secret", f"{root}x/a"):
        ownership.told("ada", json.dumps({"path": path}).encode())
        ownership.told("ada", json.dumps([path]).encode(), uploaded=True)
        assert not ownership.may_read(path, "ada")


@pytest.mark.parametrize(
    "shape", ["{}", "{}/", "./{}", "/proc/self/root{}", "{}/../x1/a.png", "//{}"]
)
def test_a_message_may_not_name_what_was_not_told(
    root: Path, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ownership = Ownership([root])
    path = root / "x1" / "a.png"
    path.parent.mkdir()
    path.write_bytes(b"")
    monkeypatch.chdir("/")
    named = shape.format(path.parent if ".." in shape else path)
    if shape == "./{}":
        named = "." + str(path)
    message = {"data": [{"picture": named, "words": "a house"}, [None, 1]]}
    assert not ownership.may_name(message, "bob")
    ownership.told("ada", json.dumps({"path": str(path)}).encode())
    assert not ownership.may_name(message, "bob")
    assert ownership.may_name(message, "ada")


def test_a_link_into_the_roots_is_no_way_round(root: Path, tmp_path: Path) -> None:
    (root / "a.png").write_bytes(b"")
    os.symlink(root, tmp_path / "link")
    ownership = Ownership([root])
    assert not ownership.may_name([str(tmp_path / "link" / "a.png")], "bob")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "app.py", "http://127.0.0.1/", "https://a.example/b.png", "", "\0"]
)
def test_a_path_names_a_file_wherever_it_leads(root: Path, path: str) -> None:
    message = {"data": [1, {"picture": {"path": path, "meta": {"_type": "gradio.FileData"}}}]}
    assert not Ownership([root]).may_name(message, "ada")


@pytest.mark.parametrize("text", ["a house", "1/2 red", "/etc/passwd", "nul\0/x", "\ud800/x", ""])
def test_words_are_no_files(root: Path, text: str) -> None:
    assert Ownership([root]).may_name({"data": [text]}, "bob")


def by_name(visitor: str) -> Share:
    """Those whose names begin with an s are strangers; ada has been here for long."""
    return STRANGERS if visitor.startswith("s") else Share(visitor, visitor == "ada")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS", Bounds(each=10, newcomers=20, total=25))
    monkeypatch.setattr(module, "GRANTS", Bounds(each=10, newcomers=20, total=25))


def refused(ownership: Ownership, name: str, visitor: str) -> bool:
    try:
        return not ownership.claim(name, visitor)
    except PermissionError as refusal:
        assert str(refusal).endswith(".")
        return True


@pytest.mark.usefixtures("small")
def test_a_flood_of_sessions_fills_a_share_and_frees_nobodys_name(root: Path) -> None:
    clock = Clock()
    ownership = Ownership([root], clock, by_name)
    assert ownership.claim("victim", "ada")
    assert sum(not refused(ownership, f"a {n}", "mallory") for n in range(99)) == 10
    assert sum(not refused(ownership, f"b {n}", f"s{n}") for n in range(99)) == 10, "one share"
    assert refused(ownership, "c", "bob"), "newcomers have taken what newcomers may take"
    assert sum(not refused(ownership, f"d {n}", "ada") for n in range(99)) == 4, "the rest is hers"
    assert refused(ownership, "victim", "mallory"), "a flood must not free anybody's name"
    clock.now += MEMORY - 1
    assert ownership.claim("victim", "ada"), "in use"
    clock.now += 62
    assert ownership.claim("another", "bob"), "the flood has aged"
    assert refused(ownership, "victim", "mallory"), "what is used stays"


def test_who_floods_keeps_nobody_new_out(root: Path) -> None:
    ownership = Ownership([root], Clock(), by_name)
    for flood in range(8):
        for n in range(8_100):
            refused(ownership, f"{flood} {n}", f"mallory {flood}")
    assert ownership.claim("page", "bob") and ownership.claim("page", "ada") is False
    for n in range(1_000):
        assert ownership.claim(f"visitor {n}", f"visitor {n}")
    assert refused(ownership, "page", "mallory 0")


@pytest.mark.usefixtures("small")
def test_of_too_many_files_and_events_the_own_oldest_are_forgotten(root: Path) -> None:
    ownership = Ownership([root], Clock(), by_name)
    paths = [str(root / f"{n}.png") for n in range(30)]
    ownership.told("ada", json.dumps({"path": paths[0]}).encode())
    ownership.told("ada", b'{"event_id": "hers"}')
    for path in paths:
        ownership.told("mallory", json.dumps({"path": path}).encode())
        assert ownership.may_read(paths[3], "mallory") or path in paths[:3], "what is used stays"
    assert [path for path in paths if ownership.may_read(path, "mallory")] == [
        paths[3],
        *paths[21:],
    ]
    for number in range(30):
        ownership.told("mallory", b'{"event_id": "e%d"}' % number)
    assert [n for n in range(30) if ownership.owns(f"e{n}", "mallory")] == [*range(20, 30)]
    assert ownership.may_read(paths[0], "ada") and ownership.owns("hers", "ada")
    ownership.told("mallory", b'{"event_id": "hers"}')
    assert not ownership.owns("hers", "mallory")
    for number in range(500):  # visitors without end, who find no room
        ownership.told(f"new {number}", json.dumps({"path": paths[1]}).encode())
    ownership.told("ada", json.dumps({"path": paths[5]}).encode())
    assert ownership.may_read(paths[5], "ada")


@pytest.mark.usefixtures("small")
def test_what_is_forgotten_by_age_makes_room(root: Path) -> None:
    clock = Clock()
    ownership = Ownership([root], clock, by_name)
    for n in range(40):
        ownership.told(f"new {n % 4}", json.dumps({"path": str(root / f"{n}.png")}).encode())
    clock.now += MEMORY + 1
    ownership.told("bob", json.dumps({"path": str(root / "a.png")}).encode())
    assert ownership.may_read(str(root / "a.png"), "bob")
    assert not ownership.may_read(str(root / "0.png"), "new 0")
