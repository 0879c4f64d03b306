"""One `.safetensors` file → a diffusers pipeline, without a connection.

Such a file holds weights only. The sizes of the networks and the vocabulary lie in
`assets/configs`; what differs within a family is read from the file's header.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import UNet2DConditionModel
from safetensors import SafetensorError
from transformers import CLIPTokenizer

from pipelines.networks import accounting, checkpoint, conversion
from pipelines.networks.checkpoint import Checkpoint

CONFIGS = Path(__file__).resolve().parents[2] / "assets" / "configs"
SMALL_XL = re.compile(r"sd[-_]?xl[-_]?turbo", re.IGNORECASE)  # made for 512, by its published name
CLIP_PADDING, OPEN_CLIP_PADDING = "<|endoftext|>", "!"


def load(path: Path, dtype: torch.dtype = torch.float32, configs: Path = CONFIGS) -> Any:
    """The pipeline of a Stable Diffusion 1, 2 or XL checkpoint, also for inpainting.

    `configs` holds a folder of configurations per family and the tokenizer. Raises ValueError
    with one sentence where the file is something else, damaged or incomplete.
    """
    header = checkpoint.read(path)
    family = header.family()
    scales = accounting.scales(header)
    folder = configs / family
    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    options = {"config": str(folder), "local_files_only": True}
    padding = OPEN_CLIP_PADDING if family == "sd2" else CLIP_PADDING
    parts: dict[str, Any] = {"tokenizer": _tokenizer(configs, padding)}
    if "tokenizer_2" in index:
        parts["tokenizer_2"] = _tokenizer(configs, OPEN_CLIP_PADDING)
    try:
        with accounting.quietly():
            parts["unet"] = UNet2DConditionModel.from_single_file(
                str(path), subfolder="unet", in_channels=header.in_channels, **options
            )
            pipeline = getattr(diffusers, index["_class_name"])
            pipe = pipeline.from_single_file(str(path), **options, **parts)
    except NotImplementedError:  # a tensor without data, which diffusers cannot move
        raise ValueError(
            f"{path.name} is incomplete: tensors of its networks are missing."
        ) from None
    except (SafetensorError, RuntimeError, TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{path.name} could not be loaded: {error}") from error
    for network in pipe.components.values():
        if isinstance(network, torch.nn.Module):
            _check_complete(network, path)
            network.to(dtype)
    if scales:
        _multiply(pipe, header, scales)
    _configure(pipe, header)
    return pipe


def note(pipe: Any, path: Path) -> str:
    """One sentence about the tensors of a loaded file that are not used; "" where all are."""
    header = checkpoint.read(path)
    used = {*conversion.sources(pipe, header).values(), *accounting.scales(header).values()}
    unused = [name for name in header.tensors if name not in used and not accounting.marker(name)]
    return accounting.note(path.name, header.tensors.keys(), unused)


def size(path: Path, configs: Path = CONFIGS) -> int | None:
    """The side of the square that a file's model was made for, in pixels, by its header.

    None where the file is no such model. Stable Diffusion 2 counts as made for 512 where neither
    the file nor its name says that it predicts v.
    """
    try:
        header = checkpoint.read(path)
        family = header.family()
    except (OSError, ValueError):
        return None
    if family == "sd2" and header.prediction == "v_prediction":
        return 768
    if family == "sdxl" and SMALL_XL.match(path.stem):
        return 512
    unet = json.loads((configs / family / "unet" / "config.json").read_text("utf-8"))
    return 8 * int(unet["sample_size"])


def predicts_noise(unet: Any) -> bool:
    """Whether a denoiser predicts epsilon rather than v, by asking it.

    At the last time x is nearly all noise. Epsilon is then nearly x; v = signal * noise - sigma *
    clean has little to do with it (Salimans & Ho, arXiv:2202.00512).
    """
    config = unet.config
    x = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros(1, config.in_channels - 4, 32, 32)
    words = torch.zeros(1, 77, config.cross_attention_dim, dtype=unet.dtype)
    with torch.no_grad():
        output = unet(torch.cat([x, hidden], 1).to(unet.dtype), 999, words, return_dict=False)[0]
    both = torch.stack([output.float().flatten(), x.flatten()])
    return bool(torch.corrcoef(both)[0, 1] > 0.5)


def _multiply(pipe: Any, header: Checkpoint, scales: Mapping[str, str]) -> None:
    spread = conversion.spread(pipe, header, accounting.read_scales(header, scales))
    for part in {part for part, _ in spread}:
        scaled = {name: scale for (home, name), scale in spread.items() if home == part}
        accounting.multiply(pipe.components[part], scaled)


def _tokenizer(configs: Path, pad_token: str) -> Any:
    folder = str(configs / "tokenizer")
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True, pad_token=pad_token)


def _check_complete(network: torch.nn.Module, path: Path) -> None:
    missing = [name for name, each in network.named_parameters() if each.is_meta]
    if missing:
        raise ValueError(f"{path.name} is incomplete: {missing[0]} of its text encoder is missing.")


def _configure(pipe: Any, header: Checkpoint) -> None:
    """What the weights were trained for: prediction and size."""
    prediction = header.prediction
    if prediction is None:
        epsilon = header.kind != "sd2" or predicts_noise(pipe.unet)
        prediction = "epsilon" if epsilon else "v_prediction"
    schedule: dict[str, Any] = {"prediction_type": prediction}
    if header.zero_snr:
        schedule |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    pipe.scheduler = pipe.scheduler.from_config(pipe.scheduler.config, **schedule)
    if header.kind == "sd2" and prediction == "v_prediction":
        pipe.unet.register_to_config(sample_size=96)
    if header.kind == "sdxl" and SMALL_XL.match(header.path.stem):
        pipe.unet.register_to_config(sample_size=64)
