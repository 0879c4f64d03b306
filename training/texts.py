"""The captions of the album as token ids, prepared once and kept: twelve wordings of each scene."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np

from training import captions, free, tokenizer
from training.album import scene_of
from training.progress import say
from training.scene import Scene

PHRASED, FREE = 5, 6  # wordings of a scene by `captions.phrase` and by `free.free`
WORDINGS = 1 + PHRASED + FREE
AT_ONCE = 1000  # scenes tokenized together


def cached(folder: Path, count: int) -> np.ndarray:
    """Token ids [count, 12, 32] uint8 of scenes 0..count, the canonical caption first.

    They are kept in `folder`. The file's name carries a checksum of the grammar: another grammar,
    another file.
    """
    path = folder / f"tokens-{count}-{edition():08x}.npy"
    if not path.exists():
        say(f"captions: {count * WORDINGS} to write")
        parts = [range(start, min(start + AT_ONCE, count)) for start in range(0, count, AT_ONCE)]
        folder.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        with aside.open("wb") as file:
            np.save(file, np.concatenate([_encoded(part) for part in parts]))
        aside.rename(path)
    return np.load(path, mmap_mode="r")


def wordings(scene: Scene, rng: np.random.Generator) -> list[str]:
    """True captions of one scene: the canonical one, phrases, free ones."""
    phrased = [captions.phrase(scene, rng) for _ in range(PHRASED)]
    return [captions.caption(scene), *phrased, *(free.free(scene, rng) for _ in range(FREE))]


def empty() -> np.ndarray:
    """The token ids [32] of no words."""
    return _tokens([""])[0]


def edition() -> int:
    """A checksum of all that decides how scenes are worded and numbered."""
    parts = (captions, free, tokenizer)
    return crc32(b"".join(Path(str(part.__file__)).read_bytes() for part in parts))


def _encoded(indices: range) -> np.ndarray:
    told = [
        text
        for index in indices
        for text in wordings(scene_of(index), np.random.default_rng([index, 11]))
    ]
    return _tokens(told).reshape(len(indices), WORDINGS, -1)


def _tokens(texts: list[str]) -> np.ndarray:
    encoded = tokenizer.build()(texts, padding="max_length", truncation=True, return_tensors="np")
    return encoded.input_ids.astype(np.uint8)
