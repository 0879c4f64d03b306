"""Laws of the captions and the tokenizer: true, known word by word, and placed in the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from training import tokenizer
from training.captions import caption, chips, named, phrase, vocabulary
from training.free import free
from training.scene import Scene, Thing, attributes, sample

Wording = Callable[[Scene, np.random.Generator], str]
UNSAID: dict[Wording, set[str]] = {phrase: set(), free: set()}  # words that one never says
SCENE = Scene("sunset", "meadow", "snowy mountains", Thing("house", "red"), True, True, seed=1)


def test_the_canonical_caption_names_everything():
    assert caption(SCENE) == (
        "a red house on a meadow near snowy mountains with the sun and clouds at sunset"
    )


PAIR = Scene(
    "day", "lake", "none", Thing("house", "red"), False, True, 1, "rain", Thing("boat", "blue")
)


def test_two_things_stand_in_a_relation():
    assert caption(PAIR) == (
        "a red house left of a blue boat on a lake with clouds in the rain by day"
    )
    rng = np.random.default_rng(0)
    spoken = {phrase(PAIR, rng).split(" on ")[0] for _ in range(60)}
    assert any("a blue boat right of a red house" in text for text in spoken)
    assert not any("a blue boat left of" in text for text in spoken)


def test_weather_is_one_word_of_the_caption():
    rain, fog = (caption(replace(PAIR, weather=weather)).split() for weather in ("rain", "fog"))
    assert [pair for pair in zip(rain, fog, strict=True) if len(set(pair)) > 1] == [("rain", "fog")]


def test_what_is_named_is_what_the_caption_says():
    assert named(SCENE) == ("time", "ground", "mountains", "light", "clouds", "kind", "colour")
    assert "mountains" not in named(PAIR)
    rng = np.random.default_rng(2)
    for scene in (sample(rng) for _ in range(200)):
        said, found = caption(scene), attributes(scene)
        for name in ("kind", "colour", "mountains", "other kind", "other colour", "clouds"):
            assert (name not in named(scene)) or found[name] in said
        assert ("time" in named(scene)) == (scene.ground != "plain")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"thing": None}, "house"),
        ({"mountains": "none"}, "mountains"),
        ({"light": False}, "sun"),
        ({"clouds": False}, "clouds"),
        ({"weather": "clear"}, "rain"),
    ],
    ids=str,
)
def test_a_caption_never_names_what_is_not_there(changes: dict[str, Any], word: str):
    fields: dict[str, Any] = {field: getattr(SCENE, field) for field in Scene.__slots__}
    scene = Scene(**fields | changes)
    rng = np.random.default_rng(0)
    said = [caption(scene), *(say(scene, rng) for say in (phrase, free) for _ in range(60))]
    assert word not in {each.strip(",") for text in said for each in text.split()}


def test_phrases_vary():
    rng = np.random.default_rng(0)
    assert len({phrase(SCENE, rng) for _ in range(60)}) > 25


@pytest.mark.parametrize("say", [phrase, free])
def test_every_word_of_every_phrase_is_known_and_every_known_word_is_used(say: Wording):
    rng = np.random.default_rng(0)
    spoken = set()
    for _ in range(6000):
        spoken |= set(re.findall(r"[a-z]+", say(sample(rng), rng)))
    assert spoken - {"by"} == set(vocabulary()) - {"by"} - UNSAID[say]
    assert spoken <= set(vocabulary())


@pytest.mark.parametrize("say", [phrase, free])
def test_phrases_fit_the_text_encoder(say: Wording):
    rng = np.random.default_rng(1)
    words = tokenizer.build()
    texts = [say(sample(rng), rng) for _ in range(3000)]
    assert max(len(ids) for ids in words(texts).input_ids) <= tokenizer.LENGTH


def test_free_captions_are_written_as_people_do():
    """No canonical order, tags among sentences, no stray comma, no word twice in a row."""
    rng = np.random.default_rng(0)
    said = [free(SCENE, rng) for _ in range(400)]
    assert len(set(said)) > 350
    tags = [text for text in said if text.count(", ") >= 2]
    assert 0.1 < len(tags) / len(said) < 0.4
    for text in said:
        assert text == text.strip(" ,") and " ," not in text and ",," not in text
        assert not re.search(r"\b(\w+) \1\b", text), text
    for name in ("house", "meadow|grass", "mountains", "sun", "clouds", "sunset|evening"):
        share = np.mean([bool(re.search(rf"\b({name})\b", text)) for text in said])
        assert 0.6 < share <= 1, name


def test_no_words_for_sides_are_true_of_things_exchanged() -> None:
    pair = replace(SCENE, thing=Thing("house", "red"), other=Thing("tower", "blue"))
    swapped = replace(pair, thing=pair.other, other=pair.thing)
    rng = np.random.default_rng(3)
    said = [[free(each, rng) for _ in range(600)] for each in (pair, swapped)]
    ours, theirs = ({text for text in some if re.search("left|right", text)} for some in said)
    assert len(ours) > 200 and not ours & theirs
    for words in ("left of", "right of", "on the left", "on the right", ", right", "in red"):
        assert any(words in text for text in ours), words


def test_a_day_is_sunny_only_in_clear_weather():
    rng = np.random.default_rng(0)
    foggy = replace(SCENE, time="day", light=False, weather="fog")
    assert not any("sunny" in free(foggy, rng) for _ in range(300))
    assert any("sunny" in free(replace(SCENE, time="day"), rng) for _ in range(300))


def test_chips_are_known_words():
    words = tokenizer.build()
    for group in chips().values():
        for chip in group:
            assert words.unk_token_id not in words(chip).input_ids, chip


def test_unknown_words_are_marked_in_their_place():
    words = tokenizer.build()
    text = "A Red zeppelin, on SNOW"
    coded = words(text, return_offsets_mapping=True)
    spans = [text[start:end] for start, end in coded.offset_mapping[1:-1]]
    assert spans == ["A", "Red", "zeppelin", ",", "on", "SNOW"]
    unknown = [ids == words.unk_token_id for ids in coded.input_ids[1:-1]]
    assert unknown == [False, False, True, False, False, False]


def test_a_text_is_wrapped_and_padded():
    words = tokenizer.build()
    tokens = words.convert_ids_to_tokens(words("a red house", padding="max_length").input_ids)
    assert tokens[:5] == ["<start>", "a", "red", "house", "<end>"]
    assert tokens[5:] == ["<pad>"] * 27
    assert words.model_max_length == 32


def test_too_long_a_text_is_cut():
    words = tokenizer.build()
    assert len(words("red " * 50, truncation=True).input_ids) == 32
