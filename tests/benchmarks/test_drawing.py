"""The bench's measures of drawings: closed forms, and renders as their own truth."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from benchmarks.quality import drawing, metrics, shapes, sliced, velocity
from benchmarks.quality.drawer import Drawer
from benchmarks.quality.lab import Lab
from benchmarks.quality.telling import told_apart
from pipelines import Bundle
from pipelines.networks.conditioning import Conditioning
from tests.conftest import POSTCARD
from training.album import scene_of
from training.critic import Critic, Eye
from training.denoiser import schedule
from training.scene import Thing
from training.world import render


def speckle(seed: int, contrast: float, count: int = 6) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = 128 + 30 * contrast * rng.standard_normal((count, 256, 256, 3))
    return list(drawn.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("contrast", [0.4, 0.7])
def test_less_contrast_is_as_far_as_a_normal_variable_is_on_average(contrast: float) -> None:
    """Projections are normal: E|z| · |1 - contrast|, with E|z| = 0.798, at every level of noise."""
    found = sliced.distances(speckle(0, contrast), speckle(1, 1.0))
    for side in (256, 128, 64):
        assert found[side] == pytest.approx(798 * (1 - contrast), rel=0.12)


def test_a_change_at_one_scale_is_told_at_that_scale() -> None:
    """Stripes of four pixels are finer than what the level of 64 pixels holds."""
    before, rng = speckle(0, 0.3), np.random.default_rng(2)
    waves = [20 * np.sin(np.arange(256) * np.pi / 2 + rng.uniform(0, 7)) for _ in before]
    pairs = zip(before, waves, strict=True)
    after = [np.clip(p + w[None, :, None], 0, 255).astype(np.uint8) for p, w in pairs]
    found, floor = sliced.distances(after, before), sliced.distances(speckle(3, 0.3), before)
    assert found[256] - floor[256] > 300
    assert found[256] - floor[256] > 3 * (found[64] - floor[64])


def test_renders_have_their_own_outlines_wherever_they_stand() -> None:
    checked = 0
    for index in range(40):
        scene = scene_of(index, held_out=True)
        drawn = render(scene)
        fits = shapes.silhouettes(drawn.masks["object"], scene)
        assert len(fits) == (scene.thing is not None) + (scene.other is not None)
        if scene.thing is not None and scene.other is None:
            assert fits[0] > 0.93, scene
            moved = np.roll(drawn.masks["object"], (9, -7), (0, 1))
            assert shapes.fit(moved, scene.thing) == pytest.approx(fits[0], abs=0.01)
            checked += 1
    assert checked > 15


def test_a_lump_is_no_house_and_nothing_is_nothing() -> None:
    ys, xs = np.mgrid[:256, :256]
    disc = np.hypot(ys - 150, xs - 120) < 40
    assert shapes.fit(disc, Thing("house", "red")) < 0.85
    assert shapes.fit(disc, Thing("lighthouse", "red")) < 0.6
    assert shapes.fit(np.zeros((256, 256), bool), Thing("house", "red")) == 0


def test_of_two_things_the_missing_one_counts_as_nothing() -> None:
    pair = next(s for s in (scene_of(i, held_out=True) for i in range(99)) if s.other is not None)
    masks = render(pair).masks
    alone = shapes.silhouettes(masks["first"], pair)
    assert alone[0] > 0.85 and alone[1] == 0


def test_lights_are_counted_in_the_sky() -> None:
    right, seen = 0, 0
    for index in range(120):
        scene = scene_of(index, held_out=True)
        drawn = render(scene)
        found = shapes.lights(drawn.image, drawn.masks["object"], scene.time)
        right, seen = right + (found == int(scene.light)), seen + 1
        disc = drawn.masks["light"]
        if scene.light and disc.sum() > 700 and found == 1:
            ys, xs = np.nonzero(disc)
            twice = drawn.image.copy()
            twice[ys, (xs + 128) % 256] = drawn.image[ys, xs]
            blank = np.zeros((256, 256), bool)
            assert shapes.lights(twice, blank, scene.time) >= 2
    assert right / seen >= 0.97


def test_equal_sets_are_not_told_apart_and_different_ones_are() -> None:
    same = told_apart(speckle(0, 1.0, 12), speckle(1, 1.0, 12))
    assert 0.3 < same < 0.7
    assert told_apart(speckle(0, 1.0, 12), speckle(1, 0.5, 12)) > 0.95
    assert np.isnan(told_apart(speckle(0, 1.0, 3), speckle(1, 1.0, 3)))


def test_the_velocity_of_who_says_nothing_is_lost_whole() -> None:
    """Of clean latents 0 the velocity is sqrt(A) times noise: a loss of A, on average by band."""

    def embed(_text: str, _size: tuple[int, int]) -> Conditioning:
        return Conditioning(torch.zeros(1, 4, 8))

    bundle = SimpleNamespace(
        scheduler_config=dict(schedule().config),
        device=torch.device("cpu"),
        encode=lambda _image, _generators: torch.zeros(1, 4, 16, 16),
        embed=embed,
        predict=lambda x, _t, _words: torch.zeros_like(x),
    )
    lab = Lab(cast("Bundle", bundle), Critic(Eye()))
    found = velocity.losses(lab, 12)
    level = schedule().alphas_cumprod.view(5, 200).mean(1).tolist()
    bands = list(found)[:-1]
    assert bands == ["0–200", "200–400", "400–600", "600–800", "800–1000"]
    assert [found[band] for band in bands] == pytest.approx(level, rel=0.15, abs=0.01)
    assert found["on average"] == pytest.approx(np.mean([found[band] for band in bands]))


def test_a_drawing_is_what_diffusers_draws_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(Bundle.load(POSTCARD), Critic(Eye()), steps=2, pictures=tmp_path)
    case = drawing.drawings(2)[1]
    (drawn,) = drawing.ours(lab, case)
    theirs = lab.peer("StableDiffusionPipeline")(
        case.prompt, height=256, width=256, generator=lab.generators(1), **lab.asked()
    ).images[0]
    assert metrics.largest(np.asarray(drawn), np.asarray(theirs)) <= 1
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) == 1 and kept[0].suffix == ".png"
    again = Lab(lab.bundle, lab.critic, steps=2, pictures=tmp_path)
    monkeypatch.setattr(Drawer, "draw", None)
    assert np.array_equal(np.asarray(drawing.ours(again, case)[0]), np.asarray(drawn))
    other = Lab(lab.bundle, lab.critic, steps=3, pictures=tmp_path)
    assert other.drawer.kept != lab.drawer.kept
