"""How long an edit takes, as a ratio to diffusers' image-to-image on the same networks.

    python -m benchmarks.speed [--pairs 15] [--steps 20] [--dtype float32] [--quick]

Three sides do the same work, one after another, in every round: encode the same strokes, run the
same number of network steps under the same scheduler, guidance and seed, decode to a PIL picture.

    diffusers   StableDiffusionImg2ImgPipeline over the very networks of our bundle
    method      pipelines.sdedit, drained
    studio      studio.engine: the same, with previews made on the way, and the result saved

Ratios are taken within a round, against diffusers of that round, so that what else the machine does
falls on all sides; the order of the sides changes from round to round. Before timing, the pictures
of all sides are compared: a benchmark of different work is none.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from PIL import Image, ImageDraw

from components.events import Finished, Stepped
from pipelines import Bundle, SDEdit, drain, sdedit
from pipelines.core import solvers
from studio.engine import Engine, Order
from studio.history import History
from studio.models import DTYPES, Models, pick_device, pick_dtype

POSTCARD = Path(__file__).resolve().parent.parent / "assets" / "models" / "postcard"
WARM_UP = 2  # rounds that do not count
PROMPT = "a red house on a meadow near snowy mountains at sunset"


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of one thing."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def __format__(self, form: str) -> str:
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured, and on what."""

    machine: str
    threads: int
    load_before: float  # of the machine, in the minute before; its own warm-up not counted
    torch: str
    diffusers: str
    model: str
    device: str
    dtype: str
    scheduler: str
    size: int  # pixels
    steps: int  # network steps that run
    strength: float
    guidance_scale: float
    pairs: int
    largest_difference: dict[str, int]  # side → of 255, against diffusers' picture
    seconds: dict[str, Spread]
    ratio: dict[str, Spread]  # side → its seconds over diffusers' of the same round
    step_ms: dict[str, Spread]
    first_preview_ms: Spread
    first_preview_cold_ms: float  # the first edit after the model was loaded


Side = Callable[[], Image.Image | Path]  # a picture, or the file that it was saved in


def strokes(side: int) -> Image.Image:
    """A few broad strokes: sky, mountains, meadow, a house."""
    picture = Image.new("RGB", (side, side), "#e2705c")
    draw = ImageDraw.Draw(picture)
    at = side / 256
    draw.polygon([(x * at, y * at) for x, y in [(0, 150), (80, 60), (150, 150)]], "#e2ecf6")
    draw.rectangle([0, 150 * at, side, side], "#488c38")
    draw.rectangle([110 * at, 130 * at, 170 * at, 190 * at], "#d02a28")
    return picture


def asked_steps(running: int, strength: float) -> int:
    """`num_inference_steps` of which `running` run at `strength`."""
    return next(n for n in count(running) if solvers.count(n, strength) == running)


def peer(bundle: Bundle) -> Any:
    """diffusers' own pipeline over the bundle's networks; its annotations forbid what it takes."""
    name, _ = solvers.resolve("default", bundle.scheduler_config)
    scheduler = getattr(diffusers, solvers.CLASSES[name])
    assemble: Any = StableDiffusionImg2ImgPipeline
    pipe = assemble(
        vae=bundle.vae,
        text_encoder=bundle.text_encoders[0],
        tokenizer=bundle.tokenizers[0],
        unet=bundle.unet,
        scheduler=scheduler.from_config(bundle.scheduler_config),
        safety_checker=None,
        feature_extractor=None,
        image_encoder=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


class Sides:
    """The three ways to the same picture."""

    def __init__(self, bundle: Bundle, request: SDEdit, folder: Path, device: str) -> None:
        self.bundle, self.request = bundle, request
        self.pipe = peer(bundle)
        self.history = History(folder)
        models = Models(bundle.name, device, load=lambda *_, **__: bundle)
        self.engine = Engine(models, self.history, folder / "scratch")

    def all(self) -> dict[str, Side]:
        return {"diffusers": self.diffusers, "method": self.method, "studio": self.studio}

    def diffusers(self, **watching: Any) -> Image.Image:
        asked = self.request
        generator = torch.Generator().manual_seed(asked.seed)
        return self.pipe(
            prompt=asked.prompt,
            image=asked.image,
            strength=asked.strength,
            num_inference_steps=asked.num_inference_steps,
            guidance_scale=asked.guidance_scale,
            generator=generator,
            **watching,
        ).images[0]

    def method(self) -> Image.Image:
        return drain(sdedit(self.bundle, self.request)).images[0]

    def studio(self) -> Path:
        done = list(self._events())[-1]
        assert isinstance(done, Finished), done
        return done.images[0]

    def _events(self) -> Any:
        order = Order(self.history.new_id(), "Paint", sdedit, self.request, "benchmark")
        return self.engine.run(order)

    def first_preview(self) -> float:
        """Seconds from the order to the first frame."""
        begun = now(self.bundle)
        run = self._events()
        for event in run:
            if isinstance(event, Stepped) and event.frame is not None:
                taken = now(self.bundle) - begun
                run.close()
                return taken
        raise AssertionError("the engine made no frame")

    def step_times(self) -> dict[str, list[float]]:
        """Seconds between one step's end and the next one's, of one run of each side."""
        stamps: dict[str, list[float]] = {"diffusers": [], "method": [], "studio": []}

        def stamp(pipe: Any, index: int, t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            stamps["diffusers"].append(now(self.bundle))
            return tensors

        self.diffusers(callback_on_step_end=stamp)
        for _ in sdedit(self.bundle, self.request):
            stamps["method"].append(now(self.bundle))
        for event in self._events():
            if isinstance(event, Stepped):
                stamps["studio"].append(now(self.bundle))
        return {side: [b - a for a, b in pairwise(each)] for side, each in stamps.items()}


def levels(result: Image.Image | Path) -> np.ndarray:
    if isinstance(result, Path):
        with Image.open(result) as saved:
            return np.array(saved, np.int16)
    return np.array(result, np.int16)


def now(bundle: Bundle) -> float:
    """The clock, once the device has done all it was given."""
    if bundle.device.type == "cuda":
        torch.cuda.synchronize(bundle.device)
    return time.perf_counter()


def timed(bundle: Bundle, side: Side) -> float:
    gc.collect()
    begun = now(bundle)
    side()
    return now(bundle) - begun


def measure(arguments: argparse.Namespace) -> Report:
    device = pick_device(arguments.device)
    dtype = pick_dtype(arguments.dtype, device)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    bundle = Bundle.load(arguments.model, device=device, dtype=dtype)
    request = SDEdit(
        image=strokes(bundle.size),
        prompt=PROMPT,
        strength=arguments.strength,
        num_inference_steps=asked_steps(arguments.steps, arguments.strength),
        guidance_scale=arguments.guidance,
        seed=1,
    )
    with tempfile.TemporaryDirectory(prefix="pentimento-speed-") as folder:
        sides = Sides(bundle, request, Path(folder), device)
        cold = sides.first_preview()
        ways = sides.all()
        pictures = {name: levels(way()) for name, way in ways.items()}
        for _ in range(WARM_UP - 1):
            for way in ways.values():
                way()

        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(arguments.pairs):
            names = list(ways)
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                seconds[name].append(timed(bundle, ways[name]))
            print(f"\r{number + 1} of {arguments.pairs} rounds", end="", file=sys.stderr)
        print(file=sys.stderr)

        repeats = min(5, arguments.pairs)
        previews = [sides.first_preview() for _ in range(repeats)]
        runs = [sides.step_times() for _ in range(repeats)]
        sides.history.close()

    steps = {name: [t for run in runs for t in run[name]] for name in ways}
    return Report(
        machine=machine(bundle),
        threads=torch.get_num_threads(),
        load_before=load,
        torch=str(torch.__version__),
        diffusers=diffusers.__version__,
        model=bundle.name,
        device=str(bundle.device),
        dtype=str(dtype).removeprefix("torch."),
        scheduler=type(sides.pipe.scheduler).__name__,
        size=bundle.size,
        steps=arguments.steps,
        strength=arguments.strength,
        guidance_scale=arguments.guidance,
        pairs=arguments.pairs,
        largest_difference={
            name: int(np.abs(picture - pictures["diffusers"]).max())
            for name, picture in pictures.items()
        },
        seconds={name: Spread.of(each) for name, each in seconds.items()},
        ratio={
            name: Spread.of([a / b for a, b in zip(each, seconds["diffusers"], strict=True)])
            for name, each in seconds.items()
        },
        step_ms={name: Spread.of([1000 * t for t in each]) for name, each in steps.items()},
        first_preview_ms=Spread.of([1000 * t for t in previews]),
        first_preview_cold_ms=1000 * cold,
    )


def machine(bundle: Bundle) -> str:
    if bundle.device.type == "cuda":
        return torch.cuda.get_device_name(bundle.device)
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def table(report: Report) -> str:
    """The report as Markdown."""
    rows = [
        f"{report.steps} steps (strength {report.strength:g}, guidance {report.guidance_scale:g}, "
        f"{report.scheduler}) at {report.size} pixels, {report.dtype} on {report.device}: "
        f"{report.machine}, {report.threads} threads, load before {report.load_before:.2f}; "
        f"torch {report.torch}, diffusers {report.diffusers}. "
        f"{report.pairs} interleaved rounds: median (least to most).",
        "",
        "| side | an edit, s | ratio to diffusers | a step, ms | differs from diffusers by |",
        "|---|---|---|---|---|",
    ]
    told = {
        "diffusers": "diffusers, image-to-image",
        "method": "`pipelines.sdedit`",
        "studio": "the studio, previews on, saved",
    }
    for name, words in told.items():
        ratio = "1" if name == "diffusers" else f"{report.ratio[name]:.3f}"
        difference = "" if name == "diffusers" else f"{report.largest_difference[name]} of 255"
        rows.append(
            f"| {words} | {report.seconds[name]:.3f} | {ratio} | {report.step_ms[name]:.1f} "
            f"| {difference} |"
        )
    rows += [
        "",
        f"First preview after {report.first_preview_ms:.0f} ms; "
        f"the first edit after loading, {report.first_preview_cold_ms:.0f} ms.",
    ]
    return "\n".join(rows)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--pairs", type=int, default=15, help="rounds that count [15]")
    parser.add_argument("--steps", type=int, default=20, help="network steps that run [20]")
    parser.add_argument("--strength", type=float, default=0.7, help="[0.7]")
    parser.add_argument("--guidance", type=float, default=4.0, help="[4]")
    parser.add_argument("--dtype", choices=["auto", *DTYPES], default="auto", help="[auto]")
    parser.add_argument("--device", default="auto", help="[auto]")
    parser.add_argument("--model", default=str(POSTCARD), help="[the postcard model]")
    parser.add_argument("--json", type=Path, help="also write the report to this file")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 4 steps: does it run?")
    given = parser.parse_args(arguments)
    if given.quick:
        given.pairs, given.steps = 3, 4
    return given


def main(arguments: Sequence[str]) -> None:
    given = parse(arguments)
    report = measure(given)
    print(table(report))
    text = json.dumps(asdict(report), indent=2)
    print(f"\n```json\n{text}\n```")
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
