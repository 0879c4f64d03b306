"""The few-step relative in a model's folder."""

import shutil
import weakref
from pathlib import Path

import pytest
from PIL import Image

from pipelines import Bundle, SDEdit, drain, sdedit
from tests import toys
from tests.conftest import POSTCARD


def test_it_paints_in_two_steps_with_the_models_own_words(postcard: Bundle) -> None:
    student = postcard.student
    assert student is not None and student is postcard.student
    assert student.vae is postcard.vae and student.text_encoders is postcard.text_encoders
    assert student.unet is not postcard.unet
    assert student.defaults == {
        "scheduler": "lcm",
        "num_inference_steps": 4,
        "guidance_scale": 1.0,
    }
    request = SDEdit(
        image=Image.new("RGB", (256, 256), "teal"),
        prompt="a lake by day",
        strength=0.5,
        **student.defaults,
    )
    edit = drain(sdedit(student, request))
    assert edit.notes["steps"] == [2]
    assert edit.images[0].size == (256, 256)


def test_a_few_step_model_is_its_own(postcard: Bundle) -> None:
    student = postcard.student
    assert student is not None and student.student is student


def test_a_few_step_model_goes_when_nobody_has_it(tmp_path: Path) -> None:
    """At once: it may be most of a device's memory."""
    bundle = Bundle.of(toys.tiny_pipeline(tmp_path), name="sd-turbo")
    assert bundle.student is bundle
    gone = weakref.ref(bundle)
    del bundle
    assert gone() is None


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    without = shutil.ignore_patterns("fast", "ranker", "examples", "*.jpg", "*.png")
    shutil.copytree(POSTCARD, tmp_path / "model", ignore=without)
    assert Bundle.load(tmp_path / "model").student is None


def test_one_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    without = shutil.ignore_patterns("ranker", "examples", "*.jpg", "*.png")
    shutil.copytree(POSTCARD, tmp_path / "model", ignore=without)
    (tmp_path / "model/fast/scheduler/scheduler_config.json").write_text("{")
    bundle = Bundle.load(tmp_path / "model")
    with pytest.raises(ValueError, match="could not be loaded as a student"):
        bundle.student  # noqa: B018
