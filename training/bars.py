"""How good the model is, against the bars it is meant to clear: `python -m training.bars`.

Everything is judged on held-out scenes, by the critic where a picture has to be read. The table it
prints is the one of the model's card.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from pipelines import Bundle
from pipelines.core import noise, solvers
from pipelines.core.attention import Watch, watched
from pipelines.core.guidance import guided
from pipelines.core.sampling import Predict, drain, walk
from pipelines.networks.conditioning import Conditioning
from pipelines.request import Range
from pipelines.words.prompt import columns
from training import album, autoencoder, critic, photographs, ranker
from training.captions import caption, named
from training.scene import ATTRIBUTES, Scene, attributes

STEPS, GUIDANCE = 20, 3.0
AT_ONCE = 10  # pictures drawn together
COUNT = Range(1, 10_000, 1, "The number of pictures")


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the table."""

    name: str
    asked: str
    reached: str
    cleared: bool


def scenes(count: int) -> list[Scene]:
    """The first held-out scenes."""
    return [album.scene_of(index, held_out=True) for index in range(count)]


def draw(
    bundle: Bundle,
    texts: Sequence[str],
    steps: int = STEPS,
    guidance_scale: float = GUIDANCE,
    scheduler: str = "ddim",
    watching: Callable[[Predict], Predict] = lambda predict: predict,
) -> list[Image.Image]:
    """A picture for each text, picture i with seed i."""
    generators = noise.generators(range(len(texts)))
    cells = bundle.size // bundle.cell
    x = noise.draw(generators, (bundle.channels, cells, cells), bundle.device)
    solver = solvers.make(
        scheduler, bundle.scheduler_config, steps, 1.0, generators=generators, device=bundle.device
    )
    size = (bundle.size, bundle.size)
    words = reduce(Conditioning.over, [bundle.embed(text, size) for text in texts])
    without = bundle.embed("", size, negative=True)
    predict = guided(bundle, words, without, guidance_scale)
    return bundle.decode(drain(walk(x, watching(predict), solver)))


def drawn(bundle: Bundle, texts: Sequence[str], **options: Any) -> list[Image.Image]:
    """The same, a few at a time."""
    parts = [texts[i : i + AT_ONCE] for i in range(0, len(texts), AT_ONCE)]
    return [picture for part in parts for picture in draw(bundle, part, **options)]


@dataclass(frozen=True, slots=True)
class Marks:
    """How often each attribute that a caption names is right, and how often all of them are."""

    each: dict[str, float]  # of those named at least once
    together: float

    @property
    def mean(self) -> float:
        return float(np.mean(list(self.each.values())))


def marks(judge: critic.Critic, pictures: Sequence[Image.Image], told: Sequence[Scene]) -> Marks:
    """Pictures against the scenes whose captions they were drawn for."""
    right: dict[str, list[bool]] = {name: [] for name in ATTRIBUTES}
    together = []
    for reading, scene in zip(judge.read(pictures), told, strict=True):
        truth = attributes(scene)
        found = {name: reading.attributes[name] == truth[name] for name in named(scene)}
        together.append(all(found.values()))
        for name, good in found.items():
            right[name].append(good)
    each = {name: float(np.mean(found)) for name, found in right.items() if found}
    return Marks(each, float(np.mean(together)))


def overlap(bundle: Bundle, judge: critic.Critic, told: Sequence[Scene]) -> float:
    """Where the network looks for the word of the thing, against where the thing is (IoU).

    The mean map at half the latent's side, cut at half its maximum, against the critic's mask on
    the same grid; the mean over the scenes with one thing whose picture has it.
    """
    ious = []
    for scene in told:
        assert scene.thing is not None
        text = caption(scene)
        kind = scene.thing.kind.split()
        prompt = bundle.read(text)
        words = [word for word in prompt.words if word.text in kind]
        watch = Watch(columns(words, prompt.length, bundle.device))
        picture = draw(
            bundle, [text], watching=lambda predict, w=watch: watched(bundle, predict, w)
        )[0]
        map_ = watch.mean()[0].sum(0)
        mask = judge.read([picture])[0].mask
        side = map_.shape[-1]
        cells = mask.reshape(side, len(mask) // side, side, -1).mean((1, 3)) >= 0.5
        looked = (map_ >= map_.max() / 2).numpy()
        if cells.any():
            ious.append((looked & cells).sum() / (looked | cells).sum())
    return float(np.mean(ious))


def milliseconds(action: Callable[[], object], rounds: int = 15) -> float:
    """The median time of an action, after two that do not count."""
    times = []
    for _ in range(rounds + 2):
        begun = time.perf_counter()
        action()
        times.append((time.perf_counter() - begun) * 1000)
    return median(times[2:])


def bars(folder: Path, count: int) -> Iterator[Bar]:
    """Every bar, one after another; `count` pictures are drawn and read."""
    bundle, judge = Bundle.load(folder), critic.Critic.load()
    yield from _autoencoder(bundle)
    yield from _critic(judge, count)
    told = scenes(count)
    texts = [caption(scene) for scene in told]
    teacher = marks(judge, drawn(bundle, texts), told)
    yield from _words(teacher)
    yield from _attention(bundle, judge, min(count, 200))
    if bundle.ranker is not None:
        found = ranker.retrieval(bundle.ranker.model)
        yield Bar("ranker: the caption found among 64", "90 %", f"{found:.1%}", found >= 0.9)
    if (fast := bundle.student) is not None:
        for steps in (2, 4):
            pictures = drawn(fast, texts, steps=steps, guidance_scale=1.0, scheduler="lcm")
            yield _student(steps, marks(judge, pictures, told).mean, teacher.mean)
    yield from _speed(bundle)


def _autoencoder(bundle: Bundle) -> Iterator[Bar]:
    for name, pictures, asked in (
        ("held-out postcards", album.held_out(128), 34),
        ("photographs", photographs.load(), 26),
    ):
        reached = autoencoder.psnr(bundle.vae, pictures)
        yield Bar(f"autoencoder: {name}", f"{asked} dB", f"{reached:.1f} dB", reached >= asked)


def _critic(judge: critic.Critic, count: int) -> Iterator[Bar]:
    exam = critic.exam(judge, count)
    iou = exam.pop("mask")
    exam.pop("all")
    worst = min(exam, key=lambda name: exam[name])
    yield Bar(
        "critic: each attribute, the worst", "99 %", f"{exam[worst]:.1%} ({worst})",
        exam[worst] >= 0.99,
    )  # fmt: skip
    yield Bar("critic: mask of the things (IoU)", "0.90", f"{iou:.2f}", iou >= 0.9)


def _words(found: Marks) -> Iterator[Bar]:
    for name, share in found.each.items():
        yield Bar(f"words: {name}", "95 %", f"{share:.1%}", share >= 0.95)
    yield Bar("words: all together", "96 %", f"{found.together:.1%}", found.together >= 0.96)


def _attention(bundle: Bundle, judge: critic.Critic, count: int) -> Iterator[Bar]:
    single = [scene for scene in scenes(3 * count) if scene.thing and not scene.other][:count]
    iou = overlap(bundle, judge, single)
    yield Bar("attention of the thing's word (IoU)", "0.40", f"{iou:.2f}", iou >= 0.4)


def _student(steps: int, mean: float, teacher: float) -> Bar:
    asked = f"{teacher - 0.05:.1%} (teacher {teacher:.1%})"
    name = f"student, {steps} steps: mean of the attributes"
    return Bar(name, asked, f"{mean:.1%}", mean >= teacher - 0.05)


@torch.no_grad()
def _speed(bundle: Bundle) -> Iterator[Bar]:
    half = torch.cpu.get_capabilities().get("avx512_bf16", False)
    dtype = torch.bfloat16 if half else torch.float32
    unet, vae = bundle.denoiser.to(dtype), bundle.vae.to(dtype)
    cells = bundle.size // bundle.cell
    x = torch.randn(2, bundle.channels, cells, cells, dtype=dtype)
    hidden = bundle.embed("a red house", (bundle.size, bundle.size)).tokens.to(dtype)
    rows = hidden.expand(2, -1, -1)
    for name, asked, action in (
        ("denoiser, a call of 2 rows", 200, lambda: unet(x, 500, rows)),
        ("decoding one picture", 70, lambda: vae.decode(x[:1])),
    ):
        reached = milliseconds(action)
        kind = str(dtype).removeprefix("torch.")
        yield Bar(f"{name} ({kind})", f"{asked} ms", f"{reached:.0f} ms", reached <= asked)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.bars", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("assets/models/postcard"))
    parser.add_argument("--count", type=COUNT.argument, default=500, help="pictures to read [500]")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    print("| bar | asked | reached | |\n|---|---|---|---|")
    for bar in bars(options.model, options.count):
        mark = "cleared" if bar.cleared else "**missed**"
        print(f"| {bar.name} | {bar.asked} | {bar.reached} | {mark} |", flush=True)


if __name__ == "__main__":
    main()
