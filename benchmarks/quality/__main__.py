"""How good edits are, judged against the truth: the postcards' world is drawn by us.

    python -m benchmarks.quality [--quick | --long] [--only painting …] [--rows pipelines …]
                                 [--out build/quality]

Cases come from held-out specifications; every row works with the same networks, steps, guidance and
seeds. Writes a table (quality.md), all figures (quality.json), a sheet of the best and the worst
cases for each job, and realism against faithfulness along the strength (sweep.png). Drawings from
words are kept in `pictures`, by the networks that drew them, so that a stopped run goes on.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import torch

from benchmarks.machine import machine
from benchmarks.networks import POSTCARD
from benchmarks.quality import (
    comparison,
    drawing,
    painting,
    reconstruction,
    replacement,
    sheet,
    velocity,
    wording,
)
from benchmarks.quality.job import Job, run
from benchmarks.quality.lab import Lab
from benchmarks.quality.report import Report, as_json, markdown
from pipelines import Bundle
from pipelines.request import Range, Request, hints
from studio.models.loaded import DTYPES, pick_device, pick_dtype
from training.critic import Critic

JOBS: dict[str, Callable[[int], Job[Any]]] = {
    "drawing": drawing.job,
    "wording": wording.job,
    "painting": painting.job,
    "replacement": replacement.job,
    "thin": replacement.thin_job,
    "stroked": replacement.stroked_job,
    "comparison": comparison.job,
    "reconstruction": reconstruction.job,
}
CANDIDATES = Range(1, 8, 1, "The number of candidates")
VELOCITIES = 0.6  # postcards for the velocity loss, of the number of drawings: 96 of 160
LONG = {
    "drawing": 160,
    "wording": 200,
    "painting": 32,
    "replacement": 48,
    "thin": 24,
    "stroked": 6,
    "comparison": 48,
    "reconstruction": 4,
}
FULL = {
    "drawing": 160,
    "wording": 200,
    "painting": 20,
    "replacement": 48,
    "thin": 24,
    "stroked": 3,
    "comparison": 48,
    "reconstruction": 1,
}
QUICK = {
    "drawing": 6,
    "wording": 4,
    "painting": 2,
    "replacement": 2,
    "thin": 1,
    "stroked": 1,
    "comparison": 2,
    "reconstruction": 1,
}


def measure(lab: Lab, counts: dict[str, int], dtype: str, rows: Sequence[str] = ("",)) -> Report:
    """Run the jobs named in `counts`, each on so many cases, in the rows that `rows` are part of.

    What is measured beside the rows is left out where not all of them are wanted.
    """
    begun = time.monotonic()
    results = [run(chosen(JOBS[name](number), rows), lab) for name, number in counts.items()]
    errors, sweep = {}, {}
    if "drawing" in counts and "" in rows:
        errors = velocity.losses(lab, round(VELOCITIES * counts["drawing"]))
    if "painting" in counts and "" in rows:
        sweep = painting.sweep(lab, painting.paintings(counts["painting"])[::2])
    return Report(
        machine=machine(lab.bundle),
        model=lab.bundle.name,
        torch=str(torch.__version__),
        diffusers=diffusers.__version__,
        dtype=dtype,
        steps=lab.steps,
        guidance_scale=lab.guidance,
        candidates=lab.candidates,
        minutes=(time.monotonic() - begun) / 60,
        results=results,
        sweep=sweep,
        velocity=errors,
    )


def chosen(job: Job[Any], rows: Sequence[str]) -> Job[Any]:
    """The job with those rows whose names hold one of `rows`; ValueError where none does."""
    kept = {name: row for name, row in job.rows.items() if any(part in name for part in rows)}
    if not kept:
        raise ValueError(
            f"No row of the job {job.name} is called so; it has {', '.join(job.rows)}."
        )
    return replace(job, rows=kept)


def write(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quality.md").write_text(markdown(report), encoding="utf-8")
    (folder / "quality.json").write_text(as_json(report) + "\n", encoding="utf-8")
    for result in report.results:
        name = result.name.lower().replace(" ", "-")
        sheet.contact(result).save(folder / f"{name}.png")
    if report.sweep:
        sheet.trade_off(report.sweep).save(folder / "sweep.png")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    limits = {
        name: each.argument for name, each in hints(Request).items() if isinstance(each, Range)
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    count = parser.add_mutually_exclusive_group()
    count.add_argument("--quick", action="store_true", help="a few cases of each: does it run?")
    count.add_argument("--long", action="store_true", help="more of each, for a table to keep")
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS), help="[all jobs]")
    parser.add_argument(
        "--rows", nargs="+", default=[""], help="words in the names of the rows to run [all rows]"
    )
    parser.add_argument(
        "--steps", type=limits["num_inference_steps"], default=20, help="num_inference_steps [20]"
    )
    parser.add_argument("--guidance", type=limits["guidance_scale"], default=3.0, help="[3]")
    parser.add_argument(
        "--candidates", type=CANDIDATES.argument, help="of a replacement [4; 2 if quick]"
    )
    parser.add_argument("--dtype", choices=["auto", *DTYPES], default="auto", help="[auto]")
    parser.add_argument("--device", default="auto", help="[auto]")
    parser.add_argument("--model", default=POSTCARD, help="[the postcard model]")
    parser.add_argument("--out", type=Path, default=Path("build/quality"), help="[build/quality]")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    given = parse(arguments)
    device = pick_device(given.device)
    dtype = pick_dtype(given.dtype, device)
    lab = Lab(
        Bundle.load(given.model, device=device, dtype=dtype),
        Critic.load(),
        steps=given.steps,
        guidance=given.guidance,
        candidates=given.candidates or (2 if given.quick else 4),
        reals=32 if given.quick else 128,
        pictures=given.out / "pictures",
    )
    every = QUICK if given.quick else LONG if given.long else FULL
    counts = {name: every[name] for name in given.only}
    try:
        report = measure(lab, counts, str(dtype).removeprefix("torch."), given.rows)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    write(report, given.out)
    print(markdown(report))
    print(f"Figures and sheets lie in {given.out}.")


if __name__ == "__main__":
    main(sys.argv[1:])
