"""Files, or a diffusers pipeline → a loaded model of the family that they are of."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pipelines.networks import adapters, checkpoint, folder, single_file, unet
from pipelines.networks.bundle import Bundle


def load(
    source: str | Path,
    device: torch.device | str,
    dtype: torch.dtype,
    loras: Mapping[str | Path, float],
    embeddings: Sequence[str | Path],
) -> Bundle:
    """As `Bundle.load`."""
    path = Path(source).expanduser()
    if not path.exists():
        path = folder.fetched(str(source), dtype)
    added = dict(zip(adapters.names(loras), loras.values(), strict=True))
    taught = adapters.names(embeddings)
    pipe = single_file.load(path, dtype) if path.is_file() else folder.load(path, dtype)
    unused = adapters.add_loras(pipe, loras)
    adapters.add_embeddings(pipe, embeddings)
    bundle = of(pipe, checkpoint.title(path), added)
    bundle.words, bundle.unused = taught, unused
    bundle.note = (folder if path.is_dir() else single_file).note(pipe, path)
    if dtype == torch.float16 and unet.overflows(pipe):
        bundle.vae.to(torch.float32)
    bundle.to(device)
    own = {each: path / each for each in ("ranker", "fast", "taesd") if (path / each).is_dir()}
    bundle.ranker_folder, bundle.student_folder = own.get("ranker"), own.get("fast")
    bundle.sketcher_folder = own.get("taesd")
    return bundle


def of(pipe: Any, name: str, loras: Mapping[str, float]) -> Bundle:
    """As `Bundle.of`."""
    if pipe.components.get("unet") is None or pipe.components.get("vae") is None:
        raise ValueError(
            f"{name or type(pipe).__name__} is no Stable Diffusion 1, 2 or XL model: "
            "it has no UNet with an autoencoder."
        )
    return unet.of(pipe, name, loras)
