"""Say what a scene shows: exactly, and in as many ways as a person might.

The canonical caption names every attribute in one order. `phrase` varies order and wording and
drops clauses, so that the denoiser learns words, not sentences; a dropped clause leaves its
attribute free, a spoken one is always true.
"""

from __future__ import annotations

import re

import numpy as np

from training.scene import COLOURS, FLYING, KINDS, MOUNTAINS, Scene, Thing, attributes

TIME_WORDS = {  # the canonical wording first, in this table and the next ones
    "day": ("by day", "on a sunny day"),
    "sunset": ("at sunset", "in the evening"),
    "night": ("at night", "in the dark"),
    "dawn": ("at dawn", "in the morning"),
    "storm": ("in a storm", "in dark weather"),
}
WEATHER_WORDS = {
    "rain": ("in the rain", "in rain"),
    "snowfall": ("in the snowfall", "in falling snow"),
    "fog": ("in the fog", "in the mist"),
}
GROUND_WORDS = {
    "meadow": ("on a meadow", "on a green meadow", "on grass"),
    "lake": ("on a lake", "on the water", "on the sea"),
    "snow": ("on snow", "in the snow", "in winter"),
    "sand": ("on sand", "in the desert", "on a beach"),
    "field": ("on a wheat field", "on a yellow field"),
    "plain": ("on a plain background", "before a plain wall"),
}
ABOVE = {
    "meadow": ("above a meadow", "over grass"),
    "lake": ("above a lake", "over the sea"),
    "snow": ("above snow", "over the snow"),
    "sand": ("above sand", "over the desert"),
    "field": ("above a wheat field", "over a field"),
    "plain": ("on a plain background", "before a plain wall"),
}
BARE = {
    "meadow": ("a meadow", "a landscape of grass"),
    "lake": ("a lake", "a landscape of water"),
    "snow": ("snow", "a landscape of snow"),
    "sand": ("sand", "a landscape of sand"),
    "field": ("a wheat field", "a landscape of wheat"),
}
NEAR = ("near", "before", "with")
BROADER = {  # what a careless person says
    "pine tree": "tree",
    "round tree": "tree",
    "snowy mountains": "mountains",
    "blue mountains": "mountains",
    "green hills": "hills",
    "red cliffs": "cliffs",
}


def caption(scene: Scene) -> str:
    """Everything there is to say about a scene, in one fixed order."""
    parts = [_subject(scene), *(clause[0] for clause in _clauses(scene))]
    return " ".join(parts)


def phrase(scene: Scene, rng: np.random.Generator) -> str:
    """One of the many true captions of a scene: wording, order and completeness vary."""
    subject = _subject(scene, rng)
    spoken = [_choose(clause, rng) for clause in _clauses(scene)]
    kept = [clause for clause in spoken if rng.random() < 0.87]
    if rng.random() < 0.25:
        rng.shuffle(kept)
    text = " ".join([subject, *kept])
    for exact, broad in BROADER.items():
        if exact in text and rng.random() < 0.08:
            text = text.replace(exact, broad)
    if spoken and spoken[-1] in kept and text.endswith(spoken[-1]) and rng.random() < 0.2:
        return f"{spoken[-1]}, {text.removesuffix(spoken[-1]).strip()}"
    return text


def named(scene: Scene) -> tuple[str, ...]:
    """Which of the scene's attributes its canonical caption names, in the order of ATTRIBUTES."""
    plain, found = scene.ground == "plain", attributes(scene)
    silent = {name for name, value in found.items() if value in ("none", "clear")}
    silent |= {"time"} if plain else set()
    silent |= {"clouds"} if scene.time == "storm" else set()
    return tuple(name for name in found if name not in silent)


def vocabulary() -> list[str]:
    """Every word that captions use, sorted."""
    tables = (TIME_WORDS, WEATHER_WORDS, GROUND_WORDS, ABOVE, BARE)
    texts = [text for table in tables for words in table.values() for text in words]
    texts += [
        *MOUNTAINS[1:],
        *KINDS,
        *COLOURS,
        *NEAR,
        "a the and with under sun moon clouds left right of",
    ]
    return sorted({word for text in texts for word in re.findall(r"[a-z]+", text)})


def chips() -> dict[str, list[str]]:
    """The words a person may want to use, by group, as the studio shows them."""
    return {
        "Objects": [*KINDS],
        "Colours": [*COLOURS],
        "Ground": [
            "on a meadow",
            "on a lake",
            "on snow",
            "on sand",
            "on a wheat field",
            "on a plain background",
        ],
        "Mountains": [*MOUNTAINS[1:]],
        "Time of day": [words[0] for words in TIME_WORDS.values()],
        "Sky": ["sun", "moon", "clouds"],
        "Weather": [words[0] for words in WEATHER_WORDS.values()],
        "Beside": ["left of", "right of"],
    }


def _subject(scene: Scene, rng: np.random.Generator | None = None) -> str:
    """The thing and where it is; the ground alone where there is no thing."""
    if scene.thing is None:
        return _choose(BARE[scene.ground], rng)
    name = _things(scene, scene.thing, rng)
    table = ABOVE if scene.thing.kind in FLYING else GROUND_WORDS
    if rng is not None and rng.random() < 0.08:
        return name
    return f"{name} {_choose(table[scene.ground], rng)}"


def things_alone(scene: Scene, rng: np.random.Generator) -> str:
    """The words for the things of a scene, which must have one, and no others."""
    assert scene.thing is not None
    return _things(scene, scene.thing, rng)


def _things(scene: Scene, thing: Thing, rng: np.random.Generator | None) -> str:
    left = f"a {thing.colour} {thing.kind}"
    if scene.other is None:
        return left
    right = f"a {scene.other.colour} {scene.other.kind}"
    wordings = (f"{left} left of {right}", f"{right} right of {left}", f"{left} and {right}")
    return _choose(wordings, rng)


def _clauses(scene: Scene) -> list[tuple[str, ...]]:
    """The further things to say, each with its wordings, the canonical one first."""
    clauses: list[tuple[str, ...]] = []
    if scene.ground == "plain":
        return clauses
    if scene.mountains != "none":
        clauses.append(tuple(f"{near} {scene.mountains}" for near in NEAR))
    sky = []
    if scene.light:
        sky.append("the moon" if scene.time == "night" else "the sun")
    if scene.clouds and scene.time != "storm":
        sky.append("clouds")
    if sky:
        joined = " and ".join(sky)
        clauses.append((f"with {joined}", f"under {joined}"))
    if scene.weather != "clear":
        clauses.append(WEATHER_WORDS[scene.weather])
    clauses.append(TIME_WORDS[scene.time])
    return clauses


def _choose(options: tuple[str, ...], rng: np.random.Generator | None) -> str:
    """The canonical option; with chance, the canonical one half of the time, else any."""
    if rng is None or rng.random() < 0.5:
        return options[0]
    return options[rng.integers(len(options))]
