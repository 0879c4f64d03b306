"""What a postcard shows: a specification that fixes every pixel, and its neighbours by one word.

A `Scene` is pure data. Its attributes are what a caption can name; its `seed` fixes all that has no
name (where the ridge runs, where the house stands, which flowers bloom). Two scenes that differ in
one attribute therefore differ in nothing else: they are the ground truth for comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

TIMES = ("day", "sunset", "night", "dawn", "storm")
WEATHERS = ("clear", "rain", "snowfall", "fog")
GROUNDS = ("meadow", "lake", "snow", "sand", "field", "plain")  # plain: a studio's backdrop
MOUNTAINS = ("none", "snowy mountains", "blue mountains", "green hills", "red cliffs")
KINDS = ("house", "pine tree", "round tree", "boat", "balloon", "lighthouse", "tower")
COLOURS = ("red", "blue", "white", "yellow", "green", "purple")
FLYING = ("balloon",)

ATTRIBUTES: dict[str, tuple[str, ...]] = {  # what a scene is told by, and the values of each
    "time": TIMES,
    "weather": WEATHERS,
    "ground": GROUNDS,
    "mountains": MOUNTAINS,
    "light": ("none", "sun", "moon"),
    "clouds": ("none", "clouds"),
    "kind": ("none", *KINDS),
    "colour": ("none", *COLOURS),
    "other kind": ("none", *(kind for kind in KINDS if kind not in FLYING)),
    "other colour": ("none", *COLOURS),
}

HELD_OUT_EVERY = 16  # seeds divisible by this are never trained on
SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Thing:
    """The object a postcard is about."""

    kind: str  # one of KINDS
    colour: str  # one of COLOURS

    def __post_init__(self) -> None:
        _check("kind", self.kind, KINDS)
        _check("colour", self.colour, COLOURS)


@dataclass(frozen=True, slots=True)
class Scene:
    """One postcard, completely."""

    time: str  # one of TIMES
    ground: str  # one of GROUNDS
    mountains: str  # one of MOUNTAINS
    thing: Thing | None  # a boat only on a lake
    light: bool  # the sun by day, the moon by night; only in clear weather, never in a storm
    clouds: bool
    seed: int  # everything that has no word, in [0, SEEDS)
    weather: str = "clear"  # one of WEATHERS
    other: Thing | None = None  # a second thing, right of the first; both stand

    def __post_init__(self) -> None:
        _check("time", self.time, TIMES)
        _check("ground", self.ground, GROUNDS)
        _check("mountains", self.mountains, MOUNTAINS)
        if not 0 <= self.seed < SEEDS:
            raise ValueError(f"seed must be in [0, {SEEDS}), not {self.seed}")
        _check("weather", self.weather, WEATHERS)
        for refused, reason in self._refusals():
            if refused:
                raise ValueError(reason)

    def _refusals(self) -> Iterator[tuple[bool, str]]:
        things = [thing for thing in (self.thing, self.other) if thing]
        storm, wet = self.time == "storm", self.weather in ("rain", "snowfall")
        boats = any(thing.kind == "boat" for thing in things)
        yield boats and self.ground != "lake", "a boat needs a lake"
        yield self.light and storm, "neither sun nor moon shines in a storm"
        yield self.light and self.weather != "clear", "sun and moon need clear weather"
        yield storm and not self.clouds, "a storm has clouds"
        yield wet and not self.clouds, "rain and snowfall need clouds"
        yield storm and self.weather in ("snowfall", "fog"), "a storm brings nothing but rain"
        yield self.other is not None and self.thing is None, "a second thing needs a first one"
        flies = any(thing.kind in FLYING for thing in things)
        yield self.other is not None and flies, "what flies is alone"
        if self.ground == "plain":
            yield self.thing is None, "a plain background needs a thing before it"
            bare = self.time == "day" and self.weather == "clear" and self.mountains == "none"
            yield not bare or self.light or self.clouds, "a plain background has nothing else"

    @property
    def held_out(self) -> bool:
        """Whether this scene belongs to the split that training never sees."""
        return self.seed % HELD_OUT_EVERY == 0


def attributes(scene: Scene) -> dict[str, str]:
    """The value of each of ATTRIBUTES in a scene."""
    thing, other = scene.thing, scene.other
    return {
        "time": scene.time,
        "weather": scene.weather,
        "ground": scene.ground,
        "mountains": scene.mountains,
        "light": ("moon" if scene.time == "night" else "sun") if scene.light else "none",
        "clouds": "clouds" if scene.clouds else "none",
        "kind": thing.kind if thing else "none",
        "colour": thing.colour if thing else "none",
        "other kind": other.kind if other else "none",
        "other colour": other.colour if other else "none",
    }


def sample(rng: np.random.Generator, held_out: bool = False) -> Scene:
    """Draw a scene of the training split, or of the held-out one."""
    if rng.random() < 0.06:
        thing = _sample_thing(rng, "plain")
        other = _sample_thing(rng, "plain", standing=True) if rng.random() < 0.2 else None
        if other and thing.kind in FLYING:
            other = None
        seed = _sample_seed(rng, held_out)
        return Scene("day", "plain", "none", thing, False, False, seed, other=other)
    time = _pick(rng, TIMES)
    ground = _pick(rng, GROUNDS[:-1])
    storm = time == "storm"
    weather = _pick(rng, ("clear", "rain") if storm else WEATHERS[1:]) if _rare(rng) else "clear"
    thing = _sample_thing(rng, ground) if rng.random() < 0.92 else None
    pair = thing is not None and thing.kind not in FLYING and rng.random() < 0.2
    return Scene(
        time=time,
        ground=ground,
        mountains=_pick(rng, MOUNTAINS),
        thing=thing,
        light=not storm and weather == "clear" and rng.random() < 0.5,
        clouds=storm or weather in ("rain", "snowfall") or rng.random() < 0.4,
        seed=_sample_seed(rng, held_out),
        weather=weather,
        other=_sample_thing(rng, ground, standing=True) if pair else None,
    )


def variants(scene: Scene) -> dict[str, list[Scene]]:
    """All scenes one word away, by the attribute that changes; impossible ones are left out."""
    changed = {
        "time": [_try(scene, time=time) for time in TIMES if time != scene.time],
        "ground": [_try(scene, ground=ground) for ground in GROUNDS if ground != scene.ground],
        "mountains": [_try(scene, mountains=m) for m in MOUNTAINS if m != scene.mountains],
        "light": [_try(scene, light=not scene.light)],
        "clouds": [_try(scene, clouds=not scene.clouds)],
        "weather": [_try(scene, weather=w) for w in WEATHERS if w != scene.weather],
    }
    for name, one in (("thing", scene.thing), ("other", scene.other)):
        prefix = "other " if name == "other" else ""
        if one:
            colours = [replace(one, colour=c) for c in COLOURS if c != one.colour]
            kinds = [replace(one, kind=k) for k in KINDS if k != one.kind]
            changed[f"{prefix}colour"] = [_try(scene, **{name: each}) for each in colours]
            changed[f"{prefix}kind"] = [_try(scene, **{name: each}) for each in kinds]
            changed[name] = [_try(scene, **{name: None})]
    return {name: [other for other in others if other] for name, others in changed.items()}


def _rare(rng: np.random.Generator) -> bool:
    return rng.random() < 0.3


def _sample_thing(rng: np.random.Generator, ground: str, standing: bool = False) -> Thing:
    kinds = [kind for kind in KINDS if kind != "boat" or ground == "lake"]
    kinds = [kind for kind in kinds if not (standing and kind in FLYING)]
    weights = np.array([3.0 if kind == "boat" else 1.0 for kind in kinds])
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    return Thing(kind, _pick(rng, COLOURS))


def _sample_seed(rng: np.random.Generator, held_out: bool) -> int:
    seed = int(rng.integers(SEEDS))
    remainder = seed % HELD_OUT_EVERY
    if held_out:
        return seed - remainder
    return seed if remainder else seed + 1


def _pick(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[rng.integers(len(words))]


def _try(scene: Scene, **changes: object) -> Scene | None:
    try:
        return replace(scene, **changes)
    except ValueError:
        return None


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
