"""What the tensors of a LoRA or LyCORIS file make of the weight of a layer, by published formulas.

Each formula gives a change D of the weight W, in float32:

* LoRA: B A; also of convolutions (LoCon), with a core between the two (Tucker's decomposition)
  where there is a "mid". Hu et al., arXiv:2106.09685; Yeh et al., arXiv:2309.14859.
* LoHa: (B1 A1) times (B2 A2), value by value. Hyeon-Woo et al., arXiv:2108.06098.
* LoKr: the Kronecker product of two matrices, each whole or in factors. arXiv:2309.14859.
* GLoRA: W A1 A2 + B1 B2. Chavan et al., arXiv:2306.07967.
* IA3: W times a vector, along its rows or its columns. Liu et al., arXiv:2205.05638.
* Differences, of norms and biases too: D itself.

D counts alpha / rank times. With DoRA (Liu et al., arXiv:2402.09353) each row, or each column, of
W + D then gets the length that the file says.
"""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]  # what a tensor is there ("up", "hada_w1_a", "alpha" …) → the tensor

SCALARS: Final = ("alpha", "scalar", "on_input")
MAX_RANK: Final = 4096  # of what has a core: no layer is wider, and memory grows with its square
_BIASES: Final = {"b_norm", "diff_b"}
_LENGTHS: Final = {"dora_scale", "magnitude"}  # the latter is PEFT's, and of rows
_MODIFIERS: Final = {"alpha", "scalar", *_LENGTHS}


def known(parts: frozenset[str]) -> bool:
    """Whether tensors of these names, all together, are a layer that can be applied."""
    own = parts - _BIASES
    if len(parts & _BIASES) > 1 or len(parts & _LENGTHS) > 1:
        return False
    return own - _MODIFIERS in _FORMULAS or (not own and bool(parts))


def rank(tensors: Tensors, weight: Tensor) -> int | None:
    """The inner size by which alpha is divided; None where the formula has none."""
    for name in ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"):
        if name in tensors:
            return len(tensors[name])
    return _glora(tensors, weight)[0].shape[1] if "a1" in tensors else None


def merged(
    tensors: Tensors, weight: Tensor, bias: Tensor | None, scale: float, strength: float
) -> tuple[Tensor | None, Tensor | None]:
    """W + strength * (W' - W) in float32, and the same for the bias; None for what stays as it is.

    W' is the weight at full strength, and `scale` is alpha / rank. Raises ValueError, IndexError,
    TypeError or RuntimeError where shapes do not fit. On the meta device, where only SCALARS need
    to have values, nothing else happens.
    """
    own = frozenset(tensors) - _BIASES
    new_weight = new_bias = None
    if own:
        weight = weight.float()
        change = _FORMULAS[own - _MODIFIERS]({n: t.float() for n, t in tensors.items()}, weight)
        scale *= tensors["scalar"].item() if "scalar" in tensors else 1.0
        change = _like(change, weight) * scale
        if _LENGTHS & own:
            change = _with_lengths(weight + change, tensors) - weight
        new_weight = weight + strength * change
    if _BIASES & tensors.keys():
        if bias is None:
            raise ValueError("the layer has no bias")
        (name,) = _BIASES & tensors.keys()
        new_bias = bias.float() + strength * _like(tensors[name].float(), bias)
    return new_weight, new_bias


def _like(change: Tensor, weight: Tensor) -> Tensor:
    if change.numel() != weight.numel() or change.shape[:1] != weight.shape[:1]:
        raise ValueError("the change has another size than the weight")
    return change.reshape(weight.shape)


def _with_lengths(weight: Tensor, tensors: Tensors) -> Tensor:
    """Each row, or each column where the lengths are [1, columns, …], as long as they say."""
    lengths = tensors["magnitude"] if "magnitude" in tensors else tensors["dora_scale"]
    columns = "dora_scale" in tensors and lengths.shape[:2] == (1, weight.shape[1])
    axis = 1 if columns and len(weight) > 1 else 0
    shape = [1] * weight.ndim
    shape[axis] = weight.shape[axis]
    others = [each for each in range(weight.ndim) if each != axis]
    former = torch.linalg.vector_norm(weight, dim=others, keepdim=True)
    tiny = torch.finfo(former.dtype).tiny
    return weight * (lengths.float().reshape(shape) / former.clamp_min(tiny))


def _lora(tensors: Tensors, weight: Tensor) -> Tensor:
    up, down = tensors["up"].flatten(1), tensors["down"].flatten(1)
    return _tucker(tensors["mid"], up.T, down) if "mid" in tensors else up @ down


def _tucker(core: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """[m, n, …], [m, outputs], [n, inputs] → [outputs, inputs, …]."""
    if max(core.shape[:2]) > MAX_RANK:
        raise ValueError("the rank is too high")
    return torch.einsum("mn...,mo,ni->oi...", core, up, down)


def _loha(tensors: Tensors, weight: Tensor) -> Tensor:
    def half(number: int) -> Tensor:
        first, second = tensors[f"hada_w{number}_a"], tensors[f"hada_w{number}_b"]
        core = tensors.get(f"hada_t{number}")
        found = first @ second.flatten(1) if core is None else _tucker(core, first, second)
        return _like(found, weight)

    return half(1) * half(2)


def _lokr(tensors: Tensors, weight: Tensor) -> Tensor:
    def factor(number: int) -> Tensor:
        if (whole := tensors.get(f"lokr_w{number}")) is not None:
            return whole
        first, second = tensors[f"lokr_w{number}_a"], tensors[f"lokr_w{number}_b"]
        core = tensors.get(f"lokr_t{number}")
        return first @ second.flatten(1) if core is None else _tucker(core, first, second)

    outer, inner = factor(1), factor(2)
    rows, columns = outer.shape
    if rows * len(inner) != len(weight) or columns * inner[0].numel() != weight[0].numel():
        raise ValueError("the factors do not make up the weight")
    outer = outer.reshape(rows, columns, *[1] * (inner.ndim - 2))
    return torch.kron(outer, inner.contiguous())  # it cannot take a transposed one


def _glora(tensors: Tensors, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A1 [inputs, r], A2 [r, inputs], B1 [outputs, r], B2 [r, inputs …].

    The first LyCORIS wrote them the other way round: A2 A1 and B2 B1.
    """
    a1, a2, b1, b2 = (tensors[name].flatten(1) for name in ("a1", "a2", "b1", "b2"))
    if len(a1) == weight.shape[1] and a1.shape[1] == len(a2) == b1.shape[1] == len(b2):
        found = a1, a2, b1, b2
    else:
        found = a2, a1, b2, b1
    if found[0].shape[1] > MAX_RANK:
        raise ValueError("the rank is too high")
    return found


def _general(tensors: Tensors, weight: Tensor) -> Tensor:
    a1, a2, b1, b2 = _glora(tensors, weight)
    inputs = torch.einsum("oi...,ir,rj->oj...", weight, a1, a2)
    return _like(b1 @ b2, weight) + _like(inputs, weight)


def _ia3(tensors: Tensors, weight: Tensor) -> Tensor:
    axis = 1 if tensors["on_input"].item() else 0
    shape = [1] * weight.ndim
    shape[axis] = weight.shape[axis]
    return weight * tensors["weight"].reshape(shape)


_KRONECKER = (
    {*outer, *inner}
    for outer in (["lokr_w1"], ["lokr_w1_a", "lokr_w1_b"])
    for inner in (["lokr_w2"], ["lokr_w2_a", "lokr_w2_b"], ["lokr_w2_a", "lokr_w2_b", "lokr_t2"])
)
_HADAMARD = {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}
_FORMULAS: Final[Mapping[frozenset[str], Callable[[Tensors, Tensor], Tensor]]] = {
    frozenset({"up", "down"}): _lora,
    frozenset({"up", "down", "mid"}): _lora,
    frozenset(_HADAMARD): _loha,
    frozenset(_HADAMARD | {"hada_t1", "hada_t2"}): _loha,
    **{frozenset(each): _lokr for each in _KRONECKER},
    frozenset({"a1", "a2", "b1", "b2"}): _general,
    frozenset({"weight", "on_input"}): _ia3,
    frozenset({"diff"}): lambda tensors, _: tensors["diff"],
    frozenset({"w_norm"}): lambda tensors, _: tensors["w_norm"],
}
