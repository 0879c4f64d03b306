"""What a `.safetensors` file or a folder is, before anything is allocated.

The names, types and shapes of the tensors (networks/header.py) tell the architecture. What a file
says is compared with literals, never with patterns that could take long over it.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pipelines.networks import header
from pipelines.networks.header import Entry, shown

MAX_JSON: Final = 256 * 2**10  # bytes of a configuration; parsing a megabyte can take 0.15 s
FAMILIES: Final = {
    "sd1": "Stable Diffusion 1",
    "sd2": "Stable Diffusion 2",
    "sdxl": "Stable Diffusion XL",
}
CONTEXTS: Final = {768: "sd1", 1024: "sd2", 2048: "sdxl"}  # width of a token at cross-attention
FLOATS: Final = ("F16", "BF16", "F32", "F64")
FP8: Final = ("F8_E4M3", "F8_E5M2")
MIN_WIDTH: Final = 16  # of a word's vectors; 768, 1024 and 1280 in what is published
MAX_ENCODERS: Final = 3
MAX_VECTORS: Final = 600  # of a word: as many tokens as a prompt has room for

_OF_NETWORKS = ("\nlora_unet_", "\nlora_te", "\nlycoris_")  # what kohya begins a layer's name with

# What a file may be → how it is called, and what its names, one a line, hold. The first that fits.
_KINDS = {
    "lora": (
        "a LoRA",
        *("lora_A.", "lora_B.", "lora_up.", "lora_down.", "lora_mid.", "lora.up.", "lora.down."),
        *("lora_A\n", "lora_B\n", "lora_linear_layer.", "lora.linear_layer.", ".hada_w", ".lokr_w"),
        *(*_OF_NETWORKS, ".dora_scale\n", ".lora_magnitude_vector"),
        *(".w_norm\n", ".b_norm\n", ".diff\n", ".diff_b\n", ".on_input\n", ".oft_blocks\n"),
        *(".a1.weight\n", ".b1.weight\n"),
    ),
    "embedding": ("a textual inversion", "\nemb_params\n", "\nstring_to_param."),  # or by shapes
    "controlnet": (
        "a ControlNet",
        *("\ncontrol_model.", "controlnet_cond_embedding", "\ninput_hint_block"),
    ),
    "flux": ("a Flux checkpoint", "\ndouble_blocks.", ".double_blocks."),
    "sd3": ("a Stable Diffusion 3 checkpoint", "\njoint_blocks.", ".joint_blocks."),
    "edm": (
        "an EDM checkpoint, as Playground 2.5 is",
        *("\nedm_mean\n", "\nedm_std\n", "\nedm_vpred."),
    ),
    "sdxl": ("a Stable Diffusion XL checkpoint", "\nconditioner.embedders.1.model."),
    "refiner": ("the refiner of Stable Diffusion XL", "\nconditioner.embedders.0.model."),
    "sd2": ("a Stable Diffusion 2 checkpoint", "\ncond_stage_model.model."),
    "sd1": ("a Stable Diffusion 1 checkpoint", "\ncond_stage_model.transformer."),
    "denoiser": (
        "a denoiser without its text encoder",
        *("\nmodel.diffusion_model.input_blocks.", "\ninput_blocks.", "\ndown_blocks."),
    ),
    "text": (
        "a text encoder",
        *("\ntext_model.encoder.layers.", ".text_model.encoder.layers."),
    ),
    "vae": (
        "an autoencoder",
        *("\ndecoder.conv_in", "\ndecoder.mid", "\ndecoder.up"),
        *(f"\nfirst_stage_model.decoder.{part}" for part in ("conv_in", "mid", "up")),
    ),
}
UNUSED: Final = ("safety_checker", "feature_extractor", "image_encoder")  # parts that no edit asks
_LIBRARIES = (None, "diffusers", "transformers", "stable_diffusion")  # the last has the old checker
_UNKNOWN = "a kind of model that is not known here"
_OFFER = "the studio edits with Stable Diffusion 1, 2 and XL"


@dataclass(frozen=True)
class Checkpoint:
    """What the header of a `.safetensors` file says."""

    path: Path
    tensors: Mapping[str, Entry]  # by name
    metadata: Mapping[str, str]

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {name: shape for name, (_, shape) in self.tensors.items()}

    @cached_property
    def kind(self) -> str:
        """A key of FAMILIES, or another thing that such a file may hold."""
        names = "\n".join(("", *self.tensors, ""))
        if len(self.vectors) == 1 and not any(mark in names for mark in _OF_NETWORKS):
            return "embedding"
        fits = (
            kind for kind, (_, *marks) in _KINDS.items() if any(mark in names for mark in marks)
        )
        return next(fits, "embedding" if self.vectors else "unknown")

    @cached_property
    def vectors(self) -> Mapping[str, tuple[int, int]]:
        """Name → how many vectors and how wide, where the file may be a word for text encoders.

        That is seen by type and shape alone: one floating-point tensor of one or two sides, or one
        for each of a few encoders with as many vectors. Single numbers beside them do not count.
        """
        large = {name: each for name, each in self.tensors.items() if math.prod(each[1]) != 1}
        if not 1 <= len(large) <= MAX_ENCODERS:
            return {}
        sizes = {name: _rows(shape) for name, (_, shape) in large.items()}
        fits = all(
            dtype in FLOATS
            and len(shape) <= 2
            and 1 <= _rows(shape)[0] <= MAX_VECTORS
            and _rows(shape)[1] >= MIN_WIDTH
            for dtype, shape in large.values()
        )
        return sizes if fits and len({count for count, _ in sizes.values()}) == 1 else {}

    def of(self, widths: Sequence[int]) -> Sequence[str]:
        """The tensor with the vectors of each text encoder of these widths; none if they differ."""
        left = sorted(self.vectors, key=lambda name: ("g" in name, name))  # clip_l before clip_g
        found: list[str] = []
        for width in widths:
            fits = [name for name in left if self.vectors[name][1] == width]
            found += fits[:1]
            left = [name for name in left if name not in found]
        return found if len(found) == len(widths) and not left else []

    @property
    def called(self) -> str:
        """The kind with its article, for a sentence."""
        return _KINDS[self.kind][0] if self.kind in _KINDS else _UNKNOWN

    @property
    def in_channels(self) -> int:
        """Input channels of the denoiser: 4, or 9 where it is made for inpainting; 0 if none."""
        shape = self.shapes.get("model.diffusion_model.input_blocks.0.0.weight", ())
        return shape[1] if len(shape) == 4 else 0

    @property
    def prediction(self) -> str | None:
        """ "epsilon", "v_prediction" or "sample" where the file or its name says so.

        By the tensor `v_pred`, by the metadata of ModelSpec
        (https://github.com/Stability-AI/ModelSpec), or as the published files are called.
        """
        said = self.metadata.get("modelspec.prediction_type", "").lower()
        if "v_pred" in self.tensors or said.startswith("v"):
            return "v_prediction"
        if said.startswith("eps"):
            return "epsilon"
        name = self.path.stem.lower()
        if re.search(r"v[-_ ]?pred(?!\w*[xX]0)", name):
            return "v_prediction"
        if re.search(r"(?<![a-z0-9])x0(?![a-z0-9])", name):
            return "sample"
        if self.kind == "sd2" and (sides := re.search(r"(?<!\d)(512|768)(?!\d)", name)):
            return "epsilon" if sides[0] == "512" else "v_prediction"
        return None

    @property
    def zero_snr(self) -> bool:
        """Whether it was trained down to no signal at all (tensor `ztsnr`)."""
        return "ztsnr" in self.tensors

    def family(self) -> str:
        """The key of FAMILIES of a whole checkpoint; ValueError with a sentence otherwise."""
        name, kind = self.path.name, self.kind
        if kind not in FAMILIES:
            raise ValueError(f"{name} is {self.called}; {_OFFER}.")
        if self.in_channels not in (4, 9):
            raise ValueError(
                f"The denoiser of {name} takes {self.in_channels} channels; the studio edits with "
                "those of 4, or of 9 for inpainting."
            )
        if not any(each.startswith(("first_stage_model.", "vae.")) for each in self.tensors):
            raise ValueError(f"{name} has no autoencoder; take the file of the whole model.")
        return kind


def read(path: Path) -> Checkpoint:
    """What the header of a file says; ValueError with a sentence as in networks/header.py."""
    found = header.read(path)
    return Checkpoint(path, found.tensors, found.metadata)


def read_json(path: Path) -> Any:
    """A configuration from outside; ValueError with a reason where it is too long, or no JSON."""
    with path.open("rb") as file:
        text = file.read(MAX_JSON + 1)
    if len(text) > MAX_JSON:
        raise ValueError(f"it has more than {MAX_JSON // 2**10} KB")
    try:
        found = json.loads(text)
        if b"\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # half letters raise ValueError here
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found


def title(path: Path) -> str:
    """What a model is called by where it lies.

    A file without its ending, a snapshot in the hub's cache by its id, else the folder's name.
    """
    repository = path.parent.parent.name
    if path.parent.name == "snapshots" and repository.startswith("models--"):
        return repository.removeprefix("models--").replace("--", "/")
    return path.name.removesuffix(".safetensors")


def variant(folder: Path) -> str | None:
    """ "fp16" where the denoiser of a diffusers folder lies there in half precision only."""
    names = {path.name for path in (folder / "unet").glob("*.safetensors")}
    half = {name for name in names if ".fp16." in name or ".fp16-" in name}
    return "fp16" if half and half == names else None


def check_folder(folder: Path) -> Mapping[str, Any]:
    """What the model_index.json of a diffusers folder says.

    ValueError with one sentence where the folder is not what can be loaded safely: of another
    architecture, with code of its own, or with damaged weights. The header of every `.safetensors`
    file in it is read.
    """
    called = title(folder)
    try:
        index = read_json(folder / "model_index.json")
        name = str(index["_class_name"])
    except FileNotFoundError:
        raise ValueError(
            f"{folder} could not be loaded as a model: it has no model_index.json."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"The model_index.json of {called} cannot be read.") from None
    family = re.sub("(Img2Img|Inpaint)?Pipeline$", "", name)
    if family not in ("StableDiffusion", "StableDiffusionXL", "LatentConsistencyModel"):
        raise ValueError(f"{called} is a model for {shown(name)}; {_OFFER}.")
    if index.get("requires_aesthetics_score"):
        raise ValueError(f"{called} is {_KINDS['refiner'][0]}; {_OFFER}.")
    for part, home in index.items():
        if not isinstance(home, list):
            continue
        if home[:1] and home[0] not in _LIBRARIES:
            raise ValueError(
                f"The {shown(part)} of {called} brings code of its own; it is not run."
            )
        if part == "scheduler" and str(home[-1]).startswith("EDM"):
            raise ValueError(f"{called} is an EDM model, as Playground 2.5 is; {_OFFER}.")
    for path in sorted(folder.glob("*/*.safetensors")):
        read(path)
    return index


def _rows(shape: Sequence[int]) -> tuple[int, int]:
    """How many vectors, and how wide."""
    return (shape[0] if len(shape) > 1 else 1), shape[-1]
