"""What a method returns: large pictures one at a time, small ones once."""

import weakref
from functools import partial

from PIL import Image

from pipelines.edit import Edit, Report, Result, made


def test_large_pictures_are_made_when_they_are_looked_at_and_let_go() -> None:
    kept: list[weakref.ref[Image.Image]] = []

    def make(gray: int) -> Image.Image:
        picture = Image.new("RGB", (1, 1), (gray,) * 3)
        kept.append(weakref.ref(picture))
        return picture

    large = made([partial(make, gray) for gray in range(5)], (4000, 4000))
    edit = Edit([Result(make=each, seed=n) for n, each in enumerate(large)], Report())
    assert kept == [] and edit.seeds == [0, 1, 2, 3, 4]
    for gray, result in enumerate(edit.results):
        assert result.image.getpixel((0, 0)) == (gray,) * 3
        assert sum(each() is not None for each in kept) == 0
    for gray, image in enumerate(edit):
        assert image.getpixel((0, 0)) == (gray,) * 3
        assert sum(each() is not None for each in kept) == 1
    assert [each.getpixel((0, 0)) for each in edit.images] == [(n,) * 3 for n in range(5)]


def test_pictures_that_are_few_or_small_are_made_once() -> None:
    small = made([lambda: Image.new("RGB", (1, 1))] * 4, (4000, 4000))
    assert len(small) == 4 and small[0]() is small[0]()
