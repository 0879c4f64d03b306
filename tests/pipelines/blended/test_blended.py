"""Blended's laws, on a small random model of the real architecture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from pipelines import Blended, Bundle, blended, drain
from pipelines.blended import BACKGROUNDS, BlendedReport, tuning
from pipelines.core import solvers
from pipelines.edit import Edit
from pipelines.networks.unet import StableDiffusion
from tests import toys
from tests.pictures import same

Ask = Callable[..., Blended]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.of(toys.tiny_pipeline(tmp_path_factory.mktemp("tiny")), "tiny")


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    rng = np.random.default_rng(2)
    return Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((32, 32))


@pytest.fixture(autouse=True)
def few_tuning_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "STEPS", 2)


@pytest.fixture
def ask(picture: Image.Image) -> Ask:
    def ask(**changes: Any) -> Blended:
        settings: dict[str, Any] = {
            "image": picture,
            "prompt": "a house",
            "num_inference_steps": 6,
            "guidance_scale": 2.0,
            "seed": 5,
            **changes,
        }
        if "mask_image" not in settings:
            settings["mask_image"] = spot(settings["image"].size, (8, 6, 19, 21))
        return Blended(**settings)

    return ask


def spot(size: tuple[int, int], box: tuple[int, int, int, int], value: int = 255) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle(box, fill=value)
    return mask


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.effect_noise(size, 90).convert("RGB")


def latents(bundle: Bundle, request: Blended) -> list[torch.Tensor]:
    return [step.latents for step in blended(bundle, request) if step.phase == "denoising"]


def differing(one: Image.Image, other: Image.Image) -> np.ndarray:
    return (np.asarray(one) != np.asarray(other)).any(-1)


def inside(edit: Edit[BlendedReport]) -> list[float]:
    return [-1.0 if each.changed_inside is None else each.changed_inside for each in edit.results]


def outside(edit: Edit[BlendedReport]) -> list[int | None]:
    return [each.changed_outside for each in edit.results]


@pytest.mark.alone
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_the_same_request_gives_the_same_picture_bit_for_bit(
    bundle: Bundle, ask: Ask, background: str
) -> None:
    settings = {"scheduler": "euler_ancestral", "background": background}
    first = drain(blended(bundle, ask(**settings)))
    stopped = blended(bundle, ask(prompt="something else", seed=8, background="tune"))
    assert [next(stopped).phase for _ in range(7)][-1] == "tuning"
    stopped.close()
    assert same(first.images[0], drain(blended(bundle, ask(**settings))).images[0])
    other = drain(blended(bundle, ask(**settings, seed=6)))
    assert not same(first.images[0], other.images[0])


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"mask_image": Image.new("L", (32, 32))}, "empty"), ({"strength": 0.0}, "0")],
)
def test_nothing_to_do_returns_the_input_and_says_so(
    bundle: Bundle, ask: Ask, picture: Image.Image, changes: dict[str, Any], why: str
) -> None:
    edit = drain(blended(bundle, ask(num_images=2, **changes)))
    assert len(edit.images) == 2
    assert all(same(each, picture) for each in edit.images)
    assert why in edit.report.note
    assert inside(edit) == [0, 0] == outside(edit)


@pytest.mark.parametrize("name", solvers.CLASSES)
@pytest.mark.parametrize(("value", "background"), [(255, "paste"), (120, "poisson")])
def test_outside_the_mask_are_the_originals_own_pixels(
    bundle: Bundle, ask: Ask, name: str, value: int, background: str
) -> None:
    image = noise((75, 51))
    mask = spot(image.size, (20, 10, 52, 40), value)
    request = ask(image=image, mask_image=mask, scheduler=name, background=background)
    edit = drain(blended(bundle, request))
    (result,) = edit.images
    assert result.size == image.size
    changed, masked = differing(image, result), np.asarray(mask) > 0
    assert not changed[~masked].any()
    assert changed[masked].mean() > 0.9
    assert outside(edit) == [0]
    assert inside(edit) == [pytest.approx(changed[masked].mean())]


@pytest.mark.parametrize("background", ["none", "tune"])
def test_without_a_paste_the_surroundings_are_as_decoded_and_counted(
    bundle: Bundle, ask: Ask, picture: Image.Image, background: str
) -> None:
    edit = drain(blended(bundle, ask(background=background)))
    kept = np.asarray(edit.views["mask"]) == 0
    counted = int(differing(picture, edit.images[0])[kept].sum())
    assert outside(edit) == [counted]
    assert counted > kept.sum() / 2


@pytest.mark.parametrize("name", solvers.CLASSES)
def test_the_kept_latents_stand_at_the_level_reached_and_end_as_the_source(
    bundle: Bundle, ask: Ask, picture: Image.Image, name: str
) -> None:
    generator = torch.Generator().manual_seed(5)
    source = bundle.encode(picture, [generator])
    e = torch.randn(1, 4, 16, 16, generator=generator)
    steps = list(blended(bundle, ask(mask_image=spot((32, 32), (0, 0, 15, 31)), scheduler=name)))
    for step in steps[:-1]:
        signal, sigma = step.moment.next
        assert torch.allclose(step.latents[..., 8:], (signal * source + sigma * e)[..., 8:])
    assert torch.equal(steps[-1].latents[..., 8:], source[..., 8:])
    assert not torch.allclose(steps[-1].latents[..., :8], source[..., :8])


@pytest.mark.parametrize("name", solvers.CLASSES)
def test_below_strength_1_the_source_guides_the_result(bundle: Bundle, ask: Ask, name: str) -> None:
    """Scribbles: the weaker the strength, the nearer the result to what was painted."""
    source = bundle.encode(ask().image, [torch.Generator().manual_seed(5)])  # type: ignore[arg-type]
    distance = [
        float((latents(bundle, ask(strength=strength, scheduler=name))[-1] - source).norm())
        for strength in (0.17, 0.5, 1.0)
    ]
    assert distance == sorted(distance)


@pytest.mark.parametrize("name", ["ddim", "euler"])
@pytest.mark.parametrize(("strength", "gray"), [(1.0, 102), (0.5, 204)])
def test_gray_is_a_share_of_the_strength(
    bundle: Bundle, ask: Ask, name: str, strength: float, gray: int
) -> None:
    """All of gray g at strength s ends where all white at strength g s does: at a whole place."""
    asked: dict[str, Any] = {"scheduler": name, "num_inference_steps": 10}
    soft = ask(mask_image=Image.new("L", (32, 32), gray), strength=strength, **asked)
    white = ask(mask_image=Image.new("L", (32, 32), 255), strength=0.4, **asked)
    steps = [latents(bundle, each) for each in (soft, white)]
    assert len(steps[0]) > len(steps[1])
    assert torch.allclose(steps[0][-1], steps[1][-1], atol=1e-5)


@pytest.mark.parametrize("name", sorted(solvers.MULTISTEP))
def test_a_cell_that_joins_late_starts_from_the_noised_source(
    bundle: Bundle, ask: Ask, name: str
) -> None:
    """Also where a solver would correct the step before.

    The last step is of first order, and where it ends above level zero its start matters.
    """
    config = {**bundle.scheduler_config, "final_sigmas_type": "sigma_min"}
    parts = (bundle.vae, bundle.denoiser, bundle.tokenizers, bundle.text_encoders)
    bundle = StableDiffusion(*parts, config)
    asked: dict[str, Any] = {"scheduler": name, "num_inference_steps": 5}
    gray = ask(mask_image=Image.new("L", (32, 32), 51), strength=1.0, **asked)
    white = ask(mask_image=Image.new("L", (32, 32), 255), strength=0.2, **asked)
    assert torch.allclose(latents(bundle, gray)[-1], latents(bundle, white)[-1], atol=1e-5)


def test_in_one_picture_the_darker_gray_changes_less(bundle: Bundle, ask: Ask) -> None:
    mask = Image.new("L", (32, 32))
    for column, gray in enumerate((0, 60, 140, 255)):
        mask.paste(gray, (8 * column, 0, 8 * column + 8, 32))
    request = ask(mask_image=mask, scheduler="ddim", num_inference_steps=20)
    source = bundle.encode(request.image, [torch.Generator().manual_seed(5)])  # type: ignore[arg-type]
    change = (latents(bundle, request)[-1] - source).abs().mean((0, 1, 2)).unflatten(0, (4, 4))
    by_gray = change.mean(1).tolist()
    assert by_gray[0] == 0
    assert by_gray == sorted(by_gray)
    assert by_gray[1] > 0


@pytest.mark.parametrize("name", solvers.CLASSES)
@pytest.mark.parametrize(("steps", "strength"), [(1, 1.0), (4, 1.0), (4, 0.7), (10, 0.33)])
def test_a_gray_cell_joins_at_the_first_step_with_no_more_noise_than_its_strength(
    bundle: Bundle, ask: Ask, name: str, steps: int, strength: float
) -> None:
    """A strength's time lies between those of the places around N (1 - strength)."""
    whole = solvers.make(name, bundle.scheduler_config, steps)
    places = [float(moment.t) for moment in whole.moments]
    mask, grays = Image.new("L", (32, 32)), (0, 49, 64, 102, 128, 191, 206, 255)
    for column, gray in enumerate(grays):
        mask.paste(gray, (4 * column, 0, 4 * column + 4, 32))
    request = ask(
        mask_image=mask, scheduler=name, num_inference_steps=steps, strength=strength, crop="off"
    )
    generator = torch.Generator().manual_seed(5)
    source = bundle.encode(request.image, [generator])  # type: ignore[arg-type]
    e = torch.randn(1, 4, 16, 16, generator=generator)
    for step in blended(bundle, request):
        last = step.moment.index == step.moment.total
        signal, sigma = (1.0, 0.0) if last else step.moment.next
        changed = (step.latents - signal * source - sigma * e).abs().amax((0, 1, 2)) > 1e-4
        own = [steps * (1 - gray / 255 * strength) for gray in grays]
        times = np.interp(own, range(steps + 1), [*places, -1]).round().clip(0)
        joined = [g > 0 and bool(step.moment.t <= t) for g, t in zip(grays, times, strict=True)]
        assert changed.view(8, 2).all(1).tolist() == joined
        assert changed.view(8, 2).any(1).tolist() == joined


@pytest.mark.parametrize("shrink_steps", [0, 1, 4])
@pytest.mark.parametrize("steps", [1, 3, 12])
def test_a_thin_mask_begins_wide_and_ends_as_it_is(
    bundle: Bundle, ask: Ask, shrink_steps: int, steps: int
) -> None:
    """The widths of what differs from the noised source, step by step."""
    request = ask(
        mask_image=spot((32, 32), (16, 0, 16, 31)),  # one pixel wide
        shrink_steps=shrink_steps,
        num_inference_steps=steps,
        scheduler="ddim",
    )
    generator = torch.Generator().manual_seed(5)
    source = bundle.encode(request.image, [generator])  # type: ignore[arg-type]
    e = torch.randn(1, 4, 16, 16, generator=generator)
    widths: list[int] = []
    for step in blended(bundle, request):
        signal, sigma = step.moment.next
        kept = source if step.moment.index == steps else signal * source + sigma * e
        widths.append(int((step.latents != kept).any(1).any(1).sum()))
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 1
    if steps == 12:
        assert set(widths) == {2 * i + 1 for i in range(shrink_steps + 1)}


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("crop", ["auto", "on"])
def test_a_one_pixel_mask_changes_that_pixel(
    bundle: Bundle, ask: Ask, background: str, crop: str
) -> None:
    mask = spot((32, 32), (13, 6, 13, 6))
    edit = drain(blended(bundle, ask(mask_image=mask, background=background, crop=crop)))
    assert inside(edit) == [1]
    if background in ("paste", "poisson"):
        changed = np.argwhere(differing(edit.images[0], edit.views["before"]))
        assert changed.tolist() == [[6, 13]]
    assert ("Poisson" in edit.report.note) is (background == "poisson")


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_full_mask_shows_what_was_decoded(bundle: Bundle, ask: Ask, background: str) -> None:
    full = ask(mask_image=Image.new("L", (32, 32), 255), background=background)
    edit = drain(blended(bundle, full))
    (decoded,) = bundle.decode(latents(bundle, full)[-1])
    assert same(edit.images[0], decoded)
    assert (edit.report.note != "") is (background in ("poisson", "tune"))


@pytest.mark.parametrize("name", ["ddim", "euler_ancestral", "dpmpp_2m"])
def test_a_candidate_equals_its_own_seed_alone(bundle: Bundle, ask: Ask, name: str) -> None:
    several = drain(blended(bundle, ask(num_images=3, scheduler=name, seed=2**32 - 2)))
    assert several.seeds == [2**32 - 2, 2**32 - 1, 0]
    for seed, image in zip(several.seeds, several.images, strict=True):
        (single,) = drain(blended(bundle, ask(seed=seed, scheduler=name))).images
        assert np.abs(np.asarray(image, int) - np.asarray(single, int)).max() <= 1


def test_each_step_yields_once_and_the_networks_stay_as_loaded(bundle: Bundle, ask: Ask) -> None:
    networks = (bundle.denoiser, bundle.vae)
    before = [
        {name: value.clone() for name, value in each.state_dict().items()} for each in networks
    ]
    seen: list[tuple[str, int]] = []
    for step in blended(bundle, ask(background="tune", num_images=2)):
        assert torch.is_grad_enabled()
        seen.append((step.phase, step.moment.index))
        assert set(step.view()) == {"0", "1"}
        for network, kept in zip(networks, before, strict=True):
            state = network.state_dict()
            assert all(torch.equal(value, kept[name]) for name, value in state.items())
            assert not any(each.requires_grad for each in network.parameters())
    denoising = [("denoising", index) for index in range(1, 7)]
    assert seen == [*denoising, *(("tuning", index) for index in range(1, 5))]


def test_grow_and_feather_shape_what_changes(bundle: Bundle, ask: Ask) -> None:
    mask = spot((32, 32), (12, 12, 19, 19))
    for grow, box in ((0, (12, 12, 20, 20)), (3, (9, 9, 23, 23)), (-2, (14, 14, 18, 18))):
        edit = drain(blended(bundle, ask(mask_image=mask, grow=grow, feather=0)))
        assert edit.views["mask"].getbbox() == box
        rows, columns = np.nonzero(differing(edit.images[0], edit.views["before"]))
        assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == box
    sharp, soft = (
        np.asarray(drain(blended(bundle, ask(mask_image=mask, feather=f))).images[0], int)
        for f in (0, 4)
    )
    original = np.asarray(ask().image, int)
    rim = np.s_[12, 12:20]
    assert np.abs(soft - original)[rim].mean() < np.abs(sharp - original)[rim].mean()
    assert (soft[15:17, 15:17] == sharp[15:17, 15:17]).all()


def test_a_small_mask_in_a_large_picture_is_worked_on_alone(bundle: Bundle, ask: Ask) -> None:
    image = noise((160, 120))
    mask = spot(image.size, (100, 80, 109, 89))
    cropped, whole = (
        drain(blended(bundle, ask(image=image, mask_image=mask, crop=crop)))
        for crop in ("auto", "off")
    )
    assert cropped.report.crop == (89, 69, 121, 101)  # the model's own 32 pixels around the mask
    assert whole.report.crop is None
    assert outside(cropped) == outside(whole) == [0]
    assert not same(cropped.images[0], whole.images[0])
    alone = ask(image=image.crop((89, 69, 121, 101)), mask_image=mask.crop((89, 69, 121, 101)))
    (part,) = drain(blended(bundle, alone)).images
    assert same(cropped.images[0].crop((89, 69, 121, 101)), part)
    for step in blended(bundle, ask(image=image, mask_image=mask)):
        assert step.latents.shape[-2:] == (16, 16)


def test_a_quick_crop_costs_its_share_of_the_whole(bundle: Bundle, ask: Ask) -> None:
    image = noise((128, 128))
    mask = spot(image.size, (40, 40, 71, 71))
    request = ask(image=image, mask_image=mask, crop="quick")
    for step in blended(bundle, request):
        assert step.latents.shape[-2:] == (8, 8)  # of the 16 x 16 that the whole is worked on at
    edit = drain(blended(bundle, request))
    assert edit.report.crop == (24, 24, 88, 88)
    assert outside(edit) == [0]
    assert inside(edit)[0] > 0.9


def test_the_frame_can_be_extended(bundle: Bundle, ask: Ask, picture: Image.Image) -> None:
    edit = drain(blended(bundle, ask(mask_image=None, left=8, bottom=16, num_images=2)))
    for image in edit.images:
        assert image.size == (40, 48)
        assert same(image.crop((8, 0, 40, 32)), picture)
    assert edit.views["before"].size == edit.views["mask"].size == (40, 48)
    assert outside(edit) == [0, 0]
    assert min(inside(edit)) > 0.9


def test_a_mask_and_a_border_go_together_and_growing_spares_the_picture(
    bundle: Bundle, ask: Ask, picture: Image.Image
) -> None:
    edit = drain(blended(bundle, ask(mask_image=spot((32, 32), (0, 0, 3, 3)), right=16, grow=2)))
    changed = differing(edit.images[0].crop((0, 0, 32, 32)), picture)
    assert changed[:5, :5].any()
    assert not changed[:, 8:].any()


@pytest.mark.parametrize("crop", ["auto", "on", "quick", "off"])
def test_a_view_shows_the_picture_as_it_will_be(bundle: Bundle, ask: Ask, crop: str) -> None:
    image = noise((160, 120))
    mask = spot(image.size, (100, 80, 109, 89))
    views = next(blended(bundle, ask(image=image, mask_image=mask, crop=crop, num_images=2))).view()
    assert set(views) == {"0", "1"}
    for view in views.values():
        assert view.size == image.size
        changed = differing(view, image)
        assert changed[80:90, 100:110].any()
        assert not changed[np.asarray(mask) == 0].any()


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (31, 1), (400, 9)])
@pytest.mark.parametrize("crop", ["auto", "on", "quick"])
def test_pictures_of_any_size_work(
    bundle: Bundle, ask: Ask, size: tuple[int, int], crop: str
) -> None:
    request = ask(image=noise(size), mask_image=spot(size, (0, 0, 0, 0)), crop=crop)
    edit = drain(blended(bundle, request))
    assert edit.images[0].size == size
    assert outside(edit) == [0]


def test_no_words_work(bundle: Bundle, ask: Ask) -> None:
    edit = drain(blended(bundle, ask(prompt="")))
    assert inside(edit)[0] > 0.9
    assert not edit.report.ranking or ()


def test_candidates_are_ranked_where_there_is_a_ranker(
    bundle: Bundle, ask: Ask, tmp_path: Path
) -> None:
    edit = drain(blended(bundle, ask(num_images=3)))
    assert not edit.report.ranking or ()
    assert {each.agreement for each in edit.results} == {None}
    toys.tiny_ranker(tmp_path)
    ranked = Bundle.of(toys.tiny_pipeline(tmp_path / "words"))
    ranked.ranker_folder = tmp_path
    edit = drain(blended(ranked, ask(num_images=3)))
    agreement, ranking = [each.agreement or 0.0 for each in edit.results], edit.report.ranking or ()
    assert sorted(ranking) == [0, 1, 2]
    assert [agreement[row] for row in ranking] == sorted(agreement, reverse=True)
    assert not drain(blended(ranked, ask(prompt=" "))).report.ranking


def test_an_inpainting_unet_keeps_the_laws(ask: Ask, tmp_path: Path) -> None:
    bundle = Bundle.of(toys.tiny_pipeline(tmp_path, in_channels=9))
    for changes in ({}, {"strength": 0.5}, {"mask_image": spot((32, 32), (4, 4, 20, 20), 128)}):
        edit = drain(blended(bundle, ask(num_images=2, **changes)))
        assert outside(edit) == [0, 0]
        assert min(inside(edit)) > 0.9
    edit = drain(blended(bundle, ask(shrink_steps=2)))
    assert "told the mask" in edit.report.note


def test_the_report_tells_what_ran(bundle: Bundle, ask: Ask) -> None:
    report = drain(blended(bundle, ask(strength=0.5))).report
    assert (report.scheduler, report.steps, report.unknown_words) == ("ddim", 3, [])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image": None, "mask_image": None}, "Give a picture"),
        ({"mask_image": None}, "paint a mask, or extend the frame"),
        ({"mask_image": Image.new("L", (31, 32))}, "31×32.*32×32"),
        ({"strength": 1.2}, "between 0 and 1"),
        ({"grow": 65}, "between -64 and 64"),
        ({"feather": -1}, "between 0 and 64"),
        ({"shrink_steps": 1.5}, "whole number"),
        ({"num_images": 9}, "between 1 and 8"),
        ({"background": "blur"}, "must be one of"),
        ({"crop": True}, "must be one of"),
        ({"left": 2000}, "between 0 and 1024"),
        ({"eta": 0.5, "scheduler": "euler"}, "choose DDIM"),
    ],
)
def test_a_bad_request_is_refused_with_a_sentence(
    ask: Ask, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        ask(**changes)
