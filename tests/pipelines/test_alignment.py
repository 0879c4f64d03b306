"""Words found by their letters, and prompts aligned token by token: tables of literals."""

from pathlib import Path

import pytest
import torch

from pipelines import Bundle
from pipelines.core import tokens
from pipelines.core.alignment import align, counterparts, replacing
from tests import toys


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A token per letter, 16 in all."""
    return Bundle.of(toys.tiny_pipeline(tmp_path_factory.mktemp("tiny")))


def test_words_are_found_by_their_letters(letters: Bundle, postcard: Bundle) -> None:
    found = tokens.words(letters, "a  cat, big.")
    assert [(word.text, word.start, word.positions) for word in found] == [
        ("a", 0, (1,)),
        ("cat", 3, (2, 3, 4)),
        ("big", 8, (6, 7, 8)),
    ]
    text = "a red house, on  a meadow"
    assert [word.positions[0] for word in tokens.words(postcard, text)] == [1, 2, 3, 5, 6, 7]
    assert tokens.words(postcard, " , .") == []


@pytest.mark.parametrize(
    ("text", "sought", "expected"),
    [
        ("a red house, on  a meadow", "house", (3,)),
        ("a red house, on  a meadow", "Meadow", (7,)),
        ("a red house, on  a meadow", "house,", (3,)),
        ("a red house, on  a meadow", "red house", (2, 3)),
        ("a red house, on  a meadow", "a", (1, 6)),
        ("a red house, on  a meadow", "a#2", (6,)),
        ("a red house, on  a meadow", "a#3", None),
        ("a red house, on  a meadow", "hous", None),
        ("a red house, on  a meadow", "house red", None),
        ("a red house, on  a meadow", "", None),
    ],
)
def test_a_word_or_phrase_in_a_prompt(
    postcard: Bundle, text: str, sought: str, expected: tuple[int, ...] | None
) -> None:
    assert tokens.find(postcard, text, sought) == expected


def test_words_beyond_the_encoders_length_have_no_tokens(letters: Bundle) -> None:
    positions = [word.positions for word in tokens.words(letters, "abcde fghij klmno pq")]
    assert positions == [(1, 2, 3, 4, 5), (6, 7, 8, 9, 10), (11, 12, 13, 14), ()]
    assert tokens.find(letters, "abcde fghij klmno pq", "pq") == ()


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("abc", "abc", [0, 1, 2]),
        ("abc", "abxc", [0, 1, -1, 2]),
        ("abc", "ac", [0, 2]),
        ("abc", "axc", [0, -1, 2]),
        ("", "ab", [-1, -1]),
        ("ab", "", []),
        ("aa", "a", [0]),  # of equal scores the earliest counterpart, as the official traceback
        ("a", "aa", [0, -1]),
    ],
)
def test_needleman_and_wunsch(source: str, target: str, expected: list[int]) -> None:
    assert counterparts(source, target) == expected


def test_a_swapped_word_may_have_another_number_of_tokens() -> None:
    """0 [1 2] 3 … becomes 0 [1 2 3] 4 …: shares of both, and the rest stays aligned."""
    mapper = replacing([((1, 2), (1, 2, 3))], 6)
    third = 1 / 3
    expected = [
        [1, 0, 0, 0, 0, 0],
        [0, third, third, third, 0, 0],
        [0, third, third, third, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0],
    ]
    assert torch.equal(mapper, torch.tensor(expected, dtype=torch.float64))
    shorter = replacing([((1, 2), (1,))], 5).argmax(0)
    assert shorter.tolist() == [0, 1, 3, 4, 4]
    twice = replacing([((1,), (1,)), ((3, 4), (3, 4))], 6)
    assert torch.equal(twice, torch.eye(6, dtype=torch.float64))


@pytest.mark.parametrize(
    ("source", "target", "kind", "change"),
    [
        ("a red house", "a red house", "same", ""),
        ("a red house", "A  red house", "same", ""),
        ("a red house", "a blue house", "replace", "“red” became “blue”"),
        ("a red house", "a red pine tree", "refine", "“house” became “pine tree”"),
        ("a red house", "a red house by day", "refine", "“by day” added"),
        ("a red house by day", "a red house", "refine", "“by day” left out"),
        ("a red house on a meadow", "a house on a blue meadow", "refine", None),  # words moved
        ("a red house", "a red house, by day", "refine", None),
        ("a red house", "a blue, house", "refine", None),  # another mark: tokens moved
        ("", "a red house", "refine", "“a red house” added"),
    ],
)
def test_the_kind_of_an_edit(
    postcard: Bundle, source: str, target: str, kind: str, change: str | None
) -> None:
    found = align(postcard, source, target)
    assert found.kind == kind
    assert change is None or kind == "same" or found.change == change
    assert found.uneven == ("pine tree" in target)
    assert found.mapper.shape == (32, 32)


def test_refining_keeps_every_known_token(postcard: Bundle) -> None:
    found = align(postcard, "a red house by day", "a red house on snow by day")
    index = found.mapper.argmax(0).tolist()
    assert found.kept.tolist() == [1.0] * 4 + [0.0] * 2 + [1.0] * 26
    assert [index[i] for i in (0, 1, 2, 3, 6, 7, 8)] == [0, 1, 2, 3, 4, 5, 6]
    assert index[9:] == list(range(9, 32))
    assert found.mapper[:, 4:6].sum() == 0


def test_long_prompts_are_aligned_as_far_as_they_are_read(letters: Bundle, tmp_path: Path) -> None:
    found = align(letters, "abcde fghij klmno pq", "abcde fghij klmno xy")
    assert found.kind == "same"
    found = align(letters, "abcde fghij klm", "abcxe fghij klmno xy")
    assert found.kind == "refine"
    assert found.mapper.shape == (16, 16)
