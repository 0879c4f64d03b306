"""How much each word of a prompt counts, in the two ways in which people write it.

As in AUTOMATIC1111's web UI: `(words)` count 1.1 times, `[words]` 1 / 1.1 times and `(words:1.3)`
1.3 times. Brackets nest; one that is never closed holds to the end, and what closes nothing is a
letter. `BREAK` begins a new window of the text encoder (windows.py).

As in compel: `word++` counts 1.1 times for each plus, `word--` 0.9 times for each minus; so does
`(two words)++`, and `(words)1.3` is another way to write `(words:1.3)`.

A backslash makes a letter of what follows it: `\\(`, `\\)`, `\\[`, `\\]`, `\\+`, `\\-`, `\\\\`. A
prompt that uses none of this is read as it stands. Prompts that change with the steps, as in
`[day:night:0.5]`, and blends of prompts are not read. In a word that was taught (taught.py)
nothing is a mark, and what stands behind it may be: `(glow (1):1.2)`, `glow (1)++`.
"""

import re
from collections.abc import Iterable, Iterator, MutableSequence
from dataclasses import dataclass
from typing import Final

from pipelines.request import MAX_SHOWN, readable
from pipelines.words.taught import Span, spans

MOST: Final = 10.0  # times, either way; far beyond what makes a picture
ROUND: Final = 1.1
SQUARE: Final = 1 / 1.1
PLUS: Final = 1.1
MINUS: Final = 0.9

MARKS = re.compile(
    r"""
      \\(?P<letter>[\\()\[\]+-])
    | (?P<round>\()
    | (?P<square>\[)
    | :\s*(?P<stated>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)
    | \)(?P<after>\++|-+|\d+(?:\.\d+)?|\.\d+)(?![\w+-]|\.\d)
    | (?P<round_end>\))
    | (?P<square_end>\])
    | \b(?P<break>BREAK)\b
    | (?<!\w)\w(?:[\w'’-]*\w)?(?P<signs>\++|-+)(?![\w+-])
    """,
    re.VERBOSE,
)
SIGNS = re.compile(r"(\++|-+)(?![\w+-])")  # behind a taught word


@dataclass(frozen=True, slots=True)
class Emphasis:
    """A prompt without its marks. A letter of `text` stands where it stands in the prompt."""

    text: str  # blanks in place of the marks
    weights: tuple[float, ...]  # of each letter
    breaks: tuple[int, ...]  # where a new window begins
    taught: tuple[Span, ...] = ()


def read(prompt: str, taught: Iterable[str] = ()) -> Emphasis:
    """Raises ValueError with one sentence where words count more than MOST times.

    `taught` are folded words in which nothing is a mark.
    """
    letters, weights = list(prompt), [1.0] * len(prompt)
    breaks: list[int] = []
    opened: dict[str, list[int]] = {"round": [], "square": []}
    whole = spans(prompt, taught)
    for kind, mark in _marks(prompt, whole):
        start, end = mark.span()
        match kind:
            case "letter":
                end = start + 1  # the backslash goes, the letter stays
            case "round" | "square":
                opened[kind].append(start)
            case "stated" | "after" | "round_end" if opened["round"]:
                factor = ROUND if kind == "round_end" else _factor(mark[kind])
                _weigh(weights, opened["round"].pop(), start, factor)
            case "square_end" if opened["square"]:
                _weigh(weights, opened["square"].pop(), start, SQUARE)
            case "break":
                breaks.append(start)
            case "behind":
                word = next(each for each in whole if each.end == start)
                _weigh(weights, word.start, end, _factor(mark[0]))
            case "signs":
                _weigh(weights, start, end, _factor(mark["signs"]))
                start = mark.start("signs")
            case _:
                continue  # it closes nothing
        letters[start:end] = " " * (end - start)
    for kind, factor in (("round", ROUND), ("square", SQUARE)):
        for start in opened[kind]:
            _weigh(weights, start, len(weights), factor)
    for weight in weights:
        if not -MOST <= weight <= MOST:
            found = f", not {readable(weight)}" if abs(weight) < MAX_SHOWN else ""
            raise ValueError(f"Words count from {-MOST:g} to {MOST:g} times{found}.")
    text = "".join(letters)
    standing = (
        each for each in whole if text[each.start : each.end] == prompt[each.start : each.end]
    )
    return Emphasis(text, tuple(weights), tuple(breaks), tuple(standing))


def _marks(prompt: str, taught: Iterable[Span]) -> Iterator[tuple[str, re.Match[str]]]:
    """Each mark with its kind, from left to right; where a taught word begins, none does."""
    at = 0
    for word in taught:
        while (mark := MARKS.search(prompt, at)) and mark.start() < word.start:
            yield str(mark.lastgroup), mark
            at = mark.end()
        if at <= word.start:
            at = word.end
            if signs := SIGNS.match(prompt, at):
                yield "behind", signs
                at = signs.end()
    for mark in MARKS.finditer(prompt, at):
        yield str(mark.lastgroup), mark


def _factor(written: str) -> float:
    if set(written) <= {"+"}:
        return PLUS ** len(written)
    return MINUS ** len(written) if set(written) <= {"-"} else float(written)


def _weigh(weights: MutableSequence[float], start: int, end: int, factor: float) -> None:
    for at in range(start, end):
        weights[at] *= factor
