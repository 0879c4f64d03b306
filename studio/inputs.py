"""Everything that comes from outside becomes a value here, or one sentence saying why not.

Pictures are recognised by their content, never by their name, and always leave as plain 8-bit RGB
(or gray, for masks) without metadata. Numbers and words are only made safe to look at; their ranges
are the request's own affair.
"""

import math
import struct
import unicodedata
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from components.canvas import MAX_BYTES
from pipelines.request import MAX_WORDS_LENGTH, Choice, Picture, Range, Request, Words, hints

MAX_PIXELS: Final = 40_000_000
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # MPO, of phones, opens as JPEG
MAX_SEED: Final = 2**32 - 1

NO_PICTURE: Final = "That file is not a picture the studio can read: use PNG, JPEG or WebP."
GONE: Final = "That picture is not on the disk any more. Give it once more, then try again."
WIDE_MODES: Final = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


def restrict_pillow() -> None:
    """Let Pillow open only what this file means to read, wherever it is called from.

    Gradio decodes uploads itself, with every plugin there is, among them one that starts
    Ghostscript. Called once, when the studio starts, after everything is imported.
    """
    Image.preinit()
    Image.init()
    for name in [name for name in Image.ID if name not in FORMATS]:
        Image.ID.remove(name)
        Image.OPEN.pop(name, None)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow refuses above twice this, and warns before
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


# -- pictures


def picture(source: Path | bytes) -> Image.Image:
    """A file from outside → RGB, upright, on white where it was see-through."""
    opened = _open(source)
    try:
        return _plain(_first(opened))
    except _BROKEN as error:
        raise ValueError(NO_PICTURE) from error


def paint(source: Path | bytes) -> Image.Image:
    """A layer of strokes → RGBA; see-through is where nothing was painted."""
    opened = _open(source)
    try:
        return _first(opened).convert("RGBA")
    except _BROKEN as error:
        raise ValueError(NO_PICTURE) from error


def mask(source: Path | bytes) -> Image.Image:
    """A mask → gray, white where the picture may change."""
    return picture(source).convert("L")


# What Pillow's decoders raise on damaged files, besides running out of room.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
)


def _open(source: Path | bytes) -> Image.Image:
    """Read the header only, and refuse by it."""
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > MAX_BYTES:
            raise ValueError(
                f"That file has {size / 2**20:.0f} MB; {MAX_BYTES // 2**20} MB is the most."
            )
        content = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise ValueError(GONE) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit follows
            opened = Image.open(BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ValueError(_too_many_pixels()) from None
    except (UnidentifiedImageError, *_BROKEN) as error:
        raise ValueError(NO_PICTURE) from error
    if opened.width * opened.height > MAX_PIXELS:
        raise ValueError(_too_many_pixels(opened))
    return opened


def _too_many_pixels(opened: Image.Image | None = None) -> str:
    has = f"has {opened.width}×{opened.height} pixels" if opened else "has too many pixels"
    return f"That picture {has}; {MAX_PIXELS // 10**6} million is the most. Make it smaller first."


def _first(opened: Image.Image) -> Image.Image:
    """The first frame, decoded and upright."""
    if getattr(opened, "n_frames", 1) > 1:
        opened.seek(0)
    opened.load()
    return ImageOps.exif_transpose(opened)


def _plain(opened: Image.Image) -> Image.Image:
    """Any mode → RGB, and nothing but pixels in it."""
    if opened.mode in WIDE_MODES:
        opened = _narrow(opened)
    if opened.has_transparency_data:
        layer = _to_srgb(opened.convert("RGBA"))
        opened = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    else:
        opened = _to_srgb(opened)
    rgb = opened.convert("RGB")
    bare = Image.new("RGB", rgb.size)  # a fresh picture carries no metadata
    bare.paste(rgb)
    return bare


def _narrow(wide: Image.Image) -> Image.Image:
    """16 and 32 bits, which Pillow would clip, scaled to 8."""
    values = np.asarray(wide).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if wide.mode == "F":
        top = 1.0 if values.max(initial=0.0) <= 1.0 else 255.0
    else:
        top = 255.0 if wide.mode == "I" and values.max(initial=0.0) <= 255 else 65535.0
    return Image.fromarray(np.clip(values / top * 255 + 0.5, 0, 255).astype(np.uint8))


def _to_srgb(opened: Image.Image) -> Image.Image:
    """Colours by the picture's own profile, where it has one that can be read."""
    profile = opened.info.get("icc_profile")
    if not isinstance(profile, bytes):
        return opened
    if opened.mode == "P":
        opened = opened.convert("RGB")
    target = "RGBA" if opened.mode == "RGBA" else "RGB"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(opened, source, srgb, outputMode=target)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return opened  # a broken profile is no reason to refuse a picture
    return converted or opened


# -- numbers and words


def words(text: object, label: str) -> str:
    """Text that can be stored and shown anywhere: no control characters, no half characters."""
    if not isinstance(text, str):
        raise ValueError(f"{label} must be text, not {type(text).__name__}.")
    if len(text) > MAX_WORDS_LENGTH:
        raise ValueError(
            f"{label}: {len(text)} characters are too many; keep it under {MAX_WORDS_LENGTH}."
        )
    whole = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates become "?"
    clean = "".join(" " if unicodedata.category(each) == "Cc" else each for each in whole)
    return " ".join(clean.split())


def number(value: object, label: str) -> int | float:
    """A number that arithmetic can be trusted with; the request checks its range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{label} must be a number, not {value!r:.40}.")
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise ValueError(f"{label} is far too large.")
    elif not math.isfinite(value):
        raise ValueError(f"{label} must be a number, not {value}.")
    return value


def fields(request_type: type[Request], values: Mapping[str, Any]) -> dict[str, Any]:
    """The request's own hinted fields out of a form's or a client's values, made safe.

    Left out, so that the request's defaults hold: what is not given, names that the request does
    not have, and pictures, which arrive as files.
    """
    safe: dict[str, Any] = {}
    for name, hint in hints(request_type).items():
        value = values.get(name)
        if value is None:
            continue
        match hint:
            case Range():
                safe[name] = number(value, hint.label)
            case Words():
                safe[name] = words(value, hint.label)
            case Choice():
                safe[name] = value
            case Picture():
                pass
    return safe
