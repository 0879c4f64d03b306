"""Memory that stays with us: glibc hands large blocks back at once, and gets them page by page.

Training frees and asks again thousands of times a second; without this, half the processor's time
goes to the kernel clearing pages. Elsewhere than on glibc nothing happens.
"""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, ARENA_MAX = -1, -2, -3, -8  # of malloc.h


def keep() -> None:
    """Tell malloc to keep what it has; to be called before threads start."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(ARENA_MAX, 1)
    mallopt(MMAP_THRESHOLD, 32 << 20)
    mallopt(TRIM_THRESHOLD, (2 << 30) - 1)
    mallopt(TOP_PAD, 256 << 20)
