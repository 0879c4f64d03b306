"""A run is the same whatever runs beside it on the same networks, and however often it is run."""

from collections.abc import Generator, Iterator
from itertools import zip_longest
from pathlib import Path

import pytest
from PIL import Image

from pipelines import (
    Bundle,
    Edit,
    LocalBlend,
    PromptEdit,
    PromptToPrompt,
    SDEdit,
    prompt_to_prompt,
    sdedit,
)
from pipelines.core.sampling import Step
from pipelines.edit import Report
from tests import toys

Run = Generator[Step, None, Edit[Report]]

WORDS, OTHERS = "a red cat", "a red dog"
COMPARED = PromptToPrompt(
    prompt=WORDS,
    edits=(
        PromptEdit(prompt=OTHERS, weights={"dog": 2}),
        PromptEdit(prompt=OTHERS, local_blend=LocalBlend(source=("cat",), target=("dog",))),
    ),
    attention=True,
    num_inference_steps=4,
    guidance_scale=3.0,
    seed=1,
)
PAINTED = SDEdit(
    image=Image.effect_noise((32, 32), 90),
    prompt=WORDS,
    strength=1.0,
    num_inference_steps=6,
    guidance_scale=3.0,
    seed=2,
)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.of(toys.tiny_pipeline(tmp_path))


def told(run: Run) -> Iterator[bytes]:
    """The latents of each step as it is taken, at the end the pictures."""
    while True:
        try:
            step = next(run)
        except StopIteration as end:
            edit: Edit[Report] = end.value
            yield b"".join(picture.tobytes() for picture in edit.images)
            return
        yield step.latents.numpy().tobytes()


def test_two_runs_in_turns_are_each_as_alone(bundle: Bundle) -> None:
    painted = list(told(sdedit(bundle, PAINTED)))  # first, on networks that nothing has touched
    compared = list(told(prompt_to_prompt(bundle, COMPARED)))
    turns = zip_longest(
        told(prompt_to_prompt(bundle, COMPARED)), told(sdedit(bundle, PAINTED)), fillvalue=b""
    )
    first, second = zip(*turns, strict=True)
    assert [each for each in first if each] == compared
    assert [each for each in second if each] == painted


def test_a_comparison_run_again_is_the_same(bundle: Bundle) -> None:
    """Whatever it kept while it ran, its next run does not see."""
    once, again = (list(told(prompt_to_prompt(bundle, COMPARED))) for _ in range(2))
    assert once == again
