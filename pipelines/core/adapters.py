"""What is loaded on top of a checkpoint: LoRAs and textual inversions, from `.safetensors` only."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Regex, normalizers
from torch import Tensor

from pipelines.core import checkpoint
from pipelines.core.checkpoint import CONTEXTS, FAMILIES


def add_loras(pipe: Any, loras: Mapping[str | Path, float]) -> None:
    """Add each LoRA times its weight to the networks: W + weight * alpha / rank * B A.

    Hu et al., arXiv:2106.09685, eq. 3. The networks keep their form, so nothing becomes slower.
    Names as diffusers or kohya write them. Raises ValueError with one sentence where a file is no
    LoRA or one for another family.
    """
    for source, weight in loras.items():
        path = Path(source).expanduser()
        _check_lora(pipe, path)
        try:
            pipe.load_lora_weights(load_file(path), adapter_name="lora")
        except (RuntimeError, ValueError, KeyError, IndexError) as error:
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
    for source in embeddings:
        path = Path(source).expanduser()
        header = checkpoint.read(path)
        if header.kind != "embedding":
            raise ValueError(f"{path.name} is {header.called}, no textual inversion.")
        rows = _vectors(load_file(path))
        pairs = [("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")]
        encoders = [pipe.components[name] for _, name in pairs if pipe.components.get(name)]
        tokenizers = [pipe.components[name] for name, _ in pairs if pipe.components.get(name)]
        widths = [encoder.config.hidden_size for encoder in encoders]
        if widths != [vectors.shape[1] for vectors in rows]:
            raise ValueError(f"{path.name} is a word for another family of models than this one.")
        for tokenizer, encoder, vectors in zip(tokenizers, encoders, rows, strict=True):
            _teach(tokenizer, encoder, path.stem, vectors)


def _check_lora(pipe: Any, path: Path) -> None:
    header = checkpoint.read(path)
    if header.kind != "lora":
        raise ValueError(f"{path.name} is {header.called}, no LoRA.")
    if any(re.search(r"\.(hada|lokr)_w", name) for name in header.shapes):
        raise ValueError(f"{path.name} is a LyCORIS; only plain LoRAs are added.")
    if any(re.search(r"double_blocks|^transformer\.", name) for name in header.shapes):
        raise ValueError(f"{path.name} is a LoRA for another architecture; it does not fit here.")
    here, context = pipe.unet.config.cross_attention_dim, header.context
    if context is not None and context != here:
        theirs = FAMILIES.get(CONTEXTS.get(context, ""), "another model")
        ours = FAMILIES.get(CONTEXTS.get(here, ""), "of another kind")
        raise ValueError(f"{path.name} is a LoRA for {theirs}, but the model is {ours}.")


def _vectors(tensors: Mapping[str, Tensor]) -> list[Tensor]:
    """[vectors, width] for each text encoder, the first encoder first."""
    if "clip_l" in tensors and "clip_g" in tensors:
        found = [tensors["clip_l"], tensors["clip_g"]]
    else:
        found = [next(iter(tensors.values()))]
    return [each.reshape(-1, each.shape[-1]) for each in found]


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
