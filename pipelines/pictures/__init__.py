"""The one reader of pictures: files and `Image.open` results become upright RGB and masks.

What page, programs and scripts hand in all passes here, so a file means the same everywhere. A
picture is recognised by its content, never by its name, and leaves without metadata. Of an
animation the picture is its first frame (of an APNG the default image). Pixels are converted in
strips: besides the decoded file only the result is held whole.
"""

import stat
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import cv2
import numpy as np
import pillow_heif
from PIL import Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from pipelines.pictures import frames, orientation

MAX_PIXELS: Final = 64_000_000
MAX_BYTES: Final = 256 * 2**20  # of one file: a PNG of MAX_PIXELS with alpha fits
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "HEIF")  # MPO opens as JPEG

NO_PICTURE: Final = (
    "That file is not a picture that can be read: use PNG, JPEG, WebP, GIF, BMP, AVIF or HEIC."
)
GONE: Final = "That picture is not on the disk any more. Give it once more, then try again."

# JPEG at quality 75 leaves up to 43 of 255 farther than 2 pixels from a black-and-white shape.
NEAR_BLACK: Final = 48  # a mask's values up to this become 0
NEAR_WHITE: Final = 207  # and from this on 255
# Of colours JPEG keeps less: up to this it leaves in dark pixels near brighter ones.
RINGING: Final = 100
BLOCK: Final = 16  # pixels on a side, what JPEG's ringing of colours spreads over

STRIP: Final = 2**20  # pixels converted at a time
WIDE_MODES: Final = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
WHITES: Final = (1.0, 255.0, 65535.0, 2.0**31 - 1)  # of 32 bits; the first is of floats only
BEYOND: Final = 1.5  # times white, to where resampling may go
GRAY_MODES: Final = ("1", "L", "LA", "La")

PngImagePlugin.MAX_TEXT_CHUNK = 16 * 2**20  # or pictures with long recipes in them are refused
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

_decoding = threading.Lock()  # one file at a time, since each takes what two pictures take

Source = Path | str | bytes | Image.Image
Convert = Callable[[Image.Image], Image.Image]  # of a strip "L", "LA", "RGB" or "RGBA"

# What Pillow's decoders raise on damaged files, besides running out of memory.
_BROKEN = (
    OSError,
    AssertionError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    RuntimeError,
    struct.error,
    ImageCms.PyCMSError,
)


def read_picture(source: Source) -> Image.Image:
    """Read a picture as upright 8-bit RGB in sRGB, on white where it is transparent.

    `source` is a file, its content, or what Pillow opened or made, of any mode. Raises ValueError
    with one sentence for a person where it cannot be read or is beyond a limit.
    """
    if type(source) is Image.Image and source.mode == "RGB" and not source.info:
        _check_pixels(source)
        return source
    return _read(source, "RGB", _on_white, coloured=True)


def read_strokes(source: Source) -> Image.Image:
    """Read a layer of paint as upright 8-bit RGBA in sRGB; raises as `read_picture` does."""
    return _read(source, "RGBA", lambda paint: paint.convert("RGBA"), coloured=True)


def read_mask(source: Source) -> Image.Image:
    """Read a mask as upright "L", white = edit; raises as `read_picture` does.

    Transparent is black and a colour counts as its brightest channel. Values up to NEAR_BLACK
    become 0 and from NEAR_WHITE on 255; those between keep their value, but in a JPEG a colour up
    to RINGING whose luma is up to NEAR_BLACK becomes 0 near a brighter pixel. One that has been
    read is given back as it is.
    """
    if type(source) is Image.Image and source.mode == "L" and not source.info:
        _check_pixels(source)
        counts = source.histogram()
        if not any(counts[1 : NEAR_BLACK + 1] + counts[NEAR_WHITE:255]):
            return source
    return _read(source, "L", _brightest, coloured=False)


def check_header(path: Path) -> tuple[int, int]:
    """(width, height) of a file's picture when upright, by its header, without decoding it.

    Raises ValueError with one sentence where `read_picture` would by the same header.
    """
    with _open(path) as opened:
        try:
            return orientation.turned(opened.size, orientation.of_header(opened, path))
        except _BROKEN as error:
            raise ValueError(NO_PICTURE) from error


def _open(source: Path | bytes) -> Image.Image:
    """Read the header only, and refuse by it."""
    try:
        if isinstance(source, bytes):
            size = len(source)
        else:
            status = source.stat()
            size = status.st_size
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its other end
                raise ValueError(NO_PICTURE)
        if size > MAX_BYTES:
            raise ValueError(
                f"That file has {size / 2**20:.0f} MB; {MAX_BYTES // 2**20} MB is the most."
            )
    except OSError as error:
        raise ValueError(GONE) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit follows
            opened = Image.open(_file(source), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ValueError(_too_many_pixels()) from None
    except (UnidentifiedImageError, *_BROKEN) as error:
        raise ValueError(NO_PICTURE) from error
    try:
        _check_pixels(opened)
    except ValueError:
        opened.close()
        raise
    return opened


def _file(source: Path | bytes) -> Path | BytesIO:
    return BytesIO(source) if isinstance(source, bytes) else source


def _check_pixels(opened: Image.Image) -> None:
    if opened.width * opened.height > MAX_PIXELS:
        raise ValueError(_too_many_pixels(opened))


def _too_many_pixels(opened: Image.Image | None = None) -> str:
    has = f"has {opened.width}×{opened.height} pixels" if opened else "has too many pixels"
    return f"That picture {has}; {MAX_PIXELS // 10**6} million is the most. Make it smaller first."


def _read(source: object, mode: str, convert: Convert, coloured: bool) -> Image.Image:
    """The picture in `mode`, upright; `coloured` where its ICC profile counts."""
    if isinstance(source, Image.Image):
        _check_pixels(source)
        return _converted(source, mode, convert, coloured)
    if isinstance(source, str):
        source = Path(source)
    if not isinstance(source, Path | bytes):
        raise ValueError(f"A picture must be a file or its content, not {type(source).__name__}.")
    with _decoding, _open(source) as opened:
        return _converted(_light(opened, source), mode, convert, coloured)


def _light(opened: Image.Image, source: Path | bytes) -> Image.Image:
    """A still WebP by OpenCV: Pillow reads it as an animation and holds it four times over."""
    if opened.format != "WEBP" or frames.animated(cast("BinaryIO", cast("Any", opened).fp)):
        return opened
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        assert pixels is not None
        swap = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
        still = Image.fromarray(cv2.cvtColor(pixels, swap, dst=pixels))
    except (cv2.error, *_BROKEN) as error:
        raise ValueError(NO_PICTURE) from error
    still.info = opened.info
    return still


def _converted(opened: Image.Image, mode: str, convert: Convert, coloured: bool) -> Image.Image:
    try:
        _scale_transparency(opened)
        box = frames.first(opened)
        opened.load()
        turn = orientation.of(opened)
        if box is not None:
            opened = _framed(opened, box)
        eight_bits = _EightBits(opened, coloured)
        if convert is _brightest and opened.format in ("JPEG", "MPO") and opened.mode == "RGB":
            convert = _brightest_of_jpeg
        result = Image.new(mode, orientation.turned(opened.size, turn))
        for top, bottom in _strips(opened):
            strip = convert(eight_bits(opened.crop((0, top, opened.width, bottom))))
            place = orientation.place(top, bottom, opened.height, turn)
            result.paste(orientation.upright(strip, turn), place)
    except _BROKEN as error:
        raise ValueError(NO_PICTURE) from error
    return result


def _framed(opened: Image.Image, box: frames.Box) -> Image.Image:
    """What lies in the box, on a transparent picture of the same size."""
    whole = Image.new("RGBA", opened.size)
    whole.paste(opened.crop(box).convert("RGBA"), box[:2])
    whole.info = opened.info
    return whole


def _scale_transparency(opened: Image.Image) -> None:
    """Bring a PNG's transparent value to the 8 bits that Pillow makes of its pixels.

    Pillow leaves it as it stands in the file. Does nothing once the pixels are there.
    """
    tiles: Any = getattr(opened, "tile", None)
    clear = opened.info.get("transparency")
    if opened.format != "PNG" or not tiles or clear is None:
        return
    match tiles[0][3], clear:
        case "L;2", int():
            opened.info["transparency"] = (clear & 3) * 85
        case "L;4", int():
            opened.info["transparency"] = (clear & 15) * 17
        case "RGB;16B", tuple():
            opened.info["transparency"] = tuple(each >> 8 for each in clear)
        case _:
            pass


def _strips(opened: Image.Image) -> Iterator[tuple[int, int]]:
    """The first and the last row, the latter outside, of each strip."""
    rows = max(STRIP // max(opened.width, 1) // BLOCK, 1) * BLOCK
    for top in range(0, opened.height, rows):
        yield top, min(top + rows, opened.height)


class _EightBits:
    """Strips of one picture of any mode → "L", "LA", "RGB" or "RGBA", in sRGB."""

    def __init__(self, opened: Image.Image, coloured: bool) -> None:
        self._white = _white(opened) if opened.mode in WIDE_MODES else 255.0
        self._transparent = opened.has_transparency_data
        self._profile = _profile(opened) if coloured else None

    def __call__(self, strip: Image.Image) -> Image.Image:
        if strip.mode in WIDE_MODES:
            strip = self._narrowed(strip)
        elif self._transparent:
            strip = strip.convert("LA" if strip.mode in GRAY_MODES else "RGBA")
        elif strip.mode == "1":
            strip = strip.convert("L")
        if self._profile is not None:
            return self._in_srgb(strip, *self._profile)
        return strip if strip.mode in ("L", "LA", "RGB", "RGBA") else strip.convert("RGB")

    def _narrowed(self, wide: Image.Image) -> Image.Image:
        """16 and 32 bits, which Pillow would clip, scaled to 8."""
        given = np.asarray(wide).astype(np.float32)
        values = np.nan_to_num(given, nan=0, posinf=self._white, neginf=0)
        clipped = (values * np.float32(255 / self._white) + np.float32(0.5)).clip(0, 255)
        gray = Image.fromarray(clipped.astype(np.uint8))
        if isinstance(clear := wide.info.get("transparency"), int):
            alpha = (np.asarray(wide) != clear) * np.uint8(255)
            gray.putalpha(Image.fromarray(alpha.astype(np.uint8)))
        return gray

    def _in_srgb(
        self, strip: Image.Image, mode: str, transform: ImageCms.ImageCmsTransform
    ) -> Image.Image:
        alpha = strip.getchannel("A") if strip.mode in ("LA", "RGBA") else None
        colours = strip if strip.mode == mode else strip.convert(mode)
        converted = ImageCms.applyTransform(colours, transform) or colours
        if alpha is not None:
            converted.putalpha(alpha)
        return converted


def _white(wide: Image.Image) -> float:
    """The value that is white: by the mode, or by the largest there is."""
    if wide.mode not in ("I", "F"):
        return 65535.0
    largest = 0.0
    for top, bottom in _strips(wide):
        values = np.asarray(wide.crop((0, top, wide.width, bottom)))
        largest = max(largest, float(values.max(where=np.isfinite(values), initial=0)))
    scales = WHITES if wide.mode == "F" else WHITES[1:]
    return next((each for each in scales if largest <= BEYOND * each), WHITES[-1])


def _profile(opened: Image.Image) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """The mode that a picture's ICC profile is for and the way to sRGB, if it can be followed."""
    content = opened.info.get("icc_profile")
    if not isinstance(content, bytes):
        return None
    gray = opened.mode in GRAY_MODES or opened.mode in WIDE_MODES
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(content))
        about: Any = profile.profile
        mode = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}[about.xcolor_space]
        if (mode == "CMYK") != (opened.mode == "CMYK") or (mode == "L" and not gray):
            return None
        srgb = ImageCms.createProfile("sRGB")
        return mode, ImageCms.buildTransform(profile, srgb, mode, "RGB")
    except _BROKEN:
        return None  # a broken profile is no reason to refuse a picture


def _on_white(strip: Image.Image) -> Image.Image:
    if strip.mode in ("LA", "RGBA"):
        paper = Image.new("RGBA", strip.size, "white")
        strip = Image.alpha_composite(paper, strip.convert("RGBA"))
    return strip.convert("RGB")


def _brightest(strip: Image.Image) -> Image.Image:
    pixels = np.asarray(strip)
    alpha = pixels[..., -1].astype(np.uint16) if strip.mode in ("LA", "RGBA") else None
    if strip.mode != "L":
        pixels = pixels[..., : 1 if strip.mode == "LA" else 3].max(-1)
    if alpha is not None:
        pixels = ((pixels * alpha + 127) // 255).astype(np.uint8)
    return Image.fromarray(pixels).point(_CUT)


def _brightest_of_jpeg(strip: Image.Image) -> Image.Image:
    """The same without the ringing of colours, which JPEG stores at half the resolution."""
    pixels = np.asarray(strip)
    brightest = pixels.max(-1)
    dark = (brightest > NEAR_BLACK) & (np.asarray(strip.convert("L")) <= NEAR_BLACK)
    if dark.any():
        near = cv2.dilate(brightest, np.ones((2 * BLOCK + 1, 2 * BLOCK + 1), np.uint8))
        brightest = np.where(dark & (brightest <= RINGING) & (near > RINGING), 0, brightest)
    return _brightest(Image.fromarray(brightest.astype(np.uint8)))


_CUT: Final = [0 if v <= NEAR_BLACK else 255 if v >= NEAR_WHITE else v for v in range(256)]
