"""What a benchmark ran on, in words."""

import os
import platform
from pathlib import Path

import torch

from pipelines import Bundle


def machine(bundle: Bundle) -> str:
    """The processor that did the work."""
    if bundle.device.type == "cuda":
        return torch.cuda.get_device_name(bundle.device)
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def load() -> float:
    """Of the machine, in the minute before; NaN where it does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
