"""Blended with hard masks on the cells' grid gives what diffusers' own inpainting gives."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline, StableDiffusionPipeline
from PIL import Image

from pipelines import (
    Blended,
    Bundle,
    PromptEdit,
    PromptToPrompt,
    SDEdit,
    blended,
    drain,
    prompt_to_prompt,
    sdedit,
)
from pipelines.core import noise, solvers
from tests import toys
from tests.conftest import POSTCARD
from tests.pipelines.test_parity import compare, theirs

STEPS = 5  # divides 1000: elsewhere DDIM lands beside the next timestep, where diffusers blends
WORDS = "a red house"
# Heun calls the network twice a step, and diffusers blends after the first half as well.
CASES = [
    (name, kind)
    for kind, config in toys.CONFIGS.items()
    for name in solvers.CLASSES
    if name in solvers.offered(config) and name != "heun"
]


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return toys.tiny_pipeline(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def inpainting_pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return toys.tiny_pipeline(tmp_path_factory.mktemp("tiny"), in_channels=9)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((32, 32))


@pytest.fixture(scope="module")
def mask() -> Image.Image:
    """Whole cells of two pixels."""
    made = Image.new("L", (32, 32))
    made.paste(255, (6, 10, 22, 28))
    made.paste(255, (24, 0, 26, 2))
    return made


def compared(
    pipe: Any, picture: Image.Image, mask: Image.Image, name: str, kind: str, strength: float
) -> None:
    config = toys.CONFIGS[kind]
    inpaint: Any = StableDiffusionInpaintPipeline(**pipe.components, requires_safety_checker=False)
    inpaint.set_progress_bar_config(disable=True)
    theirs_, kept, options = theirs(inpaint, name, config)
    settings: dict[str, Any] = {
        "num_inference_steps": STEPS,
        "guidance_scale": 4.0,
        "negative_prompt": "dark",
        "strength": strength,
    }
    theirs_(
        WORDS, image=picture, mask_image=mask, height=32, width=32,
        generator=noise.generators([9])[0], **settings, **options,
    )  # fmt: skip

    bundle = Bundle.of(pipe)
    bundle.scheduler_config = dict(config)
    request = Blended(
        image=picture, mask_image=mask, prompt=WORDS, scheduler=name, seed=9, **settings
    )
    compare(name, [step.latents for step in blended(bundle, request)], kept)


@pytest.mark.parametrize("strength", [0.6, 1.0])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_blending_is_diffusers_inpainting(
    pipe: Any, picture: Image.Image, mask: Image.Image, name: str, kind: str, strength: float
) -> None:
    compared(pipe, picture, mask, name, kind, strength)


@pytest.mark.parametrize("strength", [0.6, 1.0])
@pytest.mark.parametrize("name", ["ddim", "ddpm", "euler_ancestral", "unipc"])
def test_an_inpainting_unet_is_told_what_diffusers_tells_it(
    inpainting_pipe: Any, picture: Image.Image, mask: Image.Image, name: str, strength: float
) -> None:
    assert Bundle.of(inpainting_pipe).inpaints
    compared(inpainting_pipe, picture, mask, name, "epsilon", strength)


def test_a_full_mask_draws_what_plain_generation_draws(postcard: Bundle) -> None:
    plain: Any = StableDiffusionPipeline.from_pretrained(str(POSTCARD))
    plain.set_progress_bar_config(disable=True)
    side = postcard.size
    settings: dict[str, Any] = {"num_inference_steps": 4, "guidance_scale": 3.0}
    drawn = plain(
        WORDS, generator=torch.Generator().manual_seed(4), height=side, width=side, **settings
    ).images[0]
    request = Blended(
        image=Image.new("RGB", (side, side), "teal"),
        mask_image=Image.new("L", (side, side), 255),
        prompt=WORDS,
        seed=4,
        **settings,
    )
    (ours,) = drain(blended(postcard, request)).images
    difference = np.abs(np.asarray(drawn, int) - np.asarray(ours, int)).max()
    assert difference <= 1, f"pixels differ by {difference}"


def test_an_inpainting_unet_that_is_told_no_mask_may_draw_everywhere(
    inpainting_pipe: Any, picture: Image.Image
) -> None:
    """As diffusers tells it of a full mask; so it paints and compares like any other."""
    bundle = Bundle.of(inpainting_pipe)
    words = bundle.embed("a cat", picture.size)
    x, t = torch.randn(1, 4, 16, 16), torch.tensor(500)
    gray = Image.new("RGB", picture.size, (128, 128, 128))
    kept = bundle.encode(gray, [], torch.ones(1, 1, 16, 16))
    told = torch.cat([x, torch.ones(1, 1, 16, 16), kept], dim=1)
    assert torch.equal(bundle.predict(x, t, words), bundle.predict(told, t, words))
    painted = drain(sdedit(bundle, SDEdit(image=picture, prompt="a cat", num_inference_steps=2)))
    assert painted.images[0].size == picture.size
    asked = PromptToPrompt(
        image=picture, prompt="a cat", edits=(PromptEdit(prompt="a dog"),), num_inference_steps=2
    )
    assert len(drain(prompt_to_prompt(bundle, asked)).images) == 2
