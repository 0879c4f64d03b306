"""A studio without a model: it fades the strokes into a drawn landscape, one step after another.

The page is tested on it, and can be looked at by hand: `python -m tests.page.pretend`.
"""

import asyncio
import io
import tempfile
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import gradio as gr
import torch
from PIL import Image, ImageDraw, ImageFilter
from starlette.middleware import Middleware

from components.actions import Actions, Painting, Towards
from components.assets import Assets
from components.contract.events import (
    Event,
    Failed,
    Finished,
    FinishedPicture,
    Stepped,
    Stopped,
    Waiting,
)
from components.contract.facts import ModelFacts
from components.contract.sketch import Region, Sketch
from components.page import page
from components.tabs.paint import Paint, paint
from components.tabs.replace import SIDES, Replace, replace
from components.theme import THEME
from pipelines.core.grid import Grid
from pipelines.core.schedule import CLEAN, Level
from pipelines.request import Choice, Range, Request
from studio.inputs.opening import read

SIZE = 256
VOCABULARY = {
    "Objects": ["house", "pine tree", "boat", "balloon", "lighthouse", "tower"],
    "Colours": ["red", "blue", "white", "yellow", "green", "purple"],
    "Ground": ["on a meadow", "on a lake", "on snow", "on sand"],
    "Time of day": ["by day", "at sunset", "at night", "at dawn"],
}
KNOWN = {"a", "the", *" ".join(word for group in VOCABULARY.values() for word in group).split()}
SWATCHES = {
    "sky": "#7ab6ec", "sunset": "#e2705c", "night": "#0e142a", "meadow": "#62a046",
    "lake": "#3464a0", "snow": "#eef3fa", "sand": "#e6cd98", "mountain": "#687084",
    "red": "#d02a28", "wood": "#6e4c32", "sun": "#f6cc28",
}  # fmt: skip
EXAMPLES = ("House at noon", "Sunset", "Night", "Dawn", "Blue boat", "Yellow tower")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strokes(Request):
    """The fields of SDEdit that the form shows, without its torch."""

    strength: Annotated[float, Range(0.0, 1.0, 0.01, "Strength")] = 0.7
    eta: Annotated[float, Range(0.0, 1.0, 0.05, "Eta", "DDIM only.")] = 0.0
    repeats: Annotated[int, Range(1, 8, 1, "Repeats", "Each pass starts from the former.")] = 1
    num_images: Annotated[int, Range(1, 8, 1, "Pictures", "Variations, seeds in a row.")] = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replacing(Request):
    """The fields of Blended that the form shows, without its torch."""

    strength: Annotated[float, Range(0.0, 1.0, 0.01, "Strength")] = 1.0
    num_images: Annotated[int, Range(1, 8, 1, "Candidates", "To choose from.")] = 1
    grow: Annotated[int, Range(-64, 64, 1, "Grow")] = 0
    feather: Annotated[int, Range(0, 64, 1, "Softness")] = 8
    shrink_steps: Annotated[int, Range(0, 4, 1, "Shrinking", "For thin masks.")] = 0
    background: Annotated[str, Choice({"paste": "paste", "none": "none"}, "Background")] = "paste"
    crop: Annotated[str, Choice({"auto": "automatic", "off": "off"}, "Crop")] = "auto"
    left: Annotated[int, Range(0, 1024, 1, "Left")] = 0
    top: Annotated[int, Range(0, 1024, 1, "Top")] = 0
    right: Annotated[int, Range(0, 1024, 1, "Right")] = 0
    bottom: Annotated[int, Range(0, 1024, 1, "Bottom")] = 0
    eta: Annotated[float, Range(0.0, 1.0, 0.05, "Eta", "DDIM only.")] = 0.0


@dataclass
class Job:
    sketch: Sketch
    values: dict[str, Any]
    event: Event = field(default_factory=lambda: Waiting(2))
    stopped: threading.Event = field(default_factory=threading.Event)


@dataclass
class Pretend:
    """The studio's side of `Actions`. Clear `go` to hold every run before its next step."""

    folder: Path
    pace: float = 0.02  # seconds per step
    jobs: dict[str, Job] = field(default_factory=dict)
    go: threading.Event = field(default_factory=threading.Event)
    begun: int = 0
    watched: list[str] = field(default_factory=list)
    outlines: list[tuple[int, int]] = field(default_factory=list)
    glimpses: list[str] = field(default_factory=list)  # their words
    glimpsing: threading.Event = field(default_factory=threading.Event)  # one was asked for
    answering: threading.Event = field(default_factory=threading.Event)  # clear to hold it

    def __post_init__(self) -> None:
        self.go.set()
        self.answering.set()

    @property
    def next_name(self) -> str:
        return f"job-{self.begun}"

    def paint(self, model: ModelFacts) -> Paint:
        actions = Actions(self.start, self.watch, self.stop, self.check_words, read)
        painting = Painting(self.to_strokes, self.halve, self.glimpse)
        return paint(Strokes, model, actions, painting)

    def replace(self, model: ModelFacts) -> Replace:
        actions = Actions(self.start_masked, self.watch, self.stop, self.check_words, read)
        return replace(Replacing, model, actions, self.outlined)

    def glimpse(self, sketch: Sketch, values: Mapping[str, Any]) -> bytes | None:
        """The strokes upside down; nothing while a run is held."""
        if not self.go.is_set():
            return None
        self.glimpses.append(str(values["prompt"]))
        if values["prompt"] == "fail":
            raise ValueError("The words are too odd.")
        self.glimpsing.set()
        self.answering.wait()
        return jpeg(flat(sketch).transpose(Image.Transpose.FLIP_TOP_BOTTOM))

    def start_masked(self, sketch: Sketch, values: Mapping[str, Any], visitor: str) -> str:
        if sketch.mask is None and not any(values[side] for side in SIDES):
            raise ValueError("Paint a mask over what is to change.")
        return self.start(sketch, values, visitor)

    def outlined(self, region: Region, grow: int, feather: int) -> dict[str, Any]:
        """The box of the mask, by as much larger as the mask is to grow."""
        if region.mask is None:
            return {}
        with Image.open(region.mask) as mask:
            x, y, right, bottom = mask.convert("L").getbbox() or (0, 0, 0, 0)
        self.outlines.append((grow, feather))
        corners = [(x, y), (right, y), (right, bottom), (x, bottom)]
        return {"edge": [[(a - grow if a == x else a + grow, b) for a, b in corners]]}

    def start(self, sketch: Sketch, values: Mapping[str, Any], visitor: str) -> str:
        if sketch.strokes is None and sketch.picture is None:
            raise ValueError("The canvas is empty. Paint a few strokes first, or open a picture.")
        name = self.next_name
        self.begun += 1
        self.jobs[name] = Job(sketch, dict(values))
        threading.Thread(target=self._work, args=(name,), daemon=True).start()
        return name

    async def watch(self, name: str, visitor: str) -> AsyncIterator[Event]:
        self.watched.append(name)
        if name not in self.jobs:
            raise ValueError("That edit is no longer here. Run it again.")
        seen = None
        while not isinstance(seen, Finished | Failed | Stopped):
            event = self.jobs[name].event
            if event is not seen:
                yield event
                seen = event
            await asyncio.sleep(0.01)

    def stop(self, name: str, visitor: str) -> None:
        self.jobs[name].stopped.set()

    def check_words(self, text: str) -> str:
        unknown = [word for word in text.split() if word not in KNOWN]
        if not unknown:
            return ""
        count = "1 word is" if len(unknown) == 1 else f"{len(unknown)} words are"
        return f"{count} unknown to this model: {', '.join(unknown)}."

    def to_strokes(self, sketch: Sketch) -> Path:
        if sketch.picture is None:
            raise ValueError("Drop a picture on the canvas first.")
        path = self.folder / "strokes.png"
        with Image.open(sketch.picture) as picture:
            coarse(picture.convert("RGB")).save(path)
        return path

    def halve(
        self, strength: float, low: float, high: float, towards: Towards
    ) -> tuple[float, float, float]:
        low, high = (low, strength) if towards == "strokes" else (strength, high)
        return (low + high) / 2, low, high

    def _work(self, name: str) -> None:
        job, folder = self.jobs[name], self.folder / name
        folder.mkdir()
        values = job.values
        if values["prompt"] == "break":
            job.event = Failed("Something went wrong inside the studio. Try again.")
            return
        before, after = flat(job.sketch), landscape(values["seed"])
        total = steps_of(values["num_inference_steps"], values["strength"])
        frames: list[Path] = []
        for index in range(1, total + 1):
            self.go.wait()
            if job.stopped.wait(self.pace):
                job.event = Stopped(index, total)
                return
            done = index / total
            mixed = Image.blend(before, after, done * values["strength"])
            frame = jpeg(mixed.filter(ImageFilter.GaussianBlur(6 * (1 - done))))
            if index % 3 == 1:  # not every step has the time for a frame
                frames.append(folder / f"step-{index:03d}.jpg")
                frames[-1].write_bytes(frame)
            job.event = Stepped("denoising", index, total, (total - index) * self.pace, frame)
        job.event = self._finished(name, before, tuple(frames))

    def _finished(self, name: str, before: Image.Image, frames: tuple[Path, ...]) -> Finished:
        folder, values = self.folder / name, self.jobs[name].values
        before.save(folder / "before.png")
        swept = "strengths" in values
        strengths = values.get("strengths") or (values["strength"],) * values["num_images"]
        seeds = tuple(values["seed"] + (0 if swept else n) for n in range(len(strengths)))
        images = tuple(folder / f"{number}.png" for number in range(len(strengths)))
        mask = self.jobs[name].sketch.mask if "crop" in values else None
        for path, seed, strength in zip(images, seeds, strengths, strict=True):
            result = Image.blend(before, landscape(seed), strength)
            if mask is not None:
                with Image.open(mask) as region:
                    result = Image.composite(
                        result, before, region.convert("L").resize(before.size)
                    )
            result.save(path)
        unknown = [word for word in values["prompt"].split() if word not in KNOWN]
        masked = mask is not None
        pictures = tuple(
            FinishedPicture(
                path=path,
                seed=seed,
                words=values["prompt"],
                strength=strength,
                agreement=0.2 + 0.01 * row if masked else None,
                changed_inside=0.97 if masked else None,
                changed_outside=0 if masked else None,
            )
            for row, (path, seed, strength) in enumerate(zip(images, seeds, strengths, strict=True))
        )
        return Finished(
            edit_id=name,
            pictures=pictures,
            before=folder / "before.png",
            frames=frames,
            seconds=1.5,
            ranking=tuple(reversed(range(len(images)))) if masked else (),
            unknown_words=tuple(unknown),
            asked=values,
        )


def steps_of(steps: int, strength: float) -> int:
    """As many as the studio takes, on a grid of evenly spaced times."""
    times = [1000 * (steps - place) // steps - 1 for place in range(steps)]
    alphas = torch.linspace(1, 0, 1001)[1:]
    levels = [Level.of_alpha(float(alphas[t])) for t in times]
    return steps - Grid(times, [*levels, CLEAN], alphas).start(strength).place


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def flat(sketch: Sketch) -> Image.Image:
    """What is on the canvas, as one picture."""
    sheet = Image.new("RGB", (sketch.width, sketch.height), "white")
    if sketch.picture:
        with Image.open(sketch.picture) as picture:
            sheet = picture.convert("RGB").resize(sheet.size)
    if sketch.strokes:
        with Image.open(sketch.strokes) as strokes:
            sheet.paste(strokes, (0, 0), strokes.convert("RGBA"))
    return sheet.resize((SIZE, SIZE))


def landscape(seed: int) -> Image.Image:
    """A small picture that differs by seed."""
    sky = [(62, 134, 214), (226, 112, 92), (14, 20, 52), (232, 188, 212)][seed % 4]
    picture = Image.new("RGB", (SIZE, SIZE), sky)
    draw = ImageDraw.Draw(picture)
    for y in range(150):
        draw.line([(0, y), (SIZE, y)], tuple(int(c + (240 - c) * y / 150 * 0.8) for c in sky))
    draw.polygon([(0, 150), (60, 80), (110, 140), (170, 60), (256, 150)], (104, 112, 142))
    draw.polygon([(150, 86), (170, 60), (192, 84)], (250, 252, 255))
    draw.rectangle([0, 148, 256, 256], (98, 160, 70))
    x = 60 + seed * 37 % 110
    draw.rectangle([x, 150, x + 60, 200], (208, 42, 40))
    draw.polygon([(x - 8, 152), (x + 30, 118), (x + 68, 152)], (110, 60, 44))
    draw.rectangle([x + 22, 172, x + 38, 200], (60, 36, 30))
    return picture


def coarse(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.MedianFilter(9)).quantize(6).convert("RGB")


def facts(folder: Path) -> ModelFacts:
    painted: list[dict[str, Any]] = []
    masked: list[dict[str, Any]] = []
    mask = folder / "example-mask.png"
    region = Image.new("L", (SIZE, SIZE))
    region.paste(255, (50, 110, 180, 210))
    region.save(mask)
    for number, name in enumerate(EXAMPLES):
        path = folder / f"example-{number}.png"
        words = {"prompt": "a red house on a meadow at sunset", "seed": number}
        coarse(landscape(number)).save(path)
        painted.append({"name": name, "image": str(path), "strength": 0.6, **words})
        path = folder / f"picture-{number}.png"
        landscape(number).save(path)
        masked.append({"name": name, "image": str(path), "mask": str(mask), "grow": 3, **words})
    return ModelFacts(
        name="Postcard",
        device="cpu",
        size=SIZE,
        defaults={"num_inference_steps": 20, "guidance_scale": 4.0},
        vocabulary=VOCABULARY,
        swatches=list(SWATCHES.items()),
        examples={"paint": painted, "replace": masked},
        live=True,
    )


def build(pretend: Pretend) -> gr.Blocks:
    model = facts(pretend.folder)
    tabs = [
        ("Paint", "SDEdit", partial(pretend.paint, model)),
        ("Replace", "Blended", partial(pretend.replace, model)),
    ]
    about = "Paint a few strokes, say what they are, and watch them become a picture."
    return page("Pentimento", about, model, tabs)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        build(Pretend(Path(folder), pace=0.15)).queue(api_open=False).launch(
            server_port=7871, theme=THEME, run_history=False, footer_links=[],
            app_kwargs={"middleware": [Middleware(Assets)]},
        )  # fmt: skip
