"""Laws of the exported folder: stock diffusers opens it offline and draws; we can read it back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines.prompt_to_prompt import PromptEdit
from training import autoencoder, comparisons, denoiser, examples, export, replacing, tokenizer
from training.captions import vocabulary

WIDTHS = (16, 16, 32)
SHIPPED = Path(__file__).parents[2] / "assets" / "models" / "postcard"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model")
    (out / "README.md").write_text("kept")
    torch.manual_seed(0)
    export.write(autoencoder.build(), denoiser.build(WIDTHS), out)
    export.write(autoencoder.build(), denoiser.build(WIDTHS), out)  # over an older one
    return out


def test_stock_diffusers_loads_it_and_draws(folder: Path):
    pipeline = cast("Any", StableDiffusionPipeline).from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline(
        "a red house", height=64, width=64, num_inference_steps=2, output_type="np"
    ).images[0]
    assert image.shape == (64, 64, 3)
    assert np.isfinite(image).all()
    assert pipeline.safety_checker is None
    assert pipeline.vae_scale_factor == 8


def test_the_shipped_model_follows_its_words():
    pipeline = cast("Any", StableDiffusionPipeline).from_pretrained(SHIPPED)
    pipeline.set_progress_bar_config(disable=True)
    night, day = (
        pipeline(
            f"a meadow {time}",
            num_inference_steps=5,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        ).images[0]
        for time in ("at night", "by day")
    )
    assert day.mean() > night.mean() + 0.1
    sky, ground = day[:80].mean((0, 1)), day[180:].mean((0, 1))
    assert sky[2] > sky[1] > sky[0]  # blue above
    assert ground[1] > max(ground[0], ground[2])  # green below


def test_what_is_read_back_is_what_was_written(folder: Path):
    vae, networks = export.read(folder, torch.device("cpu"))
    stock = StableDiffusionPipeline.from_pretrained(folder)
    for ours, theirs in ((vae, stock.vae), (networks.unet, stock.unet)):
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(mine, other)
            assert torch.equal(mine, mine.half().float())  # half precision on disk


def test_writing_again_keeps_what_is_not_ours(folder: Path):
    assert (folder / "README.md").read_text() == "kept"
    assert not (folder / ".fresh").exists()


def test_the_card_fits_the_model(folder: Path):
    card = json.loads((folder / "studio.json").read_text())
    words = StableDiffusionPipeline.from_pretrained(folder).tokenizer
    for group in card["vocabulary"].values():
        assert words.unk_token_id not in words(" ".join(group)).input_ids
    assert card["size"] == 256
    assert 0 < card["defaults"]["paint"]["strength"] <= 1


def test_the_shipped_folder_is_all_in_small_files():
    sizes = [file.stat().st_size for file in SHIPPED.rglob("*") if file.is_file()]
    assert max(sizes) <= 14.5e6


def test_examples_are_painted_alike_every_time_in_known_words(tmp_path: Path):
    written = examples.write(tmp_path)
    listing = json.loads((tmp_path / "paint.json").read_text())
    assert len(listing) == len(written) >= 8
    words = tokenizer.build()
    for sketch, entry in zip(examples.SKETCHES, listing, strict=True):
        assert (tmp_path / entry["image"]).is_file()
        assert words.unk_token_id not in words(entry["prompt"]).input_ids
        assert np.array_equal(examples.paint(sketch), examples.paint(sketch))


def test_regions_to_replace_are_drawn_alike_every_time_in_known_words(tmp_path: Path):
    written = replacing.write(tmp_path / "first")
    replacing.write(tmp_path / "second")
    assert len(written) >= 6
    known = set(vocabulary())
    for example in written:
        assert set(example["prompt"].split()) <= known
        files = [example[name] for name in ("image", "mask", "strokes") if name in example]
        pictures = [cv2.imread(str(tmp_path / "first" / name)) for name in files]
        sizes = {picture.shape for picture in pictures if picture is not None}
        assert len(sizes) == 1
        for name in files:
            contents = [(tmp_path / part / name).read_bytes() for part in ("first", "second")]
            assert contents[0] == contents[1]
        assert "mask" in example or example["left"] > 0


def test_the_examples_are_of_postcards_that_training_never_sees():
    assert all(region.scene.held_out for region in replacing.REGIONS)
    assert all(each.scene.held_out for each in comparisons.COMPARISONS)


def test_comparisons_speak_in_known_words_and_name_what_they_weigh(tmp_path: Path) -> None:
    known = set(vocabulary())
    listing = comparisons.write(tmp_path)
    assert len(listing) >= 6
    for entry in listing:
        rows = [PromptEdit.read(row) for row in entry["edits"]]
        assert (tmp_path / entry["image"]).is_file()
        for prompt in (entry["prompt"], *(row.prompt for row in rows)):
            assert set(prompt.split()) <= known, prompt
        for row in rows:
            blend = row.local_blend
            target, source = (blend.target, blend.source) if blend else ((), ())
            assert {*row.weights, *target} <= set(row.prompt.split())
            assert set(source) <= set(entry["prompt"].split())


def test_the_shipped_folder_names_no_place_it_was_read_from():
    told = [json.loads(file.read_text()) for file in SHIPPED.rglob("*config.json")]
    assert told and not any("_name_or_path" in each for each in told)
