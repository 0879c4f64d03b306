"""The album as the denoiser sees it: every picture encoded once, and kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny

from training import album
from training.autoencoder import checksum, to_tensor
from training.progress import say

AT_ONCE = 20  # pictures encoded together


def cached(model: AutoencoderTiny, folder: Path, size: int, count: int, workers: int) -> np.ndarray:
    """Latents [n, 4, size/8, size/8] float16 of the first `count` postcards at `size` pixels.

    They are kept beside the pictures in `folder`, a shard for each of theirs. Their folder's name
    carries a checksum of the encoder: another encoder, another folder.
    """
    kept = folder / f"latents-{size}-{checksum(model):08x}"
    kept.mkdir(parents=True, exist_ok=True)
    drawn = sorted((folder / "postcard").glob("*.npy"))[: -(-count // album.SHARD)]
    missing = [path for path in drawn if not (kept / path.name).exists()]
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for number, path in enumerate(missing, 1):
            shard = np.load(path, mmap_mode="r")
            heaps = [shard[i : i + AT_ONCE] for i in range(0, len(shard), AT_ONCE)]
            aside = (kept / path.name).with_suffix(".part")
            with aside.open("wb") as file:
                np.save(file, np.concatenate(list(pool.map(partial(_encode, model, size), heaps))))
            aside.rename(kept / path.name)
            say(f"latents: {size} pixels, shard {path.stem} encoded ({number} of {len(missing)})")
    latents = np.concatenate([np.load(kept / path.name) for path in drawn])[:count]
    spread = latents[:500].astype(np.float32).std()
    say(f"latents: {len(latents)} of {size} pixels, standard deviation {spread:.2f}")
    return latents


@torch.no_grad()
def _encode(model: AutoencoderTiny, size: int, pictures: np.ndarray) -> np.ndarray:
    heap = to_tensor(album.reduce(pictures, size)).to(model.device)
    return model.encoder(heap).half().cpu().numpy()
