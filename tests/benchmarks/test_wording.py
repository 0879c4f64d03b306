"""The freely worded sentences: of the world, each its own, and none that training could show."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.quality.wording import Wording, measure, wordings
from training import texts, tokenizer
from training.scene import Scene, Thing

SAMPLES = 60  # wordings of one scene, twelve at a time


def scenes(case: Wording) -> Iterator[Scene]:
    """Scenes that show what the sentence names, in each order of its things; the rest is simple."""
    for shown in case.readings:
        for values in product(*shown.values()):
            yield scene(dict(zip(shown, values, strict=True)))


def scene(told: dict[str, str]) -> Scene:
    things = [
        Thing(told.get(f"{other}kind", "house"), told.get(f"{other}colour", "red"))
        if f"{other}kind" in told
        else None
        for other in ("", "other ")
    ]
    boat = any(thing is not None and thing.kind == "boat" for thing in things)
    light, weather = told.get("light"), told.get("weather", "clear")
    time = told.get("time", "night" if light == "moon" else "day")
    assert light in (None, "moon" if time == "night" else "sun")
    return Scene(
        time=time,
        ground=told.get("ground", "lake" if boat else "meadow"),
        mountains=told.get("mountains", "none"),
        thing=things[0],
        light=light is not None,
        clouds="clouds" in told or time == "storm" or weather in ("rain", "snowfall"),
        seed=0,
        weather=weather,
        other=things[1],
    )


def plain(sentence: str) -> list[str]:
    """What is left when case and punctuation do not count."""
    return sentence.lower().replace(",", " ").replace(".", " ").split()


def test_there_are_two_hundred_and_each_is_its_own() -> None:
    found = [tuple(plain(case.prompt)) for case in wordings(1000)]
    assert len(found) == len(set(found)) == 200


def test_the_tokenizer_knows_every_word_and_has_room_for_all() -> None:
    words = tokenizer.build()
    for case in wordings(200):
        ids = words(case.prompt).input_ids
        assert words.unk_token_id not in ids, case.prompt
        assert len(ids) <= tokenizer.LENGTH, case.prompt


def test_the_world_can_show_what_each_names() -> None:
    for case in wordings(200):
        assert case.shown, case.prompt
        assert list(scenes(case)), case.prompt


def test_every_value_is_asked_for_and_second_things_often() -> None:
    shown = [case.shown for case in wordings(200)]
    assert sum("other kind" in each for each in shown) >= 60
    assert sum("kind" not in each for each in shown) >= 15
    for name, least in (("time", 15), ("ground", 8), ("colour", 15), ("weather", 10)):
        counts = {
            value: sum(value in each.get(name, ()) for each in shown)
            for value in {v for each in shown for v in each.get(name, ())}
        }
        assert min(counts.values()) >= least, (name, counts)


def test_training_never_words_its_scenes_so() -> None:
    """Of each scene that fits, a seeded sample of what the captions of training make of it."""
    for case in wordings(200):
        sentence = plain(case.prompt)
        for number, fitting in enumerate(scenes(case)):
            rng = np.random.default_rng([case.seed, number])
            told = [t for _ in range(SAMPLES // 12) for t in texts.wordings(fitting, rng)]
            assert sentence not in [plain(text) for text in told], case.prompt


@dataclass(frozen=True)
class Reading:
    attributes: dict[str, str]


def judged(case: Wording, **found: str) -> dict[str, float]:
    told = {name.replace("_", " "): value for name, value in found.items()}
    lab: Any = SimpleNamespace(critic=SimpleNamespace(read=lambda _: [Reading(told)]))
    return measure(lab, case, [Image.new("RGB", (8, 8))])


PAIR = {"kind": ("house",), "colour": ("red",), "other kind": ("tower", "boat")}


@pytest.mark.parametrize(("either", "right"), [(False, 1 / 3), (True, 1.0)])
def test_things_count_exchanged_only_where_their_order_is_left_open(
    either: bool, right: float
) -> None:
    """Colour agrees by chance in the order that is asked for."""
    case = Wording(0, "", PAIR, either)
    figures = judged(case, kind="boat", colour="red", other_kind="house", other_colour="red")
    assert figures["attributes"] == pytest.approx(right)
    assert figures["all attributes"] == float(either)
    assert figures["other kind"] == float(either)


def test_what_is_wrong_is_said_of_the_thing_as_the_sentence_names_it() -> None:
    case = Wording(0, "", PAIR, True)
    figures = judged(case, kind="tower", colour="red", other_kind="house", other_colour="blue")
    assert (figures["kind"], figures["colour"], figures["other kind"]) == (1, 0, 1)
    assert np.isnan(figures["time"])
