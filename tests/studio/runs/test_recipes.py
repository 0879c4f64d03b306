"""What a PNG says about how it was made."""

import json
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.blended import BlendedReport
from pipelines.edit import Change, Edit, Report, Result, in_memory
from pipelines.prompt_to_prompt import PromptToPromptReport
from pipelines.prompt_to_prompt.maps import Legend
from pipelines.sdedit import SDEdit
from studio.runs import recipes
from studio.runs.history import History


def made(**named: Any) -> dict[str, Any]:
    image = Image.new("RGB", (32, 16), "red")
    values: dict[str, Any] = {"prompt": "a red house", "seed": 7, **named}
    request = SDEdit(image=image, **values)
    recipe = recipes.of("Paint", "postcard", request)
    return recipe | {"seeds": [7, 8], "notes": {"scheduler": "euler"}, "visitor": "ada"}


def test_the_text_is_the_one_that_other_programs_read() -> None:
    recipe = made(negative_prompt="fog", strength=0.6, guidance_scale=4, num_inference_steps=20)
    assert recipes.parameters(recipe, 1, (256, 256)) == (
        "a red house\n"
        "Negative prompt: fog\n"
        "Steps: 20, Sampler: Euler, CFG scale: 4, Seed: 8, Size: 256x256, Model: postcard, "
        "Denoising strength: 0.6"
    )


def test_what_was_on_top_is_told_for_the_next_time() -> None:
    told = made() | {"loras": {"style, old": -0.5, "ink": 1.0}, "embeddings": ["barn"]}
    assert recipes.parameters(told, 0, (8, 8)).endswith(
        ', LoRAs: "style, old: -0.5, ink: 1", Embeddings: "barn"'
    )
    assert "LoRA" not in recipes.parameters(made() | {"loras": {}, "embeddings": []}, 0, (8, 8))


def test_a_sweep_tells_each_pictures_own_strength() -> None:
    recipe = made(strengths=(0.4, 0.8))
    recipe["notes"]["strengths"] = [0.4, 0.8]
    recipe["seeds"] = [7, 7]
    assert recipes.parameters(recipe, 1, (8, 8)).endswith("Denoising strength: 0.8")


def test_the_recipe_is_json_and_tells_pictures_by_their_hash() -> None:
    recipe = json.loads(json.dumps(made(strengths=(0.4, 0.8))))
    asked = recipe["request"]
    assert asked["image"]["size"] == [32, 16] and len(asked["image"]["sha256"]) == 64
    assert asked["mask_image"] is None and asked["strengths"] == [0.4, 0.8]
    other = SDEdit(image=Image.new("RGB", (32, 16), "blue"))
    assert recipes.of("Paint", "m", other)["request"]["image"] != asked["image"]


def test_a_recipe_tells_its_version_and_the_first_is_still_read(tmp_path: Path) -> None:
    recipe = made(strength=0.62, num_inference_steps=20)
    assert recipe["version"] == 2
    first = {**json.loads(json.dumps(recipe)), "version": 1}
    assert recipes.parameters(first, 0, (8, 8)) == recipes.parameters(recipe, 0, (8, 8))
    with closing(History(tmp_path)) as history:
        saved = history.save(history.new_id(), "someone", first, {"0.png": b""})
    (tmp_path / "index.sqlite").unlink()
    with closing(History(tmp_path)) as history:  # from the folder alone
        (read,) = history.list("someone")
    assert read.id == saved.id and not read.missing
    assert (read.recipe["version"], read.recipe["request"]["strength"]) == (1, 0.62)


def test_a_png_holds_its_pixels_and_its_recipe_and_nothing_else() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
    image = Image.fromarray(noise)
    image.info["comment"] = "private"
    with Image.open(BytesIO(recipes.png(image, made(prompt="a café 🏠"), 0))) as read:
        assert np.array_equal(np.asarray(read), noise)
        assert set(read.info) == {recipes.CHUNK, "parameters"}
        told = json.loads(read.info[recipes.CHUNK])
        assert told["request"]["prompt"] == "a café 🏠" and told["index"] == 0
        assert read.info["parameters"].startswith("a café 🏠\n")
        assert "visitor" not in told
    with Image.open(BytesIO(recipes.png(image))) as bare:
        assert not bare.info


@pytest.mark.parametrize(
    ("report", "figures", "wanted"),
    [
        (
            Report(scheduler="ddim", unknown_words=["zeppelin"], note="DPM++ ran."),
            {"strength": 0.5, "steps": 3, "distance_to_guide": 1.5},
            {
                "scheduler": "ddim",
                "unknown_words": ["zeppelin"],
                "note": "DPM++ ran.",
                "strengths": [0.5],
                "steps": [3],
                "distance_to_guide": [1.5],
            },
        ),
        (
            BlendedReport(scheduler="euler", steps=4, ranking=[0], crop=(1, 2, 3, 4)),
            {"agreement": 0.25, "changed_inside": 1.0, "changed_outside": 0},
            {
                "scheduler": "euler",
                "unknown_words": [],
                "steps": 4,
                "ranking": [0],
                "crop": [1, 2, 3, 4],
                "agreement": [0.25],
                "changed_inside": [1.0],
                "changed_outside": [0],
            },
        ),
        (
            PromptToPromptReport(
                scheduler="ddim",
                steps=2,
                inversion="direct",
                reconstruction_psnr=30.0,
                ceiling_psnr=33.0,
                attention=Legend([["a"]], (16, 8), 2, [[0.5]]),
            ),
            {"change": Change("same", "The same words.", 0.0, 0.0, None)},
            {
                "scheduler": "ddim",
                "unknown_words": [],
                "steps": 2,
                "inversion": "direct",
                "reconstruction_psnr": 30.0,
                "ceiling_psnr": 33.0,
                "attention": {"words": [["a"]], "size": [16, 8], "steps": 2, "peaks": [[0.5]]},
                "edits": [
                    {
                        "kind": "same",
                        "said": "The same words.",
                        "changed": 0.0,
                        "distance": 0.0,
                        "where": None,
                    }
                ],
            },
        ),
    ],
)
def test_the_figures_keep_their_names_in_a_recipe(
    report: Report, figures: dict[str, Any], wanted: dict[str, Any]
) -> None:
    image = Image.new("RGB", (1, 1))
    told = recipes.notes(Edit([Result(make=in_memory(image), seed=7, **figures)], report))
    assert json.loads(json.dumps(told)) == wanted
