"""Words that textual inversions teach (Gal et al., arXiv:2208.01618), and where a prompt has them.

A taught word is spelled as its file is called, whatever that is: brackets, signs and colons in it
are letters. Upper and lower case are one, and so are the ways in which Unicode composes a letter,
and any blanks. The tokenizer's added vocabulary holds which tokens stand for which word.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from unicodedata import category, combining, normalize

import torch
from tokenizers import AddedToken
from torch import Tensor

MARK: Final = "\x1f"  # between a word and the number of a token; no prompt and no word has it


@dataclass(frozen=True, slots=True)
class Span:
    """A taught word where it stands in a prompt."""

    start: int
    end: int
    word: str


def fold(word: str) -> str:
    """What all spellings of a word have in common."""
    return _folded(word.strip())[0]


def check(word: str, file: str) -> None:
    """ValueError with one sentence where no prompt could mean the word that a file is called by."""
    if any(category(each) in ("Cc", "Cs") for each in word) or combining(word.strip()[:1] or " "):
        shown = "".join(each if each.isprintable() else "?" for each in file)
        raise ValueError(f"The name of {shown} cannot be typed in a prompt; rename the file.")
    if not any(category(each)[0] in "LN" or category(each) == "So" for each in word):
        raise ValueError(f"The name of {file} has no letter in it; rename the file.")


@torch.no_grad()
def teach(tokenizer: Any, encoder: Any, word: str, vectors: Tensor) -> None:
    """`word` becomes as many tokens as there are vectors [count, width]."""
    tokens = [f"{fold(word)}{MARK}{place}" for place in range(len(vectors))]
    tokenizer.add_tokens([AddedToken(each, normalized=False) for each in tokens])
    ids = tokenizer.convert_tokens_to_ids(tokens)
    size = max(max(ids) + 1, encoder.get_input_embeddings().num_embeddings)
    encoder.resize_token_embeddings(size, mean_resizing=False)
    weight = encoder.get_input_embeddings().weight
    weight[ids] = vectors.to(weight.device, weight.dtype)
    for module in encoder.modules():  # or the summary is taken at the highest token of all
        if hasattr(module, "eos_token_id"):
            module.eos_token_id = tokenizer.eos_token_id


def words(tokenizer: Any) -> Mapping[str, Sequence[int]]:
    """Taught word, folded → its tokens."""
    found: dict[str, list[int]] = {}
    for number, token in sorted(tokenizer.added_tokens_decoder.items()):
        word, mark, _ = token.content.rpartition(MARK)
        if mark:
            found.setdefault(word, []).append(number)
    return found


def spans(prompt: str, taught: Iterable[str]) -> list[Span]:
    """Where folded words stand in a prompt, in order; of several at one place the longest."""
    by_letter: dict[str, list[str]] = {}
    for word in sorted(taught, key=len, reverse=True):
        by_letter.setdefault(word[0], []).append(word)
    if not by_letter:
        return []
    text, places = _folded(prompt)
    found: list[Span] = []
    at = 0
    while at < len(text):
        candidates = by_letter.get(text[at], ())
        word = next((each for each in candidates if _stands(each, text, places, at)), None)
        if word is not None:
            found.append(Span(places[at], places[at + len(word)], word))
        at += len(word or " ")
    return found


def _stands(word: str, text: str, places: Sequence[int], at: int) -> bool:
    """Whether the word stands here on its own, not as a part of a longer one."""
    end = at + len(word)
    if not text.startswith(word, at) or places[at] < 0 or places[end] < 0:
        return False
    joined = _inner(word[0]) and at > 0 and _inner(text[at - 1])
    return not joined and not (_inner(word[-1]) and end < len(text) and _inner(text[end]))


def _inner(letter: str) -> bool:
    return letter.isalnum() or letter == "_" or combining(letter) > 0


def _folded(text: str) -> tuple[str, list[int]]:
    """The text as it is compared, and where each letter of that begins, with the end of all.

    -1 is within what was one letter: an accent, or the second "s" that "ß" counts as.
    """
    letters: list[str] = []
    places: list[int] = []
    at = 0
    while at < len(text):
        end = at + 1
        blank = text[at].isspace()
        while end < len(text) and (text[end].isspace() if blank else combining(text[end])):
            end += 1
        own = " " if blank else normalize("NFD", normalize("NFD", text[at:end]).casefold())
        letters.append(own)
        places += [at, *[-1] * (len(own) - 1)]
        at = end
    return "".join(letters), [*places, len(text)]
