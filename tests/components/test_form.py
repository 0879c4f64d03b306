"""The form: what the request says about a field is what its widget is."""

from dataclasses import dataclass
from typing import Annotated, Any

import gradio as gr
import pytest
from PIL import Image

from components.form import Form, defaults_of, form
from pipelines.request import MAX_WORDS_LENGTH, Choice, Picture, Range, Request, Words, hints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample(Request):
    image: Annotated[Image.Image | None, Picture("Picture")] = None
    strength: Annotated[float, Range(0.0, 1.0, 0.01, "Strength", "How far.")] = 0.7


NAMES = [name for name, hint in hints(Sample).items() if not isinstance(hint, Picture)]
DEFAULTS: dict[str, Any] = {
    "prompt": "a house",
    "negative_prompt": "",
    "num_inference_steps": 20,
    "guidance_scale": 4.0,
    "scheduler": "ddim",
    "seed": 3,
    "strength": 0.5,
}


pytestmark = pytest.mark.usefixtures("blocks")


@pytest.fixture
def sample(blocks: gr.Blocks) -> Form:
    return form(Sample, NAMES, DEFAULTS)


def test_every_field_is_a_widget_in_the_given_order(sample: Form) -> None:
    assert list(sample.widgets) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_widget_says_what_the_hint_says(sample: Form, name: str) -> None:
    hint, widget = hints(Sample)[name], sample.widgets[name]
    assert widget.label == hint.label
    assert widget.value == DEFAULTS[name]
    match hint:
        case Range():
            assert isinstance(widget, gr.Slider | gr.Number)
            assert (widget.minimum, widget.maximum) == (hint.low, hint.high)
        case Choice():
            assert isinstance(widget, gr.Dropdown)
            assert dict(widget.choices) == {label: key for key, label in hint.options.items()}
        case Words():
            assert isinstance(widget, gr.Textbox)
            assert widget.max_length == MAX_WORDS_LENGTH
        case _:
            raise AssertionError(f"{name} has no widget")


def test_a_range_too_long_to_aim_at_is_typed(sample: Form) -> None:
    assert isinstance(sample.widgets["seed"], gr.Number)
    assert isinstance(sample.widgets["strength"], gr.Slider)


def test_a_picture_has_no_widget() -> None:
    with pytest.raises(TypeError, match="no single value"):
        form(Sample, ["image"], {"image": None})


def test_unexplained_leaves_the_explanation_out() -> None:
    plain = form(Sample, ["strength"], DEFAULTS, explained=False)
    told = form(Sample, ["strength"], DEFAULTS)
    assert plain.widgets["strength"].info is None
    assert told.widgets["strength"].info == "How far."


def test_values_go_by_name_whatever_the_order(sample: Form) -> None:
    sent = {widget: name for name, widget in reversed([*sample.widgets.items()])}
    assert sample.values(sent) == {name: name for name in NAMES}


def test_forms_join(sample: Form) -> None:
    more = Form({"sweep": gr.Checkbox(False)})
    assert list((sample | more).widgets) == [*NAMES, "sweep"]


def test_a_model_says_what_fields_hold_at_first_as_far_as_they_take_it() -> None:
    own = defaults_of(Sample, {})
    told = {"strength": 0.5, "num_inference_steps": 20.0, "unheard of": 1, "paint": {}}
    assert defaults_of(Sample, told) == {**own, "strength": 0.5, "num_inference_steps": 20}
    odd = {"seed": "x", "strength": 7, "scheduler": ["ddim"], "prompt": None, "image": "a.png"}
    assert defaults_of(Sample, odd) == own


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("prompt", "a boat", [None, 3, "x" * (MAX_WORDS_LENGTH + 1)]),
        ("strength", 0, [-0.1, 1.1, "0.5", None, True, float("nan")]),
        ("scheduler", "euler", ["", "magic", None, 2, ["ddim"]]),
        ("seed", 2**32 - 1, [2**32, -1, "7"]),
        ("sweep", True, [1, "yes", None]),
        ("only", "mask", ["Mask", None, "all"]),
    ],
)
def test_fill_takes_what_fits_and_leaves_the_rest(
    sample: Form, name: str, good: Any, bad: list[Any]
) -> None:
    whole = sample | Form({"sweep": gr.Checkbox(False), "only": gr.Radio([("the mask", "mask")])})
    assert whole.fill({name: good, "unheard of": 1}) == {whole.widgets[name]: good}
    for value in bad:
        assert whole.fill({name: value}) == {}, value
