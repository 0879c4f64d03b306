"""A diffusers folder, or a model of the hub, → a diffusers pipeline.

Only safetensors weights are read, and no code that a model brings is run.
"""

from pathlib import Path
from typing import Any

import httpx2
import torch
from diffusers import DiffusionPipeline
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError

from pipelines.core import checkpoint


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
    try:
        return DiffusionPipeline.from_pretrained(
            str(path), use_safetensors=True, local_files_only=True, **options
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ValueError(f"{path} could not be loaded as a model: {error}") from error
