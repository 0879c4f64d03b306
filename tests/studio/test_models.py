"""What a model's folder says, and what a wrong one is told."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.models import Models, pick_device, pick_dtype


def put(folder: Path, name: str, content: object) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def models(folder: Path, **named: Any) -> Models:
    return Models(str(folder), "cpu", "float32", **named)


def test_facts_of_a_folder_that_says_nothing(tmp_path: Path) -> None:
    facts = models(tmp_path / "sd-turbo").facts()
    assert (facts.name, facts.device, facts.size) == ("sd-turbo", "cpu", 512)
    assert not (facts.defaults or facts.vocabulary or facts.swatches or facts.examples)


def test_facts_of_a_folder_that_says_all(tmp_path: Path) -> None:
    told = {
        "title": "Postcard",
        "size": 256,
        "defaults": {"strength": 0.6},
        "vocabulary": {"Colours": ["red", "blue"]},
        "swatches": ["#3e86d6", ["grass", "#48c038"], "url(evil)", ["x", "y", "z"], 7],
    }
    put(tmp_path, "studio.json", told)
    facts = models(tmp_path).facts()
    assert (facts.name, facts.size, facts.defaults) == ("Postcard", 256, {"strength": 0.6})
    assert facts.vocabulary == {"Colours": ["red", "blue"]}
    assert facts.swatches == [("#3e86d6", "#3e86d6"), ("grass", "#48c038")]


def test_each_tab_has_the_examples_whose_files_are_all_there(tmp_path: Path) -> None:
    put(tmp_path, "examples/barn.png", "picture")
    put(tmp_path, "examples/barn-mask.png", "mask")
    listed = [
        {"name": "Barn", "image": "barn.png", "prompt": "a barn"},
        {"name": "Masked", "image": "barn.png", "mask": "barn-mask.png"},
        {"name": "Gone", "image": "gone.png"},
        {"name": "Half", "image": "barn.png", "mask": "gone.png"},
        {"name": "Odd", "image": "barn.png", "mask": 7},
        {"name": "None"},
        "no example",
    ]
    put(tmp_path, "examples/replace.json", listed)
    put(tmp_path, "examples/paint.json", "{")
    examples = models(tmp_path).facts().examples
    assert [each["name"] for each in examples["replace"]] == ["Barn", "Masked"]
    assert Path(examples["replace"][1]["mask"]) == (tmp_path / "examples/barn-mask.png").resolve()
    assert examples["paint"] == [] and "compare" not in examples


def test_defaults_are_for_all_tabs_or_for_one(tmp_path: Path) -> None:
    told = {"num_inference_steps": 20, "strength": 1.0, "paint": {"strength": 0.6}}
    put(tmp_path, "studio.json", {"defaults": told})
    facts = models(tmp_path).facts()
    assert facts.defaults_for("paint") == {"num_inference_steps": 20, "strength": 0.6}
    assert facts.defaults_for("replace") == {"num_inference_steps": 20, "strength": 1.0}


@pytest.mark.parametrize("content", ["{", "[]", '"text"', "\x00", '{"swatches": 3, "examples": 1}'])
def test_a_face_that_cannot_be_read_is_no_face(content: str, tmp_path: Path) -> None:
    put(tmp_path, "studio.json", content)
    facts = models(tmp_path).facts()
    assert facts.size == 512 and not facts.swatches


@pytest.mark.parametrize("key", ["block_out_channels", "encoder_block_out_channels"])
def test_the_size_is_read_from_the_networks(key: str, tmp_path: Path) -> None:
    put(tmp_path, "unet/config.json", {"sample_size": 96})
    put(tmp_path, "vae/config.json", {key: [32, 32, 32, 32]})
    assert models(tmp_path).facts().size == 768


def test_the_networks_are_loaded_once(tmp_path: Path) -> None:
    loads: list[Any] = []

    def load(source: str, **named: Any) -> Any:
        loads.append((source, named))
        return object()

    held = models(tmp_path, load=load)
    assert held.loaded is None
    first = held.bundle()
    assert held.bundle() is first is held.loaded
    assert loads == [(str(tmp_path), {"device": "cpu", "dtype": torch.float32})]


@pytest.mark.parametrize(
    "device", ["cuda:99", "mps" if not torch.backends.mps.is_available() else "cuda:98", "gpu"]
)
def test_a_device_that_is_not_there_is_a_sentence(device: str) -> None:
    with pytest.raises(ValueError, match=device):
        pick_device(device)


def test_the_device_and_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_dtype("float16", "cpu") == torch.float16
    able = {"avx512_bf16": False, "amx_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert pick_dtype("auto", "cpu") == torch.float32
    able["avx512_bf16"] = True
    assert pick_dtype("auto", "cpu") == torch.bfloat16
    assert pick_dtype("auto", "mps") == torch.float16
