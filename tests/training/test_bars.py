"""Laws of the measuring: who reads the truth finds it, and a picture is drawn for its own words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines import Bundle
from training import autoencoder, bars, denoiser, photographs
from training.captions import named
from training.critic import Critic, Reading
from training.export import write
from training.scene import ATTRIBUTES, attributes

BLANK = Image.new("RGB", (256, 256))


class Knowing:
    """A judge that says what it was told to say."""

    def __init__(self, said: Sequence[dict[str, str]]) -> None:
        self.said = said

    def read(self, pictures: Sequence[Image.Image]) -> list[Reading]:
        nothing = np.zeros((256, 256), bool)
        return [Reading(each, nothing) for each, _ in zip(self.said, pictures, strict=True)]


def judge(said: Sequence[dict[str, str]]) -> Critic:
    return cast("Critic", cast("Any", Knowing(said)))


def test_the_truth_gets_full_marks():
    told = bars.scenes(30)
    found = bars.marks(judge([attributes(scene) for scene in told]), [BLANK] * 30, told)
    assert found.together == found.mean == 1
    assert set(found.each) == {name for scene in told for name in named(scene)}


def test_one_wrong_attribute_is_one_wrong_picture():
    told = bars.scenes(10)
    said = [attributes(scene) for scene in told]
    first = next(i for i, scene in enumerate(told) if "time" in named(scene))
    said[first]["time"] = next(t for t in ATTRIBUTES["time"] if t != told[first].time)
    found = bars.marks(judge(said), [BLANK] * 10, told)
    assert found.together == 0.9
    assert found.each["time"] < 1
    assert all(share == 1 for name, share in found.each.items() if name != "time")


def test_what_is_not_named_is_not_asked_for():
    told = [scene for scene in bars.scenes(60) if "mountains" not in named(scene)]
    said = [attributes(scene) | {"mountains": "red cliffs"} for scene in told]
    assert bars.marks(judge(said), [BLANK] * len(told), told).together == 1


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out: Path = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    write(autoencoder.build(), denoiser.build((16, 16, 32)), out)
    return Bundle.load(out)


def test_each_row_has_its_own_words(bundle: Bundle):
    words = ["a red house on snow", "a blue boat on a lake at night"]
    both = bars.draw(bundle, words, steps=2)
    swapped = bars.draw(bundle, [words[0], words[0]], steps=2)
    first, second = (
        np.abs(np.asarray(a, float) - np.asarray(b, float)).max()
        for a, b in zip(both, swapped, strict=True)
    )
    assert first <= 1
    assert second > 1


@pytest.mark.parametrize(("aside", "share"), [(0, 1), (2, 1 / 3), (4, 0)])
def test_where_the_network_looks_is_held_to_where_the_thing_is(
    aside: int, share: float, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
):
    """It looks at a box four cells wide; the thing is such a box, some cells aside."""
    scene = next(each for each in bars.scenes(20) if each.thing and not each.other)
    box = np.zeros((16, 16))
    box[5:11, 4:8] = 1

    def looked(watch: bars.Watch) -> torch.Tensor:
        assert len(watch.steps) == bars.STEPS
        return torch.tensor(box)[None, None]

    class Elsewhere(Knowing):
        def read(self, pictures: Sequence[Image.Image]) -> list[Reading]:
            thing = np.kron(np.roll(box, aside, 1), np.ones((16, 16))) > 0
            return [Reading(attributes(scene), thing)] * len(pictures)

    monkeypatch.setattr(bars.Watch, "mean", looked)
    found = bars.overlap(bundle, cast("Critic", cast("Any", Elsewhere([]))), [scene])
    assert found == pytest.approx(share)


def test_photographs_are_squares():
    pytest.importorskip("skimage")
    pytest.importorskip("sklearn")
    pictures = photographs.load()
    assert pictures.shape[1:] == (256, 256, 3) and pictures.dtype == np.uint8
    assert len(pictures) == 10
    assert len({each.tobytes() for each in pictures}) == len(pictures)
