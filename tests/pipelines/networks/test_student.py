"""The few-step relative in a model's folder."""

import shutil
import weakref
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipelines import Bundle, SDEdit, drain, sdedit
from tests import addons, toys
from tests.conftest import POSTCARD


def test_it_paints_in_two_steps_with_the_models_own_words(postcard: Bundle) -> None:
    student = postcard.student
    assert student is not None and student is postcard.student
    assert student.vae is postcard.vae and student.text_encoders is postcard.text_encoders
    assert student.denoiser is not postcard.denoiser
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
    assert edit.results[0].steps == 2
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


def test_it_is_the_model_with_the_lora_and_leaves_the_model_alone(postcard: Bundle) -> None:
    before = {name: each.clone() for name, each in postcard.denoiser.state_dict().items()}
    fresh = Bundle.load(POSTCARD)
    student = fresh.student
    assert student is not None
    assert all(map(torch.equal, fresh.denoiser.state_dict().values(), before.values()))
    merged = Bundle.load(
        POSTCARD, loras={POSTCARD / "fast" / "pytorch_lora_weights.safetensors": 1}
    )
    added = merged.denoiser.state_dict()
    assert all(
        torch.equal(each, added[name]) for name, each in student.denoiser.state_dict().items()
    )
    assert any(not torch.equal(each, before[name]) for name, each in added.items())


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        ("sd15_lightning_2step_lora", ("euler", 2)),
        ("lcm-lora-sdv1-5", ("lcm", 4)),
        ("Hyper-SD15-8steps-lora", ("ddim", 8)),
    ],
)
def test_a_published_lora_beside_any_checkpoint_is_one(
    tmp_path: Path, name: str, defaults: tuple[str, int]
) -> None:
    pipe = toys.tiny_pipeline(tmp_path / "words")
    pipe.save_pretrained(tmp_path / "model")
    path = addons.lora(tmp_path / "model" / "fast" / f"{name}.safetensors", pipe.unet)
    added = addons.lora(tmp_path / "style.safetensors", pipe.unet)
    bundle = Bundle.load(tmp_path / "model")
    student = bundle.student
    assert student is not None and bundle.defaults == {}
    scheduler, steps = defaults
    told = {"scheduler": scheduler, "num_inference_steps": steps, "guidance_scale": 1.0}
    assert student.defaults == told
    assert student.scheduler_config["timestep_spacing"] == "trailing"
    wanted = Bundle.load(tmp_path / "model", loras={path: 1.0}).denoiser.state_dict()
    assert all(map(torch.equal, student.denoiser.state_dict().values(), wanted.values()))
    styled = Bundle.load(tmp_path / "model", loras={added: 0.5}).student
    assert styled is not None  # what is added to the model is in its student too
    both = Bundle.load(tmp_path / "model", loras={added: 0.5, path: 1.0}).denoiser.state_dict()
    assert all(map(torch.equal, styled.denoiser.state_dict().values(), both.values()))


def test_what_an_edit_does_to_the_network_does_not_stay_in_it(tmp_path: Path) -> None:
    """It may be asked for while an edit has its processors in the model."""
    pipe = toys.tiny_pipeline(tmp_path / "words")
    pipe.save_pretrained(tmp_path / "model")
    addons.lora(tmp_path / "model" / "fast" / "lcm-lora.safetensors", pipe.unet)
    bundle = Bundle.load(tmp_path / "model")
    held = [each for each in bundle.denoiser.modules() if hasattr(each, "processor")]
    own = {type(each.processor) for each in held}
    for each in held:
        each.processor = object()
    student = bundle.student
    assert student is not None
    theirs = [each for each in student.denoiser.modules() if hasattr(each, "processor")]
    assert {type(each.processor) for each in theirs} == own


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_with_another_number_of_loras_is_one_sentence(tmp_path: Path, count: int) -> None:
    pipe = toys.tiny_pipeline(tmp_path / "words")
    pipe.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "fast").mkdir()
    for number in range(count):
        addons.lora(tmp_path / "model" / "fast" / f"lcm-lora-{number}.safetensors", pipe.unet)
    bundle = Bundle.load(tmp_path / "model")
    with pytest.raises(ValueError, match=r"as a student: .*; put one \.safetensors file there\.$"):
        bundle.student  # noqa: B018


def test_a_lora_of_another_model_is_one_sentence(tmp_path: Path) -> None:
    pipe = toys.tiny_pipeline(tmp_path / "words")
    pipe.save_pretrained(tmp_path / "model")
    addons.lora_of_width(tmp_path / "model" / "fast" / "lcm-lora.safetensors", 768)
    bundle = Bundle.load(tmp_path / "model")
    with pytest.raises(ValueError, match="could not be loaded as a student: lcm-lora"):
        bundle.student  # noqa: B018


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
