"""Words as the text encoder sees them: where they stand, and which it does not know or loses.

A word is found by the places of its letters in the prompt, never by comparing tokens, so commas,
double spaces and words of several tokens are no trouble.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.core.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a prompt, without the punctuation around it."""

    text: str
    start: int  # its first letter in the prompt
    positions: tuple[int, ...]  # of its tokens in the encoder's sequence, the start token being 0


def length(bundle: Bundle) -> int:
    """Tokens in the encoder's sequence."""
    return int(bundle.tokenizers[0].model_max_length)


def words(bundle: Bundle, text: str) -> list[Word]:
    """The words of `text` in order; one that the encoder has no room for has no positions."""
    room = length(bundle) - 1  # the last token ends the sequence
    _, spans = _spans(bundle, text)
    found: list[Word] = []
    for run in re.finditer(r"\S+", text):
        inner = re.search(r"\w(?:.*\w)?", run[0])
        if inner is None:
            continue
        start, end = run.start() + inner.start(), run.start() + inner.end()
        positions = [i for i, (a, b) in enumerate(spans, start=1) if a < end and b > start]
        found.append(Word(inner[0], start, tuple(i for i in positions if i < room)))
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
    return tuple(i for at in starts for word in there[at:][: len(wanted)] for i in word.positions)


def named(bundle: Bundle, text: str, sought: str, whose: str) -> list[int]:
    """The tokens of a word as in `find`; ValueError where it is not in the text, `whose` it is."""
    positions = find(bundle, text, sought)
    if positions is None:
        raise ValueError(
            f"“{sought:.40}” is not among the words of {whose}, “{text:.80}”; "
            "name a word as it stands there."
        )
    return list(positions)


def columns(bundle: Bundle, groups: Sequence[Word]) -> Tensor:
    """[1, length, words]: 1 where a token belongs to a word; what `attention.Watch` looks at."""
    picked = torch.zeros(1, length(bundle), len(groups), device=bundle.device)
    for column, word in enumerate(groups):
        picked[0, list(word.positions), column] = 1
    return picked


def unknown(bundle: Bundle, text: str) -> list[str]:
    """The words of `text` that map to the unknown token, in order, each once; no punctuation.

    Byte-level vocabularies (every CLIP) know all words and give an empty list.
    """
    tokenizer = bundle.tokenizers[0]
    if tokenizer.unk_token_id is None or tokenizer.unk_token_id == tokenizer.eos_token_id:
        return []
    ids, spans = _spans(bundle, text)
    words = [text[a:b] for i, (a, b) in zip(ids, spans, strict=True) if i == tokenizer.unk_token_id]
    return [word for word in dict.fromkeys(words) if any(map(str.isalnum, word))]


def lost(bundle: Bundle, text: str) -> list[str]:
    """The words of `text` beyond the text encoder's length, in order."""
    tokenizer = bundle.tokenizers[0]
    room = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
    _, spans = _spans(bundle, text)
    return text[spans[room][0] :].split() if len(spans) > room else []


def sequence(bundle: Bundle, text: str) -> list[int]:
    """The ids of the encoder's sequence up to its end token, without padding."""
    with bundle.tokenizing:
        coded = bundle.tokenizers[0](
            text, truncation=True, max_length=length(bundle), verbose=False
        )
    return list(coded["input_ids"])


def _spans(bundle: Bundle, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    with bundle.tokenizing:  # fast tokenizers must not be called from two threads at once
        coded = bundle.tokenizers[0](
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
    return coded["input_ids"], coded["offset_mapping"]
