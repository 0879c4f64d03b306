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
SPACING = "timestep_spacing"
TOLD_GUIDANCE = 8.5  # what a model that is told the guidance hears, as in diffusers' pipeline

_WORD = re.compile(
    r"(?<![a-z])(lcm|dmd2|turbo|lightning|hyper(?![-_ ]?(real|detail)))(?=sd|[^a-z]|$)"
)


def how(
    name: str,
    scheduler: Mapping[str, Any],
    unet: Mapping[str, Any],
    loras: Mapping[str, float] | None = None,
) -> str | None:
    """A key of SCHEDULERS by the networks' configurations, then by the words of the model's name.

    A denoiser that is told the guidance (`time_cond_proj_dim`) is a consistency model. `loras` are
    those on top of it, name → weight: they make a model quicker as well.
    """
    if scheduler.get("_class_name") == "LCMScheduler" or unet.get("time_cond_proj_dim"):
        return "lcm"
    return next(filter(None, map(_kind, _names(name, loras))), None)


def defaults(
    name: str,
    scheduler: Mapping[str, Any],
    unet: Mapping[str, Any],
    loras: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Field of a request → value, for a few-step model; empty for any other.

    The number of steps is the one in the name ("8steps"), or 4. A name with "CFG" in it keeps its
    guidance.
    """
    kind = how(name, scheduler, unet, loras)
    if kind is None:
        return {}
    told = " ".join(_names(name, loras)).lower()
    named = re.search(r"(?<!\d)(\d{1,2})[-_ ]?steps?(?![a-z])", told)
    steps = int(named[1]) if named and int(named[1]) > 0 else STEPS
    found = {"scheduler": SCHEDULERS[kind], "num_inference_steps": steps}
    guided = re.search(r"(?<![a-z])cfg(?![a-z])", told)
    return found if guided else {**found, "guidance_scale": 1.0}


def trailing(scheduler: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with steps that begin at the last time, where few-step models begin.

    Diffusers lists what a configuration did not say, and passes over what is listed.
    """
    unsaid = [each for each in scheduler.get("_use_default_values", ()) if each != SPACING]
    return {**scheduler, "_use_default_values": unsaid, SPACING: "trailing"}


def _names(name: str, loras: Mapping[str, float] | None) -> list[str]:
    """The model's own, then those of LoRAs that are said to be one, or to take so many steps.

    "Lightning" alone may well be a picture of one.
    """
    added = [lora for lora, weight in (loras or {}).items() if weight > 0]
    return [name, *(each for each in added if re.search(r"lora|\d[-_ ]?step", each.lower()))]


def _kind(name: str) -> str | None:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    word = _WORD.search(spaced)
    return word[1] if word else None
