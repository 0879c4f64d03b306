"""Editing methods over diffusion models, usable from a notebook.

    from pipelines import Bundle, SDEdit, drain, sdedit
    bundle = Bundle.load("assets/models/postcard")
    edit = drain(sdedit(bundle, SDEdit(image=picture, prompt="a red house", strength=0.7, seed=1)))

Names resolve on first use, so importing `pipelines.request` brings in no torch.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from pipelines.networks.openmp import shorten_spin

if TYPE_CHECKING:
    from pipelines.blended import Blended, blended
    from pipelines.core.sampling import drain
    from pipelines.edit import Edit
    from pipelines.networks.bundle import Bundle
    from pipelines.prompt_to_prompt import PromptToPrompt, prompt_to_prompt
    from pipelines.prompt_to_prompt.local_blend import LocalBlend
    from pipelines.prompt_to_prompt.prompt_edit import PromptEdit
    from pipelines.request import Request
    from pipelines.sdedit import SDEdit, sdedit

__all__ = [
    "Blended",
    "Bundle",
    "Edit",
    "LocalBlend",
    "PromptEdit",
    "PromptToPrompt",
    "Request",
    "SDEdit",
    "blended",
    "drain",
    "prompt_to_prompt",
    "sdedit",
]

_HOMES = {
    "Blended": "pipelines.blended",
    "Bundle": "pipelines.networks.bundle",
    "Edit": "pipelines.edit",
    "LocalBlend": "pipelines.prompt_to_prompt.local_blend",
    "PromptEdit": "pipelines.prompt_to_prompt.prompt_edit",
    "PromptToPrompt": "pipelines.prompt_to_prompt",
    "Request": "pipelines.request",
    "SDEdit": "pipelines.sdedit",
    "blended": "pipelines.blended",
    "drain": "pipelines.core.sampling",
    "prompt_to_prompt": "pipelines.prompt_to_prompt",
    "sdedit": "pipelines.sdedit",
}

shorten_spin(os.environ)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """`pipelines.sdedit` is the method, also after its file of the same name was imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
