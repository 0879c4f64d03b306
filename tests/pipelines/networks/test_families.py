"""Each family of models: every method runs, beside what diffusers draws with it."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image, ImageDraw

from benchmarks import published
from benchmarks.published import Blend, Recipe
from pipelines import (
    Blended,
    Bundle,
    LocalBlend,
    PromptEdit,
    PromptToPrompt,
    SDEdit,
    blended,
    drain,
    prompt_to_prompt,
    sdedit,
)
from pipelines.networks import single_file
from tests import single_files

WORDS, OTHERS = "a red cat on a mat", "a red dog on a mat"
FAMILIES = ["sd1", "sd2", "sdxl"]
ASKED: dict[str, Any] = {"num_inference_steps": 3, "guidance_scale": 4.0, "seed": 3}


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return single_files.small_configs(tmp_path_factory.mktemp("small") / "configs")


@pytest.fixture(scope="module", params=[*FAMILIES, "sd2-v"])
def folder(
    request: pytest.FixtureRequest, configs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A diffusers folder of the family: what was read from one file, saved."""
    place = tmp_path_factory.mktemp(request.param)
    family, _, v = request.param.partition("-")
    single_files.write(
        place / ("v2-1_768.safetensors" if v else "any-512.safetensors"), family, configs
    )
    (file,) = place.glob("*.safetensors")
    pipe = single_file.load(file, configs=configs)
    pipe.unet.register_to_config(sample_size=16)  # 128 pixels
    pipe.save_pretrained(place / "model")
    return place / "model"


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return Bundle.load(folder)


@pytest.fixture
def picture() -> Image.Image:
    rng = np.random.default_rng(2)
    return Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((128, 128))


def levels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, np.int16)


def theirs(folder: Path, prompts: Sequence[str]) -> list[np.ndarray]:
    """What diffusers' own pipeline draws of these words."""
    made: Any = StableDiffusionXLPipeline if (folder / "text_encoder_2").is_dir() else None
    pipe: Any = (made or StableDiffusionPipeline).from_pretrained(folder, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    drawn = [
        pipe(
            prompt,
            num_inference_steps=ASKED["num_inference_steps"],
            guidance_scale=ASKED["guidance_scale"],
            generator=torch.Generator().manual_seed(ASKED["seed"]),
            height=128,
            width=128,
        )
        for prompt in prompts
    ]
    return [levels(each.images[0]) for each in drawn]


def test_shut_windows_leave_what_diffusers_draws(bundle: Bundle, folder: Path) -> None:
    free = PromptEdit(prompt=OTHERS, cross_replace_steps=0, self_replace_steps=0)
    request = PromptToPrompt(prompt=WORDS, edits=(free,), attention=True, **ASKED)
    edit = drain(prompt_to_prompt(bundle, request))
    for picture, other in zip(edit.images, theirs(folder, (WORDS, OTHERS)), strict=True):
        assert np.abs(levels(picture) - other).max() <= 1
    assert edit.images[0].tobytes() != edit.images[1].tobytes()
    assert edit.report.attention is not None and len(edit.report.attention.words) == 2


def test_attention_is_controlled_as_published(folder: Path) -> None:
    """Swapped, weighed and blended, against explicit maps, in float64."""
    exact = Bundle.load(folder, dtype=torch.float64)
    cat, dog = exact.read(WORDS).named("cat", "it"), exact.read(OTHERS).named("dog", "it")
    blend = LocalBlend(source=("cat",), target=("dog",))
    edits = (
        PromptEdit(prompt=OTHERS, self_replace_steps=0.7),
        PromptEdit(prompt=OTHERS, weights={"dog": 3.0}, self_replace_steps=0),
        PromptEdit(prompt=OTHERS, local_blend=blend),
    )
    swap = torch.eye(exact.read(WORDS).length, dtype=torch.float64)
    recipes = [
        Recipe(OTHERS, swap, layout=(0, 0.7)),
        Recipe(OTHERS, swap, dict.fromkeys(dog, 3.0), layout=(0, 0)),
        Recipe(OTHERS, swap, blend=Blend((list(cat), list(dog)))),
    ]
    steps, guidance = ASKED["num_inference_steps"], ASKED["guidance_scale"]
    expected = published.prompt_to_prompt(exact, WORDS, recipes, steps, guidance, ASKED["seed"])[-1]
    run = prompt_to_prompt(
        exact, PromptToPrompt(prompt=WORDS, edits=edits, scheduler="ddim", **ASKED)
    )
    *_, last = islice(run, steps)
    atol = 1e-6  # the coefficients that DDIM turns v with are float32
    torch.testing.assert_close(last.latents, expected, rtol=0, atol=atol)
    assert all((row - expected[0]).abs().max() > 1e-4 for row in expected[1:])


of_each = pytest.mark.parametrize("folder", FAMILIES, indirect=True, scope="module")


@of_each
def test_a_given_picture_is_edited(bundle: Bundle, picture: Image.Image) -> None:
    request = PromptToPrompt(
        image=picture, prompt=WORDS, edits=(PromptEdit(prompt=OTHERS),), **ASKED
    )
    edit = drain(prompt_to_prompt(bundle, request))
    assert edit.report.reconstruction_psnr == pytest.approx(edit.report.ceiling_psnr, abs=0.2)
    assert edit.images[1].tobytes() != edit.images[0].tobytes()


@of_each
def test_a_region_is_replaced_and_the_rest_stays(bundle: Bundle, picture: Image.Image) -> None:
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).rectangle((32, 32, 95, 95), fill=255)
    request = Blended(image=picture, mask_image=mask, prompt=WORDS, crop="off", **ASKED)
    after, before = levels(drain(blended(bundle, request)).images[0]), levels(picture)
    outside = np.asarray(mask) == 0
    assert (after[outside] == before[outside]).all()
    assert (after[~outside] != before[~outside]).any()


@of_each
def test_strokes_are_refined(bundle: Bundle, picture: Image.Image) -> None:
    """Not at all at strength 0, and at any other somehow.

    That more strength changes more is a law of a model that has learnt something, not of random
    weights: tests/benchmarks/test_strength.py holds it with the embedded one.
    """
    changed = [
        np.abs(
            levels(
                drain(
                    sdedit(bundle, SDEdit(image=picture, prompt=WORDS, strength=strength, **ASKED))
                ).images[0]
            )
            - levels(picture)
        ).mean()
        for strength in (0.0, 0.34, 1.0)
    ]
    assert changed[0] == 0 < min(changed[1:])
