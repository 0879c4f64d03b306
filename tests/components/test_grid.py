"""The grid: what a finished comparison tells about each of its pictures."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from components.contract.events import Attention, Change, Finished, FinishedPicture
from components.grid import compared, place


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    paths = [tmp_path / name for name in ("0.png", "1.png", "2.png", "a0.png", "a1.png", "a2.png")]
    for number, path in enumerate(paths):
        Image.new("RGB", (30, 30), (number * 10, 0, 0)).save(path)
    return Finished(
        edit_id="edit-7",
        pictures=(
            FinishedPicture(paths[0], 5, "a house"),
            FinishedPicture(paths[1], 5, "a tower", change=Change("Replaced.", 0.25, (0, 0, 9, 9))),
            FinishedPicture(paths[2], 5, "a house", change=Change("The same words.", 0.0, None)),
        ),
        sheets=(3, 3),
        attention=Attention([["a"], ["a"], ["a"]], (2, 2), 4),
        seconds=2.04,
        views={f"attention/{row}": paths[3 + row] for row in range(3)},
    )


def test_every_picture_has_its_words_and_every_edit_its_figures(finished: Finished) -> None:
    told = compared(finished)
    with Image.open(finished.images[0]) as picture:
        assert told["size"] == list(picture.size)
    source, first, second = told["pictures"]
    assert (source["title"], source["words"], source["figure"]) == ("Source", "a house", "")
    assert (first["title"], first["words"]) == ("Edit 1", "a tower")
    assert first["figure"] == "25 % changed, at the top left." and first["said"] == "Replaced."
    assert second["figure"] == "Nothing changed that can be seen."
    for number, each in enumerate((source, first, second)):
        file = Path(each["file"]["path"])
        assert file.name == f"pentimento-edit-7-{number + 1}.png"
        assert file.read_bytes() == finished.images[number].read_bytes()


def test_the_seed_is_told_where_it_drew_the_source(finished: Finished) -> None:
    assert compared(finished)["caption"] == "seed 5 · 2.0 s"
    given = replace(
        finished, before=finished.images[0], reconstruction_psnr=31.24, ceiling_psnr=33.0
    )
    told = compared(given)
    assert told["caption"] == "2.0 s" and told["before"]
    assert "31.2 dB" in told["text"] and "33.0 dB" in told["text"]


def test_maps_are_told_where_they_were_collected(finished: Finished) -> None:
    maps = compared(finished)["attention"]
    assert maps["words"] == [["a"]] * 3 and maps["steps"] == 4 and len(maps["files"]) == 3
    assert compared(replace(finished, views={}))["attention"] is None
    assert compared(replace(finished, attention=None))["attention"] is None


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0, 0, 30, 30), "here and there all over"),
        ((0, 0, 30, 9), "across the top"),
        ((0, 12, 30, 18), "across the middle"),
        ((21, 0, 30, 30), "along the right"),
        ((0, 21, 9, 30), "at the bottom left"),
        ((12, 12, 18, 18), "in the middle"),
        ((12, 24, 18, 30), "at the bottom"),
    ],
)
def test_a_box_is_somewhere(box: tuple[int, int, int, int], words: str) -> None:
    assert place(box, (30, 30)) == words
