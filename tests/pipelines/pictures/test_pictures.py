"""Whatever a file holds, it becomes the picture that a person sees, or one sentence."""

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from pipelines.pictures import (
    FORMATS,
    GONE,
    MAX_BYTES,
    NO_PICTURE,
    read_mask,
    read_picture,
    read_strokes,
)
from tests.picture_files import bomb, chunk, corners, encoded, exif_of


def middle(image: Image.Image) -> tuple[int, int, int]:
    red, green, blue = np.asarray(image)[image.height // 2, image.width // 2]
    return int(red), int(green), int(blue)


def near(image: Image.Image, other: Image.Image, tolerance: float) -> bool:
    assert image.mode == other.mode == "RGB"
    if image.size != other.size:
        return False
    difference = np.abs(np.asarray(image, np.int16) - np.asarray(other, np.int16))
    return float(difference.mean()) <= tolerance


def png(depth: int, kind: int, row: bytes, width: int, *extra: bytes) -> bytes:
    """A PNG of one row, of any depth and kind of colour."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + body


@pytest.mark.parametrize(
    ("form", "tolerance"),
    [("PNG", 0), ("BMP", 0), ("GIF", 1), ("WEBP", 8), ("JPEG", 8), ("AVIF", 8), ("HEIF", 8)],
)
def test_every_format_gives_the_picture_back(form: str, tolerance: float) -> None:
    big = corners().resize((160, 80), Image.Resampling.NEAREST)
    assert near(read_picture(encoded(big, form)), big, tolerance)


def test_a_file_is_read_by_its_content_not_its_name(tmp_path: Path) -> None:
    path = tmp_path / "holiday.txt"
    path.write_bytes(encoded(corners(), "PNG"))
    assert near(read_picture(path), corners(), 0) and near(read_picture(str(path)), corners(), 0)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    read = np.asarray(read_picture(encoded(Image.fromarray(ramp), "PNG")))
    assert np.array_equal(read[..., 0], np.arange(256).reshape(16, 16))


@pytest.mark.parametrize(
    ("kind", "white", "largest"),
    [
        (np.float32, 1, 1.2),
        (np.float32, 255, 270),
        (np.float32, 65535, 65535),
        (np.int32, 255, 270),
        (np.int32, 65535, 66000),
        (np.int32, 2**31 - 1, 2**31 - 1),
    ],
)
def test_thirty_two_bits_are_scaled_by_what_white_is(
    kind: type, white: float, largest: float
) -> None:
    """Also where resampling went a little beyond it."""
    values = np.array([[0, white * 0.5, white * 0.8, largest]]).astype(kind)
    read = np.asarray(read_picture(Image.fromarray(values)), int)[0, :, 0]
    assert np.abs(read - [0, 128, 204, 255]).max() <= 1


@pytest.mark.parametrize(
    ("depth", "kind", "row", "clear", "other"),
    [
        (1, 0, b"\x40", b"\0\0", 255),  # a transparent pixel, then an opaque one
        (2, 0, b"\x60", b"\0\1", 170),
        (4, 0, b"\x3f", b"\0\3", 255),
        (4, 0, b"\xf3", b"\0\x0f", 51),
        (8, 0, b"\x03\x33", b"\0\3", 51),
        (16, 0, b"\x01\x2c\x80\0", b"\x01\x2c", 128),
        (16, 2, b"\x12\x34" * 3 + b"\x80\0" * 3, b"\x12\x34" * 3, 128),
    ],
)
def test_a_value_named_as_transparent_is_one_at_any_depth(
    depth: int, kind: int, row: bytes, clear: bytes, other: int
) -> None:
    data = png(depth, kind, row, 2, chunk(b"tRNS", clear))
    with Image.open(BytesIO(data)) as opened:
        for read in (read_picture(data), read_picture(opened), read_picture(opened)):
            assert np.asarray(read)[0].tolist() == [[255] * 3, [other] * 3]
        assert np.asarray(read_mask(opened))[0].tolist() == [0, other]


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_much_text_in_a_file_is_no_reason_to_refuse_its_picture(kind: bytes) -> None:
    """Programs that draw keep their recipes there."""
    start = b"workflow\0" + (b"\1\0\0\0" if kind == b"iTXt" else b"\0")
    data = png(8, 0, b"\x07", 1, chunk(kind, start + zlib.compress(bytes(8 * 2**20))))
    assert read_picture(data).getpixel((0, 0)) == (7, 7, 7)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_see_through_lies_on_white(mode: str) -> None:
    image = Image.new("RGBA", (4, 2), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 2, 2))
    if mode == "PA":
        data = encoded(image.quantize(4), "PNG")
    else:
        data = encoded(image.convert(mode), "PNG")
    read = read_picture(data)
    assert read.getpixel((0, 0)) == (0, 0, 0)
    assert read.getpixel((3, 1)) == (255, 255, 255), "see-through red must not become red"


def test_half_see_through_is_half_white() -> None:
    read = read_picture(encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 128)), "PNG"))
    assert read.getpixel((0, 0)) == (127, 127, 127)


def test_a_colour_named_as_transparent_lies_on_white() -> None:
    data = encoded(Image.new("RGB", (2, 2), "red"), "PNG", transparency=(255, 0, 0))
    assert read_picture(data).getpixel((0, 0)) == (255, 255, 255)


def test_palette_gray_and_bits() -> None:
    assert near(read_picture(encoded(corners().quantize(4), "PNG")), corners(), 0)
    assert read_picture(encoded(Image.new("L", (2, 2), 77), "PNG")).getpixel((1, 1)) == (77,) * 3
    assert read_picture(encoded(Image.new("1", (2, 2), 1), "PNG")).getpixel((1, 1)) == (255,) * 3


def test_cmyk() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red
    red, green, blue = middle(read_picture(encoded(image, "JPEG", quality=95)))
    assert red > 230 and green < 25 and blue < 25


def test_a_colour_profile_is_followed() -> None:
    # A profile whose red and blue are swapped sRGB: reading it must swap them back.
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = lab.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")
    data = encoded(Image.new("RGB", (4, 4), (200, 30, 10)), "PNG", icc_profile=swapped)
    red, green, blue = middle(read_picture(data))
    assert abs(red - 10) <= 3 and abs(green - 30) <= 3 and abs(blue - 200) <= 3


def test_a_broken_colour_profile_is_no_reason_to_refuse() -> None:
    data = encoded(corners(), "PNG", icc_profile=b"not a profile")
    assert near(read_picture(data), corners(), 0)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_an_animation_the_first_frame(form: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime", "blue")]
    named = {"lossless": True} if form == "WEBP" else {}
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **named)
    assert near(read_picture(data), frames[0], 2)


def test_nothing_of_the_file_but_its_pixels_goes_on() -> None:
    exif = exif_of(1)
    exif[0x010F] = "canary"
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "canary")
    for data in (encoded(corners(), "JPEG", exif=exif), encoded(corners(), "PNG", pnginfo=text)):
        read = read_picture(data)
        assert not read.info and not read.getexif()
        assert b"canary" not in encoded(read, "PNG")


@pytest.mark.parametrize("size", [(30000, 30000), (10000, 10000), (8000, 8001)])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="64 million is the most"):
        read_picture(bomb(*size))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_what_pillow_made_has_the_same_limit(mode: str) -> None:
    with pytest.raises(ValueError, match="64001×1000 pixels; 64 million is the most"):
        read_picture(Image.new(mode, (64_001, 1000)))


def test_a_file_of_too_many_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match="256 MB is the most"):
        read_picture(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"just some text",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        b"%PDF-1.7\n",
        b"SIMPLE  =                    T" + b" " * 2850,
        b"8BPS\x00\x01" + bytes(40),
        bytes(5000),
        png(8, 3, b"\0", 1),
        encoded(corners(), "TIFF"),
        encoded(corners(), "PNG")[:60],
        encoded(corners(), "JPEG")[:120],
        encoded(corners(), "GIF")[:30],
    ],
    ids=[
        "empty",
        "text",
        "svg",
        "eps",
        "pdf",
        "fits",
        "psd",
        "zeros",
        "no-palette",
        "tiff",
        "cut-png",
        "cut-jpeg",
        "cut-gif",
    ],
)
def test_what_is_no_picture_is_one_sentence(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(ValueError) as refusal:
            read_picture(source)
        assert str(refusal.value) == NO_PICTURE


def test_what_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with Image.open(BytesIO(encoded(corners(), "PNG"))) as closed:
        pass
    for source in (tmp_path, tmp_path / "pipe.png", closed):
        with pytest.raises(ValueError) as refusal:
            read_picture(source)
        assert str(refusal.value) == NO_PICTURE
    for other in (np.zeros((4, 4, 3), np.uint8), BytesIO(), None):
        with pytest.raises(ValueError, match=r"^A picture must be a file .*, not \w+\.$"):
            read_mask(other)  # pyright: ignore[reportArgumentType]


def test_a_file_that_is_gone_is_a_sentence_without_its_path(tmp_path: Path) -> None:
    for read in (read_picture, read_strokes, read_mask):
        with pytest.raises(ValueError) as refusal:
            read(tmp_path / "swept.png")
        assert str(refusal.value) == GONE


def test_mutilated_files_never_do_worse_than_a_sentence() -> None:
    rng = np.random.default_rng(0)
    big = corners().resize((64, 64))
    whole = [encoded(big, form) for form in FORMATS]
    for number in range(300):
        data = bytearray(whole[number % len(whole)])
        for place in rng.integers(0, len(data), rng.integers(1, 20)):
            data[place] = rng.integers(0, 256)
        try:
            assert read_picture(bytes(data)).mode == "RGB"
        except ValueError as refusal:
            assert str(refusal).endswith(".")


def test_strokes_keep_what_is_see_through_and_masks_are_gray() -> None:
    strokes = Image.new("RGBA", (4, 4), (9, 9, 9, 0))
    strokes.putpixel((1, 1), (1, 2, 3, 128))
    read = read_strokes(encoded(strokes, "PNG"))
    assert read.mode == "RGBA" and read.getpixel((1, 1)) == (1, 2, 3, 128)
    mask = read_mask(encoded(Image.new("L", (4, 4), 99), "PNG"))
    assert mask.mode == "L" and mask.getpixel((0, 0)) == 99
