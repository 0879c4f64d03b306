"""What is loaded on top of a checkpoint: LoRAs and textual inversions, from `.safetensors` only."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from safetensors.torch import load_file

from pipelines.networks import checkpoint, lora_alpha, lora_keys
from pipelines.networks.checkpoint import CONTEXTS, FAMILIES, Checkpoint
from pipelines.networks.loras import merge, unapplied, width
from pipelines.words import taught

UNNAMED: Final = ("pytorch_lora_weights", lora_alpha.FILE)  # diffusers and PEFT call each so


def add_loras(pipe: Any, loras: Mapping[str | Path, float]) -> dict[str, str]:
    """Add each LoRA or LyCORIS times its weight to the networks, one after another.

    A weight W of theirs becomes W + weight * (W' - W), where W' is what the file makes of it at
    full strength (networks/lycoris.py). The networks keep their form, so nothing becomes slower.
    Names as diffusers, kohya, PEFT and others write them; alpha may differ between layers, and is
    the rank where the file has none. Returns a sentence, by its name, for each file that could be
    applied only in part. Raises ValueError with one sentence where a file is no LoRA or one for
    another family.
    """
    parts = {name: pipe.components.get(name) for name in lora_keys.NETWORKS}
    networks = {name: each for name, each in parts.items() if each is not None}
    unused: dict[str, str] = {}
    for source, weight in loras.items():
        if sentence := add_lora(networks, source, float(weight)):
            unused[called(source)] = sentence
    return unused


def add_lora(networks: Mapping[str, Any], source: str | Path, weight: float = 1.0) -> str:
    """Add one file as `add_loras` does; `networks` are parts of a pipeline, the UNet among them.

    Returns the sentence about layers that could not be applied, "" where there are none.
    """
    header = checkpoint.read(Path(source).expanduser())
    check_lora(header, networks["unet"].config.cross_attention_dim)
    return merge(header, lora_keys.Places(networks), weight)


def add_embeddings(pipe: Any, embeddings: Sequence[str | Path]) -> None:
    """Teach the text encoders new words, one per file, called as the file without its ending.

    Textual inversion (Gal et al., arXiv:2208.01618): a word stands for one or several vectors
    (words/taught.py).
    Raises ValueError with one sentence where a file is no embedding or one for another family.
    """
    pairs = [("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")]
    encoders = [pipe.components[name] for _, name in pairs if pipe.components.get(name)]
    tokenizers = [pipe.components[name] for name, _ in pairs if pipe.components.get(name)]
    for source in embeddings:
        path = Path(source).expanduser()
        header = checkpoint.read(path)
        widths = [encoder.config.hidden_size for encoder in encoders]
        check_embedding(header, widths)
        tensors = load_file(path)
        rows = [tensors[name].reshape(-1, tensors[name].shape[-1]) for name in header.of(widths)]
        for encoder, vectors in zip(encoders, rows, strict=True):
            if not bool(vectors.to(encoder.dtype).isfinite().all()):
                raise ValueError(
                    f"{path.name} has numbers that this model cannot hold; fetch the file again."
                )
        for tokenizer, encoder, vectors in zip(tokenizers, encoders, rows, strict=True):
            taught.teach(tokenizer, encoder, called(path), vectors)


def names(files: Iterable[str | Path]) -> list[str]:
    """What LoRAs or words are called, each as `called` says.

    Raises ValueError with one sentence where two would be called the same.
    """
    found = [called(file) for file in files]
    folded = [taught.fold(name) for name in found]
    for name in found:
        if folded.count(taught.fold(name)) > 1:
            raise ValueError(f"Two files are called {name}; leave one out, or rename it.")
    return found


def called(file: str | Path) -> str:
    """A LoRA's or a word's name: its file without ending; its folder where that says nothing."""
    path = Path(file)
    return checkpoint.title(path.parent) if path.stem in UNNAMED else path.stem


def check_lora(header: Checkpoint, context: int | None) -> None:
    """ValueError with one sentence where a file, by its header, is no LoRA that fits the model.

    `context` is the width of the words that the model's cross-attention reads, None where it is
    not known. What the header does not tell, adding the LoRA will.
    """
    name = header.path.name
    if header.kind != "lora":
        raise ValueError(f"{name} is {header.called}, no LoRA.")
    if any(re.search(r"double_blocks|^transformer\.", each) for each in header.shapes):
        raise ValueError(f"{name} is a LoRA for another architecture; it does not fit here.")
    if kind := unapplied(header):
        raise ValueError(f"{name} is of a kind that is not applied here ({kind}).")
    wide = width(header)
    if context is not None and wide not in (None, context):
        theirs = _family(wide) or "another model"
        ours = _family(context) or "of another kind"
        raise ValueError(f"{name} is a LoRA for {theirs}, but the model is {ours}.")


def check_embedding(header: Checkpoint, widths: Sequence[int]) -> None:
    """ValueError with one sentence where a file, by its header, is no word for these encoders.

    `widths` are those of their vectors; empty where they are not known.
    """
    name = header.path.name
    if header.kind != "embedding":
        raise ValueError(f"{name} is {header.called}, no textual inversion.")
    taught.check(called(header.path), name)
    if not header.vectors:
        raise ValueError(
            f"{name} is a textual inversion in a form that is not read here; take one of 1 to "
            f"{checkpoint.MAX_VECTORS} vectors in fp16, bf16 or fp32."
        )
    if widths and not header.of(widths):
        raise ValueError(f"{name} is a word for another family of models than this one.")


def _family(context: int | None) -> str | None:
    return FAMILIES.get(CONTEXTS.get(context or 0, ""))
