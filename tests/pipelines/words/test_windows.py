"""Prompts cut into windows: where the cuts fall, and that a window is what a tokenizer makes."""

from collections.abc import Callable
from typing import Any

import pytest
from transformers import CLIPTokenizer

from pipelines import Bundle
from pipelines.networks.single_file import CONFIGS, OPEN_CLIP_PADDING
from pipelines.words.prompt import read
from pipelines.words.windows import padded
from tests import toys

Cut = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A token per letter, windows of 14."""
    return toys.tiny_tokenizer(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def cut(letters: Any) -> Cut:
    def cut(prompt: str) -> list[str]:
        """What each window reads."""
        windows = read([letters], prompt).windows[0]
        return [prompt[each[0].start : each[-1].end] if each else "" for each in windows]

    return cut


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", [""]),
        ("abc de", ["abc de"]),
        ("abcdefghij klmn", ["abcdefghij klmn"]),  # exactly full
        ("abcdefghij klmno", ["abcdefghij", "klmno"]),  # between words
        ("abcdefghi, jkl mno", ["abcdefghi, jkl", "mno"]),  # the comma is too far back
        ("abcdefghijk, l mnop", ["abcdefghijk,", "l mnop"]),  # after a comma rather than later
        ("ab cdefg, hijkl mno", ["ab cdefg, hijkl", "mno"]),
        ("abcdefghijklmnopq", ["abcdefghijklmn", "opq"]),  # one word longer than a window
        ("abcde fghij klmno pqrst uvwxy", ["abcde fghij", "klmno pqrst", "uvwxy"]),
        ("ab BREAK cd", ["ab", "cd"]),
        ("BREAK ab BREAK BREAK cd BREAK", ["ab", "cd"]),
        ("abcdefghij klmno BREAK pq", ["abcdefghij", "klmno", "pq"]),
        ("(abcdefghij) (klmno:1.2)", ["abcdefghij", "klmno"]),
    ],
)
def test_where_a_long_prompt_is_cut(cut: Cut, prompt: str, expected: list[str]) -> None:
    assert cut(prompt) == expected


def test_each_token_has_the_weight_of_its_letters(letters: Any) -> None:
    (windows,) = read([letters], "a (bc:1.5) [d] e++").windows
    weights = [round(token.weight, 3) for window in windows for token in window]
    assert weights == [1, 1.5, 1.5, 0.909, 1.21]


def test_a_prompt_of_too_many_windows_is_refused(letters: Any) -> None:
    eight = " ".join(["abcdefghijklmn"] * 8)
    assert len(read([letters], eight).windows[0]) == 8
    with pytest.raises(ValueError, match=r"^“abcd.*” is too long: .* 8 times 14 tokens.*\.$"):
        read([letters], f"{eight} o")


@pytest.mark.parametrize("kind", ["letters", "postcard", "sd1", "sd2"])
@pytest.mark.parametrize("prompt", ["", "a red  house, on a meadow.", "It's 5 o'clock: größe! 山"])
def test_a_window_is_what_the_tokenizer_makes_of_a_prompt(
    kind: str, prompt: str, letters: Any, postcard: Bundle
) -> None:
    tokenizer: Any = letters
    if kind == "postcard":
        tokenizer = postcard.tokenizers[0]
    elif kind in ("sd1", "sd2"):
        padding = OPEN_CLIP_PADDING if kind == "sd2" else "<|endoftext|>"
        folder = str(CONFIGS / "tokenizer")
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True, pad_token=padding)
    if kind == "letters" and len(prompt) > 16:
        prompt = "a b, c."
    theirs = tokenizer(prompt, padding="max_length", max_length=tokenizer.model_max_length)
    ((window,),) = read([tokenizer], prompt).windows
    assert padded(tokenizer, window) == (theirs.input_ids, theirs.attention_mask)
