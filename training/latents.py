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


def cached(model: AutoencoderTiny, folder: Path, size: int, count: int, workers: int) -> np.ndarray:
    """Latents [n, 4, size/8, size/8] float16 of the first `count` postcards at `size` pixels.

    They are kept beside the pictures in `folder`. The file's name carries a checksum of the
    encoder: another encoder, another file.
    """
    path = folder / f"latents-{size}-{count}-{checksum(model):08x}.npy"
    if not path.exists():
        say(f"latents: encoding {count} pictures of {size} pixels")
        shards = album.load(folder / "postcard")[: -(-count // album.SHARD)]
        heaps = [shard[i : i + 20] for shard in shards for i in range(0, len(shard), 20)]
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            parts = list(pool.map(partial(_encode, model, size), heaps))
        aside = path.with_suffix(".part")
        with aside.open("wb") as file:
            np.save(file, np.concatenate(parts)[:count])
        aside.rename(path)
    latents = np.load(path, mmap_mode="r")
    spread = latents[:500].astype(np.float32).std()
    say(f"latents: {len(latents)} of {size} pixels, standard deviation {spread:.2f}")
    return latents


@torch.no_grad()
def _encode(model: AutoencoderTiny, size: int, pictures: np.ndarray) -> np.ndarray:
    heap = to_tensor(album.reduce(pictures, size)).to(model.device)
    return model.encoder(heap).half().cpu().numpy()
