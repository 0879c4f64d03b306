"""Numbers and words that can be trusted to be looked at, or one sentence."""

import pytest
from PIL import Image

from pipelines.request import MAX_WORDS_LENGTH
from pipelines.sdedit import SDEdit
from studio.inputs import validation


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), True, "7", None, [1]])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(ValueError, match="Strength must be a number"):
        validation.number(value, "Strength")


def test_a_number_beyond_all_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="far too large"):
        validation.number(10**400, "Seed")


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, 2**64, float("nan"), "7", True, [3]])
def test_seeds_outside_their_range_reach_no_request(seed: object) -> None:
    with pytest.raises(ValueError, match="Seed"):
        SDEdit(image=Image.new("RGB", (16, 8)), **validation.fields(SDEdit, {"seed": seed}))


@pytest.mark.parametrize("seed", [0, 7, 7.0, 2**32 - 1])
def test_seeds_in_their_range(seed: float) -> None:
    made = SDEdit(image=Image.new("RGB", (16, 8)), **validation.fields(SDEdit, {"seed": seed}))
    assert made.seed == int(seed)


def test_fields_takes_the_requests_own_and_nothing_else() -> None:
    values = {"strength": 0.5, "prompt": " a  house\n", "image": "/etc/passwd", "sweep": True}
    assert validation.fields(SDEdit, {**values, "eta": None, "__class__": 1}) == {
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
    assert validation.words(text, "Words") == clean
    clean.encode("utf-8")


def test_words_have_an_end() -> None:
    assert len(validation.words("x" * MAX_WORDS_LENGTH, "Words")) == MAX_WORDS_LENGTH
    with pytest.raises(ValueError, match="2001 characters are too many"):
        validation.words("x" * (MAX_WORDS_LENGTH + 1), "Words")
    with pytest.raises(ValueError, match="must be text"):
        validation.words(["a"], "Words")
