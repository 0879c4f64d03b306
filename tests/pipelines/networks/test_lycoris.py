"""Each kind of LyCORIS changes a weight as its paper writes it, and as PEFT does if it has it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pipelines import Bundle
from pipelines.networks import adapters
from tests import addons, toys

LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"  # 16 x 32
CONVOLUTION = "down_blocks.0.resnets.0.conv1"  # 16 x 16 x 3 x 3
NORM = "mid_block.resnets.0.norm1"  # 32
ALPHA, RANK, STRENGTH = 3.0, 4, 0.7
SCALE = ALPHA / RANK

Tensors = Mapping[str, Tensor]
Formula = Callable[[Tensors, np.ndarray], np.ndarray]


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def values(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def product(up: Tensor, down: Tensor) -> np.ndarray:
    return array(up).reshape(len(up), -1) @ array(down).reshape(len(down), -1)


def tucker(core: Tensor, up: Tensor, down: Tensor) -> np.ndarray:
    """[m, n, h, w], [m, outputs], [n, inputs]: the core times a matrix along each of two sides."""
    sides = np.tensordot(array(up), array(core), (0, 0))  # outputs, n, h, w
    return np.moveaxis(np.tensordot(array(down), sides, (0, 1)), 0, 1)


def glora(t: Tensors, w: np.ndarray) -> np.ndarray:
    """Each output is W (x + A1 A2 x) + B1 B2 x; of a convolution A is one of 1 x 1."""
    inner = array(t["a1.weight"]).reshape(w.shape[1], -1)
    inner = inner @ array(t["a2.weight"]).reshape(-1, w.shape[1])
    moved = np.stack([w[:, :, y, x] @ inner for y in range(3) for x in range(3)], -1).reshape(
        w.shape
    )
    return moved + product(t["b1.weight"], t["b2.weight"]).reshape(w.shape)


def old_glora(t: Tensors, w: np.ndarray) -> np.ndarray:
    inner = product(t["a2.weight"], t["a1.weight"])
    return w @ inner + product(t["b2.weight"], t["b1.weight"])


# What a file holds → layer, its tensors, and the change of its weight before alpha / rank.
KINDS: dict[str, tuple[str, dict[str, Tensor], Formula]] = {
    "LoRA": (
        LINEAR,
        {"lora_up.weight": values(16, 4), "lora_down.weight": values(4, 32)},
        lambda t, w: product(t["lora_up.weight"], t["lora_down.weight"]),
    ),
    "LoCon": (
        CONVOLUTION,
        {"lora_up.weight": values(16, 4, 1, 1), "lora_down.weight": values(4, 16, 3, 3)},
        lambda t, w: product(t["lora_up.weight"], t["lora_down.weight"]),
    ),
    "LoCon with a core": (
        CONVOLUTION,
        {
            "lora_up.weight": values(16, 4, 1, 1),
            "lora_down.weight": values(4, 16, 1, 1),
            "lora_mid.weight": values(4, 4, 3, 3),
        },
        lambda t, w: tucker(
            t["lora_mid.weight"], t["lora_up.weight"].flatten(1).T, t["lora_down.weight"].flatten(1)
        ),
    ),
    "LoHa": (
        LINEAR,
        {
            "hada_w1_a": values(16, 4),
            "hada_w1_b": values(4, 32),
            "hada_w2_a": values(16, 4, seed=1),
            "hada_w2_b": values(4, 32, seed=1),
        },
        lambda t, w: (
            product(t["hada_w1_a"], t["hada_w1_b"]) * product(t["hada_w2_a"], t["hada_w2_b"])
        ),
    ),
    "LoHa of a convolution": (
        CONVOLUTION,
        {
            "hada_w1_a": values(16, 4),
            "hada_w1_b": values(4, 144),
            "hada_w2_a": values(16, 4, seed=1),
            "hada_w2_b": values(4, 144, seed=1),
        },
        lambda t, w: (
            product(t["hada_w1_a"], t["hada_w1_b"]) * product(t["hada_w2_a"], t["hada_w2_b"])
        ),
    ),
    "LoHa with cores": (
        CONVOLUTION,
        {
            "hada_w1_a": values(4, 16),
            "hada_w1_b": values(4, 16, seed=2),
            "hada_t1": values(4, 4, 3, 3),
            "hada_w2_a": values(4, 16, seed=1),
            "hada_w2_b": values(4, 16, seed=3),
            "hada_t2": values(4, 4, 3, 3, seed=1),
        },
        lambda t, w: (
            tucker(t["hada_t1"], t["hada_w1_a"], t["hada_w1_b"])
            * tucker(t["hada_t2"], t["hada_w2_a"], t["hada_w2_b"])
        ),
    ),
    "LoKr, one in factors": (
        LINEAR,
        {"lokr_w1": values(2, 8), "lokr_w2_a": values(8, 4), "lokr_w2_b": values(4, 4)},
        lambda t, w: np.kron(array(t["lokr_w1"]), product(t["lokr_w2_a"], t["lokr_w2_b"])),
    ),
    "LoKr, the other in factors": (
        LINEAR,
        {"lokr_w1_a": values(4, 4), "lokr_w1_b": values(4, 8), "lokr_w2": values(4, 4)},
        lambda t, w: np.kron(product(t["lokr_w1_a"], t["lokr_w1_b"]), array(t["lokr_w2"])),
    ),
    "LoKr, both in factors": (
        LINEAR,
        {
            "lokr_w1_a": values(4, 4),
            "lokr_w1_b": values(4, 2),
            "lokr_w2_a": values(4, 4, seed=1),
            "lokr_w2_b": values(4, 16),
        },
        lambda t, w: np.kron(
            product(t["lokr_w1_a"], t["lokr_w1_b"]), product(t["lokr_w2_a"], t["lokr_w2_b"])
        ),
    ),
    "LoKr of a convolution": (
        CONVOLUTION,
        {"lokr_w1": values(2, 4), "lokr_w2_a": values(8, 4), "lokr_w2_b": values(4, 36)},
        lambda t, w: np.stack(
            [
                np.kron(
                    array(t["lokr_w1"]),
                    product(t["lokr_w2_a"], t["lokr_w2_b"]).reshape(8, 4, 9)[:, :, place],
                )
                for place in range(9)
            ],
            -1,
        ),
    ),
    "LoKr with a core": (
        CONVOLUTION,
        {
            "lokr_w1": values(2, 4),
            "lokr_w2_a": values(4, 8),
            "lokr_w2_b": values(4, 4),
            "lokr_t2": values(4, 4, 3, 3),
        },
        lambda t, w: np.stack(
            [
                np.kron(
                    array(t["lokr_w1"]),
                    tucker(t["lokr_t2"], t["lokr_w2_a"], t["lokr_w2_b"])[:, :, y, x],
                )
                for y in range(3)
                for x in range(3)
            ],
            -1,
        ),
    ),
    "GLoRA of a convolution": (
        CONVOLUTION,
        {
            "a1.weight": values(16, 4, 1, 1),
            "a2.weight": values(4, 16, 1, 1),
            "b1.weight": values(16, 4, 1, 1, seed=1),
            "b2.weight": values(4, 16, 3, 3),
        },
        glora,
    ),
    "GLoRA as it was first written": (
        LINEAR,
        {
            "a1.weight": values(4, 32),
            "a2.weight": values(32, 4),
            "b1.weight": values(4, 32, seed=1),
            "b2.weight": values(16, 4),
        },
        old_glora,
    ),
}
WHOLE: dict[str, tuple[str, dict[str, Tensor], Formula]] = {  # alpha has no part in these
    "LoKr, whole": (
        LINEAR,
        {"lokr_w1": values(4, 4), "lokr_w2": values(4, 8), "alpha": torch.tensor(7.0)},
        lambda t, w: np.kron(array(t["lokr_w1"]), array(t["lokr_w2"])),
    ),
    "LoKr of a convolution, whole": (
        CONVOLUTION,
        {"lokr_w1": values(4, 4), "lokr_w2": values(4, 4, 3, 3)},
        lambda t, w: np.stack(
            [
                np.kron(array(t["lokr_w1"]), array(t["lokr_w2"])[:, :, y, x])
                for y in range(3)
                for x in range(3)
            ],
            -1,
        ),
    ),
    "IA3 of the outputs": (
        LINEAR,
        {"weight": values(16), "on_input": torch.tensor(0)},
        lambda t, w: np.diag(array(t["weight"])) @ w,
    ),
    "IA3 of the inputs": (
        LINEAR,
        {"weight": values(32), "on_input": torch.tensor(1)},
        lambda t, w: w @ np.diag(array(t["weight"])),
    ),
    "IA3 of a convolution": (
        CONVOLUTION,
        {"weight": values(1, 16, 1, 1), "on_input": torch.tensor(0)},
        lambda t, w: array(t["weight"]).reshape(16, 1, 1, 1) * w,
    ),
    "a difference": (CONVOLUTION, {"diff": values(16, 16, 3, 3)}, lambda t, w: array(t["diff"])),
    "a norm": (NORM, {"w_norm": values(32)}, lambda t, w: array(t["w_norm"])),
}


def kohya(layer: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"lora_unet_{layer.replace('.', '_')}.{name}": each for name, each in tensors.items()}


def added(
    folder: Path,
    layer: str,
    tensors: Mapping[str, Tensor],
    strength: float = STRENGTH,
    dtype: torch.dtype = torch.float32,
) -> tuple[Any, Any]:
    """The layer as it was, and as it is with a file of these tensors; nothing is left unused."""
    pipe = toys.tiny_pipeline(folder).to(dtype)
    before = {k: each.clone() for k, each in pipe.unet.get_submodule(layer).state_dict().items()}
    path = addons.saved(folder / "style.safetensors", kohya(layer, tensors))
    assert adapters.add_loras(pipe, {path: strength}) == {}
    return before, pipe.unet.get_submodule(layer).state_dict()


def check(found: Tensor, weight: np.ndarray, change: np.ndarray) -> None:
    wanted = weight + STRENGTH * change.reshape(weight.shape)
    np.testing.assert_allclose(array(found), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_is_changed_by_the_formula(kind: str, tmp_path: Path) -> None:
    layer, tensors, formula = KINDS[kind]
    before, after = added(tmp_path, layer, {**tensors, "alpha": torch.tensor(ALPHA)})
    weight = array(before["weight"])
    check(after["weight"], weight, SCALE * formula(tensors, weight))


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_alpha_it_is_the_rank_and_a_scalar_counts(kind: str, tmp_path: Path) -> None:
    layer, tensors, formula = KINDS[kind]
    before, after = added(tmp_path, layer, {**tensors, "scalar": torch.tensor([-0.5])})
    weight = array(before["weight"])
    check(after["weight"], weight, -0.5 * formula(tensors, weight))


@pytest.mark.parametrize("kind", WHOLE)
def test_what_has_no_rank_counts_as_it_is(kind: str, tmp_path: Path) -> None:
    layer, tensors, formula = WHOLE[kind]
    before, after = added(tmp_path, layer, tensors)
    weight = array(before["weight"])
    check(after["weight"], weight, formula(tensors, weight))


@pytest.mark.parametrize(("layer", "name"), [(NORM, "b_norm"), (CONVOLUTION, "diff_b")])
def test_a_bias_is_changed_beside_a_weight_or_alone(layer: str, name: str, tmp_path: Path) -> None:
    size = 32 if layer == NORM else 16
    change = values(size)
    before, after = added(tmp_path, layer, {name: change})
    check(after["bias"], array(before["bias"]), array(change))
    assert torch.equal(after["weight"], before["weight"])
    with_weight = {"w_norm": values(32)} if layer == NORM else KINDS["LoCon"][1]
    before, after = added(tmp_path, layer, {name: change, **with_weight})
    check(after["bias"], array(before["bias"]), array(change))
    assert not torch.equal(after["weight"], before["weight"])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kind", ["LoRA", "LoCon", "LoHa", "LoKr with a core"])
def test_dora_gives_every_row_or_column_its_length(kind: str, axis: int, tmp_path: Path) -> None:
    layer, tensors, formula = KINDS[kind]
    pipe = toys.tiny_pipeline(tmp_path)
    weight = array(pipe.unet.get_submodule(layer).weight)
    shape = [1] * weight.ndim
    shape[axis] = weight.shape[axis]
    lengths = values(*shape).abs()
    given = {**tensors, "alpha": torch.tensor(ALPHA), "dora_scale": lengths}
    _, full = added(tmp_path, layer, given, strength=1.0)
    others = tuple(each for each in range(weight.ndim) if each != axis)
    found = np.sqrt((array(full["weight"]) ** 2).sum(others))
    np.testing.assert_allclose(found, array(lengths).flatten(), rtol=1e-5)
    turned = weight + SCALE * formula(tensors, weight).reshape(weight.shape)
    turned /= np.sqrt((turned**2).sum(others, keepdims=True))
    _, after = added(tmp_path, layer, given)
    check(after["weight"], weight, turned * array(lengths) - weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_the_formula_rounded_once(
    kind: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    layer, tensors, formula = KINDS[kind]
    half = {name: each.to(dtype) for name, each in tensors.items()}
    before, after = added(tmp_path, layer, half, dtype=dtype)
    weight = array(before["weight"])
    wanted = torch.from_numpy(weight + STRENGTH * formula(half, weight).reshape(weight.shape))
    assert after["weight"].dtype == dtype
    epsilon = torch.finfo(dtype).eps  # half a unit in the last place, and a float32's own rounding
    error = (after["weight"].double() - wanted).abs()
    assert bool((error <= (0.51 * epsilon * wanted.abs()).clamp_min(1e-5)).all())


def test_several_are_added_one_after_another(tmp_path: Path) -> None:
    """GLoRA is of the weight that it meets."""
    pipe = toys.tiny_pipeline(tmp_path)
    layer = CONVOLUTION
    weight = array(pipe.unet.get_submodule(layer).weight)
    files = {}
    for kind, strength in (("LoCon", 0.5), ("GLoRA of a convolution", -0.25)):
        _, tensors, formula = KINDS[kind]
        files[addons.saved(tmp_path / f"{kind}.safetensors", kohya(layer, tensors))] = strength
        weight = weight + strength * formula(tensors, weight).reshape(weight.shape)
    assert adapters.add_loras(pipe, files) == {}
    found = array(pipe.unet.get_submodule(layer).weight)
    np.testing.assert_allclose(found, weight, rtol=1e-5, atol=1e-5)


# --- as PEFT does --------------------------------------------------------------------------------

TARGETS: dict[str, Any] = {"target_modules": [LINEAR, CONVOLUTION], "r": 4}
WITH_CORES: dict[str, Any] = {
    **TARGETS,
    "r": 1,
    "use_effective_conv2d": True,
    "decompose_both": True,
}
WHOLE_FACTORS: dict[str, Any] = {**TARGETS, "r": 32}
CONFIGURATIONS: dict[str, Callable[[], Any]] = {
    "LoRA": lambda: peft.LoraConfig(**TARGETS, lora_alpha=3),
    "rank-stabilised": lambda: peft.LoraConfig(**TARGETS, lora_alpha=3, use_rslora=True),
    "alpha by layer": lambda: peft.LoraConfig(
        **TARGETS, lora_alpha=3, alpha_pattern={"attn2.to_k": 5, "resnets.0.conv1": 6}
    ),
    "DoRA": lambda: peft.LoraConfig(**TARGETS, lora_alpha=3, use_dora=True),
    "LoHa": lambda: peft.LoHaConfig(**TARGETS, alpha=3),
    "LoHa with cores": lambda: peft.LoHaConfig(**TARGETS, alpha=3, use_effective_conv2d=True),
    "LoKr": lambda: peft.LoKrConfig(**TARGETS, alpha=3),
    "LoKr with cores": lambda: peft.LoKrConfig(**WITH_CORES, alpha=3),
    "LoKr, whole": lambda: peft.LoKrConfig(**WHOLE_FACTORS, alpha=3),
}


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_what_peft_saves_is_what_peft_merges(kind: str, tmp_path: Path) -> None:
    pipe = toys.tiny_pipeline(tmp_path)
    other = toys.tiny_pipeline(tmp_path)
    trained = peft.get_peft_model(other.unet, CONFIGURATIONS[kind]())  # pyright: ignore
    generator = torch.Generator().manual_seed(1)
    for parameter in trained.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    trained.save_pretrained(str(tmp_path / "style"))
    path = tmp_path / "style" / "adapter_model.safetensors"
    assert adapters.called(path) == "style"
    assert adapters.add_loras(pipe, {path: 1.0}) == {}
    wanted = trained.merge_and_unload().state_dict()
    for name, each in pipe.unet.state_dict().items():
        torch.testing.assert_close(each, wanted[name], msg=lambda text, n=name: f"{n}: {text}")
    (tmp_path / "style" / "adapter_config.json").write_text(json.dumps([1]))
    with pytest.raises(
        ValueError, match=r"metadata of adapter_model\.safetensors says about alpha"
    ):
        adapters.add_loras(pipe, {path: 1.0})


# --- on top of a model ---------------------------------------------------------------------------


def test_a_bundle_with_one_is_as_fast_and_comes_off(tmp_path: Path) -> None:
    """Nothing but weights differs, and without it they are those of the model to the bit."""
    model = tmp_path / "model"
    toys.tiny_pipeline(tmp_path / "words").save_pretrained(model)
    held = {}
    for layer, kind in ((LINEAR, "LoHa"), (CONVOLUTION, "LoKr with a core")):
        held |= kohya(layer, KINDS[kind][1])
    path = addons.saved(tmp_path / "style.safetensors", held)
    plain = Bundle.load(model).denoiser.state_dict()
    changed = Bundle.load(model, loras={path: STRENGTH})
    assert changed.unused == {}
    after = changed.denoiser.state_dict()
    assert [*after] == [*plain]
    differ = {name for name, each in plain.items() if not torch.equal(each, after[name])}
    assert differ == {f"{LINEAR}.weight", f"{CONVOLUTION}.weight"}
    for bundle in (Bundle.load(model), Bundle.load(model, loras={path: 0.0})):
        assert all(torch.equal(each, bundle.denoiser.state_dict()[n]) for n, each in plain.items())
    assert load_file(path).keys() == held.keys()
