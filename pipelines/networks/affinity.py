"""Two threads of one operation on two cores, each on its own.

Beside one busy process Linux may leave both threads of torch on one core for as long as the other
process runs: three threads on two cores are two and one, whoever the one is. Each then waits for
the other at every barrier, and an edit takes three to four times as long. On a core of its own each
makes it about twice as long, which is what the busy process leaves of its core.

Only where torch runs two threads on two cores, and where the environment says nothing of affinity.
With more threads oneDNN lets a team shrink, and a thread that libgomp makes afterwards would
inherit the core of the thread that makes it.
"""

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch

CHOSEN: Final = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY")  # the user has decided

_MAPS: Final = Path("/proc/self/maps")
_Body: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_whole: Final[set[int]] = set()  # the cores that were shared out, empty before


@contextmanager
def a_core_each(device: torch.device) -> Generator[None, None, None]:
    """Keep the calling thread on the core where it is, and torch's other thread on the other one.

    Does nothing where `device` is not the processor, or it is not two threads on two cores.
    Afterwards the calling thread is free again; libgomp's own does nothing but this work and stays.
    A thread or process that is started inside inherits the one core; see `free`.
    """
    cores = _cores() if device.type == "cpu" and torch.get_num_threads() == 2 else set[int]()
    library = _libgomp() if len(cores) == 2 else None
    if library is None:
        yield
        return
    mine = ctypes.CDLL(None).sched_getcpu()
    (other,) = cores - {mine}
    _whole.update(cores)

    def keep(_: int) -> None:
        os.sched_setaffinity(0, {other if library.omp_get_thread_num() else mine})

    library.GOMP_parallel(_Body(keep), None, 2, 0)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def free() -> None:
    """Let the calling thread, which was started within `a_core_each`, run on every core again."""
    if _whole:
        os.sched_setaffinity(0, _whole)


def _cores() -> set[int]:
    """That the calling thread may run on; none where the system does not say."""
    return os.sched_getaffinity(0) if sys.platform == "linux" else set()


@cache
def _libgomp() -> Any:
    """The library that torch's threads belong to; None where it is another, or the user decides."""
    if any(name in os.environ for name in CHOSEN):
        return None
    loaded = {line.split()[-1] for line in _MAPS.read_text().splitlines() if "/libgomp" in line}
    own = [path for path in loaded if Path(torch.__file__).resolve().parent in Path(path).parents]
    if not own:
        return None
    library = ctypes.CDLL(own[0])
    library.GOMP_parallel.argtypes = [_Body, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    library.GOMP_parallel.restype = None
    return library
