"""What the marks in a prompt say: a table of literals."""

from itertools import groupby

import pytest

from pipelines.words import emphasis


def fragments(prompt: str) -> list[tuple[str, float]]:
    """Runs of words that count the same."""
    read = emphasis.read(prompt)
    assert len(read.text) == len(read.weights) == len(prompt)
    pairs = zip(read.text, read.weights, strict=True)
    runs = ((weight, list(run)) for weight, run in groupby(pairs, key=lambda pair: pair[1]))
    found = [(" ".join("".join(x for x, _ in run).split()), weight) for weight, run in runs]
    return [(text, round(weight, 6)) for text, weight in found if text]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        # AUTOMATIC1111
        ("a (red) house", [("a", 1), ("red", 1.1), ("house", 1)]),
        ("a ((red)) house", [("a", 1), ("red", 1.21), ("house", 1)]),
        ("a [red] house", [("a", 1), ("red", 0.909091), ("house", 1)]),
        ("a (red:1.3) house", [("a", 1), ("red", 1.3), ("house", 1)]),
        ("a (red house: 0.5 )", [("a", 1), ("red house", 0.5)]),
        ("a (red:-1) house", [("a", 1), ("red", -1), ("house", 1)]),
        ("a (red:.5)", [("a", 1), ("red", 0.5)]),
        ("((red:1.5) house)", [("red", 1.65), ("house", 1.1)]),
        ("[(red:2)]", [("red", 1.818182)]),
        ("(a)(b)", [("a", 1.1), ("b", 1.1)]),
        ("", []),
        ("()", []),
        # what is never closed, and what closes nothing
        ("a (red house", [("a", 1), ("red house", 1.1)]),
        ("a [red house", [("a", 1), ("red house", 0.909091)]),
        ("a red) house :)", [("a red) house :)", 1)]),
        ("red:1.3) house", [("red:1.3) house", 1)]),
        ("(red:1.2.3)", [("red:1.2.3", 1.1)]),
        ("at 8:30, 16:9", [("at 8:30, 16:9", 1)]),
        # letters
        (r"a \(red\) house", [("a (red ) house", 1)]),
        (r"a (\(red\):2)", [("a", 1), ("(red )", 2)]),
        (r"C\++", [("C ++", 1)]),
        (r"a\b", [(r"a\b", 1)]),
        # compel
        ("a red+ house", [("a", 1), ("red", 1.1), ("house", 1)]),
        ("a red++, house", [("a", 1), ("red", 1.21), (", house", 1)]),
        ("a red-- house", [("a", 1), ("red", 0.81), ("house", 1)]),
        ("a (red house)-- by day", [("a", 1), ("red house", 0.81), ("by day", 1)]),
        ("a (red)1.3 house", [("a", 1), ("red", 1.3), ("house", 1)]),
        ("a (red).5", [("a", 1), ("red", 0.5)]),
        ("a (red)2.", [("a", 1), ("red", 2), (".", 1)]),
        ("(red++ house)2", [("red", 2.42), ("house", 2)]),
        ("a blue-green+ door", [("a", 1), ("blue-green", 1.1), ("door", 1)]),
        # no marks
        ("a well-known, black-and-white cat", [("a well-known, black-and-white cat", 1)]),
        ("day -- night - a+b", [("day -- night - a+b", 1)]),
        ("(red) 2 houses", [("red", 1.1), ("2 houses", 1)]),
        ("(red)2nd", [("red", 1.1), ("2nd", 1)]),
    ],
)
def test_marks_say_how_much_words_count(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert fragments(prompt) == expected


def test_letters_keep_their_places() -> None:
    prompt = r"a ((red:1.3), [big]) house\) BREAK by day++"
    read = emphasis.read(prompt)
    for word in ("red", "big", "house", "by", "day"):
        assert read.text.index(word) == prompt.index(word)
    assert read.breaks == (prompt.index("BREAK"),)
    assert "BREAK" not in read.text
    assert emphasis.read("BREAKFAST, a break").breaks == ()


@pytest.mark.parametrize(
    "prompt", ["", "a red  house, on a meadow.", "it's 5 o'clock: 50 % off!", "größe, 山", "a\\b"]
)
def test_a_prompt_without_marks_is_read_as_it_stands(prompt: str) -> None:
    read = emphasis.read(prompt)
    assert read.text == prompt
    assert set(read.weights) <= {1.0}
    assert read.breaks == ()


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("(red:11)", ", not 11"),
        ("(red:-10.5)", ", not -10.5"),
        ("(" * 30 + "red", ", not 10.8347059434"),
        (f"(red:{'9' * 400})", ""),  # endless: no number that a sentence could show
    ],
)
def test_words_that_count_beyond_measure_are_refused(prompt: str, found: str) -> None:
    with pytest.raises(ValueError) as refusal:
        emphasis.read(prompt)
    assert str(refusal.value) == f"Words count from -10 to 10 times{found}."
