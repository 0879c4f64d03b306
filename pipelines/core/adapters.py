"""What is loaded on top of a checkpoint: LoRAs and textual inversions, from `.safetensors` only."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from tokenizers import Regex, normalizers
from torch import Tensor

from pipelines.core import checkpoint
from pipelines.core.checkpoint import CONTEXTS, FAMILIES, Checkpoint

UNNAMED: Final = "pytorch_lora_weights"  # what diffusers calls every LoRA it saves
METADATA: Final = "lora_adapter_metadata"  # where it keeps PEFT's configuration of one
_MALFORMED = (  # what a file may end in that is not as it should be
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    re.error,
)
_UP = re.compile(r"[._]lora[._](up|B|linear_layer\.up)\.weight$")


def add_loras(pipe: Any, loras: Mapping[str | Path, float]) -> None:
    """Add each LoRA times its weight to the networks: W + weight * alpha / rank * B A.

    Hu et al., arXiv:2106.09685, eq. 3. The networks keep their form, so nothing becomes slower.
    Names as diffusers or kohya write them; alpha may differ between layers, and is the rank where
    the file has none. Raises ValueError with one sentence where a file is no LoRA or one for
    another family.
    """
    for source, weight in loras.items():
        path = Path(source).expanduser()
        header = checkpoint.read(path)
        check_lora(header, pipe.unet.config.cross_attention_dim)
        try:
            pipe.load_lora_weights(_scaled(header), adapter_name="lora")
        except _MALFORMED as error:
            raise ValueError(f"{path.name} could not be added to the model: {error}") from error
        networks = list(pipe.get_list_adapters())
        if not networks:
            raise ValueError(f"{path.name} names no layer of this model.")
        pipe.set_adapters("lora", float(weight))
        pipe.fuse_lora(components=networks, adapter_names=["lora"])
        pipe.unload_lora_weights()


def add_embeddings(pipe: Any, embeddings: Sequence[str | Path]) -> None:
    """Teach the text encoders new words, one per file, called as the file without its ending.

    Textual inversion (Gal et al., arXiv:2208.01618): a word stands for one or several vectors.
    The tokenizer writes them for the word itself, so the words of a prompt keep their places.
    Raises ValueError with one sentence where a file is no embedding or one for another family.
    """
    pairs = [("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")]
    encoders = [pipe.components[name] for _, name in pairs if pipe.components.get(name)]
    tokenizers = [pipe.components[name] for name, _ in pairs if pipe.components.get(name)]
    for source in embeddings:
        path = Path(source).expanduser()
        header = checkpoint.read(path)
        check_embedding(header, [encoder.config.hidden_size for encoder in encoders])
        tensors = load_file(path)
        rows = [tensors[name].reshape(-1, tensors[name].shape[-1]) for name in _vectors(header)]
        for tokenizer, encoder, vectors in zip(tokenizers, encoders, rows, strict=True):
            _teach(tokenizer, encoder, path.stem, vectors)


def names(files: Iterable[str | Path]) -> list[str]:
    """What LoRAs or words are called, each as `called` says.

    Raises ValueError with one sentence where two would be called the same.
    """
    found = [called(file) for file in files]
    folded = [name.casefold() for name in found]
    for name in found:
        if folded.count(name.casefold()) > 1:
            raise ValueError(f"Two files are called {name}; leave one out, or rename it.")
    return found


def called(file: str | Path) -> str:
    """A LoRA's or a word's name: its file without ending; its folder where that says nothing."""
    path = Path(file)
    return checkpoint.title(path.parent) if path.stem == UNNAMED else path.stem


def check_lora(header: Checkpoint, context: int | None) -> None:
    """ValueError with one sentence where a file, by its header, is no LoRA that fits the model.

    `context` is the width of the words that the model's cross-attention reads, None where it is
    not known. What the header does not tell, adding the LoRA will.
    """
    name = header.path.name
    if header.kind != "lora":
        raise ValueError(f"{name} is {header.called}, no LoRA.")
    if any(re.search(r"\.(hada|lokr)_w", each) for each in header.shapes):
        raise ValueError(f"{name} is a LyCORIS; only plain LoRAs are added.")
    if any(re.search(r"dora_scale|lora_magnitude_vector", each) for each in header.shapes):
        raise ValueError(f"{name} is a DoRA; only plain LoRAs are added.")
    if any(re.search(r"double_blocks|^transformer\.", each) for each in header.shapes):
        raise ValueError(f"{name} is a LoRA for another architecture; it does not fit here.")
    if context is not None and header.context not in (None, context):
        theirs = _family(header.context) or "another model"
        ours = _family(context) or "of another kind"
        raise ValueError(f"{name} is a LoRA for {theirs}, but the model is {ours}.")


def check_embedding(header: Checkpoint, widths: Sequence[int]) -> None:
    """ValueError with one sentence where a file, by its header, is no word for these encoders.

    `widths` are those of their vectors; empty where they are not known.
    """
    name = header.path.name
    if header.kind != "embedding":
        raise ValueError(f"{name} is {header.called}, no textual inversion.")
    theirs = [(0, *header.shapes[vectors])[-1] for vectors in _vectors(header)]
    if widths and theirs != list(widths):
        raise ValueError(f"{name} is a word for another family of models than this one.")


def _scaled(header: Checkpoint) -> dict[str, Tensor]:
    """The tensors of a LoRA with B times alpha / rank, so that alpha is the rank in every layer.

    That is what diffusers takes for granted where it finds no alpha. Where alphas differ, it (0.42)
    gives attention and text encoders the commonest one; those in the metadata it does not see.
    """
    tensors = load_file(header.path)
    told = json.loads(header.metadata.get(METADATA, "{}"))
    for name, up in list(tensors.items()):
        layer = _UP.sub("", name)
        if layer == name:
            continue
        rank = up.shape[1]
        scale = _told_scale(told, layer, rank)
        if f"{layer}.alpha" in tensors:
            scale = tensors.pop(f"{layer}.alpha").item() / rank
        tensors[name] = up.float() * scale
    return tensors


def _told_scale(told: Mapping[str, Any], layer: str, rank: int) -> float:
    """Alpha / rank of a layer by PEFT's configuration of its network; 1 where that is not told."""
    network, _, path = layer.partition(".")
    usual = told.get(f"{network}.lora_alpha", rank)
    special = (told.get(f"{network}.alpha_pattern") or {}).items()
    alpha = next((each for key, each in special if re.match(rf"(.*\.)?({key})$", path)), usual)
    return alpha / (math.sqrt(rank) if told.get(f"{network}.use_rslora") else rank)


def _family(context: int | None) -> str | None:
    return FAMILIES.get(CONTEXTS.get(context or 0, ""))


def _vectors(header: Checkpoint) -> list[str]:
    """The tensor with the vectors of each text encoder, the first encoder's first."""
    both = ["clip_l", "clip_g"]
    return both if header.shapes.keys() >= set(both) else [next(iter(header.shapes))]


@torch.no_grad()
def _teach(tokenizer: Any, encoder: Any, word: str, vectors: Tensor) -> None:
    """`word`, in any case, becomes as many tokens as there are vectors."""
    known = len(tokenizer)
    tokens = [f"<|{known + place}|>" for place in range(len(vectors))]
    tokenizer.add_tokens(tokens)
    ids = tokenizer.convert_tokens_to_ids(tokens)
    size = max(max(ids) + 1, encoder.get_input_embeddings().num_embeddings)
    encoder.resize_token_embeddings(size, mean_resizing=False)
    weight = encoder.get_input_embeddings().weight
    weight[ids] = vectors.to(weight.device, weight.dtype)
    backend = tokenizer.backend_tokenizer
    pattern = Regex(rf"(?i)(?<!\w){re.escape(word)}(?!\w)")
    spelled = normalizers.Replace(pattern, " ".join(tokens))
    backend.normalizer = normalizers.Sequence([spelled, backend.normalizer])
    for module in encoder.modules():  # or the summary is taken at the highest token of all
        if hasattr(module, "eos_token_id"):
            module.eos_token_id = tokenizer.eos_token_id
