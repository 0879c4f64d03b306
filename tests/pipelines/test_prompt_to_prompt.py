"""Prompt-to-Prompt: the published algorithm step by step, and the laws, on several models."""

from itertools import islice

import pytest
import torch
from torch import Tensor

from pipelines import Bundle, PromptEdit, PromptToPrompt, prompt_to_prompt
from pipelines.prompt_to_prompt import LocalBlend
from tests.conftest import POSTCARD
from tests.pipelines import published
from tests.pipelines.published import Blend, Recipe

SOURCE = "a red house on a meadow by day"  # tokens 1 to 8, the end is 9
SWAPPED = "a blue tower on a meadow by day"
LONGER = "a red house on a meadow near snowy mountains by day"
ADDED = [0, 1, 2, 3, 4, 5, 6, -1, -1, -1, 7, 8, 9, *range(13, 24)]  # LONGER's tokens in SOURCE
EYE = torch.eye(24, dtype=torch.float64)

BESIDE: dict[str, tuple[PromptEdit, Recipe]] = {
    "replace": (
        PromptEdit(prompt=SWAPPED),
        Recipe(SOURCE, SWAPPED, mapper=EYE),
    ),
    "replace, by word": (
        PromptEdit(
            prompt=SWAPPED,
            cross_replace_steps={"default_": 1, "tower": (0.2, 0.6)},
            self_replace_steps=(0.2, 0.9),
        ),
        Recipe(SOURCE, SWAPPED, EYE, {}, (0, 1), {3: (0.2, 0.6)}, (0.2, 0.9)),
    ),
    "replace, by word, the others all the time": (
        PromptEdit(prompt=SWAPPED, cross_replace_steps={"tower": 0.4}, self_replace_steps=0),
        Recipe(SOURCE, SWAPPED, EYE, {}, (0, 1), {3: (0, 0.4)}, (0, 0)),
    ),
    "refine": (
        PromptEdit(prompt=LONGER, cross_replace_steps=0.6),
        Recipe(SOURCE, LONGER, index=ADDED, cross=(0, 0.6)),
    ),
    "refine, weighed": (
        PromptEdit(prompt=LONGER, weights={"snowy": 3, "house": -1}),
        Recipe(SOURCE, LONGER, index=ADDED, equalizer={8: 3, 3: -1}),
    ),
    "reweight": (
        PromptEdit(prompt=SOURCE, weights={"red": -2, "meadow": 2.5}, self_replace_reduction=4),
        Recipe(SOURCE, SOURCE, equalizer={2: -2, 6: 2.5}, layout_pixels=4 * 4),
    ),
    "replace, weighed": (
        PromptEdit(prompt=SWAPPED, weights={"tower": 2}),
        Recipe(SOURCE, SWAPPED, EYE, equalizer={3: 2}),
    ),
    "local blend": (
        PromptEdit(
            prompt=SWAPPED,
            local_blend=LocalBlend(source=("house",), target=("tower",), subtract=("meadow",)),
        ),
        Recipe(SOURCE, SWAPPED, EYE, blend=Blend(([3], [3]), ([6], [6]))),
    ),
}  # fmt: skip


def latents(bundle: Bundle, request: PromptToPrompt) -> list[Tensor]:
    """After each step down; the pictures are not decoded."""
    run = prompt_to_prompt(bundle, request)
    found = [step.latents for step in islice(run, request.num_inference_steps)]
    run.close()
    return found


@pytest.fixture(scope="module")
def exact() -> Bundle:
    """The embedded model in float64, at half its size: maps of 8 × 8 and 4 × 4."""
    bundle = Bundle.load(POSTCARD, dtype=torch.float64)
    bundle.unet.register_to_config(sample_size=16)
    return bundle


@pytest.fixture(scope="module")
def side_by_side(exact: Bundle) -> list[Tensor]:
    """All edits of the table in one batch."""
    edits = tuple(edit for edit, _ in BESIDE.values())
    request = PromptToPrompt(
        prompt=SOURCE, edits=edits, num_inference_steps=5, guidance_scale=3.0, seed=4
    )
    return latents(exact, request)


@pytest.mark.parametrize("name", BESIDE)
def test_the_published_algorithm_step_by_step(
    name: str, exact: Bundle, side_by_side: list[Tensor]
) -> None:
    expected = published.prompt_to_prompt(exact, BESIDE[name][1], 5, 3.0, seed=4)
    row = list(BESIDE).index(name) + 1
    for number, (mine, theirs) in enumerate(zip(side_by_side, expected, strict=True), start=1):
        pair = mine[[0, row]]
        torch.testing.assert_close(pair, theirs, rtol=0, atol=1e-8, msg=f"step {number}")
        assert torch.equal(same_cells(pair), same_cells(theirs)), number
    assert (side_by_side[-1][row] - side_by_side[-1][0]).abs().max() > 0.1


def same_cells(pair: Tensor) -> Tensor:
    """Where the target is its source exactly: what a local blend put back."""
    return (pair[0] == pair[1]).all(0)
