"""Say what a scene shows as people write it: in free order, with or without articles, or in tags.

`captions.phrase` varies the canonical sentence; `free` lets go of it: "a sunset over the sea with a
boat", "boat, lake, evening", "at night, red house in the desert under the moon". What is said is
always true, much is left unsaid, and every word is one of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from training.captions import BROADER, NEAR, TIME_WORDS, WEATHER_WORDS
from training.scene import FLYING, Scene, Thing

TIME_NOUNS = {
    "day": ("day", "the day"),
    "sunset": ("sunset", "a sunset", "evening", "the evening"),
    "night": ("night", "a night", "the night", "a dark night"),
    "dawn": ("dawn", "the dawn", "morning", "a morning"),
    "storm": ("storm", "a storm", "the storm", "dark weather"),
}
SUNNY = ("a sunny day", "sunny weather")  # a day of clear weather
WEATHER_NOUNS = {
    "rain": ("rain", "the rain", "falling rain"),
    "snowfall": ("snowfall", "falling snow", "a snowfall"),
    "fog": ("fog", "mist", "the fog", "the mist"),
}
PLACES = {  # preposition and noun: where things stand
    "meadow": (
        ("on", "a meadow"), ("in", "a meadow"), ("on", "the grass"), ("in", "the grass"),
        ("on", "a green meadow"), ("on", "green grass"),
    ),
    "lake": (
        ("on", "a lake"), ("on", "the lake"), ("on", "the water"), ("on", "the sea"),
        ("in", "the sea"), ("in", "the water"),
    ),
    "snow": (
        ("on", "snow"), ("in", "the snow"), ("on", "the snow"), ("in", "winter"),
        ("in", "a winter landscape"), ("in", "a landscape of snow"),
    ),
    "sand": (
        ("on", "sand"), ("on", "the sand"), ("in", "the desert"), ("in", "a desert"),
        ("on", "a beach"), ("on", "the beach"),
    ),
    "field": (
        ("on", "a wheat field"), ("in", "a wheat field"), ("in", "the wheat"), ("in", "a field"),
        ("on", "a field"), ("on", "a yellow field"),
    ),
    "plain": (("on", "a plain background"), ("before", "a plain wall")),
}  # fmt: skip
BESIDE = ("and", "near", "with", "by")
SIDES = (  # where the first and the second of two things stand, told of both or of one
    "{left} left of {right}",
    "{right} right of {left}",
    "left of {right} {left}",
    "right of {left} {right}",
    "{left} on the left and {right} on the right",
    "{right} on the right and {left} on the left",
    "on the left {left} and on the right {right}",
    "on the right {right}, on the left {left}",
    "left {left}, right {right}",
    "{left} and {right} on the right",
)
SIDED = 0.6  # the share of pairs whose sides are told
COLOUR_LAST = 0.12  # the share of things whose colour comes behind
STOPPED = 0.3  # the share of tags between full stops
TAGGED = 0.2  # the share of captions that are tags
COMMA_FIRST = 0.15  # the share that begins with a clause and a comma

T = TypeVar("T")


def free(scene: Scene, rng: np.random.Generator) -> str:
    """One of the many true captions that a person might write."""
    text = _tags(scene, rng) if rng.random() < TAGGED else _sentence(scene, rng)
    return " ".join(text.split()).replace(" ,", ",").replace(" .", ".").removesuffix(",")


def _tags(scene: Scene, rng: np.random.Generator) -> str:
    """What is there, one after another in any order."""
    tags = _named_things(scene, rng)
    if len(tags) == 2 and rng.random() < 0.3:
        tags = [_pair(tags, rng)]
    if not tags or rng.random() < 0.85:
        tags.append(_noun(_pick(PLACES[scene.ground], rng)[1], rng, 0.6))
    if (mountains := _mountains(scene, rng)) is not None:
        tags.append(mountains)
    tags += _sky(scene, rng)
    if scene.weather != "clear" and rng.random() < 0.9:
        tags.append(_noun(_pick(WEATHER_NOUNS[scene.weather], rng), rng, 0.5))
    if scene.ground != "plain" and rng.random() < 0.8:
        tags.append(_noun(_time_noun(scene, rng), rng, 0.6))
    stopped = rng.random() < STOPPED
    return (" . " if stopped else ", ").join(_shuffled(tags, rng))


def _sentence(scene: Scene, rng: np.random.Generator) -> str:
    """A subject, and clauses in any order around it."""
    plain = scene.ground == "plain"
    things = _named_things(scene, rng)
    subject = _pair(things, rng) if len(things) == 2 else "".join(things)
    preposition, place = _pick(PLACES[scene.ground], rng)
    place = _noun(place, rng, 0.15)
    timed = not plain and rng.random() < 0.8  # whether the time is still to be said
    clauses: list[str] = []
    form = rng.random()
    if not subject:
        subject = place
        if timed and form < 0.4:
            subject, timed = _time_over(scene, place, rng), False
    elif rng.random() < 0.85:
        flies = scene.thing is not None and scene.thing.kind in FLYING
        if flies and not plain:
            preposition = _pick(("above", "over"), rng)
        if timed and form < 0.15:
            subject, timed = f"{_time_over(scene, place, rng)} with {subject}", False
        elif form < 0.35 and not plain:
            subject = f"{place} with {subject}"
        elif form < 0.85:
            subject = f"{subject} {preposition} {place}"
        else:
            clauses.append(f"{preposition} {place}")
    if (mountains := _mountains(scene, rng)) is not None:
        clauses.append(f"{_pick(NEAR, rng)} {mountains}")
    if sky := _sky(scene, rng):
        clauses.append(f"{_pick(('with', 'under'), rng)} {' and '.join(sky)}")
    if scene.weather != "clear" and rng.random() < 0.9:
        clauses.append(_pick(WEATHER_WORDS[scene.weather], rng))
    if timed:
        clauses.append(_time(scene, rng))
    clauses = _shuffled(clauses, rng)
    if clauses and rng.random() < COMMA_FIRST:
        return f"{clauses[0].strip(' ,')}, {' '.join([subject, *clauses[1:]])}"
    return " ".join([subject, *clauses])


def _named_things(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Each thing with an article or none; a second one is left out now and then."""
    kept = [thing for thing in (scene.thing, scene.other) if thing is not None]
    if len(kept) == 2 and rng.random() < 0.05:
        kept = kept[:1]
    return [_thing(thing, rng) for thing in kept]


def _thing(thing: Thing, rng: np.random.Generator) -> str:
    kind = BROADER.get(thing.kind, thing.kind) if rng.random() < 0.12 else thing.kind
    article = _pick(("a", "a", "the", ""), rng)
    if rng.random() < COLOUR_LAST:
        return f"{article} {kind} in {thing.colour}"
    colour = thing.colour if rng.random() < 0.85 else ""
    return f"{article} {colour} {kind}"


def _pair(things: Sequence[str], rng: np.random.Generator) -> str:
    """Two things in one clause; the first stands left."""
    left, right = things
    if rng.random() < SIDED:
        return _pick(SIDES, rng).format(left=left, right=right)
    first, second = _shuffled(things, rng)
    return f"{first} {_pick(BESIDE, rng)} {second}"


def _mountains(scene: Scene, rng: np.random.Generator) -> str | None:
    if scene.mountains == "none" or rng.random() >= 0.8:
        return None
    return BROADER[scene.mountains] if rng.random() < 0.1 else scene.mountains


def _sky(scene: Scene, rng: np.random.Generator) -> list[str]:
    found: list[str] = []
    if scene.light and rng.random() < 0.85:
        found.append(_noun("the moon" if scene.time == "night" else "the sun", rng, 0.25))
    if scene.clouds and rng.random() < (0.2 if scene.time == "storm" else 0.8):
        found.append("clouds")
    return _shuffled(found, rng)


def _time(scene: Scene, rng: np.random.Generator) -> str:
    """The time of day as a phrase, or as a noun between commas."""
    if rng.random() < 0.7:
        phrases = [
            p for p in TIME_WORDS[scene.time] if "sunny" not in p or scene.weather == "clear"
        ]
        return _pick(phrases, rng)
    return f", {_noun(_time_noun(scene, rng), rng, 0.4)},"


def _time_over(scene: Scene, place: str, rng: np.random.Generator) -> str:
    """ "a sunset over the sea"."""
    return f"{_time_noun(scene, rng)} {_pick(('over', 'over', 'on'), rng)} {place}"


def _time_noun(scene: Scene, rng: np.random.Generator) -> str:
    sunny = SUNNY if scene.time == "day" and scene.weather == "clear" else ()
    return _pick((*TIME_NOUNS[scene.time], *sunny), rng)


def _noun(noun: str, rng: np.random.Generator, bare: float) -> str:
    """A noun as it is, or, in a share `bare`, without its article."""
    return noun.removeprefix("a ").removeprefix("the ") if rng.random() < bare else noun


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def _shuffled(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    order: list[int] = rng.permutation(len(texts)).tolist()
    return [texts[i] for i in order]
