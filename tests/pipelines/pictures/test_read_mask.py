"""One rule for masks: what is transparent, coloured or noisy means the same everywhere."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from pipelines.pictures import read_mask
from tests.picture_files import encoded

SIZE = (96, 64)


def disc(size: tuple[int, int] = SIZE) -> Image.Image:
    mask = Image.new("L", size)
    x, y, r = size[0] // 3, size[1] // 2, size[1] // 4
    ImageDraw.Draw(mask).ellipse((x - r, y - r, x + r, y + r), fill=255)
    return mask


def coloured(colour: tuple[int, int, int]) -> Image.Image:
    return Image.composite(Image.new("RGB", SIZE, colour), Image.new("RGB", SIZE), disc())


def on_transparent(under: str) -> Image.Image:
    layer = Image.new("RGB", SIZE, under)
    layer.paste("white", mask=disc())
    layer.putalpha(disc())
    return layer


def wide(kind: type) -> Image.Image:
    scale = {np.uint16: 257, np.int32: 257, np.float32: 1 / 255}[kind]
    return Image.fromarray((np.asarray(disc(), float) * scale).astype(kind))


MEANT = {
    "gray": disc(),
    "red": coloured((255, 0, 0)),
    "green": coloured((0, 255, 0)),
    "blue": coloured((0, 0, 255)),
    "white on transparent black": on_transparent("black"),
    "white on transparent white": on_transparent("white"),
    "gray and alpha": on_transparent("white").convert("LA"),
    "one bit": disc().convert("1"),
    "palette": coloured((255, 0, 0)).quantize(4),
    "palette with alpha": on_transparent("white").quantize(4),
    "sixteen bits": wide(np.uint16),
    "float": wide(np.float32),
    "float of 255": Image.fromarray(np.asarray(disc()).astype(np.float32)),
    "thirty-two bits": wide(np.int32),
}


@pytest.mark.parametrize("name", MEANT)
def test_every_form_of_a_disc_is_the_disc(name: str) -> None:
    assert read_mask(MEANT[name]).tobytes() == disc().tobytes()
    if MEANT[name].mode not in ("F", "I"):  # which a PNG has not
        assert read_mask(encoded(MEANT[name], "PNG")).tobytes() == disc().tobytes()


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "HEIF"])
def test_alpha_of_other_formats(form: str) -> None:
    named = {"lossless": True} if form == "WEBP" else {"quality": 100}
    read = np.asarray(read_mask(encoded(on_transparent("white"), form, **named)), int)
    assert np.abs(read - np.asarray(disc(), int)).mean() < 1


def test_between_the_bounds_every_value_is_kept_and_reading_twice_is_reading_once() -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    read = read_mask(ramp)
    values = np.asarray(read).ravel()
    assert not values[:49].any() and (values[207:] == 255).all()
    assert (values[49:207] == np.arange(49, 207)).all()
    assert read_mask(read) is read


@pytest.mark.parametrize(("alpha", "gray"), [(128, 128), (51, 51), (20, 0)])
def test_half_transparent_white_is_gray(alpha: int, gray: int) -> None:
    assert read_mask(Image.new("RGBA", (2, 2), (255, 255, 255, alpha))).getpixel((0, 0)) == gray


def test_what_is_no_number_is_black_and_what_is_beyond_an_end_is_at_it() -> None:
    values = np.array([[np.nan, -np.inf, -3, 0.5, 1, np.inf]], np.float32)
    assert np.asarray(read_mask(Image.fromarray(values)))[0].tolist() == [0, 0, 0, 128, 255, 255]


def test_a_profile_does_not_change_a_masks_numbers() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")
    data = encoded(Image.new("RGB", (2, 2), (51, 51, 51)), "PNG", icc_profile=swapped)
    assert read_mask(data).getpixel((0, 0)) == 51


def test_noise_of_eight_is_no_mask_and_no_hole() -> None:
    rng = np.random.default_rng(0)
    clean = np.asarray(disc()).astype(int)
    noisy = (clean + rng.integers(-8, 9, clean.shape)).clip(0, 255).astype(np.uint8)
    assert read_mask(Image.fromarray(noisy)).tobytes() == disc().tobytes()


def shapes(side: int) -> list[Image.Image]:
    """Discs, bars, lines, dots and letters, black and white."""
    rng = np.random.default_rng(side)
    made: list[Image.Image] = []
    for kind in ("ellipse", "rectangle", "line", "point", "text"):
        for _ in range(4):
            mask = Image.new("L", (side, side))
            draw = ImageDraw.Draw(mask)
            x, y, r = (int(each) for each in rng.integers(side // 8, side // 2, 3))
            match kind:
                case "ellipse":
                    draw.ellipse((x, y, x + r, y + r), fill=255)
                case "rectangle":
                    draw.rectangle((x, y, x + r, y + r // 2), fill=255)
                case "line":
                    draw.line((x, y, side - r, side - y), fill=255, width=1 + r % 7)
                case "point":
                    draw.point([tuple(p) for p in rng.integers(0, side, (30, 2)).tolist()], 255)
                case _:
                    draw.text((x // 2, y), "Pentimento", fill=255)
            made.append(mask)
    return made


@pytest.mark.parametrize("side", [64, 200, 257, 512])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_at_quality_75_widens_no_mask_by_more_than_two_pixels(side: int, mode: str) -> None:
    for shape in shapes(side):
        away = cv2.distanceTransform((np.asarray(shape) == 0).astype(np.uint8), cv2.DIST_L2, 5)
        file = BytesIO()
        shape.convert(mode).save(file, "JPEG", quality=75)
        read = np.asarray(read_mask(file.getvalue()))
        assert not read[away > 2].any()
        assert (read > 0)[np.asarray(shape) > 128].all()


COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "orange": (255, 128, 0),
    "violet": (128, 0, 255),
    "rose": (255, 64, 96),
    "dark red": (160, 0, 0),
}


@pytest.mark.parametrize("sampling", ["4:2:0", "4:2:2", "4:4:4"])
@pytest.mark.parametrize("quality", [75, 90])
def test_a_coloured_jpeg_widens_no_mask_by_more_than_two_pixels(
    quality: int, sampling: str
) -> None:
    for side in (64, 200, 257):
        for shape in shapes(side):
            white = np.asarray(shape) > 128
            away = cv2.distanceTransform((np.asarray(shape) == 0).astype(np.uint8), cv2.DIST_L2, 5)
            core = cv2.distanceTransform(white.astype(np.uint8), cv2.DIST_L2, 5) > 3
            for name, colour in COLOURS.items():
                mask = Image.composite(
                    Image.new("RGB", shape.size, colour), Image.new("RGB", shape.size), shape
                )
                data = encoded(mask, "JPEG", quality=quality, subsampling=sampling)
                read = np.asarray(read_mask(data))
                assert not read[away > 2].any(), (name, side)
                assert (read[core] > 0).all(), (name, side)


@pytest.mark.parametrize("colour", [(51, 51, 51), (51, 0, 0), (0, 51, 0), (0, 0, 51), (60, 0, 51)])
def test_a_faint_colour_of_a_jpeg_counts_as_its_brightest_channel(
    colour: tuple[int, int, int],
) -> None:
    data = encoded(Image.new("RGB", (64, 64), colour), "JPEG", quality=95, subsampling="4:4:4")
    values = np.asarray(read_mask(data), int)
    assert np.abs(values - max(colour)).max() <= 2


def test_gray_beside_a_colour_of_a_jpeg_keeps_its_value() -> None:
    mask = Image.new("RGB", (96, 64), (60, 60, 60))
    mask.paste("red", (0, 0, 32, 64))
    read = np.asarray(read_mask(encoded(mask, "JPEG", quality=95)), int)
    assert np.abs(read[:, 40:] - 60).max() <= 6


def test_a_large_coloured_jpeg_is_read_as_a_small_one() -> None:
    """In strips, which part no block of the file."""
    mask = Image.new("RGB", (1500, 1500))
    ImageDraw.Draw(mask).ellipse((200, 300, 1300, 1100), fill="red")
    read = np.asarray(read_mask(encoded(mask, "JPEG", quality=75, subsampling="4:4:4")))
    away = cv2.distanceTransform((np.asarray(mask)[..., 0] == 0).astype(np.uint8), cv2.DIST_L2, 5)
    assert not read[away > 2].any()
