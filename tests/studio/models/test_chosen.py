"""The choice of a model outlives whatever happens to its file."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from studio.models import chosen
from studio.models.chosen import OnTop


def asides(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.damaged-*"))


@pytest.mark.parametrize(("turn", "kept"), [(1, "former"), (2, "new")])
def test_what_cannot_be_written_leaves_a_whole_file(
    turn: int, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second flush is that of the folder, when the file has its name."""
    files = {"former": ("/models/land", OnTop((("/style", 0.5),))), "new": ("/sea", OnTop())}
    asyncio.run(chosen.write(tmp_path, *files["former"]))
    sync, left = os.fsync, [turn]

    def fail(handle: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        asyncio.run(chosen.write(tmp_path, *files["new"]))
    assert chosen.read(tmp_path) == files[kept]
    assert [each.name for each in tmp_path.iterdir()] == ["model.json"]


def test_a_path_need_not_be_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(b"/models/caf\xe9")
    asyncio.run(chosen.write(tmp_path, name))
    assert chosen.read(tmp_path) == (name, OnTop())


ODD = {
    "empty": b"",
    "not UTF-8": b"\xff\xfe",
    "cut off": b"{",
    "a list": b"[]",
    "null": b"null",
    "deep": b"[" * 100_000,
    "a weight too large": b'{"model": "a", "loras": {"b": 1%s}, "embeddings": []}' % (b"0" * 400),
    "no weight": b'{"model": "a", "loras": {"b": NaN}, "embeddings": []}',
    "no path": b'{"model": 7, "loras": {}, "embeddings": []}',
    "large": b" " * (2**20 + 1),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_file_is_no_choice_and_is_set_aside(kind: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(ODD[kind])
    assert chosen.read(tmp_path) is None
    asyncio.run(chosen.write(tmp_path, "/models/sea"))
    assert chosen.read(tmp_path) == ("/models/sea", OnTop())
    (aside,) = asides(tmp_path)
    assert aside.read_bytes() == ODD[kind]


def test_what_is_no_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.mkdir()
    assert chosen.read(tmp_path) is None
    os.mkfifo(path)
    assert chosen.read(tmp_path) is None
    assert len(asides(tmp_path)) == 2 and not path.exists()


def test_one_that_may_not_be_read_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(chosen.write(tmp_path, "/models/sea"))

    def shut(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", shut)
        assert chosen.read(tmp_path) is None
    assert chosen.read(tmp_path) == ("/models/sea", OnTop())
