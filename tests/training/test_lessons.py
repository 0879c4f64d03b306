"""Laws of what the denoiser learns from: true words, the true map, and weight where things are."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from training import album, texts, tokenizer
from training.classes import CLASSES, class_map
from training.lessons import Lessons, focuses
from training.scene import KINDS, sample
from training.world import SIZE, render


def lessons(count: int, side: int = 32) -> Lessons:
    """Latents that name their picture, one token that does, and maps of one class each."""
    numbers = np.arange(count)
    latents = np.broadcast_to(numbers[:, None, None, None], (count, 4, side, side))
    tokens = np.broadcast_to(numbers[:, None, None], (count, texts.WORDINGS, 32))
    classes = np.broadcast_to(numbers[:, None, None], (count, 32, 32))
    return Lessons(*(each.astype(np.uint8) for each in (latents, tokens, classes)))


def test_the_map_names_what_covers_most_of_a_cell():
    rng = np.random.default_rng(0)
    seen: set[str] = set()
    for scene in (sample(rng) for _ in range(40)):
        masks = render(scene).masks
        found = class_map(scene, masks)
        assert found.shape == (32, 32) and found.dtype == np.uint8
        shares = {name: mask.reshape(32, 8, 32, 8).mean((1, 3)) for name, mask in masks.items()}
        for part in ("sky", "mountains", "ground"):
            whole = (shares[part] == 1) & (shares["light"] == 0) & (shares["trace"] == 0)
            assert (found[whole] == CLASSES.index(part)).all()
        assert (found[shares["light"] == 1] == CLASSES.index("light")).all()
        for name, thing in (("first", scene.thing), ("other", scene.other)):
            if thing is not None:
                assert (found[shares[name] == 1] == CLASSES.index(thing.kind)).all()
        seen |= {CLASSES[each] for each in np.unique(found)}
    assert seen == set(CLASSES) - {"trace"}
    assert ("sky", "light", "mountains", "ground", "trace", *KINDS) == CLASSES


def test_the_focus_lies_on_the_thing():
    scenes = [album.scene_of(i) for i in range(12)]
    focus = focuses(scenes, torch.zeros(12, 4, 32, 32))
    assert torch.allclose(focus.mean((1, 2, 3)), torch.ones(12))
    for weight, scene in zip(focus[:, 0].numpy(), scenes, strict=True):
        mask = render(scene).masks["object"]
        cells = mask.reshape(32, SIZE // 32, 32, SIZE // 32).mean((1, 3))
        assert weight.max() / weight.min() == pytest.approx(4 if scene.thing else 1)
        assert not scene.thing or np.all(weight[cells > 0.9] == weight.max())


def test_the_parts_of_a_batch_belong_together_and_some_captions_are_dropped():
    found = islice(lessons(200).batches(60, 2, 0, torch.device("cpu")), 20)
    dropped, seen = 0, 0
    empty = torch.from_numpy(texts.empty()).long()
    for pieces in found:
        assert [len(piece.clean) for piece in pieces] == [30, 30]
        for piece in pieces:
            numbers = piece.clean[:, 0, 0, 0].long()
            assert torch.equal(piece.classes[:, 5, 5], numbers)
            silent = (piece.tokens == empty).all(1)
            assert torch.equal(piece.tokens[~silent, 3], numbers[~silent])
            dropped, seen = dropped + int(silent.sum()), seen + len(silent)
    assert 0.06 < dropped / seen < 0.14


def test_a_third_of_a_batch_is_seldom():
    count = 120
    rare = set(album.seldom(count).tolist())
    share = len(rare) / count
    (pieces,) = islice(lessons(count, 1).batches(count, 1, 0, torch.device("cpu")), 1)
    numbers = pieces[0].clean[:, 0, 0, 0].tolist()
    assert sum(number in rare for number in numbers) >= count // 3
    expected = count // 3 + (count - count // 3) * share
    assert sum(number in rare for number in numbers) == pytest.approx(expected, abs=12)


def test_a_batch_larger_than_the_album_repeats_it():
    (pieces,) = islice(lessons(4, 1).batches(30, 1, 0, torch.device("cpu")), 1)
    assert set(pieces[0].clean[:, 0, 0, 0].tolist()) == {0, 1, 2, 3}


def test_captions_are_kept_as_tokens_of_every_wording(tmp_path: Path):
    found = texts.cached(tmp_path, 30)
    assert found.shape == (30, 12, tokenizer.LENGTH) and found.dtype == np.uint8
    words = tokenizer.build()
    told = words.batch_decode(found[:, 0], skip_special_tokens=True)
    assert told == [render(album.scene_of(i)).caption for i in range(30)]
    assert words.unk_token_id not in found
    (path,) = tmp_path.iterdir()
    written = path.stat().st_mtime_ns
    assert np.array_equal(texts.cached(tmp_path, 30), found)
    assert path.stat().st_mtime_ns == written
