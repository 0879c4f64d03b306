"""Words as the text encoder sees them: where they stand, and which it does not know.

A word is found by the places of its letters in the prompt, never by comparing tokens, so commas,
double spaces, words of several tokens, and marks that say how much a word counts are no trouble.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.core.bundle import Bundle
from pipelines.core.chunks import Token, chunks, marked


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a prompt, without the punctuation around it."""

    text: str
    start: int  # its first letter in the prompt
    positions: tuple[int, ...]  # of its tokens in the encoder's sequence, the start token being 0


@dataclass(frozen=True, slots=True)
class Line:
    """The tokens of a prompt without the special ones, and where in the encoder's sequence."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    ends: tuple[int, ...]  # where each window has its end token
    weights: tuple[float, ...]  # how much each counts


def window(bundle: Bundle) -> int:
    """Tokens that the encoder reads at once, the special ones among them."""
    return int(bundle.tokenizers[0].model_max_length)


def length(bundle: Bundle, *texts: str) -> int:
    """Tokens in the encoder's sequence of the longest of `texts`."""
    return window(bundle) * max(len(_chunks(bundle, text)) for text in texts)


def line(bundle: Bundle, text: str) -> Line:
    read = _chunks(bundle, text)
    placed = _placed(bundle, read)
    return Line(
        tuple(token.id for _, token in placed),
        tuple(position for position, _ in placed),
        tuple(i * window(bundle) + 1 + len(each) for i, each in enumerate(read)),
        tuple(token.weight for _, token in placed),
    )


def words(bundle: Bundle, text: str) -> list[Word]:
    """The words of `text` in order; no marks, no punctuation.

    Each part of a taught word with blanks in it is one, with the tokens of the whole.
    """
    placed = _placed(bundle, _chunks(bundle, text))
    found: list[Word] = []
    for run in re.finditer(r"\S+", marked(bundle.tokenizers[0], text).text):
        inner = re.search(r"\w(?:.*\w)?", run[0])
        if inner is None:
            continue
        start, end = run.start() + inner.start(), run.start() + inner.end()
        inside = (i for i, token in placed if token.start < end and token.end > start)
        found.append(Word(inner[0], start, tuple(inside)))
    return found


def apart(bundle: Bundle, text: str) -> list[Word]:
    """The same, but a taught word is one, however it is spelled."""
    taught = marked(bundle.tokenizers[0], text).taught
    found: list[Word] = []
    for word in words(bundle, text):
        span = next((each for each in taught if each.start <= word.start < each.end), None)
        if span is None:
            found.append(word)
        elif not (found and found[-1].start == span.start):
            found.append(Word(text[span.start : span.end], span.start, word.positions))
    return found


def find(bundle: Bundle, text: str, sought: str) -> tuple[int, ...] | None:
    """The tokens of a word or phrase in `text`, everywhere it stands; None where it does not.

    "tree#2" is the second tree. Upper and lower case, and punctuation around words, do not matter.
    """
    match = re.fullmatch(r"(.+)#(\d+)", sought)
    phrase, which = (match[1], int(match[2])) if match else (sought, 0)
    wanted = [word.text.casefold() for word in words(bundle, phrase)]
    there = words(bundle, text)
    starts = [
        start
        for start in range(len(there) - len(wanted) + 1)
        if wanted and [word.text.casefold() for word in there[start:][: len(wanted)]] == wanted
    ]
    if which:
        starts = starts[which - 1 : which]
    if not starts:
        return None
    named = (i for at in starts for word in there[at:][: len(wanted)] for i in word.positions)
    return tuple(dict.fromkeys(named))


def named(bundle: Bundle, text: str, sought: str, whose: str) -> list[int]:
    """The tokens of a word as in `find`; ValueError where it is not in the text, `whose` it is."""
    positions = find(bundle, text, sought)
    if positions is None:
        raise ValueError(
            f"“{sought:.40}” is not among the words of {whose}, “{text:.80}”; "
            "name a word as it stands there."
        )
    return list(positions)


def columns(bundle: Bundle, groups: Sequence[Word], length: int) -> Tensor:
    """[1, length, words]: 1 where a token belongs to a word; what `attention.Watch` looks at."""
    picked = torch.zeros(1, length, len(groups), device=bundle.device)
    for column, word in enumerate(groups):
        picked[0, list(word.positions), column] = 1
    return picked


def unknown(bundle: Bundle, *texts: str) -> list[str]:
    """The words of `texts` that map to the unknown token, in order, each once; no punctuation.

    Byte-level vocabularies (every CLIP) know all words and give an empty list. Raises ValueError
    with one sentence for words that cannot be read at all (core/chunks.py).
    """
    read = [(text, token) for text in texts for part in _chunks(bundle, text) for token in part]
    mark = bundle.tokenizers[0].unk_token_id
    if mark is None or mark == bundle.tokenizers[0].eos_token_id:
        return []
    found = [text[token.start : token.end] for text, token in read if token.id == mark]
    return [word for word in dict.fromkeys(found) if any(map(str.isalnum, word))]


def _chunks(bundle: Bundle, text: str) -> list[list[Token]]:
    with bundle.tokenizing:
        return chunks(bundle.tokenizers[0], text)


def _placed(bundle: Bundle, read: Sequence[Sequence[Token]]) -> list[tuple[int, Token]]:
    """Each token with its position in the encoder's sequence."""
    return [
        (number * window(bundle) + place, token)
        for number, part in enumerate(read)
        for place, token in enumerate(part, start=1)
    ]
