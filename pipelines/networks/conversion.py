"""Which tensor of a single file becomes which parameter of diffusers' networks.

diffusers' own conversion is asked, with a number in place of each tensor: what comes out says where
it came from, also where it is a part of a larger one (OpenCLIP keeps query, key and value as one).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch
from diffusers.loaders import single_file_utils as ldm
from torch import Tensor

from pipelines.networks.checkpoint import Checkpoint

OPEN_CLIP: Final = {
    ("sd2", "text_encoder"): "cond_stage_model.model.",
    ("sdxl", "text_encoder_2"): "conditioner.embedders.1.model.",
}
Parameter = tuple[str, str]  # a network and a name in it


def sources(pipe: Any, found: Checkpoint) -> dict[Parameter, str]:
    """Parameter → the tensor of the file that it comes from."""
    names = list(found.tensors)
    numbered = {name: _column(found, name, torch.tensor(i)) for i, name in enumerate(names)}
    return {key: names[int(each.flatten()[0])] for key, each in _converted(pipe, found, numbered)}


def spread(pipe: Any, found: Checkpoint, scales: Mapping[str, Tensor]) -> dict[Parameter, Tensor]:
    """Parameter → its scale, from the scales of some of the file's tensors."""
    one = torch.tensor(1.0)
    columns = {name: _column(found, name, scales.get(name, one)) for name in found.tensors}
    came = sources(pipe, found)
    return {key: each for key, each in _converted(pipe, found, columns) if came.get(key) in scales}


def _column(found: Checkpoint, name: str, value: Tensor) -> Tensor:
    """The value in each row of what is else as narrow as can be."""
    shape = found.shapes[name]
    return value.expand([*shape[:1], *[1] * (len(shape) - 1)]).clone()


def _converted(
    pipe: Any, found: Checkpoint, tensors: Mapping[str, Tensor]
) -> Iterator[tuple[Parameter, Tensor]]:
    """What the loader makes of tensors of these names, as far as the networks have a place."""
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        network = pipe.components.get(part)
        if network is None:
            continue
        held = dict(tensors)
        if part == "unet":
            made = ldm.convert_ldm_unet_checkpoint(held, network.config)
        elif part == "vae":
            made = ldm.convert_ldm_vae_checkpoint(held, network.config)
        elif prefix := OPEN_CLIP.get((found.kind, part)):
            made = ldm.convert_open_clip_checkpoint(network, held, prefix=prefix)
        else:
            made = ldm.convert_ldm_clip_checkpoint(held)
        own = network.state_dict().keys()
        for name, value in made.items():
            name = name if name in own else name.removeprefix("text_model.")
            if name in own and value.numel():
                yield (part, name), value
