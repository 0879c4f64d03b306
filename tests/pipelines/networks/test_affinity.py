"""Two threads on two cores keep to one each while a network is called, and only then."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.pipelines.networks.test_openmp import ROOT

linux = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs two cores on Linux"
)

SAYS = """
import json, os, sys, threading
import torch
from pipelines.networks import affinity

def cores():
    return sorted(os.sched_getaffinity(0))

def everyone():  # in the order in which the kernel made them
    threads = sorted(map(int, os.listdir("/proc/self/task")))
    return {thread: sorted(os.sched_getaffinity(thread)) for thread in threads}

os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
torch.set_num_threads(int(sys.argv[1]))
whole, before = cores(), set(everyone())
seen = []
def started():
    seen.append(cores())
    affinity.free()
    seen.append(cores())
with affinity.a_core_each(torch.device(sys.argv[2])):
    inside = everyone()
    thread = threading.Thread(target=started)
    thread.start()
    thread.join()
torch.ones(1 << 20).add_(1)  # all threads once more
print(json.dumps({
    "whole": whole, "mine": inside.pop(threading.get_native_id()), "after": cores(),
    "others": [mask for thread, mask in inside.items() if thread not in before],
    "started": seen,
}))
"""


def said(threads: int = 2, device: str = "cpu", **environment: str) -> Any:
    """What a fresh process on two cores sees within `a_core_each` and after it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SAYS, str(threads), device],
        cwd=ROOT, env=own | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(ran.stdout)


@linux
def test_each_of_two_threads_has_a_core_and_the_calling_one_is_free_afterwards() -> None:
    found = said()
    (mine,), ((other,),) = found["mine"], found["others"]
    assert sorted([mine, other]) == found["whole"] == found["after"]


@linux
def test_a_thread_that_is_started_meanwhile_can_be_freed() -> None:
    found = said()
    assert found["started"] == [found["mine"], found["whole"]]


@linux
@pytest.mark.parametrize(
    "given",
    [
        {"threads": 1},
        {"threads": 3},
        {"device": "meta"},
        {"OMP_PROC_BIND": "false"},
        {"OMP_PLACES": "cores"},
    ],
    ids=str,
)
def test_elsewhere_nothing_is_moved(given: dict[str, str | int]) -> None:
    found = said(**given)  # pyright: ignore[reportArgumentType]
    assert found["mine"] == found["whole"] == found["after"]
    assert all(mask == found["whole"] for mask in found["others"])
