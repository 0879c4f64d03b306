"""The secret of the logins is made once, whole, and readable by nobody else."""

import errno
import os
import stat
from pathlib import Path

import pytest

from studio.access import secret


def asides(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.damaged-*"))


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    made = secret.read(tmp_path)
    assert len(made) == 32 and secret.read(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


def test_nobody_else_could_read_it_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    sync = os.fsync

    def look(handle: int) -> None:
        mode = os.fstat(handle).st_mode
        if stat.S_ISREG(mode):
            seen.append((stat.S_IMODE(mode), (tmp_path / "secret").exists()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", look)
    former = os.umask(0)
    try:
        secret.read(tmp_path)
    finally:
        os.umask(former)
    assert seen == [(0o600, False)], "flushed once, before it has its name"


@pytest.mark.parametrize("length", [0, 5, 31, 5000])
def test_one_that_is_damaged_is_set_aside(length: int, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(length))
    made = secret.read(tmp_path)
    assert len(made) == 32 and secret.read(tmp_path) == made
    (aside,) = asides(tmp_path)
    assert aside.read_bytes() == bytes(length)


def test_what_is_no_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.mkdir()
    assert len(secret.read(tmp_path)) == 32
    path.unlink()
    os.mkfifo(path)
    assert len(secret.read(tmp_path)) == 32
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    assert len(secret.read(tmp_path)) == 32 and not path.is_symlink()
    assert len(asides(tmp_path)) == 3


def test_one_that_may_not_be_read_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = secret.read(tmp_path)

    def shut(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", shut)
        assert secret.read(tmp_path) != made
    (aside,) = asides(tmp_path)
    assert aside.read_bytes() == made


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("name", ["open", "fsync", "replace", "rename"])
def test_where_it_cannot_be_kept_there_is_one_sentence(
    name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(b"short")

    def refuse(*_given: object, **_named: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, refuse)
        with pytest.raises(ValueError, match=r"secret cannot be used: .*\. Mend .* --data\.$"):
            secret.read(tmp_path)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"short"], "no half file is left"
