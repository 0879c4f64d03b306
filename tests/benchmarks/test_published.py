"""The published Prompt-to-Prompt: its aligner, and which maps become which.

What its pictures are is held to the method's in tests/pipelines/test_prompt_to_prompt.py.
"""

import pytest
import torch
from torch import Tensor

from benchmarks.published import Controller, Recipe, prompt_to_prompt, refined, refinement
from pipelines import Bundle


def test_the_official_aligner_finds_what_is_new() -> None:
    assert refinement([1, 2, 3, 9, 9], [1, 2, 3, 9, 9]) == [0, 1, 2, 3, 4]
    assert refinement([1, 2, 3, 9, 9], [1, 7, 2, 3, 9]) == [0, -1, 1, 2, 3]
    assert refinement([1, 2, 3, 9, 9], [1, 5, 3, 9, 9]) == [0, -1, 2, 3, 4]


def test_what_pads_a_prompt_is_itself(postcard: Bundle) -> None:
    found = refined(postcard.tokenizers[0], "a house by day", "a red house by day")
    assert found == [0, 1, -1, 2, 3, 4, 5, *range(7, 32)]


@pytest.fixture
def maps() -> Tensor:
    """Of a source and two targets, 2 heads."""
    return torch.rand(3, 2, 5, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("step", "inside"), [(7, True), (8, False)])
def test_maps_of_words_are_the_sources_within_their_window(
    step: int, inside: bool, maps: Tensor
) -> None:
    controller = Controller([Recipe("", index=[0, -1, 1]), Recipe("")], 10, 3)
    controller.step = step
    source, target, other = maps.clone()
    mixed = torch.stack([source[..., 0], target[..., 1], source[..., 1]], -1)
    controller(maps, layer=0, cross=True)
    assert torch.equal(maps[0], source)
    assert torch.equal(maps[1], mixed if inside else target)
    assert torch.equal(maps[2], source if inside else other)


@pytest.mark.parametrize(
    ("step", "pixels", "taken"), [(3, 64, True), (4, 64, False), (0, 81, False)]
)
def test_maps_of_places_are_the_sources_where_they_are_small(
    step: int, pixels: int, taken: bool
) -> None:
    controller = Controller([Recipe("", cross=(0, 0))], 10, 3)
    controller.step = step
    maps = torch.rand(2, 1, pixels, pixels)
    source, target = maps.clone()
    controller(maps, layer=0, cross=False)
    assert torch.equal(maps[1], source if taken else target)


def test_small_maps_are_added_up_over_the_steps() -> None:
    controller = Controller([Recipe("", cross=(0, 0), layout=(0, 0))], 4, 3)
    first, second = torch.rand(2, 2, 1, 4, 3)
    large = torch.rand(2, 1, 33 * 33, 3)
    for maps in (first, second):
        controller(maps, layer=1, cross=True)
        controller(large, layer=2, cross=True)
        controller.blended(torch.zeros(2, 4, 2, 2))
    assert controller.stored.keys() == {(1, True)}
    assert torch.equal(controller.stored[1, True], first + second)


def test_each_target_follows_its_own_recipe(postcard: Bundle) -> None:
    """Beside another edit a target is drawn as alone."""
    source, swap = "a red house on a meadow", Recipe("a blue house on a meadow")
    weighed = Recipe(source, equalizer={2: 3.0})
    both = prompt_to_prompt(postcard, source, [swap, weighed], 2, 3.0, 0)[-1]
    for row, recipe in enumerate((swap, weighed), 1):
        alone = prompt_to_prompt(postcard, source, [recipe], 2, 3.0, 0)[-1]
        torch.testing.assert_close(both[[0, row]], alone, rtol=0, atol=1e-4)
        assert (alone[0] - alone[1]).abs().max() > 0.01
