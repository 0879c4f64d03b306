"""Numbers: which are taken, and how a sentence shows them; and the pictures of an edit."""

import re

import pytest

from pipelines.prompt_to_prompt.prompt_edit import PromptEdit
from pipelines.request import Range, Words, readable
from pipelines.words import emphasis

SEED = Range(0, 2**32 - 1, 1, "Seed")
SHARE = Range(0.0, 1.0, 0.01, "Share")
GUIDANCE = Range(0.0, 30.0, 0.1, "Guidance")
ODD = [
    "१२",
    "\N{FULLWIDTH DIGIT ONE}",
    "²",
    "1_0",
    "+5",
    " 5",
    "5 ",
    "5\n",
    "0x1f",
    "1e3",
    "5.",
    ".5",
    "",
    "-",
    "nan",
    "inf",
]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (2**32 - 1, "4294967295"),
        (4294967295.0, "4294967295"),
        (123456789012345.0, "123456789012345"),
        (30.0, "30"),
        (0.1 + 0.2, "0.3"),
        (1.1 * 1.1, "1.21"),
        (0.00001, "0.00001"),
        (1e-7, "0.0000001"),
        (1000000.5, "1000000.5"),
        (-64, "-64"),
        (100, "100"),
        (0.0, "0"),
    ],
)
def test_a_number_is_shown_as_one_would_write_it(number: float, text: str) -> None:
    assert readable(number) == text
    assert float(readable(number)) == pytest.approx(number, rel=1e-11)


@pytest.mark.parametrize(
    ("limits", "value", "sentence"),
    [
        (SEED, -1, "Seed must lie between 0 and 4294967295, not -1."),
        (SEED, 2**32, "Seed must lie between 0 and 4294967295, not 4294967296."),
        (SEED, 1e300, "Seed must lie between 0 and 4294967295."),
        (SEED, 10**4000, "Seed must lie between 0 and 4294967295."),
        (SEED, 0.1 + 0.2, "Seed must be a whole number, not 0.3."),
        (SEED, 1e-7, "Seed must be a whole number, not 0.0000001."),
        (SHARE, 1.0000001, "Share must lie between 0 and 1, not 1.0000001."),
        (SHARE, 1e-9 - 1e-8, "Share must lie between 0 and 1, not -0.000000009."),
        (GUIDANCE, 12345678, "Guidance must lie between 0 and 30, not 12345678."),
    ],
)
def test_a_refusal_shows_numbers_in_full(limits: Range, value: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        limits.check(value)


@pytest.mark.parametrize("value", [30.000000000000004, -1e-300, 2.0000000000000004])
def test_a_refusal_never_names_a_number_that_would_do(value: float) -> None:
    """Rounded for reading, it would be one."""
    limits = SEED if value == 2.0000000000000004 else GUIDANCE
    with pytest.raises(ValueError) as refused:
        limits.check(value)
    assert "not" not in str(refused.value)


def test_weights_and_windows_are_shown_so_as_well() -> None:
    with pytest.raises(ValueError, match=r"not go from 0\.3 to 0\.00001\.$"):
        PromptEdit(prompt="a", cross_replace_steps=(0.1 + 0.2, 0.00001))
    with pytest.raises(ValueError, match=r"from -10 to 10 times, not 1234567\.$"):
        emphasis.read("(red:1234567)")
    with pytest.raises(ValueError, match=r"from -10 to 10 times\.$"):
        emphasis.read(f"(red:{'9' * 40})")


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("limits", [SEED, SHARE])
def test_only_plain_digits_write_a_number(limits: Range, text: str) -> None:
    sentence = r"^\w+ must be a (whole )?number from 0 to \d+, not '.*'\.$"
    with pytest.raises(ValueError, match=sentence):
        limits.parse(text)


def test_what_is_written_is_checked_and_cleaned() -> None:
    assert SEED.parse("007") == 7 and type(SEED.parse("7")) is int
    assert SHARE.parse("0.25") == 0.25 and type(SHARE.parse("1")) is float
    with pytest.raises(ValueError, match="between 0 and 4294967295, not -7"):
        SEED.parse("-7")
    with pytest.raises(ValueError, match=r"a whole number from 0 to 4294967295, not '0\.5'"):
        SEED.parse("0.5")
    with pytest.raises(ValueError, match="must be a whole number"):
        SEED.parse("9" * 5000)


def test_half_a_character_is_refused() -> None:
    for half in ("\ud800", "a \udfff house"):
        with pytest.raises(ValueError, match=r"^Words: half of a character .*\.$"):
            Words("Words").check(half)
    Words("Words").check("a 🏠")
