"""The same latents, scheduler and weights give what diffusers' own pipelines give."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
)
from PIL import Image
from torch import Tensor

from pipelines import Bundle, SDEdit, drain, sdedit
from pipelines.core import noise, solvers
from pipelines.core.guidance import guided
from pipelines.core.sampling import walk
from tests import toys
from tests.conftest import POSTCARD
from tests.pairs import pairwise

BOUND = 1e-5  # of the largest latent
STEPS = 6
WORDS = "a red house"
NAMES = list(solvers.CLASSES)
CASES = [
    (name, kind)
    for kind, config in toys.CONFIGS.items()
    for name in NAMES
    if name in solvers.offered(config)
]


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    made = toys.tiny_pipeline(tmp_path_factory.mktemp("tiny"))
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((32, 32))


def theirs(
    pipe: Any, name: str, config: solvers.Config
) -> tuple[Any, list[Tensor], dict[str, Any]]:
    """diffusers' pipeline with its scheduler, and a callback that keeps its latents."""
    pipe.scheduler = getattr(diffusers, solvers.CLASSES[name]).from_config(dict(config))
    kept: list[Tensor] = []

    def keep(pipe: Any, _i: int, _t: Tensor, values: dict[str, Tensor]) -> dict[str, Tensor]:
        scale = 1.0
        if name in solvers.EXPLODING:
            sigma = float(pipe.scheduler.sigmas[pipe.scheduler.step_index])
            scale = (1 + sigma**2) ** -0.5
        kept.append(values["latents"] * scale)
        return {}

    return pipe, kept, {"callback_on_step_end": keep, "output_type": "latent"}


def compare(name: str, ours: Sequence[Tensor], kept: Sequence[Tensor]) -> None:
    """Step by step, so that the first wrong one is named."""
    if name == "heun":  # diffusers reports both halves of a step
        kept = [*kept[1::2], kept[-1]] if len(kept) > 1 else kept
    assert len(ours) == len(kept)
    for step, (mine, other) in enumerate(zip(ours, kept, strict=True), start=1):
        error = float((mine - other).abs().max() / other.abs().max())
        assert error <= BOUND, f"step {step} of {len(ours)} differs by {error:.1e}"


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_plain_generation_is_diffusers(pipe: Any, name: str, kind: str) -> None:
    config = toys.CONFIGS[kind]
    theirs_, kept, options = theirs(pipe, name, config)
    theirs_(
        WORDS,
        num_inference_steps=STEPS,
        guidance_scale=4.0,
        generator=noise.generators([7, 8]),
        num_images_per_prompt=2,
        height=32,
        width=32,
        **options,
    )

    bundle = Bundle.of(pipe)
    generators = noise.generators([7, 8])
    solver = solvers.make(name, config, STEPS, generators=generators)
    words, without = bundle.embed(WORDS, (32, 32)), bundle.embed("", (32, 32), negative=True)
    x = solver.prior(noise.draw(generators, (4, 16, 16)))
    steps = walk(x, guided(bundle, words, without, 4.0), solver)
    compare(name, [step.latents for step in steps], kept)


def _compare_image_to_image(
    pipe: Any,
    picture: Image.Image,
    name: str,
    config: solvers.Config,
    strength: float,
    steps: int,
) -> None:
    image_to_image = StableDiffusionImg2ImgPipeline(
        **pipe.components, requires_safety_checker=False
    )
    image_to_image.set_progress_bar_config(disable=True)
    theirs_, kept, options = theirs(image_to_image, name, config)
    theirs_(
        WORDS,
        image=picture,
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=4.0,
        negative_prompt="dark",
        generator=noise.generators([9])[0],
        **options,
    )

    bundle = Bundle.of(pipe)
    bundle.scheduler_config = dict(config)
    request = SDEdit(
        image=picture,
        prompt=WORDS,
        negative_prompt="dark",
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=4.0,
        scheduler=name,
        seed=9,
    )
    compare(name, [step.latents for step in sdedit(bundle, request)], kept)


SCHEDULES: dict[str, dict[str, Any]] = {
    "its own": {},
    "leading": {"timestep_spacing": "leading"},
    "trailing": {"timestep_spacing": "trailing"},
    "linspace": {"timestep_spacing": "linspace"},
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
}
# 20 * 0.35 is 7.0 in floats and 1 - 0.35 is not 0.65: still the seven steps of diffusers.
WHOLE = [(0.5, 6), (1.0, 6), (0.35, 20)]


@pytest.mark.parametrize(
    ("name", "kind", "schedule", "part"),
    pairwise(
        {"name": NAMES, "kind": [*toys.CONFIGS], "schedule": [*SCHEDULES], "part": WHOLE},
        lambda name, kind, schedule, _part: (
            (name, kind) in CASES and (kind != "v_zero_snr" or schedule == "its own")
        ),
    ),
)
def test_where_the_steps_are_whole_image_to_image_is_diffusers(
    pipe: Any,
    picture: Image.Image,
    name: str,
    kind: str,
    schedule: str,
    part: tuple[float, int],
) -> None:
    config = {**toys.CONFIGS[kind], **SCHEDULES[schedule]}
    _compare_image_to_image(pipe, picture, name, config, *part)


@pytest.mark.parametrize("negative", ["", "dark"])
def test_image_to_image_is_diffusers_for_xl(tmp_path: Path, negative: str) -> None:
    pipe = toys.tiny_xl_pipeline(tmp_path)
    parts: dict[str, Any] = {
        **pipe.components,
        "force_zeros_for_empty_prompt": True,
        "add_watermarker": False,
    }
    image_to_image: Any = StableDiffusionXLImg2ImgPipeline(**parts)
    image_to_image.set_progress_bar_config(disable=True)
    guide = Image.effect_noise((32, 32), 90).convert("RGB")
    settings: dict[str, Any] = {"strength": 0.6, "num_inference_steps": 5, "guidance_scale": 3.0}
    theirs_ = image_to_image(
        WORDS,
        image=guide,
        negative_prompt=negative or None,
        generator=torch.Generator().manual_seed(2),
        output_type="latent",
        **settings,
    ).images

    bundle = Bundle.of(pipe)
    request = SDEdit(image=guide, prompt=WORDS, negative_prompt=negative, seed=2, **settings)
    ours = [step.latents for step in sdedit(bundle, request)][-1]
    assert (ours - theirs_).abs().max() <= BOUND * theirs_.abs().max()


@pytest.fixture(scope="module")
def embedded() -> StableDiffusionImg2ImgPipeline:
    """The embedded model as diffusers loads it."""
    loaded = StableDiffusionImg2ImgPipeline.from_pretrained(str(POSTCARD))
    loaded.set_progress_bar_config(disable=True)
    return loaded


def test_the_embedded_model_is_offered_what_knows_its_schedule(postcard: Bundle) -> None:
    assert solvers.offered(postcard.scheduler_config) == solvers.offered(toys.V_ZERO)


@pytest.mark.parametrize("name", [n for n in NAMES if n in solvers.offered(toys.V_ZERO)])
def test_the_embedded_model_draws_what_diffusers_draws(
    postcard: Bundle, embedded: StableDiffusionImg2ImgPipeline, name: str
) -> None:
    """Through the public surface: the same seed gives the same picture."""
    theirs_, _, _ = theirs(embedded, name, postcard.scheduler_config)
    side = postcard.size
    guide = Image.new("RGB", (side, side), (150, 190, 230))
    guide.paste((80, 140, 60), (0, side // 2, side, side))
    settings: dict[str, Any] = {"strength": 0.6, "num_inference_steps": 5, "guidance_scale": 3.0}
    drawn = theirs_(
        "a red house on a meadow",
        image=guide,
        generator=torch.Generator().manual_seed(4),
        **settings,
    ).images[0]
    request = SDEdit(
        image=guide, prompt="a red house on a meadow", scheduler=name, seed=4, **settings
    )
    (ours,) = drain(sdedit(postcard, request)).images
    difference = np.abs(np.asarray(drawn, int) - np.asarray(ours, int)).max()
    assert difference <= 1, f"pixels differ by {difference}"
