"""Laws of the ranker: pictures keep their words, equal words are no rivals, it loads by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

from training import album, denoiser, export, ranker
from training.captions import things_alone
from training.scene import ATTRIBUTES
from training.world import render

SCENES = [scene for scene in map(album.scene_of, range(60)) if scene.thing]


def test_a_cut_holds_the_whole_of_the_things():
    rng = np.random.default_rng(0)
    for scene in SCENES[:12]:
        mask = render(scene).masks["object"]
        cut = ranker.surroundings(mask[..., None].repeat(3, 2), scene, rng)
        assert cut.shape[0] == cut.shape[1]
        assert cut[..., 0].sum() > 0.9 * mask.sum()
        assert cut[..., 0].mean() > 0.5 * mask.mean()


def test_words_for_the_things_say_nothing_else():
    rng = np.random.default_rng(0)
    for scene in SCENES:
        text = things_alone(scene, rng)
        assert scene.thing and f"a {scene.thing.colour} {scene.thing.kind}" in text
        assert not {"on", "near", "above", "at", "by"} & set(text.split())


def test_a_batch_knows_which_captions_are_equal():
    shard = np.stack([album.postcard(i) for i in range(4)])
    teaching = ranker.Teaching([shard], np.random.default_rng(0))
    pictures, tokens, same, truth = teaching.batch(12)
    assert pictures.shape == (12, 3, ranker.SIDE, ranker.SIDE)
    assert pictures.min() >= -1 and pictures.max() <= 1
    equal = (tokens[:, None] == tokens[None]).all(-1)
    assert torch.equal(equal, same.bool())
    assert truth.shape == (12, len(ATTRIBUTES))


def test_one_lesson_repeated_is_learnt():
    torch.manual_seed(0)
    shard = np.stack([album.postcard(i) for i in range(8)])
    batch = ranker.Teaching([shard], np.random.default_rng(0)).batch(16)
    pupil = ranker.Pupil(ranker.build())
    optimizer = torch.optim.AdamW(pupil.parameters(), 1e-3)
    losses = []
    for _ in range(12):
        loss = pupil.lesson(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_it_begins_with_the_words_of_the_model():
    encoder = denoiser.build_text_encoder()
    clip = ranker.build(encoder)
    tokens = torch.randint(0, 60, (2, 32))
    ours = clip.text_model(input_ids=tokens).last_hidden_state
    assert torch.allclose(ours, encoder(tokens).last_hidden_state, atol=1e-6)


def test_it_loads_by_itself_and_says_the_same(tmp_path: Path):
    clip = ranker.build().eval()
    export.write_ranker(clip, tmp_path)
    folder = tmp_path / "ranker"
    assert sum(file.stat().st_size for file in folder.rglob("*")) <= 5e6
    loaded = CLIPModel.from_pretrained(folder).eval()
    assert loaded.dtype == torch.float32
    pictures, texts = album.held_out(2), ["a red house", "a blue boat on a lake at night"]
    coded = AutoTokenizer.from_pretrained(folder)(
        texts, padding="max_length", truncation=True, return_tensors="pt"
    )
    seen = AutoImageProcessor.from_pretrained(folder)(
        [Image.fromarray(each) for each in pictures], return_tensors="pt"
    )
    with torch.no_grad():
        out = loaded(input_ids=coded.input_ids, pixel_values=seen.pixel_values)
    theirs = out.logits_per_image / loaded.logit_scale.exp()
    ours = ranker.agreement(clip, pictures, texts)
    assert torch.allclose(theirs, ours, atol=0.02)  # halves on disk, another way of shrinking


@pytest.mark.parametrize(("aside", "found"), [(0, 1), (1, 0)])
def test_found_is_who_agrees_most_with_its_own_words(
    aside: int, found: float, monkeypatch: pytest.MonkeyPatch
):
    agreed = torch.eye(8).roll(aside, 1)
    monkeypatch.setattr(ranker, "agreement", lambda *_: agreed)
    assert ranker.retrieval(ranker.build(), rounds=1, among=8) == found
