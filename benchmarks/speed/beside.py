"""An edit beside busy processes: as libgomp alone does it, and as `pipelines` asks it to.

Each side is a process of its own, since libgomp reads its settings once. Its peer is the same edit
in the same run as libgomp alone does it on the quiet machine.
"""

import multiprocessing
import os
import statistics
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Final

import torch

from benchmarks.speed.bench import PROMPT, Bench, Settings, asked_steps, strokes
from benchmarks.speed.report import Figure, Table
from benchmarks.speed.rounds import Seconds, Side, Spread
from pipelines import SDEdit, drain, sdedit
from pipelines.networks import affinity, openmp

ALONE, OURS = "libgomp alone", "pipelines"
SIDES: Final[dict[str, dict[str, str]]] = {
    ALONE: {"GOMP_SPINCOUNT": "300000", "OMP_PROC_BIND": "false"},  # as where nothing is said
    OURS: {},
}
QUIET: Final = "quiet"
CASES: Final = {QUIET: 0, "beside one busy process": 1, "beside two": 2}
DECIDED: Final = (*openmp.CHOSEN, *affinity.CHOSEN)
BUSY: Final = [sys.executable, "-c", "while True: pass"]
SHARE: Final = 0.8  # of the rounds: 12 of 15


def measure(bench: Bench) -> list[Table]:
    if bench.bundle.device.type != "cpu" or not sys.platform.startswith("linux"):
        return []  # elsewhere no libgomp waits
    with ExitStack() as running:
        sides = {
            name: running.enter_context(_editor(bench.settings, said))
            for name, said in SIDES.items()
        }
        seconds = {case: _beside(bench, sides, case, busy) for case, busy in CASES.items()}
    return [
        Table(
            "Beside other work",
            f"Painting, {torch.get_num_threads()} threads on {os.cpu_count()} cores; ratios are to "
            f"the median quiet edit by {ALONE}.",
            {case: _row(seconds[case], statistics.median(seconds[QUIET][ALONE])) for case in CASES},
        )
    ]


def _beside(bench: Bench, sides: dict[str, Side], case: str, busy: int) -> Seconds:
    others = [subprocess.Popen(BUSY) for _ in range(busy)]
    try:
        return bench.rounds(sides, case, SHARE)
    finally:
        for each in others:
            each.kill()
            each.wait()


def _row(seconds: Seconds, quiet: float) -> dict[str, Figure]:
    row: dict[str, Figure] = {}
    for name, values in seconds.items():
        row[f"{name}, s"] = Spread.of(values)
        row[name] = Spread.of([each / quiet for each in values])
    return row


@contextmanager
def _editor(settings: Settings, said: dict[str, str]) -> Generator[Side, None, None]:
    """A process that makes one edit for each call, told this by the environment."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    former = {name: os.environ.pop(name) for name in DECIDED if name in os.environ}
    os.environ.update(said)
    try:
        process = spawn.Process(target=_serve, args=(theirs, settings), daemon=True)
        process.start()
    finally:
        for name in said:
            del os.environ[name]
        os.environ.update(former)
    try:
        yield partial(_ask, ours)
    finally:
        process.kill()
        process.join()


def _ask(connection: Connection) -> None:
    connection.send(None)
    connection.recv()


def _serve(connection: Connection, settings: Settings) -> None:
    bundle = settings.load()
    steps, strength = asked_steps(settings.steps, settings.strength)
    request = SDEdit(
        prompt=PROMPT,
        image=strokes(bundle.size),
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=settings.guidance,
        seed=1,
    )
    drain(sdedit(bundle, request))
    while True:
        connection.recv()
        drain(sdedit(bundle, request))
        connection.send(None)
