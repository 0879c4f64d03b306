"""Which token of one prompt stands for which of another: the mappers of Prompt-to-Prompt.

A swap of words keeps the order of all the others: token by token, a swapped word's tokens take
those of the word it replaces. Anything else is aligned by Needleman and Wunsch on the tokens (gap
0, match 1, mismatch -1), as in the official code, and a token without a counterpart is new. Where
we depart from the official swap: after a word with another number of tokens it compares token n
with token n again, which is then another word; here every kept word keeps its counterpart.

Words find their counterparts across the windows of a long prompt. A window's start, its end and its
padding stand for those of the same window. Where the target has a window more, they take nothing:
the source's map already sums to 1. Where it has one less, its first start takes what the source
gives to the starts of the others, which are one and the same token to a causal encoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

import torch
from torch import Tensor

from pipelines.words.prompt import Prompt, Word

Kind = Literal["same", "replace", "refine"]


@dataclass(frozen=True, slots=True)
class Alignment:
    """From a source prompt to a target prompt, L tokens each, in float64."""

    kind: Kind
    mapper: Tensor  # [L, L], the share of a source token (row) that a target token (column) takes
    kept: Tensor  # [L], 1 where a target token has a counterpart, 0 where it is new
    change: str  # what became of the words, for a person
    uneven: bool = False  # words gave way to more or fewer words, so they could not be swapped
    weighed: bool = False  # the same words, which count otherwise


def align(mine: Prompt, other: Prompt) -> Alignment:
    """A replacement where words were only swapped, else a refinement; L is the longer's length."""
    length = max(mine.length, other.length)
    here, there = mine.phrases, other.phrases
    same = torch.ones(length, dtype=torch.float64)
    change, uneven = _change(here, there)
    if (mine.ids, mine.positions) == (other.ids, other.positions):
        weighed = mine.weights != other.weights
        return Alignment("same", torch.diag(same), same, change, weighed=weighed)
    if mine.ids != other.ids and _swapped(mine, other, here, there):
        swaps = [
            (_places(mine, old), _places(other, new))
            for old, new in zip(here, there, strict=True)
            if _ids(mine, old) != _ids(other, new)
        ]
        content = replacing(swaps, 2 + max(len(mine.ids), len(other.ids)))
        content = content[1 : 1 + len(mine.ids), 1 : 1 + len(other.ids)]
        mapper = placed(content, mine, other, length, shifted=True)
        return Alignment("replace", mapper, same, change)
    pairs = counterparts(mine.ids, other.ids)
    content = torch.zeros(len(mine.ids), len(other.ids), dtype=torch.float64)
    for its, own in enumerate(pairs):
        if own < 0:
            same[other.positions[its]] = 0
        else:
            content[own, its] = 1
    mapper = placed(content, mine, other, length, shifted=False)
    return Alignment("refine", mapper, same, change, uneven)


def placed(content: Tensor, mine: Prompt, other: Prompt, length: int, *, shifted: bool) -> Tensor:
    """[length, length] from words' tokens [source, target] and the special ones around them.

    Padding has its counterpart by its distance from the end token where `shifted`, else in place.
    """
    window = mine.window
    mapper = torch.zeros(length, length, dtype=torch.float64)
    for own, row in zip(mine.positions, content, strict=True):
        mapper[own, list(other.positions)] = row
    for number, (end, its_end) in enumerate(zip(mine.ends, other.ends, strict=False)):
        first, last = number * window, (number + 1) * window - 1
        mapper[first, first] = mapper[end, its_end] = 1
        for column in range(its_end + 1, last + 1):
            mapper[min(end + column - its_end, last) if shifted else column, column] = 1
    for number in range(len(other.ends), len(mine.ends)):
        mapper[number * window, 0] = 1
    return mapper


def replacing(swaps: Sequence[tuple[Sequence[int], Sequence[int]]], length: int) -> Tensor:
    """[length, length] from swapped words, each given by its tokens in source and target.

    Where their numbers differ, every token of the target's word takes an equal share of all of the
    source's. Padding beyond the end of the source takes its last token.
    """
    mapper = torch.zeros(length, length, dtype=torch.float64)
    i = j = 0
    for mine, other in swaps:
        while i < mine[0]:
            mapper[i, j] = 1
            i, j = i + 1, j + 1
        if len(mine) == len(other):
            mapper[list(mine), list(other)] = 1
        else:
            mapper[mine[0] : mine[-1] + 1, list(other)] = 1 / len(other)
        i, j = mine[-1] + 1, other[-1] + 1
    for column in range(j, length):
        mapper[min(i + column - j, length - 1), column] = 1
    return mapper


def counterparts(source: Sequence[object], target: Sequence[object]) -> list[int]:
    """For each of `target` the place of its counterpart in `source`, -1 where it has none.

    Of alignments that score the same, the one that leaves a target's last items new.
    """
    width = len(target) + 1
    best = [[0] * width for _ in range(len(source) + 1)]
    for i, mine in enumerate(source, start=1):
        for j, other in enumerate(target, start=1):
            matched = best[i - 1][j - 1] + (1 if mine == other else -1)
            best[i][j] = max(best[i][j - 1], best[i - 1][j], matched)
    found = [-1] * len(target)
    i, j = len(source), len(target)
    while i and j:
        if best[i][j] == best[i][j - 1]:
            j -= 1
        elif best[i][j] == best[i - 1][j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            found[j] = i
    return found


def _places(line: Prompt, word: Word) -> list[int]:
    """A word's tokens among those of the line, the first of which is 1."""
    return [i for i, position in enumerate(line.positions, start=1) if position in word.positions]


def _ids(line: Prompt, word: Word) -> tuple[int, ...]:
    return tuple(line.ids[i - 1] for i in _places(line, word))


def _swapped(mine: Prompt, other: Prompt, here: Sequence[Word], there: Sequence[Word]) -> bool:
    """Whether words changed in their places, and nothing else: no word moved, no mark changed."""
    if len(here) != len(there):
        return False
    source = [_ids(mine, word) for word in here]
    target = [_ids(other, word) for word in there]
    if () in source or () in target:  # letters that the tokenizer leaves out
        return False
    if _marks(mine, here) != _marks(other, there):
        return False
    in_place = sum(a == b for a, b in zip(source, target, strict=True))
    return in_place == sum(each >= 0 for each in counterparts(source, target))


def _marks(line: Prompt, words: Sequence[Word]) -> list[int]:
    inside = {i for word in words for i in word.positions}
    return [i for i, at in zip(line.ids, line.positions, strict=True) if at not in inside]


def _change(here: Sequence[Word], there: Sequence[Word]) -> tuple[str, bool]:
    """In words; and whether some words became a different number of words."""
    mine, other = ([word.text.casefold() for word in each] for each in (here, there))
    said: list[str] = []
    uneven = False
    for kind, a, b, c, d in SequenceMatcher(None, mine, other, autojunk=False).get_opcodes():
        old, new = (" ".join(word.text for word in each) for each in (here[a:b], there[c:d]))
        if kind == "replace":
            said.append(f"“{old}” became “{new}”")
            uneven |= b - a != d - c
        elif kind == "delete":
            said.append(f"“{old}” left out")
        elif kind == "insert":
            said.append(f"“{new}” added")
    return ", ".join(said) or "marks or letters changed", uneven
