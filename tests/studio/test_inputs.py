"""Whatever a file holds, it becomes the picture that a person sees, or one sentence."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from components.canvas import MAX_BYTES
from pipelines.request import MAX_WORDS_LENGTH
from pipelines.sdedit import SDEdit
from studio import inputs


def encoded(image: Image.Image, form: str, **named: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **named)
    return file.getvalue()


def middle(image: Image.Image) -> tuple[int, int, int]:
    red, green, blue = np.asarray(image)[image.height // 2, image.width // 2]
    return int(red), int(green), int(blue)


def corners() -> Image.Image:
    """Red, green / blue, white, 16 x 8: a turn or a flip shows."""
    image = Image.new("RGB", (16, 8), "red")
    image.paste("lime", (8, 0, 16, 4))
    image.paste("blue", (0, 4, 8, 8))
    image.paste("white", (8, 4, 16, 8))
    return image


def near(image: Image.Image, other: Image.Image, tolerance: float) -> bool:
    assert image.mode == other.mode == "RGB"
    if image.size != other.size:
        return False
    difference = np.abs(np.asarray(image, np.int16) - np.asarray(other, np.int16))
    return float(difference.mean()) <= tolerance


@pytest.mark.parametrize(
    ("form", "tolerance"), [("PNG", 0), ("BMP", 0), ("GIF", 1), ("WEBP", 8), ("JPEG", 8)]
)
def test_every_format_gives_the_picture_back(form: str, tolerance: float) -> None:
    big = corners().resize((160, 80), Image.Resampling.NEAREST)
    assert near(inputs.picture(encoded(big, form)), big, tolerance)


def test_a_file_is_read_by_its_content_not_its_name(tmp_path: Path) -> None:
    path = tmp_path / "holiday.txt"
    path.write_bytes(encoded(corners(), "PNG"))
    assert near(inputs.picture(path), corners(), 0)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    read = np.asarray(inputs.picture(encoded(Image.fromarray(ramp), "PNG")))
    assert np.array_equal(read[..., 0], np.arange(256).reshape(16, 16))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_see_through_lies_on_white(mode: str) -> None:
    image = Image.new("RGBA", (4, 2), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 2, 2))
    if mode == "PA":
        data = encoded(image.quantize(4), "PNG")
    else:
        data = encoded(image.convert(mode), "PNG")
    read = inputs.picture(data)
    assert read.getpixel((0, 0)) == (0, 0, 0)
    assert read.getpixel((3, 1)) == (255, 255, 255), "see-through red must not become red"


def test_half_see_through_is_half_white() -> None:
    read = inputs.picture(encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 128)), "PNG"))
    assert read.getpixel((0, 0)) == (127, 127, 127)


def test_a_colour_named_as_transparent_lies_on_white() -> None:
    data = encoded(Image.new("RGB", (2, 2), "red"), "PNG", transparency=(255, 0, 0))
    assert inputs.picture(data).getpixel((0, 0)) == (255, 255, 255)


def test_palette_gray_and_bits() -> None:
    assert near(inputs.picture(encoded(corners().quantize(4), "PNG")), corners(), 0)
    assert inputs.picture(encoded(Image.new("L", (2, 2), 77), "PNG")).getpixel((1, 1)) == (77,) * 3
    assert inputs.picture(encoded(Image.new("1", (2, 2), 1), "PNG")).getpixel((1, 1)) == (255,) * 3


def test_cmyk() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red
    red, green, blue = middle(inputs.picture(encoded(image, "JPEG", quality=95)))
    assert red > 230 and green < 25 and blue < 25


def test_a_colour_profile_is_followed() -> None:
    # A profile whose red and blue are swapped sRGB: reading it must swap them back.
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = lab.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")
    data = encoded(Image.new("RGB", (4, 4), (200, 30, 10)), "PNG", icc_profile=swapped)
    red, green, blue = middle(inputs.picture(data))
    assert abs(red - 10) <= 3 and abs(green - 30) <= 3 and abs(blue - 200) <= 3


def test_a_broken_colour_profile_is_no_reason_to_refuse() -> None:
    data = encoded(corners(), "PNG", icc_profile=b"not a profile")
    assert near(inputs.picture(data), corners(), 0)


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_every_orientation_comes_upright(orientation: int, form: str) -> None:
    image = corners().resize((160, 80), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = inputs.picture(encoded(image, form, exif=exif))
    right = image if orientation == 1 else image.transpose(TURNS[orientation])
    assert near(read, right, 8)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame(form: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime", "blue")]
    named = {"lossless": True} if form == "WEBP" else {}
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **named)
    assert near(inputs.picture(data), frames[0], 2)


def test_nothing_of_the_file_but_its_pixels_goes_on() -> None:
    exif = Image.Exif()
    exif[0x010F] = "canary"
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "canary")
    for data in (encoded(corners(), "JPEG", exif=exif), encoded(corners(), "PNG", pnginfo=text)):
        read = inputs.picture(data)
        assert not read.info and not read.getexif()
        assert b"canary" not in encoded(read, "PNG")


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is huge and holds nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("size", [(30000, 30000), (10000, 10000), (8000, 5001)])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="40 million is the most"):
        inputs.picture(bomb(*size))


def test_a_file_of_too_many_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match="60 MB is the most"):
        inputs.picture(path)


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
        encoded(corners(), "TIFF"),
        encoded(corners(), "PNG")[:60],
        encoded(corners(), "JPEG")[:120],
        encoded(corners(), "GIF")[:30],
        encoded(corners(), "PNG", exif=b"Exif\0\0II*\0"),
        encoded(corners(), "WEBP", exif=b"Exif\0\0II+\0\x08\0\0\0"),
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
        "tiff",
        "cut-png",
        "cut-jpeg",
        "cut-gif",
        "exif-cut",
        "exif-bigtiff",
    ],
)
def test_what_is_no_picture_is_one_sentence(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(ValueError) as refusal:
            inputs.picture(source)
        assert str(refusal.value) == inputs.NO_PICTURE


def test_a_file_that_is_gone_is_a_sentence_without_its_path(tmp_path: Path) -> None:
    for read in (inputs.picture, inputs.paint, inputs.mask):
        with pytest.raises(ValueError) as refusal:
            read(tmp_path / "swept.png")
        assert str(refusal.value) == inputs.GONE


def test_mutilated_files_never_do_worse_than_a_sentence() -> None:
    rng = np.random.default_rng(0)
    big = corners().resize((64, 64))
    whole = [encoded(big, form) for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP")]
    for number in range(300):
        data = bytearray(whole[number % len(whole)])
        for place in rng.integers(0, len(data), rng.integers(1, 20)):
            data[place] = rng.integers(0, 256)
        try:
            assert inputs.picture(bytes(data)).mode == "RGB"
        except ValueError as refusal:
            assert str(refusal).endswith(".")


def test_strokes_keep_what_is_see_through_and_masks_are_gray() -> None:
    strokes = Image.new("RGBA", (4, 4), (9, 9, 9, 0))
    strokes.putpixel((1, 1), (1, 2, 3, 128))
    read = inputs.paint(encoded(strokes, "PNG"))
    assert read.mode == "RGBA" and read.getpixel((1, 1)) == (1, 2, 3, 128)
    mask = inputs.mask(encoded(Image.new("L", (4, 4), 99), "PNG"))
    assert mask.mode == "L" and mask.getpixel((0, 0)) == 99


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), True, "7", None, [1]])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(ValueError, match="Strength must be a number"):
        inputs.number(value, "Strength")


def test_a_number_beyond_all_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="far too large"):
        inputs.number(10**400, "Seed")


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, 2**64, float("nan"), "7", True, [3]])
def test_seeds_outside_their_range_reach_no_request(seed: object) -> None:
    with pytest.raises(ValueError, match="Seed"):
        SDEdit(image=corners(), **inputs.fields(SDEdit, {"seed": seed}))


@pytest.mark.parametrize("seed", [0, 7, 7.0, 2**32 - 1])
def test_seeds_in_their_range(seed: float) -> None:
    assert SDEdit(image=corners(), **inputs.fields(SDEdit, {"seed": seed})).seed == int(seed)


def test_fields_takes_the_requests_own_and_nothing_else() -> None:
    values = {"strength": 0.5, "prompt": " a  house\n", "image": "/etc/passwd", "sweep": True}
    assert inputs.fields(SDEdit, {**values, "eta": None, "__class__": 1}) == {
        "prompt": "a house",
        "strength": 0.5,
    }


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a red house", "a red house"),
        ("nul\x00and\x1bescape\x7f", "nul and escape"),
        ("line\r\nline\ttab", "line line tab"),
        ("half \ud83d", "half ?"),
        ("שלום 👩‍🎨 é", "שלום 👩‍🎨 é"),
        ("<b>{prompt}</b>", "<b>{prompt}</b>"),
        ("", ""),
    ],
)
def test_words_are_cleaned_and_otherwise_left_alone(text: str, clean: str) -> None:
    assert inputs.words(text, "Words") == clean
    clean.encode("utf-8")


def test_words_have_an_end() -> None:
    assert len(inputs.words("x" * MAX_WORDS_LENGTH, "Words")) == MAX_WORDS_LENGTH
    with pytest.raises(ValueError, match="2001 characters are too many"):
        inputs.words("x" * (MAX_WORDS_LENGTH + 1), "Words")
    with pytest.raises(ValueError, match="must be text"):
        inputs.words(["a"], "Words")
