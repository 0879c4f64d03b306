"""What `Image.open` gives means the same to the methods as it does on the page."""

from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from pipelines import Blended, Bundle, SDEdit, blended, drain, sdedit
from pipelines.blended import BlendedReport
from pipelines.core import masks, outline
from pipelines.core.crop import Window
from pipelines.edit import Edit
from tests import toys
from tests.picture_files import PLACES, corners, encoded
from tests.pictures import same

SIZE = (96, 64)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.of(toys.tiny_pipeline(tmp_path_factory.mktemp("tiny")), "tiny")


def disc() -> Image.Image:
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).ellipse((20, 16, 44, 40), fill=255)
    return mask


def photo() -> Image.Image:
    return Image.effect_noise(SIZE, 90).convert("RGB").resize(SIZE)


def replaced(
    bundle: Bundle, picture: Image.Image, mask: Image.Image, **more: Any
) -> Edit[BlendedReport]:
    settings: dict[str, Any] = {"num_inference_steps": 2, "guidance_scale": 1.0, "seed": 5, **more}
    return drain(blended(bundle, Blended(image=picture, mask_image=mask, **settings)))


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def test_strokes_on_transparent_lie_on_white() -> None:
    strokes = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    strokes.paste((255, 0, 0, 255), (8, 8, 24, 24))
    image = SDEdit(image=opened(encoded(strokes, "PNG"))).image
    assert image is not None and image.mode == "RGB"
    assert image.getpixel((0, 0)) == (255, 255, 255) and image.getpixel((10, 10)) == (255, 0, 0)


def test_sixteen_bit_gray_is_scaled() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    image = SDEdit(image=opened(encoded(Image.fromarray(ramp), "PNG"))).image
    assert image is not None
    assert (np.asarray(image)[..., 0] == np.arange(256).reshape(16, 16)).all()


@pytest.mark.parametrize("place", ["jpeg-exif", "png-xmp-behind", "webp-exif", "avif-box"])
def test_a_phone_photo_is_upright_and_its_mask_has_the_upright_size(place: str) -> None:
    turned = opened(PLACES[place](corners(10), 6))
    request = Blended(image=turned, mask_image=Image.new("L", (80, 160), 255))
    assert request.image is not None and request.image.size == (80, 160)
    with pytest.raises(ValueError, match=r"160×80 pixels and the picture 80×160"):
        Blended(image=opened(PLACES[place](corners(10), 6)), mask_image=Image.new("L", (160, 80)))


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_a_float_mask_is_the_mask(bundle: Bundle, scale: float) -> None:
    picture = photo()
    values = (np.asarray(disc()) / 255 * scale).astype(np.float32)
    given = replaced(bundle, picture, Image.fromarray(values))
    assert same(given.images[0], replaced(bundle, picture, disc()).images[0])


def test_a_plain_picture_is_taken_as_it_is() -> None:
    picture = photo()
    assert SDEdit(image=picture).image is picture


@pytest.mark.parametrize("background", ["paste", "poisson", "none"])
def test_noise_of_eight_in_a_mask_changes_no_bit(bundle: Bundle, background: str) -> None:
    rng = np.random.default_rng(1)
    clean = np.asarray(disc()).astype(int)
    noisy = (clean + rng.integers(-8, 9, clean.shape)).clip(0, 255).astype(np.uint8)
    picture = photo()
    one, other = (
        replaced(bundle, picture, mask, background=background, crop="on")
        for mask in (disc(), Image.fromarray(noisy))
    )
    assert same(one.images[0], other.images[0]) and one.report == other.report


@pytest.mark.parametrize("method", ["replace", "paint"])
def test_a_jpeg_mask_changes_nothing_farther_than_two_pixels(bundle: Bundle, method: str) -> None:
    picture, mask = photo(), opened(encoded(disc(), "JPEG", quality=75))
    away = cv2.distanceTransform((np.asarray(disc()) == 0).astype(np.uint8), cv2.DIST_L2, 5)
    if method == "replace":
        edit = replaced(bundle, picture, mask, feather=0)
    else:
        edit = drain(
            sdedit(
                bundle,
                SDEdit(image=picture, mask_image=mask, num_inference_steps=2, guidance_scale=1.0),
            )
        )
    differs = (np.asarray(edit.images[0]) != np.asarray(picture)).any(-1)
    assert differs.any() and not differs[away > 2].any()


@pytest.mark.parametrize("background", ["paste", "poisson"])
def test_what_is_shown_follows_the_gray(bundle: Bundle, background: str) -> None:
    """A pixel of gray g is the original's and g of 255 of the way to the edit's."""
    picture = photo()
    gray = disc().point([0] * 255 + [102])
    more: dict[str, Any] = {"feather": 0, "background": background, "crop": "off"}
    faint = replaced(bundle, picture, gray, **more).images[0]
    before = np.asarray(picture, int)
    difference = np.abs(np.asarray(faint, int) - before)
    assert difference.max() <= 102 + 1, "two fifths of the way at most"
    assert not difference[np.asarray(gray) == 0].any()
    soft = np.asarray(outline.feathered(gray, 6))
    assert soft.max() == 102 and (soft <= np.asarray(gray)).all()


def test_a_picture_is_filled_in_strips_as_in_one() -> None:
    picture = Image.effect_noise((40, 1300), 80).convert("RGB")
    drawn = Image.effect_noise((16, 450), 80).convert("RGB")
    alpha = Image.effect_noise(picture.size, 80)
    expected = picture.copy()
    fitted = drawn.resize((30, 1203), Image.Resampling.LANCZOS)
    expected.paste(fitted, (5, 50), alpha.crop((5, 50, 35, 1253)))
    filled = Window(picture, (5, 50, 35, 1253), alpha).filled(drawn)
    assert np.abs(np.asarray(filled, int) - np.asarray(expected, int)).max() <= 1
    pasted = masks.paste(picture, drawn, alpha)
    whole = Image.composite(drawn.resize(picture.size, Image.Resampling.LANCZOS), picture, alpha)
    assert np.abs(np.asarray(pasted, int) - np.asarray(whole, int)).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 5), (64, 96), (70, 100), (1, 1)])
def test_cells_are_torchs_adaptive_maxima(height: int, width: int) -> None:
    mask = Image.effect_noise(SIZE, 90)
    pixels = torch.from_numpy(np.asarray(mask, np.float32) / 255)[None, None]
    assert torch.equal(
        masks.cells(mask, height, width), F.adaptive_max_pool2d(pixels, (height, width))
    )
