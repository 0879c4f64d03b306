"""Laws of the postcard world: what is drawn is what is said, and nothing else moves."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from training.palette import swatches
from training.scene import (
    ATTRIBUTES,
    HELD_OUT_EVERY,
    KINDS,
    Scene,
    Thing,
    attributes,
    sample,
    variants,
)
from training.world import HORIZON, SIZE, render

PLAIN = Scene("day", "meadow", "none", None, light=False, clouds=False, seed=5)
FULL = Scene("night", "lake", "snowy mountains", Thing("boat", "red"), True, True, seed=11)


def scenes(count: int, held_out: bool = False) -> list[Scene]:
    rng = np.random.default_rng(3)
    return [sample(rng, held_out) for _ in range(count)]


def test_same_scene_same_pixels():
    assert np.array_equal(render(FULL).image, render(FULL).image)


def test_another_seed_is_another_picture():
    other = Scene("night", "lake", "snowy mountains", Thing("boat", "red"), True, True, seed=12)
    assert not np.array_equal(render(FULL).image, render(other).image)


def test_image_is_rgb_bytes():
    image = render(FULL).image
    assert image.shape == (SIZE, SIZE, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("scene", scenes(12), ids=str)
def test_parts_share_the_picture_out(scene: Scene):
    masks = render(scene).masks
    shares = sum(masks[part].astype(int) for part in ("sky", "mountains", "ground", "object"))
    assert np.all(shares == 1)
    assert not np.any(masks["light"] & ~masks["sky"])
    assert not np.any(masks["trace"] & masks["object"])


@pytest.mark.parametrize("scene", scenes(12), ids=str)
def test_a_mask_is_empty_exactly_where_nothing_is_named(scene: Scene):
    masks = render(scene).masks
    assert masks["object"].any() == (scene.thing is not None)
    assert masks["mountains"].any() == (scene.mountains != "none")
    assert masks["light"].any() == scene.light  # never behind a mountain
    assert masks["other"].any() == (scene.other is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_thing_changes_its_mask_and_its_trace_only(kind: str):
    with_thing = Scene("day", "lake", "green hills", Thing(kind, "purple"), True, True, seed=21)
    without = Scene("day", "lake", "green hills", None, True, True, seed=21)
    drawn, empty = render(with_thing), render(without)
    changed = np.any(drawn.image != empty.image, -1)
    mask = drawn.masks["object"]
    assert not np.any(changed & ~mask & ~drawn.masks["trace"])
    assert np.mean(changed[mask]) > 0.97  # a pixel may keep its colour by accident
    assert np.count_nonzero(mask) > 1500  # large enough to be seen by a small model


def test_a_colour_changes_the_thing_and_its_reflection_only():
    red = render(FULL)
    for other in variants(FULL)["colour"]:
        blue = render(other)
        changed = np.any(red.image != blue.image, -1)
        assert changed.any()
        assert not np.any(changed & ~red.masks["object"] & ~red.masks["trace"])
        assert np.array_equal(red.masks["object"], blue.masks["object"])


def test_the_ground_changes_below_the_horizon_only():
    scene = Scene("day", "meadow", "red cliffs", None, True, True, seed=8)
    for other in variants(scene)["ground"]:
        before, after = render(scene).image, render(other).image
        assert np.array_equal(before[:HORIZON], after[:HORIZON])
        assert not np.array_equal(before[HORIZON:], after[HORIZON:])


def test_the_mountains_change_themselves_only():
    scene = Scene("day", "sand", "none", None, True, False, seed=8)
    before = render(scene)
    for other in variants(scene)["mountains"]:
        after = render(other)
        changed = np.any(before.image != after.image, -1)
        assert changed.any()
        below = np.roll(after.masks["mountains"], -1, 0)  # the soft pixel above the skyline
        assert not np.any(changed & ~after.masks["mountains"] & ~below)


def test_time_changes_the_light_but_no_outline():
    for other in variants(FULL)["time"]:
        if other.light == FULL.light:
            assert np.array_equal(render(FULL).masks["object"], render(other).masks["object"])
            assert np.array_equal(render(FULL).masks["mountains"], render(other).masks["mountains"])


def test_variants_are_one_word_away():
    changed = variants(FULL)
    assert {name: len(others) for name, others in changed.items()} == {
        "time": 3,  # a storm would hide the moon as well
        "ground": 0,  # a boat needs its lake
        "mountains": 4,
        "light": 1,
        "clouds": 1,
        "colour": 5,
        "kind": 6,
        "thing": 1,
        "weather": 0,  # the moon needs clear weather
    }
    for others in changed.values():
        for other in others:
            differing = [
                field for field in Scene.__slots__ if getattr(other, field) != getattr(FULL, field)
            ]
            assert len(differing) == 1


def test_the_first_of_two_things_stands_left():
    pairs = [scene for scene in scenes(120) if scene.other]
    assert pairs
    for scene in pairs:
        masks = render(scene).masks
        first, other = (np.nonzero(masks[name])[1].mean() for name in ("first", "other"))
        assert first + 60 < other
        assert np.array_equal(masks["object"], masks["first"] | masks["other"])


def test_the_second_thing_of_another_colour_leaves_the_first_alone():
    pair = Scene(
        "day",
        "meadow",
        "none",
        Thing("house", "red"),
        False,
        False,
        5,
        other=Thing("tower", "blue"),
    )
    for other in variants(pair)["other colour"]:
        before, after = render(pair), render(other)
        changed = np.any(before.image != after.image, -1)
        assert changed.any()
        assert not np.any(changed & ~before.masks["other"] & ~before.masks["trace"])


@pytest.mark.parametrize("weather", ["rain", "snowfall", "fog"])
def test_weather_is_seen_and_moves_nothing(weather: str):
    scene = Scene("day", "sand", "red cliffs", Thing("house", "red"), False, True, seed=8)
    other = next(each for each in variants(scene)["weather"] if each.weather == weather)
    before, after = render(scene), render(other)
    assert np.abs(before.image.astype(int) - after.image).mean() > 3
    for name, mask in before.masks.items():
        assert np.array_equal(mask, after.masks[name]), name


def test_a_plain_background_is_nothing_but_ground():
    scene = Scene("day", "plain", "none", Thing("house", "red"), False, False, seed=5)
    masks = render(scene).masks
    assert np.array_equal(masks["ground"], ~masks["object"])


def test_clouds_are_always_to_be_seen():
    for seed in range(20):
        clear = Scene("day", "sand", "none", None, False, False, seed=seed)
        cloudy = next(iter(variants(clear)["clouds"]))
        difference = np.abs(render(clear).image.astype(int) - render(cloudy).image).max(-1)
        assert np.mean(difference[: SIZE // 3] > 20) > 0.1


def test_attributes_have_listed_values():
    for scene in scenes(200):
        for name, value in attributes(scene).items():
            assert value in ATTRIBUTES[name]


def test_the_splits_do_not_meet():
    assert all(scene.held_out for scene in scenes(200, held_out=True))
    assert not any(scene.held_out for scene in scenes(200))
    assert any(scene.seed % HELD_OUT_EVERY == 1 for scene in scenes(200))


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "noon"},
        {"ground": "moon"},
        {"seed": -1},
        {"thing": Thing("boat", "red")},
        {"time": "storm", "clouds": True, "light": True},
        {"time": "storm", "clouds": False, "light": False},
        {"time": "storm", "clouds": True, "weather": "fog"},
        {"weather": "hail"},
        {"weather": "rain"},
        {"weather": "fog", "light": True},
        {"other": Thing("house", "red")},
        {"thing": Thing("house", "red"), "other": Thing("balloon", "red")},
        {"thing": Thing("house", "red"), "other": Thing("boat", "red")},
        {"ground": "plain"},
        {"ground": "plain", "thing": Thing("house", "red"), "clouds": True},
        {"ground": "plain", "thing": Thing("house", "red"), "time": "night"},
    ],
    ids=str,
)
def test_impossible_scenes_are_refused(changes: dict[str, Any]):
    fields: dict[str, Any] = {field: getattr(PLAIN, field) for field in Scene.__slots__}
    with pytest.raises(ValueError):
        Scene(**fields | changes)


def test_swatches_are_distinct_colours():
    pots = swatches()
    assert len({name for name, _ in pots}) == len({colour for _, colour in pots}) == len(pots) > 20
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for _, colour in pots)
