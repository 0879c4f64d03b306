"""Folders and files of the studio: a sentence where the disk refuses."""

import errno
import os
from pathlib import Path

import pytest

from studio import disk


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
