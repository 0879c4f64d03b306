"""Few-step relatives of a model: what draws best with them, by their configuration or name."""

import re
from collections.abc import Mapping
from typing import Any

# Distilled how → the scheduler its authors sample with. All are made to run without guidance.
SCHEDULERS = {
    "lcm": "lcm",  # Luo et al., arXiv:2310.04378
    "dmd2": "lcm",  # Yin et al., arXiv:2405.14867
    "turbo": "euler_ancestral",  # Sauer et al., arXiv:2311.17042
    "lightning": "euler",  # Lin et al., arXiv:2402.13929
    "hyper": "ddim",  # Ren et al., arXiv:2404.13686
}
STEPS = 4
TOLD_GUIDANCE = 8.5  # what a model that is told the guidance hears, as in diffusers' pipeline


def how(name: str, scheduler: Mapping[str, Any], unet: Mapping[str, Any]) -> str | None:
    """A key of SCHEDULERS by the networks' configurations, then by the words of the model's name.

    A denoiser that is told the guidance (`time_cond_proj_dim`) is a consistency model.
    """
    if scheduler.get("_class_name") == "LCMScheduler" or unet.get("time_cond_proj_dim"):
        return "lcm"
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    word = re.search(r"(?<![a-z])(lcm|dmd2|turbo|lightning|hyper)(?=sd|[^a-z]|$)", spaced)
    return word[1] if word else None


def defaults(name: str, scheduler: Mapping[str, Any], unet: Mapping[str, Any]) -> dict[str, Any]:
    """Field of a request → value, for a few-step model; empty for any other.

    The number of steps is the one in the name ("8steps"), or 4.
    """
    kind = how(name, scheduler, unet)
    if kind is None:
        return {}
    named = re.search(r"(?<!\d)(\d{1,2})[-_ ]?steps?(?![a-z])", name.lower())
    steps = int(named[1]) if named and int(named[1]) > 0 else STEPS
    return {
        "scheduler": SCHEDULERS[kind],
        "num_inference_steps": steps,
        "guidance_scale": 1.0,
    }
