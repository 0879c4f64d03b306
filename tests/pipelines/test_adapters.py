"""A LoRA adds what its file says, layer by layer; one for few steps sets the model up for them."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor

from pipelines import Bundle
from pipelines.core import adapters, solvers
from tests import addons, toys

BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"
ENCODER = {
    "encoder.layers.0.self_attn.q_proj": (2, 6.0),
    "encoder.layers.0.self_attn.out_proj": (2, 1.0),
    "encoder.layers.1.mlp.fc1": (4, 1.0),
}
SIZES = {  # network → layer → (rank, alpha)
    "unet": {
        f"{BLOCK}.attn1.to_q": (4, 1.0),
        f"{BLOCK}.attn1.to_out.0": (4, 8.0),
        f"{BLOCK}.attn2.to_k": (2, 3.0),
        f"{BLOCK}.ff.net.0.proj": (3, 0.5),
        "down_blocks.0.attentions.0.proj_in": (4, 2.0),
        "down_blocks.0.resnets.0.conv1": (2, 5.0),
    },
    "text_encoder": ENCODER,
    "text_encoder_2": {layer: (rank + 1, alpha / 3) for layer, (rank, alpha) in ENCODER.items()},
}
KOHYA = {
    "unet": "lora_unet",
    "text_encoder": "lora_te1_text_model",
    "text_encoder_2": "lora_te2_text_model",
}
MAKERS = (toys.tiny_pipeline, toys.tiny_xl_pipeline)


def factors(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """B and A of a linear layer, or of a convolution."""
    up = torch.randn(weight.shape[0], rank, *[1] * (weight.ndim - 2))
    return up, torch.randn(rank, *weight.shape[1:])


def layers(pipe: Any) -> dict[tuple[str, str], Any]:
    """(network, layer) → the module, for all of SIZES that the pipeline has."""
    networks = {part: pipe.components[part] for part in SIZES if part in pipe.components}
    return {
        (part, layer): next(m for name, m in network.named_modules() if name.endswith(layer))
        for part, network in networks.items()
        for layer in SIZES[part]
    }


def check(
    pipe: Any,
    held: Mapping[tuple[str, str], tuple[Tensor, Tensor]],
    scale: Callable[[int, float], float],
    add: Callable[[], None],
) -> None:
    """Every layer becomes W + 0.5 * scale(rank, alpha) * B A."""
    wanted = {}
    for (part, layer), module in layers(pipe).items():
        up, down = held[part, layer]
        product = (up.flatten(1) @ down.flatten(1)).view_as(module.weight)
        wanted[part, layer] = module.weight + 0.5 * scale(*SIZES[part][layer]) * product
    add()
    for key, module in layers(pipe).items():
        torch.testing.assert_close(
            module.weight, wanted[key], msg=lambda text, k=key: f"{k}: {text}"
        )


@pytest.mark.parametrize("make", MAKERS)
@torch.no_grad()
def test_every_layer_has_its_own_rank_and_alpha(
    make: Callable[[Path], Any], tmp_path: Path
) -> None:
    pipe = make(tmp_path)
    held = {
        key: factors(each.weight, SIZES[key[0]][key[1]][0]) for key, each in layers(pipe).items()
    }
    tensors = {}
    for (part, layer), (up, down) in held.items():
        name = f"{KOHYA[part]}_{layer.replace('.', '_')}"
        tensors |= {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
        tensors[f"{name}.alpha"] = torch.tensor(SIZES[part][layer][1])
    path = addons.saved(tmp_path / "style.safetensors", tensors)
    check(
        pipe,
        held,
        lambda rank, alpha: alpha / rank,
        lambda: adapters.add_loras(pipe, {path: 0.5}),
    )


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("make", MAKERS)
@torch.no_grad()
def test_alpha_may_stand_in_the_metadata(
    make: Callable[[Path], Any], rslora: bool, tmp_path: Path
) -> None:
    """As diffusers' own scripts save a LoRA; rank-stabilised ones divide by the root of the rank
    (Kalajdzievski, arXiv:2312.03732)."""
    pipe = make(tmp_path)
    held = {
        key: factors(each.weight, SIZES[key[0]][key[1]][0]) for key, each in layers(pipe).items()
    }
    told: dict[str, Any] = {}
    for part in {part for part, _ in held}:
        prefix = "" if part == "unet" else "text_model."
        factor = {f"{prefix}{layer}": held[part, layer] for layer in SIZES[part]}
        told[f"{part}_lora_layers"] = {
            f"{layer}.lora_{side}.weight": tensor
            for layer, (up, down) in factor.items()
            for side, tensor in (("A", down), ("B", up))
        }
        alphas = {f"^{prefix}{layer}": alpha for layer, (_, alpha) in SIZES[part].items()}
        usual = int(alphas.pop(next(iter(alphas))))
        config = LoraConfig(
            lora_alpha=usual, alpha_pattern=alphas, target_modules=list(factor), use_rslora=rslora
        )
        told[f"{part}_lora_adapter_metadata"] = config.to_dict()
    pipe.save_lora_weights(tmp_path / "style", **told)
    path = tmp_path / "style" / f"{adapters.UNNAMED}.safetensors"
    check(
        pipe,
        held,
        lambda rank, alpha: alpha / (math.sqrt(rank) if rslora else rank),
        lambda: adapters.add_loras(pipe, {path: 0.5}),
    )


@pytest.mark.parametrize("told", ["[]", "{", '{"unet.lora_alpha": "much"}'])
def test_odd_metadata_is_one_sentence(told: str, tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    name = f"unet.{BLOCK}.attn1.to_q"
    tensors = {
        f"{name}.lora_A.weight": torch.zeros(2, 16),
        f"{name}.lora_B.weight": torch.ones(16, 2),
    }
    save_file(tensors, path, {adapters.METADATA: told})
    with pytest.raises(ValueError, match=r"^style\.safetensors could not be added to the model: "):
        adapters.add_loras(toys.tiny_pipeline(tmp_path), {path: 1.0})


@pytest.mark.parametrize("mark", ["dora_scale", "lora_magnitude_vector"])
def test_a_dora_is_refused(mark: str, tmp_path: Path) -> None:
    pipe = toys.tiny_pipeline(tmp_path)
    path = addons.lora(tmp_path / "style.safetensors", pipe.unet)
    name = f"lora_unet_{BLOCK.replace('.', '_')}_attn2_to_k.{mark}"
    held = {**adapters.load_file(path), name: torch.ones(1, 16)}
    with pytest.raises(ValueError, match=r"^style\.safetensors is a DoRA; only .*\.$"):
        adapters.add_loras(pipe, {addons.saved(path, held): 1.0})


# --- few steps -----------------------------------------------------------------------------------


SPACINGS = ({}, {"timestep_spacing": "leading"})


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("scheduler", ["ddim", "euler"])
def test_a_few_step_model_begins_at_the_last_time(
    scheduler: str, spacing: dict[str, Any], tmp_path: Path
) -> None:
    pipe = toys.tiny_pipeline(tmp_path, {**toys.EPSILON, **spacing})

    def first(name: str, loras: dict[str, float]) -> float:
        bundle = Bundle.of(pipe, name, loras)
        return float(solvers.make(scheduler, bundle.scheduler_config, 4).moments[0].t)

    assert first("sdxl-lightning", {}) == first("dreams", {"Hyper-SD15-4steps-lora": 1.0}) == 999
    assert first("dreams", {}) < 999 or (scheduler, spacing) == ("euler", {})
    assert pipe.scheduler.config.timestep_spacing == "leading"


def test_a_few_step_lora_sets_the_defaults(tmp_path: Path) -> None:
    """Where the file's name says nothing, that of its folder counts."""
    model = tmp_path / "model"
    pipe = toys.tiny_pipeline(tmp_path / "words")
    pipe.save_pretrained(model)
    path = addons.lora(tmp_path / "lcm-lora-sdv1-5" / f"{adapters.UNNAMED}.safetensors", pipe.unet)
    bundle = Bundle.load(model, loras={path: 1.0})
    assert bundle.loras == {"lcm-lora-sdv1-5": 1.0}
    told = {"scheduler": "lcm", "num_inference_steps": 4, "guidance_scale": 1.0}
    assert bundle.defaults == told and bundle.student is bundle
    assert Bundle.load(model, loras={path: 0.0}).defaults == {}
