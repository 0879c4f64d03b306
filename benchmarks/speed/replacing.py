"""Replacing against diffusers' inpainting; what a small mask saves; what decoder tuning takes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.quality import metrics
from benchmarks.quality.cases import Replacement, replacements
from benchmarks.speed.bench import PROMPT, Bench, marked, strokes
from benchmarks.speed.report import Figure, Table
from benchmarks.speed.rounds import Picture, Side, Spread, agreed, now, ratio
from pipelines import Blended, blended, drain

CANDIDATES = (1, 4)
LARGE = 1024  # pixels on the side of a picture with a small mask
SMALLER = 4  # times that a small mask's side is less than the frame's: 1/16 of its area
PEER, DECODED, METHOD, STUDIO = (
    "diffusers, inpainting",
    "`pipelines.blended`, as decoded",
    "`pipelines.blended`: the original pasted around it, candidates ranked",
    "the studio: the same, previews on, saved",
)


def measure(bench: Bench) -> list[Table]:
    tables = [candidates(bench, number) for number in CANDIDATES]
    return [*tables, small_mask(bench), quick(bench, CANDIDATES), tuning(bench)]


def request(bench: Bench, side: int, share: int, **choices: Any) -> Blended:
    """Words for the middle of a picture `side` pixels wide."""
    return Blended(
        image=strokes(side),
        mask_image=marked(side, share),
        prompt=PROMPT,
        seed=1,
        **choices,
        **bench.settings.asked(),
    )


def diffusers(
    bench: Bench, asked: Blended, padding_mask_crop: int | None = None
) -> list[Image.Image]:
    """At the model's own size, to which a crop is enlarged, as ours is."""
    return (
        bench.peer("StableDiffusionInpaintPipeline")(
            prompt=asked.prompt,
            image=asked.image,
            mask_image=asked.mask_image,
            strength=asked.strength,
            height=bench.bundle.size,
            width=bench.bundle.size,
            padding_mask_crop=padding_mask_crop,
            num_images_per_prompt=asked.num_images,
            generator=bench.generators(asked.seed, asked.num_images),
            num_inference_steps=asked.num_inference_steps,
            guidance_scale=asked.guidance_scale,
        )
    ).images


def ours(bench: Bench, asked: Blended) -> list[Image.Image]:
    return list(drain(blended(bench.bundle, asked)).images)


def candidates(bench: Bench, number: int) -> Table:
    """At the model's own size, a mask aligned to its cells: there all sides draw one picture."""
    side = bench.bundle.size
    asked = request(bench, side, 2, num_images=number)
    bare = request(bench, side, 2, num_images=number, background="none", crop="off")
    drawn: dict[str, list[Picture]] = {
        PEER: list(diffusers(bench, bare)),
        DECODED: list(ours(bench, bare)),
    }
    differences = agreed(drawn, PEER, bench.settings.dtype)
    sides: dict[str, Callable[[], Sequence[Picture]]] = {
        PEER: partial(diffusers, bench, bare),
        DECODED: partial(ours, bench, bare),
        METHOD: partial(ours, bench, asked),
        STUDIO: partial(bench.studio, blended, asked),
    }
    agreed({each: list(sides[each]()) for each in (METHOD, STUDIO)}, METHOD, bench.settings.dtype)
    seconds = bench.rounds({**sides}, f"Replacing, {number}", 1 if number == 1 else 0.4)
    rows: dict[str, dict[str, Figure]] = {
        name: {
            "a candidate, s": Spread.of([each / number for each in seconds[name]]),
            "ratio to diffusers": ratio(seconds, name, PEER),
        }
        for name in sides
    }
    for name, difference in differences.items():
        rows[name]["differs by, of 255"] = difference
    return Table(
        f"Replacing, {number} candidate{'s' if number > 1 else ''}",
        "A quarter of the frame, from pure noise.",
        rows,
    )


def small_mask(bench: Bench) -> Table:
    """A mask of 1/16 of a large picture; both work on a crop around it, enlarged to the model."""
    whole = "`pipelines.blended`, all of the frame masked"
    small = f"`pipelines.blended`, 1/{SMALLER**2} of the frame masked"
    quick = f'{small}, crop="quick"'
    peer = f"diffusers, inpainting, 1/{SMALLER**2} of the frame masked, padding_mask_crop"
    little = request(bench, LARGE, SMALLER)
    box = drain(blended(bench.bundle, little)).report.crop
    assert box is not None  # the mask is small
    padding = (box[2] - box[0] - LARGE // SMALLER) // 2
    sides: dict[str, Side] = {
        whole: partial(ours, bench, request(bench, LARGE, 1)),
        small: partial(ours, bench, little),
        quick: partial(ours, bench, replace(little, crop="quick")),
        peer: partial(diffusers, bench, little, padding),
    }
    for side in sides.values():
        side()
    seconds = bench.rounds(sides, "A small mask")
    rows: dict[str, dict[str, Figure]] = {
        name: {
            "an edit, s": Spread.of(seconds[name]),
            "ratio to a full mask": ratio(seconds, name, whole),
            "ratio to diffusers": ratio(seconds, name, peer),
        }
        for name in sides
    }
    return Table(
        "A small mask in a large picture",
        f"A picture of {LARGE} pixels; for the small mask {box[2] - box[0]} × {box[3] - box[1]} "
        f"of them are worked on, enlarged to the model's own {bench.bundle.size} or, quick, left "
        "as fine as the whole would be.",
        rows,
    )


def quick(bench: Bench, numbers: Sequence[int]) -> Table:
    """What a small mask saves in a picture of the model's own size, made no finer than the rest."""
    rows: dict[str, dict[str, Figure]] = {}
    for number in numbers:
        about = f"{number} candidate{'s' * (number > 1)}"
        whole, small = f"all of the frame masked, {about}", f"1/{SMALLER**2} of it, {about}"
        asked = {"num_images": number, "crop": "quick"}
        sides: dict[str, Side] = {
            whole: partial(ours, bench, request(bench, bench.bundle.size, 1, **asked)),
            small: partial(ours, bench, request(bench, bench.bundle.size, SMALLER, **asked)),
        }
        for side in sides.values():
            side()
        seconds = bench.rounds(sides, f"A quick crop, {number}")
        for name in sides:
            rows[name] = {
                "an edit, s": Spread.of(seconds[name]),
                "ratio to a full mask": ratio(seconds, name, whole),
            }
    return Table(
        "A small mask, quick",
        'crop="quick": a quarter of the cells is worked on, and they stay as large as they are.',
        rows,
    )


def tuning(bench: Bench) -> Table:
    """Held-out pictures with loose masks, by each background."""
    settings = bench.settings
    cases = replacements(1 if settings.quick else 4, ("loose",))
    rows: dict[str, dict[str, Figure]] = {}
    ways = {"as decoded": "none", "decoder tuning": "tune", "the original pasted": "paste"}
    for name, background in ways.items():
        found = [_reconstructed(bench, case, background) for case in cases]
        seconds, levels = zip(*found, strict=True)
        rows[name] = {"an edit, s": Spread.of(seconds), "PSNR outside, dB": Spread.of(levels)}
    for figures in rows.values():
        psnr, plain = figures["PSNR outside, dB"], rows["as decoded"]["PSNR outside, dB"]
        assert isinstance(psnr, Spread) and isinstance(plain, Spread)
        figures["gain, dB"] = psnr.median - plain.median
    return Table(
        "Decoder tuning",
        f"{len(cases)} held-out postcards with a loose mask; outside it, against the original "
        f"({metrics.CEILING:g} dB: nothing differs).",
        rows,
    )


def _reconstructed(bench: Bench, case: Replacement, background: str) -> tuple[float, float]:
    """(seconds, PSNR outside the mask)."""
    asked = Blended(
        image=case.image,
        mask_image=case.mask_image,
        prompt=case.prompt,
        seed=case.seed,
        background=background,
        **bench.settings.asked(),
    )
    begun = now(bench.bundle.device)
    (picture,) = ours(bench, asked)
    taken = now(bench.bundle.device) - begun
    return taken, metrics.psnr(np.asarray(picture), np.asarray(case.image), ~case.mask)
