"""Files of every format and kind, made to be read back."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image


def encoded(image: Image.Image, form: str, **named: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **named)
    return file.getvalue()


def corners(scale: int = 1) -> Image.Image:
    """Red, green / blue, white, 16 x 8 times `scale`: a turn or a flip shows."""
    image = Image.new("RGB", (16, 8), "red")
    image.paste("lime", (8, 0, 16, 4))
    image.paste("blue", (0, 4, 8, 8))
    image.paste("white", (8, 4, 16, 8))
    return image.resize((16 * scale, 8 * scale), Image.Resampling.NEAREST)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is huge and holds nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# --- where an orientation can be stored ----------------------------------------------------------

ATTRIBUTE = '<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{}"/>'
QUOTED = "<x xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation = '{}'/>"
ELEMENT = "<x><tiff:Orientation>\n {} </tiff:Orientation></x>"
PREFIXED = '<x xmlns:t2="http://ns.adobe.com/tiff/1.0/"><t2:Orientation>{}</t2:Orientation></x>'


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _in_exif(form: str, **named: Any) -> Callable[[Image.Image, int], bytes]:
    return lambda image, turn: encoded(image, form, exif=exif_of(turn).tobytes(), **named)


def _in_xmp(form: str, packet: str, **named: Any) -> Callable[[Image.Image, int], bytes]:
    return lambda image, turn: encoded(image, form, xmp=packet.format(turn).encode(), **named)


def _with_chunk(
    make: Callable[[int], bytes], behind: bool = False
) -> Callable[[Image.Image, int], bytes]:
    """A PNG with one more chunk, before or behind its pixels."""

    def encode(image: Image.Image, turn: int) -> bytes:
        whole = encoded(image, "PNG")
        at = len(whole) - 12 if behind else 33  # before IEND, or behind IHDR
        return whole[:at] + make(turn) + whole[at:]

    return encode


def _exif_chunk(turn: int) -> bytes:
    return chunk(b"eXIf", exif_of(turn).tobytes().removeprefix(b"Exif\0\0"))


def _xmp_chunk(turn: int) -> bytes:
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + ATTRIBUTE.format(turn).encode())


def _small_xmp_chunk(turn: int) -> bytes:
    packet = zlib.compress(ELEMENT.format(turn).encode())
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packet)


def _profile(name: str) -> Callable[[int], bytes]:
    def make(turn: int) -> bytes:
        content = exif_of(turn).tobytes()
        digits = content.hex()
        lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
        text = f"\n{name}\n{len(content):8}\n{lines}\n".encode()
        return chunk(b"zTXt", f"Raw profile type {name}".encode() + b"\0\0" + zlib.compress(text))

    return make


def _mpo(image: Image.Image, turn: int) -> bytes:
    second = Image.new("RGB", image.size, "gray")
    named = {"exif": exif_of(turn), "quality": 95}
    return encoded(image, "MPO", save_all=True, append_images=[second], **named)


PLACES: dict[str, Callable[[Image.Image, int], bytes]] = {
    "jpeg-exif": _in_exif("JPEG", quality=95),
    "jpeg-xmp": _in_xmp("JPEG", ATTRIBUTE, quality=95),
    "jpeg-xmp-quoted": _in_xmp("JPEG", QUOTED, quality=95),
    "jpeg-xmp-prefixed": _in_xmp("JPEG", PREFIXED, quality=95),
    "mpo-exif": _mpo,
    "webp-exif": _in_exif("WEBP", lossless=True),
    "webp-xmp": _in_xmp("WEBP", ELEMENT, lossless=True),
    "png-exif": _in_exif("PNG"),
    "png-exif-behind": _with_chunk(_exif_chunk, behind=True),
    "png-xmp": _with_chunk(_xmp_chunk),
    "png-xmp-behind": _with_chunk(_xmp_chunk, behind=True),
    "png-xmp-compressed": _with_chunk(_small_xmp_chunk),
    "png-profile-exif": _with_chunk(_profile("exif")),
    "png-profile-app1": _with_chunk(_profile("APP1")),
    "avif-box": _in_exif("AVIF", quality=95),
    "heif-box": _in_exif("HEIF", quality=95),
}


def write_large(path: Path, width: int, height: int, gray: bool = False) -> None:
    """A PNG of many pixels and few bytes, written row by row."""
    squeeze = zlib.compressobj(1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if gray else 2, 0, 0, 0)
    row = b"\0" + bytes((x >> 5) & 255 for x in range(width * (1 if gray else 3)))
    content = b"".join([*(squeeze.compress(row) for _ in range(height)), squeeze.flush()])
    pieces = chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + pieces)
