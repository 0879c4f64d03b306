"""A prompt as a model reads it: once, into a value that holds its words, tokens and windows.

A word is found by the places of its letters in the prompt, never by comparing tokens, so commas,
double spaces, words of several tokens, and marks that say how much a word counts are no trouble.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pipelines.words import emphasis, taught
from pipelines.words.taught import Span
from pipelines.words.windows import Token, windows


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a prompt, without the punctuation around it."""

    text: str
    start: int  # its first letter in the prompt
    positions: tuple[int, ...]  # of its tokens in the encoder's sequence, the start token being 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, read. Words and positions are those of the first text encoder."""

    text: str
    plain: str  # without the marks of emphasis, blanks in their place
    windows: tuple[tuple[tuple[Token, ...], ...], ...]  # of each encoder, as many for each
    window: int  # tokens that the first encoder reads at once, the special ones among them
    words: tuple[Word, ...]  # in order; each part of a taught word has the tokens of the whole
    unknown: tuple[str, ...]  # words that map to the unknown token, each once
    spans: tuple[Span, ...]  # of taught words
    taught: tuple[str, ...]  # every word that the model was taught, folded

    @property
    def length(self) -> int:
        """Tokens in the encoder's sequence."""
        return self.window * len(self.windows[0])

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Without the special ones."""
        return tuple(token for window in self.windows[0] for token in window)

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(token.id for token in self.tokens)

    @property
    def weights(self) -> tuple[float, ...]:
        """How much each token counts."""
        return tuple(token.weight for token in self.tokens)

    @property
    def positions(self) -> tuple[int, ...]:
        """Where in the encoder's sequence each token stands."""
        return _positions(self.windows[0], self.window)

    @property
    def ends(self) -> tuple[int, ...]:
        """Where in the encoder's sequence each window has its end token."""
        return tuple(i * self.window + 1 + len(each) for i, each in enumerate(self.windows[0]))

    @property
    def phrases(self) -> tuple[Word, ...]:
        """The words, but a taught word is one, however it is spelled."""
        found: list[Word] = []
        for word in self.words:
            span = next((each for each in self.spans if each.start <= word.start < each.end), None)
            if span is None:
                found.append(word)
            elif not (found and found[-1].start == span.start):
                found.append(Word(self.text[span.start : span.end], span.start, word.positions))
        return tuple(found)

    def find(self, sought: str) -> tuple[int, ...] | None:
        """The positions of a word or phrase, everywhere it stands; None where it does not.

        "tree#2" is the second tree. Upper and lower case, and punctuation around words, do not
        matter.
        """
        match = re.fullmatch(r"(.+)#(\d{1,9})", sought)
        phrase, which = (match[1], int(match[2])) if match else (sought, 0)
        plain = emphasis.read(phrase, self.taught).text
        wanted = [text.casefold() for text, _ in _split(plain)]
        there = [word.text.casefold() for word in self.words]
        starts = [
            start
            for start in range(len(there) - len(wanted) + 1)
            if wanted and there[start : start + len(wanted)] == wanted
        ]
        if which:
            starts = starts[which - 1 : which]
        if not starts:
            return None
        words = (word for at in starts for word in self.words[at : at + len(wanted)])
        return tuple(dict.fromkeys(position for word in words for position in word.positions))

    def named(self, sought: str, whose: str) -> list[int]:
        """As `find`; ValueError where the word is not in the prompt, `whose` it is."""
        positions = self.find(sought)
        if positions is None:
            raise ValueError(
                f"“{sought:.40}” is not among the words of {whose}, “{self.text:.80}”; "
                "name a word as it stands there."
            )
        return list(positions)


def read(tokenizers: Sequence[Any], text: str) -> Prompt:
    """Read a prompt with the tokenizer of each text encoder, each called once.

    Raises ValueError with one sentence for a prompt of too many windows, or of words that count too
    much. A fast tokenizer must not be called from two threads at once.
    """
    known = [taught.words(tokenizer) for tokenizer in tokenizers]
    every = [emphasis.read(text, words) for words in known]
    found = [windows(*each) for each in zip(tokenizers, every, known, strict=True)]
    most = max(len(each) for each in found)  # taught words may differ between two encoders
    filled = [(*each, *[()] * (most - len(each))) for each in found]
    first, marked = tokenizers[0], every[0]
    window = int(first.model_max_length)
    tokens = [token for each in filled[0] for token in each]
    placed = list(zip(tokens, _positions(filled[0], window), strict=True))
    words = tuple(
        Word(
            word,
            start,
            tuple(at for token, at in placed if token.start < end and token.end > start),
        )
        for word, start in _split(marked.text)
        for end in [start + len(word)]
    )
    return Prompt(
        text,
        marked.text,
        tuple(filled),
        window,
        words,
        _unknown(first, text, tokens),
        marked.taught,
        tuple(known[0]),
    )


def unknown_words(prompts: Iterable[Prompt]) -> list[str]:
    """The words of several prompts that the model does not know, in order, each once."""
    return list(dict.fromkeys(word for prompt in prompts for word in prompt.unknown))


def columns(words: Sequence[Word], length: int, device: torch.device) -> Tensor:
    """[1, length, words]: 1 where a token belongs to a word; what `attention.Watch` looks at."""
    picked = torch.zeros(1, length, len(words), device=device)
    for column, word in enumerate(words):
        picked[0, list(word.positions), column] = 1
    return picked


def _split(plain: str) -> list[tuple[str, int]]:
    """The words of a text without marks, with their places; no punctuation."""
    found: list[tuple[str, int]] = []
    for run in re.finditer(r"\S+", plain):
        if inner := re.search(r"\w(?:.*\w)?", run[0]):
            found.append((inner[0], run.start() + inner.start()))
    return found


def _positions(parts: Sequence[Sequence[Token]], window: int) -> tuple[int, ...]:
    return tuple(
        number * window + place
        for number, part in enumerate(parts)
        for place in range(1, len(part) + 1)
    )


def _unknown(tokenizer: Any, text: str, tokens: Iterable[Token]) -> tuple[str, ...]:
    """Byte-level vocabularies (every CLIP) know all words."""
    mark = tokenizer.unk_token_id
    if mark is None or mark == tokenizer.eos_token_id:
        return ()
    found = dict.fromkeys(text[token.start : token.end] for token in tokens if token.id == mark)
    return tuple(word for word in found if any(map(str.isalnum, word)))
