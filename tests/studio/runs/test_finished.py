"""Recipes of edits, new, old and spoilt, as the events that the page shows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.contract.events import Attention, Change, FinishedPicture
from studio.runs.finished import finished
from studio.runs.history import Saved

PATHS = (Path("0.png"), Path("1.png"))
ASKED: dict[str, Any] = {"prompt": "a house", "seed": 7}


def saved(**recipe: Any) -> Saved:
    return Saved("edit-7", None, 0.0, {"request": ASKED, **recipe}, PATHS, None, (), {})


def test_every_picture_has_its_figures() -> None:
    notes = {
        "strengths": [0.4, 0.8],
        "agreement": [0.21, 0.28],
        "changed_inside": [0.5, 1.0],
        "changed_outside": [0, 3],
        "ranking": [1, 0],
        "unknown_words": ["zeppelin"],
        "note": "DPM++ ran.",
        "sheets": [2, 2],
    }
    event = finished(saved(seeds=[7, 8], notes=notes, seconds=1.5))
    assert event.pictures == (
        FinishedPicture(PATHS[0], 7, "a house", 0.4, 0.21, 0.5, 0),
        FinishedPicture(PATHS[1], 8, "a house", 0.8, 0.28, 1.0, 3),
    )
    assert (event.ranking, event.sheets, event.seconds) == ((1, 0), (2, 2), 1.5)
    assert (event.unknown_words, event.note) == (("zeppelin",), "DPM++ ran.")
    assert (event.asked, event.notes) == (ASKED, notes)


def test_a_comparison_has_words_changes_and_maps() -> None:
    notes = {
        "edits": [{"kind": "replace", "said": "Replaced.", "changed": 0.25, "where": [0, 0, 9, 9]}],
        "attention": {"words": [["a"], ["b"]], "size": [16, 8], "steps": 4, "peaks": [[1.0]]},
        "reconstruction_psnr": 31.5,
        "ceiling_psnr": 33,
    }
    asked = {**ASKED, "edits": [{"prompt": "a tower"}]}
    event = finished(saved(request=asked, seeds=[7, 7], notes=notes))
    source, edit = event.pictures
    assert (source.words, source.change) == ("a house", None)
    assert (edit.words, edit.change) == ("a tower", Change("Replaced.", 0.25, (0, 0, 9, 9)))
    assert event.attention == Attention([["a"], ["b"]], (16, 8), 4)
    assert (event.reconstruction_psnr, event.ceiling_psnr) == (31.5, 33)


@pytest.mark.parametrize("ranking", [[0], [0, 0], [1, 2], None, "10", [[1], 0]])
def test_what_ranks_not_every_picture_ranks_none(ranking: Any) -> None:
    assert finished(saved(notes={"ranking": ranking})).ranking == ()


ODD: tuple[Any, ...] = (
    None, "x", 3, [1], [None, {}], [float("inf"), float("nan")], [10**400, True], [[], []],
    {"words": 3}, {"words": [[1], [2]], "size": [float("inf"), 1]},
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    "key", ["strengths", "edits", "attention", "unknown_words", "sheets", "note", "ceiling_psnr"]
)
def test_what_is_not_of_the_right_make_is_left_out(key: str, odd: Any) -> None:
    plain = finished(saved(notes={"agreement": [0.1, 0.2]}))
    event = finished(saved(notes={"agreement": [0.1, 0.2], key: odd}))
    assert [each.agreement for each in event.pictures] == [0.1, 0.2]
    for one, other in zip(plain.pictures, event.pictures, strict=True):
        assert replace(other, strength=None, change=None) == one
        assert other.strength is None


def test_a_recipe_without_anything_is_shown() -> None:
    event = finished(replace(saved(), recipe={}))
    assert [(each.seed, each.words) for each in event.pictures] == [(0, ""), (0, "")]
