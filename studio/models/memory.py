"""Memory that did not suffice, and memory given back."""

import gc

import torch


def out_of_memory(error: BaseException) -> bool:
    """CUDA has a type for it, the CPU's allocator only a text."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in text or "out of memory" in text
    )


def give_back() -> None:
    """What nobody holds any more, to the device as well."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
