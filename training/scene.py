"""What a postcard shows: a specification that fixes every pixel, and its neighbours by one word.

A `Scene` is pure data. Its attributes are what a caption can name; its `seed` fixes all that has no
name (where the ridge runs, where the house stands, which flowers bloom). Two scenes that differ in
one attribute therefore differ in nothing else: they are the ground truth for comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

TIMES = ("day", "sunset", "night", "dawn", "storm")
GROUNDS = ("meadow", "lake", "snow", "sand", "field")
MOUNTAINS = ("none", "snowy mountains", "blue mountains", "green hills", "red cliffs")
KINDS = ("house", "pine tree", "round tree", "boat", "balloon", "lighthouse", "tower")
COLOURS = ("red", "blue", "white", "yellow", "green", "purple")

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
    light: bool  # the sun by day, the moon by night; nothing in a storm
    clouds: bool
    seed: int  # everything that has no word, in [0, SEEDS)

    def __post_init__(self) -> None:
        _check("time", self.time, TIMES)
        _check("ground", self.ground, GROUNDS)
        _check("mountains", self.mountains, MOUNTAINS)
        if not 0 <= self.seed < SEEDS:
            raise ValueError(f"seed must be in [0, {SEEDS}), not {self.seed}")
        if self.thing and self.thing.kind == "boat" and self.ground != "lake":
            raise ValueError("a boat needs a lake")
        if self.light and self.time == "storm":
            raise ValueError("neither sun nor moon shines in a storm")
        if not self.clouds and self.time == "storm":
            raise ValueError("a storm has clouds")

    @property
    def held_out(self) -> bool:
        """Whether this scene belongs to the split that training never sees."""
        return self.seed % HELD_OUT_EVERY == 0


def sample(rng: np.random.Generator, held_out: bool = False) -> Scene:
    """Draw a scene of the training split, or of the held-out one."""
    time = _pick(rng, TIMES)
    ground = _pick(rng, GROUNDS)
    storm = time == "storm"
    return Scene(
        time=time,
        ground=ground,
        mountains=_pick(rng, MOUNTAINS),
        thing=_sample_thing(rng, ground),
        light=not storm and rng.random() < 0.5,
        clouds=storm or rng.random() < 0.4,
        seed=_sample_seed(rng, held_out),
    )


def variants(scene: Scene) -> dict[str, list[Scene]]:
    """All scenes one word away, by the attribute that changes; impossible ones are left out."""
    thing = scene.thing
    changed = {
        "time": [_try(scene, time=time) for time in TIMES if time != scene.time],
        "ground": [_try(scene, ground=ground) for ground in GROUNDS if ground != scene.ground],
        "mountains": [_try(scene, mountains=m) for m in MOUNTAINS if m != scene.mountains],
        "light": [_try(scene, light=not scene.light)],
        "clouds": [_try(scene, clouds=not scene.clouds)],
    }
    if thing:
        changed["colour"] = [
            _try(scene, thing=replace(thing, colour=colour))
            for colour in COLOURS
            if colour != thing.colour
        ]
        changed["kind"] = [
            _try(scene, thing=replace(thing, kind=kind)) for kind in KINDS if kind != thing.kind
        ]
        changed["thing"] = [replace(scene, thing=None)]
    return {name: [other for other in others if other] for name, others in changed.items()}


def _sample_thing(rng: np.random.Generator, ground: str) -> Thing | None:
    if rng.random() < 0.1:
        return None
    kinds = [kind for kind in KINDS if kind != "boat" or ground == "lake"]
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
