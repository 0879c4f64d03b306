"""Painting: strokes to pictures, and how realism and faithfulness trade along the strength."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from benchmarks.quality import metrics, sliced
from benchmarks.quality.cases import Painting, paintings
from benchmarks.quality.job import Figures, Job, Pictures
from benchmarks.quality.lab import Lab
from pipelines import SDEdit, drain, sdedit

STRENGTH = 0.6
COLOURS = ("colour", "other colour")
SWEEP = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)


def ours(lab: Lab, case: Painting) -> Pictures:
    request = SDEdit(
        image=case.strokes, prompt=case.prompt, strength=STRENGTH, seed=case.seed, **lab.asked()
    )
    return drain(sdedit(lab.bundle, request)).images


def diffusers(lab: Lab, case: Painting) -> Pictures:
    return lab.peer("StableDiffusionImg2ImgPipeline")(
        case.prompt,
        image=case.strokes,
        strength=STRENGTH,
        generator=lab.generators(case.seed),
        **lab.asked(),
    ).images


def untouched(_lab: Lab, case: Painting) -> Pictures:
    return [case.strokes]


def truth(_lab: Lab, case: Painting) -> Pictures:
    return [case.truth]


ROWS = {
    "`pipelines.sdedit`": ours,
    "diffusers, image-to-image": diffusers,
    "the strokes themselves": untouched,
    "the scene itself": truth,
}


def measure(lab: Lab, case: Painting, pictures: Pictures) -> Figures:
    readings = lab.critic.read(pictures)
    found = [reading.attributes for reading in readings]
    right = np.array(
        [[told[name] == value for name, value in case.wanted.items()] for told in found]
    )
    colours = [
        told[name] == value
        for told in found
        for name, value in case.wanted.items()
        if name in COLOURS
    ]
    strokes = np.asarray(case.strokes)
    return {
        "attributes": float(right.mean()),
        "all attributes": float(right.all(1).mean()),
        "colour": float(np.mean(colours)) if colours else float("nan"),
        "outline": metrics.overlap([reading.mask for reading in readings], case.things),
        "L2": float(np.mean([metrics.l2(np.asarray(each), strokes) for each in pictures])),
        "CLIP": lab.agreement(pictures, case.prompt),
    }


def over_all(lab: Lab, cases: Sequence[Painting], pictures: Sequence[Pictures]) -> Figures:
    drawn = [each for some in pictures for each in some]
    kid = 1000 * metrics.kid(lab.critic.features(drawn), lab.real_features)
    truths = [np.asarray(case.truth) for case in cases]
    texture = sliced.distances([np.asarray(each) for each in drawn], truths)
    return {"KID": kid, **{f"SWD {side}": texture[side] for side in (256, 128)}}


def job(number: int) -> Job[Painting]:
    return Job(
        "Painting",
        f"Strokes of held-out scenes (median filter, six colours), strength {STRENGTH:g}.",
        paintings(number),
        ROWS,
        measure,
        "attributes",
        over_all,
    )


def sweep(lab: Lab, cases: Sequence[Painting]) -> dict[float, Figures]:
    """By strength: mean attributes right and L2 to the strokes, and KID."""
    drawn: list[Sequence[Image.Image]] = []
    for case in cases:
        request = SDEdit(
            image=case.strokes, prompt=case.prompt, strengths=SWEEP, seed=case.seed, **lab.asked()
        )
        drawn.append(drain(sdedit(lab.bundle, request)).images)
    found: dict[float, Figures] = {}
    for strength, pictures in zip(SWEEP, zip(*drawn, strict=True), strict=True):
        each = [measure(lab, *pair) for pair in zip(cases, ([p] for p in pictures), strict=True)]
        means = {name: float(np.mean([one[name] for one in each])) for name in ("attributes", "L2")}
        found[strength] = means | over_all(lab, cases, [list(pictures)])
    return found
