"""A picture stands upright wherever its file says how it was held."""

import re
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines import pictures
from pipelines.pictures import check_header, read_mask, read_picture, read_strokes
from tests.picture_files import ATTRIBUTE, PLACES, chunk, corners, encoded, exif_of

TURNED = {  # EXIF 2.32, table of Orientation: the corners of `corners`, row by row
    1: ("red", "lime", "blue", "white"),
    2: ("lime", "red", "white", "blue"),
    3: ("white", "blue", "lime", "red"),
    4: ("blue", "white", "red", "lime"),
    5: ("red", "blue", "lime", "white"),
    6: ("blue", "red", "white", "lime"),
    7: ("white", "lime", "blue", "red"),
    8: ("lime", "white", "red", "blue"),
}
COLOURS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}


def seen(picture: Image.Image) -> tuple[str, ...]:
    """The nearest colours of the four corners, row by row."""
    pixels = np.asarray(picture.convert("RGB"), int)
    rows, columns = pixels.shape[0] // 4, pixels.shape[1] // 4
    found: list[str] = []
    for row in (rows, 3 * rows):
        for column in (columns, 3 * columns):
            away = {n: np.abs(pixels[row, column] - c).sum() for n, c in COLOURS.items()}
            found.append(min(away, key=lambda name: away[name]))
    return tuple(found)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("place", PLACES)
def test_each_orientation_in_each_place(place: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(PLACES[place](corners(10), orientation))
    size = (160, 80) if orientation < 5 else (80, 160)
    assert check_header(path) == size
    with Image.open(path) as opened:
        for read in (read_picture(path), read_picture(opened), read_strokes(path)):
            assert read.size == size
            assert seen(read) == TURNED[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_of_many_strips_is_turned_as_one_of_one(
    orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "STRIP", 64 * 64)
    noise = Image.effect_noise((64, 188), 80).convert("RGB")
    turned = read_picture(PLACES["png-exif"](noise, orientation))
    whole = read_picture(PLACES["png-exif"](noise.crop((0, 0, 64, 56)), orientation))
    assert turned.size == ((64, 188) if orientation < 5 else (188, 64))
    where = {1: (0, 0), 2: (0, 0), 3: (0, 132), 4: (0, 132), 5: (0, 0), 6: (132, 0)}
    left, top = (where | {7: (132, 0), 8: (0, 0)})[orientation]
    part = turned.crop((left, top, left + whole.width, top + whole.height))
    assert part.tobytes() == whole.tobytes()


@pytest.mark.parametrize("form", ["AVIF", "HEIF"])
def test_a_box_is_applied_once_whatever_xmp_says(form: str) -> None:
    stray = ATTRIBUTE.format(6).encode()
    both = encoded(corners(10), form, exif=exif_of(6).tobytes(), xmp=stray, quality=95)
    assert seen(read_picture(both)) == TURNED[6]
    if form == "AVIF":  # pillow-heif writes a box for an XMP as well
        assert seen(read_picture(encoded(corners(10), form, xmp=stray))) == TURNED[1]


@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize(
    "change",
    [Image.Image.copy, lambda image: image.convert("RGBA"), lambda image: image.resize((80, 160))],
)
def test_a_copied_avif_is_turned_by_its_box_alone(
    change: Callable[[Image.Image], Image.Image], turn: int
) -> None:
    stray = ATTRIBUTE.format(3).encode()
    exif = {} if turn == 1 else {"exif": exif_of(turn).tobytes()}
    with Image.open(BytesIO(encoded(corners(10), "AVIF", xmp=stray, quality=95, **exif))) as opened:
        assert seen(read_picture(change(opened))) == TURNED[turn]


def boxed(turn: int, exif: int) -> bytes:
    """A HEIF whose boxes say `turn` and whose EXIF says `exif`."""
    whole = PLACES["heif-box"](corners(10), turn)
    written, wanted = (exif_of(each).tobytes().removeprefix(b"Exif\0\0") for each in (turn, exif))
    assert whole.count(written) == 1
    return whole.replace(written, wanted)


# ISO/IEC 23008-12, 6.5.10 and 6.5.12: "irot" turns by 90° times its last byte, against the clock;
# "imir" flips. What pillow-heif writes for each value of EXIF's.
ROTATION = {1: None, 2: None, 3: 2, 4: None, 5: 3, 6: 3, 7: 3, 8: 1}
FLIPPED = (2, 4, 5, 7)


@pytest.mark.parametrize("exif", [1, 3, 6])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_heifs_boxes_turn_it_once_whatever_its_exif_says(
    turn: int, exif: int, tmp_path: Path
) -> None:
    path = tmp_path / "phone.heic"
    path.write_bytes(boxed(turn, exif))
    found = re.findall(rb"\0\0\0\x09irot(.)", path.read_bytes(), re.DOTALL)
    assert [each[0] & 3 for each in found if each[0] & 3] == [
        each for each in [ROTATION[turn]] if each
    ]
    assert (b"imir" in path.read_bytes()) is (turn in FLIPPED)
    size = (160, 80) if turn < 5 else (80, 160)
    assert check_header(path) == size
    with Image.open(path) as opened:
        for read in (read_picture(path), read_picture(opened), read_strokes(path)):
            assert read.size == size
            assert seen(read) == TURNED[turn]


@pytest.mark.parametrize(("angle", "turn"), [(0, 1), (1, 8), (2, 3), (3, 6)])
def test_a_heifs_rotation_is_against_the_clock(angle: int, turn: int) -> None:
    whole = boxed(6, 1)
    assert whole.count(b"\0\0\0\x09irot\3") == 1
    patched = whole.replace(b"\0\0\0\x09irot\3", b"\0\0\0\x09irot" + bytes([angle]))
    read = read_picture(patched)
    assert read.size == ((160, 80) if turn < 5 else (80, 160)) and seen(read) == TURNED[turn]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "form"), [(1, "Bxxx"), (3, "Hxx"), (4, "I")])
def test_a_tag_of_either_order_and_any_whole_type(order: str, kind: int, form: str) -> None:
    """Behind another tag, and with the mark that some programs put before it in a PNG too."""
    tiff = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HIH", 42, 8, 2)
    tiff += struct.pack(f"{order}HHI4s", 0x010F, 2, 2, b"A")
    tiff += struct.pack(f"{order}HHI{form}I", 0x0112, kind, 1, 6, 0)
    exif = b"Exif\0\0" + tiff
    for data in (
        encoded(corners(10), "JPEG", exif=exif, quality=95),
        encoded(corners(10), "WEBP", exif=tiff, lossless=True),
        _behind_header(chunk(b"eXIf", tiff)),
        _behind_header(chunk(b"eXIf", exif)),
    ):
        assert seen(read_picture(data)) == TURNED[6]


def test_exif_counts_before_xmp() -> None:
    data = encoded(corners(10), "JPEG", exif=exif_of(8), xmp=ATTRIBUTE.format(6).encode())
    assert seen(read_picture(data)) == TURNED[8]


def test_a_name_without_a_value_does_not_hide_the_value() -> None:
    packet = b"<!-- tiff:Orientation --><tiff:OrientationNote>3</tiff:OrientationNote>"
    packet += b"<tiff:Orientation>6</tiff:Orientation>"
    assert seen(read_picture(encoded(corners(10), "JPEG", xmp=packet, quality=95))) == TURNED[6]


def _behind_header(content: bytes) -> bytes:
    whole = encoded(corners(10), "PNG")
    return whole[:33] + content + whole[33:]


@pytest.mark.parametrize(
    "data",
    [
        encoded(corners(10), "PNG", exif=b"Exif\0\0II*\0"),
        encoded(corners(10), "WEBP", exif=b"Exif\0\0II+\0\x08\0\0\0", lossless=True),
        encoded(corners(10), "PNG", exif=b"Exif\0\0" * 500_000),
        encoded(corners(10), "PNG", exif=exif_of(9)),
        encoded(corners(10), "PNG", exif=exif_of(0)),
        _behind_header(
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation" + b" " * 10**6)
        ),
        _behind_header(chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 9\nzz\n")),
        _behind_header(chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff")),
    ],
    ids=["cut", "bigtiff", "endless", "nine", "zero", "spaces", "no-digits", "far"],
)
def test_damaged_metadata_turns_nothing_and_refuses_nothing(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    assert check_header(path) == (160, 80)
    assert seen(read_picture(path)) == TURNED[1]


def test_a_mask_is_turned_like_its_picture() -> None:
    mask = Image.new("L", (160, 80))
    mask.paste(255, (0, 0, 80, 40))
    read = read_mask(PLACES["png-exif"](mask, 6))
    assert read.size == (80, 160)
    assert read.getbbox() == (40, 0, 80, 80)


@pytest.mark.parametrize(
    "change",
    [lambda image: image.convert("RGBA"), lambda image: image.resize((320, 160))],
    ids=["converted", "resized"],
)
def test_what_pillow_has_copied_is_still_turned(
    change: Callable[[Image.Image], Image.Image], tmp_path: Path
) -> None:
    path = tmp_path / "phone.jpg"
    path.write_bytes(PLACES["jpeg-exif"](corners(10), 6))
    with Image.open(path) as opened:
        assert seen(read_picture(change(opened))) == TURNED[6]
