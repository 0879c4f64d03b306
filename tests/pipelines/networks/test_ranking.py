"""A CLIP made on the spot, of random weights, from a folder as a model would bring it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines import Bundle
from pipelines.networks.ranking import Ranker
from tests import toys


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model") / "ranker"
    toys.tiny_ranker(made)
    return made


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8)
    return Image.fromarray(pixels)


def spot(box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", (60, 40))
    mask.paste(255, box)
    return mask


def test_agreement_is_the_cosine_of_the_two_embeddings(folder: Path) -> None:
    ranker = Ranker.load(folder)
    pictures = [picture(1), picture(2)]
    cosines = ranker.agreement(pictures, Image.new("L", (60, 40), 255), "a red house")
    assert len(cosines) == 2 and all(-1 <= each <= 1 for each in cosines)
    ids = ranker.tokenizer("a red house", return_tensors="pt").input_ids
    for image, cosine in zip(pictures, cosines, strict=True):
        pixels = ranker.processor(images=image, return_tensors="pt").pixel_values
        seen = ranker.model.visual_projection(ranker.model.vision_model(pixels).pooler_output)
        read = ranker.model.text_projection(ranker.model.text_model(ids).pooler_output)
        wanted = torch.nn.functional.cosine_similarity(seen, read).item()
        assert cosine == pytest.approx(wanted, abs=1e-5)


def test_only_the_masked_part_and_a_little_around_it_counts(folder: Path) -> None:
    ranker, mask = Ranker.load(folder), spot((20, 10, 30, 20))
    plain = picture(1)
    (alone,) = ranker.agreement([plain], mask, "a house")
    for where, same in (((45, 0), True), ((23, 13), False)):
        changed = plain.copy()
        changed.paste("red", (*where, where[0] + 6, where[1] + 6))
        (again,) = ranker.agreement([changed], mask, "a house")
        assert (again == alone) is same


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (59, 39, 60, 40), (0, 20, 60, 21)])
def test_any_box_can_be_looked_at(folder: Path, box: Any) -> None:
    (cosine,) = Ranker.load(folder).agreement([picture(1)], spot(box), "a b c " * 40)
    assert np.isfinite(cosine)


def test_a_model_brings_its_ranker_when_it_is_asked_for(folder: Path) -> None:
    toys.tiny_pipeline(folder.parent / "words").save_pretrained(str(folder.parent))
    bundle = Bundle.load(folder.parent)
    assert "_ranker" not in vars(bundle)
    assert isinstance(bundle.ranker, Ranker)
    assert bundle.ranker is bundle.ranker


def test_a_model_without_one_claims_nothing(tmp_path: Path) -> None:
    assert Bundle.of(toys.tiny_pipeline(tmp_path)).ranker is None


def test_a_folder_that_is_no_ranker_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="could not be loaded as a ranker"):
        Ranker.load(tmp_path)
