"""How threads wait: a short spin, said before torch is imported, and never over the user's word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.networks.openmp import SPIN_COUNT, shorten_spin

ROOT = Path(__file__).resolve().parents[3]

SAYS = """
import os, sys
import {module}
print(os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"))
"""


def started(module: str, **chosen: str) -> str:
    """What libgomp would read in a fresh process that imports `module` first."""
    own = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    command = [sys.executable, "-W", "ignore", "-c", SAYS.format(module=module)]
    ran = subprocess.run(
        command, cwd=ROOT, env=own | chosen, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


@pytest.mark.parametrize("module", ["pipelines", "studio.serving", "training", "benchmarks"])
def test_whoever_comes_first_says_it_before_torch(module: str) -> None:
    assert started(module) == f"{SPIN_COUNT} None"


def test_what_the_user_has_set_stays() -> None:
    assert started("pipelines", GOMP_SPINCOUNT="7") == "7 None"
    assert started("pipelines", OMP_WAIT_POLICY="passive") == "None passive"


def test_after_torch_it_would_be_too_late_and_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", sys)
    environment: dict[str, str] = {}
    shorten_spin(environment)
    assert environment == {}
