"""Where the denoiser's training begins: from nothing, from an exported model, or from a file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from training import export
from training.denoiser import Denoiser, Pupil, build
from training.progress import say

PREFIXES = {"unet": "unet.", "text_encoder": "te.", "head": "head."}  # of a file's names


def begin(
    widths: tuple[int, int, int], out: Path, weights: Path | None, device: torch.device
) -> tuple[Pupil, bool]:
    """The networks to train, and whether they have learnt nothing yet.

    Those of the safetensors file `weights` where one is given; else those exported to `out`, under
    an untrained head; else untrained ones.
    """
    pupil = Pupil(build(widths))
    if weights is not None:
        say(f"denoiser: going on from {weights}")
        return read(weights, pupil).to(device), False
    if not export.exists(out):
        return pupil.to(device), True
    shipped = export.read(out, device)[1]
    found = tuple(shipped.unet.config["block_out_channels"])
    if found != widths:
        say(f"denoiser: from nothing, since {out} has channels {found} and not {widths}")
        return pupil.to(device), True
    say(f"denoiser: going on from {out}")
    return Pupil(Denoiser(shipped.text_encoder, shipped.unet)).to(device), False


def read(path: Path, pupil: Pupil) -> Pupil:
    """Load `unet.*`, `te.*` and `head.*` of a safetensors file; returns `pupil`.

    Raises ValueError with one sentence where the file is none or holds other networks.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} could not be read as a safetensors file: {error}.") from error
    parts: dict[str, nn.Module] = {
        "unet": pupil.denoiser.unet,
        "text_encoder": pupil.denoiser.text_encoder,
        "head": pupil.head,
    }
    for name, module in parts.items():
        prefix = PREFIXES[name]
        found = {
            key.removeprefix(prefix): tensor.float()
            for key, tensor in tensors.items()
            if key.startswith(prefix)
        }
        wanted = {key: tensor.shape for key, tensor in module.state_dict().items()}
        if {key: tensor.shape for key, tensor in found.items()} != wanted:
            raise ValueError(
                f"{path} does not fit: its {prefix}* are not the tensors of the {name} that is "
                "trained here."
            )
        module.load_state_dict(found)
    return pupil
