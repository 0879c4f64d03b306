"""A method and a model for the studio to run: latents that count, and no networks."""

import copy
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from PIL import Image

from pipelines.core.sampling import Moment, Run, Step
from pipelines.core.schedule import Level
from pipelines.edit import Edit, Report, Result, in_memory
from pipelines.request import Request
from pipelines.words.prompt import Prompt
from studio.models.loaded import Models

LEVEL = Level(1.0, 0.0)


class PretendBundle:
    name = "pretend"
    loras: Mapping[str, float] = MappingProxyType({"style": 0.5})
    words = ("barn",)
    unused: Mapping[str, str] = MappingProxyType({})
    student: Any = None
    defaults: Any = None
    compiled: Any = None
    spares = False

    def read(self, text: str) -> Prompt:
        """Every word is known."""
        return Prompt(text, text, ((),), 16, (), (), (), ())

    def sparing(self) -> "PretendBundle":
        other = copy.copy(self)
        other.spares = True
        return other


def models(tmp_path: Path, load: Callable[..., Any] | None = None) -> Models:
    """A model folder with nothing in it but its face."""
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    (folder / "model_index.json").write_text("{}")
    load = load or (lambda *_arguments, **_named: PretendBundle())
    return Models(str(folder), "cpu", "float32", load, warm=lambda _bundle: None)


def step(index: int, total: int, value: float = 0.0, colour: str = "red") -> Step:
    moment = Moment(index, total, torch.tensor(total - index), LEVEL, LEVEL)
    latents = torch.full((1, 4, 2, 2), value)
    return Step(
        "denoising", moment, latents, latents, lambda: {"0": Image.new("RGB", (16, 16), colour)}
    )


def edit(count: int = 1, seed: int = 7) -> Edit[Report]:
    images = [Image.new("RGB", (16, 16), (10 * n, 0, 0)) for n in range(count)]
    before = {"before": Image.new("RGB", (16, 16), "white")}
    results = [Result(make=in_memory(each), seed=seed + n) for n, each in enumerate(images)]
    return Edit(results, Report(scheduler="ddim"), before)


def steps(total: int = 3, values: Sequence[float] = ()) -> Callable[[Any, Request], Run[Report]]:
    """A method of `total` steps, whose latents are `values` where they are given."""

    def method(_bundle: Any, request: Request) -> Generator[Step, None, Edit[Report]]:
        for index in range(1, total + 1):
            yield step(index, total, values[index - 1] if index <= len(values) else 0.0)
        return edit(seed=request.seed)

    return method
