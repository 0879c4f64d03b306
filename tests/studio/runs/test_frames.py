"""Frames are few enough not to slow the run, newest only, and small."""

from collections.abc import Mapping
from io import BytesIO

import pytest
from PIL import Image

from studio.runs.frames import Frames, tile


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def red() -> Mapping[str, Image.Image]:
    return {"0": Image.new("RGB", (16, 16), "red")}


def opened(frame: bytes) -> Image.Image:
    return Image.open(BytesIO(frame))


@pytest.mark.parametrize("between", [0.001, 0.01, 0.05])
def test_at_most_eight_a_second(between: float) -> None:
    clock, made = Clock(), 0
    frames = Frames(clock)
    while clock.now < 10:
        made += frames.take(red) is not None
        clock.now += between
    assert 10 * 8 * 0.7 <= made <= 10 * 8 + 1
    assert made == len(frames.kept)


@pytest.mark.parametrize("cost", [0.02, 0.1, 1.0])
def test_a_dear_view_is_asked_for_rarely(cost: float) -> None:
    clock, spent = Clock(), 0.0

    def dear() -> Mapping[str, Image.Image]:
        nonlocal spent
        clock.now += cost
        spent += cost
        return red()

    frames = Frames(clock)
    for _ in range(2000):
        frames.take(dear)
        clock.now += 0.05
    assert spent <= clock.now / 12 + 2 * cost
    assert spent >= min(clock.now / 12, 8 * clock.now * cost) / 2
    assert len(frames.kept) > 2


def test_the_first_view_may_set_things_up() -> None:
    clock = Clock()

    def dear() -> Mapping[str, Image.Image]:
        clock.now += 5.0
        return red()

    frames = Frames(clock)
    assert frames.take(dear) is not None
    clock.now += 0.001
    assert frames.take(red) is not None


def test_a_frame_is_a_small_jpeg_and_knows_its_step() -> None:
    clock = Clock()
    frames = Frames(clock)
    for _ in range(3):
        frame = frames.take(lambda: {"0": Image.new("RGB", (2000, 1000), "red")})
        assert frame is not None and len(frame) < 20_000
        assert opened(frame).format == "JPEG" and opened(frame).size == (384, 192)
        assert frames.take(red) is None
        clock.now += 1
    assert list(frames.kept) == [1, 3, 5]


def test_a_view_of_nothing_is_no_frame() -> None:
    assert Frames(Clock()).take(dict) is None


@pytest.mark.parametrize(
    ("count", "size"), [(1, (64, 64)), (2, (128, 64)), (4, (128, 128)), (8, (192, 192))]
)
def test_several_pictures_lie_in_a_grid(count: int, size: tuple[int, int]) -> None:
    colours = [(20 * n, 0, 0) for n in range(count)]
    sheet = tile([Image.new("RGB", (64, 64), colour) for colour in colours])
    assert sheet.size == size
    across = size[0] // 64
    for n, colour in enumerate(colours):
        row, column = divmod(n, across)
        assert sheet.getpixel((column * 64 + 32, row * 64 + 32)) == colour


def test_a_grid_is_no_larger_than_a_sheet_may_be() -> None:
    assert max(tile([Image.new("RGB", (512, 512))] * 8).size) <= 576


def test_pictures_that_come_one_after_another_share_the_grid() -> None:
    clock = Clock()
    frames = Frames(clock)
    frames.take(red)
    clock.now += 1
    frame = frames.take(lambda: {"1": Image.new("RGB", (16, 16), "blue")})
    assert frame is not None
    assert opened(frame).size == (32, 16)
