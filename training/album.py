"""The rendered pictures on disk: shards of uint8, drawn once, in parallel, resumable.

Picture i is always the scene `scene_of(i)`, so captions need no file of their own; the map of a
postcard's classes lies in a shard beside its picture's. A shard exists only when it is whole (it is
written aside and moved into place).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np

from training import classes, palette, scene, textures, things, world
from training.progress import say
from training.scene import Scene, attributes, sample
from training.world import render

SHARD = 500  # pictures in a file
GENERIC_SIZE = 128


@dataclass(frozen=True, slots=True)
class Job:
    """One shard of each of `parts` to draw, in any process."""

    folder: Path
    parts: tuple[str, ...]
    start: int
    count: int
    draw: Callable[[int], tuple[np.ndarray, ...]]  # one array for each of `parts`

    @property
    def paths(self) -> list[Path]:
        return [self.folder / part / f"{self.start:06d}.npy" for part in self.parts]

    def run(self) -> str:
        cv2.setNumThreads(1)
        drawn = [self.draw(self.start + i) for i in range(self.count)]
        for path, arrays in zip(self.paths, zip(*drawn, strict=True), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(".part")
            with aside.open("wb") as file:
                np.save(file, np.stack(arrays))
            aside.rename(path)
        return f"{self.parts[0]} {self.start:06d}"


def scene_of(index: int, held_out: bool = False) -> Scene:
    """The scene of picture `index` in the training split, or in the held-out one."""
    return sample(np.random.default_rng([index, int(held_out)]), held_out)


def seldom(count: int) -> np.ndarray:
    """Which of the first `count` pictures show what few do; all of them where none does.

    That is weather, a second thing, or clouds at dawn, which are of the colour of its sun.
    """
    rare = [_rare(attributes(scene_of(i))) for i in range(count)]
    return np.flatnonzero(rare) if any(rare) else np.arange(count)


def _rare(shown: Mapping[str, str]) -> bool:
    cloudy_dawn = shown["time"] == "dawn" and shown["clouds"] != "none"
    return shown["weather"] != "clear" or shown["other kind"] != "none" or cloudy_dawn


def edition() -> int:
    """A checksum of all that decides what is drawn: another world, another album."""
    parts = (palette, scene, textures, things, world)
    return crc32(b"".join(Path(str(part.__file__)).read_bytes() for part in parts))


def fill(folder: Path, postcards: int, generics: int, processes: int) -> None:
    """Draw every shard that is missing, generic pictures first, postcards with their maps after."""
    plain = partial(Job, folder, ("generic",), count=SHARD, draw=_generic)
    mapped = partial(Job, folder, ("postcard", "map"), count=SHARD, draw=_mapped)
    jobs = [plain(start=start) for start in range(0, generics, SHARD)]
    jobs += [mapped(start=start) for start in range(0, postcards, SHARD)]
    missing = [job for job in jobs if not all(path.exists() for path in job.paths)]
    say(f"album: {len(missing)} of {len(jobs)} shards to draw")
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for number, name in enumerate(pool.map(Job.run, missing), 1):
            say(f"album: {name} drawn ({number} of {len(missing)})")


def load(folder: Path) -> list[np.ndarray]:
    """The shards drawn so far, in order, memory-mapped [SHARD, h, w, 3] uint8."""
    return [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]


def postcard(index: int) -> np.ndarray:
    """Training picture `index`, [256, 256, 3] uint8."""
    return render(scene_of(index)).image


def generic(index: int) -> np.ndarray:
    """Generic picture `index`, [128, 128, 3] uint8."""
    return textures.generic(np.random.default_rng([index, 7]), GENERIC_SIZE)


def _mapped(index: int) -> tuple[np.ndarray, np.ndarray]:
    scene = scene_of(index)
    drawn = render(scene)
    return drawn.image, classes.class_map(scene, drawn.masks)


def _generic(index: int) -> tuple[np.ndarray]:
    return (generic(index),)


def held_out(count: int, start: int = 0) -> np.ndarray:
    """Held-out postcards from `start` on, [count, 256, 256, 3] uint8."""
    indices = range(start, start + count)
    return np.stack([render(scene_of(i, held_out=True)).image for i in indices])


def reduce(pictures: np.ndarray, size: int) -> np.ndarray:
    """Pictures [n, h, h, 3] at another size, averaged."""
    if size == pictures.shape[1]:
        return pictures
    return np.stack(
        [cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA) for picture in pictures]
    )
