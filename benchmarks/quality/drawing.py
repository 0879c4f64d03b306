"""Drawing: pictures from words alone, against the renders of the same captions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmarks.quality import shapes, sliced
from benchmarks.quality.cases import Exhibits
from benchmarks.quality.job import Figures, Job, Pictures
from benchmarks.quality.lab import Lab
from benchmarks.quality.telling import told_apart
from training import album
from training.autoencoder import reconstruct
from training.captions import caption
from training.scene import Scene
from training.world import render

WET = ("rain", "snowfall")


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A held-out scene, to be drawn from its canonical caption."""

    seed: int
    scene: Scene
    truth: Image.Image
    other: Image.Image  # the render of another scene

    @property
    def prompt(self) -> str:
        return caption(self.scene)

    @property
    def exhibits(self) -> Exhibits:
        return {"truth": self.truth}


def drawings(number: int) -> list[Drawing]:
    """The first held-out scenes; the other renders are those of as many scenes behind them."""
    scenes = [album.scene_of(index, held_out=True) for index in range(2 * number)]
    drawn = [Image.fromarray(render(scene).image) for scene in scenes]
    pairs = zip(scenes[:number], drawn[:number], drawn[number:], strict=True)
    return [Drawing(seed, *pair) for seed, pair in enumerate(pairs)]


def ours(lab: Lab, case: Drawing) -> Pictures:
    return [lab.drawer.drawn(case.prompt, case.seed)]


def student(lab: Lab, case: Drawing) -> Pictures:
    if lab.student is None:
        raise ValueError(f"{lab.bundle.name} has no student; choose the other rows with --rows.")
    return [lab.student.drawn(case.prompt, case.seed)]


def autoencoder(lab: Lab, case: Drawing) -> Pictures:
    return [Image.fromarray(reconstruct(lab.bundle.vae, np.asarray(case.truth)[None])[0])]


def others(_lab: Lab, case: Drawing) -> Pictures:
    return [case.other]


def truth(_lab: Lab, case: Drawing) -> Pictures:
    return [case.truth]


ROWS = {
    "the model, from words": ours,
    "its student, 4 steps": student,
    "the autoencoder alone": autoencoder,
    "other renders": others,
    "the renders themselves": truth,
}


def measure(lab: Lab, case: Drawing, pictures: Pictures) -> Figures:
    """Shapes; of a picture that was not made for the case's words they mean nothing."""
    if pictures[0] is case.other:
        return {}
    nan = float("nan")
    mask = lab.critic.read(pictures)[0].mask
    fits = shapes.silhouettes(mask, case.scene)
    found = shapes.lights(np.asarray(pictures[0]), mask, case.scene.time)
    fit = float(np.mean(fits)) if fits else nan
    return {
        "silhouette": fit,
        "in rain or snow": fit if case.scene.weather in WET else nan,
        "one light": float(found == 1) if case.scene.light else nan,
        "no light": nan if case.scene.light else float(found == 0),
    }


def over_all(_lab: Lab, cases: Sequence[Drawing], pictures: Sequence[Pictures]) -> Figures:
    drawn = [np.asarray(some[0]) for some in pictures]
    reference = [np.asarray(case.truth) for case in cases]
    found = sliced.distances(drawn, reference)
    return {
        **{f"SWD {side}": distance for side, distance in found.items()},
        "told apart": told_apart(drawn, reference),
    }


def job(number: int) -> Job[Drawing]:
    return Job(
        "Drawing",
        "Pictures from the canonical captions of held-out scenes, seed i for scene i.",
        drawings(number),
        ROWS,
        measure,
        "silhouette",
        over_all,
    )
