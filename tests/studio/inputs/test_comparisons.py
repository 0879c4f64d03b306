"""What the page and programs send, made into the edits of a comparison."""

from typing import Any

import pytest
from PIL import Image

from pipelines.prompt_to_prompt import PromptToPrompt
from pipelines.prompt_to_prompt.local_blend import LocalBlend
from studio.inputs.comparisons import gathered
from studio.inputs.sketches import Guide
from studio.runs import recipes

NOTHING = Guide(None, None)


def asked(*edits: Any, guide: Guide = NOTHING, **values: Any) -> PromptToPrompt:
    return PromptToPrompt(prompt="a house", **gathered(guide, {"edits": list(edits), **values}))


def test_rows_become_edits() -> None:
    row = {"prompt": "a  blue\nhouse", "weights": {"blue": 2}, "local_blend": {"target": "house"}}
    request = asked(row, {"prompt": "a tower"}, attention=True)
    first, second = request.edits
    assert first.prompt == "a blue house" and first.weights == {"blue": 2}
    assert isinstance(first.local_blend, LocalBlend) and first.local_blend.target == ("house",)
    assert second.local_blend is None and second.self_replace_steps == 0.4
    assert request.attention and request.image is None and not asked(row).attention


def test_a_mask_on_the_picture_holds_for_every_edit() -> None:
    picture, mask = Image.new("RGB", (16, 16)), Image.new("L", (16, 16), 255)
    request = asked({"prompt": "a"}, {"prompt": "b"}, guide=Guide(picture, mask))
    assert request.image is picture
    assert all(each.mask_image is mask for each in request.edits)


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        ([], "Add an edit"),
        ([{"prompt": f"{n}"} for n in range(9)], "At most 8 edits run at once, not 9"),
        ([{"prompt": "a"}, {"prompt": "b", "self_replace_steps": 2}], "Edit 2: Layout must lie"),
        ([{"prompt": "a", "weights": {"a": 99}}], "Edit 1: The strength of “a” must lie"),
        ([{"prompt": "a", "weights": {"a": "x"}}], "Edit 1: The strength of “a” must be a number"),
        ([{"prompt": "a", "self_replace_reduction": 3}], "Edit 1: Detail of the layout must be"),
        ([{"prompt": "a", "self_replace_steps": [0.5]}], "Edit 1: Layout must be a number"),
        ([{"prompt": "a", "local_blend": {}}], "Edit 1: A local blend needs a word"),
        ([{"prompt": "x" * 2001}], "The words of edit 1: 2001 characters are too many"),
    ],
)
def test_bad_edits_are_one_sentence_that_says_which(edits: list[Any], sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        asked(*edits)
    assert sentence in str(refused.value) and str(refused.value).endswith(".")
    with pytest.raises(ValueError, match="true or false"):
        asked({"prompt": "a"}, attention="yes")


def test_the_recipe_tells_every_edit() -> None:
    row = {"prompt": "a tower", "weights": {"tower": 2.0}, "local_blend": {"target": "tower"}}
    recipe = recipes.of("Compare", "postcard", asked(row))
    (edit,) = recipe["request"]["edits"]
    assert edit["prompt"] == "a tower" and edit["weights"] == {"tower": 2.0}
    assert edit["local_blend"]["target"] == ["tower"] and edit["mask_image"] is None
    recipe |= {"seeds": [7, 7], "notes": {"scheduler": "ddim"}}
    assert recipes.parameters(recipe, 0, (8, 8)).startswith("a house\n")
    assert recipes.parameters(recipe, 1, (8, 8)).startswith("a tower\n")
