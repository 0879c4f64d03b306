"""The layers of a LoRA are found by whatever name a trainer gives them."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from pipelines.networks import adapters
from pipelines.networks.lora_keys import Places, layers, originals
from pipelines.networks.single_file import CONFIGS
from tests import addons, single_files, toys

UNET = {  # layer → its factors' shapes
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": (16, 16),
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0": (16, 16),
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k": (16, 32),
}
CONVOLUTION = "up_blocks.1.resnets.0.conv1"
ENCODER = {
    "encoder.layers.0.self_attn.q_proj": (32, 32),
    "encoder.layers.1.self_attn.out_proj": (32, 32),
}
MLP = {"encoder.layers.1.mlp.fc1": (64, 32)}
OLD = {"q_proj": "to_q", "out_proj": "to_out"}

Write = Callable[[str, str], tuple[str, str]]  # network and layer → the names of B and of A


def kohya(network: str, layer: str) -> tuple[str, str]:
    prefix = {"unet": "lora_unet", "text_encoder": "lora_te1", "text_encoder_2": "lora_te2"}[
        network
    ]
    path = layer if network == "unet" else f"text_model.{layer}"
    name = f"{prefix}_{path.replace('.', '_')}"
    return f"{name}.lora_up.weight", f"{name}.lora_down.weight"


def kohya_alone(network: str, layer: str) -> tuple[str, str]:
    up, down = kohya(network, layer)
    return up.replace("lora_te1", "lora_te"), down.replace("lora_te1", "lora_te")


def peft_with(prefix: str, inner: str = "") -> Write:
    def write(network: str, layer: str) -> tuple[str, str]:
        path = layer if network == "unet" else f"text_model.{layer}"
        name = prefix.format(network=network) + path
        return f"{name}.lora_B{inner}.weight", f"{name}.lora_A{inner}.weight"

    return write


def old(network: str, layer: str) -> tuple[str, str]:
    """diffusers up to 0.20: attention processors, and text encoders in the same words."""
    if network == "unet":
        path = layer.replace(".to_", ".processor.to_").removesuffix(".0")
    else:
        head, _, last = layer.rpartition(".")
        path = f"text_model.{head}.{OLD[last]}" if last in OLD else f"text_model.{layer}"
    middle = ".lora_linear_layer" if "mlp" in layer else "_lora"
    return f"{network}.{path}{middle}.up.weight", f"{network}.{path}{middle}.down.weight"


def between(network: str, layer: str) -> tuple[str, str]:
    path = layer if network == "unet" else f"text_model.{layer}"
    middle = "lora" if network == "unet" else "lora_linear_layer"
    return f"{network}.{path}.{middle}.up.weight", f"{network}.{path}.{middle}.down.weight"


def processors_alone(network: str, layer: str) -> tuple[str, str]:
    up, down = old(network, layer)
    return up.removeprefix("unet."), down.removeprefix("unet.")


SPELLINGS: dict[str, Write] = {
    "kohya": kohya,
    "kohya, one text encoder": kohya_alone,
    "diffusers": peft_with("{network}."),
    "diffusers, old": old,
    "diffusers, between the two": between,
    "diffusers, old, without the network": processors_alone,
    "without the network": peft_with(""),
    "PEFT": peft_with("base_model.model."),
    "PEFT, the adapter named": peft_with("base_model.model.", ".default"),
    "PEFT, the adapter named otherwise": peft_with("base_model.model.", ".my_style"),
    "PEFT within a network": peft_with("{network}.base_model.model."),
    "PEFT around a network": peft_with("base_model.model.{network}."),
}


def comfy(network: str, layer: str) -> tuple[str, str]:
    prefix = {
        "unet": "diffusion_model.",
        "text_encoder": "text_encoders.clip_l.transformer.text_model.",
        "text_encoder_2": "text_encoders.clip_g.transformer.text_model.",
    }[network]
    return f"{prefix}{layer}.lora_B.weight", f"{prefix}{layer}.lora_A.weight"


def module_of(root: Any, layer: str) -> Any:
    return next(each for name, each in root.named_modules() if name.endswith(layer))


def check(
    pipe: Any, write: Write, wanted: dict[tuple[str, str], tuple[int, int]], path: Path
) -> None:
    """Each of these layers becomes W + B A, and the file has nothing that is not used."""
    held: dict[str, Tensor] = {}
    expected: dict[tuple[str, str], Tensor] = {}
    generator = torch.Generator().manual_seed(3)
    for (network, layer), (height, width) in wanted.items():
        up, down = write(network, layer)
        held[up] = torch.randn(height, 2, generator=generator)
        held[down] = torch.randn(2, width, generator=generator)
        module = module_of(pipe.components[network], layer)
        expected[network, layer] = module.weight.detach() + held[up] @ held[down]
    addons.saved(path, held)
    assert adapters.add_loras(pipe, {path: 1.0}) == {}
    for (network, layer), weight in expected.items():
        found = module_of(pipe.components[network], layer).weight
        torch.testing.assert_close(found, weight, msg=lambda text, n=layer: f"{n}: {text}")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_trainers_names_are_understood(spelling: str, tmp_path: Path) -> None:
    write = SPELLINGS[spelling]
    wanted = {("unet", layer): shape for layer, shape in UNET.items()}
    if spelling != "diffusers, old, without the network":
        wanted |= {("text_encoder", layer): s for layer, s in {**ENCODER, **MLP}.items()}
    check(toys.tiny_pipeline(tmp_path), write, wanted, tmp_path / "style.safetensors")


@pytest.mark.parametrize(
    "write", [kohya, peft_with("{network}."), old, comfy], ids=["kohya", "new", "old", "ComfyUI"]
)
def test_two_text_encoders_are_told_apart(write: Write, tmp_path: Path) -> None:
    wanted = {("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v"): (16, 64)}
    for network in ("text_encoder", "text_encoder_2"):
        wanted |= {(network, layer): shape for layer, shape in {**ENCODER, **MLP}.items()}
    check(toys.tiny_xl_pipeline(tmp_path), write, wanted, tmp_path / "style.safetensors")


@pytest.mark.parametrize("spelling", ["kohya", "diffusers", "diffusers, old", "PEFT"])
def test_a_text_encoder_may_be_there_in_part(spelling: str, tmp_path: Path) -> None:
    pipe = toys.tiny_pipeline(tmp_path)
    path = tmp_path / "style.safetensors"
    for layer, shape in ENCODER.items():
        check(pipe, SPELLINGS[spelling], {("text_encoder", layer): shape}, path)


@torch.no_grad()
@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_every_layer_of_a_family_is_found_by_all_its_names(family: str) -> None:
    """The layouts of the real models, without their weights."""
    folder = CONFIGS / family
    with torch.device("meta"):
        config: Any = UNet2DConditionModel.load_config(str(folder / "unet"))
        unet: Any = UNet2DConditionModel.from_config(config)
        networks = {"unet": unet, "text_encoder": encoder(CLIPTextModel, folder / "text_encoder")}
        if family == "sdxl":
            networks["text_encoder_2"] = encoder(
                CLIPTextModelWithProjection, folder / "text_encoder_2"
            )
    places = Places(networks)
    state = unet.state_dict()
    modules = {name: m for name, m in unet.named_modules() if f"{name}.weight" in state}
    known = originals(modules)
    assert known.keys() == modules.keys()
    for name, module in modules.items():
        there = single_files.unet_name(f"{name}.weight", state, unet.config.layers_per_block)
        assert f"{known[name]}.weight" == there
        flat, original = name.replace(".", "_"), known[name].replace(".", "_")
        for spelling in (
            f"lora_unet_{flat}",
            f"lora_unet_{original}",
            f"unet.{name}",
            name,
            f"base_model.model.{name}",
            f"diffusion_model.{known[name]}",
        ):
            place = places.find(spelling)
            assert place is not None and place.module is module, spelling
    for number, network in enumerate(("text_encoder", "text_encoder_2"), 1):
        for name, module in networks[network].named_modules() if network in networks else ():
            if not name or not hasattr(module, "weight"):
                continue
            path = name.removeprefix("text_model.")
            prefix = "" if path.startswith("text_projection") else "text_model."
            for spelling in (
                f"lora_te{number}_{prefix}{path}".replace(".", "_"),
                f"{network}.{prefix}{path}",
            ):
                place = places.find(spelling)
                assert place is not None and place.module is module, spelling
    assert places.find("lora_unet_double_blocks_0_img_attn_proj") is None
    assert places.find("lora_te3_text_model_encoder_layers_0_mlp_fc1") is None


def encoder(make: Any, folder: Path) -> Any:
    return make(CLIPTextConfig(**json.loads((folder / "config.json").read_text())))


def test_each_tensor_is_of_one_layer() -> None:
    names = [
        "lora_unet_x.lora_up.weight",
        "lora_unet_x.lora_down.weight",
        "lora_unet_x.alpha",
        "lora_unet_x.bias_values",
        "unet.a.b.lora_A.weight",
        "unet.a.b.lora_A.default.weight",
        "unet.a.b.lora_B.bias",
        "emb_params",
    ]
    found = layers(names)
    assert sorted(key for layer in found for key in layer.keys.values()) == sorted(names)
    assert {layer.name: set(layer.keys) for layer in found} == {
        "lora_unet_x": {"up", "down", "alpha", "bias_values"},
        "unet.a.b": {"down", "unet.a.b.lora_A.default.weight", "lora_B.bias"},
        "": {"emb_params"},
    }


def test_kohyas_names_of_the_original_blocks_are_those_that_diffusers_reads(tmp_path: Path) -> None:
    """Beside diffusers' own loader, on the layout of XL, narrow."""
    configs = single_files.small_configs(tmp_path / "configs")
    parts = single_files.networks(configs / "sdxl")
    ours, theirs = copy.deepcopy(parts["unet"]), parts["unet"]
    modules = dict(ours.named_modules())
    generator = torch.Generator().manual_seed(4)
    held: dict[str, Tensor] = {}
    for name, there in originals(modules).items():
        if name.endswith(("to_q", "to_k", "to_out.0", "ff.net.2", "proj_in")):
            height, width = modules[name].weight.shape
            key = f"lora_unet_{there.replace('.', '_')}"
            held[f"{key}.lora_up.weight"] = torch.randn(height, 2, generator=generator)
            held[f"{key}.lora_down.weight"] = torch.randn(2, width, generator=generator)
            held[f"{key}.alpha"] = torch.tensor(2.0)
    path = tmp_path / "style.safetensors"
    save_file(held, path)
    pipes = []
    for unet in (ours, theirs):
        pipe = toys.tiny_xl_pipeline(tmp_path / "words")
        pipe.unet = unet
        pipes.append(pipe)
    assert adapters.add_loras(pipes[0], {path: 1.0}) == {}
    pipes[1].load_lora_weights(load_file(path))
    pipes[1].fuse_lora(components=["unet"])
    pipes[1].unload_lora_weights()
    wanted = theirs.state_dict()
    for name, each in ours.state_dict().items():
        torch.testing.assert_close(each, wanted[name], msg=lambda text, n=name: f"{n}: {text}")
