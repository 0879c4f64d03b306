"""A LoRA adds what its file says, layer by layer; one for few steps sets the model up for them."""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor

from pipelines import Bundle
from pipelines.core import solvers
from pipelines.networks import adapters
from pipelines.words import taught
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
    add: Callable[[], object],
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
    path = tmp_path / "style" / "pytorch_lora_weights.safetensors"
    check(
        pipe,
        held,
        lambda rank, alpha: alpha / (math.sqrt(rank) if rslora else rank),
        lambda: adapters.add_loras(pipe, {path: 0.5}),
    )


ODD = ("[]", "{", '{"unet.lora_alpha": "much"}', '{"unet.alpha_pattern": [1]}', "9" * 5000)


@pytest.mark.parametrize("told", [*ODD, "[" * 100_000])
def test_odd_metadata_is_one_sentence(told: str, tmp_path: Path) -> None:
    path = one_layer(tmp_path / "style.safetensors", told)
    with pytest.raises(ValueError, match=r"^What the metadata of style\.safetensors says .*\.$"):
        adapters.add_loras(toys.tiny_pipeline(tmp_path), {path: 1.0})


@pytest.mark.parametrize(
    "pattern", ["down_blocks.(a+)+", "(" * 5000, "(?P<x>", ".*to_q", "[a-z]{1,99}{1,99}", r"to_q\d"]
)
def test_text_from_a_file_is_no_pattern(pattern: str, tmp_path: Path) -> None:
    """The first takes 38 seconds as a regular expression, on a layer of 29 letters."""
    pipe = toys.tiny_pipeline(tmp_path)
    block = pipe.unet.down_blocks[0]
    block.add_module("a" * 29, torch.nn.Linear(16, 16))
    path = tmp_path / "style.safetensors"
    layer = f"unet.down_blocks.0.{'a' * 29}"
    tensors = {f"{layer}.lora_A.weight": torch.zeros(2, 16)}
    tensors[f"{layer}.lora_B.weight"] = torch.ones(16, 2)
    told = {"unet.lora_alpha": 2, "unet.alpha_pattern": {pattern: 1.0}}
    save_file(tensors, path, {"lora_adapter_metadata": json.dumps(told)})
    begun = time.process_time()
    with pytest.raises(ValueError, match=r"^style\.safetensors sets alpha by patterns, .*\.$"):
        adapters.add_loras(pipe, {path: 1.0})
    assert time.process_time() - begun < 1


def test_many_names_with_alphas_are_read_once(tmp_path: Path) -> None:
    """As many as there is room for, for as many layers: time grows with the file."""
    pipe = toys.tiny_pipeline(tmp_path)
    layers = [
        n for n, m in pipe.unet.named_modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)
    ]
    tensors = {}
    for layer in layers:
        weight = pipe.unet.get_submodule(layer).weight
        tensors[f"unet.{layer}.lora_A.weight"] = torch.zeros(2, *weight.shape[1:])
        tensors[f"unet.{layer}.lora_B.weight"] = torch.zeros(len(weight), 2)
    told = {"unet.alpha_pattern": {f"layer{n}.to_q": 1.0 for n in range(100_000)}}
    path = tmp_path / "style.safetensors"
    save_file(tensors, path, {"lora_adapter_metadata": json.dumps(told)})
    begun = time.process_time()
    assert adapters.add_loras(pipe, {path: 1.0}) == {}
    assert time.process_time() - begun < 4


def one_layer(path: Path, told: str) -> Path:
    name = f"unet.{BLOCK}.attn1.to_q"
    tensors = {f"{name}.lora_A.weight": torch.zeros(2, 16)}
    tensors[f"{name}.lora_B.weight"] = torch.ones(16, 2)
    save_file(tensors, path, {"lora_adapter_metadata": told})
    return path


# --- all is used or named ------------------------------------------------------------------------

LAYER = f"lora_unet_{BLOCK.replace('.', '_')}_attn1_to_q"
STRANGE = "lora_unet_down_blocks_7_attentions_0_transformer_blocks_0_attn1_to_q"


def pair(name: str, outputs: int = 16, inputs: int = 16, rank: int = 2) -> dict[str, Tensor]:
    up, down = torch.ones(outputs, rank), torch.ones(rank, inputs)
    return {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}


def many(count: int) -> dict[str, Tensor]:
    """As many layers that no model here has."""
    names = (f"lora_unet_down_blocks_{7 + n}_attentions_0_proj_in" for n in range(count))
    return {key: each for name in names for key, each in pair(name).items()}


LEFT_OUT = {  # what is there beside one layer that fits → the sentence
    "style: 12 of 13 layers are for parts that this model lacks.": many(12),
    "style: 1 of 2 layers is for parts that this model lacks.": pair(
        "lora_te2_text_model_encoder_layers_0_mlp_fc1", 64, 32
    ),
    "style: 1 of 2 layers is of a kind that is not applied here (oft_blocks).": {
        f"lora_unet_{BLOCK.replace('.', '_')}_attn1_to_k.oft_blocks": torch.zeros(2, 8, 8),
        f"lora_unet_{BLOCK.replace('.', '_')}_attn1_to_k.alpha": torch.tensor(1.0),
    },
    "style: 1 of 2 layers is of a kind that is not applied here (emb_params).": {
        "emb_params": torch.zeros(1, 32)
    },
    "style: 1 of 2 layers is there twice.": pair(f"unet.{BLOCK}.attn1.to_q"),
    "style: 1 of 2 layers is of other shapes.": pair(LAYER.replace("to_q", "to_k"), 16, 8),
    "style: 2 of 4 layers are for parts that this model lacks, 1 of other shapes.": {
        **many(2),
        **pair("lora_unet_conv_in", 16, 81),
    },
}


@pytest.mark.parametrize("sentence", LEFT_OUT)
def test_what_is_not_used_is_named_with_its_count(sentence: str, tmp_path: Path) -> None:
    model = tmp_path / "model"
    toys.tiny_pipeline(tmp_path / "words").save_pretrained(model)
    path = addons.saved(tmp_path / "style", {**pair(LAYER), **LEFT_OUT[sentence]})
    plain = Bundle.load(model).denoiser.get_submodule(f"{BLOCK}.attn1.to_q").weight
    bundle = Bundle.load(model, loras={path: 1.0})
    assert bundle.unused == {"style": sentence}
    changed = bundle.denoiser.get_submodule(f"{BLOCK}.attn1.to_q").weight
    torch.testing.assert_close(changed, plain + 2)


def test_the_longest_sentence_is_short(tmp_path: Path) -> None:
    held = {**pair(LAYER), **many(4999)}
    for n in range(4999):
        held[f"lora_te_text_model_{n}.sixteen_letters_"] = torch.zeros(1)
    held |= {**pair(f"unet.{BLOCK}.attn1.to_q"), **pair("lora_unet_conv_in", 16, 81)}
    path = addons.saved(tmp_path / f"{'a' * 200}.safetensors", held)
    (sentence,) = adapters.add_loras(toys.tiny_pipeline(tmp_path), {path: 1.0}).values()
    assert len(sentence) < 200 and sentence.endswith("1 of other shapes, 1 there twice.")
    for name in (f"{LAYER}.lora_up.weight", f"unet.{BLOCK}.attn1.to_q.lora_up.weight"):
        held[name] = torch.ones(3, 2)
    addons.saved(path, held)
    with pytest.raises(
        ValueError, match=r"^a{31}… cannot be added: .*, 3 of other shapes\.$"
    ) as no:
        adapters.add_loras(toys.tiny_pipeline(tmp_path), {path: 1.0})
    assert len(str(no.value)) < 200


@pytest.mark.parametrize(
    "held",
    [
        pair(LAYER, 8, 16),
        pair(LAYER, 16, 8),
        {**pair(LAYER), f"{LAYER}.lora_up.weight": torch.ones(16, 3)},
        {**pair(LAYER), f"{LAYER}.lora_up.weight": torch.ones(16)},
        {**pair(LAYER), f"{LAYER}.lora_up.weight": torch.ones(())},
        pair(LAYER, rank=0),
        {**pair(LAYER), f"{LAYER}.alpha": torch.ones(2)},
        {**pair(LAYER), f"{LAYER}.scalar": torch.ones(2, 2)},
        {**pair(LAYER), f"{LAYER}.dora_scale": torch.ones(5, 1)},
        {**pair(LAYER), f"{LAYER}.lora_mid.weight": torch.ones(3, 2)},
        {**pair(LAYER, rank=5000), f"{LAYER}.lora_mid.weight": torch.ones(5000, 1)},
        {f"{LAYER}.lokr_w1": torch.ones(5, 4), f"{LAYER}.lokr_w2": torch.ones(4, 4)},
        {f"{LAYER}.lokr_w1": torch.ones(4), f"{LAYER}.lokr_w2": torch.ones(4, 4)},
        {f"{LAYER}.lokr_w1": torch.ones(4, 4), f"{LAYER}.lokr_w2": torch.ones(())},
        {
            f"{LAYER}.lokr_w1_a": torch.ones(10**6, 1),
            f"{LAYER}.lokr_w1_b": torch.ones(1, 10**6),
            f"{LAYER}.lokr_w2": torch.ones(4, 4),
        },
        {f"{LAYER}.weight": torch.ones(7), f"{LAYER}.on_input": torch.tensor(1)},
        {f"{LAYER}.weight": torch.ones(16), f"{LAYER}.on_input": torch.ones(2)},
        {f"{LAYER}.diff": torch.ones(16)},
        {f"{LAYER}.diff_b": torch.ones(16)},  # a query has no bias
        {f"{LAYER}.{name}.weight": torch.ones(3, 5) for name in ("a1", "a2", "b1", "b2")},
        {f"{LAYER}.hada_w{n}_{side}": torch.ones(1, 1) for n in (1, 2) for side in "ab"},
    ],
)
def test_shapes_that_do_not_fit_change_nothing(held: dict[str, Tensor], tmp_path: Path) -> None:
    pipe = toys.tiny_pipeline(tmp_path)
    before = {name: each.clone() for name, each in pipe.unet.state_dict().items()}
    path = addons.saved(tmp_path / "style.safetensors", held)
    with pytest.raises(
        ValueError,
        match=r"^style\.safetensors cannot be added: 1 of 1 layer is of other shapes\.$",
    ):
        adapters.add_loras(pipe, {path: 1.0})
    assert all(torch.equal(each, before[n]) for n, each in pipe.unet.state_dict().items())


@pytest.mark.parametrize(("dtype", "named"), [(torch.int8, "I8"), (torch.uint8, "U8")])
def test_factors_of_whole_numbers_stand_for_others_and_are_refused(
    dtype: torch.dtype, named: str, tmp_path: Path
) -> None:
    whole = {key: each.to(dtype) for key, each in pair(LAYER).items()}
    path = addons.saved(tmp_path / "style.safetensors", whole)
    with pytest.raises(ValueError, match=rf"is of a kind that is not applied here \({named}\)\.$"):
        adapters.add_loras(toys.tiny_pipeline(tmp_path), {path: 1.0})
    path = addons.saved(path, {**whole, f"{LAYER}.lora_up.weight": torch.ones(16, 2)})
    with pytest.raises(ValueError, match=rf"not applied here \({named}\)\.$"):
        adapters.add_loras(toys.tiny_pipeline(tmp_path), {path: 1.0})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("part", ["lora_up.weight", "alpha"])
def test_what_is_not_finite_is_refused(value: float, part: str, tmp_path: Path) -> None:
    held = {**pair(LAYER), f"{LAYER}.alpha": torch.tensor(2.0)}
    held[f"{LAYER}.{part}"] = torch.full_like(held[f"{LAYER}.{part}"], value)
    path = addons.saved(tmp_path / "style.safetensors", held)
    with pytest.raises(ValueError, match=r"^With style\.safetensors .* no longer finite; .*\.$"):
        adapters.add_loras(toys.tiny_pipeline(tmp_path).to(torch.float16), {path: 1.0})


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 1e30])
def test_a_word_that_is_not_finite_is_refused(value: float, tmp_path: Path) -> None:
    vectors = torch.zeros(2, 32)
    vectors[1, 3] = value
    path = addons.saved(tmp_path / "glow.safetensors", {"emb_params": vectors})
    pipe = toys.tiny_pipeline(tmp_path).to(torch.float16)
    with pytest.raises(ValueError, match=r"^glow\.safetensors has numbers that .*again\.$"):
        adapters.add_embeddings(pipe, [path])
    assert not taught.words(pipe.tokenizer)


@pytest.mark.parametrize(
    "vectors",
    [torch.zeros(0, 32), torch.zeros(601, 32), torch.zeros(2, 32).to(torch.float8_e4m3fn)],
)
def test_a_word_that_no_prompt_could_hold_is_refused(vectors: Tensor, tmp_path: Path) -> None:
    path = addons.saved(tmp_path / "glow.safetensors", {"emb_params": vectors})
    with pytest.raises(ValueError, match=r"in a form that is not read here; take one of 1 to 600"):
        adapters.add_embeddings(toys.tiny_pipeline(tmp_path), [path])


def test_words_of_another_width_are_of_another_family(tmp_path: Path) -> None:
    name = f"lora_unet_{BLOCK.replace('.', '_')}_attn2_to_k"
    shapes = {"a1": (768, 2), "a2": (2, 768), "b1": (16, 2), "b2": (2, 768)}
    factors = {f"{name}.{part}.weight": torch.ones(shape) for part, shape in shapes.items()}
    path = addons.saved(tmp_path / "style.safetensors", {**pair(LAYER), **factors})
    with pytest.raises(ValueError, match=r"^style\.safetensors has layers .* another family\.$"):
        adapters.add_loras(toys.tiny_pipeline(tmp_path), {path: 1.0})


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
    path = addons.lora(tmp_path / "lcm-lora-sdv1-5" / "pytorch_lora_weights.safetensors", pipe.unet)
    bundle = Bundle.load(model, loras={path: 1.0})
    assert bundle.loras == {"lcm-lora-sdv1-5": 1.0}
    told = {"scheduler": "lcm", "num_inference_steps": 4, "guidance_scale": 1.0}
    assert bundle.defaults == told and bundle.student is bundle
    assert Bundle.load(model, loras={path: 0.0}).defaults == {}
