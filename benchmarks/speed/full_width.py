"""Models of the published width, with random weights: what people stay for.

Beside its peers a whole edit is held to the hardware. The floor is the time that the edit's
multiplications would take at the rate that the device reaches on one large product of matrices, in
the same format and the same run.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed import comparing, painting, replacing
from benchmarks.speed.bench import Bench
from benchmarks.speed.comparing import EDITS
from benchmarks.speed.report import Table
from benchmarks.speed.rounds import Spread, timed
from pipelines import drain, sdedit

TITLES = {"sd15": "Stable Diffusion 1.5", "sdxl": "Stable Diffusion XL"}
STEPS = {"sd15": 50, "sdxl": 30}  # on a GPU
HALF = 32  # cells on the side of a picture, on a CPU
SIDE, SIDE_ON_A_CPU = 8192, 2048  # of the square matrices
Job = Callable[[Bench], Table]


def sd15(bench: Bench) -> list[Table]:
    """All three methods, and the memory of a comparison. On a CPU as few steps as make an edit."""
    kinds = [("replace",)] if bench.settings.device == "cpu" else [("replace",), tuple(EDITS)]
    held = comparing.memory_table(_wide(bench, "sd15", 2), kinds)  # before this process holds one
    return [
        *tables(bench, "sd15", [painted, replaced], 1, HALF),
        *tables(bench, "sd15", [*map(compared, kinds), again], 2, HALF),
        *tables(bench, "sd15", [quick], 1),
        held,
    ]


def sdxl(bench: Bench) -> list[Table]:
    """Painting."""
    return tables(bench, "sdxl", [painted], 1, HALF)


def tables(
    bench: Bench, model: str, jobs: Sequence[Job], steps: int, cells: int | None = None
) -> list[Table]:
    """What the jobs find on that model, with what it is in each title.

    `steps` and `cells` are those on a CPU; a GPU does what people do.
    """
    with closing(_wide(bench, model, steps, cells)) as wide:
        about = f"Random weights, {wide.bundle.size} pixels, steps: {wide.settings.steps}."
        found = [job(wide) for job in jobs]
    return [
        replace(each, title=f"{each.title}, {TITLES[model]}", about=f"{about} {each.about}")
        for each in found
    ]


def painted(bench: Bench) -> Table:
    """Painting, with each row's share of the device's rate."""
    table = painting.edits(bench)
    work, rate = operations(bench), reached(bench)
    floor = work / rate
    for figures in table.rows.values():
        taken = figures["an edit, s"]
        assert isinstance(taken, Spread)
        figures["the floor's share"] = Spread(
            floor / taken.median, floor / taken.high, floor / taken.low
        )
    return replace(
        table,
        about=f"{table.about} It is {work / 1e12:.2f} TFLOP; one large product of matrices "
        f"reaches {rate / 1e12:.2f} TFLOP/s here, so the floor is {floor:.3f} s.",
    )


def replaced(bench: Bench) -> Table:
    return replacing.candidates(bench, 1)


def quick(bench: Bench) -> Table:
    return replacing.quick(bench, [1])


def compared(kinds: comparing.Kinds) -> Job:
    title = f"Comparing, {comparing.counted(kinds)}"
    return partial(comparing.timed_table, title=title, several=[kinds], share=1)


def again(bench: Bench) -> Table:
    return comparing.second_edit(bench, {"drawn by seed": {}}, 1)


def operations(bench: Bench) -> int:
    """Floating-point operations of an edit's products and convolutions; one of each pair is two."""
    counter = FlopCounterMode(display=False)
    with counter:
        drain(sdedit(bench.bundle, painting.request(bench)))
    return counter.get_total_flops()


def reached(bench: Bench) -> float:
    """Floating-point operations a second on one large product of matrices."""
    device, dtype = bench.bundle.device, bench.settings.dtype
    side = SIDE_ON_A_CPU if device.type == "cpu" else SIDE
    a, b = torch.randn(2, side, side, device=device).to(dtype)
    seconds = [timed(lambda: a @ b, device) for _ in range(10)]
    return 2 * side**3 / min(seconds)


def _wide(bench: Bench, model: str, steps: int, cells: int | None = None) -> Bench:
    settings = bench.settings
    if settings.device != "cpu":
        cells, steps = None, min(STEPS[model], 4) if settings.quick else STEPS[model]
    return Bench(
        replace(settings, model=model, steps=steps, cells=cells), bench.folder / f"{model}-{steps}"
    )
