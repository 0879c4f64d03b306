"""A file is shown from the cache, or one sentence says why not."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from gradio.utils import get_upload_folder

from components.served import cached, served


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "0.png"
    path.write_bytes(os.urandom(64))
    return path


def test_what_is_gone_is_one_sentence(picture: Path) -> None:
    picture.unlink()
    for strange in (picture, picture.parent, picture / "below"):
        with pytest.raises(ValueError, match=r"^This picture is not on the disk any more\..*\.$"):
            served(strange)


def test_a_link_in_the_cache_leads_nowhere_else(picture: Path) -> None:
    cache = Path(get_upload_folder())
    cache.mkdir(parents=True, exist_ok=True)
    link = cache / f"{os.urandom(8).hex()}.png"
    link.symlink_to(picture)
    try:
        for path in (link, cache / ".." / cache.name / link.name, cache / ".." / "0.png"):
            with pytest.raises(ValueError, match=r"^This picture is a link that leads out"):
                cached(path)
    finally:
        link.unlink()
    inside = cached(picture)
    assert inside.read_bytes() == picture.read_bytes() and cached(inside) == inside


def test_a_copy_that_has_no_room_is_one_sentence_and_leaves_nothing(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_source: Any, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(ValueError, match=r"cannot be shown \(No space left on device\)\..*\.$"):
            cached(picture)
    copy = cached(picture)
    assert [each.name for each in copy.parent.iterdir()] == ["0.png"]
