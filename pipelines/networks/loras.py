"""A LoRA or LyCORIS file merged into the weights of a model, every tensor of it used or named."""

import re
from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipelines.networks import lora_keys, lycoris
from pipelines.networks.checkpoint import FLOATS, FP8, Checkpoint
from pipelines.networks.lora_alpha import Scales
from pipelines.networks.lora_keys import Layer, Places

LONGEST: Final = 32  # characters of a file's name in a sentence
LACKING: Final = "for parts that this model lacks"
UNKNOWN: Final = "of a kind that is not applied here"
MISFIT: Final = "of other shapes"
TWICE: Final = "there twice"
WORDS: Final = "attn2.to_k"
_MISFITS = (ValueError, RuntimeError, IndexError, TypeError)  # what shapes that do not fit end in


@dataclass(frozen=True, slots=True)
class _Use:
    """A layer of the file, and the layer of the model that it changes."""

    layer: Layer
    module: Any
    scale: float  # alpha / rank


@torch.no_grad()
def merge(header: Checkpoint, places: Places, strength: float) -> str:
    """Change each layer's weight W to W + strength * (W' - W), W' as networks/lycoris.py gives it.

    Returns one sentence of at most 200 characters about the layers that could not be applied, ""
    where there are none. Raises ValueError with one sentence where none can be, before anything is
    changed; and where values stop being finite, when the weights may be changed in part.
    """
    scales = Scales(header)
    try:
        with safe_open(header.path, framework="pt") as file:
            uses, left_out = _sort(header, file, places, scales)
            for use in uses:
                _apply(use, file, strength, header.path.name)
    except SafetensorError as error:
        raise ValueError(f"{header.path.name} could not be read: {error}.") from error
    return left_out


def unapplied(header: Checkpoint) -> str:
    """The kind of a file's layers where none of them can be applied to any model, else ""."""
    found = lora_keys.layers(header.shapes)
    if any(_known(header, each) for each in found):
        return ""
    return next(filter(None, (_kind(header, each) for each in found)), "unknown")


def width(header: Checkpoint) -> int | None:
    """How wide the words are that a file's layers read, where its formulas tell; else None."""
    for layer in lora_keys.layers(header.shapes):
        if not layer.name.replace(".", "_").endswith(("attn2_to_k", "attn2_processor_to_k")):
            continue
        shapes = {part: header.shapes[key] for part, key in layer.keys.items()}
        outer = shapes.get("lokr_w1", shapes.get("lokr_w1_b", ()))
        inner = shapes.get("lokr_w2", shapes.get("lokr_w2_b", ()))
        if len(outer) == len(inner) == 2:
            return outer[1] * inner[1]
        known = [shapes[part] for part in ("down", "hada_w1_b", "diff") if part in shapes]
        if known and len(known[0]) > 1:
            return known[0][1]
    return None


def _sort(header: Checkpoint, file: Any, places: Places, scales: Scales) -> tuple[list[_Use], str]:
    """What can be applied, and the sentence about the rest; ValueError where nothing can."""
    uses: list[_Use] = []
    taken: set[int] = set()
    reasons: Counter[str] = Counter()
    kind = ""
    asked = foreign = 0  # layers that read the words, whose width differs between families
    found = lora_keys.layers(header.shapes)
    for layer in found:
        place = places.find(layer.name)
        asked += place is not None and place.path.endswith(WORDS)
        if not _known(header, layer):
            reasons[UNKNOWN] += 1
            kind = kind or _kind(header, layer)
        elif place is None:
            reasons[LACKING] += 1
        elif id(place.module) in taken:
            reasons[TWICE] += 1
        elif (scale := _scale(header, file, layer, place.module, scales)) is None:
            reasons[MISFIT] += 1
            foreign += place.path.endswith(WORDS)
        else:
            taken.add(id(place.module))
            uses.append(_Use(layer, place.module, scale))
    name = _short(header.path.name)
    if foreign and foreign == asked:
        raise ValueError(
            f"{name} has layers of other shapes than this model; it may be for another family."
        )
    left_out = _counted(len(found), reasons, kind)
    if not uses:
        raise ValueError(f"{name} cannot be added: {left_out}.")
    return uses, f"{name}: {left_out}." if left_out else ""


def _scale(
    header: Checkpoint, file: Any, layer: Layer, module: Any, scales: Scales
) -> float | None:
    """Alpha / rank; None where the shapes do not fit, as shown by a run without values."""
    try:
        tensors = {part: _outline(header, file, part, key) for part, key in layer.keys.items()}
        weight, bias = torch.empty_like(module.weight, device="meta"), getattr(module, "bias", None)
        bias = None if bias is None else torch.empty_like(bias, device="meta")
        lycoris.merged(tensors, weight, bias, 1.0, 1.0)
        rank = lycoris.rank(tensors, weight)
        alpha = tensors["alpha"].item() if "alpha" in tensors else None
    except _MISFITS:
        return None
    if rank == 0:
        return None
    if alpha is None and (rank is not None or "lokr_w1" in tensors):
        return scales.of(layer.name, rank)
    return 1.0 if alpha is None or rank is None else alpha / rank


def _outline(header: Checkpoint, file: Any, part: str, key: str) -> Tensor:
    """A tensor's shape alone, but the value of a scalar."""
    shape = header.shapes[key]
    if part in lycoris.SCALARS and prod(shape) == 1:
        return file.get_tensor(key)
    return torch.empty(shape, device="meta")


def _apply(use: _Use, file: Any, strength: float, name: str) -> None:
    weight, bias = use.module.weight, getattr(use.module, "bias", None)
    tensors = {part: file.get_tensor(key) for part, key in use.layer.keys.items()}
    tensors = {part: each.to(weight.device) for part, each in tensors.items()}
    changed = lycoris.merged(tensors, weight, bias, use.scale, strength)
    for parameter, value in zip((weight, bias), changed, strict=True):
        if parameter is None or value is None:
            continue
        parameter.copy_(value)
        if not bool(parameter.isfinite().all()):
            raise ValueError(
                f"With {name} weights of the model are no longer finite; give it a lower weight, "
                "or fetch the file again."
            )


def _known(header: Checkpoint, layer: Layer) -> bool:
    return lycoris.known(frozenset(layer.keys)) and not _quantized(header, layer)


def _quantized(header: Checkpoint, layer: Layer) -> str:
    """The type of a layer's numbers where they stand for others, as whole ones do; else ""."""
    types = (header.tensors[k][0] for part, k in layer.keys.items() if part not in lycoris.SCALARS)
    return next((each for each in types if each not in (*FLOATS, *FP8)), "")


def _kind(header: Checkpoint, layer: Layer) -> str:
    """What a layer that is not understood holds, where that is a word."""
    if lycoris.known(frozenset(layer.keys)):
        return _quantized(header, layer)
    odd = (part for part in layer.keys if re.fullmatch(r"[A-Za-z0-9_]{1,16}", part))
    return next((part for part in odd if part not in lycoris.SCALARS), "")


def _counted(total: int, reasons: Counter[str], kind: str) -> str:
    """ "12 of 264 layers are for parts that this model lacks, 3 of other shapes"."""
    phrases: list[str] = []
    for reason in filter(reasons.get, (LACKING, UNKNOWN, MISFIT, TWICE)):
        count = str(reasons[reason])
        if not phrases:
            verb = "is" if count == "1" else "are"
            count += f" of {total} {'layer' if total == 1 else 'layers'} {verb}"
        named = f" ({kind})" if reason == UNKNOWN and kind else ""
        phrases.append(f"{count} {reason}{named}")
    return ", ".join(phrases)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
