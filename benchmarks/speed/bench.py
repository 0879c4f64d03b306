"""What every job works with: one model, one set of settings, one studio."""

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from benchmarks import networks
from benchmarks.speed.rounds import Seconds, Side, interleaved
from components.contract.events import Event, Finished
from pipelines import Bundle, Request
from studio.inputs.picture_files import Layers
from studio.models.loaded import Models
from studio.runs.engine import Engine, Method, Order
from studio.runs.history import History

PROMPT = "a red house on a meadow near snowy mountains at sunset"


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for, plain enough to be handed to another process."""

    model: str
    device: str
    dtype: torch.dtype
    steps: int = 20  # network steps that run
    guidance: float = 4.0
    strength: float = 0.7  # of painting
    rounds: int = 15
    quick: bool = False
    cells: int | None = None  # on the side of a picture; None: as many as the model is made for

    def load(self) -> Bundle:
        return networks.load(self.model, self.device, self.dtype, self.cells)

    def asked(self) -> dict[str, Any]:
        """The settings that every pipeline and request takes by the same names."""
        return {"num_inference_steps": self.steps, "guidance_scale": self.guidance}


@dataclass
class Bench:
    """The loaded model and the studio over it."""

    settings: Settings
    folder: Path  # where the studio keeps its edits meanwhile
    _pipes: dict[str, Any] = field(default_factory=dict, init=False)

    @cached_property
    def bundle(self) -> Bundle:
        return self.settings.load()

    @cached_property
    def history(self) -> History:
        return History(self.folder)

    @cached_property
    def models(self) -> Models:
        return Models(self.bundle.name, self.settings.device, load=lambda *_, **__: self.bundle)

    @cached_property
    def engine(self) -> Engine:
        return Engine(self.models, self.history, [self.folder / "scratch"])

    def peer(self, name: str) -> Any:
        """diffusers' pipeline of that name over the same networks."""
        if name not in self._pipes:
            self._pipes[name] = networks.peer(self.bundle, name)
        return self._pipes[name]

    def generators(self, seed: int, count: int = 1) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed + i) for i in range(count)]

    def rounds(self, sides: dict[str, Side], about: str, share: float = 1.0) -> Seconds:
        """As many interleaved rounds as were asked for, or that share of them but at least one."""
        rounds = max(round(self.settings.rounds * share), 1)
        return interleaved(sides, rounds, self.bundle.device, about)

    def events(self, method: Method, request: Request) -> Generator[Event, None, None]:
        """An edit through the studio's engine: a preview each step, the result saved."""
        order = Order(
            id=self.history.new_id(),
            name="Benchmark",
            values={},
            layers=Layers(None, None, None, (self.bundle.size, self.bundle.size)),
            visitor="benchmark",
            model=self.models.choice,
        )
        return self.engine.run(order, method, lambda: request)

    def studio(self, method: Method, request: Request) -> list[Path]:
        """The same to its end: the files that it was saved in."""
        done = list(self.events(method, request))[-1]
        assert isinstance(done, Finished), done
        return list(done.images)

    def close(self) -> None:
        self.history.close()


def asked_steps(running: int, strength: float) -> tuple[int, float]:
    """`num_inference_steps`, and the strength next to `strength` at which `running` of them run.

    In diffusers too, which takes the whole part of their product.
    """
    steps = next(n for n in count(running) if int(n * strength) == running)
    exact = running / steps
    return steps, exact if int(steps * exact) == running else math.nextafter(exact, 1.0)


def strokes(side: int) -> Image.Image:
    """A few broad strokes: sky, mountains, meadow, a house."""
    picture = Image.new("RGB", (side, side), "#e2705c")
    draw = ImageDraw.Draw(picture)
    at = side / 256
    draw.polygon([(x * at, y * at) for x, y in [(0, 150), (80, 60), (150, 150)]], "#e2ecf6")
    draw.rectangle([0, 150 * at, side, side], "#488c38")
    draw.rectangle([110 * at, 130 * at, 170 * at, 190 * at], "#d02a28")
    return picture


def marked(side: int, share: int) -> Image.Image:
    """A mask: the square in the middle of the frame that is 1/`share` of its side, in cells."""
    mask = Image.new("L", (side, side))
    middle, half = side // 2, side // (2 * share)
    mask.paste(255, (middle - half, middle - half, middle + half, middle + half))
    return mask
