"""The bench of quality: metrics with closed forms, cases with their truth, references that hold."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from benchmarks.quality import cases, metrics, references, report, sheet
from benchmarks.quality.job import Job, means, run
from benchmarks.quality.lab import Lab
from pipelines import Bundle
from tests.conftest import POSTCARD
from training.captions import caption
from training.critic import Critic, Eye
from training.scene import attributes
from training.world import render


def noise(seed: int = 0, size: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (size, size, 3), np.uint8)


# --- metrics -------------------------------------------------------------------------------------


def test_equal_pictures_differ_in_nothing() -> None:
    a = noise()
    assert metrics.psnr(a, a) == metrics.CEILING
    assert metrics.ssim(a, a) == pytest.approx(1)
    assert metrics.largest(a, a) == metrics.l2(a, a) == 0
    assert metrics.seam(a, a, np.ones((32, 32), bool)) == 0
    assert metrics.structure_distance(a[..., 0], a[..., 0]) == 0
    assert metrics.diversity([a, a, a], np.ones((32, 32), bool)) == 0


@pytest.mark.parametrize("shift", [1, 10, 50])
def test_a_known_shift_is_told_by_every_metric(shift: int) -> None:
    a = noise()
    b = a + np.uint8(shift)
    whole = np.ones((32, 32), bool)
    assert metrics.psnr(a, b) == pytest.approx(20 * np.log10(255 / shift))
    assert metrics.largest(a, b) == shift
    assert metrics.l2(a, b) == pytest.approx(shift / 255 * np.sqrt(32 * 32 * 3))
    assert metrics.seam(b, a, whole) == shift
    assert metrics.diversity([a, b], whole) == pytest.approx(shift / 255)
    assert metrics.ssim(a, b) < 1


def test_a_shift_in_half_of_the_frame_weighs_half() -> None:
    """As in PIE-Bench the mean is over the whole frame, the other half being black in both."""
    a, half = noise(), np.zeros((32, 32), bool)
    half[:, :16] = True
    b = a + np.uint8(10)
    assert metrics.psnr(a, b, half) == pytest.approx(20 * np.log10(255 / 10) + 10 * np.log10(2))
    c = np.where(half[..., None], a, b)
    assert metrics.psnr(a, c, half) == metrics.CEILING
    assert metrics.ssim(a, c, half) == pytest.approx(1)
    assert metrics.largest(a, c, half) == 0 and metrics.largest(a, c, ~half) == 10


def test_ssim_of_two_constants_is_its_luminance_term() -> None:
    a, b = (np.full((32, 32, 3), value, np.uint8) for value in (100, 150))
    c = (0.01 * 255) ** 2
    assert metrics.ssim(a, b) == pytest.approx((2 * 100 * 150 + c) / (100**2 + 150**2 + c))


def test_half_of_a_mask_overlaps_by_half() -> None:
    whole, half = np.zeros((2, 32, 32), bool)
    whole[8:24], half[8:16] = True, True
    assert metrics.overlap([whole], whole) == 1
    assert metrics.overlap([half, whole], whole) == pytest.approx(0.75)
    assert metrics.overlap([~whole], whole) == 0
    assert np.isnan(metrics.overlap([half], np.zeros_like(whole)))


def test_kid_is_unbiased_and_sees_a_shift() -> None:
    rng = np.random.default_rng(0)
    draws = [metrics.kid(rng.normal(size=(40, 8)), rng.normal(size=(40, 8))) for _ in range(60)]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(len(draws))
    assert metrics.kid(rng.normal(size=(40, 8)), rng.normal(2, 1, (40, 8))) > 10 * np.std(draws)


def test_kid_of_constant_sets_is_the_kernel_itself() -> None:
    a, b = np.full((3, 4), 1.0), np.full((5, 4), 2.0)
    assert metrics.kid(a, a) == pytest.approx(0)
    assert metrics.kid(a, b) == pytest.approx(2**3 + 5**3 - 2 * 3**3)
    assert np.isnan(metrics.kid(a[:1], b))


def test_structure_knows_likeness_not_content() -> None:
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(16, 6))
    turned = cells @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert metrics.structure_distance(cells, 3 * turned) == pytest.approx(0, abs=1e-12)
    first, second = np.eye(2), np.ones((2, 2))
    assert metrics.structure_distance(first, second) == pytest.approx(0.5)


def test_a_rim_lies_on_both_sides_of_an_edge() -> None:
    mask = np.zeros((20, 20), bool)
    mask[:, 10:] = True
    assert np.array_equal(metrics.rim(mask, 3)[5], np.isin(np.arange(20), range(7, 13)))
    assert np.isnan(metrics.seam(noise(size=20), noise(size=20), np.zeros((20, 20), bool)))


def test_undefined_figures_do_not_count() -> None:
    nan = float("nan")
    assert means([{"a": 1.0, "b": nan}, {"a": nan, "b": nan}, {"a": 3.0}]) == {"a": 2.0}


# --- cases ---------------------------------------------------------------------------------------


def test_cases_are_reproducible_and_held_out() -> None:
    first, again = cases.replacements(3), cases.replacements(3)
    for a, b in zip(first, again, strict=True):
        assert (a.seed, a.source, a.target, a.shape) == (b.seed, b.source, b.target, b.shape)
        assert np.array_equal(a.mask, b.mask) and a.image.tobytes() == b.image.tobytes()
    scenes = [each.source for each in first]
    scenes += [each.scene for each in cases.paintings(3)]
    scenes += [scene for each in cases.comparisons(6) for scene in (each.source, each.target)]
    assert all(scene.held_out for scene in scenes)
    assert [each.seed for each in cases.comparisons(3)] == [
        each.seed for each in cases.comparisons(6)[:3]
    ]


def test_strokes_are_six_colours_of_their_scene() -> None:
    (case,) = cases.paintings(1)
    assert len(case.strokes.getcolors() or []) == 6
    assert case.truth.tobytes() == render(case.scene).image.tobytes()
    assert case.prompt == caption(case.scene)
    assert case.wanted.items() <= attributes(case.scene).items()


def test_a_replacement_changes_one_thing_under_its_mask() -> None:
    found = cases.replacements(6)
    assert [case.shape for case in found] == ["exact", "loose"] * 3
    for case in found:
        before, after = attributes(case.source), attributes(case.target)
        assert sum(before[name] != after[name] for name in before) == 1
        assert case.wanted == {name: after[name] for name in ("kind", "colour")}
        image, truth = np.asarray(case.image), np.asarray(case.truth)
        assert np.array_equal(image[case.background], truth[case.background])
        thing = render(case.source).masks["object"]
        if case.shape == "exact":
            assert np.array_equal(case.mask, thing)
        else:
            assert (case.mask & thing).sum() == thing.sum() < case.mask.sum()
        guide = np.asarray(case.guide)
        assert np.array_equal(guide[~case.mask], image[~case.mask])


def test_a_slender_thing_comes_to_empty_ground_under_a_thin_mask() -> None:
    for case in cases.insertions(6):
        assert case.source.thing is None and case.target.other is None
        assert case.target.thing and case.target.thing.kind in ("lighthouse", "tower")
        assert not render(case.source).masks["object"].any()
        thing = render(case.target).masks["object"]
        assert case.mask.any(1).sum() == thing.any(1).sum()
        assert case.mask.any(0).sum() == 20 < thing.any(0).sum()
        seen, truth = np.asarray(case.under_mask), np.asarray(case.truth)
        assert np.array_equal(seen[case.mask], truth[case.mask])
        assert np.array_equal(seen[~case.mask], np.asarray(case.image)[~case.mask])


def test_the_number_of_cases_is_what_a_table_needs() -> None:
    from benchmarks.quality.__main__ import FULL

    assert FULL["comparison"] >= 48 and FULL["thin"] >= 24
    shapes = [case.shape for case in cases.replacements(FULL["replacement"])]
    assert min(shapes.count("exact"), shapes.count("loose")) >= 24


def test_a_comparison_differs_in_its_attribute_alone() -> None:
    found = cases.comparisons(12)
    assert [case.attribute for case in found] == list(cases.COMPARED) * 2
    for case in found:
        before, after = attributes(case.source), attributes(case.target)
        assert [name for name in before if before[name] != after[name]] == [case.attribute]
        assert case.prompts[0] != case.prompts[1]


# --- references ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab() -> Lab:
    torch.manual_seed(0)
    return Lab(Bundle.load(POSTCARD), Critic(Eye()), steps=3, candidates=2, reals=2)


def test_equal_prompts_give_equal_pictures(lab: Lab) -> None:
    words = "a red house on a meadow by day"
    source, edit = references.prompt_to_prompt(lab, (words, words), 4)
    assert source.tobytes() == edit.tobytes()
    processors = {type(each).__name__ for each in lab.bundle.denoiser.attn_processors.values()}
    assert "Explicit" not in processors


def test_the_explicit_source_is_what_diffusers_draws(lab: Lab) -> None:
    words = "a red house on a meadow by day"
    source, _ = references.prompt_to_prompt(lab, (words, "a blue house on a meadow by day"), 4)
    drawn = lab.peer("StableDiffusionPipeline")(
        words, height=256, width=256, generator=lab.generators(4), **lab.asked()
    ).images[0]
    assert metrics.largest(np.asarray(source), np.asarray(drawn)) <= 1


def test_official_backgrounds_keep_noise_where_ours_would_not(lab: Lab) -> None:
    """One level late: after the last step the background stands at the level before it."""
    case = cases.replacements(1, ("loose",))[0]
    kept = lab.bundle.decode(lab.bundle.encode(case.image, lab.generators(0)))[0]
    far = ~metrics.rim(case.mask, 40) & ~case.mask
    noisy = references.blended(lab, case.image, case.mask_image, case.prompt, 0)[0]
    clean = references.sdedit(lab, case.image, case.mask_image, case.prompt, 0.7, 0)[0]
    assert metrics.seam(np.asarray(noisy), np.asarray(kept), far) > 5
    assert metrics.seam(np.asarray(clean), np.asarray(kept), far) < 1


# --- what is written -----------------------------------------------------------------------------


def given_back(_lab: Lab, case: cases.Reconstruction) -> list[Image.Image]:
    return [case.image]


def darkened(_lab: Lab, case: cases.Reconstruction) -> list[Image.Image]:
    return [ImageEnhance.Brightness(case.image).enhance(0.9)]


def brightness(
    _lab: Lab, case: cases.Reconstruction, pictures: Sequence[Image.Image]
) -> dict[str, float]:
    return {"PSNR": metrics.psnr(np.asarray(pictures[0]), np.asarray(case.image))}


def test_a_run_ends_in_tables_and_sheets(lab: Lab) -> None:
    found = cases.reconstructions(3)
    rows: Any = {"as it was": given_back, "darker": darkened}
    result = run(Job("Nothing", "Nothing is done.", found, rows, brightness, "PSNR"), lab)
    assert result.outcomes["as it was"].figures == {"PSNR": metrics.CEILING}
    assert result.outcomes["darker"].figures["PSNR"] < 40
    sweep = {s: {"L2": 10.0 + s, "KID": 9.0 - s} for s in (0.2, 0.6, 1.0)}
    velocity = {"0–200": 0.2, "on average": 0.125}
    told = report.Report(
        "machine", "model", "2", "0", "float32", 20, 3.0, 4, 1.5, [result], sweep, velocity
    )
    text = report.markdown(told)
    assert "| as it was | 100.00 |" in text and "### Along the strength" in text
    assert "| the denoiser | 0.2000 | 0.1250 |" in text
    rows_told = json.loads(report.as_json(told))["jobs"]["Nothing"]["rows"]
    assert rows_told["as it was"]["each"] == [{"PSNR": 100.0}] * 3
    assert sheet.contact(result, 1).height > 2 * sheet.SIDE
    figure = np.asarray(sheet.trade_off(sweep))
    assert (figure == (216, 64, 42)).all(-1).sum() > 100


def test_json_has_no_word_for_what_is_undefined(lab: Lab) -> None:
    found = cases.reconstructions(1)

    def undefined(_lab: Lab, _case: Any, _pictures: Any) -> dict[str, float]:
        return {"PSNR": 1.0, "SSIM": float("nan")}

    rows: Any = {"as it was": given_back}
    result = run(Job("Nothing", "Nothing.", found, rows, undefined, "SSIM"), lab)
    told = report.Report("", "", "", "", "", 1, 1.0, 1, 0.0, [result], {}, {})
    assert "NaN" not in report.as_json(told)
    sheet.contact(result)


def test_the_command_line_has_its_defaults() -> None:
    from benchmarks.quality.__main__ import FULL, JOBS, LONG, QUICK, parse

    assert LONG.keys() == FULL.keys() == QUICK.keys() == JOBS.keys()
    assert parse([]).out == Path("build/quality")
    assert parse(["--quick", "--only", "painting"]).only == ["painting"]


def test_rows_are_chosen_by_a_part_of_their_name() -> None:
    from benchmarks.quality.__main__ import chosen, parse

    rows: Any = {"as it was": given_back, "darker": darkened}
    job: Job[Any] = Job("Nothing", "Nothing.", [], rows, brightness, "PSNR")
    assert list(chosen(job, ["dark"]).rows) == ["darker"]
    assert list(chosen(job, parse([]).rows).rows) == ["as it was", "darker"]
    with pytest.raises(ValueError, match=r"it has as it was, darker\.$"):
        chosen(job, ["brighter"])
