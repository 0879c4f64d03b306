"""How long edits take and what they hold in memory, each a ratio to a peer in the same run.

    python -m benchmarks.speed [--quick] [--only painting …] [--pairs 15] [--dtype float32]
    python -m benchmarks.speed --only sd15 sdxl     denoisers of the published width, random weights

The sides of a job work one after another in every round, in changing order, on the same networks;
a ratio is taken within a round, so that what else the machine does falls on both. Before anything
is timed their pictures are compared: a benchmark of different work is none. Prints the tables as
Markdown; writes them to speed.md and all figures to speed.json.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import diffusers
import torch

from benchmarks.machine import load, machine
from benchmarks.networks import FULL_WIDTH, POSTCARD
from benchmarks.speed import beside, comparing, full_width, levers, memory, painting, replacing
from benchmarks.speed.bench import Bench, Settings
from benchmarks.speed.report import Report, Table, as_json, markdown
from pipelines.core import solvers
from pipelines.request import Range, hints
from pipelines.sdedit import SDEdit
from studio.models.loaded import DTYPES, pick_device, pick_dtype

JOBS: dict[str, Callable[[Bench], list[Table]]] = {
    "painting": painting.measure,
    "replacing": replacing.measure,
    "comparing": comparing.measure,
    "memory": memory.measure,
    "levers": levers.measure,
    "beside": beside.measure,
    "sd15": full_width.sd15,
    "sdxl": full_width.sdxl,
}
PAIRS = Range(1, 1000, 1, "The number of rounds")
USUAL = [name for name in JOBS if name not in FULL_WIDTH]


def measure(settings: Settings, jobs: Sequence[str]) -> Report:
    """Run the jobs of these names, in the order given."""
    begun, load_before = time.monotonic(), load()
    with tempfile.TemporaryDirectory(prefix="pentimento-speed-") as folder:
        bench = Bench(settings, Path(folder))
        tables = [table for name in jobs for table in JOBS[name](bench)]
        bench.close()
    bundle = bench.bundle
    name, _ = solvers.resolve("default", bundle.scheduler_config)
    return Report(
        machine=machine(bundle),
        threads=torch.get_num_threads(),
        load_before=load_before,
        torch=str(torch.__version__),
        diffusers=diffusers.__version__,
        model=bundle.name,
        device=str(bundle.device),
        dtype=str(settings.dtype).removeprefix("torch."),
        scheduler=solvers.CLASSES[name],
        size=bundle.size,
        steps=settings.steps,
        guidance_scale=settings.guidance,
        rounds=settings.rounds,
        minutes=(time.monotonic() - begun) / 60,
        tables=tables,
    )


def write(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speed.md").write_text(markdown(report), encoding="utf-8")
    (folder / "speed.json").write_text(as_json(report) + "\n", encoding="utf-8")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    limits = {
        name: each.argument for name, each in hints(SDEdit).items() if isinstance(each, Range)
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="2 rounds of 4 steps: does it run?")
    parser.add_argument(
        "--only", nargs="+", choices=JOBS, default=USUAL, help="[all but sd15, sdxl]"
    )
    parser.add_argument(
        "--pairs", type=PAIRS.argument, default=15, help="rounds, of long jobs a share [15]"
    )
    parser.add_argument(
        "--steps",
        type=limits["num_inference_steps"],
        default=20,
        help="network steps that run [20]",
    )
    parser.add_argument(
        "--strength", type=limits["strength"], default=0.7, help="of painting [0.7]"
    )
    parser.add_argument("--guidance", type=limits["guidance_scale"], default=4.0, help="[4]")
    parser.add_argument("--dtype", choices=["auto", *DTYPES], default="auto", help="[auto]")
    parser.add_argument("--device", default="auto", help="[auto]")
    parser.add_argument("--model", default=POSTCARD, help="[the postcard model]")
    parser.add_argument("--out", type=Path, default=Path("build/speed"), help="[build/speed]")
    given = parser.parse_args(arguments)
    if given.quick:
        given.pairs, given.steps = 2, 4
    return given


def settings_of(given: argparse.Namespace) -> Settings:
    device = pick_device(given.device)
    return Settings(
        model=given.model,
        device=device,
        dtype=pick_dtype(given.dtype, device),
        steps=given.steps,
        guidance=given.guidance,
        strength=given.strength,
        rounds=given.pairs,
        quick=given.quick,
    )


def main(arguments: Sequence[str]) -> None:
    given = parse(arguments)
    report = measure(settings_of(given), given.only)
    write(report, given.out)
    print(markdown(report))
    print(f"The same as figures: {given.out / 'speed.json'}")


if __name__ == "__main__":
    main(sys.argv[1:])
