"""Which layer of a model each tensor of a LoRA file is for, whoever wrote its name.

Kohya, LyCORIS, diffusers old and new, PEFT and ComfyUI join the same path with dots or underscores,
behind a prefix of their own; the blocks of the UNet are counted as diffusers or as the original
code counts them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import nn

NETWORKS: Final = ("unet", "text_encoder", "text_encoder_2")
PEFT: Final = "base_model.model."

# How a path begins, its dots written as underscores → its network. A longer beginning stands first.
_PREFIXES: Final = {
    "text_encoders_clip_l_transformer_": "text_encoder",
    "text_encoders_clip_g_transformer_": "text_encoder_2",
    "model_diffusion_model_": "unet",
    "diffusion_model_": "unet",
    "text_encoder_2_": "text_encoder_2",
    "text_encoder_": "text_encoder",
    "lora_unet_": "unet",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_te_": "text_encoder",
    "lycoris_": "unet",
    "unet_": "unet",
}
_KINDS: Final = r"lora_|lora\.|hada_|lokr_|oft_|boft_|dora_scale|ia3_|[ab][12m]\.|on_input|alpha$"
_PART: Final = re.compile(rf"\.(?={_KINDS})|_(?=lora\.)")
_PARTS: Final = {
    **dict.fromkeys(("lora_down", "lora_A", "lora.down", "lora_linear_layer.down"), "down"),
    **dict.fromkeys(("lora_up", "lora_B", "lora.up", "lora_linear_layer.up"), "up"),
    **dict.fromkeys(("lora.alpha", "lora_linear_layer.alpha"), "alpha"),
    "lora_mid": "mid",
    "lora_magnitude_vector": "magnitude",
}
_NAMED: Final = ("lora_A", "lora_B", "lora_magnitude_vector")  # behind them PEFT names the adapter
_OLD: Final = {  # as diffusers once called the layers of a text encoder
    "q_proj": "to_q",
    "k_proj": "to_k",
    "v_proj": "to_v",
    "out_proj": "to_out",
}

_BLOCK: Final = re.compile(r"(down|up)_blocks\.(\d+)\.([a-z]+)\.(\d+)\.(.+)")
_MIDDLE: Final = re.compile(r"mid_block\.([a-z]+)\.(\d+)\.(.+)")
_RESNET: Final = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_OUTER: Final = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """The tensors of a file that are for one layer of a model."""

    name: str  # the layer's, as the file writes it
    keys: Mapping[str, str]  # what a tensor is for ("up", "hada_w1_a", "alpha" …) → its name


def layers(names: Iterable[str]) -> list[Layer]:
    """The tensors of a file, by layer; each is in exactly one."""
    found: dict[str, dict[str, str]] = {}
    for key in names:
        name, part = _split(key)
        parts = found.setdefault(name, {})
        parts[key if part in parts else part] = key
    return [Layer(name, keys) for name, keys in found.items()]


@dataclass(frozen=True, slots=True)
class Place:
    """A layer of a pipeline that has weights."""

    path: str  # within its network
    module: Any


class Places:
    """The layers of a pipeline, to be found by any of their names."""

    def __init__(self, networks: Mapping[str, Any]) -> None:
        """`networks` are those of NETWORKS that the pipeline has."""
        self._places = {
            (network, _flat(spelling)): place
            for network, root in networks.items()
            for spelling, place in _spelled(network, root)
        }

    def find(self, name: str) -> Place | None:
        """The layer that a file means by `name`; None where the model has no such layer.

        A name without a prefix is one of the UNet, else of the first text encoder.
        """
        path = _flat(name).removeprefix(_flat(PEFT))
        prefix = next(filter(path.startswith, _PREFIXES), "")
        path = path.removeprefix(prefix).removeprefix(_flat(PEFT)).replace("_processor_", "_")
        networks = [_PREFIXES[prefix]] if prefix else ["unet", "text_encoder"]
        found = (self._at(network, path) for network in networks)
        return next(filter(None, found), None)

    def _at(self, network: str, path: str) -> Place | None:
        if network != "unet":
            path = path.removeprefix("text_model_")
        return self._places.get((network, path))


def originals(names: Iterable[str]) -> dict[str, str]:
    """diffusers' name of each layer of a UNet → its name in the original code.

    As Stability's and CompVis' checkpoints have it: each block counts its resnets and what changes
    the size as places of one list.
    """
    known = list(names)
    matched = [found for found in map(_BLOCK.match, known) if found]
    resnets = {(m[1], int(m[2]), int(m[4])) for m in matched if m[3] == "resnets"}
    attends = {(m[1], int(m[2])) for m in matched if m[3] == "attentions"}

    def first(side: str, block: int) -> int:
        before = [each for each in resnets if each[0] == side and each[1] < block]
        changes = 0 if side == "up" else block  # those of the way up share a place with a resnet
        return len(before) + changes

    def original(name: str) -> str | None:
        if found := _MIDDLE.match(name):
            place = 1 if found[1] == "attentions" else 2 * int(found[2])
            return f"middle_block.{place}.{_inner(found[3])}"
        if found := _BLOCK.match(name):
            side, block, kind, rest = found[1], int(found[2]), found[3], found[5]
            if kind == "downsamplers":
                return f"input_blocks.{first('down', block + 1)}.0.op"
            if kind == "upsamplers":
                index = 2 if (side, block) in attends else 1
                return f"output_blocks.{first('up', block + 1) - 1}.{index}.{rest}"
            place = first(side, block) + int(found[4]) + (side == "down")
            index = 1 if kind == "attentions" else 0
            return (
                f"{'input' if side == 'down' else 'output'}_blocks.{place}.{index}.{_inner(rest)}"
            )
        return _OUTER.get(name)

    return {name: there for name in known if (there := original(name)) is not None}


def _split(key: str) -> tuple[str, str]:
    """A tensor's name → that of its layer, and what the tensor is there."""
    if found := _PART.search(key):
        name, part = key[: found.start()], key[found.end() :]
    else:
        name, _, part = key.rpartition(".")
    part = part.removesuffix(".weight")
    head, _, adapter = part.partition(".")
    if head in _NAMED and adapter != "bias":
        part = head
    return name, _PARTS.get(part, part)


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _inner(rest: str) -> str:
    return _RESNET.get(rest, rest)


def _spelled(network: str, root: nn.Module) -> Iterator[tuple[str, Place]]:
    """Each layer with weights, by all the paths that it is known by."""
    places = {
        name: Place(name, module)
        for name, module in root.named_modules()
        if isinstance(getattr(module, "weight", None), nn.Parameter)
    }
    there = originals(places) if network == "unet" else {}
    for name, place in places.items():
        path = name if network == "unet" else name.removeprefix("text_model.")
        head, dot, last = path.rpartition(".")
        yield path, place
        yield head + dot + _OLD.get(last, last), place
        yield path.removesuffix(".0") if path.endswith(".to_out.0") else path, place
        yield there.get(name, path), place
