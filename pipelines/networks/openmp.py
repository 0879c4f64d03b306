"""How long the threads of one operation wait for each other, said before torch reads it.

libgomp's threads spin for some 3 ms at each barrier before they sleep. On a machine with nothing
else to do that is the quickest way; beside a busy process a thread spins while the one that it
waits for has no core, at each of thousands of barriers. A spin that is twenty times shorter loses
nothing when the machine is quiet. The number of threads is left alone: it changes the pixels.

Source: libgomp's manual, GOMP_SPINCOUNT and OMP_WAIT_POLICY; `python -m benchmarks.speed --only
beside` measures it.
"""

import sys
from collections.abc import MutableMapping
from typing import Final

SPIN_COUNT: Final = 15_000  # turns of a loop, some 0.15 ms; libgomp's own count is 300,000
CHOSEN: Final = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")  # either one says that the user has decided


def shorten_spin(environment: MutableMapping[str, str]) -> None:
    """Ask for a short spin, unless the user has chosen one or torch has read the choice already.

    Other OpenMP libraries (Apple's, Intel's, LLVM's) do not know the variable.
    """
    if "torch" not in sys.modules and not any(name in environment for name in CHOSEN):
        environment["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
