"""A prompt of any length, in the windows that a text encoder reads at once.

A window holds its start token, words, its end token and padding. Prompts that need more of them
are cut after a comma near the end of a window (as AUTOMATIC1111's web UI does it), else between
words, and inside a word only where that is longer than a window; `BREAK` cuts where it stands.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipelines.words.emphasis import Emphasis

MOST: Final = 8  # windows; a prompt of 2000 letters seldom needs more
NEAR: Final = 20 / 75  # of a window's room, for commas


@dataclass(frozen=True, slots=True)
class Token:
    id: int
    start: int  # its first letter in the prompt
    end: int
    weight: float  # how much it counts


def windows(
    tokenizer: Any, read: Emphasis, known: Mapping[str, Sequence[int]]
) -> list[tuple[Token, ...]]:
    """The tokens of each window, without the special ones; at least one window.

    `known` has the tokens of each taught word, folded. Raises ValueError with one sentence where
    the prompt needs more than MOST windows. A fast tokenizer must not be called from two threads
    at once.
    """
    found: list[list[Token]] = [[]]
    breaks = list(read.breaks)
    for token in _tokens(tokenizer, read, known):
        while breaks and breaks[0] < token.end:
            breaks.pop(0)
            found.append([])
        found[-1].append(token)
    room = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
    cut = [tuple(window) for part in found for window in _windows(read.text, part, room)]
    if len(cut) > MOST:
        raise ValueError(
            f"“{read.text.strip():.40}…” is too long: this model reads {MOST} times {room} tokens, "
            "about as many words; leave some out."
        )
    return cut or [()]


def padded(tokenizer: Any, tokens: Sequence[Token]) -> tuple[list[int], list[int]]:
    """The ids of a whole window, and 1 where it is not padding."""
    ids = [tokenizer.bos_token_id, *(token.id for token in tokens), tokenizer.eos_token_id]
    rest = tokenizer.model_max_length - len(ids)
    return ids + [tokenizer.pad_token_id] * rest, [1] * len(ids) + [0] * rest


def _tokens(tokenizer: Any, read: Emphasis, known: Mapping[str, Sequence[int]]) -> Iterator[Token]:
    """All of a prompt, each taught word being its own tokens."""
    at = 0
    for word in read.taught:
        yield from _plain(tokenizer, read, at, word.start)
        for number in known[word.word]:
            yield Token(number, word.start, word.end, read.weights[word.start])
        at = word.end
    yield from _plain(tokenizer, read, at, len(read.text))


def _plain(tokenizer: Any, read: Emphasis, begin: int, stop: int) -> Iterator[Token]:
    """What the tokenizer makes of the letters from `begin` to `stop`."""
    coded = tokenizer(
        read.text[begin:stop],
        add_special_tokens=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    for number, (start, end) in zip(coded["input_ids"], coded["offset_mapping"], strict=True):
        yield Token(number, begin + start, begin + end, read.weights[begin + start])


def _windows(text: str, tokens: list[Token], room: int) -> list[list[Token]]:
    """Cut what stands between two breaks."""
    found: list[list[Token]] = []
    while len(tokens) > room:
        cut = _cut(text, tokens, room)
        found.append(tokens[:cut])
        tokens = tokens[cut:]
    return [*found, tokens] if tokens else found


def _cut(text: str, tokens: Sequence[Token], room: int) -> int:
    """How many of the tokens the next window gets."""
    near = range(room, room - int(NEAR * room), -1)
    commas = (at for at in near if text[: tokens[at - 1].end].endswith(","))
    borders = (at for at in range(room, 0, -1) if tokens[at].start > tokens[at - 1].end)
    return next(commas, None) or next(borders, room)
