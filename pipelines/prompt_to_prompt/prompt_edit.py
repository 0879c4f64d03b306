"""An edit of Prompt-to-Prompt: other words, how closely they bind, and what that does to attention.

Words swapped, added or weighed (Hertz et al., arXiv:2208.01626, section 3), as one control folded
as core/attention.py explains. Words are found by their letters (words/prompt.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Self, cast

import torch
import torch.nn.functional as F
from PIL import Image

from pipelines.core.attention import Control
from pipelines.networks.protocol import Networks
from pipelines.prompt_to_prompt.local_blend import LocalBlend
from pipelines.request import Choice, Picture, Range, Words, readable
from pipelines.words.alignment import Alignment
from pipelines.words.prompt import Prompt

EVERY_WORD = "default_"  # in cross_replace_steps, as in the official code: all words not named
LAYOUTS = {
    "1": "all of it",
    "2": "1/2 of the latent’s sides, and coarser",
    "4": "1/4 of the latent’s sides, and coarser",
    "8": "1/8 of the latent’s sides, and coarser",
}

Window = float | tuple[float, float]  # the share of the steps at which it ends, or begins and ends


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromptEdit:
    """Other words for the picture, and how closely it stays with the source.

    A word of the prompt is named as it stands there ("pine tree" too); "tree#2" is the second tree.
    """

    prompt: Annotated[str, Words("Words", "What this edit should show.")] = ""
    cross_replace_steps: Annotated[
        Window | Mapping[str, Window],
        Range(0.0, 1.0, 0.05, "Words bind", "How long words stay where the source has them."),
    ] = 0.8  # for all words; or by word, EVERY_WORD being the others (if missing, 1)
    self_replace_steps: Annotated[
        Window, Range(0.0, 1.0, 0.05, "Layout", "How long the source's layout is kept.")
    ] = 0.4
    # The layout is kept where attention has the latent's sides / this, and coarser.
    self_replace_reduction: Annotated[int, Choice(LAYOUTS, "Detail of the layout")] = 2
    weights: Mapping[str, float] = field(default_factory=dict)  # word → strength, 1 is unchanged
    local_blend: LocalBlend | None = None
    mask_image: Annotated[
        Image.Image | None, Picture("Mask", mode="L", about="White: may change. Black: stays.")
    ] = None

    def __post_init__(self) -> None:
        Words("Words").check(self.prompt)
        given = self.cross_replace_steps
        for window in given.values() if isinstance(given, Mapping) else (given,):
            _interval(window, "Words bind")
        _interval(self.self_replace_steps, "Layout")
        if self.self_replace_reduction not in (1, 2, 4, 8):
            raise ValueError(
                "Detail of the layout must be 1, 2, 4 or 8, "
                f"not {self.self_replace_reduction!r:.40}."
            )
        for word, weight in self.weights.items():
            Range(-10.0, 10.0, 0.1, f"The strength of “{word:.40}”").check(weight)
        picture = Picture("Mask", mode="L")
        picture.check(self.mask_image)
        object.__setattr__(self, "mask_image", picture.clean(self.mask_image))

    @classmethod
    def read(cls, sent: Mapping[str, Any]) -> Self:
        """From a dictionary of its fields, as a page or a program sends it, without a picture.

        ValueError with a sentence where a name is unknown or a value is not of the right make.
        """
        row = _known(
            sent, [each.name for each in fields(cls) if each.name != "mask_image"], "An edit"
        )
        prompt = row.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise ValueError("no words yet; write what it should show, or remove it.")
        steps = row.get("cross_replace_steps")
        if isinstance(steps, dict):
            row["cross_replace_steps"] = _by_word(steps, "Words bind")
        if "weights" in row:
            row["weights"] = _by_word(row["weights"], "The strength of words")
        if row.get("local_blend") is not None:
            row["local_blend"] = _blend(row["local_blend"])
        return cls(**row)


def _known(sent: Mapping[Any, Any], names: Sequence[str], what: str) -> dict[str, Any]:
    for each in sent:
        if each not in names:
            raise ValueError(f"{what} takes {', '.join(names)}, but not {str(each)!r:.40}.")
    return dict(sent)


def _by_word(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(word, str) for word in value):
        raise ValueError(f"{what} must be given by word, such as {{'tree': 2.0}}.")
    return cast("dict[str, Any]", value)


def _blend(value: object) -> LocalBlend:
    if not isinstance(value, dict):
        raise ValueError("The local blend must be a dictionary, such as {'source': ['house']}.")
    names = [each.name for each in fields(LocalBlend)]
    blend = _known(cast("dict[Any, Any]", value), names, "A local blend")
    for each in ("source", "target", "subtract"):
        words = blend.get(each, ())
        words = (words,) if isinstance(words, str) else words
        if not isinstance(words, list | tuple) or not all(isinstance(w, str) for w in words):
            raise ValueError(f"The local blend takes words under {each!r}, such as ['house'].")
        blend[each] = tuple(words)
    return LocalBlend(**blend)


def _interval(window: Any, label: str) -> tuple[float, float]:
    """(start, end) as shares of the steps; a number is an end."""
    start: Any = 0.0
    end: Any = window
    if isinstance(window, tuple | list) and len(cast("list[Any]", window)) == 2:
        start, end = window
    for each in (start, end):
        Range(0.0, 1.0, 0.05, label).check(each)
    if start > end:
        span = f"from {readable(start)} to {readable(end)}"
        raise ValueError(f"{label} must begin before it ends, not go {span}.")
    return float(start), float(end)


def control(
    networks: Networks,
    edits: Sequence[PromptEdit],
    prompts: Sequence[Prompt],
    alignments: Sequence[Alignment],
    steps: int,
    length: int,
) -> Control:
    """Edits of one source, with their prompts and alignments, over `steps` and `length` tokens.

    Official code: a window's end counts int(share (S + 1)) steps of S. Beyond the longer of an
    edit's two prompts there is nothing to take. Refuses words that an edit does not have.
    """
    window = torch.zeros(steps + 1, len(alignments), length, dtype=torch.float64)  # W
    weight = torch.ones(len(alignments), length, dtype=torch.float64)  # c
    places = torch.zeros(steps, len(alignments), dtype=torch.bool)
    for i, edit in enumerate(edits):
        whose = f"edit {i + 1}"
        given = edit.cross_replace_steps
        by_word = given if isinstance(given, Mapping) else {EVERY_WORD: given}
        for word, share in {EVERY_WORD: (0.0, 1.0), **by_word}.items():
            start, end = _interval(share, "Words bind")
            begin, stop = int(start * (steps + 1)), int(end * (steps + 1))
            at = slice(None) if word == EVERY_WORD else prompts[i].named(word, whose)
            window[:, i, at] = 0
            window[begin:stop, i, at] = 1
        for word, strength in edit.weights.items():
            weight[i, prompts[i].named(word, whose)] = strength
        start, end = _interval(edit.self_replace_steps, "Layout")
        places[int(start * steps) : int(end * steps), i] = True
    window = window[:steps]
    more = [length - len(each.kept) for each in alignments]
    new = torch.stack([F.pad(1 - a.kept, (0, n)) for a, n in zip(alignments, more, strict=True)])
    taken = weight * window
    own = 1 - window + taken * new
    mappers = [F.pad(a.mapper, (0, n, 0, n)) for a, n in zip(alignments, more, strict=True)]
    return Control(
        *(each.to(networks.device, networks.dtype) for each in (torch.stack(mappers), taken, own)),
        words=window.any(-1).tolist(),
        places=places.tolist(),
        coarse=[each.self_replace_reduction for each in edits],
    )


def told(edit: PromptEdit, found: Alignment) -> tuple[str, str]:
    """What was done: of which kind it is, and the same in a sentence or two."""
    weighed = found.kind == "same" and bool(edit.weights or found.weighed)
    same = ", weighed." if weighed else ", so the same picture."
    said = {
        "same": f"The same words{same}",
        "replace": f"Replaced: {found.change}.",
        "refine": f"Refined: {found.change}.",
    }[found.kind]
    if found.uneven:
        said += " The numbers of words differ, so they were aligned, not swapped one for one."
    if edit.weights:
        said += (
            " " + ", ".join(f"“{word}” × {readable(c)}" for word, c in edit.weights.items()) + "."
        )
    return "reweight" if weighed else found.kind, said
