"""When memory is short: the same pictures, a row and a picture at a time."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines import (
    Blended,
    Bundle,
    PromptEdit,
    PromptToPrompt,
    Request,
    SDEdit,
    blended,
    drain,
    prompt_to_prompt,
    sdedit,
)
from pipelines.core.sampling import Run
from pipelines.edit import Report
from tests.toys import EPSILON, tiny_pipeline, tiny_xl_pipeline

WORDS: dict[str, Any] = {"prompt": "a red house", "num_inference_steps": 3}
PICTURE = Image.effect_noise((32, 32), 80).convert("RGB")
MASK = Image.new("L", (32, 32))
MASK.paste(255, (8, 8, 24, 24))
METHODS: dict[str, tuple[Callable[[Bundle, Any], Run[Report]], Callable[[], Any]]] = {
    "paint": (sdedit, partial(SDEdit, image=PICTURE, num_images=3, **WORDS)),
    "replace": (blended, partial(Blended, image=PICTURE, mask_image=MASK, num_images=2, **WORDS)),
    "compare": (
        prompt_to_prompt,
        partial(
            PromptToPrompt,
            edits=(PromptEdit(prompt="a blue house"), PromptEdit(prompt="a red barn")),
            **WORDS,
        ),
    ),
}


@pytest.fixture(params=[partial(tiny_pipeline, scheduler=EPSILON), tiny_xl_pipeline])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Bundle:
    return Bundle.of(request.param(tmp_path))


@pytest.mark.parametrize("name", METHODS)
def test_it_is_the_same_picture_in_smaller_parts(name: str, bundle: Bundle) -> None:
    method, asked = METHODS[name]
    whole, at_once = counted(bundle, method, asked())
    parts, in_parts = counted(bundle.sparing(), method, asked())
    for one, other in zip(parts, whole, strict=True):
        assert np.abs(np.asarray(one, int) - np.asarray(other, int)).max() <= 1
    most = 4 if name == "compare" else 1  # a source and one edit, guided
    assert max(in_parts) == most < max(at_once)
    assert not bundle.spares
    assert not bundle.vae.use_tiling and not bundle.vae.use_slicing


def counted(
    bundle: Bundle, method: Callable[[Bundle, Any], Run[Report]], request: Request
) -> tuple[Sequence[Image.Image], list[int]]:
    """The pictures, and the rows of each call of the denoiser."""
    rows: list[int] = []
    hook = bundle.denoiser.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    try:
        return drain(method(bundle, request)).images, rows
    finally:
        hook.remove()


def test_the_autoencoder_takes_one_picture_at_a_time_and_is_left_as_it_was(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    forward = bundle.vae.decoder.forward

    def decoder(latents: torch.Tensor, *given: object) -> torch.Tensor:
        seen.append(len(latents))
        assert bundle.vae.use_tiling
        return forward(latents, *given)

    monkeypatch.setattr(bundle.vae.decoder, "forward", decoder)
    bundle.sparing().decode(torch.zeros(3, 4, 16, 16))
    assert seen == [1, 1, 1]
    assert not bundle.vae.use_tiling and not bundle.vae.use_slicing
