"""SDEdit's laws, on a small random model of the real architecture."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from pipelines import Bundle, SDEdit, drain, sdedit
from pipelines.core import solvers
from pipelines.sdedit import halved, strokes
from tests import toys
from tests.pictures import same

Ask = Callable[..., SDEdit]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.of(toys.tiny_pipeline(tmp_path_factory.mktemp("tiny")), "tiny")


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    rng = np.random.default_rng(2)
    return Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((32, 32))


@pytest.fixture
def ask(picture: Image.Image) -> Ask:
    def ask(**changes: Any) -> SDEdit:
        settings: dict[str, Any] = {
            "image": picture,
            "prompt": "a house",
            "num_inference_steps": 6,
            "guidance_scale": 2.0,
            "seed": 5,
            **changes,
        }
        return SDEdit(**settings)

    return ask


def spot(size: tuple[int, int], box: tuple[int, int, int, int], value: int = 255) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle(box, fill=value)
    return mask


def latents(bundle: Bundle, request: SDEdit) -> torch.Tensor:
    return [step.latents for step in sdedit(bundle, request)][-1]


@pytest.mark.alone
def test_the_same_request_gives_the_same_picture_bit_for_bit(bundle: Bundle, ask: Ask) -> None:
    first = drain(sdedit(bundle, ask(scheduler="euler_ancestral")))
    stopped = sdedit(bundle, ask(prompt="something else", seed=8))
    next(stopped)
    stopped.close()
    again = drain(sdedit(bundle, ask(scheduler="euler_ancestral")))
    assert same(first.images[0], again.images[0])
    other = drain(sdedit(bundle, ask(scheduler="euler_ancestral", seed=6)))
    assert not same(first.images[0], other.images[0])


@pytest.mark.parametrize("size", [(32, 32), (50, 40)])
def test_strength_zero_returns_the_input(bundle: Bundle, ask: Ask, size: tuple[int, int]) -> None:
    image = Image.effect_noise(size, 80).convert("RGB")
    edit = drain(sdedit(bundle, ask(image=image, strength=0.0)))
    if size == (32, 32):
        assert same(edit.images[0], image)
    masked = ask(image=image, strength=0.0, mask_image=spot(size, (3, 3, 20, 20)))
    assert same(drain(sdedit(bundle, masked)).images[0], image)


def test_an_empty_mask_returns_the_input_and_says_so(
    bundle: Bundle, ask: Ask, picture: Image.Image
) -> None:
    edit = drain(sdedit(bundle, ask(mask_image=Image.new("L", (32, 32)), num_images=2)))
    assert all(same(each, picture) for each in edit.images)
    assert len(edit.images) == 2
    assert "empty" in edit.report.note


@pytest.mark.parametrize("name", solvers.CLASSES)
@pytest.mark.parametrize("value", [255, 120])
def test_outside_the_mask_are_the_originals_own_pixels(
    bundle: Bundle, ask: Ask, name: str, value: int
) -> None:
    image = Image.effect_noise((75, 51), 90).convert("RGB")
    mask = spot(image.size, (20, 10, 45, 30), value)
    edit = drain(sdedit(bundle, ask(image=image, mask_image=mask, scheduler=name)))
    (result,) = edit.images
    assert result.size == image.size
    before, after = np.asarray(image, int), np.asarray(result, int)
    outside = np.asarray(mask) == 0
    assert (before[outside] == after[outside]).all()
    assert np.abs(before - after)[~outside].mean() > 1


def test_the_kept_latents_end_as_the_source(bundle: Bundle, ask: Ask, picture: Any) -> None:
    mask = spot((32, 32), (0, 0, 15, 31))
    end = latents(bundle, ask(mask_image=mask, scheduler="ddim"))
    source = bundle.encode(picture, [torch.Generator().manual_seed(5)])
    assert torch.equal(end[..., 8:], source[..., 8:])
    assert not torch.equal(end[..., :8], source[..., :8])


@pytest.mark.parametrize("name", solvers.CLASSES)
def test_a_full_mask_equals_no_mask(bundle: Bundle, ask: Ask, name: str) -> None:
    full = ask(mask_image=Image.new("L", (32, 32), 255), scheduler=name)
    assert torch.equal(latents(bundle, full), latents(bundle, ask(scheduler=name)))


@pytest.mark.parametrize("steps", [4, 10, 20])
@pytest.mark.parametrize("gray", [51, 128, 204])
@pytest.mark.parametrize("name", ["ddim", "euler", "heun"])
def test_a_gray_cell_joins_at_its_share_of_the_strength(
    bundle: Bundle, ask: Ask, picture: Image.Image, name: str, gray: int, steps: int
) -> None:
    """From the first step that starts with no more noise than gray times strength has.

    So a mask of one gray is a run without a mask that begins there; none, where all start higher.
    """
    mask = Image.new("L", (32, 32), gray)
    asked = {"scheduler": name, "num_inference_steps": steps}
    for strength in (1.0, 0.7):
        grid = solvers.make(name, bundle.scheduler_config, steps).grid
        most = grid.start(gray / 255 * strength).level.noise
        last = sum(level.noise <= most for level in grid.levels[:-1])
        end = latents(bundle, ask(mask_image=mask, strength=strength, **asked))
        if last == 0:
            alone = bundle.encode(picture, [torch.Generator().manual_seed(5)])
        else:
            alone = latents(bundle, ask(strength=last / steps, **asked))
        assert (end - alone).abs().max() <= 1e-5 * alone.abs().max()


@pytest.mark.parametrize("name", ["ddim", "euler", "dpmpp_2m"])
def test_a_sweep_under_a_soft_mask_is_each_of_its_strengths(
    bundle: Bundle, ask: Ask, name: str
) -> None:
    mask = spot((32, 32), (0, 0, 15, 31), 90)
    ImageDraw.Draw(mask).rectangle((0, 0, 31, 9), fill=200)
    strengths = (0.3, 0.95, 0.62)
    together = drain(sdedit(bundle, ask(mask_image=mask, strengths=strengths, scheduler=name)))
    for strength, image in zip(strengths, together.images, strict=True):
        alone = drain(sdedit(bundle, ask(mask_image=mask, strength=strength, scheduler=name)))
        away = np.abs(np.asarray(image, int) - np.asarray(alone.images[0], int))
        assert away.max() <= 1


def test_a_one_pixel_mask_changes_that_pixel_only(bundle: Bundle, ask: Ask) -> None:
    request = ask(mask_image=spot((32, 32), (13, 6, 13, 6)), strength=1.0)
    (result,) = drain(sdedit(bundle, request)).images
    changed = np.argwhere((np.asarray(result) != np.asarray(request.image)).any(-1))
    assert changed.tolist() == [[6, 13]]


@pytest.mark.parametrize("name", solvers.CLASSES)
def test_a_row_of_a_sweep_equals_its_single_run(bundle: Bundle, ask: Ask, name: str) -> None:
    strengths = (0.5, 0.0, 0.9, 0.2, 0.5, 0.21, 0.04)
    swept = drain(sdedit(bundle, ask(strengths=strengths, scheduler=name)))
    assert swept.seeds == [5] * 7
    assert [each.steps for each in swept.results] == [3, 0, 6, 2, 3, 2, 1]
    for strength, row in zip(strengths, swept.images, strict=True):
        (single,) = drain(sdedit(bundle, ask(strength=strength, scheduler=name))).images
        difference = np.abs(np.asarray(row, int) - np.asarray(single, int)).max()
        assert difference <= 1, f"strength {strength} differs by {difference}"


def test_a_sweep_runs_one_step_solvers_as_one_batch_and_others_in_turn(
    bundle: Bundle, ask: Ask
) -> None:
    strengths = (1 / 3, 2 / 3, 1.0)  # 2, 4 and 6 of 6 steps
    batched = list(sdedit(bundle, ask(strengths=strengths, scheduler="ddim")))
    assert [len(step.latents) for step in batched] == [1, 1, 2, 2, 3, 3]
    assert [step.moment.index for step in batched] == [1, 2, 3, 4, 5, 6]
    assert set(batched[-1].view()) == {"0", "1", "2"}
    in_turn = list(sdedit(bundle, ask(strengths=strengths, scheduler="dpmpp_2m")))
    assert [step.moment.total for step in in_turn] == [6] * 6 + [4] * 4 + [2] * 2
    assert set(in_turn[-1].view()) == {"0"}


def test_a_row_that_joins_between_two_steps_takes_its_first_one_alone(
    bundle: Bundle, ask: Ask
) -> None:
    strengths = (0.4, 0.75, 1.0)  # 2.4, 4.5 and 6 of 6 steps
    steps = list(sdedit(bundle, ask(strengths=strengths, scheduler="ddim")))
    assert [len(step.latents) for step in steps] == [1, 1, 1, 2, 2, 1, 3, 3]
    assert [step.moment.index for step in steps] == [1, 2, 2, 3, 4, 4, 5, 6]
    assert all(step.moment.total == 6 for step in steps)
    for step, row in ((steps[2], "1"), (steps[5], "0")):
        assert set(step.view()) == {row}
        assert step.moment.here.noise < steps[0].moment.here.noise


@pytest.mark.parametrize("name", ["ddim", "euler_ancestral", "dpmpp_2m"])
def test_a_variation_equals_its_own_seed_alone(bundle: Bundle, ask: Ask, name: str) -> None:
    several = drain(sdedit(bundle, ask(num_images=3, scheduler=name, seed=2**32 - 2)))
    assert several.seeds == [2**32 - 2, 2**32 - 1, 0]
    for seed, image in zip(several.seeds, several.images, strict=True):
        (single,) = drain(sdedit(bundle, ask(seed=seed, scheduler=name))).images
        assert np.abs(np.asarray(image, int) - np.asarray(single, int)).max() <= 1


def test_repeats_start_from_the_result_before(bundle: Bundle, ask: Ask) -> None:
    twice = list(sdedit(bundle, ask(repeats=2)))
    once = list(sdedit(bundle, ask()))
    assert [step.phase for step in twice] == ["pass 1 of 2"] * 5 + ["pass 2 of 2"] * 5
    assert torch.equal(twice[4].latents, once[4].latents)
    assert not torch.equal(twice[-1].latents, once[-1].latents)


def test_eta_makes_ddim_stochastic(bundle: Bundle, ask: Ask) -> None:
    still = latents(bundle, ask(scheduler="ddim"))
    moved = latents(bundle, ask(scheduler="ddim", eta=1.0))
    assert not torch.allclose(still, moved)


def test_each_step_yields_once_and_the_networks_stay_as_loaded(bundle: Bundle, ask: Ask) -> None:
    before = {name: value.clone() for name, value in bundle.denoiser.state_dict().items()}
    processors = dict(bundle.denoiser.attn_processors)
    seen: list[int] = []
    for step in sdedit(bundle, ask(strength=1.0)):
        seen.append(step.moment.index)
        assert bundle.denoiser.attn_processors == processors
    assert seen == [1, 2, 3, 4, 5, 6]
    assert all(
        torch.equal(value, before[name]) for name, value in bundle.denoiser.state_dict().items()
    )


def test_no_gradient_mode_leaks_between_steps(bundle: Bundle, ask: Ask) -> None:
    run = sdedit(bundle, ask())
    next(run)
    assert torch.is_grad_enabled()
    run.close()
    assert torch.is_grad_enabled()


def test_the_preview_keeps_the_original_outside_the_mask(
    bundle: Bundle, ask: Ask, picture: Image.Image
) -> None:
    mask = spot((32, 32), (0, 0, 15, 31))
    view = next(sdedit(bundle, ask(mask_image=mask))).view()["0"]
    assert same(view.crop((16, 0, 32, 32)), picture.crop((16, 0, 32, 32)))
    assert not same(view.crop((0, 0, 16, 32)), picture.crop((0, 0, 16, 32)))


def test_the_result_has_the_size_the_model_works_at_and_the_aspect(
    bundle: Bundle, ask: Ask
) -> None:
    (result,) = drain(sdedit(bundle, ask(image=Image.new("RGB", (200, 100), "red")))).images
    assert result.width == 2 * result.height
    assert result.width * result.height <= bundle.size**2
    assert result.width % bundle.multiple == result.height % bundle.multiple == 0


def test_the_report_tells_what_ran(bundle: Bundle, ask: Ask) -> None:
    edit = drain(sdedit(bundle, ask(strength=0.5)))
    assert (edit.report.scheduler, edit.report.unknown_words) == ("ddim", [])
    (only,) = edit.results
    assert (only.strength, only.steps) == (0.5, 3)
    assert only.distance_to_guide is not None and only.distance_to_guide > 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image": None}, "paint something first"),
        ({"mask_image": Image.new("L", (31, 32))}, "31×32.*32×32"),
        ({"strength": 1.2}, "between 0 and 1"),
        ({"strength": float("nan")}, "must be a number"),
        ({"strength": True}, "must be a number"),
        ({"num_inference_steps": 3.5}, "whole number"),
        ({"seed": -1}, "Seed must lie between"),
        ({"seed": 2**32}, "Seed must lie between"),
        ({"seed": 10**5000}, "Seed must lie between"),
        ({"scheduler": "pndm"}, "must be one of"),
        ({"prompt": 7}, "must be text"),
        ({"prompt": "a" * 3000}, "too many"),
        ({"strengths": (0.1,) * 9}, "At most 8"),
        ({"strengths": (0.1, 2.0)}, "between 0 and 1"),
        ({"strengths": (0.5,), "num_images": 2}, "not both"),
        ({"eta": 0.5, "scheduler": "euler"}, "choose DDIM"),
        ({"image": "house.png"}, "must be a picture"),
    ],
)
def test_a_bad_request_is_refused_with_a_sentence(
    ask: Ask, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        ask(**changes)


def test_the_stroke_simulator_is_the_papers() -> None:
    """Meng et al., appendix: a median filter of 23 pixels at 256, then 6 colours."""
    simulated = inspect.signature(strokes).parameters
    assert (simulated["kernel"].default, simulated["colors"].default) == (23, 6)


def test_strokes_are_few_flat_colours(tmp_path: Path) -> None:
    photo = Image.effect_noise((256, 256), 60).convert("RGB")
    ImageDraw.Draw(photo).ellipse((60, 60, 200, 200), fill=(200, 40, 30))
    painted = strokes(photo)
    assert painted.size == photo.size
    assert len(painted.getcolors() or [None] * 7) <= 6
    assert painted.getpixel((130, 130)) == pytest.approx((200, 40, 30), abs=6)
    small = strokes(photo.resize((8, 8)), colors=3)
    assert len(small.getcolors() or [None] * 7) <= 3


def test_the_search_for_strength_halves_what_is_left() -> None:
    assert halved(0.5, 0.0, 1.0, "strokes") == (0.25, 0.0, 0.5)
    assert halved(0.25, 0.0, 0.5, "realistic") == (0.375, 0.25, 0.5)
