"""A diffusers folder, or a model of the hub, → a diffusers pipeline.

Only safetensors weights are read, and no code that a model brings is run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import torch
from diffusers import DiffusionPipeline
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError
from torch import Tensor

from pipelines.networks import accounting, checkpoint
from pipelines.networks.header import shown

NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")
_FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)
_FORMER = {  # how diffusers called the layers of an autoencoder's attention before 0.15
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}


def fetched(name: str, dtype: torch.dtype) -> Path:
    """The folder of a model of the hub; what the hub's cache lacks is fetched.

    Its index is read before anything else. Weights in half precision are preferred where half
    precision is asked for, and taken where there are no others.
    """
    refused: list[Exception] = []
    try:
        checkpoint.check_folder(Path(hf_hub_download(name, "model_index.json")).parent)
        for variant in (None, "fp16") if dtype == torch.float32 else ("fp16", None):
            try:
                return _downloaded(name, variant)
            except (OSError, ValueError) as error:
                refused.append(error)
    except (OSError, HFValidationError, httpx2.HTTPError) as error:
        refused.append(error)
    reason = str(refused[0]).partition("\n")[0]
    raise ValueError(f"{name} could not be loaded as a model: {reason}") from refused[0]


def _downloaded(name: str, variant: str | None) -> Path:
    unused = dict.fromkeys(checkpoint.UNUSED)
    return Path(DiffusionPipeline.download(name, use_safetensors=True, variant=variant, **unused))


def load(path: Path, dtype: torch.dtype) -> Any:
    """The pipeline of a diffusers folder; ValueError with one sentence where it is none of ours."""
    index = checkpoint.check_folder(path)
    options: dict[str, Any] = {part: None for part in checkpoint.UNUSED if part in index}
    options |= {"dtype": dtype, "variant": checkpoint.variant(path)}
    scales = {part: _scales(path, part) for part in NETWORKS}
    try:
        with accounting.quietly():
            pipe = DiffusionPipeline.from_pretrained(
                str(path), use_safetensors=True, local_files_only=True, **options
            )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{path} could not be loaded as a model: {error}") from error
    for part, scaled in scales.items():
        network = pipe.components.get(part)
        if network is None:
            continue
        _check_complete(network, path, part)
        if any(each.dtype in _FP8 for each in network.parameters()):
            network.to(dtype)
        own = {_placed(name, network.state_dict()): scale for name, scale in scaled.items()}
        accounting.multiply(network, own)
    return pipe


def note(pipe: Any, path: Path) -> str:
    """One sentence about the tensors of a loaded folder that are not used; "" where all are."""
    names: list[str] = []
    unused: list[str] = []
    for part in NETWORKS:
        network = pipe.components.get(part)
        if network is None:
            continue
        own = network.state_dict()
        for each in _files(path, part):
            header = checkpoint.read(each)
            names += header.tensors
            used = accounting.scales(header).values()
            unused += [
                name
                for name in header.tensors
                if not (_placed(name, own) in own or name in used or accounting.marker(name))
            ]
    return accounting.note(checkpoint.title(path), names, unused)


def _files(path: Path, part: str) -> list[Path]:
    half = checkpoint.variant(path) == "fp16"
    plain, halved = (accounting.of_folder(path / part, each) for each in (False, True))
    return halved if half and halved else plain


def _scales(path: Path, part: str) -> dict[str, Tensor]:
    """Weight → scale, of a part of a folder."""
    found: dict[str, Tensor] = {}
    for each in _files(path, part):
        header = checkpoint.read(each)
        found |= accounting.read_scales(header, accounting.scales(header))
    return found


def _check_complete(network: torch.nn.Module, path: Path, part: str) -> None:
    """ValueError with one sentence where files lack what a network is made of."""
    files = _files(path, part)
    own = network.state_dict()
    held = {_placed(name, own) for each in files for name in checkpoint.read(each).tensors}
    missing = sorted(own.keys() - held)
    if files and missing:
        raise ValueError(
            f"{checkpoint.title(path)} is incomplete: {len(missing)} of {len(own)} tensors of its "
            f"{part} are missing, such as {shown(missing[0])}."
        )


def _placed(name: str, own: Mapping[str, object]) -> str:
    """What a network calls a tensor of its file."""
    if name in own:
        return name
    for former, now in _FORMER.items():
        name = name.replace(former, now)
    bare = name.removeprefix("text_model.")
    return bare if bare in own else name if name in own else f"text_model.{bare}"
