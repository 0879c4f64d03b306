"""Every tensor of a checkpoint is used or named; scaled fp8 is what it was made from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipelines import Bundle
from pipelines.networks import accounting, checkpoint, single_file
from tests import single_files, toys

FAMILIES = ["sd1", "sd2", "sdxl"]
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return single_files.small_configs(tmp_path_factory.mktemp("small") / "configs")


def scaled(tensors: Tensors, form: str, rows: bool = False) -> tuple[Tensors, Tensors]:
    """All weights of two sides in fp8 with scales, as ComfyUI stores them; and what they mean."""
    held, meant = {}, {}
    kind = torch.float8_e5m2 if "e5m2" in form else torch.float8_e4m3fn
    for name, value in tensors.items():
        held[name] = meant[name] = value
        if not (name.endswith("weight") and value.ndim == 2 and "embedding" not in name):
            continue
        if not name.endswith(".weight"):
            continue  # OpenCLIP's own names of what is no layer
        most = value.abs().amax(1, keepdim=True) if rows else value.abs().max()
        scale = most.clamp(min=1e-6) / torch.finfo(kind).max
        held[name] = (value / scale).to(kind)
        meant[name] = held[name].float() * scale
        layer = name.removesuffix(".weight")
        if form == "old":
            held[f"{layer}.scale_weight"] = scale if rows else scale.reshape(1)
            held[f"{layer}.scale_input"] = torch.ones(1)
        else:
            held[f"{layer}.weight_scale"] = scale
            held[f"{layer}.input_scale"] = torch.tensor(0.5)
            if form != "metadata":
                told = json.dumps({"format": form, "full_precision_matrix_mult": True}).encode()
                held[f"{layer}.comfy_quant"] = text(told)
    if form == "old":
        held["model.diffusion_model.scaled_fp8"] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    return held, meant


def weights(pipe: Any) -> Tensors:
    return {
        f"{part}.{name}": value
        for part in PARTS
        if pipe.components.get(part) is not None
        for name, value in pipe.components[part].state_dict().items()
    }


@pytest.mark.parametrize(
    ("family", "form", "rows"),
    [
        ("sd1", "old", False),
        ("sd1", "metadata", True),
        ("sd2", "old", True),
        ("sd2", "float8_e5m2", False),
        ("sdxl", "old", False),
        ("sdxl", "float8_e4m3fn", True),
    ],
)
def test_scaled_fp8_in_one_file(
    family: str, form: str, rows: bool, tmp_path: Path, configs: Path
) -> None:
    """Denoiser, autoencoder and text encoders alike are what the products say."""
    path, plain = tmp_path / "a-512.safetensors", tmp_path / "b-512.safetensors"
    single_files.write(path, family, configs)
    held, meant = scaled(load_file(path), form, rows)
    told = {"layers": {"x": {"format": "float8_e4m3fn"}}}
    save_file(held, path, {"_quantization_metadata": json.dumps(told)} if form[0] == "m" else None)
    save_file(meant, plain)
    assert sum(name.endswith(accounting.SCALES) for name in held) > 50
    found, wanted = (weights(single_file.load(each, configs=configs)) for each in (path, plain))
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=0, msg=name)


def in_folder(folder: Path, change: Callable[[str, Tensors], Tensors]) -> Path:
    """A toy model whose parts' tensors are changed on the disk."""
    toys.tiny_pipeline(folder / "words").save_pretrained(folder / "model")
    for path in (folder / "model").glob("*/*.safetensors"):
        save_file(change(path.parent.name, load_file(path)), path, {"format": "pt"})
    return folder / "model"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("form", ["old", "float8_e4m3fn"])
def test_scaled_fp8_in_a_folder(form: str, dtype: torch.dtype, tmp_path: Path) -> None:
    model = in_folder(tmp_path / "a", lambda _, tensors: scaled(tensors, form)[0])
    plain = in_folder(tmp_path / "b", lambda _, tensors: scaled(tensors, form)[1])
    found, wanted = (Bundle.load(each, dtype=dtype) for each in (model, plain))
    for part in ("denoiser", "vae"):
        own = getattr(wanted, part).state_dict()
        for name, value in getattr(found, part).state_dict().items():
            assert value.dtype == dtype
            torch.testing.assert_close(value, own[name], msg=f"{part}.{name}")
    for one, other in zip(found.text_encoders, wanted.text_encoders, strict=True):
        own = other.state_dict()
        for name, value in one.state_dict().items():
            torch.testing.assert_close(value, own[name], msg=name)


def text(said: bytes) -> Tensor:
    return torch.tensor(list(said), dtype=torch.uint8)


LAYER = "model.diffusion_model.input_blocks.1.1.proj_in"


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({f"{LAYER}.weight_scale_2": torch.ones(1)}, "weight_scale_2"),
        ({f"{LAYER}.comfy_quant": text(b'{"format":"nvfp4"}')}, "nvfp4"),
        ({f"{LAYER}.comfy_quant": text(b"{")}, "its description"),
        ({f"{LAYER}.weight": torch.ones(4, 4, dtype=torch.int8)}, "I8"),
        ({f"{LAYER}.weight.absmax": torch.ones(4)}, "absmax"),
        ({f"{LAYER}.weight_scale": torch.ones(1)}, f"{LAYER}.weight_scale"),  # of no fp8
        ({"x.scale_weight": torch.ones(1)}, "x.scale_weight"),  # of nothing
        ({"y.weight": torch.ones(4, 4).half(), "y.weight_scale": torch.ones(2)}, "y.weight_scale"),
    ],
)  # fmt: skip
def test_other_forms_of_weights_are_refused(
    extra: Tensors, named: str, tmp_path: Path, configs: Path
) -> None:
    path = tmp_path / "model.safetensors"
    single_files.write(path, "sd1", configs, extra=extra)
    with pytest.raises(ValueError, match=r"^model\.safetensors is quantized in a form") as raised:
        single_file.load(path, configs=configs)
    assert f"({named[:60]}" in str(raised.value) and str(raised.value).endswith("fp8.")


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_used_is_named_with_counts(family: str, tmp_path: Path, configs: Path) -> None:
    path = tmp_path / "model-512.safetensors"
    single_files.write(path, family, configs)
    count = len(checkpoint.read(path).tensors)
    plain = single_file.note(single_file.load(path, configs=configs), path)
    assert plain.startswith(
        f"{count - used(path, configs)} of {count} tensors of model-512.safeten"
    )
    assert plain.endswith(".") and "no place for" not in plain
    extra = {
        f"model.diffusion_model.input_blocks.1.1.new.{i}.weight": torch.ones(1) for i in range(4)
    }
    extra |= {"first_stage_model.encoder.extra": torch.ones(1), "elsewhere": torch.ones(1)}
    extra |= {f"model_ema.x{i}": torch.ones(1) for i in range(7)}
    single_files.write(path, family, configs, extra=extra)
    told = single_file.note(single_file.load(path, configs=configs), path)
    assert (
        "6 that this model has no place for (elsewhere, first_stage_model.encoder.extra, " in told
    )
    assert " and 3 more), 8 of averaged weights" in told and "1 of the noise schedule" in told


def used(path: Path, configs: Path) -> int:
    from pipelines.networks import conversion

    pipe = single_file.load(path, configs=configs)
    found = conversion.sources(pipe, checkpoint.read(path))
    assert found.keys() == {
        (part, name)
        for part in PARTS
        if pipe.components.get(part) is not None
        for name in pipe.components[part].state_dict()
    }
    return len(set(found.values()))


def test_a_folder_accounts_for_its_tensors(tmp_path: Path) -> None:
    def change(part: str, tensors: Tensors) -> Tensors:
        extra = {"position_ids": torch.zeros(1)} if part == "text_encoder" else {}
        return {**tensors, **extra, **({"new.weight": torch.ones(2)} if part == "vae" else {})}

    model = in_folder(tmp_path, lambda _, tensors: tensors)
    assert Bundle.load(model).note == ""
    told = Bundle.load(in_folder(tmp_path / "more", change)).note
    assert told.startswith("2 of ")
    assert told.endswith(
        "are not used: 1 that this model has no place for (new.weight), 1 of positions."
    )


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("unet", "conv_in.weight"),
        ("vae", "decoder.conv_in.bias"),
        ("text_encoder", "embeddings.position_embedding.weight"),
    ],
)
def test_a_folder_with_a_hole_is_refused(part: str, name: str, tmp_path: Path) -> None:
    def change(home: str, tensors: Tensors) -> Tensors:
        return {k: v for k, v in tensors.items() if home != part or not k.endswith(name)}

    model = in_folder(tmp_path, change)
    with pytest.raises(ValueError, match=rf"model is incomplete: 1 of \d+ .* {part} .*{name}\.$"):
        Bundle.load(model)


def test_former_names_of_an_autoencoder_are_known(tmp_path: Path) -> None:
    former = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def change(part: str, tensors: Tensors) -> Tensors:
        if part != "vae":
            return tensors
        named = {}
        for name, value in tensors.items():
            for now, then in former.items():
                name = name.replace(f".{now}.", f".{then}.")
            named[name] = value
        return named

    assert Bundle.load(in_folder(tmp_path, change)).note == ""
