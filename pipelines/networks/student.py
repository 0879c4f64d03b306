"""The few-step student in a model's folder: the model's own denoiser with a LoRA."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipelines.networks import adapters, distilled


def read(
    place: Path, unet: Any, config: Mapping[str, Any]
) -> tuple[Any, dict[str, Any], dict[str, float]]:
    """A copy of `unet` with the LoRA in `place`, its scheduler's configuration, the LoRA's name.

    `place` has one `.safetensors` file, and a `scheduler` where the student wants another than that
    of `config`, the model's. Raises ValueError with one sentence where the file cannot be added
    whole.
    """
    try:
        file = _only(place)
        student = _copied(unet)
        if sentence := adapters.add_lora({"unet": student}, file):
            raise ValueError(sentence)
        told = place / "scheduler" / "scheduler_config.json"
        found = json.loads(told.read_text("utf-8")) if told.exists() else dict(config)
    except (OSError, ValueError) as error:
        raise ValueError(f"{place} could not be loaded as a student: {error}") from error
    loras = {adapters.called(file): 1.0}
    if distilled.how("", found, student.config, loras):
        found = distilled.trailing(found)
    return student, found, loras


def _only(place: Path) -> Path:
    """The one LoRA in a folder."""
    loras = sorted(place.glob("*.safetensors"))
    if len(loras) != 1:
        count = "several LoRAs" if loras else "no LoRA"
        raise ValueError(f"it has {count}; put one .safetensors file there.")
    return loras[0]


def _copied(unet: Any) -> Any:
    """A network of the same weights, whatever processors an edit has in this one just now."""
    with torch.device("meta"):
        other = type(unet).from_config(unet.config)
    weights = {name: each.clone() for name, each in unet.state_dict().items()}
    other.load_state_dict(weights, assign=True)
    return other
