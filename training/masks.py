"""Where the things are in the album's first pictures: drawn once, in parallel, and kept as bits."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from training import album
from training.progress import say
from training.world import SIZE, render


def cached(state: Path, count: int) -> np.ndarray:
    """The masks [count, 256·256/8] uint8 of pictures 0..count, packed; `unpacked` opens one.

    The file's name carries the edition of the world: another world, another file.
    """
    path = state / f"masks-{album.edition():08x}.npy"
    kept = np.load(path) if path.exists() else np.zeros((0, SIZE * SIZE // 8), np.uint8)
    if len(kept) < count:
        say(f"masks: {count - len(kept)} to draw")
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            drawn = list(pool.map(_draw, range(len(kept), count), chunksize=50))
        kept = np.concatenate([kept, np.stack(drawn)])
        aside = path.with_suffix(".part")
        with aside.open("wb") as file:
            np.save(file, kept)
        aside.rename(path)
    return kept[:count]


def unpacked(mask: np.ndarray) -> np.ndarray:
    """One packed mask as [256, 256] uint8, 0 or 1."""
    return np.unpackbits(mask).reshape(SIZE, SIZE)


def _draw(index: int) -> np.ndarray:
    cv2.setNumThreads(1)
    return np.packbits(render(album.scene_of(index)).masks["object"])
