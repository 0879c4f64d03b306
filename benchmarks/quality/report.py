"""The figures as Markdown and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.quality.job import Figures, Result

FORMS = {  # figure → how it is written, and which way is better
    "attributes": (".1%", "↑"),
    "all attributes": (".1%", "↑"),
    "L2": (".2f", "↓"),
    "KID": (".2f", "↓"),
    "CLIP": (".1f", "↑"),
    "precision": (".1%", "↑"),
    "exact": (".1%", "↑"),
    "loose": (".1%", "↑"),
    "thin": (".1%", "↑"),
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
- attributes, precision, swap, kept: read by the critic (`training/critic.py`). attributes: the
  share of what the caption names. precision: kind and colour both right, over all candidates;
  exact, loose, thin: by mask; any: at least one candidate right; ranked first: the one that the
  model's own CLIP puts first. kept: named attributes that read as in the source.
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


def markdown(report: Report) -> str:
    lines = [
        f"{report.model}, {report.steps} steps, guidance {report.guidance_scale:g}, "
        f"{report.candidates} candidates of a replacement, {report.dtype}; {report.machine}; "
        f"torch {report.torch}, diffusers {report.diffusers}; {report.minutes:.1f} minutes.",
    ]
    for result in report.results:
        lines += ["", f"### {result.name}", "", f"{result.about} {len(result.cases)} cases.", ""]
        lines += table({row: each.figures for row, each in result.outcomes.items()}, "row")
    if report.sweep:
        lines += ["", "### Along the strength", ""]
        lines += table({f"{s:g}": figures for s, figures in report.sweep.items()}, "strength")
    return "\n".join([*lines, "", NOTES, ""])


def table(rows: Mapping[str, Figures], first: str) -> list[str]:
    """A table with a column for every figure that some row has."""
    names = list(dict.fromkeys(name for figures in rows.values() for name in figures))
    heads = [f"{name} {FORMS[name][1]}" if name in FORMS else name for name in names]
    lines = [f"| {first} | {' | '.join(heads)} |", "|---" * (len(names) + 1) + "|"]
    for row, figures in rows.items():
        told = [_written(name, figures.get(name)) for name in names]
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
        "sweep": {f"{strength:g}": figures for strength, figures in report.sweep.items()},
    }
    return json.dumps(plain, indent=2, ensure_ascii=False)


def _written(name: str, value: float | None) -> str:
    return "" if value is None else format(value, FORMS.get(name, (".1%", ""))[0])


def _defined(figures: Figures) -> Figures:
    """Without what is not a number: JSON has no word for it."""
    return {name: value for name, value in figures.items() if value == value}
