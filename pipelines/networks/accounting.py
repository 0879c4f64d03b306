"""Every tensor of a checkpoint is used, or named with its count; weights in fp8 get their scales.

ComfyUI's scaled fp8 stores a weight as fp8 beside what it is to be multiplied by: `scale_weight`
and a marker `scaled_fp8` in older files, `weight_scale` and `comfy_quant` (or metadata) in newer
ones (QUANTIZATION.md of github.com/comfyanonymous/ComfyUI). Scales of inputs, `scale_input` and
`input_scale`, are for arithmetic in fp8 only, which is not done here. Other forms are refused.
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import diffusers.utils.logging
import torch
import transformers.utils.logging
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipelines.networks.checkpoint import FLOATS, FP8, Checkpoint
from pipelines.networks.header import MAX_ENTRY, shown

log = logging.getLogger(__name__)

FORMATS: Final = ("float8_e4m3fn", "float8_e5m2")
SCALES: Final = (".scale_weight", ".weight_scale")
OF_INPUTS: Final = (".scale_input", ".input_scale")
MARKERS: Final = ("scaled_fp8", "comfy_quant", "v_pred", "ztsnr", "edm_mean", "edm_std")
FOREIGN: Final = (  # beside weights in a form that is not read here
    *(".weight_scale_2", ".weight_scalar", ".pre_quant_scale", ".weight_scale_inv", ".absmax"),
    *(".quant_map", ".nested_absmax", ".weight_s_rel", ".scales", ".qweight", ".qzeros", ".SCB"),
)
UNREADABLE: Final = "its description cannot be read"
METADATA: Final = "_quantization_metadata"
SCHEDULE: Final = (
    *("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "logvar"),
    *("sqrt_one_minus_alphas_cumprod", "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod"),
    *("sqrt_recipm1_alphas_cumprod", "posterior_variance", "posterior_log_variance_clipped"),
    *("posterior_mean_coef1", "posterior_mean_coef2", "lvlb_weights", "denoiser.sigmas"),
)
MOST_NAMES: Final = 3  # that a sentence has


@contextmanager
def quietly() -> Generator[None]:
    """Without the loaders' own lists of names that they do not know; `note` is shorter."""
    libraries = (diffusers.utils.logging, transformers.utils.logging)
    before = [library.get_verbosity() for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
    try:
        yield
    finally:
        for library, verbosity in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)


def scales(found: Checkpoint) -> dict[str, str]:
    """Weight → the tensor that it is to be multiplied by.

    Raises ValueError with one sentence where weights are in a form that is not known.
    """
    for form in _formats(found):
        if form not in FORMATS:
            raise _unknown(found, form)
    pairs: dict[str, str] = {}
    for name, (dtype, shape) in found.tensors.items():
        if name.endswith(FOREIGN):
            raise _unknown(found, name.rpartition(".")[2])
        if name.endswith(".weight") and dtype not in (*FLOATS, *FP8):
            raise _unknown(found, dtype)
        if not name.endswith(SCALES):
            continue
        weight = f"{name.rpartition('.')[0]}.weight"
        kind, sides = found.tensors.get(weight, ("", ()))
        rows = shape[:1] == sides[:1] and all(side == 1 for side in shape[1:])
        if kind not in FP8 or dtype not in FLOATS or not (shape in ((), (1,), (1, 1)) or rows):
            raise _unknown(found, name)
        if weight in pairs:
            raise _unknown(found, f"two scales of {weight}")
        pairs[weight] = name
    return pairs


def _unknown(found: Checkpoint, form: str) -> ValueError:
    return ValueError(
        f"{found.path.name} is quantized in a form that is not known here ({shown(form)}); "
        "take the file in fp16, bf16 or fp8."
    )


def _formats(found: Checkpoint) -> Iterable[str]:
    """How layers are quantized, where the file says so."""
    marked = [name for name in found.tensors if name.endswith(".comfy_quant")]
    told: list[Any] = []
    if any(math.prod(found.shapes[name]) > MAX_ENTRY for name in marked):
        return [UNREADABLE]
    try:
        with safe_open(found.path, framework="pt") as file:
            told = [json.loads(bytes(file.get_tensor(name).tolist())) for name in marked]
        layers = json.loads(found.metadata.get(METADATA, '{"layers": {}}'))["layers"]
        told += [{"format": each} if isinstance(each, str) else each for each in layers.values()]
        return {str(each["format"]) for each in told}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, SafetensorError):
        return [UNREADABLE]


def read_scales(found: Checkpoint, pairs: Mapping[str, str]) -> dict[str, Tensor]:
    """Weight → scale in float32, as many sides as the weight's, to be spread over the others."""
    held: dict[str, Tensor] = {}
    with safe_open(found.path, framework="pt") as file:
        for weight, name in pairs.items():
            scale = file.get_tensor(name).float()
            sides = len(found.shapes[weight])
            held[weight] = scale.reshape(*scale.shape[:1], *[1] * (sides - min(scale.ndim, 1)))
    return held


@torch.no_grad()
def multiply(network: torch.nn.Module, scaled: Mapping[str, Tensor]) -> None:
    """Each of these weights times its scale, computed in float32."""
    for name, weight in network.named_parameters():
        if name in scaled:
            product = weight.float() * scaled[name].to(weight.device)
            weight.copy_(product.to(weight.dtype))


def note(called: str, names: Collection[str], unused: Collection[str]) -> str:
    """One sentence that names what of a file's tensors is not used, with counts; "" if all is."""
    if not unused:
        return ""
    kinds = Counter(filter(None, map(harmless, unused)))
    others = sorted(name for name in unused if not harmless(name))
    parts = [f"{count} {kind}" for kind, count in kinds.most_common()]
    if others:
        few = ", ".join(map(shown, others[:MOST_NAMES]))
        more = f" and {len(others) - MOST_NAMES} more" if len(others) > MOST_NAMES else ""
        parts.insert(0, f"{len(others)} that this model has no place for ({few}{more})")
    verb = "is" if len(unused) == 1 else "are"
    told = f"{len(unused)} of {len(names)} tensors of {called} {verb} not used: {', '.join(parts)}."
    log.log(logging.WARNING if others else logging.INFO, "%s", told)
    return told


def harmless(name: str) -> str:
    """How tensors are called that a model can do without, such as this one; "" for any other."""
    last = name.rpartition(".")[2]
    if name.startswith("model_ema."):
        return "of averaged weights"
    if name in SCHEDULE:
        return "of the noise schedule"
    if last == "position_ids":
        return "of positions"
    if name.endswith(OF_INPUTS):
        return "of input scales"
    if name.startswith(("optimizer.", "optimizer_states.", "lr_schedulers.", "loss.")):
        return "of the training"
    if name.startswith("first_stage_model.loss.") or last in ("global_step", "epoch"):
        return "of the training"
    if last in ("logit_scale", "text_projection") or ".transformer.resblocks.23." in name:
        return "of the text encoder's end"
    return ""


def marker(name: str) -> bool:
    """Whether a tensor says something about others, which is heeded."""
    return name.rpartition(".")[2] in MARKERS


def of_folder(part: Path, half: bool) -> list[Path]:
    """The weights of a part of a diffusers folder that are loaded, plain or in half precision."""
    named = part.glob("*.safetensors")
    base = ("diffusion_pytorch_model", "model")
    loaded = (path for path in named if path.name.partition(".")[0].partition("-")[0] in base)
    return sorted(path for path in loaded if ("fp16" in path.name) == half)
