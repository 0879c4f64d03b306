"""Painting against diffusers' image-to-image.

Three sides do the same work: encode the same strokes, run the same number of network steps under
the same scheduler, guidance and seed, decode to a picture.

    diffusers   StableDiffusionImg2ImgPipeline over the very networks of our bundle
    method      pipelines.sdedit, drained
    studio      studio.runs.engine: the same, with previews made on the way, and the result saved
    compiled    the method again, when the denoiser's compiled form is there
"""

import copy
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from PIL import Image

from benchmarks.speed.bench import PROMPT, Bench, asked_steps, strokes
from benchmarks.speed.report import Figure, Table
from benchmarks.speed.rounds import Picture, Spread, agreed, now, ratio
from components.contract.events import Stepped
from pipelines import Bundle, SDEdit, drain, sdedit
from pipelines.networks.compiled import MAKING

PEER, METHOD, STUDIO, COMPILED = (
    "diffusers, image-to-image",
    "`pipelines.sdedit`",
    "the studio, previews on, saved",
    "`pipelines.sdedit`, compiled",
)


def request(bench: Bench) -> SDEdit:
    settings = bench.settings
    steps, strength = asked_steps(settings.steps, settings.strength)
    return SDEdit(
        image=strokes(bench.bundle.size),
        prompt=PROMPT,
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=settings.guidance,
        seed=1,
    )


def measure(bench: Bench) -> list[Table]:
    asked, settings, device = request(bench), bench.settings, bench.bundle.device
    _ = bench.engine  # opening the studio is no part of an edit
    cold = first_preview(bench, asked)
    table = edits(bench)
    repeats = min(5, settings.rounds)
    previews = [first_preview(bench, asked) for _ in range(repeats)]
    runs = [step_times(bench, asked) for _ in range(repeats)]
    for side in runs[0]:
        table.rows[side]["a step, ms"] = Spread.of([1000 * t for run in runs for t in run[side]])
    begun = Table(
        "The first preview",
        f"In the studio, after the click; on {device}.",
        {
            "of any edit": {"after, ms": Spread.of([1000 * t for t in previews])},
            "of the first edit after loading": {"after, ms": 1000 * cold},
        },
    )
    return [table, begun]


def edits(bench: Bench) -> Table:
    """Whole edits; the compiled form only where there is time to make it."""
    asked, settings = request(bench), bench.settings

    def method(bundle: Bundle) -> list[Image.Image]:
        return list(drain(sdedit(bundle, asked)).images)

    sides: dict[str, Callable[[], Sequence[Picture]]] = {
        PEER: lambda: diffusers(bench, asked),
        METHOD: lambda: method(bench.bundle),
        STUDIO: lambda: bench.studio(sdedit, asked),
    }
    about = f"An edit at strength {asked.strength:.2g}, from strokes to a picture."
    if not settings.quick:
        fast, taken = compiled(bench, asked)
        sides[COMPILED] = lambda: method(fast)
        about += f" Its form is compiled beside the first edits, here in {taken:.0f} s."
    drawn: dict[str, Sequence[Picture]] = {name: side() for name, side in sides.items()}
    differences = agreed(drawn, PEER, settings.dtype)
    seconds = bench.rounds({**sides}, "Painting")
    rows: dict[str, dict[str, Figure]] = {
        side: {
            "an edit, s": Spread.of(seconds[side]),
            "ratio to diffusers": ratio(seconds, side, PEER),
            "differs by, of 255": differences[side],
        }
        for side in sides
    }
    return Table("Painting", about, rows)


def compiled(bench: Bench, asked: SDEdit) -> tuple[Bundle, float]:
    """The same networks with the denoiser compiled for this edit, and the seconds that took."""
    bundle = copy.copy(bench.bundle).compile()
    begun = time.perf_counter()
    drain(sdedit(bundle, asked))
    assert bundle.compiled is not None
    while bundle.compiled.remark == MAKING:
        time.sleep(0.1)
    if bundle.compiled.remark:
        raise RuntimeError(bundle.compiled.remark)
    return bundle, time.perf_counter() - begun


def diffusers(bench: Bench, asked: SDEdit, **watching: Any) -> list[Image.Image]:
    return (
        bench.peer("StableDiffusionImg2ImgPipeline")(
            prompt=asked.prompt,
            image=asked.image,
            strength=asked.strength,
            num_inference_steps=asked.num_inference_steps,
            guidance_scale=asked.guidance_scale,
            generator=bench.generators(asked.seed),
            **watching,
        )
    ).images


def first_preview(bench: Bench, asked: SDEdit) -> float:
    """Seconds from the order to the first frame."""
    begun = now(bench.bundle.device)
    run = bench.events(sdedit, asked)
    for event in run:
        if isinstance(event, Stepped) and event.frame is not None:
            taken = now(bench.bundle.device) - begun
            run.close()
            return taken
    raise AssertionError("the engine made no frame")


def step_times(bench: Bench, asked: SDEdit) -> dict[str, list[float]]:
    """Seconds between one step's end and the next one's, of one run of each side."""
    device = bench.bundle.device
    stamps: dict[str, list[float]] = {PEER: [], METHOD: [], STUDIO: []}

    def stamp(_pipe: Any, _index: int, _t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        stamps[PEER].append(now(device))
        return tensors

    diffusers(bench, asked, callback_on_step_end=stamp)
    for _ in sdedit(bench.bundle, asked):
        stamps[METHOD].append(now(device))
    for event in bench.events(sdedit, asked):
        if isinstance(event, Stepped):
            stamps[STUDIO].append(now(device))
    return {side: [b - a for a, b in pairwise(each)] for side, each in stamps.items()}
