"""Where the first frame of an animation lies, which need not cover the whole picture.

Browsers leave the rest transparent; Pillow makes it black, or the palette's first colour.
"""

import struct
from typing import BinaryIO, Final

from PIL import Image

ANIMATED: Final = 0x02  # flag of a WebP's VP8X chunk
CHUNKS: Final = 100  # of a WebP that are looked at before its first frame

Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two are outside


def animated(file: BinaryIO) -> bool:
    """Whether a WebP is made of frames, even if it is one only."""
    file.seek(0)
    start = file.read(21)
    return start[12:16] == b"VP8X" and len(start) == 21 and bool(start[20] & ANIMATED)


def first(opened: Image.Image) -> Box | None:
    """The box of the first frame of a GIF or WebP whose pixels are not loaded yet.

    None where it covers the picture, and for all other formats.
    """
    box = None
    file = getattr(opened, "fp", None)
    if file is None or file.closed or opened.tell() != 0:
        return None
    if opened.format == "GIF":
        box = next((tuple(each[1]) for each in getattr(opened, "tile", ())), None)
    elif opened.format == "WEBP" and animated(file):
        box = _of_webp(file)
    return None if box is None or box == (0, 0, *opened.size) else box


def _of_webp(file: BinaryIO) -> Box | None:
    """By its first ANMF chunk (RFC 9649, 2.7.1.1): places are halved, sizes one less."""
    file.seek(12)
    for _ in range(CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return None
        kind, length = struct.unpack("<4sI", head)
        if kind == b"ANMF":
            place = file.read(12)
            if len(place) < 12:
                return None
            x, y, width, height = (int.from_bytes(place[i : i + 3], "little") for i in (0, 3, 6, 9))
            return 2 * x, 2 * y, 2 * x + width + 1, 2 * y + height + 1
        file.seek(length + length % 2, 1)
    return None
