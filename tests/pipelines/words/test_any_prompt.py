"""Laws of prompts that Hypothesis tries on texts of all kinds: marks, weights, windows, pairs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from pipelines.networks.single_file import CONFIGS
from pipelines.words import alignment, emphasis, prompt, windows
from tests import toys

BEYOND = r"^Words count from -10 to 10 times(, not -?[0-9][0-9.e+]*)?\.$"
TOO_LONG = r"^“(?s:.*)” is too long: this model reads 8 times \d+ tokens, .* leave some out\.$"
MARKS = [*r"()[]\:+-# ,.’", "BREAK", "(red:1.3)", "((", "))", "++", "--", ")1.5", ":9)", ":-.5 )"]

words = st.text("abcdxyz", min_size=1, max_size=6)
marked = st.lists(st.sampled_from(MARKS) | words | st.text(max_size=3)).map("".join)


@dataclass(frozen=True)
class Written:
    """A text with marks, and what it says: its words in order, each with its weight."""

    text: str
    words: tuple[tuple[str, float], ...]

    @classmethod
    def joined(cls, parts: list["Written"]) -> "Written":
        said = tuple(word for part in parts for word in part.words)
        return cls(" ".join(part.text for part in parts), said)

    def weighed(self, form: str, factor: float) -> "Written":
        return Written(form % self.text, tuple((word, n * factor) for word, n in self.words))


def bracketed(inner: st.SearchStrategy[Written]) -> st.SearchStrategy[Written]:
    groups = st.lists(inner, min_size=1, max_size=3).map(Written.joined)
    numbers = st.integers(-400, 400).map(lambda number: number / 100)
    return st.one_of(
        groups,
        groups.map(lambda group: group.weighed("(%s)", 1.1)),
        groups.map(lambda group: group.weighed("[%s]", 1 / 1.1)),
        groups.map(lambda group: group.weighed("(%s)++", 1.21)),
        groups.map(lambda group: group.weighed("(%s)-", 0.9)),
        st.builds(lambda group, n: group.weighed(f"(%s:{n})", n), groups, numbers),
        st.builds(lambda group, n: group.weighed(f"(%s){abs(n)}", abs(n)), groups, numbers),
    )


plain = words.map(lambda word: Written(word, ((word, 1.0),)))
signed = st.one_of(
    plain,
    plain.map(lambda word: word.weighed("%s+", 1.1)),
    plain.map(lambda word: word.weighed("%s--", 0.81)),
)
written = st.recursive(signed, bracketed, max_leaves=8)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A token per letter, windows of 14."""
    return toys.tiny_tokenizer(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def clip() -> Any:
    return CLIPTokenizer.from_pretrained(str(Path(CONFIGS) / "tokenizer"), local_files_only=True)


@given(marked)
@example("(" * 60 + "a")
@example("(a:" + "9" * 5000 + ")")
def test_any_text_is_read_or_refused_with_the_one_sentence(text: str) -> None:
    try:
        read = emphasis.read(text)
    except ValueError as refusal:
        with pytest.raises(ValueError, match=BEYOND):
            raise refusal from None
        return
    assert len(read.text) == len(read.weights) == len(text)
    assert all(now in (was, " ") for now, was in zip(read.text, text, strict=True))
    assert all(-10 <= weight <= 10 for weight in read.weights)
    assert list(read.breaks) == sorted(set(read.breaks))
    assert all(text.startswith("BREAK", at) for at in read.breaks)


@given(written)
def test_words_and_weights_are_those_that_were_written(what: Written) -> None:
    if any(abs(weight) > 10.0001 for _, weight in what.words):
        with pytest.raises(ValueError, match=BEYOND):
            emphasis.read(what.text)
        return
    if any(abs(weight) > 9.9999 for _, weight in what.words):
        return  # which side of ten it is on is a matter of rounding
    read = emphasis.read(what.text)
    assert read.text.split() == [word for word, _ in what.words]
    at = 0
    for word, weight in what.words:
        at = read.text.index(word, at)
        assert read.weights[at : at + len(word)] == pytest.approx([weight] * len(word), abs=1e-9)
        at += len(word)


@given(st.text().filter(lambda text: "BREAK" not in text))
def test_a_text_with_a_backslash_before_each_mark_is_itself(text: str) -> None:
    escaped = [f"\\{each}" if each in r"\()[]+-" else each for each in text]
    read = emphasis.read("".join(escaped))
    assert read.text == "".join(each.replace("\\", " ", 1) for each in escaped)
    assert set(read.weights) <= {1.0} and read.breaks == ()


def read_whole(tokenizer: Any, text: str) -> prompt.Prompt | None:
    """None where it is refused with one of the two sentences."""
    try:
        return prompt.read([tokenizer], text)
    except ValueError as refusal:
        with pytest.raises(ValueError, match=f"{BEYOND}|{TOO_LONG}"):
            raise refusal from None
        return None


@given(marked | written.map(lambda each: each.text))
@pytest.mark.parametrize("kind", ["letters", "clip"])
def test_windows_hold_every_token_once_and_in_order(
    kind: str, letters: Any, clip: Any, text: str
) -> None:
    tokenizer = {"letters": letters, "clip": clip}[kind]
    read = read_whole(tokenizer, text)
    if read is None:
        return
    (parts,) = read.windows
    room = {"letters": 14, "clip": 75}[kind]
    assert 1 <= len(parts) <= 8 and all(len(part) <= room for part in parts)
    whole = tokenizer(read.plain, add_special_tokens=False, return_offsets_mapping=True)
    held = [(token.id, (token.start, token.end)) for part in parts for token in part]
    assert held == [*zip(whole["input_ids"], whole["offset_mapping"], strict=True)]
    marks = emphasis.read(text)
    for token in read.tokens:
        assert token.weight == marks.weights[token.start]
    for at in marks.breaks:  # nothing before it shares a window with anything behind it
        assert not any(part and part[0].start < at < part[-1].end for part in parts)
    assert len(read.positions) == len(set(read.positions)) == len(held)
    assert set(read.positions).isdisjoint(read.ends)
    for number, part in enumerate(parts):
        ids, mask = windows.padded(tokenizer, part)
        assert len(ids) == len(mask) == room + 2 and sum(mask) == len(part) + 2
        assert read.ends[number] == number * (room + 2) + len(part) + 1
    for word in read.words:
        found = read.find(word.text) if "#" not in word.text else word.positions
        assert found is None or set(word.positions) <= set(found)


@given(marked, marked)
@example("tree", f"tree#{'9' * 5000}")
def test_a_word_is_found_or_not_whatever_is_sought(letters: Any, text: str, sought: str) -> None:
    read = read_whole(letters, text)
    if read is None:
        return
    try:
        found = read.find(sought)
    except ValueError as refusal:
        with pytest.raises(ValueError, match=BEYOND):
            raise refusal from None
        return
    assert found is None or set(found) <= set(read.positions)


@settings(max_examples=50)
@given(marked, marked)
def test_a_token_takes_one_counterpart_or_is_new(letters: Any, text: str, other: str) -> None:
    source, target = read_whole(letters, text), read_whole(letters, other)
    if source is None or target is None:
        return
    pair = alignment.align(source, target)
    assert pair.mapper.shape == (max(source.length, target.length),) * 2
    assert pair.mapper.min() >= 0
    if pair.kind == "replace":  # a word's tokens share those of the word it replaces
        return
    taken = pair.mapper[:, list(target.positions)].sum(0)
    assert taken.equal(pair.kept[list(target.positions)])
