"""The smaller rooms of the core: sizes, masks, noise, words, previews, requests, the bundle."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pipelines
from pipelines import Bundle, SDEdit
from pipelines.core import masks, noise, preview, sizes
from pipelines.edit import Edit, Report, Result, in_memory
from pipelines.request import SCHEDULERS, Request, hints
from pipelines.words.prompt import unknown_words
from tests import toys


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.of(toys.tiny_pipeline(tmp_path_factory.mktemp("tiny")), "tiny")


@pytest.mark.parametrize(
    ("size", "native", "multiple", "expected"),
    [
        ((256, 256), 256, 32, (256, 256)),
        ((1000, 1000), 256, 32, (256, 256)),
        ((100, 100), 256, 32, (256, 256)),
        ((512, 256), 256, 32, (320, 160)),
        ((256, 512), 256, 32, (160, 320)),
        ((1920, 1080), 512, 64, (640, 384)),
        ((1, 1), 256, 32, (256, 256)),
        ((1, 5000), 256, 32, (32, 2048)),
        ((8191, 3), 512, 64, (4096, 64)),
    ],
)
def test_fitted_sizes(
    size: tuple[int, int], native: int, multiple: int, expected: tuple[int, int]
) -> None:
    width, height = sizes.fit(size, native, multiple)
    assert (width, height) == expected
    assert width * height <= native**2


@pytest.mark.parametrize("aspect", np.geomspace(0.2, 5, 41))
def test_the_aspect_is_kept_as_far_as_the_grid_allows(aspect: float) -> None:
    width, height = sizes.fit((round(1000 * aspect), 1000), 512, 64)
    assert abs(np.log(width / height / aspect)) < 0.35
    assert width * height >= 0.55 * 512**2


def test_a_mask_cell_takes_its_largest_pixel() -> None:
    mask = Image.new("L", (64, 64))
    mask.putpixel((63, 0), 102)
    cells = masks.cells(mask, 8, 8)
    assert cells.shape == (1, 1, 8, 8)
    assert cells[0, 0, 0, 7] == pytest.approx(0.4)
    assert cells.sum() == pytest.approx(0.4)
    assert not masks.hard(cells)
    assert masks.hard(masks.cells(Image.new("L", (5, 5), 255), 8, 8))


def test_paste_keeps_the_original_where_the_mask_is_black() -> None:
    original = Image.effect_noise((30, 20), 100).convert("RGB")
    mask = Image.new("L", (30, 20))
    mask.paste(255, (5, 5, 10, 10))
    pasted = masks.paste(original, Image.new("RGB", (8, 8), "red"), mask)
    changed = (np.asarray(pasted) != np.asarray(original)).any(-1)
    assert changed[5:10, 5:10].all()
    assert changed.sum() == 25
    with pytest.raises(ValueError, match="one size"):
        masks.paste(original, original, Image.new("L", (20, 30)))


def test_noise_of_a_picture_is_its_own_seeds() -> None:
    assert noise.seeds(2**32 - 1, 3) == [2**32 - 1, 0, 1]
    together = noise.draw(noise.generators([4, 5]), (2, 3))
    alone = noise.draw(noise.generators([5]), (2, 3))
    assert torch.equal(together[1:], alone)
    assert together.dtype == torch.float32


def test_words_the_embedded_model_does_not_know_are_named(postcard: Bundle) -> None:
    assert postcard.read("a red house").unknown == ()
    text = "a (Zeppelin:1.2), over a red house: zeppelin and dragons++"
    assert postcard.read(text).unknown == ("Zeppelin", "zeppelin", "dragons")
    assert unknown_words(map(postcard.read, ["(a Zeppelin", "a Zeppelin:99)"])) == [
        "Zeppelin",
        "99",
    ]


def test_the_preview_is_close_to_the_decoded_picture(postcard: Bundle) -> None:
    guide = Image.effect_noise((8, 8), 90).convert("RGB").resize((256, 256))
    latents = postcard.encode(guide, noise.generators([0, 1]))
    rough = preview.pictures(postcard, latents)
    exact = postcard.decode(latents)
    assert [each.size for each in rough] == [(256, 256)] * 2
    error = np.asarray(rough[0], float) - np.asarray(exact[0], float)
    assert np.sqrt((error**2).mean()) < 25


def test_hints_describe_every_field_in_order() -> None:
    named = hints(SDEdit)
    assert list(named)[:3] == ["prompt", "negative_prompt", "num_inference_steps"]
    assert {"image", "mask_image", "strength", "eta", "repeats", "num_images"} <= set(named)
    assert Request().scheduler in SCHEDULERS


def test_a_request_cleans_its_values() -> None:
    request = SDEdit(image=Image.new("L", (4, 4)), num_inference_steps=7.0, strength=1)  # type: ignore[arg-type]
    assert isinstance(request.num_inference_steps, int)
    assert isinstance(request.strength, float)
    assert request.image is not None
    assert request.image.mode == "RGB"


def test_an_edit_is_its_images() -> None:
    images = [Image.new("RGB", (1, 1))] * 2
    results = [Result(make=in_memory(each), seed=n) for n, each in enumerate(images, start=1)]
    edit = Edit(results, Report())
    assert list(edit) == edit.images == images and edit.seeds == [1, 2]


def test_the_package_imports_without_torch_and_names_its_surface() -> None:
    code = (
        "import sys, pipelines, pipelines.request; assert 'torch' not in sys.modules;"
        "import pipelines.core.outline; assert 'torch' not in sys.modules;"
        "assert {'Bundle', 'Edit', 'Request', 'SDEdit', 'sdedit'} < set(pipelines.__all__)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["blended", "prompt_to_prompt", "sdedit"])
def test_a_method_is_not_hidden_by_the_file_of_its_name(name: str) -> None:
    import_module(f"pipelines.{name}")
    assert callable(getattr(pipelines, name))


def test_a_folder_is_loaded_as_it_was_saved(bundle: Bundle, tmp_path: Path) -> None:
    toys.tiny_pipeline(tmp_path / "words").save_pretrained(tmp_path / "model")
    loaded = Bundle.load(tmp_path / "model")
    assert (loaded.name, loaded.size, loaded.cell, loaded.multiple) == ("model", 32, 2, 4)
    assert loaded.scheduler_config["_class_name"] == "DDIMScheduler"
    mine, theirs = loaded.denoiser.state_dict(), bundle.denoiser.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("model.ckpt", b"anything", "only .safetensors"),
        ("folder/", None, "could not be loaded"),
    ],
)
def test_what_is_no_model_is_refused_with_a_sentence(
    tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        Bundle.load(path)


def test_a_half_precision_decode_that_overflows_is_done_again(tmp_path: Path) -> None:
    bundle = Bundle.of(toys.tiny_pipeline(tmp_path))
    bundle.vae.to(torch.bfloat16)
    decode, seen = bundle.vae.decode, []

    def overflow(latents: torch.Tensor, **options: Any) -> Any:
        seen.append(latents.dtype)
        (pixels,) = decode(latents, **options)
        return (pixels * float("nan") if latents.dtype == torch.bfloat16 else pixels,)

    bundle.vae.decode = overflow
    (picture,) = bundle.decode(torch.zeros(1, 4, 16, 16))
    assert picture.size == (32, 32)
    assert seen == [torch.bfloat16, torch.float32]
    assert bundle.vae.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="no picture"):
        bundle.decode(torch.full((1, 4, 16, 16), float("nan")))
