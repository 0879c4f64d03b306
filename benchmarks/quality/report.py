"""The figures as Markdown and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.quality.job import Figures, Result
from benchmarks.quality.sliced import SIDES

FORMS = {  # figure → how it is written, and which way is better
    "silhouette": (".3f", "↑"),
    "in rain or snow": (".3f", "↑"),
    "one light": (".1%", "↑"),
    "no light": (".1%", "↑"),
    **{f"SWD {side}": (".0f", "↓") for side in SIDES},
    "told apart": (".1%", "↓"),
    "attributes": (".1%", "↑"),
    "all attributes": (".1%", "↑"),
    "outline": (".3f", "↑"),
    "L2": (".2f", "↓"),
    "KID": (".2f", "↓"),
    "CLIP": (".1f", "↑"),
    "precision": (".1%", "↑"),
    "exact": (".1%", "↑"),
    "loose": (".1%", "↑"),
    "ranked first": (".1%", "↑"),
    "any": (".1%", "↑"),
    "PSNR outside": (".1f", "↑"),
    "SSIM outside": (".4f", "↑"),
    "max outside": (".0f", "↓"),
    "seam": (".2f", "↓"),
    "diversity": (".3f", "↑"),
    "swap": (".1%", "↑"),
    "kept": (".1%", "↑"),
    "structure": (".2f", "↓"),
    "PSNR background": (".1f", "↑"),
    "SSIM background": (".4f", "↑"),
    "PSNR": (".2f", "↑"),
    "SSIM": (".4f", "↑"),
    "max": (".0f", "↓"),
}
NOTES = """\
- silhouette: IoU of each thing's outline, by the critic's mask, with the drawing of its kind, moved
  and scaled to fit best. one light, no light: the share of pictures with exactly one disc in the
  sky where the caption names sun or moon, and with none where it does not. SWD: ×1000, sliced
  Wasserstein distance of Laplacian pyramid patches at 256, 128, 64 and 32 pixels (Karras et al.,
  2018) to the renders of the same captions; with fewer pictures it is higher. told apart: right
  answers of a small network on 64-pixel patches of pictures unseen in its training, 50 % at best
  (Lopez-Paz and Oquab, 2017). velocity loss: mean squared error of v, unweighted, by timestep.
- attributes, precision, swap, kept: read by the critic (`training/critic.py`). attributes: the
  share of what the caption names; of two things whose order a sentence leaves open, in the order in
  which more is right. precision: kind and colour both right, over all candidates;
  exact, loose: by mask; any: at least one candidate right; ranked first: the one that the
  model's own CLIP puts first. kept: named attributes that read as in the source.
- colour: of things, as the strokes have it. outline: IoU of the critic's mask with the things of
  the scene that the strokes were made of, unmoved.
- L2: to the strokes, pixels in [0, 1], summed (SDEdit). KID: ×1000, unbiased, cubic kernel, in the
  critic's features against renders never trained on. structure: ×1000, self-similarity of the
  critic's 16×16 cells (not DINO's).
- PSNR in dB, 100 where nothing differs; outside, background: both pictures blackened elsewhere, the
  mean over the whole frame (PIE-Bench). max: of 255. seam: mean difference of 255 to the picture, 4
  pixels to either side of the mask's edge, where neither thing nor trace lies.
- diversity: root mean square difference of two candidates inside the mask (pixels, not LPIPS).
- CLIP: 100 × cosine of the model's own ranker; reported, not optimised."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured, and on what."""

    machine: str
    model: str
    torch: str
    diffusers: str
    dtype: str
    steps: int
    guidance_scale: float
    candidates: int
    minutes: float
    results: Sequence[Result]
    sweep: Mapping[float, Figures]  # by strength
    velocity: Figures  # by band of timesteps; empty where it was not measured


def markdown(report: Report) -> str:
    lines = [
        f"{report.model}, {report.steps} steps, guidance {report.guidance_scale:g}, "
        f"{report.candidates} candidates of a replacement, {report.dtype}; {report.machine}; "
        f"torch {report.torch}, diffusers {report.diffusers}; {report.minutes:.1f} minutes.",
    ]
    for result in report.results:
        lines += ["", f"### {result.name}", "", f"{result.about} {len(result.cases)} cases.", ""]
        lines += table({row: each.figures for row, each in result.outcomes.items()}, "row")
    if report.velocity:
        lines += ["", "### Velocity loss by timestep", ""]
        lines += table({"the denoiser": report.velocity}, "", ".4f")
    if report.sweep:
        lines += ["", "### Along the strength", ""]
        lines += table({f"{s:g}": figures for s, figures in report.sweep.items()}, "strength")
    return "\n".join([*lines, "", NOTES, ""])


def table(rows: Mapping[str, Figures], first: str, form: str = ".1%") -> list[str]:
    """A table with a column for every figure that some row has; `form` is for unnamed ones."""
    names = list(dict.fromkeys(name for figures in rows.values() for name in figures))
    heads = [f"{name} {FORMS[name][1]}" if name in FORMS else name for name in names]
    lines = [f"| {first} | {' | '.join(heads)} |", "|---" * (len(names) + 1) + "|"]
    for row, figures in rows.items():
        told = [_written(name, figures.get(name), form) for name in names]
        lines.append(f"| {row} | {' | '.join(told)} |")
    return lines


def as_json(report: Report) -> str:
    """The same, and every case's own figures."""
    plain = {
        "machine": report.machine,
        "model": report.model,
        "torch": report.torch,
        "diffusers": report.diffusers,
        "dtype": report.dtype,
        "steps": report.steps,
        "guidance_scale": report.guidance_scale,
        "candidates": report.candidates,
        "minutes": round(report.minutes, 2),
        "jobs": {
            result.name: {
                "about": result.about,
                "cases": [case.prompt for case in result.cases],
                "rows": {
                    row: {
                        "figures": outcome.figures,
                        "seconds_a_case": round(outcome.seconds, 3),
                        "each": [_defined(figures) for figures in outcome.each],
                    }
                    for row, outcome in result.outcomes.items()
                },
            }
            for result in report.results
        },
        "velocity": report.velocity,
        "sweep": {f"{strength:g}": figures for strength, figures in report.sweep.items()},
    }
    return json.dumps(plain, indent=2, ensure_ascii=False)


def _written(name: str, value: float | None, form: str) -> str:
    return "" if value is None else format(value, FORMS.get(name, (form, ""))[0])


def _defined(figures: Figures) -> Figures:
    """Without what is not a number: JSON has no word for it."""
    return {name: value for name, value in figures.items() if value == value}
