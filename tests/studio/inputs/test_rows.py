"""What the page and programs send, made into the edits of a comparison."""

from typing import Any

import pytest
from PIL import Image

from pipelines.prompt_to_prompt import PromptToPrompt
from pipelines.prompt_to_prompt.local_blend import LocalBlend
from studio.inputs import validation
from studio.runs import recipes

UNREADABLE = "The edits could not be read: send a list of dictionaries."


def asked(*edits: Any, **values: Any) -> PromptToPrompt:
    pictures = {name: values.pop(name) for name in ("image", "mask_image") if name in values}
    safe = validation.fields(PromptToPrompt, {"edits": list(edits), **values})
    made: dict[str, Any] = {"prompt": "a house", **safe, **pictures}
    return PromptToPrompt(**made)


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
    request = asked({"prompt": "a"}, {"prompt": "b"}, image=picture, mask_image=mask)
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
        (["a blue house"], "Edit 1 must be a dictionary"),
        ([{"prompt": "a"}, {}], "Edit 2: no words yet"),
        ([{"prompt": "  "}], "Edit 1: no words yet"),
        ([{"prompt": 7}], "Edit 1: no words yet"),
        ([{"prompt": "a", "mask_image": "/etc/passwd"}], "but not 'mask_image'"),
        ([{"prompt": "a", "weights": ["a"]}], "must be given by word"),
        ([{"prompt": "a", "weights": {7: 1.0}}], "must be given by word"),
        ([{"prompt": "a", "cross_replace_steps": {1: 2}}], "must be given by word"),
        ([{"prompt": "a", "local_blend": ["a"]}], "The local blend must be a dictionary"),
        ([{"prompt": "a", "local_blend": {"source": [1]}}], "takes words under 'source'"),
        ([{"prompt": "a", "local_blend": {"where": "a"}}], "but not 'where'"),
        ([{"prompt": "x" * 2001}], "Edit 1: Words: 2001 characters are too many"),
    ],
)
def test_bad_edits_are_one_sentence_that_says_which(edits: list[Any], sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        asked(*edits)
    assert sentence in str(refused.value) and str(refused.value).endswith(".")
    with pytest.raises(ValueError, match="true or false"):
        asked({"prompt": "a"}, attention="yes")


@pytest.mark.parametrize("value", ["a blue house", {"prompt": "a"}, 7])
def test_what_is_no_list_of_rows_is_one_sentence(value: Any) -> None:
    with pytest.raises(ValueError) as refused:
        validation.fields(PromptToPrompt, {"edits": value})
    assert str(refused.value) == UNREADABLE


def test_a_row_comes_through_as_it_was_written() -> None:
    row = {
        "prompt": "a blue house",
        "self_replace_steps": [0.1, 0.5],
        "cross_replace_steps": {"default_": 0.8, "blue": [0.2, 0.4]},
        "weights": {"blue": -1.5},
        "local_blend": {"source": "house", "target": ["house"], "threshold": 0.4},
    }
    (edit,) = asked(row).edits
    for name in ("prompt", "self_replace_steps", "cross_replace_steps", "weights"):
        assert getattr(edit, name) == row[name]
    assert edit.local_blend == LocalBlend(source=("house",), target=("house",), threshold=0.4)


def test_the_recipe_tells_every_edit() -> None:
    row = {"prompt": "a tower", "weights": {"tower": 2.0}, "local_blend": {"target": "tower"}}
    recipe = recipes.of("Compare", "postcard", asked(row))
    (edit,) = recipe["request"]["edits"]
    assert edit["prompt"] == "a tower" and edit["weights"] == {"tower": 2.0}
    assert edit["local_blend"]["target"] == ["tower"] and edit["mask_image"] is None
    recipe |= {"seeds": [7, 7], "notes": {"scheduler": "ddim"}}
    assert recipes.parameters(recipe, 0, (8, 8)).startswith("a house\n")
    assert recipes.parameters(recipe, 1, (8, 8)).startswith("a tower\n")
