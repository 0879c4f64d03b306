"""Words found by their letters, and prompts aligned token by token: tables of literals."""

import pytest
import torch

from pipelines import Bundle
from pipelines.words.alignment import align, counterparts, replacing
from pipelines.words.prompt import columns
from tests import toys


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A token per letter, 16 in all."""
    return Bundle.of(toys.tiny_pipeline(tmp_path_factory.mktemp("tiny")))


def test_words_are_found_by_their_letters(letters: Bundle, postcard: Bundle) -> None:
    found = letters.read("a  cat, big.").words
    assert [(word.text, word.start, word.positions) for word in found] == [
        ("a", 0, (1,)),
        ("cat", 3, (2, 3, 4)),
        ("big", 8, (6, 7, 8)),
    ]
    text = "a red house, on  a meadow"
    assert [word.positions[0] for word in postcard.read(text).words] == [1, 2, 3, 5, 6, 7]
    assert postcard.read(" , .").words == ()


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
    assert postcard.read(text).find(sought) == expected


def test_words_of_a_long_prompt_stand_in_its_windows(letters: Bundle) -> None:
    """16 tokens a window, of which the first and one after the words are special."""
    text = "abcde (fghij:1.2) klmno, pq++ BREAK r"
    found = {word.text: word.positions for word in letters.read(text).words}
    assert found == {
        "abcde": (1, 2, 3, 4, 5),
        "fghij": (6, 7, 8, 9, 10),
        "klmno": (17, 18, 19, 20, 21),
        "pq": (23, 24),
        "r": (33,),
    }
    assert letters.read(text).find("PQ r") == (23, 24, 33)
    assert letters.read(text).find("fghij klmno") == (6, 7, 8, 9, 10, 17, 18, 19, 20, 21)
    assert letters.read(text).length == 48 and letters.read("a").length == 16
    assert letters.read(text).ends == (11, 25, 34)
    picked = columns(letters.read(text).words, 48, letters.device)
    assert picked[0, :, 2].nonzero().flatten().tolist() == [17, 18, 19, 20, 21]


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
    found = align(postcard.read(source), postcard.read(target))
    assert found.kind == kind
    assert change is None or kind == "same" or found.change == change
    assert found.uneven == ("pine tree" in target)
    assert found.mapper.shape == (32, 32)


def test_refining_keeps_every_known_token(postcard: Bundle) -> None:
    found = align(postcard.read("a red house by day"), postcard.read("a red house on snow by day"))
    index = found.mapper.argmax(0).tolist()
    assert found.kept.tolist() == [1.0] * 4 + [0.0] * 2 + [1.0] * 26
    assert [index[i] for i in (0, 1, 2, 3, 6, 7, 8)] == [0, 1, 2, 3, 4, 5, 6]
    assert index[9:] == list(range(9, 32))
    assert found.mapper[:, 4:6].sum() == 0


def test_a_swap_in_the_second_window(letters: Bundle) -> None:
    """One word fills the first window; xyz has a token less than opqr, so 20 stands for 21."""
    found = align(letters.read("abcdefghijklmn opqr, st"), letters.read("abcdefghijklmn xyz, st"))
    assert (found.kind, found.change) == ("replace", "“opqr” became “xyz”")
    mapper = found.mapper
    assert mapper.shape == (32, 32) and found.kept.all()
    assert torch.equal(mapper[:16, :16], torch.eye(16, dtype=torch.float64))
    assert not mapper[:16, 16:].any() and not mapper[16:, :16].any()
    assert torch.equal(mapper[17:21, 17:20], torch.full((4, 3), 1 / 3, dtype=torch.float64))
    after = mapper[:, 20:].argmax(0).tolist()  # the comma, st, the end, padding
    assert after == [21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 31]
    assert mapper[16, 16] == 1


def test_words_pushed_into_another_window_keep_their_counterparts(letters: Bundle) -> None:
    found = align(letters.read("abcde fghi"), letters.read("abcde xyzuvwxyz fghi, k"))
    assert found.kind == "refine" and found.mapper.shape == (32, 32)
    assert found.change == "“xyzuvwxyz” added, “k” added"
    index = found.mapper.argmax(0)
    assert index[:6].tolist() == [0, 1, 2, 3, 4, 5]
    assert index[17:21].tolist() == [6, 7, 8, 9]  # fghi, now in the second window
    assert found.kept[6:15].sum() == 0 and found.kept[21:23].sum() == 0  # xyz…, and ", k"
    others = [0, *range(1, 6), 15, *range(16, 21), *range(23, 32)]
    assert found.kept[others].all()
    assert not found.mapper[:, [16, *range(23, 32)]].any()  # no such window: nothing to take


def test_a_window_less_takes_what_went_to_the_others_start(letters: Bundle) -> None:
    """A source's map over its words and starts sums to 1, and so does what a target takes of it."""
    found = align(letters.read("abcde BREAK fghij BREAK k"), letters.read("abcde"))
    assert found.kind == "refine"
    assert found.mapper[:, 0].nonzero().flatten().tolist() == [0, 16, 32]
    assert found.mapper[1:6, 1:6].diagonal().sum() == 5


@pytest.mark.parametrize(
    ("source", "target", "kind", "weighed"),
    [
        ("abc de", "abc (de:1.3)", "same", True),
        ("abc (de)", "abc (de:1.1)", "same", False),
        ("abc de", "abc (fg:1.3)", "replace", False),
        ("abc de", "abc BREAK de", "refine", False),
        ("abc (de", "abc [de", "same", True),
    ],
)
def test_weights_in_words_are_no_other_words(
    letters: Bundle, source: str, target: str, kind: str, weighed: bool
) -> None:
    found = align(letters.read(source), letters.read(target))
    assert (found.kind, found.weighed) == (kind, weighed)


def test_marks_are_no_part_of_a_word(postcard: Bundle) -> None:
    text = "a (red house:1.3), on [a++ meadow] BREAK by day"
    names = [word.text for word in postcard.read(text).words]
    assert names == ["a", "red", "house", "on", "a", "meadow", "by", "day"]
    assert postcard.read(text).find("red house") == (2, 3)
    assert postcard.read(text).find("(red:2)") == (2,)
    assert postcard.read(text).find("day") == (34,)
