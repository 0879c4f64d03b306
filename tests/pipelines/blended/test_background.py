"""What surrounds an edit: shifted tones put right, Poisson blending, decoder tuning."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines import Bundle
from pipelines.blended import background, tuning
from pipelines.core.noise import generators
from tests import toys


def noise(size: tuple[int, int] = (48, 48), seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(60, 190, (*size[::-1], 3), np.uint8)
    return Image.fromarray(pixels)


def box(x: int, y: int, right: int, bottom: int, size: tuple[int, int] = (48, 48)) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, (x, y, right, bottom))
    return mask


def shifted(picture: Image.Image, by: Any) -> Image.Image:
    return Image.fromarray((np.asarray(picture, int) + by).clip(0, 255).astype(np.uint8))


def apart(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


def test_a_constant_shift_of_tone_is_undone_also_under_the_mask() -> None:
    picture = noise()
    drawn = shifted(picture, (12, -9, 4))
    assert apart(background.toned(drawn, picture, box(10, 10, 40, 40)), picture) <= 1


def test_a_sloping_shift_is_undone_at_the_rim() -> None:
    picture = Image.new("RGB", (96, 96), (120, 120, 120))
    slope = np.linspace(-20, 20, 96)[None, :, None]
    fixed = background.toned(shifted(picture, slope), picture, box(30, 30, 66, 66, (96, 96)))
    rim = np.asarray(fixed, int)[48, [30, 31, 64, 65]] - 120
    assert np.abs(rim).max() <= 4


def test_what_was_drawn_keeps_its_detail() -> None:
    picture = Image.new("RGB", (48, 48), (100, 100, 100))
    drawn = picture.copy()
    drawn.paste((200, 40, 40), (20, 20, 28, 28))
    assert apart(background.toned(drawn, picture, box(16, 16, 32, 32)), drawn) <= 1


def test_a_full_mask_has_no_known_tones() -> None:
    drawn = noise(seed=3)
    assert background.toned(drawn, noise(), Image.new("L", (48, 48), 255)) is drawn


@pytest.mark.parametrize(
    "mask",
    [box(10, 12, 30, 25), box(0, 0, 20, 20), box(30, 5, 48, 48), box(0, 10, 48, 31)],
    ids=["inside", "corner", "far corner", "across"],
)
def test_poisson_keeps_gradients_and_takes_the_tone_of_the_rim(mask: Image.Image) -> None:
    assert background.solvable(mask)
    picture = Image.effect_noise((48, 48), 20).convert("RGB")
    cloned = background.cloned(shifted(picture, 25), picture, mask)
    assert cloned.size == picture.size
    outside = np.asarray(mask) == 0
    assert (np.asarray(cloned)[outside] == np.asarray(picture)[outside]).all()
    assert apart(cloned, picture) <= 3


@pytest.mark.parametrize("mask", [box(5, 5, 6, 6), box(47, 0, 48, 48), Image.new("L", (48, 48), 9)])
def test_poisson_says_where_it_cannot(mask: Image.Image) -> None:
    assert not background.solvable(mask)


@pytest.fixture(params=["kl", "tiny"])
def bundle(request: Any, tmp_path: Any) -> Bundle:
    pipe = toys.tiny_pipeline(tmp_path)
    if request.param == "tiny":
        from diffusers import AutoencoderTiny

        options: dict[str, Any] = {
            "encoder_block_out_channels": (8, 8),
            "decoder_block_out_channels": (8, 8),
            "num_encoder_blocks": (1, 1),
            "num_decoder_blocks": (1, 1),
            "latent_channels": 4,
        }
        pipe.vae = AutoencoderTiny(**options)
    return Bundle.of(pipe)


def outside_error(picture: Image.Image, source: Image.Image, mask: Image.Image) -> float:
    outside = np.asarray(mask) == 0
    return float(((np.asarray(picture, float) - np.asarray(source, float))[outside] ** 2).mean())


def test_tuning_brings_the_background_nearer_and_leaves_the_decoder_alone(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "STEPS", 12)
    monkeypatch.setattr(tuning, "RATE", 1e-3)
    source, mask = noise((32, 32)), box(8, 8, 20, 20, (32, 32))
    latents = bundle.encode(source, generators([1, 2]))
    before = {name: value.clone() for name, value in bundle.vae.state_dict().items()}
    plain = bundle.decode(latents)
    run = tuning.tuned(
        bundle, latents, source, mask, lambda pictures: dict(zip("ab", pictures, strict=True))
    )
    seen: list[int] = []
    views: dict[str, Image.Image] = {}
    while True:
        try:
            step = next(run)
        except StopIteration as end:
            tuned = end.value
            break
        assert step.phase == "tuning"
        assert torch.is_grad_enabled()
        seen.append(step.moment.index)
        views = step.view()
    assert seen == list(range(1, 25))
    assert set(views) == {"a", "b"}
    for row in (0, 1):
        assert outside_error(tuned[row], source, mask) < outside_error(plain[row], source, mask)
    assert all(torch.equal(value, before[name]) for name, value in bundle.vae.state_dict().items())
    assert not any(each.requires_grad or each.grad is not None for each in bundle.vae.parameters())


def test_tuning_takes_the_papers_steps_and_weight() -> None:
    """75 steps of Adam at 1e-4; a pixel of the background weighs 100 times one of the edit."""
    assert (tuning.STEPS, tuning.RATE) == (75, 1e-4)
    canvas = torch.nn.Parameter(torch.zeros(1, 3, 2, 2))
    kept = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    optimizer = torch.optim.SGD([canvas], lr=6.0)  # of 12 values: each step is -(2 / 12) * 6 = -1
    descend = tuning._descend  # pyright: ignore[reportPrivateUsage]
    z = torch.zeros(1, 1, 2, 2)
    descend(lambda z: canvas + 0 * z, z, torch.ones(1, 3, 2, 2), kept, optimizer)
    torch.testing.assert_close(canvas.data, (1 + 99 * kept).expand(1, 3, 2, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_tuning_that_is_stopped_leaves_the_decoder_alone(
    bundle: Bundle, dtype: torch.dtype
) -> None:
    source = noise((32, 32))
    bundle.vae.to(dtype)
    before = {name: value.clone() for name, value in bundle.vae.state_dict().items()}
    latents = bundle.encode(source, generators([1]))
    run = tuning.tuned(bundle, latents, source, box(8, 8, 20, 20, (32, 32)), lambda _: {})
    next(run)
    run.close()
    assert all(torch.equal(value, before[name]) for name, value in bundle.vae.state_dict().items())
    assert not any(each.requires_grad or each.grad is not None for each in bundle.vae.parameters())
