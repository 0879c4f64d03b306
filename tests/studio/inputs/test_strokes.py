"""A picture turned into strokes, at the size of its canvas."""

from pathlib import Path

import pytest
from PIL import Image

from components.contract.sketch import Sketch
from studio.inputs.strokes import NO_ROOM, painted
from tests.studio import full


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "large.png"
    Image.linear_gradient("L").resize((400, 320)).save(path)
    return path


def test_a_picture_becomes_strokes_at_the_canvass_size(picture: Path, tmp_path: Path) -> None:
    made = painted(tmp_path, Sketch(picture, None, None, 40, 32))
    with Image.open(made) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (40, 32))
        assert len(image.getcolors() or ()) == 6  # the brush's palette
    with pytest.raises(ValueError, match="Drop a picture"):
        painted(tmp_path, Sketch(None, picture, None, 40, 32))


def test_strokes_that_the_full_disk_has_no_room_for_are_a_sentence(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full.fill(monkeypatch, tmp_path)
    with pytest.raises(ValueError) as refusal:
        painted(tmp_path, Sketch(picture, None, None, 40, 32))
    assert str(refusal.value) == NO_ROOM
