"""Folders and files of the studio: a sentence where the disk refuses."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from studio import disk
from studio.access.tickets import Ended
from studio.models import chosen


def test_a_folder_that_only_lends_need_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_given: object, **_named: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert disk.folder(tmp_path, "--models", written=False) == tmp_path
        with pytest.raises(ValueError, match=r"used: it is read-only\. Mend .* with --models\.$"):
            disk.folder(tmp_path, "--models")
    assert list(disk.folder(tmp_path / "a" / "b", "--data").iterdir()) == []


@pytest.mark.parametrize("name", ["a" * 300, "file", "file/below", "circle"])
def test_what_cannot_be_a_folder_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    for written in (True, False):
        with pytest.raises(ValueError, match=r"cannot be used: .*\. Mend that, .* with --data\.$"):
            disk.folder(tmp_path / name, "--data", written=written)


def test_two_things_set_aside_in_one_second_have_two_names(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "a").write_text(str(number))
        (tmp_path / "a-wal").write_text(str(number))
        aside = disk.set_aside(tmp_path / "a", ("-wal", "-shm"))
        assert aside.read_text() == Path(f"{aside}-wal").read_text() == str(number)
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize(
    "keep",
    [
        lambda data: chosen.write(data, "/models/sea"),
        lambda data: Ended(data / "ended.json").add("a", 2.0, 1.0),
    ],
    ids=["the choice of a model", "the end of a login"],
)
def test_a_slow_disk_does_not_hold_up_the_event_loop(
    keep: Callable[[Path], Coroutine[Any, Any, None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The flush waits for the loop to go on, which it could not if it were done in it."""
    flushing, on = threading.Event(), threading.Event()
    went_on: list[bool] = []

    def flush(_handle: int) -> None:
        flushing.set()
        went_on.append(on.wait(5))

    monkeypatch.setattr(os, "fsync", flush)

    async def scene() -> None:
        keeping = asyncio.create_task(keep(tmp_path))
        while not flushing.is_set():
            await asyncio.sleep(0.001)
        on.set()
        await keeping

    asyncio.run(scene())
    assert went_on == [True, True], "of the file and of its folder"
