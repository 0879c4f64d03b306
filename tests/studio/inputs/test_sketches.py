"""A canvas becomes one picture and one mask, or a sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.contract.sketch import Sketch
from studio.inputs import sketches
from studio.inputs.sketches import EMPTY, NO_MASK, NO_STROKES, Guide, given, layers

SIZE = (64, 32)

Put = Callable[[str, Image.Image], Path]  # writes a file


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def put(name: str, image: Image.Image) -> Path:
        path = tmp_path / f"{name}.png"
        image.save(path)
        return path

    return put


def strokes(alpha: int = 255, box: tuple[int, int, int, int] = (8, 8, 16, 16)) -> Image.Image:
    layer = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    layer.paste((255, 0, 0, alpha), box)
    return layer


def sketch(
    picture: Path | None = None,
    strokes: Path | None = None,
    mask: Path | None = None,
    **wanted: bool,
) -> Sketch:
    return Sketch(picture, strokes, mask, *SIZE, **wanted)


def guide(drawn: Sketch) -> Guide:
    return sketches.guide(layers(drawn))


def picture_of(made: Guide) -> Image.Image:
    assert made.image is not None
    return made.image


def test_an_empty_canvas_is_a_sentence(put: Put) -> None:
    blank = put("blank", Image.new("RGBA", SIZE, (9, 9, 9, 0)))
    mask = put("mask", Image.new("L", SIZE, 255))
    for empty in (sketch(), sketch(strokes=blank), sketch(mask=mask)):
        with pytest.raises(ValueError) as refusal:
            guide(empty)
        assert str(refusal.value) == EMPTY


def test_strokes_on_a_blank_canvas_lie_on_white(put: Put) -> None:
    made = guide(sketch(strokes=put("s", strokes(alpha=128))))
    assert picture_of(made).size == SIZE and picture_of(made).mode == "RGB" and made.mask is None
    assert picture_of(made).getpixel((0, 0)) == (255, 255, 255)
    assert picture_of(made).getpixel((10, 10)) == (255, 127, 127)


def test_strokes_on_a_picture_and_a_picture_alone(put: Put) -> None:
    picture = put("p", Image.new("RGB", SIZE, "blue"))
    made = guide(sketch(picture, put("s", strokes())))
    assert picture_of(made).getpixel((10, 10)) == (255, 0, 0)
    assert picture_of(made).getpixel((30, 10)) == (0, 0, 255)
    alone = guide(sketch(picture))
    assert picture_of(alone).getcolors() == [(SIZE[0] * SIZE[1], (0, 0, 255))]


def test_strokes_are_brought_to_the_pictures_own_size(put: Put) -> None:
    picture = put("p", Image.new("RGB", (256, 128), "blue"))
    made = guide(sketch(picture, put("s", strokes())))
    assert picture_of(made).size == (256, 128)
    assert picture_of(made).getpixel((48, 48)) == (255, 0, 0)
    assert picture_of(made).getpixel((100, 48)) == (0, 0, 255)


def test_the_mask_comes_at_the_pictures_size_and_stays_soft(put: Put) -> None:
    mask = Image.new("L", SIZE, 0)
    mask.paste(128, (0, 0, 32, 32))
    picture = put("p", Image.new("RGB", (128, 64), "blue"))
    made = guide(sketch(picture, mask=put("m", mask), needs_mask=True))
    assert made.mask is not None and made.mask.size == (128, 64) and made.mask.mode == "L"
    assert made.mask.getpixel((10, 10)) == 128 and made.mask.getpixel((120, 10)) == 0


def test_a_mask_counts_where_something_is_masked(put: Put) -> None:
    picture, mask = put("p", Image.new("RGB", SIZE)), put("m", Image.new("L", SIZE, 255))
    assert guide(sketch(picture, mask=mask)).mask is not None
    assert guide(sketch(picture, mask=put("n", Image.new("L", SIZE)))).mask is None
    assert guide(sketch(picture)).mask is None


def test_a_mask_alone_lies_on_what_the_seed_draws(put: Put) -> None:
    picture, mask = put("p", Image.new("RGB", SIZE)), put("m", Image.new("L", SIZE, 200))
    for made in (
        guide(sketch(picture, mask=mask, by_seed=True)),
        guide(sketch(mask=mask, by_seed=True)),
    ):
        assert made.image is None and made.mask is not None
        assert made.mask.size == SIZE and made.mask.getpixel((0, 0)) == 200


def test_only_around_the_strokes(put: Put) -> None:
    picture = put("p", Image.new("RGB", SIZE, "blue"))
    made = guide(sketch(picture, put("s", strokes(alpha=40)), around_strokes=True))
    assert made.mask is not None
    mask = np.asarray(made.mask)
    assert set(np.unique(mask)) == {0, 255}
    assert mask[8:16, 8:16].all(), "the strokes themselves, faint as they are"
    assert mask[12, 17] == 255 and mask[12, 40] == 0, "and a little more"


@pytest.mark.parametrize("width", [64, 512, 2000])
def test_the_reach_around_strokes_grows_with_the_picture(put: Put, width: int) -> None:
    height = width // 2
    layer = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    layer.putpixel((width // 2, height // 2), (1, 2, 3, 255))
    made = guide(Sketch(None, put("s", layer), None, width, height, around_strokes=True))
    assert made.mask is not None
    left, _, right, _ = made.mask.getbbox() or (0, 0, 0, 0)
    assert width / 40 <= right - left <= width / 6


def test_what_is_missing_is_named(put: Put) -> None:
    picture, black = put("p", Image.new("RGB", SIZE)), put("m", Image.new("L", SIZE, 0))
    for drawn, sentence in (
        (sketch(picture, around_strokes=True), NO_STROKES),
        (sketch(picture, needs_mask=True), NO_MASK),
        (sketch(picture, mask=black, needs_mask=True), NO_MASK),
        (sketch(by_seed=True, needs_mask=True), NO_MASK),
        (sketch(mask=black, by_seed=True, needs_mask=True), NO_MASK),
    ):
        with pytest.raises(ValueError) as refusal:
            guide(drawn)
        assert str(refusal.value) == sentence


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (8191, 3), (7, 7)])
def test_a_picture_without_room_is_a_sentence(put: Put, size: tuple[int, int]) -> None:
    picture = put("p", Image.new("RGB", size))
    with pytest.raises(ValueError, match=f"{size[0]}×{size[1]} pixels"):
        guide(Sketch(picture, None, None, *size))
    with pytest.raises(ValueError, match="at least 8"):
        given(picture, None)


def test_layers_of_another_shape_are_refused(put: Put) -> None:
    picture = put("p", Image.new("RGB", (64, 64)))
    with pytest.raises(ValueError, match="64×32"):
        guide(sketch(picture, put("s", strokes())))
    with pytest.raises(ValueError, match="64×32"):
        guide(sketch(picture, mask=put("m", Image.new("L", SIZE, 255))))
    with pytest.raises(ValueError, match="one size"):
        given(picture, put("n", Image.new("L", SIZE)))


def test_a_side_that_was_rounded_still_fits(put: Put) -> None:
    picture = put("p", Image.new("RGB", (3000, 1001)))
    layer = Image.new("RGBA", (2048, 683), (255, 0, 0, 255))
    made = guide(Sketch(picture, put("s", layer), None, 2048, 683))
    assert picture_of(made).size == (3000, 1001)
