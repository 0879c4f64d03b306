"""How a picture has to be turned to stand upright, wherever its file stores that.

EXIF (in JPEG, WebP and AVIF, in PNG's eXIf), the raw profiles that ImageMagick writes into PNG, and
XMP (in JPEG, PNG and WebP), before or behind a PNG's pixels; EXIF counts before XMP. AVIF and HEIF
say it in boxes of their own, and no XMP counts there: Pillow gives an AVIF's as EXIF, and a HEIF
arrives upright. Values are EXIF's: 1 is upright, 2 to 8 are the flips and quarter turns.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image

TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LONGEST: Final = 4 * 2**20  # bytes of one piece of metadata that is looked at
CHUNKS: Final = 100_000  # of a PNG that are looked at
ORIENTATION: Final = 0x0112  # EXIF's tag
INTEGERS: Final = {1: "B", 3: "H", 4: "I"}  # EXIF's types

_PROFILES: Final = tuple(f"Raw profile type {name}" for name in ("exif", "APP1", "xmp"))
_DESCRIBING: Final = (b"eXIf", b"iTXt", b"tEXt", b"zTXt")  # chunks of a PNG
_PREFIX: Final = re.compile(rb'xmlns:([\w.-]{1,32})="http://ns\.adobe\.com/tiff/1\.0/"')
_VALUE: Final = re.compile(rb'\s{0,64}(?:=\s{0,64}["\']|>)\s{0,64}([1-8])')


def of(opened: Image.Image) -> int:
    """The orientation, 1 to 8, by the metadata that Pillow has read of a picture."""
    info = opened.info
    exifs, packets = [_bytes(info.get("exif"))], []
    if opened.format not in ("AVIF", "HEIF") and not _is_of_avif(info):
        profiles = [_unwrapped(info[name]) for name in _PROFILES if name in info]
        exifs += profiles
        packets = [_bytes(info.get(name)) for name in ("xmp", "XML:com.adobe.xmp")] + profiles
    found = [_of_exif(each) for each in exifs] + [_of_xmp(each) for each in packets]
    return next(filter(None, found), 1)


def of_header(opened: Image.Image, path: Path) -> int:
    """The same for a file that is open but not decoded."""
    if opened.format != "PNG":
        return of(opened)
    with path.open("rb") as file, Image.open(_described(file), formats=("PNG",)) as description:
        return of(description)


def turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The (width, height) of a picture of `size` when it is upright."""
    return (size[1], size[0]) if orientation >= 5 else size


def upright(strip: Image.Image, orientation: int) -> Image.Image:
    """A picture, or rows of it, turned."""
    return strip.transpose(TURNS[orientation]) if orientation in TURNS else strip


def place(top: int, bottom: int, height: int, orientation: int) -> tuple[int, int]:
    """Where the rows from `top` to `bottom` of a picture of `height` lie (x, y) when upright."""
    along = height - bottom if orientation in (3, 4, 6, 7) else top
    return (along, 0) if orientation >= 5 else (0, along)


def _is_of_avif(info: Mapping[str | tuple[int, int], object]) -> bool:
    """Whether this came with an AVIF's pixels; copies of a picture have its info, but no format."""
    return "timestamp" in info and "loop" not in info  # a WebP's has both


def _bytes(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""


def _unwrapped(profile: object) -> bytes:
    """A raw profile: a name, a length, and the content in hexadecimal digits, over many lines."""
    words = _bytes(profile)[: 3 * LONGEST].split()
    try:
        return bytes.fromhex(b"".join(words[2:]).decode("ascii"))
    except ValueError:
        return b""


def _of_exif(exif: bytes) -> int | None:
    """The tag in the first directory; metadata may be damaged and the picture be whole."""
    tiff = exif[:LONGEST]
    for _ in range(2):  # once as the format has it, once as some programs add it
        tiff = tiff.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
            if tag == ORIENTATION and kind in INTEGERS:
                (value,) = struct.unpack_from(f"{order}{INTEGERS[kind]}", tiff, entry + 8)
                return value if 1 <= value <= 8 else None
    except struct.error:
        pass
    return None


def _of_xmp(packet: bytes) -> int | None:
    """The first tiff:Orientation, as an attribute or an element, whatever prefix stands for it."""
    packet = packet[:LONGEST]
    declared = [found[1] for found in _PREFIX.finditer(packet)][:4]
    for prefix in (b"tiff", *declared):
        name = prefix + b":Orientation"
        at = packet.find(name)
        while at >= 0:
            if value := _VALUE.match(packet, at + len(name)):
                return int(value[1])
            at = packet.find(name, at + 1)
    return None


def _described(file: BinaryIO) -> BytesIO:
    """A PNG without pixels, of what a PNG says about itself before and behind its own."""
    kept = BytesIO(file.read(8 + 25))  # signature and IHDR
    kept.seek(0, 2)
    for kind, length in _chunks(file):
        if kind in _DESCRIBING and length <= LONGEST and kept.tell() <= 4 * LONGEST:
            content = kind + file.read(length)
            kept.write(struct.pack(">I", length) + content)
            kept.write(struct.pack(">I", zlib.crc32(content)))
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)
    kept.write(struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT")))
    kept.seek(0)
    return kept


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    for _ in range(CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return
        yield kind, length
