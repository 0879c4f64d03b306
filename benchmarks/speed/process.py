"""What a piece of work holds in memory, in a process of its own."""

import gc
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks.speed.bench import Bench, Settings
from benchmarks.speed.rounds import Side

MB = 2**20
STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # on Linux
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Held:
    """In MB."""

    resident: float  # once all is loaded
    peak: float  # more than that, at most, while the work was done


def held(bench: Bench, prepare: Callable[[Bench], Side]) -> Held:
    """Of what `prepare`, which loads all that is needed, gives back to be run once."""
    return alone(bench, _held, prepare)


def alone(bench: Bench, work: Callable[..., R], *given: object) -> R:
    """`work(a bench of the same settings, *given)`, in a fresh process; all of it pickles."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_called, work, bench.settings, bench.folder, given).result()


def _called(
    work: Callable[..., R], settings: Settings, folder: Path, given: tuple[object, ...]
) -> R:
    return work(Bench(settings, folder), *given)


def _held(bench: Bench, prepare: Callable[[Bench], Side]) -> Held:
    side = prepare(bench)
    return holding(side, bench.bundle.device)


def holding(side: Side, device: torch.device) -> Held:
    """What this process, or on a GPU its device, holds before the work and more during it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        resident = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        side()
        torch.cuda.synchronize(device)
        return Held(resident / MB, (torch.cuda.max_memory_allocated(device) - resident) / MB)
    before = resident_now()
    if FORGET.exists():
        FORGET.write_text("5")  # proc(5): resets the high-water mark
    side()
    return Held(before, max((_told("VmHWM") or _most()) - before, 0.0))


def resident_now() -> float:
    """MB of this process in the machine's memory; where it does not say, the most so far."""
    return _told("VmRSS") or _most()


def _told(name: str) -> float:
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found[0]) * 1024 / MB if found else 0.0


def _most() -> float:
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB
