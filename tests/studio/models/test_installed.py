"""What is installed is listed by its headers; junk is named and breaks nothing."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pipelines import Bundle
from studio.models.installed import Installed
from tests import single_files
from tests.conftest import POSTCARD


def installed(tmp_path: Path) -> Installed:
    return Installed(POSTCARD, tmp_path / "models", tmp_path / "cache")


def listed(tmp_path: Path) -> dict[str, str]:
    """Name → family, or why it cannot be used."""
    (tmp_path / "cache").mkdir(exist_ok=True)
    models = installed(tmp_path).models()
    assert [each.refusal != "" for each in models] == sorted(each.refusal != "" for each in models)
    return {each.name: each.family or each.refusal for each in models}


def hubbed(tmp_path: Path, name: str, model: Path, revision: str = "a" * 40) -> Path:
    """The model as the hub's cache has it: blobs, and links to them."""
    repository = tmp_path / "cache" / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    state = repository / "snapshots" / revision
    for number, path in enumerate(sorted(model.rglob("*.*"))):
        blob = repository / "blobs" / f"{number:040}"
        link = state / path.relative_to(model)
        for place in (blob, link):
            place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, blob)
        link.symlink_to(blob)
    return state


def test_nothing_but_the_embedded_model(tmp_path: Path) -> None:
    (only,) = installed(tmp_path).models()
    assert (only.name, only.family, only.refusal) == ("Postcard", "Postcards", "")
    assert only.source == str(POSTCARD)
    assert only.size == sum(each.stat().st_size for each in POSTCARD.rglob("*") if each.is_file())


@pytest.mark.parametrize(
    ("unet", "family"),
    [
        ({"cross_attention_dim": 768}, "Stable Diffusion 1"),
        ({"cross_attention_dim": 1024}, "Stable Diffusion 2"),
        ({"cross_attention_dim": 2048}, "Stable Diffusion XL"),
        ({"cross_attention_dim": 768, "in_channels": 9}, "Stable Diffusion 1, inpainting"),
        ({}, "Stable Diffusion"),
    ],
)
def test_a_folder_is_known_by_its_configuration(
    unet: Mapping[str, Any], family: str, tmp_path: Path, toy_model: Callable[..., Path]
) -> None:
    toy_model(tmp_path / "models" / "mine", **unet)
    toy_model(tmp_path / "models" / "ada" / "below", **unet)
    toy_model(tmp_path / "models" / "ada" / "too" / "deep", **unet)
    assert listed(tmp_path) == {"Postcard": "Postcards", "mine": family, "below": family}


@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize(
    ("family", "called"),
    [("sd1", "Diffusion 1"), ("sd2", "Diffusion 2"), ("sdxl", "Diffusion XL")],
)
def test_a_file_is_known_by_its_header(
    family: str, called: str, channels: int, tmp_path: Path
) -> None:
    configs = single_files.small_configs(tmp_path / "configs")
    (tmp_path / "models").mkdir()
    single_files.write(tmp_path / "models" / "one_lcm.safetensors", family, configs, channels)
    marks = ", inpainting" * (channels == 9) + ", few steps"
    assert listed(tmp_path)["one_lcm"] == f"Stable {called}{marks}"


def test_what_cannot_be_used_is_listed_with_its_sentence(
    tmp_path: Path, toy_model: Callable[..., Path]
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "pickle.safetensors").write_bytes(b"\x80\x02}.")
    (models / "old.ckpt").write_bytes(b"PK\x03\x04" + bytes(20))
    (models / "cut.safetensors").write_bytes(b"\xff" * 20)
    save_file({"double_blocks.0.img_attn.qkv": torch.zeros(1)}, models / "flux.safetensors")
    save_file({"input_hint_block.0.weight": torch.zeros(1)}, models / "hint.safetensors")
    other = toy_model(models / "other")
    (other / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    half = toy_model(models / "half")
    (half / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    bins = toy_model(models / "bins")
    weights = bins / "vae" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    shards = toy_model(models / "shards")
    index = {"weight_map": {"a": "diffusion_pytorch_model.safetensors", "b": "gone.safetensors"}}
    (shards / "unet" / "model.safetensors.index.json").write_text(json.dumps(index))
    for name, content in (("torn", "{"), ("odd", '{"_class_name": 7}'), ("list", "[]")):
        (models / name).mkdir()
        (models / name / "model_index.json").write_text(content)
    (models / "notes.txt").write_text("no model")
    (models / "taesd").mkdir()  # it draws the previews of others
    save_file({"decoder.layers.1.weight": torch.zeros(1)}, models / "taesd" / "any.safetensors")
    (models / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    (models / "round").symlink_to(models)
    said = listed(tmp_path)
    assert said.pop("Postcard") == "Postcards"
    assert all(sentence.endswith(".") for sentence in said.values())
    assert "can run code" in said["pickle"] and "can run code" in said["old.ckpt"]
    assert "Flux" in said["flux"] and "a ControlNet" in said["hint"] and "Flux" in said["other"]
    assert said["half"] == "The unet of half is not all there; fetch the model again."
    assert said["shards"] == "The unet of shards is not all there; fetch the model again."
    assert said["bins"] == "The vae of bins can run code; only .safetensors is read."
    assert {"cut", "torn", "odd", "list"} <= said.keys()
    assert not {"notes", "notes.txt", "gone", "round", "any"} & said.keys()


def test_what_may_not_be_looked_into_breaks_nothing(
    tmp_path: Path, toy_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    locked, half = toy_model(models / "locked"), toy_model(models / "half")
    toy_model(models / "open")
    shut = (locked, half / "unet")
    stat, listdir = os.stat, os.listdir

    # As for a folder of mode 000, of which nobody who tests as root would notice.
    def stat_if_open(path: Any, *given: Any, **named: Any) -> Any:
        if not isinstance(path, int) and {*shut} & {*Path(path).parents}:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *given, **named)

    def listdir_if_open(path: Any = ".") -> Any:
        if Path(path) in shut:
            raise PermissionError(13, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(os, "stat", stat_if_open)
    monkeypatch.setattr(os, "listdir", listdir_if_open)
    said = listed(tmp_path)
    weights = "diffusion_pytorch_model.safetensors cannot be read"
    assert said.pop("half").startswith((weights, "The unet of half is not all there"))
    assert said == {"Postcard": "Postcards", "open": "Stable Diffusion"}
    assert installed(tmp_path).find("locked") is None
    assert installed(tmp_path).add_ons(POSTCARD) == []


def test_configurations_of_odd_shape_break_nothing(
    tmp_path: Path, toy_model: Callable[..., Path]
) -> None:
    odd = toy_model(tmp_path / "models" / "odd")
    config = {"cross_attention_dim": [768, 1024], "in_channels": "nine"}
    (odd / "unet" / "config.json").write_text(json.dumps(config))
    (odd / "studio.json").write_text('{"title": 7, "family": []}')
    assert listed(tmp_path)["odd"] == "Stable Diffusion"


def test_the_hubs_cache_is_listed_by_id(tmp_path: Path, toy_model: Callable[..., Path]) -> None:
    model = toy_model(tmp_path / "somewhere", cross_attention_dim=768)
    state = hubbed(tmp_path, "ada/landscapes", model)
    hubbed(tmp_path, "ada/words", model)
    (
        tmp_path / "cache" / "models--ada--words" / "snapshots" / ("a" * 40) / "model_index.json"
    ).unlink()
    (tmp_path / "cache" / "models--ada--broken").mkdir()
    assert listed(tmp_path) == {"Postcard": "Postcards", "ada/landscapes": "Stable Diffusion 1"}
    found = next(each for each in installed(tmp_path).models() if each.name == "ada/landscapes")
    assert found.source == str(state)
    assert found.size == sum(each.stat().st_size for each in model.rglob("*.*"))
    assert installed(tmp_path).find("ada/landscapes") == state
    assert installed(tmp_path).find("ada/words") is None


def test_a_download_that_broke_off_is_not_found(
    tmp_path: Path, toy_model: Callable[..., Path]
) -> None:
    (tmp_path / "cache").mkdir()
    own = toy_model(tmp_path / "models" / "ada" / "own")
    assert installed(tmp_path).find("ada/own") == own
    (own / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert installed(tmp_path).find("ada/own") is None
    assert listed(tmp_path)["own"].startswith("The vae of own is not all there")


def in_half(model: Path) -> Path:
    """Its weights called as those in half precision are."""
    for path in list(model.glob("*/*.safetensors")):
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    return model


def test_an_index_of_weights_that_are_not_loaded_is_passed_over(
    tmp_path: Path, toy_model: Callable[..., Path]
) -> None:
    model = in_half(toy_model(tmp_path / "models" / "half"))
    index = model / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    shard = "diffusion_pytorch_model-00001-of-00002.safetensors"
    index.write_text(json.dumps({"weight_map": {"a": shard, "b": shard.replace("1-of", "2-of")}}))
    (tmp_path / "cache").mkdir()
    assert listed(tmp_path)["half"] == "Stable Diffusion"
    assert Bundle.load(model).name == "half"
    shutil.copyfile(next((model / "unet").glob("*.safetensors")), model / "unet" / shard)
    assert "is not all there" in listed(tmp_path)["half"]  # now the index is what is loaded
    with pytest.raises(ValueError, match="could not be loaded"):
        Bundle.load(model)


def test_what_is_linked_is_listed_once(tmp_path: Path, toy_model: Callable[..., Path]) -> None:
    state = hubbed(tmp_path, "ada/one", toy_model(tmp_path / "somewhere"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "link").symlink_to(state)
    assert list(listed(tmp_path)) == ["Postcard", "link"]


def test_half_precision_alone_loads_and_the_checker_is_not_asked_for(
    tmp_path: Path, toy_model: Callable[..., Path]
) -> None:
    model = in_half(toy_model(tmp_path / "models" / "half"))
    path = model / "model_index.json"
    checker = {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    path.write_text(json.dumps({**json.loads(path.read_text()), **checker}))
    (tmp_path / "cache").mkdir()
    assert listed(tmp_path)["half"] == "Stable Diffusion"
    assert Bundle.load(model).name == "half"
