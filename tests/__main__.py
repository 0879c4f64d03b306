"""Every test: `python -m tests`, with what pytest takes behind it.

First those that may run beside others, in a process for each core and with one thread each. Then,
in one process, those that measure time, memory or threads (marked `alone`).
"""

import os
import subprocess
import sys

from pytest import ExitCode

WORKERS = min(os.cpu_count() or 1, 4)
BESIDE = ["--part=beside", "--dist=loadfile", "--no-loadscope-reorder", f"--numprocesses={WORKERS}"]
ALONE = ["--part=alone"]


def main(arguments: list[str]) -> int:
    """Run both parts; 0 if both pass, else the exit code of the first that does not."""
    codes: list[int] = []
    for part, threads in ((BESIDE, {"OMP_NUM_THREADS": "1"}), (ALONE, {})):
        command = [sys.executable, "-m", "pytest", *part, *arguments]
        try:
            codes.append(subprocess.call(command, env={**threads, **os.environ}))
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        if codes[-1] not in (ExitCode.OK, ExitCode.TESTS_FAILED, ExitCode.NO_TESTS_COLLECTED):
            return codes[-1]
    told = [code for code in codes if code != ExitCode.NO_TESTS_COLLECTED]
    return next((code for code in told if code), told[0] if told else codes[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
