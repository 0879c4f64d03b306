"""A first frame that is smaller than its picture: the rest is transparent, as browsers show it."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.pictures import frames, read_mask, read_picture, read_strokes
from tests.picture_files import encoded

RED = (200, 30, 30)
SIZE, BOX = (100, 60), (10, 20, 50, 40)


def part() -> Image.Image:
    return Image.new("RGB", (40, 20), RED)


def webp(count: int, alpha: bool, background: bytes = b"\xff" * 4) -> bytes:
    """An animation of `count` frames whose first lies in BOX (RFC 9649)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    def three(*numbers: int) -> bytes:
        return b"".join(struct.pack("<I", each)[:3] for each in numbers)

    pixels = encoded(part(), "WEBP", lossless=True)[12:]
    head = bytes([2 | 16 * alpha, 0, 0, 0]) + three(SIZE[0] - 1, SIZE[1] - 1)
    chunks = [chunk(b"VP8X", head), chunk(b"ANIM", background + b"\0\0")]
    for number in range(count):
        place = three(BOX[0] // 2 + 10 * number, BOX[1] // 2, 39, 19, 100) + b"\0"
        chunks.append(chunk(b"ANMF", place + pixels))
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif(background: int = 0) -> bytes:
    """A GIF89a of one frame in BOX, whose palette begins with blue."""
    frame = Image.new("P", (40, 20), 1)
    frame.putpalette((0, 0, 255, *RED))
    whole = bytearray(encoded(frame, "GIF"))
    whole[6:10] = struct.pack("<HH", *SIZE)
    whole[11] = background
    at = whole.index(b"\x2c\0\0\0\0\x28\0\x14\0")
    whole[at + 1 : at + 5] = struct.pack("<HH", *BOX[:2])
    return bytes(whole)


FILES = {
    "WebP of one frame": webp(1, alpha=False),
    "WebP of one frame with alpha": webp(1, alpha=True),
    "WebP on transparent": webp(1, alpha=False, background=bytes(4)),
    "WebP of two frames": webp(2, alpha=False),
    "WebP of two frames with alpha": webp(2, alpha=True),
    "GIF": gif(),
    "GIF on another colour": gif(1),
}


@pytest.mark.parametrize("name", FILES)
def test_the_rest_is_transparent(name: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(FILES[name])
    expected = Image.new("RGB", SIZE, "white")
    expected.paste(RED, BOX)
    with Image.open(path) as opened:
        for read in (read_picture(path), read_picture(FILES[name]), read_picture(opened)):
            assert np.abs(np.asarray(read, int) - np.asarray(expected, int)).max() <= 2
    alpha = read_strokes(path).getchannel("A")
    assert alpha.getbbox() == BOX == read_mask(path).getbbox()


def test_a_later_frame_is_whole(tmp_path: Path) -> None:
    """It lies on the frames before it, which Pillow has put together."""
    (tmp_path / "picture").write_bytes(webp(2, alpha=True))
    with Image.open(tmp_path / "picture") as opened:
        opened.seek(1)
        assert read_strokes(opened).getchannel("A").getbbox() == (10, 20, 70, 40)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "JPEG", "AVIF"])
def test_a_whole_frame_has_no_box(form: str, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(encoded(part(), form))
    with Image.open(tmp_path / "picture") as opened:
        assert frames.first(opened) is None


def test_one_that_is_cut_off_has_no_box() -> None:
    whole = webp(1, alpha=True)
    for length in range(20, whole.index(b"ANMF") + 20):
        with Image.open(BytesIO(whole)) as opened:
            opened.fp = BytesIO(whole[:length])  # pyright: ignore[reportAttributeAccessIssue]
            assert frames.first(opened) is None
