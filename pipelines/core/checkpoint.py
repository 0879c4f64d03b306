"""A `.safetensors` file by its header: what it holds, before anything is allocated.

Eight bytes of length, that much JSON, then the bytes of the tensors without gaps
(https://github.com/huggingface/safetensors#format). The names and shapes of the tensors tell the
architecture.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

MAX_HEADER: Final = 32 * 2**20  # bytes; an XL checkpoint needs half a million
MAX_SIDES: Final = 8  # of a tensor
FAMILIES: Final = {
    "sd1": "Stable Diffusion 1",
    "sd2": "Stable Diffusion 2",
    "sdxl": "Stable Diffusion XL",
}
CONTEXTS: Final = {768: "sd1", 1024: "sd2", 2048: "sdxl"}  # width of a token at cross-attention
_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}

# What a file may be → how it is called, and the tensor that tells. The first that fits counts.
_KINDS = {
    "lora": (
        "a LoRA",
        r"lora_(A|B|up|down)\b|[._]lora\.(up|down)\.|\.lora_linear_layer\.|\.(hada|lokr)_w"
        r"|\.([wb]_norm|diff|diff_b|on_input|oft_blocks|[ab]1\.weight)$",
    ),
    "embedding": ("a textual inversion", r"^(emb_params|clip_[lg]|<[^.]*>)$"),
    "controlnet": ("a ControlNet", r"^control_model\.|controlnet_cond_embedding|^input_hint_block"),
    "flux": ("a Flux checkpoint", r"(^|\.)double_blocks\.\d+\.img_attn"),
    "sd3": ("a Stable Diffusion 3 checkpoint", r"(^|\.)joint_blocks\."),
    "edm": ("an EDM checkpoint, as Playground 2.5 is", r"^edm_(mean|std)$|^edm_vpred\."),
    "sdxl": ("a Stable Diffusion XL checkpoint", r"^conditioner\.embedders\.1\.model\."),
    "refiner": ("the refiner of Stable Diffusion XL", r"^conditioner\.embedders\.0\.model\."),
    "sd2": ("a Stable Diffusion 2 checkpoint", r"^cond_stage_model\.model\."),
    "sd1": ("a Stable Diffusion 1 checkpoint", r"^cond_stage_model\.transformer\."),
    "denoiser": (
        "a denoiser without its text encoder",
        r"^(model\.diffusion_model\.)?input_blocks\.|^down_blocks\.",
    ),
    "text": ("a text encoder", r"(^|\.)text_model\.encoder\.layers\."),
    "vae": ("an autoencoder", r"^(first_stage_model\.)?decoder\.(conv_in|mid|up)"),
}
UNUSED: Final = ("safety_checker", "feature_extractor", "image_encoder")  # parts that no edit asks
_LIBRARIES = (None, "diffusers", "transformers", "stable_diffusion")  # the last has the old checker
_UNKNOWN = "a kind of model that is not known here"
_OFFER = "the studio edits with Stable Diffusion 1, 2 and XL"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the header of a `.safetensors` file says."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]]  # of the tensors, by name
    metadata: Mapping[str, str]

    @property
    def kind(self) -> str:
        """A key of FAMILIES, or another thing that such a file may hold."""
        names = "\n".join(self.shapes)
        fits = (k for k, (_, mark) in _KINDS.items() if re.search(mark, names, re.MULTILINE))
        return next(fits, "unknown")

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
        if "v_pred" in self.shapes or said.startswith("v"):
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
        return "ztsnr" in self.shapes

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
        if not any(re.match(r"(first_stage_model|vae)\.", each) for each in self.shapes):
            raise ValueError(f"{name} has no autoencoder; take the file of the whole model.")
        return kind


def read(path: Path) -> Checkpoint:
    """The header of a `.safetensors` file, checked against the file's size.

    No tensor is read. Raises ValueError with one sentence where the file is something else, cut
    off, or says what cannot be.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= min(size - 8, MAX_HEADER):
            if _is_pickle(start):
                raise ValueError(f"{path.name} can run code; only .safetensors files are read.")
            raise ValueError(
                f"{path.name} is cut off or of another kind; only .safetensors files are read."
            )
        text = file.read(length)
    header = _parsed(text)
    if not isinstance(header, dict):
        raise ValueError(f"The header of {path.name} cannot be read; fetch the file again.")
    metadata = header.pop("__metadata__", {})
    wrong = _wrong(header, size - 8 - length)
    if wrong:
        raise ValueError(f"{path.name} is damaged ({wrong}); fetch the file again.")
    shapes = {name: tuple(tensor["shape"]) for name, tensor in header.items()}
    told = metadata.items() if isinstance(metadata, dict) else ()
    return Checkpoint(path, shapes, {str(name): str(value) for name, value in told})


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
        index = json.loads((folder / "model_index.json").read_text("utf-8"))
        name = str(index["_class_name"])
    except FileNotFoundError:
        raise ValueError(
            f"{folder} could not be loaded as a model: it has no model_index.json."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"The model_index.json of {called} cannot be read.") from None
    family = re.sub("(Img2Img|Inpaint)?Pipeline$", "", name)
    if family not in ("StableDiffusion", "StableDiffusionXL", "LatentConsistencyModel"):
        raise ValueError(f"{called} is a model for {name}; {_OFFER}.")
    if index.get("requires_aesthetics_score"):
        raise ValueError(f"{called} is {_KINDS['refiner'][0]}; {_OFFER}.")
    for part, home in index.items():
        if not isinstance(home, list):
            continue
        if home[:1] and home[0] not in _LIBRARIES:
            raise ValueError(f"The {part} of {called} brings code of its own; it is not run.")
        if part == "scheduler" and str(home[-1]).startswith("EDM"):
            raise ValueError(f"{called} is an EDM model, as Playground 2.5 is; {_OFFER}.")
    for path in sorted(folder.glob("*/*.safetensors")):
        read(path)
    return index


def _is_pickle(start: bytes) -> bool:
    """By content: a pickle, or the zip archive of pickles that torch writes."""
    return start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5")


def _parsed(text: bytes) -> object:
    """JSON; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _wrong(tensors: Mapping[str, Any], room: int) -> str:
    """What contradicts itself in a header over `room` bytes of tensors, or ""."""
    spans: list[tuple[int, int]] = []
    for name, tensor in tensors.items():
        if not isinstance(tensor, dict):
            return f"{name[:80]} is no tensor"
        shape, span = tensor.get("shape"), tensor.get("data_offsets")
        width = _BYTES.get(str(tensor.get("dtype")))
        if width is None:
            return f"{name[:80]} is of an unknown type"
        if not (_counts(shape) and _counts(span)) or len(span) != 2 or len(shape) > MAX_SIDES:
            return f"{name[:80]} has no size"
        if math.prod(shape) * width != span[1] - span[0]:
            return f"{name[:80]} is not as long as its shape"
        spans.append((span[0], span[1]))
    end = 0
    for begin, after in sorted(spans):
        if begin != end:
            return "tensors overlap or leave gaps"
        end = after
    return "" if end == room else f"{room} bytes instead of {end}"


def _counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)
